//! Sampling: calibrate, warm, try the variants, then spread the passes over the run and over allocations.
//!
//! Asks a [`Device`] the [`Question`]s of a plan and turns the passes into ceilings. Samples are taken A B C, A B C, so
//! that all ceilings share the machine's moods; before each round the device renews its memory. Nothing is printed or
//! saved here: a [`Watcher`] is told, and asked whether to go on.

mod course;
mod passes;
mod survey;
mod sustained;

use crate::device::Device;
use crate::error::Result;
use crate::probe::Question;
use crate::profile::{Ceiling, Curve, Effort};
use course::Course;
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
        let pace = |(rounds, passes), trial_passes, pass_seconds, (curve_passes, curve_pass_seconds), budget_s| Pace {
            rounds,
            passes,
            trial_passes,
            pass_seconds,
            budget: Duration::from_secs(budget_s),
            curve_passes,
            curve_pass_seconds,
        };
        match effort {
            Effort::Quick => pace((2, 5), 2, 0.006, (5, 0.002), 10),
            Effort::Standard => pace((5, 6), 3, 0.010, (6, 0.003), 85),
            Effort::Thorough => pace((50, 8), 6, 0.020, (15, 0.006), 600),
        }
    }

    /// The pace of a replay: rounds until the record is exhausted, however it was taken, and no clock.
    #[must_use]
    pub fn of_replay(effort: Effort) -> Pace {
        Pace { rounds: REPLAY_ROUNDS_MAX, budget: Duration::MAX, ..Pace::of(effort) }
    }

    /// How many samples a question that is visited `every` so many rounds has after that round.
    fn wanted(self, round: usize, every: Option<u32>) -> usize {
        // The first visit is in the first round, so that nobody waits for a round that may never come.
        self.passes * round.div_ceil(every.map_or(1, |every| every.max(1) as usize))
    }
}

/// More rounds than any record was taken in.
const REPLAY_ROUNDS_MAX: usize = 10_000;
/// Fewer samples bear no interval: a ceiling has as many before the end of the budget ends the rounds.
const SAMPLES_MIN: usize = 5;

/// Who is told how it goes, and decides whether it goes on.
pub trait Watcher {
    /// `done` of `total` steps are behind; `now` is being measured.
    fn progress(&mut self, done: usize, total: usize, now: &str);

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
            if courses.iter().all(|course| course.has_enough(usize::MAX)) {
                break;
            }
            if begun.elapsed() > pace.budget && courses.iter().all(|course| course.has_enough(SAMPLES_MIN)) {
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
            let late = begun.elapsed() > pace.budget;
            let changed = if round == 0 {
                course.choose(device, pace, watcher)
            } else {
                // When time has run out, each answer is completed to what an interval needs, and no further.
                let wanted = if late { SAMPLES_MIN } else { pace.wanted(round, course.question.every) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_visited_less_often_has_as_many_samples_from_each_visit() {
        let pace = Pace { rounds: 5, passes: 6, ..Pace::of(Effort::Quick) };
        let wanted = |every| (1..=5).map(|round| pace.wanted(round, every)).collect::<Vec<_>>();
        assert_eq!(wanted(None), [6, 12, 18, 24, 30]);
        assert_eq!(wanted(Some(1)), wanted(None));
        assert_eq!(wanted(Some(3)), [6, 6, 6, 12, 12]);
        assert_eq!(wanted(Some(0)), wanted(None));
    }
}
