//! When each question is visited: first all of them once, then those that need it, again and again, until time is up.

use super::memory_mode::{MemoryMode, age_max};
use super::question_state::QuestionState;
use super::race::Limits;
use super::{Finished, Session, Until};
use crate::error::Result;
use crate::probe::{Question, interval_width_max};
use crate::profile::Ceiling;
use std::time::Duration;

/// The first sweep is to end within this share of the budget; the rest is for those that need more.
const FIRST_SWEEP_SHARE: f64 = 0.7;
/// What every candidate after the first adds to the time that a question may take at first, and what operands add.
const CANDIDATE_WEIGHT: f64 = 0.5;
const OPERANDS_WEIGHT: f64 = 1.0;
/// A race takes at most this share of it.
const RACE_SHARE: f64 = 0.6;
/// The first samples may take so many times what was allowed: too few of them bear no interval, and the others share what is left.
const PATIENCE: u32 = 2;
/// A question is cheap when a visit takes at most so many times its passes: it is visited between the others too,
const CHEAP: f64 = 3.0;
/// so often in a sweep.
const CHEAP_VISITS: usize = 2;
/// Nothing improves any more when nothing rose for so long, and in a whole sweep.
const STABLE: Duration = Duration::from_secs(10);
/// A best that rose by less than this share did not rise.
const RISE_MIN: f64 = 0.01;
/// Without a clock, the share of the whole at which the first sweep begins and which later ones do not reach.
pub(super) const UNTIMED_SHARES: [f64; 2] = [0.3, 0.9];

/// Gives first answers to those of `questions` that need no survey, so that there are some soon. What `earlier` says of the
/// others stays as it is.
///
/// # Errors
/// Only what the watcher's `save` returns; whatever the device cannot do becomes a status.
pub fn begin(session: &mut Session, questions: &[Question], earlier: &[Ceiling]) -> Result<Begun> {
    let mut run = Run::new(session, Vec::new(), questions, earlier);
    for (state, ceiling) in run.states.iter().zip(&mut run.ceilings) {
        let known = earlier.iter().find(|known| known.id == ceiling.id);
        if let Some(known) = known.filter(|_| state.question.waits_for_survey()) {
            ceiling.clone_from(known);
        }
    }
    let complete = run.first_sweep(|question| !question.waits_for_survey())?;
    let (ceilings, disturbed_samples) = (run.ceilings, run.states.iter().map(|state| state.disturbed).sum());
    let states = run.states.into_iter().filter(|state| !state.question.waits_for_survey()).collect();
    Ok(Begun { finished: Finished { ceilings, complete, disturbed_samples }, states })
}

/// Measures every question. Evidence in `earlier` (of an interrupted measurement) is kept and completed.
///
/// # Errors
/// Only what the watcher's `save` returns; whatever the device cannot do becomes a status.
pub fn measure(session: &mut Session, questions: &[Question], earlier: &[Ceiling]) -> Result<Finished> {
    run(session, Vec::new(), questions, earlier)
}

/// The same after [`begin`]: what was begun is gone on with.
///
/// # Errors
/// As [`measure`].
pub fn go_on(session: &mut Session, begun: Begun, questions: &[Question], earlier: &[Ceiling]) -> Result<Finished> {
    run(session, begun.states, questions, earlier)
}

fn run(
    session: &mut Session,
    begun: Vec<QuestionState>,
    questions: &[Question],
    earlier: &[Ceiling],
) -> Result<Finished> {
    let mut run = Run::new(session, begun, questions, earlier);
    let complete = run.first_sweep(|_| true)? && run.later_sweeps()?;
    if complete {
        run.leave_out();
    }
    let disturbed_samples = run.states.iter().map(|state| state.disturbed).sum();
    Ok(Finished { ceilings: run.ceilings, complete, disturbed_samples })
}

/// A measurement whose survey is still to come.
pub struct Begun {
    /// What came of it so far.
    pub finished: Finished,
    /// The questions that had their first answers.
    states: Vec<QuestionState>,
}

/// All questions on their way.
struct Run<'r, 's> {
    session: &'r mut Session<'s>,
    states: Vec<QuestionState>,
    /// As far as they are known, one per question.
    ceilings: Vec<Ceiling>,
    /// The cheap question that was visited last between others.
    last_cheap: usize,
    /// The best rate of each when it last rose, and when that was.
    bests: Vec<f64>,
    last_rise: Duration,
    /// In which mode memory was.
    memory: MemoryMode,
    /// Visits in later sweeps so far.
    visits: usize,
    /// Sweeps so far; where there is no clock, they tell how far it is.
    sweeps: f64,
}

impl<'r, 's> Run<'r, 's> {
    fn new(
        session: &'r mut Session<'s>,
        mut begun: Vec<QuestionState>,
        questions: &[Question],
        earlier: &[Ceiling],
    ) -> Run<'r, 's> {
        let (machine, pace) = (session.device.machine(), session.pace);
        let mut state = |question: &Question| {
            if let Some(known) = begun.iter().position(|state| state.question == *question) {
                return begun.swap_remove(known);
            }
            let earlier = earlier.iter().find(|ceiling| ceiling.id == question.id);
            QuestionState::new(question, earlier, pace, interval_width_max(&question.id, &machine))
        };
        let states: Vec<QuestionState> = questions.iter().map(&mut state).collect();
        let ceilings = states.iter().map(QuestionState::conclude).collect();
        let bests = vec![0.0; states.len()];
        let memory = MemoryMode::new(states.iter().position(|s| s.question.tells_memory_mode()), states.len());
        let last_rise = Duration::ZERO;
        Run { session, states, ceilings, last_cheap: 0, bests, last_rise, memory, visits: 0, sweeps: 0.0 }
    }

    /// Races each question that is chosen and takes its first samples: the cheapest first, so that there are answers soon.
    /// Returns false when interrupted.
    fn first_sweep(&mut self, is_chosen: impl Fn(&Question) -> bool) -> Result<bool> {
        let mut order: Vec<usize> = (0..self.states.len()).collect();
        order.sort_by_key(|&index| {
            let question = &self.states[index].question;
            (question.waits_for_survey(), question.operands.is_some())
        });
        for (done, &index) in order.iter().enumerate() {
            if self.session.watcher.interrupted() {
                return Ok(false);
            }
            let state = &self.states[index];
            let known = state.samples() >= self.session.pace.first_samples;
            if known || !state.is_open() || !is_chosen(&state.question) || !self.fits(index, true) {
                continue;
            }
            if self.states[index].question.waits_for_memory() {
                self.ask_memory(done as f64 / order.len() as f64)?;
            }
            let allowance = self.allowance(&order[done..]);
            self.progress(index, done as f64 / order.len() as f64, self.session.left());
            self.first_visit(index, allowance)?;
        }
        Ok(!self.session.watcher.interrupted())
    }

    fn first_visit(&mut self, index: usize, allowance: Duration) -> Result<()> {
        let (pace, begun) = (self.session.pace, self.session.elapsed());
        let until = begun.saturating_add(allowance.saturating_mul(PATIENCE)).min(pace.budget);
        let most = if self.session.is_timed() { pace.race_seconds } else { f64::MAX };
        let duration = Duration::try_from_secs_f64(most).unwrap_or(Duration::MAX);
        let all = share_of(allowance, RACE_SHARE);
        let limits = Limits { race: duration.min(all), all };
        // A race that was held is not held again, even if it goes no further.
        if self.states[index].race(self.session, limits) {
            self.save(index)?;
        }
        let missing = pace.first_samples.saturating_sub(self.states[index].samples());
        if self.states[index].sample(self.session, missing, until) {
            self.save(index)?;
        }
        self.states[index].first_cost = Some(self.session.elapsed().saturating_sub(begun));
        self.note_memory(index);
        Ok(())
    }

    /// How long the first of these questions may take, if each of them is to have its turn.
    fn allowance(&self, ahead: &[usize]) -> Duration {
        if !self.session.is_timed() {
            return Duration::MAX;
        }
        let weight = |&index: &usize| {
            let state = &self.states[index];
            let candidates = if state.is_unraced() { state.question.candidates.len() } else { 1 };
            let operands = if state.question.operands.is_some() { OPERANDS_WEIGHT } else { 0.0 };
            1.0 + CANDIDATE_WEIGHT * candidates.saturating_sub(1) as f64 + operands
        };
        let all: f64 = ahead.iter().filter(|&&index| self.states[index].samples() == 0).map(weight).sum();
        let own = ahead.first().map_or(0.0, weight);
        let rest = self.session.left();
        let kept = share_of(self.session.pace.budget, 1.0 - FIRST_SWEEP_SHARE);
        // Where the time is short, others still come behind.
        let sweep = rest.saturating_sub(kept).max(share_of(rest, 1.0 - FIRST_SWEEP_SHARE));
        share_of(sweep, own / all.max(own))
    }

    /// Visits those that need it, on fresh memory each time, until nobody does or time is up. Returns false when interrupted.
    fn later_sweeps(&mut self) -> Result<bool> {
        loop {
            let wanted = self.wanted();
            if !wanted.iter().any(|&index| self.fits(index, true)) {
                break;
            }
            self.sweeps += 1.0;
            self.session.device.renew();
            let visits = self.visits;
            if !self.sweep(&wanted)? {
                return Ok(false);
            }
            if self.visits == visits {
                break;
            }
            if self.session.pace.until == Until::Stable && self.is_stable() {
                break;
            }
        }
        Ok(!self.session.watcher.interrupted())
    }

    /// Those that are to be visited in the next sweep.
    fn wanted(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|&index| self.is_wanted(index)).collect()
    }

    fn is_wanted(&self, index: usize) -> bool {
        let (state, pace) = (&self.states[index], self.session.pace);
        let goes_on = match pace.until {
            Until::Settled => state.question.waits_for_memory() && self.memory.missed(index),
            Until::Stable => true,
            Until::Exhausted => false,
        };
        state.visits_left(pace) > 0 || goes_on && state.is_open() && state.samples() < pace.samples_max
    }

    /// Asks in which mode memory is, unless it was asked just now.
    fn ask_memory(&mut self, done: f64) -> Result<()> {
        let Some(index) = self.memory.told_by.filter(|_| self.session.is_timed()) else { return Ok(()) };
        let state = &self.states[index];
        let can_tell = state.samples() > 0 && state.is_open() && self.fits(index, false);
        if can_tell && self.memory.is_older(age_max(self.session.pace.budget), self.session.elapsed()) {
            self.visit(index, self.session.pace.visit_samples, done)?;
        }
        Ok(())
    }

    /// Whether nothing has risen for long, and nothing is unclear.
    fn is_stable(&mut self) -> bool {
        let (pace, now) = (self.session.pace, self.session.elapsed());
        for (state, known) in self.states.iter().zip(&mut self.bests) {
            let best = state.best().unwrap_or_default();
            if best > *known * (1.0 + RISE_MIN) {
                (*known, self.last_rise) = (best, now);
            }
        }
        now.saturating_sub(self.last_rise) >= STABLE && self.states.iter().all(|state| state.visits_left(pace) == 0)
    }

    /// One visit of each of `wanted`, and of the cheap ones some more in between. Returns false when interrupted.
    fn sweep(&mut self, wanted: &[usize]) -> Result<bool> {
        let pace = self.session.pace;
        let (cheap, others): (Vec<usize>, Vec<usize>) = wanted.iter().partition(|&&index| self.is_cheap(index));
        let mut ready = None;
        let between = (cheap.len() * CHEAP_VISITS).div_ceil(others.len().max(1));
        for (done, &index) in others.iter().enumerate() {
            let operands = self.states[index].question.operands;
            let fresh = operands.is_none() || operands != ready;
            if self.session.watcher.interrupted() {
                return Ok(false);
            }
            if !self.fits(index, fresh) {
                continue;
            }
            // What was made ready stays so for those that share it.
            if fresh {
                self.visit_cheap(&cheap, between, done as f64 / others.len() as f64)?;
            }
            ready = operands;
            self.visit(index, pace.visit_samples, done as f64 / others.len() as f64)?;
        }
        if others.is_empty() {
            self.visit_cheap(&cheap, cheap.len(), 0.5)?;
        }
        Ok(!self.session.watcher.interrupted())
    }

    /// Visits the next `count` of the cheap ones that still need it.
    fn visit_cheap(&mut self, cheap: &[usize], count: usize, done: f64) -> Result<()> {
        let begin = cheap.iter().position(|&index| index > self.last_cheap).unwrap_or(0);
        for &index in cheap[begin..].iter().chain(&cheap[..begin]).take(count) {
            if self.session.watcher.interrupted() {
                break;
            }
            if self.is_wanted(index) && self.fits(index, false) {
                self.visit(index, self.session.pace.visit_samples, done)?;
            }
            self.last_cheap = index;
        }
        Ok(())
    }

    fn visit(&mut self, index: usize, samples: usize, done: f64) -> Result<()> {
        if self.memory.told_by != Some(index) {
            self.ask_memory(done)?;
        }
        self.progress(index, done, self.expected_rest());
        self.visits += 1;
        if self.states[index].samples() == 0 {
            // It had no turn in the first sweep.
            return self.first_visit(index, share_of(self.session.left(), 1.0 - FIRST_SWEEP_SHARE));
        }
        // A visit is not cut short: the few that do not fit are not begun.
        if self.states[index].sample(self.session, samples, self.session.pace.budget) {
            self.save(index)?;
        }
        self.note_memory(index);
        Ok(())
    }

    /// Whether a visit is expected to end within the budget; `fresh` when its operands are to be made ready for it.
    fn fits(&self, index: usize, fresh: bool) -> bool {
        if !self.session.is_timed() {
            return true;
        }
        let state = &self.states[index];
        let alike = |other: &&QuestionState| match state.question.operands {
            Some(operands) => other.question.operands == Some(operands),
            None => other.question.id.family() == state.question.id.family() && other.question.operands.is_none(),
        };
        let dearest = || self.states.iter().filter(alike).filter_map(|other| other.cost).max();
        let own = if fresh && state.question.operands.is_some() { None } else { state.cost };
        let first = if state.samples() == 0 { self.least_first_cost(&state.question) } else { Duration::ZERO };
        own.or_else(dearest).unwrap_or_default().max(first) < self.session.left()
    }

    /// What a first visit takes at least: as long as one of its kind did, or, where it is the first of its kind, as any one did.
    fn least_first_cost(&self, question: &Question) -> Duration {
        let kind = |question: &Question| (question.id.family(), question.operands.is_some());
        let alike = self.states.iter().filter(|other| kind(&other.question) == kind(question));
        let least = alike.filter_map(|other| other.first_cost).min();
        least.or_else(|| self.states.iter().filter_map(|other| other.first_cost).min()).unwrap_or_default()
    }

    /// Whether a visit takes little more than its passes.
    fn is_cheap(&self, index: usize) -> bool {
        let (state, pace) = (&self.states[index], self.session.pace);
        let passes = pace.pass_seconds * (pace.visit_samples + 1) as f64;
        let cheap = |cost: Duration| cost.as_secs_f64() <= passes * CHEAP;
        state.question.operands.is_none() && state.cost.is_some_and(cheap)
    }

    /// How long the rest will take: what each question still needs, and no more than there is.
    fn expected_rest(&self) -> Duration {
        let rest = |state: &QuestionState| {
            state.cost.unwrap_or_default().saturating_mul(state.visits_left(self.session.pace) as u32)
        };
        let all = self.states.iter().map(rest).fold(Duration::ZERO, Duration::saturating_add);
        if self.session.pace.until == Until::Stable { self.session.left() } else { all.min(self.session.left()) }
    }

    /// Tells the watcher; `done` is the share of the sweep.
    fn progress(&mut self, index: usize, done: f64, left: Duration) {
        let (id, value) = (self.ceilings[index].id.as_str(), self.ceilings[index].value());
        if self.session.is_timed() {
            return self.session.progress(left, id, value);
        }
        let [from, to] = UNTIMED_SHARES;
        let done = self.sweeps + done;
        self.session.step(from + (to - from) * done / (done + 1.0), id, value);
    }

    /// After a visit: in which mode memory is, or was beside it.
    fn note_memory(&mut self, index: usize) {
        let now = self.session.elapsed();
        let latest = self.states[index].latest(self.session.pace.visit_samples);
        if let Some((rate, best)) = latest.zip(self.states[index].best()).filter(|_| self.memory.told_by == Some(index))
        {
            self.memory.told(rate, best, now);
        }
        self.memory.visited(index);
    }

    fn save(&mut self, index: usize) -> Result<()> {
        self.ceilings[index] = self.states[index].conclude();
        self.session.watcher.save(&self.ceilings)
    }

    /// Those that had no turn say so.
    fn leave_out(&mut self) {
        let seconds = self.session.pace.budget.as_secs();
        for (state, ceiling) in self.states.iter_mut().zip(&mut self.ceilings) {
            if state.samples() == 0 && state.is_open() {
                state.leave_out(format!(
                    "no time was left for it within {seconds} s; more effort, or --only, gives it some"
                ));
                *ceiling = state.conclude();
            }
        }
    }
}

/// That share of a duration; there is no share of all the time in the world.
fn share_of(duration: Duration, share: f64) -> Duration {
    if duration == Duration::MAX { duration } else { duration.mul_f64(share) }
}
