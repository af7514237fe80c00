//! What lasts, on a device that gets hot: the value is of the end of the run, the burst stands beside it, an interrupted run
//! begins anew, and a simulation replays it.

use roofprobe::device::{Device, Purpose, Refusal, Timing};
use roofprobe::error::Result;
use roofprobe::job::Job;
use roofprobe::probe::{self, LongQuestion};
use roofprobe::profile::{Ceiling, Curve, Effort, Machine, Profile, Status};
use roofprobe::sample::{self, Finished, Pace, Progress, Session, Watcher};
use roofprobe::simulate::Simulated;
use roofprobe::store::SHIPPED;
use roofprobe::units::{Flops, Seconds};
use roofprobe::work::Work;

/// 200 GFLOP/s for more than half of a run, then 160.
struct Hot {
    machine: Machine,
    samples: usize,
    variants: Vec<String>,
}

impl Hot {
    fn new() -> Hot {
        let profile = SHIPPED[0].profile().unwrap();
        let machine = profile.machine().unwrap();
        Hot { machine, samples: 0, variants: Vec::new() }
    }
}

impl Device for Hot {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }
    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> std::result::Result<Timing, Refusal> {
        let giga = if self.samples < 35 { 200.0 } else { 160.0 };
        if purpose == Purpose::Sample {
            self.samples += 1;
            self.variants.push(job.variant.to_string());
        }
        let seconds = repetitions as f64 * 0.1;
        let work = Work { flops: Flops(giga * 1e9 * seconds), ..Work::default() };
        let (clock_hz, huge_share) = (Some(4e9), None);
        Ok(Timing {
            seconds: Seconds(seconds),
            repetitions,
            work,
            clock_hz,
            huge_share,
            relative_error: None,
            // The first reading is of what ran before.
            watts: Some(if self.samples == 1 { 3.0 } else { 12.5 }),
            disturbed: self.samples == 7,
            note: None,
        })
    }
    fn renew(&mut self) {}
}

/// Interrupts after so many windows.
struct Patience {
    windows: usize,
    saved: usize,
}

impl Watcher for Patience {
    fn progress(&mut self, progress: &Progress) {
        assert!(progress.share < 1.0 && progress.now.ends_with("sustained"), "{progress:?}");
        self.windows = self.windows.saturating_sub(1);
    }
    fn save(&mut self, _: &[Ceiling]) -> Result<()> {
        self.saved += 1;
        Ok(())
    }
    fn surveyed(&mut self, _: &[Curve]) -> Result<()> {
        Ok(())
    }
    fn interrupted(&self) -> bool {
        self.windows == 0
    }
}

/// The burst before the run, with the slower instruction set as its winner.
fn burst() -> (Finished, LongQuestion) {
    let machine = Hot::new().machine;
    let long = probe::sustained(&machine, &[], Effort::Thorough);
    let long = long.into_iter().find(|long| long.question.id == "compute.f32.sustained").unwrap();
    let mut ceiling = Ceiling::with_value("compute.f32".parse().unwrap(), Status::Measured, 200.0);
    ceiling.variant = long.question.candidates.last().map(|job| job.variant.keys());
    (Finished { ceilings: vec![ceiling], complete: true, disturbed_samples: 1 }, long)
}

fn held(device: &mut dyn Device, windows: usize, earlier: &[Ceiling]) -> Finished {
    let (finished, long) = burst();
    let mut patience = Patience { windows, saved: 0 };
    let pace = Pace::of(Effort::Thorough);
    let held = sample::sustain(&mut Session::new(device, pace, &mut patience), &[long], earlier, finished).unwrap();
    assert_eq!(patience.saved, 1);
    held
}

#[test]
fn the_end_of_the_run_is_the_value_and_the_burst_stands_beside_it() {
    let mut hot = Hot::new();
    let mut finished = held(&mut hot, usize::MAX, &[]);
    assert!(finished.complete);
    assert_eq!(finished.disturbed_samples, 2, "the burst's and its own, which is not repeated");
    let winner = finished.ceilings[0].variant.clone().unwrap();
    assert!(hot.variants.iter().all(|variant| *variant == winner.to_string()), "the burst's winner is held");
    probe::judge(&mut finished.ceilings, &hot.machine);
    let long = &finished.ceilings[1];
    assert_eq!((long.status, long.gflop_per_s, long.samples), (Status::Measured, Some(160.0), Some(60)), "{long:?}");
    assert_eq!((long.median, long.ci95, long.per_cycle), (Some(200.0), Some([160.0, 160.0]), Some(20.0)));
    assert_eq!(long.watts, Some(12.5), "the median of all readings");
    assert!(long.flags.iter().any(|flag| flag.to_string().contains("20 % below")), "{:?}", long.flags);
}

#[test]
fn an_interrupted_run_begins_anew_and_a_whole_one_is_kept() {
    let mut hot = Hot::new();
    let interrupted = held(&mut hot, 30, &[]);
    assert!(!interrupted.complete);
    assert_eq!((interrupted.ceilings[1].status, hot.samples), (Status::Skipped, 30));
    let whole = held(&mut hot, usize::MAX, &interrupted.ceilings);
    assert_eq!((whole.ceilings[1].samples, hot.samples), (Some(60), 90));
    let again = held(&mut hot, usize::MAX, &whole.ceilings);
    assert_eq!((again.ceilings[1].gflop_per_s, hot.samples), (whole.ceilings[1].gflop_per_s, 90));
}

#[test]
fn a_simulation_holds_what_its_profile_held() {
    let mut hot = Hot::new();
    let finished = held(&mut hot, usize::MAX, &[]);
    let profile = Profile { ceiling: finished.ceilings.clone(), ..SHIPPED[0].profile().unwrap() };
    let replayed = held(&mut Simulated::new(profile).unwrap(), usize::MAX, &[]);
    assert_eq!(replayed.ceilings, finished.ceilings);
}
