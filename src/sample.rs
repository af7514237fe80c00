//! Sampling: calibrate, warm, try the variants, then spread the passes over the run and over allocations.
//!
//! Asks a [`Device`] the [`Question`]s of a plan and turns the passes into ceilings. Samples are taken A B C, A B C, so
//! that all ceilings share the machine's moods; before each round the device renews its memory. Nothing is printed or
//! saved here: a [`Watcher`] is told, and asked whether to go on.

use crate::device::{Device, Pass, Purpose, Refusal};
use crate::error::Result;
use crate::job::Job;
use crate::probe::Question;
use crate::profile::{Ceiling, Effort, Mode, Status, Trial, Unit};
use crate::stats;
use crate::units::four_digits;
use std::time::{Duration, Instant};

/// How much is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Rounds over all questions, each with new allocations.
    pub rounds: usize,
    /// Samples per question and round.
    pub passes: usize,
    /// Samples per variant when there are several.
    pub trial_passes: usize,
    /// The least duration of one pass.
    pub pass_seconds: f64,
    /// No new round begins after this time.
    pub budget: Duration,
}

impl Pace {
    /// The pace of an effort. On two cores without a slow memory the rounds end long before the budget.
    pub fn of(effort: Effort) -> Pace {
        let pace = |rounds, passes, trial_passes, pass_seconds, budget_s| Pace {
            rounds,
            passes,
            trial_passes,
            pass_seconds,
            budget: Duration::from_secs(budget_s),
        };
        match effort {
            Effort::Quick => pace(4, 6, 3, 0.010, 11),
            Effort::Standard => pace(20, 6, 4, 0.015, 75),
            Effort::Thorough => pace(50, 8, 6, 0.020, 600),
        }
    }
}

/// Passes tried in search of a plateau before sampling begins anyway.
const WARM_PASSES_MAX: usize = 8;
/// The same where the repetitions are known and only the memory is new.
const REWARM_PASSES_MAX: usize = 3;
/// Two passes in a row within this share of each other are a plateau.
const PLATEAU: f64 = 0.03;
/// A variant must be this much faster in the trials than the one expected to win.
const CLEARLY_FASTER: f64 = 1.03;
/// A pass during which the CPU was taken away is repeated this many times at most.
const DISTURBED_RETRIES_MAX: usize = 3;
/// Less than this share on huge pages is worth a remark. (The share is of the whole mapping, which has some slack.)
const HUGE_SHARE_MIN: f64 = 0.75;
/// A repetition count beyond this would overflow the counters of any kernel.
const REPETITIONS_MAX: u64 = 1 << 40;

/// Who is told how it goes, and decides whether it goes on.
pub trait Watcher {
    /// `done` of `total` steps are behind; `now` is being measured.
    fn progress(&mut self, done: usize, total: usize, now: &str);

    /// A ceiling has new evidence: everything known so far, in the order of the plan.
    ///
    /// # Errors
    /// Ends the measurement.
    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()>;

    /// Whether to stop after the present pass.
    fn interrupted(&self) -> bool;
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// One per question, in order.
    pub ceilings: Vec<Ceiling>,
    /// False when it was interrupted.
    pub complete: bool,
    /// Samples that were kept although CPU time was taken away during each try.
    pub disturbed_samples: u32,
}

/// Measures every question on `device`. Evidence in `earlier` (of an interrupted measurement) is kept and completed.
///
/// # Errors
/// Only what the watcher's `save` returns; whatever the device cannot do becomes a status.
pub fn measure(
    device: &mut dyn Device,
    questions: &[Question],
    pace: Pace,
    earlier: &[Ceiling],
    watcher: &mut dyn Watcher,
) -> Result<Finished> {
    let begun = Instant::now();
    let mut courses: Vec<Course> =
        questions.iter().map(|q| Course::new(q, earlier.iter().find(|c| c.id == q.id))).collect();
    let mut ceilings: Vec<Ceiling> = courses.iter().map(Course::conclude).collect();
    let total = courses.len() * (pace.rounds + 1);

    for round in 0..=pace.rounds {
        // Round 0 chooses the variants; each later one samples on fresh memory.
        if round > 1 {
            if begun.elapsed() > pace.budget {
                break;
            }
            device.renew();
        }
        for index in 0..courses.len() {
            if watcher.interrupted() {
                return Ok(finished(ceilings, false, &courses));
            }
            watcher.progress(round * courses.len() + index, total, &courses[index].question.id);
            let course = &mut courses[index];
            let wanted = pace.passes * round;
            let changed = if round == 0 {
                course.choose(device, pace, watcher)
            } else {
                course.sample(device, pace, wanted, watcher)
            };
            if changed {
                ceilings[index] = course.conclude();
                watcher.save(&ceilings)?;
            }
        }
    }
    let complete = !watcher.interrupted();
    if complete {
        watcher.progress(total, total, "done");
    }
    Ok(finished(ceilings, complete, &courses))
}

fn finished(ceilings: Vec<Ceiling>, complete: bool, courses: &[Course]) -> Finished {
    Finished { ceilings, complete, disturbed_samples: courses.iter().map(|course| course.disturbed).sum() }
}

/// A candidate in the race for a question's variant.
struct Runner {
    job: Job,
    repetitions: u64,
    /// Its best rate so far; NaN when it was wrong.
    best: f64,
}

/// One question on its way to an answer.
struct Course<'a> {
    question: &'a Question,
    unit: Unit,
    trials: Vec<Trial>,
    winner: Option<Job>,
    repetitions: u64,
    /// Samples in the unit of the ceiling, with the four digits that the profile keeps.
    values: Vec<f64>,
    clocks_ghz: Vec<f64>,
    huge_share: Option<f64>,
    disturbed: u32,
    refusal: Option<(Status, String)>,
    /// Candidates that were wrong, or for which something was missing, though another one answered.
    refused: Vec<String>,
    exhausted: bool,
}

impl<'a> Course<'a> {
    fn new(question: &'a Question, earlier: Option<&Ceiling>) -> Course<'a> {
        let mut course = Course {
            question,
            unit: Unit::of(&question.id).unwrap_or(Unit::GflopPerS),
            trials: Vec::new(),
            winner: None,
            repetitions: 1,
            values: Vec::new(),
            clocks_ghz: Vec::new(),
            huge_share: None,
            disturbed: 0,
            refusal: question.candidates.is_empty().then(|| question.otherwise.clone()),
            refused: Vec::new(),
            exhausted: false,
        };
        let same =
            |c: &Ceiling| question.candidates.iter().find(|job| Some(&job.variant) == c.variant.as_ref()).cloned();
        if let Some((ceiling, winner)) = earlier.and_then(|c| Some((c, same(c)?))) {
            course.winner = Some(winner);
            course.trials.clone_from(&ceiling.trials);
            course.values.clone_from(&ceiling.sample_values);
            course.clocks_ghz = ceiling.clock_ghz.map(|clock| vec![clock; course.values.len()]).unwrap_or_default();
            course.huge_share = ceiling.huge_share;
        }
        course
    }

    /// Chooses the variant: the only candidate, or the fastest of a race. Returns whether anything is new.
    fn choose(&mut self, device: &mut dyn Device, pace: Pace, watcher: &dyn Watcher) -> bool {
        if self.winner.is_some() || self.refusal.is_some() {
            return false;
        }
        let mut runners = Vec::new();
        for job in &self.question.candidates {
            if watcher.interrupted() {
                return false;
            }
            match calibrate(device, job, pace, 1, WARM_PASSES_MAX) {
                Ok(repetitions) => runners.push(Runner { job: job.clone(), repetitions, best: 0.0 }),
                Err(refusal) => self.turn_down(job, refusal),
            }
        }
        if self.question.candidates.len() > 1 {
            if !self.race(&mut runners, device, pace, watcher) {
                return false;
            }
            let trial =
                |r: &Runner| Trial { variant: r.job.variant.clone(), value: four_digits(rate(self.unit, r.best)) };
            self.trials = runners.iter().map(trial).collect();
        }
        if let Some(runner) = winner(runners) {
            (self.winner, self.repetitions) = (Some(runner.job), runner.repetitions);
            self.refusal = None;
        }
        true
    }

    /// Lets the candidates run in turn, A B C A B C, and leaves those that finished. Returns false when interrupted.
    fn race(&mut self, runners: &mut Vec<Runner>, device: &mut dyn Device, pace: Pace, watcher: &dyn Watcher) -> bool {
        for _ in 0..pace.trial_passes {
            // One wrong result puts a candidate out of the race, whatever it reached before.
            for runner in runners.iter_mut().filter(|runner| !runner.best.is_nan()) {
                if watcher.interrupted() {
                    return false;
                }
                match undisturbed(device, &runner.job, runner.repetitions, Purpose::Trial) {
                    Ok(pass) => runner.best = runner.best.max(rate(self.unit, four_digits(value(self.unit, &pass)))),
                    Err(refusal) => {
                        self.turn_down(&runner.job, refusal);
                        runner.best = f64::NAN;
                    }
                }
            }
        }
        runners.retain(|runner| runner.best > 0.0);
        true
    }

    /// A candidate that cannot answer: the reason stands for the ceiling unless another candidate answers.
    fn turn_down(&mut self, job: &Job, refusal: Refusal) {
        let Some((status, reason)) = status_of(refusal) else { return };
        if matches!(status, Status::Rejected | Status::Skipped) {
            self.refused.push(format!("variant {} was {status}: {reason}", job.variant));
        }
        self.refusal = Some((status, reason));
    }

    /// Samples the winner until it has `wanted` samples. Returns whether anything is new.
    fn sample(&mut self, device: &mut dyn Device, pace: Pace, wanted: usize, watcher: &dyn Watcher) -> bool {
        let Some(job) = self.winner.clone() else { return false };
        if self.values.len() >= wanted || self.exhausted || watcher.interrupted() {
            return false;
        }
        // The memory is new, and the clock may have slept: find the plateau again.
        match calibrate(device, &job, pace, self.repetitions, REWARM_PASSES_MAX) {
            Ok(repetitions) => self.repetitions = repetitions,
            Err(refusal) => {
                self.refuse(refusal);
                return true;
            }
        }
        for _ in self.values.len()..wanted {
            if watcher.interrupted() {
                break;
            }
            match undisturbed(device, &job, self.repetitions, Purpose::Sample) {
                Ok(pass) => {
                    self.values.push(four_digits(value(self.unit, &pass)));
                    self.clocks_ghz.extend(pass.clock_hz.map(|hz| four_digits(hz / 1e9)));
                    self.huge_share = pass.huge_share.or(self.huge_share);
                    self.disturbed += u32::from(pass.disturbed);
                }
                Err(refusal) => {
                    self.refuse(refusal);
                    break;
                }
            }
        }
        true
    }

    /// A wrong result spoils all samples; anything else only ends the sampling.
    fn refuse(&mut self, refusal: Refusal) {
        self.exhausted = true;
        if let Some((status, reason)) = status_of(refusal) {
            if status == Status::Rejected {
                self.values.clear();
            }
            self.refusal = Some((status, reason));
        }
    }

    /// The ceiling as far as it is known.
    fn conclude(&self) -> Ceiling {
        let id = self.question.id.as_str();
        let rates: Vec<f64> = self.values.iter().map(|&v| rate(self.unit, v)).collect();
        let Some(estimate) = stats::estimate(&rates) else {
            let pending =
                || (Status::Skipped, "not measured yet; `roofprobe measure --resume` completes it".to_owned());
            let (status, reason) = self.refusal.clone().unwrap_or_else(pending);
            return Ceiling::without_value(id, status, reason);
        };
        let back = |x: f64| four_digits(rate(self.unit, x));
        let mut ceiling = Ceiling::with_value(id, Status::Measured, self.unit, back(estimate.best));
        ceiling.median = Some(back(estimate.median));
        let [a, b] = estimate.ci95.map(back);
        ceiling.ci95 = Some([a.min(b), a.max(b)]);
        ceiling.samples = Some(self.values.len() as u32);
        if estimate.modes.len() > 1 {
            let mode = |m: &stats::Mode| Mode { value: back(m.centre), share: four_digits(m.share) };
            ceiling.modes = estimate.modes.iter().map(mode).collect();
            ceiling.flags.push("more than one mode: the value is the upper one".to_owned());
        }
        let mut clocks = self.clocks_ghz.clone();
        clocks.sort_by(f64::total_cmp);
        if let Some(winner) = &self.winner {
            ceiling.variant = Some(winner.variant.clone());
            if !clocks.is_empty() {
                let clock_ghz = four_digits(stats::median(&clocks));
                let threads = f64::from(winner.variant.threads.unwrap_or(1));
                ceiling.clock_ghz = Some(clock_ghz);
                ceiling.per_cycle = Some(four_digits(back(estimate.best) / threads / clock_ghz));
            }
            let asked_huge = winner.variant.pages == Some(crate::profile::Pages::Huge);
            ceiling.huge_share = self.huge_share;
            if let Some(share) = self.huge_share.filter(|share| asked_huge && *share < HUGE_SHARE_MIN) {
                ceiling.flags.push(format!("huge pages asked for, {:.0} % given", share * 100.0));
            }
        }
        ceiling.flags.extend(self.refused.iter().cloned());
        if let Some((status, reason)) = &self.refusal {
            ceiling.flags.push(format!("sampling ended early ({status}): {reason}"));
        }
        ceiling.trials.clone_from(&self.trials);
        ceiling.sample_values.clone_from(&self.values);
        ceiling
    }
}

/// The first candidate is the one expected to win; another takes its place only if it is clearly faster. The luck of a few
/// passes would otherwise choose another variant each time.
fn winner(runners: Vec<Runner>) -> Option<Runner> {
    let mut runners = runners.into_iter();
    let first = runners.next()?;
    let other = runners.max_by(|a, b| a.best.total_cmp(&b.best));
    Some(other.filter(|other| other.best > first.best * CLEARLY_FASTER).unwrap_or(first))
}

/// The value of a pass in the unit of its ceiling.
fn value(unit: Unit, pass: &Pass) -> f64 {
    match unit {
        Unit::GbPerS => (pass.work.bytes / pass.seconds).giga(),
        Unit::GflopPerS => (pass.work.flops / pass.seconds).giga(),
        Unit::Us => pass.seconds.0 / pass.repetitions as f64 * 1e6,
        Unit::Ns => pass.seconds.0 / pass.repetitions as f64 * 1e9,
    }
}

/// Values and rates are the same thing for rates; times are turned over, so that more is always better. Its own inverse.
fn rate(unit: Unit, value: f64) -> f64 {
    if unit.is_rate() { value } else { 1.0 / value }
}

fn status_of(refusal: Refusal) -> Option<(Status, String)> {
    match refusal {
        Refusal::Unsupported(reason) => Some((Status::Unsupported, reason)),
        Refusal::Rejected(reason) => Some((Status::Rejected, reason)),
        Refusal::Skipped(reason) => Some((Status::Skipped, reason)),
        Refusal::Exhausted => None,
    }
}

/// Finds the repetitions that last long enough, from `repetitions` on, then runs until two passes in a row agree, at most
/// `passes` times.
fn calibrate(
    device: &mut dyn Device,
    job: &Job,
    pace: Pace,
    mut repetitions: u64,
    passes: usize,
) -> std::result::Result<u64, Refusal> {
    let mut last = device.time(job, repetitions, Purpose::Warm)?;
    while last.seconds.0 < pace.pass_seconds * 0.8 && repetitions < REPETITIONS_MAX {
        // At most 100-fold at a time: the first passes are slow, and a timer may say 0.
        let factor = (pace.pass_seconds / last.seconds.0.max(1e-9) * 1.1).clamp(1.5, 100.0);
        repetitions = ((repetitions as f64 * factor).ceil() as u64).max(repetitions + 1);
        last = device.time(job, repetitions, Purpose::Warm)?;
    }
    for _ in 0..passes {
        let next = device.time(job, repetitions, Purpose::Warm)?;
        let settled = (next.seconds.0 / last.seconds.0 - 1.0).abs() <= PLATEAU;
        last = next;
        if settled {
            break;
        }
    }
    // The first guess was made on a sleeping clock; the warm one may need more.
    let short = pace.pass_seconds / last.seconds.0.max(1e-9);
    Ok(if short > 1.0 { ((repetitions as f64 * short).ceil() as u64).min(REPETITIONS_MAX) } else { repetitions })
}

fn undisturbed(
    device: &mut dyn Device,
    job: &Job,
    repetitions: u64,
    purpose: Purpose,
) -> std::result::Result<Pass, Refusal> {
    let mut pass = device.time(job, repetitions, purpose)?;
    for _ in 0..DISTURBED_RETRIES_MAX {
        if !pass.disturbed {
            break;
        }
        pass = device.time(job, repetitions, purpose)?;
    }
    Ok(pass)
}
