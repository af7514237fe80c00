//! Races: the candidates of a question run in turn, A B C, A B C, and those that fall behind leave.
//!
//! What counts is a candidate's rate over the leader's in the same turn, since the modes of a shared machine last longer
//! than a turn. A race that was held on this machine before is held among three only, and again among all where the
//! remembered winner loses.

use super::Session;
use super::passes::{Warmth, calibrate, rate, status_of, value};
use crate::device::{Purpose, Refusal};
use crate::job::Job;
use crate::probe::Question;
use crate::profile::{Flag, Race, Status, Trial, Unit};
use crate::stats;
use crate::units::four_digits;
use std::time::Duration;

/// Passes in search of a plateau before a race.
const WARM_PASSES_MAX: usize = 1;
/// A pass of a race lasts at most this share of one that is kept,
const PASS_SHARE_MAX: f64 = 0.6;
/// and at least this long, s: a timer tells no less.
const PASS_SECONDS_MIN: f64 = 0.0005;
/// So many turns are paid for by the duration of a race.
const TURNS_PAID: f64 = 4.0;
/// Turns of the last ones at most.
const TURNS_MAX: usize = 7;
/// Whoever is below this share of the leader's rate leaves after the first turn, and after the second one.
const BEHIND: [f64; 2] = [0.85, 0.93];
/// Whoever is below this share of the fastest one's first pass is not asked again where the time is up already.
const BEHIND_FAR: f64 = 0.6;
/// So many are left after the turns in which the slower ones leave.
const FINALISTS: usize = 3;
/// A race is decided after so many turns at the earliest, unless only one is left.
const DECIDED_TURNS_MIN: usize = 3;
/// A candidate must be this much faster than the one expected to win.
const CLEARLY_FASTER: f64 = 1.03;

/// What a race came to.
#[derive(Default)]
pub(super) struct Raced {
    /// The fastest one and its repetitions in a pass; none where nobody finished.
    pub(super) winner: Option<(Job, u64)>,
    /// What each one that finished reached.
    pub(super) trials: Vec<Trial>,
    /// Candidates that were wrong, or for which something was missing.
    pub(super) refused: Vec<Flag>,
    /// The last refusal.
    pub(super) refusal: Option<(Status, String)>,
}

/// One who takes part.
struct Racer {
    job: Job,
    repetitions: u64,
    /// The rate in each turn.
    rates: Vec<f64>,
}

/// Races the candidates of `question`, or, where none of them can be had, those that are its fallback. `None` when it was
/// interrupted.
pub(super) fn race(session: &mut Session, question: &Question, duration: Duration) -> Option<Raced> {
    let mut held = Raced::default();
    if let Some(few) = remembered(question, session.races) {
        held.hold(session, question.id.unit(), &few, duration)?;
        // The first one has won before, and must do so again.
        if held.winner.as_ref().is_some_and(|(job, _)| Some(job) == few.first()) {
            return Some(held);
        }
    }
    held.hold(session, question.id.unit(), &question.candidates, duration)?;
    if held.winner.is_none() {
        held.hold(session, question.id.unit(), &question.fallback, duration)?;
    }
    Some(held)
}

/// Those among whom a remembered race is checked, its winner first: the one expected to win, and the last runner-up.
fn remembered(question: &Question, races: &[Race]) -> Option<Vec<Job>> {
    let race = races.iter().find(|race| race.id == question.id)?;
    let of = |keys| question.candidates.iter().find(|job| job.variant.keys().is_same_way(keys));
    let winner = of(&race.winner)?;
    let mut jobs = vec![winner.clone()];
    for job in question.candidates.first().into_iter().chain(race.runner_up.as_ref().and_then(of)) {
        if !jobs.contains(job) {
            jobs.push(job.clone());
        }
    }
    (jobs.len() < question.candidates.len()).then_some(jobs)
}

/// Those who take part in one race.
struct Field {
    unit: Unit,
    /// Those who run.
    racers: Vec<Racer>,
    /// Those who have left, with the place that they had.
    left: Vec<Racer>,
}

impl Field {
    /// Finds the repetitions of a pass of everybody. Returns false when interrupted.
    fn gather(&mut self, session: &mut Session, jobs: &[Job], until: Duration, held: &mut Raced) -> bool {
        let seconds = until.saturating_sub(session.elapsed()).as_secs_f64();
        let share = seconds / (jobs.len() as f64 * TURNS_PAID);
        let most = session.pace.pass_seconds * PASS_SHARE_MAX;
        let pass_seconds = share.min(most).max(PASS_SECONDS_MIN.min(most));
        let mut first_rates = Vec::new();
        for job in jobs {
            if session.watcher.interrupted() {
                return false;
            }
            // The first one wakes the clocks up for all.
            let passes = if self.racers.is_empty() { WARM_PASSES_MAX } else { 0 };
            match calibrate(session, job, 1, Warmth { pass_seconds, passes, until }) {
                Ok((repetitions, pass)) => {
                    first_rates.push(rate(self.unit, value(self.unit, &pass)));
                    self.racers.push(Racer { job: job.clone(), repetitions, rates: Vec::new() });
                }
                Err(refusal) => held.reject(job, refusal),
            }
        }
        // Where a pass takes long, those far behind need no second one.
        let most = first_rates.iter().copied().fold(0.0, f64::max);
        if session.elapsed() >= until {
            for (index, first) in
                first_rates.into_iter().enumerate().rev().filter(|&(_, rate)| rate < most * BEHIND_FAR)
            {
                let racer = self.racers.remove(index);
                self.left.push(Racer { rates: vec![first], ..racer });
            }
        }
        true
    }

    /// Lets them run until it is decided. Returns false when interrupted.
    fn run(&mut self, session: &mut Session, until: Duration, held: &mut Raced) -> bool {
        for turn in 0..TURNS_MAX {
            if !self.turn(session, held) {
                return false;
            }
            if self.racers.is_empty() {
                // Whoever was ahead was wrong: those who had left run anew.
                self.racers.append(&mut self.left);
                self.racers.iter_mut().for_each(|racer| racer.rates.clear());
                continue;
            }
            self.leave(turn);
            if self.racers.len() < 2 || self.is_decided(turn + 1) || session.elapsed() >= until {
                break;
            }
        }
        self.racers.retain(|racer| !racer.rates.is_empty());
        true
    }

    /// One pass of everybody. Returns false when interrupted.
    fn turn(&mut self, session: &mut Session, held: &mut Raced) -> bool {
        let mut wrong = Vec::new();
        for (index, racer) in self.racers.iter_mut().enumerate() {
            if session.watcher.interrupted() {
                return false;
            }
            // A disturbed pass is only slower, and the median of the turns counts.
            match session.device.time(&racer.job, racer.repetitions, Purpose::Trial) {
                Ok(pass) => racer.rates.push(rate(self.unit, four_digits(value(self.unit, &pass)))),
                // One wrong result excludes a candidate, whatever it reached before.
                Err(refusal) => {
                    held.reject(&racer.job, refusal);
                    wrong.push(index);
                }
            }
        }
        for index in wrong.into_iter().rev() {
            self.racers.remove(index);
        }
        true
    }

    /// Whoever is too far behind after that turn leaves.
    fn leave(&mut self, turn: usize) {
        let Some(leader) = self.leader() else { return };
        let rates = self.racers[leader].rates.clone();
        let behind = |racer: &Racer| BEHIND.get(turn).is_some_and(|&share| ratio(&racer.rates, &rates) < share);
        let (left, racers) = std::mem::take(&mut self.racers).into_iter().partition(behind);
        self.racers = racers;
        self.left.extend::<Vec<Racer>>(left);
        // The last ones are few.
        while turn + 1 == BEHIND.len() && self.racers.len() > FINALISTS {
            let slower = |a: &Racer, b: &Racer| ratio(&a.rates, &rates).total_cmp(&ratio(&b.rates, &rates));
            let Some(slowest) = (0..self.racers.len()).min_by(|&a, &b| slower(&self.racers[a], &self.racers[b])) else {
                break;
            };
            let slowest = self.racers.remove(slowest);
            self.left.push(slowest);
        }
    }

    /// The one whom nobody is ahead of in the turns that they ran together.
    fn leader(&self) -> Option<usize> {
        (0..self.racers.len()).reduce(|leader, other| {
            if ratio(&self.racers[other].rates, &self.racers[leader].rates) > 1.0 { other } else { leader }
        })
    }

    /// Whether the leader is clearly ahead of all others after so many turns.
    fn is_decided(&self, turns: usize) -> bool {
        let Some(leader) = self.leader().filter(|_| turns >= DECIDED_TURNS_MIN) else { return false };
        let others = self.racers.iter().enumerate().filter(|&(index, _)| index != leader);
        others.into_iter().all(|(_, other)| ratio(&other.rates, &self.racers[leader].rates) * CLEARLY_FASTER < 1.0)
    }

    /// The trials in the order of `jobs`, and the winner. A trial's value is the leader's best rate times the candidate's
    /// share of the leader's rate, so that the values can be compared though the machine changed between them.
    fn conclude(mut self, jobs: &[Job]) -> (Vec<Trial>, Option<(Job, u64)>) {
        let Some(leader) = self.leader() else { return (Vec::new(), None) };
        let rates = self.racers[leader].rates.clone();
        let best = rates.iter().copied().fold(f64::NAN, f64::max);
        self.racers.append(&mut self.left);
        let place = |racer: &Racer| jobs.iter().position(|job| *job == racer.job);
        self.racers.sort_by_key(place);
        let trial = |racer: &Racer| Trial {
            variant: racer.job.variant.keys(),
            value: four_digits(rate(self.unit, ratio(&racer.rates, &rates) * best)),
        };
        let trials: Vec<Trial> = self.racers.iter().map(trial).collect();
        let winner = winner(&trials, self.unit).map(|index| {
            let racer = self.racers.swap_remove(index);
            (racer.job, racer.repetitions)
        });
        (trials, winner)
    }
}

impl Raced {
    /// Holds the race among `jobs`, and nothing that came of another one is left. `None` when it was interrupted.
    fn hold(&mut self, session: &mut Session, unit: Unit, jobs: &[Job], duration: Duration) -> Option<()> {
        let until = session.elapsed().saturating_add(duration);
        let mut field = Field { unit, racers: Vec::new(), left: Vec::new() };
        if !field.gather(session, jobs, until, self) || !field.run(session, until, self) {
            return None;
        }
        (self.trials, self.winner) = field.conclude(jobs);
        Some(())
    }

    /// A candidate that cannot answer: the reason stands for the ceiling unless another candidate answers.
    fn reject(&mut self, job: &Job, refusal: Refusal) {
        let Some((status, reason)) = status_of(refusal) else { return };
        if matches!(status, Status::Rejected | Status::Skipped) {
            let remark = Flag::Other(format!("variant {} was {status}: {reason}", job.variant));
            if !self.refused.contains(&remark) {
                self.refused.push(remark);
            }
        }
        self.refusal = Some((status, reason));
    }
}

/// The median of one's rates over the other's in the turns that both ran.
fn ratio(rates: &[f64], others: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = rates.iter().zip(others).map(|(rate, other)| rate / other).collect();
    ratios.sort_by(f64::total_cmp);
    stats::median(&ratios)
}

/// Which of the trials won. The first one is expected to; another takes its place only if it is clearly faster. The luck of
/// a few passes would otherwise choose another variant each time.
fn winner(trials: &[Trial], unit: Unit) -> Option<usize> {
    let reached = |index: usize| rate(unit, trials[index].value);
    let fastest = (0..trials.len()).max_by(|&a, &b| reached(a).total_cmp(&reached(b)))?;
    Some(if reached(fastest) > reached(0) * CLEARLY_FASTER { fastest } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VariantKeys;

    #[test]
    fn rates_are_compared_within_a_turn() {
        // The machine became twice as fast after the second turn.
        assert_eq!(ratio(&[10.0, 10.0, 21.0], &[11.0, 10.5, 20.0]), 10.0 / 10.5);
        // Only turns that both ran count.
        assert_eq!(ratio(&[10.0], &[20.0, 5.0]), 0.5);
    }

    #[test]
    fn the_expected_one_wins_unless_another_is_clearly_faster() {
        let trials = |values: &[f64]| -> Vec<Trial> {
            values.iter().map(|&value| Trial { variant: VariantKeys::default(), value }).collect()
        };
        assert_eq!(winner(&trials(&[100.0, 102.9, 90.0]), Unit::GbPerS), Some(0));
        assert_eq!(winner(&trials(&[100.0, 103.1, 104.0]), Unit::GbPerS), Some(2));
        assert_eq!(winner(&trials(&[100.0, 103.1, 90.0]), Unit::Ns), Some(2));
        assert_eq!(winner(&[], Unit::Ns), None);
    }
}
