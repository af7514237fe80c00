//! Sampling: calibrate, warm, try the variants, then spread the passes over the run and over allocations.
//!
//! Asks a [`Device`] the [`Question`]s of a plan and turns the passes into ceilings. Samples are taken A B C, A B C, so
//! that all ceilings share the machine's modes; before each round the device renews its memory. Nothing is printed or
//! saved here: a [`Watcher`] is told, and asked whether to go on.

mod passes;
mod question_state;
mod survey;
mod sustained;

use crate::device::Device;
use crate::error::Result;
use crate::probe::{Question, ROUND_GROUPS, Schedule};
use crate::profile::{Ceiling, Curve, Effort, Unit};
use question_state::QuestionState;
use std::time::{Duration, Instant};

pub use survey::{Surveyed, survey};
pub use sustained::sustain;

/// How much is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Rounds over all questions, each with new allocations.
    pub rounds: usize,
    /// Samples per question and round.
    pub passes: usize,
    /// Samples per visit of a question that is not asked in every round.
    pub visit_passes: usize,
    /// What modes are to be caught in is sampled once more after so many other questions.
    pub often: usize,
    /// Samples per variant when there are several.
    pub trial_passes: usize,
    /// The least duration of one pass.
    pub pass_seconds: f64,
    /// No new round begins after this time.
    pub budget: Duration,
    /// Samples per point of a curve.
    pub curve_passes: usize,
    /// The least duration of a pass at a point of a curve.
    pub curve_pass_seconds: f64,
}

impl Pace {
    /// The pace of an effort. On two cores the rounds of quick end before the budget, those of the others may not.
    pub fn of(effort: Effort) -> Pace {
        match effort {
            Effort::Quick => Pace {
                rounds: 2,
                passes: 5,
                visit_passes: 5,
                often: 5,
                trial_passes: 2,
                pass_seconds: 0.006,
                budget: Duration::from_secs(10),
                curve_passes: 5,
                curve_pass_seconds: 0.002,
            },
            Effort::Standard => Pace {
                rounds: 8,
                passes: 3,
                visit_passes: 6,
                often: 10,
                trial_passes: 3,
                pass_seconds: 0.010,
                budget: Duration::from_secs(80),
                curve_passes: 6,
                curve_pass_seconds: 0.003,
            },
            Effort::Thorough => Pace {
                rounds: 50,
                passes: 8,
                visit_passes: 8,
                often: 10,
                trial_passes: 6,
                pass_seconds: 0.020,
                budget: Duration::from_secs(600),
                curve_passes: 15,
                curve_pass_seconds: 0.006,
            },
        }
    }

    /// The pace of an effort on a GPU, where each round takes longer: a worker is started, shaders are compiled, arrays cross a
    /// bus.
    #[must_use]
    pub fn of_gpu(effort: Effort) -> Pace {
        let pace = Pace::of(effort);
        match effort {
            // More rounds of fewer samples: a round is a process of its own, and the modes of a driver last for seconds.
            Effort::Quick => Pace { rounds: 4, passes: 3, budget: Duration::from_secs(28), ..pace },
            Effort::Standard => Pace { budget: Duration::from_secs(120), ..pace },
            Effort::Thorough => pace,
        }
    }

    /// The pace of a replay: rounds until the record is exhausted, however it was taken, and no clock.
    #[must_use]
    pub fn of_replay(effort: Effort) -> Pace {
        Pace { rounds: REPLAY_ROUNDS_MAX, budget: Duration::MAX, ..Pace::of(effort) }
    }

    /// How many samples a question has after that round.
    fn samples_after(self, round: usize, schedule: Schedule) -> usize {
        match schedule {
            Schedule::Often | Schedule::EveryRound => self.passes * round,
            Schedule::OneRoundInThree(group) => {
                // Round 1 is group 0's, round 2 group 1's, and so on, over and over.
                // Where there are fewer rounds, each has more groups.
                let every = self.rounds.clamp(1, ROUND_GROUPS as usize);
                let first = group as usize % every + 1;
                self.visit_passes * ((round + every - first) / every)
            }
        }
    }
}

/// More rounds than any record was taken in.
const REPLAY_ROUNDS_MAX: usize = 10_000;
/// Fewer samples bear no interval: a ceiling has as many before the end of the budget ends the rounds.
const SAMPLES_MIN: usize = 5;

/// How far a measurement is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The share of the whole that is done, 0 to 1. It never falls.
    pub share: f64,
    /// The id of the ceiling or curve that is being measured; `done` at the end.
    pub now: &'a str,
    /// Its value so far, with the unit.
    pub value: Option<(f64, Unit)>,
    /// How long the rest will take at most, where that is known.
    pub left: Option<Duration>,
}

/// Gets progress and answers, and decides whether to go on.
pub trait Watcher {
    /// How far it is.
    fn progress(&mut self, progress: &Progress);

    /// A ceiling has new evidence: everything known so far, in the order of the plan.
    ///
    /// # Errors
    /// Ends the measurement.
    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()>;

    /// One more curve is whole: all of them so far.
    ///
    /// # Errors
    /// Ends the measurement.
    fn surveyed(&mut self, curves: &[Curve]) -> Result<()>;

    /// Whether to stop after the present pass.
    fn interrupted(&self) -> bool;
}

/// A measurement under way: which device is asked, how much, and who watches.
struct Session<'s> {
    device: &'s mut dyn Device,
    pace: Pace,
    watcher: &'s mut dyn Watcher,
}

impl Session<'_> {
    fn progress(&mut self, share: f64, now: &str, value: Option<(f64, Unit)>) {
        self.watcher.progress(&Progress { share, now, value, left: None });
    }
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
    let (begun, session) = (Instant::now(), &mut Session { device, pace, watcher });
    let mut states: Vec<QuestionState> =
        questions.iter().map(|q| QuestionState::new(q, earlier.iter().find(|c| c.id == q.id))).collect();
    let mut ceilings: Vec<Ceiling> = states.iter().map(QuestionState::conclude).collect();
    let total = states.len() * (pace.rounds + 1);

    for round in 0..=pace.rounds {
        // Round 0 chooses the variants; each later one samples on fresh memory.
        if round > 1 {
            if states.iter().all(|state| state.has_enough(usize::MAX)) {
                break;
            }
            if begun.elapsed() > pace.budget && states.iter().all(|state| state.has_enough(SAMPLES_MIN)) {
                break;
            }
            session.device.renew();
            states.iter_mut().for_each(QuestionState::unsettle);
        }
        for index in 0..states.len() {
            if session.watcher.interrupted() {
                return Ok(finished(ceilings, false, &states));
            }
            let share = (round * states.len() + index) as f64 / total.max(1) as f64;
            session.progress(share, states[index].question.id.as_str(), ceilings[index].value());
            let state = &mut states[index];
            let late = begun.elapsed() > pace.budget;
            let changed = if round == 0 {
                state.choose(session)
            } else {
                // When time has run out, each answer is completed to what an interval needs, and no further.
                let count = if late { SAMPLES_MIN } else { pace.samples_after(round, state.question.schedule) };
                state.sample(session, count)
            };
            if changed {
                ceilings[index] = state.conclude();
                session.watcher.save(&ceilings)?;
            }
            if round > 0 && index % pace.often == pace.often - 1 && !late {
                for (state, ceiling) in states.iter_mut().zip(&mut ceilings) {
                    if state.question.schedule == Schedule::Often && state.sample_once(session) {
                        *ceiling = state.conclude();
                    }
                }
            }
        }
    }
    let complete = !session.watcher.interrupted();
    if complete {
        session.progress(1.0, "done", None);
    }
    Ok(finished(ceilings, complete, &states))
}

fn finished(ceilings: Vec<Ceiling>, complete: bool, states: &[QuestionState]) -> Finished {
    Finished { ceilings, complete, disturbed_samples: states.iter().map(|state| state.disturbed).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_sampled_in_one_round_of_three_each() {
        let pace = Pace { rounds: 8, passes: 3, visit_passes: 6, ..Pace::of(Effort::Quick) };
        let samples = |schedule| (1..=8).map(|round| pace.samples_after(round, schedule)).collect::<Vec<_>>();
        assert_eq!(samples(Schedule::EveryRound), [3, 6, 9, 12, 15, 18, 21, 24]);
        assert_eq!(samples(Schedule::OneRoundInThree(0)), [6, 6, 6, 12, 12, 12, 18, 18]);
        assert_eq!(samples(Schedule::OneRoundInThree(2)), [0, 0, 6, 6, 6, 12, 12, 12]);
        assert_eq!(samples(Schedule::OneRoundInThree(5)), samples(Schedule::OneRoundInThree(2)));
    }
}
