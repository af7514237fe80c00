//! One question on its way to an answer: the choice of a variant, then its samples.

use super::passes::{
    DISTURBED_RETRIES_MAX, bounds, calibrate, rate, retries_after, status_of, undisturbed, value, without_samples,
};
use super::{Pace, Session};
use crate::device::{Purpose, Refusal, Timing};
use crate::job::Job;
use crate::probe::Question;
use crate::profile::{Ceiling, CeilingId, Flag, Mode, Status, Trial, Unit};
use crate::stats;
use crate::units::four_digits;
use roofprobe_kernels::buffer::Pages;

/// Passes tried in search of a plateau before sampling begins anyway.
const WARM_PASSES_MAX: usize = 8;
/// The same where the repetitions are known and only the memory is new: the one pass of the calibration will do.
const REWARM_PASSES_MAX: usize = 0;
/// And in the trials of the variants, of which only the ratio counts.
const TRIAL_WARM_PASSES_MAX: usize = 1;
/// A pass of a trial lasts this share of one that is kept.
const TRIAL_PASS_SHARE: f64 = 0.6;
/// A variant must be this much faster in the trials than the one expected to win.
const CLEARLY_FASTER: f64 = 1.03;
/// Less than this share on huge pages is worth a remark.
const HUGE_SHARE_MIN: f64 = 0.75;

/// A candidate for a question's variant.
struct Candidate {
    job: Job,
    repetitions: u64,
    /// Its best rate so far; NaN when it was wrong.
    best: f64,
}

/// One question on its way to an answer.
pub(super) struct QuestionState<'a> {
    pub(super) question: &'a Question,
    unit: Unit,
    trials: Vec<Trial>,
    winner: Option<Job>,
    repetitions: u64,
    /// Samples in the unit of the ceiling, with the four digits that the profile keeps.
    values: Vec<f64>,
    /// What the second figure is of the first: the ratio of the two kinds of work in one pass.
    second_share: Option<f64>,
    clocks_ghz: Vec<f64>,
    huge_share: Option<f64>,
    relative_error: Option<f64>,
    /// What the device said about the samples, each once.
    notes: Vec<Flag>,
    pub(super) disturbed: u32,
    refusal: Option<(Status, String)>,
    /// Candidates that were wrong, or for which something was missing, though another one answered.
    refused: Vec<Flag>,
    exhausted: bool,
    /// Samples taken between the others', beyond those of the rounds.
    extra: usize,
    /// The repetitions are known, on the memory that there is now.
    settled: bool,
}

impl<'a> QuestionState<'a> {
    pub(super) fn new(question: &'a Question, earlier: Option<&Ceiling>) -> QuestionState<'a> {
        let mut state = QuestionState {
            question,
            unit: question.id.unit(),
            trials: Vec::new(),
            winner: None,
            repetitions: 1,
            values: Vec::new(),
            second_share: None,
            clocks_ghz: Vec::new(),
            huge_share: None,
            relative_error: None,
            notes: Vec::new(),
            disturbed: 0,
            refusal: question.candidates.is_empty().then(|| question.otherwise.clone()),
            refused: Vec::new(),
            exhausted: false,
            extra: 0,
            settled: false,
        };
        let same = |c: &Ceiling| question.jobs().find(|job| Some(job.variant.keys()) == c.variant).cloned();
        if let Some((ceiling, winner)) = earlier.and_then(|c| Some((c, same(c)?))) {
            state.winner = Some(winner);
            state.trials.clone_from(&ceiling.trials);
            state.values.clone_from(&ceiling.sample_values);
            state.second_share = ceiling.second().zip(ceiling.value()).map(|((second, _), (first, _))| second / first);
            state.clocks_ghz = ceiling.clock_ghz.map(|clock| vec![clock; state.values.len()]).unwrap_or_default();
            state.huge_share = ceiling.huge_share;
            state.relative_error = ceiling.relative_error;
            state.notes = ceiling.flags.iter().filter(|flag| matches!(flag, Flag::Device(_))).cloned().collect();
        }
        state
    }

    /// Chooses the variant: the only candidate, or the fastest in trials. Returns whether anything is new.
    pub(super) fn choose(&mut self, session: &mut Session) -> bool {
        if self.winner.is_some() || self.refusal.is_some() {
            return false;
        }
        if let [only] = self.question.candidates.as_slice() {
            self.winner = Some(only.clone());
            return false;
        }
        let mut candidates = Vec::new();
        for jobs in [&self.question.candidates, &self.question.fallback] {
            if !candidates.is_empty() {
                break;
            }
            match self.try_all(jobs, session) {
                Some(finished) => candidates = finished,
                None => return false,
            }
        }
        let trial =
            |r: &Candidate| Trial { variant: r.job.variant.keys(), value: four_digits(rate(self.unit, r.best)) };
        self.trials = candidates.iter().map(trial).collect();
        if let Some(candidate) = winner(candidates) {
            (self.winner, self.repetitions) = (Some(candidate.job), candidate.repetitions);
            self.refusal = None;
        }
        true
    }

    /// Those of `jobs` that finished their trials. Nothing when interrupted.
    fn try_all(&mut self, jobs: &[Job], session: &mut Session) -> Option<Vec<Candidate>> {
        let short = Pace { pass_seconds: session.pace.pass_seconds * TRIAL_PASS_SHARE, ..session.pace };
        let mut candidates = Vec::new();
        for job in jobs {
            if session.watcher.interrupted() {
                return None;
            }
            match calibrate(session.device, job, short, 1, TRIAL_WARM_PASSES_MAX) {
                Ok(repetitions) => candidates.push(Candidate { job: job.clone(), repetitions, best: 0.0 }),
                Err(refusal) => self.reject(job, refusal),
            }
        }
        self.try_in_turn(&mut candidates, session).then_some(candidates)
    }

    /// Lets the candidates run in turn, A B C A B C, and leaves those that finished. Returns false when interrupted.
    fn try_in_turn(&mut self, candidates: &mut Vec<Candidate>, session: &mut Session) -> bool {
        for _ in 0..session.pace.trial_passes {
            // One wrong result excludes a candidate, whatever it reached before.
            for candidate in candidates.iter_mut().filter(|candidate| !candidate.best.is_nan()) {
                if session.watcher.interrupted() {
                    return false;
                }
                // A disturbed pass is only slower, and the best one counts.
                match session.device.time(&candidate.job, candidate.repetitions, Purpose::Trial) {
                    Ok(pass) => {
                        candidate.best = candidate.best.max(rate(self.unit, four_digits(value(self.unit, &pass))))
                    }
                    Err(refusal) => {
                        self.reject(&candidate.job, refusal);
                        candidate.best = f64::NAN;
                    }
                }
            }
        }
        candidates.retain(|candidate| candidate.best > 0.0);
        true
    }

    /// A candidate that cannot answer: the reason stands for the ceiling unless another candidate answers.
    fn reject(&mut self, job: &Job, refusal: Refusal) {
        let Some((status, reason)) = status_of(refusal) else { return };
        if matches!(status, Status::Rejected | Status::Skipped) {
            self.refused.push(Flag::Other(format!("variant {} was {status}: {reason}", job.variant)));
        }
        self.refusal = Some((status, reason));
    }

    /// Whether there are so many samples, or no more to be had.
    pub(super) fn has_enough(&self, samples: usize) -> bool {
        self.values.len() >= samples || self.exhausted || self.winner.is_none()
    }

    /// Samples the winner until it has `count` samples. Returns whether anything is new.
    pub(super) fn sample(&mut self, session: &mut Session, count: usize) -> bool {
        let Some(job) = self.winner.clone() else { return false };
        // Samples in between are beyond those of the rounds.
        let taken = self.values.len().saturating_sub(self.extra);
        if taken >= count || self.exhausted || session.watcher.interrupted() {
            return false;
        }
        // The memory is new, and the clock may have slept: find the plateau again.
        let warm_passes = if self.values.is_empty() { WARM_PASSES_MAX } else { REWARM_PASSES_MAX };
        if self.settle(session, &job, warm_passes) {
            self.take(session, &job, count - taken);
        }
        true
    }

    /// One more sample between the others', beyond those of the rounds. Returns whether anything is new.
    pub(super) fn sample_once(&mut self, session: &mut Session) -> bool {
        // Before its first turn there is nothing to add to.
        let Some(job) = self.winner.clone().filter(|_| !self.values.is_empty() && !self.exhausted) else {
            return false;
        };
        if self.settled || self.settle(session, &job, REWARM_PASSES_MAX) {
            let before = self.values.len();
            self.take(session, &job, 1);
            self.extra += self.values.len().saturating_sub(before);
        }
        true
    }

    /// Finds the repetitions on the memory that there is now. Returns false when the device refuses.
    fn settle(&mut self, session: &mut Session, job: &Job, warm_passes: usize) -> bool {
        let found = calibrate(session.device, job, session.pace, self.repetitions, warm_passes);
        self.settled = found.is_ok();
        match found {
            Ok(repetitions) => self.repetitions = repetitions,
            Err(refusal) => self.refuse(refusal),
        }
        self.settled
    }

    /// The memory was given back: what was found out about passes is to be found out again.
    pub(super) fn unsettle(&mut self) {
        self.settled = false;
    }

    fn take(&mut self, session: &mut Session, job: &Job, samples: usize) {
        let mut retries = DISTURBED_RETRIES_MAX;
        for _ in 0..samples {
            if session.watcher.interrupted() {
                break;
            }
            match undisturbed(session.device, job, self.repetitions, Purpose::Sample, retries) {
                Ok(pass) => {
                    retries = retries_after(&pass);
                    self.values.push(four_digits(value(self.unit, &pass)));
                    self.second_share = second_share(&self.question.id, &pass).or(self.second_share);
                    self.clocks_ghz.extend(pass.clock_hz.map(|hz| four_digits(hz / 1e9)));
                    self.huge_share = pass.huge_share.or(self.huge_share);
                    self.relative_error = pass.relative_error.map(four_digits).or(self.relative_error);
                    self.disturbed += u32::from(pass.disturbed);
                    self.notes.extend(pass.note.map(Flag::Device).filter(|flag| !self.notes.contains(flag)));
                }
                Err(refusal) => {
                    self.refuse(refusal);
                    break;
                }
            }
        }
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
    pub(super) fn conclude(&self) -> Ceiling {
        let id = &self.question.id;
        let rates: Vec<f64> = self.values.iter().map(|&v| rate(self.unit, v)).collect();
        let Some(estimate) = stats::estimate(&rates) else {
            return without_samples(id, self.refusal.as_ref());
        };
        let back = |x: f64| four_digits(rate(self.unit, x));
        let mut ceiling = Ceiling::with_value(id.clone(), Status::Measured, back(estimate.best));
        if let Some((second, share)) = id.second_unit().zip(self.second_share) {
            ceiling.set(second, four_digits(back(estimate.best) * share));
        }
        ceiling.median = Some(back(estimate.median));
        ceiling.ci95 = Some(bounds(self.unit, estimate.ci95));
        ceiling.samples = Some(self.values.len() as u32);
        if estimate.modes.len() > 1 {
            let mode = |m: &stats::Mode| Mode { value: back(m.centre), share: four_digits(m.share) };
            ceiling.modes = estimate.modes.iter().map(mode).collect();
            ceiling.flags.push(Flag::Modes);
        }
        let mut clocks = self.clocks_ghz.clone();
        clocks.sort_by(f64::total_cmp);
        if let Some(winner) = &self.winner {
            let variant = winner.variant.keys();
            if !clocks.is_empty() {
                let clock_ghz = four_digits(stats::median(&clocks));
                let threads = f64::from(variant.threads.unwrap_or(1));
                ceiling.clock_ghz = Some(clock_ghz);
                ceiling.per_cycle = Some(four_digits(back(estimate.best) / threads / clock_ghz));
            }
            let asked_huge = variant.pages == Some(Pages::Huge);
            ceiling.variant = Some(variant);
            ceiling.huge_share = self.huge_share;
            ceiling.relative_error = self.relative_error;
            if let Some(share) = self.huge_share.filter(|share| asked_huge && *share < HUGE_SHARE_MIN) {
                ceiling.flags.push(Flag::Other(format!("huge pages asked for, {:.0} % given", share * 100.0)));
            }
        }
        ceiling.flags.extend(self.question.flags.iter().chain(&self.refused).chain(&self.notes).cloned());
        if let Some((status, reason)) = &self.refusal {
            ceiling.flags.push(Flag::Other(format!("sampling ended early ({status}): {reason}")));
        }
        ceiling.trials.clone_from(&self.trials);
        ceiling.sample_values.clone_from(&self.values);
        ceiling
    }
}

/// The first candidate is the one expected to win; another takes its place only if it is clearly faster. The luck of a few
/// passes would otherwise choose another variant each time.
fn winner(candidates: Vec<Candidate>) -> Option<Candidate> {
    let mut candidates = candidates.into_iter();
    let first = candidates.next()?;
    let other = candidates.max_by(|a, b| a.best.total_cmp(&b.best));
    Some(other.filter(|other| other.best > first.best * CLEARLY_FASTER).unwrap_or(first))
}

/// The second figure of a ceiling over its value: the same pass counted the other way.
fn second_share(id: &CeilingId, pass: &Timing) -> Option<f64> {
    let share = match id.second_unit()? {
        Unit::GbPerS => pass.work.bytes.0 / pass.work.flops.0,
        Unit::GflopPerS => pass.work.flops.0 / pass.work.bytes.0,
        Unit::Ns | Unit::Us => return None,
    };
    (share.is_finite() && share > 0.0).then_some(share)
}
