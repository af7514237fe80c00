//! When questions are visited, on a device with a clock of its own: races under noise, remembered races, a budget that holds,
//! samples where they are needed, a measurement that is killed again and again.

use roofprobe::device::{Device, Purpose, Refusal, Timing};
use roofprobe::error::{Error, Result};
use roofprobe::job::Job;
use roofprobe::probe::{Operands, Question};
use roofprobe::profile::{Ceiling, Curve, Effort, Machine, Race, Status, Stream, VariantKeys};
use roofprobe::sample::{self, Clock, Finished, Pace, Progress, Session, Watcher};
use roofprobe::store::SHIPPED;
use roofprobe::units::{Bytes, Seconds};
use roofprobe::work::Work;
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// A clock that goes on while the device works, and at no other time.
#[derive(Clone, Default)]
struct Hands(Rc<Cell<f64>>);

impl Clock for Hands {
    fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(self.0.get())
    }
}

/// What a device says of a job at that time, in s: its rate in GB/s.
type Rate = Box<dyn FnMut(&Job, f64) -> f64>;

/// A device whose passes take time.
struct Worker {
    clock: Hands,
    rate: Rate,
    /// One repetition, s.
    repetition: f64,
    /// What it takes to make operands ready, s.
    making: f64,
    ready: bool,
    renewals: usize,
    /// Passes by the purpose and the ceiling that they were for.
    passes: HashMap<(&'static str, String), usize>,
}

impl Worker {
    fn new(rate: impl FnMut(&Job, f64) -> f64 + 'static) -> Worker {
        let (clock, rate) = (Hands::default(), Box::new(rate));
        Worker { clock, rate, repetition: 1e-4, making: 0.0, ready: false, renewals: 0, passes: HashMap::new() }
    }

    fn passes(&self, purpose: &'static str, id: &str) -> usize {
        self.passes.get(&(purpose, id.to_owned())).copied().unwrap_or(0)
    }
}

impl Device for Worker {
    fn machine(&self) -> Machine {
        SHIPPED[0].profile().unwrap().machine().unwrap()
    }

    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> std::result::Result<Timing, Refusal> {
        let purpose = match purpose {
            Purpose::Warm => "warm",
            Purpose::Trial => "trial",
            Purpose::Sample => "sample",
        };
        *self.passes.entry((purpose, job.ceiling.to_string())).or_default() += 1;
        if job.ceiling.as_str().starts_with("matmul") && !self.ready {
            self.clock.0.set(self.clock.0.get() + self.making);
            self.ready = true;
        }
        let seconds = self.repetition * repetitions as f64;
        let rate = (self.rate)(job, self.clock.0.get());
        self.clock.0.set(self.clock.0.get() + seconds);
        let bytes = Bytes(rate * 1e9 * seconds);
        let work = Work { bytes, flops: roofprobe::units::Flops(bytes.0) };
        Ok(Timing { seconds: Seconds(seconds), repetitions, work, ..Timing::default() })
    }

    fn renew(&mut self) {
        self.renewals += 1;
        self.ready = false;
    }
}

/// Keeps what was saved last, and dies at a time of the clock.
struct Keeper {
    clock: Hands,
    dies: f64,
    kept: Vec<Ceiling>,
    share: f64,
}

impl Keeper {
    fn of(worker: &Worker) -> Keeper {
        Keeper { clock: worker.clock.clone(), dies: f64::INFINITY, kept: Vec::new(), share: 0.0 }
    }
}

impl Watcher for Keeper {
    fn progress(&mut self, progress: &Progress) {
        assert!((self.share..=1.0).contains(&progress.share), "it fell from {} to {}", self.share, progress.share);
        self.share = progress.share;
    }
    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()> {
        if self.clock.0.get() > self.dies {
            return Err(Error::failure("killed"));
        }
        self.kept = ceilings.to_vec();
        Ok(())
    }
    fn surveyed(&mut self, _: &[Curve]) -> Result<()> {
        Ok(())
    }
    fn interrupted(&self) -> bool {
        false
    }
}

fn streams(job: &Job) -> u32 {
    job.variant.keys().streams.unwrap_or(0)
}

/// A question with so many candidates; the number of its streams tells which one it is.
fn question(id: &str, candidates: u32) -> Question {
    let job = |streams| {
        let variant = Stream { streams: Some(streams), ..Stream::plain(Isa::Portable, 1, Pages::Base, 1 << 20) };
        Job { ceiling: id.parse().unwrap(), op: Op::Read, dtype: Dtype::F64, variant: variant.into() }
    };
    let operands = id.starts_with("matmul").then_some(Operands::Weights(Dtype::F32));
    Question {
        id: id.parse().unwrap(),
        candidates: (1..=candidates).map(job).collect(),
        fallback: Vec::new(),
        otherwise: (Status::Unsupported, "none".to_owned()),
        operands,
        flags: Vec::new(),
    }
}

fn measured(worker: &mut Worker, questions: &[Question], pace: Pace, races: &[Race]) -> Finished {
    let (mut keeper, clock) = (Keeper::of(worker), worker.clock.clone());
    let mut session = Session::new(worker, pace, &mut keeper).by(clock).remembering(races);
    sample::measure(&mut session, questions, &[]).unwrap()
}

/// The true rate of a candidate: the fifth is the fastest, and the expected one 8 % behind.
fn true_rate(streams: u32) -> f64 {
    [92.0, 70.0, 85.0, 60.0, 100.0, 50.0, 88.0, 40.0][streams as usize - 1]
}

/// Passes lose up to `most` of their rate, one in eight of them half, and now and then the machine is at half speed for a while.
fn noisy(seed: u64, most: f64) -> impl FnMut(&Job, f64) -> f64 {
    let mut random = Random::new(seed);
    move |job, time| {
        let spell = if (time / 0.2) as u64 % 3 == seed % 3 { 0.5 } else { 1.0 };
        let stolen = if random.bits().is_multiple_of(8) { 0.5 } else { 1.0 };
        true_rate(streams(job)) * spell * stolen * (1.0 - most * random.signed_unit().abs())
    }
}

#[test]
fn a_race_finds_the_fastest_candidate_through_noise_and_spells() {
    let quick = Pace { samples_max: 4, samples_min: 4, visits_min: 1, ..Pace::of(Effort::Quick) };
    let wins = |seed| {
        let mut worker = Worker::new(noisy(seed, 0.03));
        let ceiling = measured(&mut worker, &[question("memory.dram.read", 8)], quick, &[]).ceilings.remove(0);
        assert_eq!(ceiling.trials.len(), 8, "all are recorded: {:?}", ceiling.trials);
        assert!(worker.passes("trial", "memory.dram.read") < 8 * 7, "those who fall behind leave");
        ceiling.variant.unwrap().streams == Some(5)
    };
    let won = (0..40).filter(|&seed| wins(seed)).count();
    assert!(won >= 36, "{won} of 40");
}

#[test]
fn a_race_takes_no_longer_than_it_may() {
    // One repetition takes longer than a pass should: eight candidates, 20 ms each.
    let mut worker = Worker::new(|job, _| true_rate(streams(job)));
    worker.repetition = 0.02;
    let quick = Pace { samples_max: 4, samples_min: 4, visits_min: 1, ..Pace::of(Effort::Quick) };
    let ceiling = measured(&mut worker, &[question("memory.dram.read", 8)], quick, &[]).ceilings.remove(0);
    assert_eq!(ceiling.variant.unwrap().streams, Some(5));
    let raced = worker.passes("trial", "memory.dram.read");
    assert!(raced <= 8, "those far behind after their first pass have no second one: {raced}");
}

#[test]
fn a_remembered_winner_is_checked_and_overruled_when_it_loses() {
    let quick = Pace::of(Effort::Quick);
    let keys = |streams, footprint_bytes| VariantKeys {
        footprint_bytes: Some(footprint_bytes),
        ..question("memory.dram.read", streams).candidates.pop().unwrap().variant.keys()
    };
    let raced = |winner, runner_up| {
        let race = Race { id: "memory.dram.read".parse().unwrap(), winner, runner_up: Some(runner_up) };
        let mut worker = Worker::new(|job, _| true_rate(streams(job)));
        measured(&mut worker, &[question("memory.dram.read", 8)], quick, &[race]).ceilings.remove(0)
    };
    // It was remembered over another footprint, and is checked against the expected one and the last runner-up.
    let ceiling = raced(keys(5, 1 << 19), keys(7, 1 << 19));
    let tried: Vec<_> = ceiling.trials.iter().map(|trial| trial.variant.streams).collect();
    assert_eq!(tried, [Some(5), Some(1), Some(7)]);
    assert_eq!(ceiling.variant.unwrap(), keys(5, 1 << 20));
    // Another machine, or another day: the third loses against the first, and all run.
    let ceiling = raced(keys(3, 1 << 19), keys(2, 1 << 19));
    assert_eq!((ceiling.trials.len(), ceiling.variant.unwrap().streams), (8, Some(5)));
}

/// Compute, caches, and matmuls that share weights.
fn questions() -> Vec<Question> {
    let ids = ["memory.l1.read", "memory.dram.read", "compute.f32", "compute.f64", "matmul.f32.m1", "matmul.f32.m512"];
    ids.map(|id| question(id, if id.starts_with("matmul") { 8 } else { 2 })).to_vec()
}

/// The same question under another name.
fn copy(original: &Question, i: usize) -> Question {
    let candidates = original.candidates.len() as u32;
    Question { operands: original.operands, ..question(&format!("{}.x{i}", original.id), candidates) }
}

#[test]
fn a_slow_device_keeps_the_budget_and_says_what_was_left_out() {
    for repetition in [1e-4, 0.05, 0.2, 1.1] {
        let mut worker = Worker::new(noisy(3, 0.5));
        (worker.repetition, worker.making) = (repetition, 0.5);
        let many: Vec<Question> = (0..8).flat_map(|i| questions().into_iter().map(move |q| copy(&q, i))).collect();
        let pace = Pace::of(Effort::Quick);
        let finished = measured(&mut worker, &many, pace, &[]);
        assert!(finished.complete);
        let seconds = worker.clock.0.get();
        assert!(seconds <= pace.budget.as_secs_f64() + 5.0 * repetition, "{repetition}: {seconds}");
        let left_out: Vec<&Ceiling> = finished.ceilings.iter().filter(|c| c.status == Status::Skipped).collect();
        assert!(left_out.iter().all(|c| c.reason.as_ref().unwrap().contains("within 14 s")), "{left_out:?}");
        assert_eq!(left_out.is_empty(), repetition < 0.1, "{repetition}: {}", left_out.len());
    }
}

#[test]
fn cheap_questions_are_visited_more_often_and_settled_ones_are_left_alone() {
    let mut random = Random::new(7);
    let mut worker = Worker::new(move |job, _| {
        // Half as fast as often as not: its modes are not clear until there are many samples.
        let unsettled = job.ceiling == "compute.f32" || job.ceiling == "matmul.f32.m1";
        if unsettled { 100.0 * (1.0 - 0.6 * random.signed_unit().abs()) } else { 100.0 }
    });
    worker.making = 0.4;
    let pace = Pace { samples_max: 400, ..Pace::of(Effort::Quick) };
    let finished = measured(&mut worker, &questions(), pace, &[]);
    let samples = |id: &str| finished.ceilings.iter().find(|c| c.id == id).unwrap().samples.unwrap() as usize;
    assert!(samples("compute.f32") >= 2 * samples("matmul.f32.m1"), "{:?}", finished.ceilings);
    for id in ["compute.f64", "memory.l1.read", "matmul.f32.m512"] {
        assert!(
            (pace.samples_min..pace.samples_min + pace.visit_samples).contains(&samples(id)),
            "{id}: {}",
            samples(id)
        );
    }
    assert!(worker.renewals >= pace.visits_min - 1, "each sweep has memory of its own");
}

#[test]
fn who_was_visited_in_a_slow_mode_of_memory_is_visited_again_in_the_fast_one() {
    for comes in [7.0, 9.0, 11.0] {
        let mut random = Random::new(11);
        let mut worker = Worker::new(move |job, time| {
            let mode = if time > comes { 1.0 } else { 0.5 };
            match job.ceiling.as_str() {
                "memory.dram.read" | "memory.dram.copy" | "matmul.q8_0.m1" => 100.0 * mode,
                // Never settled: there is something to do until the end.
                "matmul.f32.m1" => 100.0 * (1.0 - 0.6 * random.signed_unit().abs()),
                _ => 100.0,
            }
        });
        worker.making = 0.4;
        let more = ["memory.dram.copy", "matmul.q8_0.m1"].map(|id| question(id, 1));
        let questions: Vec<Question> = questions().into_iter().chain(more).collect();
        let pace = Pace { samples_max: 400, ..Pace::of(Effort::Quick) };
        let finished = measured(&mut worker, &questions, pace, &[]);
        for id in ["memory.dram.read", "memory.dram.copy", "matmul.q8_0.m1"] {
            let ceiling = finished.ceilings.iter().find(|c| c.id == id).unwrap();
            let best = ceiling.sample_values.iter().copied().fold(0.0, f64::max);
            assert_eq!(best, 100.0, "{comes} s: {ceiling:?}");
        }
    }
}

#[test]
fn nobody_meets_a_fast_mode_of_memory_that_its_read_has_not_met() {
    let mut met = 0;
    for begins in [2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0] {
        let mut worker = Worker::new(move |_, time| if (begins..begins + 4.0).contains(&time) { 100.0 } else { 50.0 });
        worker.making = 0.8;
        let formats = ["matmul.f16.m1", "matmul.q8_0.m1", "matmul.q6_k.m1", "matmul.q4_0.m1"].map(|id| question(id, 3));
        let questions: Vec<Question> = questions().into_iter().chain(formats).collect();
        let finished = measured(&mut worker, &questions, Pace::of(Effort::Quick), &[]);
        let is_fast = |id: &str| {
            let ceiling = finished.ceilings.iter().find(|c| c.id == id).unwrap();
            ceiling.sample_values.iter().filter(|&&value| value > 90.0).count() >= 3
        };
        if ["matmul.q8_0.m1", "matmul.q4_0.m1"].into_iter().any(is_fast) {
            met += 1;
            assert!(is_fast("memory.dram.read"), "{begins} s");
        }
    }
    assert!(met > 1, "{met}");
}

#[test]
fn the_first_answers_are_those_that_need_no_survey() {
    let mut worker = Worker::new(|_, _| 100.0);
    let (mut keeper, clock) = (Keeper::of(&worker), worker.clock.clone());
    let mut earlier = Ceiling::with_value("memory.dram.read".parse().unwrap(), Status::Measured, 7.0);
    earlier.variant = Some(question("memory.dram.read", 1).candidates[0].variant.keys());
    (earlier.sample_values, earlier.samples) = (vec![7.0; 9], Some(9));
    let mut session = Session::new(&mut worker, Pace::of(Effort::Quick), &mut keeper).by(clock);
    let begun = sample::begin(&mut session, &questions(), std::slice::from_ref(&earlier)).unwrap();
    assert!(begun.finished.complete);
    for ceiling in &begun.finished.ceilings {
        let known = ceiling.id.as_str().starts_with("compute") || ceiling.id == "memory.dram.read";
        assert_eq!(ceiling.samples.is_some(), known, "{ceiling:?}");
    }
    assert!(begun.finished.ceilings.contains(&earlier), "what waits for the survey stays as it was");
    let finished = sample::go_on(&mut session, begun, &questions(), &[earlier]).unwrap();
    drop(session);
    assert!(finished.ceilings.iter().all(|c| c.samples >= Some(8)));
    let trials = worker.passes("trial", "compute.f32");
    assert!((2..=14).contains(&trials), "raced once: {trials}");
}

#[test]
fn a_measurement_that_is_killed_every_two_seconds_ends() {
    let mut kept: Vec<Ceiling> = Vec::new();
    let mut trials = 0;
    for life in 0.. {
        assert!(life < 40, "it makes no progress: {kept:?}");
        let mut worker = Worker::new(noisy(life, 0.1));
        worker.repetition = 0.005;
        let mut keeper = Keeper { dies: 2.0, kept: kept.clone(), ..Keeper::of(&worker) };
        let clock = worker.clock.clone();
        let mut session = Session::new(&mut worker, Pace::of(Effort::Standard), &mut keeper).by(clock);
        let outcome = sample::measure(&mut session, &questions()[..4], &kept);
        drop(session);
        trials += worker.passes("trial", "compute.f32");
        for before in &kept {
            let after = keeper.kept.iter().find(|after| after.id == before.id).unwrap();
            assert!(after.sample_values.starts_with(&before.sample_values), "nothing is lost: {}", before.id);
            assert!(before.trials.is_empty() || after.trials == before.trials, "no race is held twice");
        }
        kept = keeper.kept;
        if outcome.is_ok() {
            break;
        }
    }
    assert!(kept.iter().all(|ceiling| ceiling.samples >= Some(20)), "{kept:?}");
    assert!(trials <= 2 * 7, "{trials} passes of the races for compute.f32");
}

#[test]
fn until_stable_goes_on_while_something_improves_and_no_longer_than_its_limit() {
    let pace = |limit| Pace::of(Effort::Quick).until_stable(Duration::from_secs(limit));
    let seconds = |worker: &mut Worker, limit| {
        let finished = measured(worker, &questions(), pace(limit), &[]);
        assert!(finished.complete);
        worker.clock.0.get()
    };
    // Nothing rises: over ten seconds later.
    let steady = seconds(&mut Worker::new(|_, _| 100.0), 60);
    assert!((10.0..15.0).contains(&steady), "{steady}");
    // The neighbour takes less and less, until it leaves after twenty seconds.
    let leaves = |job: &Job, time: f64| if job.ceiling == "compute.f32" && time < 20.0 { 50.0 + time } else { 100.0 };
    let rising = seconds(&mut Worker::new(leaves), 60);
    assert!((30.0..40.0).contains(&rising), "{rising}");
    // It never does.
    let endless = seconds(&mut Worker::new(|_, time| 50.0 + time * time), 30);
    assert!((25.0..=31.0).contains(&endless), "{endless}");
}
