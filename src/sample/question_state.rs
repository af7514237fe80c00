//! One question on its way to an answer: the choice of a variant, then its samples.

use super::passes::{
    DISTURBED_RETRIES_MAX, Warmth, bounds, calibrate, power, rate, retries_after, status_of, undisturbed, value,
    without_samples,
};
use super::race::{Limits, race};
use super::{Pace, Session, Until};
use crate::device::{Purpose, Refusal, Timing};
use crate::job::Job;
use crate::probe::Question;
use crate::profile::{Ceiling, CeilingId, Flag, Mode, Status, Trial, Unit};
use crate::stats::{self, Need, need};
use crate::units::four_digits;
use roofprobe_kernels::buffer::Pages;
use std::time::Duration;

/// Passes tried in search of a plateau before sampling begins anyway.
const WARM_PASSES_MAX: usize = 8;
/// The same where the repetitions are known and only the memory is new: the one pass of the calibration will do.
const REWARM_PASSES_MAX: usize = 0;
/// Less than this share on huge pages is worth a remark.
const HUGE_SHARE_MIN: f64 = 0.75;

/// One question on its way to an answer.
pub(super) struct QuestionState {
    pub(super) question: Question,
    unit: Unit,
    trials: Vec<Trial>,
    winner: Option<Job>,
    repetitions: u64,
    /// Samples in the unit of the ceiling, with the four digits that the profile keeps.
    values: Vec<f64>,
    /// What the second figure is of the first: the ratio of the two kinds of work in one pass.
    second_share: Option<f64>,
    clocks_ghz: Vec<f64>,
    watts: Vec<f64>,
    huge_share: Option<f64>,
    relative_error: Option<f64>,
    /// What the device said about the samples, each once.
    notes: Vec<Flag>,
    pub(super) disturbed: u32,
    refusal: Option<(Status, String)>,
    /// Candidates that were wrong, or for which something was missing, though another one answered.
    refused: Vec<Flag>,
    exhausted: bool,
    /// Visits in which samples were taken.
    visits: usize,
    /// How long the last visit took, the race apart.
    pub(super) cost: Option<Duration>,
    /// How long the first visit took, the race and what was made ready for it included.
    pub(super) first_cost: Option<Duration>,
    width_max: f64,
    /// What its samples lack.
    need: Need,
}

impl QuestionState {
    /// `width_max` is the widest interval with which it is settled, as a share of its value.
    pub(super) fn new(question: &Question, earlier: Option<&Ceiling>, pace: Pace, width_max: f64) -> QuestionState {
        let mut state = QuestionState {
            question: question.clone(),
            unit: question.id.unit(),
            trials: Vec::new(),
            winner: None,
            repetitions: 1,
            values: Vec::new(),
            second_share: None,
            clocks_ghz: Vec::new(),
            watts: Vec::new(),
            huge_share: None,
            relative_error: None,
            notes: Vec::new(),
            disturbed: 0,
            refusal: question.candidates.is_empty().then(|| question.otherwise.clone()),
            refused: Vec::new(),
            exhausted: false,
            visits: 0,
            cost: None,
            first_cost: None,
            width_max,
            need: Need::Samples,
        };
        let same = |c: &Ceiling| question.jobs().find(|job| Some(job.variant.keys()) == c.variant).cloned();
        if let Some((ceiling, winner)) = earlier.and_then(|c| Some((c, same(c)?))) {
            state.winner = Some(winner);
            state.trials.clone_from(&ceiling.trials);
            state.values.clone_from(&ceiling.sample_values);
            state.visits = ceiling.sample_values.len().div_ceil(pace.visit_samples.max(1));
            state.second_share = ceiling.second().zip(ceiling.value()).map(|((second, _), (first, _))| second / first);
            state.clocks_ghz = ceiling.clock_ghz.map(|clock| vec![clock; state.values.len()]).unwrap_or_default();
            state.watts = ceiling.watts.map(|watts| vec![watts; state.values.len()]).unwrap_or_default();
            state.huge_share = ceiling.huge_share;
            state.relative_error = ceiling.relative_error;
            state.notes = ceiling.flags.iter().filter(|flag| matches!(flag, Flag::Device(_))).cloned().collect();
            state.need = state.needed();
        }
        if let ([only], None) = (question.candidates.as_slice(), &state.winner) {
            state.winner = Some(only.clone());
        }
        state
    }

    /// Whether it is still to be raced.
    pub(super) fn is_unraced(&self) -> bool {
        self.winner.is_none() && self.refusal.is_none()
    }

    /// Whether it can have samples.
    pub(super) fn is_open(&self) -> bool {
        !self.exhausted && (self.winner.is_some() || self.is_unraced())
    }

    pub(super) fn samples(&self) -> usize {
        self.values.len()
    }

    /// Whether its best was seen to rise, or its modes are not clear.
    pub(super) fn is_unsettled(&self) -> bool {
        self.need != Need::Settled
    }

    /// The upper mode of its samples.
    pub(super) fn best(&self) -> Option<f64> {
        Some(stats::estimate(&self.rates())?.best)
    }

    /// The median rate of the last `count` samples.
    pub(super) fn latest(&self, count: usize) -> Option<f64> {
        let mut rates = self.rates().split_off(self.values.len().saturating_sub(count));
        rates.sort_by(f64::total_cmp);
        (!rates.is_empty()).then(|| stats::median(&rates))
    }

    /// Visits that it will take as far as one can tell.
    pub(super) fn visits_left(&self, pace: Pace) -> usize {
        if !self.is_open() || pace.until != Until::Exhausted && self.values.len() >= pace.samples_max {
            return 0;
        }
        let few = pace.samples_min.saturating_sub(self.values.len()).div_ceil(pace.visit_samples.max(1));
        let more = usize::from(self.is_unsettled() || pace.until == Until::Exhausted);
        few.max(pace.visits_min.saturating_sub(self.visits)).max(more)
    }

    /// Chooses the variant in a race. Returns whether anything is new.
    pub(super) fn race(&mut self, session: &mut Session, limits: Limits) -> bool {
        if !self.is_unraced() {
            return false;
        }
        let Some(raced) = race(session, &self.question, limits) else { return false };
        (self.trials, self.refused, self.refusal) = (raced.trials, raced.refused, raced.refusal);
        // Who ran alone raced against nobody.
        if self.trials.len() == 1 {
            self.trials.clear();
        }
        if let Some((job, repetitions)) = raced.winner {
            (self.winner, self.repetitions) = (Some(job), repetitions);
            self.refusal = None;
        }
        true
    }

    /// Takes so many samples, and no more after that time, but at least one. Returns whether anything is new.
    pub(super) fn sample(&mut self, session: &mut Session, samples: usize, until: Duration) -> bool {
        let Some(job) = self.winner.clone().filter(|_| !self.exhausted) else { return false };
        if session.watcher.interrupted() {
            return false;
        }
        let begun = session.elapsed();
        // Other questions have been here since: find the plateau again.
        let passes = if self.values.is_empty() { WARM_PASSES_MAX } else { REWARM_PASSES_MAX };
        let warmth = Warmth { pass_seconds: session.pace.pass_seconds, passes, until };
        match calibrate(session, &job, self.repetitions, warmth) {
            Ok((repetitions, _)) => {
                self.repetitions = repetitions;
                self.take(session, &job, samples, until);
            }
            Err(refusal) => self.refuse(refusal),
        }
        self.visits += 1;
        self.need = self.needed();
        self.cost = Some(session.elapsed().saturating_sub(begun));
        true
    }

    fn take(&mut self, session: &mut Session, job: &Job, samples: usize, until: Duration) {
        let mut retries = DISTURBED_RETRIES_MAX;
        for sample in 0..samples {
            if session.watcher.interrupted() || sample > 0 && session.elapsed() >= until {
                break;
            }
            match undisturbed(session.device, job, self.repetitions, Purpose::Sample, retries) {
                Ok(pass) => {
                    retries = retries_after(&pass);
                    self.values.push(four_digits(value(self.unit, &pass)));
                    self.second_share = second_share(&self.question.id, &pass).or(self.second_share);
                    self.clocks_ghz.extend(pass.clock_hz.map(|hz| four_digits(hz / 1e9)));
                    self.watts.extend(pass.watts);
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

    fn rates(&self) -> Vec<f64> {
        self.values.iter().map(|&v| rate(self.unit, v)).collect()
    }

    fn needed(&self) -> Need {
        need(&self.rates(), self.width_max)
    }

    /// It was never visited, and that is how it ends.
    pub(super) fn leave_out(&mut self, reason: String) {
        if self.values.is_empty() && self.is_open() {
            self.refusal = Some((Status::Skipped, reason));
            self.exhausted = true;
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
        let Some(estimate) = stats::estimate(&self.rates()) else {
            // What a race came to is known even before there are samples.
            let mut ceiling = without_samples(id, self.refusal.as_ref());
            if let (Some(winner), None, false) = (&self.winner, &self.refusal, self.trials.is_empty()) {
                ceiling.variant = Some(winner.variant.keys());
                ceiling.trials.clone_from(&self.trials);
            }
            return ceiling;
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
        ceiling.watts = power(&self.watts);
        ceiling.flags.extend(self.question.flags.iter().chain(&self.refused).chain(&self.notes).cloned());
        if let Some((status, reason)) = &self.refusal {
            ceiling.flags.push(Flag::Other(format!("sampling ended early ({status}): {reason}")));
        }
        ceiling.trials.clone_from(&self.trials);
        ceiling.sample_values.clone_from(&self.values);
        ceiling
    }
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
