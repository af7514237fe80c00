//! probe(simulate(P)) = P: a profile turned into a device, probed, gives the profile back. One property over sampling,
//! statistics, conclusions, gates and TOML, without hardware and without a clock.

use roofprobe::device::Device;
use roofprobe::error::Result;
use roofprobe::probe::{self, Question};
use roofprobe::profile::{self, Ceiling, Profile, Status};
use roofprobe::sample::{self, Finished, Pace, Watcher};
use roofprobe::simulate::Simulated;
use roofprobe::store::SHIPPED;

/// Counts what it is told, and interrupts after so many saves.
struct Counting {
    saves_left: usize,
    saves: usize,
    last_progress: (usize, usize),
}

impl Counting {
    fn patient() -> Counting {
        Counting { saves_left: usize::MAX, saves: 0, last_progress: (0, 0) }
    }
}

impl Watcher for Counting {
    fn progress(&mut self, done: usize, total: usize, _now: &str) {
        assert!(done >= self.last_progress.0 && done <= total, "progress goes forward");
        self.last_progress = (done, total);
    }
    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()> {
        assert!(!ceilings.is_empty());
        self.saves += 1;
        self.saves_left = self.saves_left.saturating_sub(1);
        Ok(())
    }
    fn interrupted(&self) -> bool {
        self.saves_left == 0
    }
}

fn pace(profile: &Profile) -> Pace {
    // Time is not simulated: the budget never ends, the rest is the effort's own.
    Pace { budget: std::time::Duration::MAX, ..Pace::of(profile.provenance.effort) }
}

/// What is asked of a machine like this, and stands in the profile: a profile knows nothing of questions made after it.
fn questions(profile: &Profile) -> Vec<Question> {
    let machine = Simulated::new(profile.clone()).machine();
    let mut all = probe::plan(&machine, profile.provenance.effort);
    all.retain(|question| profile.ceiling(&question.id).is_some());
    all
}

fn measured(device: &mut Simulated, profile: &Profile, earlier: &[Ceiling], watcher: &mut Counting) -> Finished {
    let questions = questions(profile);
    sample::measure(device, &questions, pace(profile), earlier, watcher).expect("nothing here can fail")
}

fn concluded(profile: &Profile, ceilings: Vec<Ceiling>) -> Profile {
    let mut copy = Profile { ceiling: ceilings, ..profile.clone() };
    let device = Simulated::new(profile.clone());
    probe::judge(&mut copy.ceiling, &device.machine());
    copy.summarise();
    copy
}

fn profiles() -> Vec<Profile> {
    let shipped = SHIPPED.iter().map(|s| s.profile().expect("shipped profiles are valid"));
    // A made-up variation: something rejected, something skipped, one more mode.
    let mut odd = SHIPPED[0].profile().unwrap();
    let portable = odd.ceiling.iter_mut().find(|c| c.id == "compute.f32.portable").unwrap();
    *portable = Ceiling::without_value("compute.f32.portable", Status::Rejected, "for the test");
    let read = odd.ceiling.iter_mut().find(|c| c.id == "memory.dram.read").unwrap();
    *read = Ceiling::without_value("memory.dram.read", Status::Skipped, "for the test");
    let copy = odd.ceiling.iter_mut().find(|c| c.id == "memory.dram.copy").unwrap();
    let slow = copy.sample_values.len() / 3;
    copy.sample_values.iter_mut().take(slow).for_each(|v| *v = roofprobe::units::four_digits(*v / 2.0));
    let mut device = Simulated::new(odd.clone());
    let finished = measured(&mut device, &odd, &[], &mut Counting::patient());
    let odd = concluded(&odd, finished.ceilings);
    assert!(odd.ceiling("memory.dram.copy").unwrap().modes.len() > 1);
    shipped.chain([odd]).collect()
}

#[test]
fn probing_a_simulated_profile_gives_the_profile_back() {
    for profile in profiles() {
        let mut device = Simulated::new(profile.clone());
        let mut watcher = Counting::patient();
        let finished = measured(&mut device, &profile, &[], &mut watcher);
        assert!(finished.complete && watcher.saves > 0);
        let again = concluded(&profile, finished.ceilings);
        for (was, is) in profile.ceiling.iter().zip(&again.ceiling) {
            assert_eq!(was, is);
        }
        assert_eq!(profile, again);
        assert_eq!(profile::to_toml(&profile).unwrap(), profile::to_toml(&again).unwrap());
    }
}

#[test]
fn an_interrupted_measurement_is_completed_to_the_same_profile() {
    for profile in profiles() {
        for saves in [1, 5, 17, 40] {
            let mut device = Simulated::new(profile.clone());
            let mut watcher = Counting { saves_left: saves, ..Counting::patient() };
            let interrupted = measured(&mut device, &profile, &[], &mut watcher);
            assert!(!interrupted.complete);
            assert!(interrupted.ceilings.len() == profile.ceiling.len(), "what is missing is there as skipped");
            let resumed = measured(&mut device, &profile, &interrupted.ceilings, &mut Counting::patient());
            assert!(resumed.complete);
            assert_eq!(concluded(&profile, resumed.ceilings), profile, "interrupted after {saves} saves");
        }
    }
}

#[test]
fn a_profile_without_a_ceiling_skips_it_with_the_reason() {
    let mut profile = SHIPPED[0].profile().unwrap();
    let questions = questions(&profile);
    profile.ceiling.retain(|c| c.id != "compute.f64");
    let mut device = Simulated::new(profile.clone());
    let finished = sample::measure(&mut device, &questions, pace(&profile), &[], &mut Counting::patient()).unwrap();
    let missing = finished.ceilings.iter().find(|c| c.id == "compute.f64").unwrap();
    assert_eq!(missing.status, Status::Skipped);
    assert!(missing.reason.as_ref().unwrap().contains("has no compute.f64"));
}

#[test]
fn a_quoted_ceiling_is_its_own_single_sample() {
    let mut profile = SHIPPED[0].profile().unwrap();
    let read = profile.ceiling.iter_mut().find(|c| c.id == "memory.dram.read").unwrap();
    let variant = read.variant.clone();
    *read = Ceiling::with_value("memory.dram.read", Status::Quoted, profile::Unit::GbPerS, 34.13);
    read.source = Some("a datasheet".to_owned());
    read.variant = variant;
    let mut device = Simulated::new(profile.clone());
    let finished = measured(&mut device, &profile, &[], &mut Counting::patient());
    let read = finished.ceilings.iter().find(|c| c.id == "memory.dram.read").unwrap();
    assert_eq!((read.gb_per_s, read.samples), (Some(34.13), Some(1)));
}
