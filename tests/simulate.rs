//! probe(simulate(P)) = P: a profile turned into a device, probed, gives the profile back. One property over sampling,
//! statistics, conclusions, gates and TOML, without hardware and without a clock.

use roofprobe::device::Device;
use roofprobe::error::Result;
use roofprobe::job::Job;
use roofprobe::probe::{self, Question};
use roofprobe::profile::{self, Ceiling, Curve, Matmul, Profile, Status, Unit, Variant};
use roofprobe::sample::{self, Finished, Pace, Progress, Session, Surveyed, Watcher};
use roofprobe::simulate::{Simulated, as_asked, curves_as_asked};
use roofprobe::store::SHIPPED;
use roofprobe::units::four_digits;
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Isa, Op};

/// Counts what it is told, and interrupts after so many saves.
struct Counting {
    saves_left: usize,
    saves: usize,
    last_progress: f64,
}

impl Counting {
    fn patient() -> Counting {
        Counting { saves_left: usize::MAX, saves: 0, last_progress: 0.0 }
    }
}

impl Watcher for Counting {
    fn progress(&mut self, progress: &Progress) {
        assert!((self.last_progress..=1.0).contains(&progress.share), "progress goes forward");
        self.last_progress = progress.share;
    }
    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()> {
        assert!(!ceilings.is_empty());
        self.saves += 1;
        self.saves_left = self.saves_left.saturating_sub(1);
        Ok(())
    }
    fn surveyed(&mut self, curves: &[Curve]) -> Result<()> {
        assert!(!curves.is_empty());
        self.saves += 1;
        self.saves_left = self.saves_left.saturating_sub(1);
        Ok(())
    }
    fn interrupted(&self) -> bool {
        self.saves_left == 0
    }
}

fn pace(profile: &Profile) -> Pace {
    Pace::of_replay(profile.provenance.effort.unwrap())
}

fn measured(device: &mut Simulated, profile: &Profile, earlier: &[Ceiling], watcher: &mut Counting) -> Finished {
    let questions = probe::plan(&device.machine(), &profile.curve, profile.provenance.effort.unwrap());
    let questions = as_asked(profile, questions);
    let finished = sample::measure(&mut Session::new(device, pace(profile), watcher), &questions, earlier)
        .expect("nothing here can fail");
    let mut long = probe::sustained(&device.machine(), &profile.curve, profile.provenance.effort.unwrap());
    long.retain(|l| profile.ceiling(&l.question.id).is_some());
    watcher.last_progress = 0.0;
    sample::sustain(&mut Session::new(device, pace(profile), watcher), &long, earlier, finished)
        .expect("nothing here can fail")
}

fn surveyed(device: &mut Simulated, profile: &Profile, earlier: &[Curve], watcher: &mut Counting) -> Surveyed {
    let (machine, effort) = (device.machine(), profile.provenance.effort.unwrap());
    let questions = |curves: &[Curve]| curves_as_asked(profile, probe::survey(&machine, curves, effort));
    sample::survey(&mut Session::new(device, pace(profile), watcher), &questions, earlier)
        .expect("nothing here can fail")
}

fn concluded(profile: &Profile, ceilings: Vec<Ceiling>) -> Profile {
    let mut copy = Profile { ceiling: ceilings, ..profile.clone() };
    let device = Simulated::new(profile.clone()).unwrap();
    probe::judge(&mut copy.ceiling, &device.machine());
    copy.summarise();
    copy
}

fn profiles() -> Vec<Profile> {
    let shipped = SHIPPED.iter().map(|s| s.profile().expect("shipped profiles are valid"));
    let shipped = shipped.filter(|profile| !profile.is_quoted());
    // A made-up variation: something rejected, something skipped, one more mode.
    let mut odd = SHIPPED[0].profile().unwrap();
    let portable = odd.ceiling.iter_mut().find(|c| c.id == "compute.f32.portable").unwrap();
    *portable = Ceiling::without_value("compute.f32.portable".parse().unwrap(), Status::Rejected, "for the test");
    let read = odd.ceiling.iter_mut().find(|c| c.id == "memory.dram.read").unwrap();
    *read = Ceiling::without_value("memory.dram.read".parse().unwrap(), Status::Skipped, "for the test");
    let copy = odd.ceiling.iter_mut().find(|c| c.id == "memory.dram.copy").unwrap();
    let slow = copy.sample_values.len() / 3;
    copy.sample_values.iter_mut().take(slow).for_each(|v| *v = four_digits(*v / 2.0));
    let mut device = Simulated::new(odd.clone()).unwrap();
    let finished = measured(&mut device, &odd, &[], &mut Counting::patient());
    let odd = concluded(&odd, finished.ceilings);
    assert!(odd.ceiling("memory.dram.copy").unwrap().modes.len() > 1);
    shipped.chain([odd, with_levels(), of_a_gpu()]).collect()
}

/// Measured with curves; the footprints of its ceilings follow from them.
fn with_levels() -> Profile {
    profile::parse(include_str!("data/measured-levels.toml")).expect("the fixture is valid")
}

/// A software adapter, measured without timestamps: the device had something to say.
fn of_a_gpu() -> Profile {
    let profile = profile::parse(include_str!("data/measured-software-gpu.toml")).expect("the fixture is valid");
    assert!(profile.ceiling.iter().any(|c| c.flags.iter().any(|flag| flag.to_string().contains("wall clock"))));
    profile
}

#[test]
fn probing_a_simulated_profile_gives_the_profile_back() {
    for profile in profiles() {
        let mut device = Simulated::new(profile.clone()).unwrap();
        let mut watcher = Counting::patient();
        let finished = measured(&mut device, &profile, &[], &mut watcher);
        assert!(finished.complete && watcher.saves > 0);
        let again = concluded(&profile, finished.ceilings);
        for (was, is) in profile.ceiling.iter().zip(&again.ceiling) {
            assert_eq!(was, is);
        }
        let curves =
            surveyed(&mut Simulated::new(profile.clone()).unwrap(), &profile, &[], &mut Counting::patient()).curves;
        let again = Profile { curve: curves, ..again };
        assert_eq!(profile, again);
        assert_eq!(profile::to_toml(&profile).unwrap(), profile::to_toml(&again).unwrap());
    }
}

#[test]
fn an_interrupted_measurement_is_completed_to_the_same_profile() {
    for profile in profiles() {
        for saves in [1, 5, 17, 40] {
            let mut device = Simulated::new(profile.clone()).unwrap();
            let mut watcher = Counting { saves_left: saves, ..Counting::patient() };
            let interrupted = measured(&mut device, &profile, &[], &mut watcher);
            assert_eq!(interrupted.complete, watcher.saves_left > 0);
            assert!(interrupted.ceilings.len() == profile.ceiling.len(), "what is missing is there as skipped");
            let resumed = measured(&mut device, &profile, &interrupted.ceilings, &mut Counting::patient());
            assert!(resumed.complete);
            assert_eq!(concluded(&profile, resumed.ceilings), profile, "interrupted after {saves} saves");
        }
    }
}

#[test]
fn a_profile_without_a_ceiling_skips_it_with_the_reason() {
    let whole = SHIPPED[0].profile().unwrap();
    let mut profile = whole.clone();
    profile.ceiling.retain(|c| c.id != "compute.f64");
    let mut device = Simulated::new(profile.clone()).unwrap();
    let finished = measured(&mut device, &whole, &[], &mut Counting::patient());
    let missing = finished.ceilings.iter().find(|c| c.id == "compute.f64").unwrap();
    assert_eq!(missing.status, Status::Skipped);
    assert!(missing.reason.as_ref().unwrap().contains("has no compute.f64"));
}

#[test]
fn a_quoted_ceiling_is_its_own_single_sample() {
    let mut profile = SHIPPED[0].profile().unwrap();
    let read = profile.ceiling.iter_mut().find(|c| c.id == "memory.dram.read").unwrap();
    let variant = read.variant.clone();
    *read = Ceiling::with_value("memory.dram.read".parse().unwrap(), Status::Quoted, 34.13);
    read.source = Some("a datasheet".to_owned());
    read.variant = variant;
    let mut device = Simulated::new(profile.clone()).unwrap();
    let finished = measured(&mut device, &profile, &[], &mut Counting::patient());
    let read = finished.ceilings.iter().find(|c| c.id == "memory.dram.read").unwrap();
    assert_eq!((read.gb_per_s, read.samples), (Some(34.13), Some(1)));
}

/// A profile with curves over the places that the survey asks for; samples differ, one point has two modes.
fn with_curves() -> Profile {
    let mut profile = SHIPPED[0].profile().unwrap();
    let machine = Simulated::new(profile.clone()).unwrap().machine();
    let mut random = Random::new(5);
    for question in probe::survey(&machine, &[], profile.provenance.effort.unwrap()) {
        let places = question.points.iter().map(|job| question.axis.of(&job.variant.keys()).unwrap());
        let mut curve = Curve::empty(question.id.clone(), Status::Measured, None);
        curve.set_along(question.axis, places.collect());
        let mut sample = |centre: f64| four_digits(centre * (1.0 + 0.01 * random.signed_unit()));
        curve.sample_values = (0..question.points.len())
            .map(|i| (0..pace(&profile).curve_passes).map(|_| sample(if i < 5 { 90.0 } else { 30.0 })).collect())
            .collect();
        // Whatever the values: replaying the samples finds the right ones.
        curve.set_values(curve.sample_values.iter().map(|all: &Vec<f64>| all[0]).collect());
        profile.curve.push(curve);
    }
    let replayed = surveyed(&mut Simulated::new(profile.clone()).unwrap(), &profile, &[], &mut Counting::patient());
    Profile { curve: replayed.curves, ..profile }
}

#[test]
fn surveying_a_simulated_profile_gives_its_curves_back() {
    let profile = with_curves();
    assert!(!profile.curve.is_empty() && profile.curve.iter().all(|c| c.status == Status::Measured), "{profile:?}");
    profile.validate().unwrap();
    let text = profile::to_toml(&profile).unwrap();
    assert_eq!(profile::parse(&text).unwrap(), profile);
    let again = surveyed(&mut Simulated::new(profile.clone()).unwrap(), &profile, &[], &mut Counting::patient());
    assert!(again.complete);
    assert_eq!(again.curves, profile.curve);
}

#[test]
fn whole_curves_of_an_interrupted_survey_are_kept() {
    let profile = with_curves();
    let mut kept = profile.curve[0].clone();
    kept.low[0] /= 2.0;
    let again =
        surveyed(&mut Simulated::new(profile.clone()).unwrap(), &profile, &[kept.clone()], &mut Counting::patient());
    assert_eq!(again.curves[0], kept, "not measured again");
    let mut hasty = Counting { saves_left: 0, ..Counting::patient() };
    let interrupted = surveyed(&mut Simulated::new(profile.clone()).unwrap(), &profile, &[], &mut hasty);
    assert!(!interrupted.complete && interrupted.curves.is_empty(), "a part of a curve is no curve");
}

#[test]
fn a_missing_curve_has_the_reason_of_the_refusal() {
    let profile = with_curves();
    let bare = Profile { curve: Vec::new(), ..profile.clone() };
    let missing = surveyed(&mut Simulated::new(bare).unwrap(), &profile, &[], &mut Counting::patient());
    let first = &missing.curves[0];
    assert_eq!(first.status, Status::Skipped);
    assert!(first.reason.as_ref().unwrap().contains(&format!("has no {}", first.id)), "{first:?}");
}

#[test]
fn the_second_figure_of_a_ceiling_is_replayed_too() {
    for (id, op, second) in
        [("matmul.q8_0.m1", Op::Matmul, Unit::GbPerS), ("attention.f16", Op::Attention, Unit::GflopPerS)]
    {
        let mut profile = SHIPPED[0].profile().unwrap();
        let mut ceiling = Ceiling::with_value(id.parse().unwrap(), Status::Quoted, 71.23);
        ceiling.set(second, 37.81);
        ceiling.source = Some("a datasheet".to_owned());
        let variant: Variant = Matmul::plain(Isa::Portable, 1, Pages::Base, [1, 4096, 4096], 4).into();
        ceiling.variant = Some(variant.keys());
        profile.ceiling = vec![ceiling];
        profile.summarise();
        profile.validate().unwrap();
        let job = Job { ceiling: id.parse().unwrap(), op, dtype: Dtype::Q8_0, variant };
        let otherwise = (Status::Unsupported, "none".to_owned());
        let question = Question {
            id: id.parse().unwrap(),
            candidates: vec![job],
            fallback: Vec::new(),
            otherwise,
            operands: None,
            flags: Vec::new(),
        };
        let mut device = Simulated::new(profile.clone()).unwrap();
        let finished =
            sample::measure(&mut Session::new(&mut device, pace(&profile), &mut Counting::patient()), &[question], &[])
                .unwrap();
        let replayed = &finished.ceilings[0];
        assert_eq!(replayed.value(), profile.ceiling[0].value());
        assert_eq!(replayed.second(), Some((37.81, second)));
    }
}
