//! Races: the candidates of a question run in turn, A B C, A B C, and those that fall behind leave.
//!
//! What counts is a candidate's rate over the highest one of the same turn, since the modes of a shared machine last longer than
//! a turn; and of its turns the upper quartile, since what else runs makes a pass slower and never faster. A race that was held on this machine before is held among three only, and again among all where the
//! remembered winner loses.

use super::Session;
use super::passes::{Warmth, calibrate, rate, status_of, value};
use crate::device::{Purpose, Refusal};
use crate::job::Job;
use crate::probe::Question;
use crate::profile::{Flag, Race, Status, Trial, Unit};
use crate::units::four_digits;
use std::time::Duration;

/// Passes in search of a plateau before a race.
const WARM_PASSES_MAX: usize = 1;
/// A pass of a race lasts at most this share of one that is kept,
const PASS_SHARE_MAX: f64 = 0.6;
/// and at least this long, s: a timer tells no less.
const PASS_SECONDS_MIN: f64 = 0.0005;
/// So many turns are paid for by the duration of a race.
const TURNS_PAID: f64 = 5.0;
/// Turns of the last ones at most.
const TURNS_MAX: usize = 7;
/// Whoever was below this share of the highest rate in every turn leaves, after the first turn, the second and the third one.
/// One turn alone tells little: something else may have run meanwhile.
const BEHIND: [f64; 3] = [0.5, 0.85, 0.93];
/// Whoever is below this share of the fastest one's first pass is not asked again where the time is up already.
const BEHIND_FAR: f64 = 0.6;
/// So many are left after the turns in which the slower ones leave.
const FINALISTS: usize = 3;
/// A race is decided after so many turns at the earliest, unless only one is left.
const DECIDED_TURNS_MIN: usize = 4;
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
    /// Its best rate.
    best: f64,
    /// Its rate over the highest one, in each turn.
    shares: Vec<f64>,
}

impl Racer {
    fn new(job: &Job, repetitions: u64) -> Racer {
        Racer { job: job.clone(), repetitions, best: 0.0, shares: Vec::new() }
    }

    /// The upper quartile of its shares.
    fn share(&self) -> f64 {
        let mut sorted = self.shares.clone();
        sorted.sort_by(f64::total_cmp);
        (sorted.len() * 3).div_ceil(4).checked_sub(1).map_or(0.0, |rank| sorted[rank])
    }
}

/// How long a race may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// When each candidate has had a pass, there is none after this time.
    pub(super) race: Duration,
    /// Candidates that had none by then are left out.
    pub(super) all: Duration,
}

/// Races the candidates of `question`, or, where none of them can be had, those that are its fallback. `None` when it was
/// interrupted.
pub(super) fn race(session: &mut Session, question: &Question, limits: Limits) -> Option<Raced> {
    let mut held = Raced::default();
    if let Some(few) = remembered(question, session.races) {
        held.hold(session, question.id.unit(), &few, limits)?;
        // The first one has won before, and must do so again.
        if held.winner.as_ref().is_some_and(|(job, _)| Some(job) == few.first()) {
            return Some(held);
        }
    }
    held.hold(session, question.id.unit(), &question.candidates, limits)?;
    if held.winner.is_none() {
        held.hold(session, question.id.unit(), &question.fallback, limits)?;
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
    fn gather(
        &mut self,
        session: &mut Session,
        jobs: &[Job],
        (until, latest): (Duration, Duration),
        held: &mut Raced,
    ) -> bool {
        let seconds = until.saturating_sub(session.elapsed()).as_secs_f64();
        let share = seconds / (jobs.len() as f64 * TURNS_PAID);
        let most = session.pace.pass_seconds * PASS_SHARE_MAX;
        let pass_seconds = share.min(most).max(PASS_SECONDS_MIN.min(most));
        let mut first_rates = Vec::new();
        for job in jobs {
            if session.watcher.interrupted() {
                return false;
            }
            if !self.racers.is_empty() && session.elapsed() >= latest {
                break;
            }
            // The first one wakes the clocks up for all.
            let passes = if self.racers.is_empty() { WARM_PASSES_MAX } else { 0 };
            match calibrate(session, job, 1, Warmth { pass_seconds, passes, until }) {
                Ok((repetitions, pass)) => {
                    first_rates.push(rate(self.unit, value(self.unit, &pass)));
                    self.racers.push(Racer::new(job, repetitions));
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
                self.left.push(Racer { best: first, shares: vec![first / most], ..racer });
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
                self.racers.iter_mut().for_each(|racer| racer.shares.clear());
                continue;
            }
            self.leave(turn);
            if self.racers.len() < 2 || self.is_decided(turn + 1) || session.elapsed() >= until {
                break;
            }
        }
        self.racers.retain(|racer| !racer.shares.is_empty());
        true
    }

    /// One pass of everybody. Returns false when interrupted.
    fn turn(&mut self, session: &mut Session, held: &mut Raced) -> bool {
        let mut rates = Vec::new();
        let mut finished = Vec::new();
        for racer in std::mem::take(&mut self.racers) {
            if session.watcher.interrupted() {
                return false;
            }
            // A disturbed pass is only slower, and the better turns count.
            match session.device.time(&racer.job, racer.repetitions, Purpose::Trial) {
                Ok(pass) => {
                    rates.push(rate(self.unit, four_digits(value(self.unit, &pass))));
                    finished.push(racer);
                }
                // One wrong result excludes a candidate, whatever it reached before.
                Err(refusal) => held.reject(&racer.job, refusal),
            }
        }
        let highest = rates.iter().copied().fold(0.0, f64::max);
        for (racer, rate) in finished.iter_mut().zip(rates) {
            racer.best = racer.best.max(rate);
            racer.shares.push(rate / highest);
        }
        self.racers = finished;
        true
    }

    /// Whoever is too far behind after that turn leaves, and the last ones are few.
    fn leave(&mut self, turn: usize) {
        let least = BEHIND.get(turn).copied().unwrap_or(0.0);
        self.racers.sort_by(|a, b| b.share().total_cmp(&a.share()));
        let best = |racer: &Racer| racer.shares.iter().copied().fold(0.0, f64::max);
        let most = if turn + 1 >= BEHIND.len() { FINALISTS } else { usize::MAX };
        for (place, racer) in std::mem::take(&mut self.racers).into_iter().enumerate() {
            let stays = place < most && best(&racer) >= least;
            if stays { self.racers.push(racer) } else { self.left.push(racer) }
        }
    }

    /// Whether the leader is clearly ahead of all others after so many turns.
    fn is_decided(&self, turns: usize) -> bool {
        let [leader, others @ ..] = self.racers.as_slice() else { return true };
        turns >= DECIDED_TURNS_MIN && others.iter().all(|other| other.share() * CLEARLY_FASTER < leader.share())
    }

    /// The trials in the order of `jobs`, and the winner. A trial's value is the leader's best rate times the candidate's
    /// share of the leader's, so that the values can be compared though the machine changed between them.
    fn conclude(mut self, jobs: &[Job]) -> (Vec<Trial>, Option<(Job, u64)>) {
        let Some(leader) = self.racers.iter().max_by(|a, b| a.share().total_cmp(&b.share())) else {
            return (Vec::new(), None);
        };
        let (best, share) = (leader.best, leader.share());
        self.racers.append(&mut self.left);
        self.racers.sort_by_key(|racer| jobs.iter().position(|job| *job == racer.job));
        let trial = |racer: &Racer| {
            let reached = racer.share() / share * best;
            Trial { variant: racer.job.variant.keys(), value: four_digits(rate(self.unit, reached)) }
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
    fn hold(&mut self, session: &mut Session, unit: Unit, jobs: &[Job], limits: Limits) -> Option<()> {
        let until = session.elapsed().saturating_add(limits.race);
        let latest = session.elapsed().saturating_add(limits.all);
        let mut field = Field { unit, racers: Vec::new(), left: Vec::new() };
        if !field.gather(session, jobs, (until, latest), self) || !field.run(session, until, self) {
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
    fn of_the_turns_the_upper_quartile_counts() {
        let questions = crate::probe::plan(&crate::probe::tests::machine(), &[], crate::profile::Effort::Quick);
        let question = questions.into_iter().find(|question| !question.candidates.is_empty()).unwrap();
        let share =
            |shares: &[f64]| Racer { shares: shares.to_vec(), ..Racer::new(&question.candidates[0], 1) }.share();
        assert_eq!(share(&[0.5, 0.9, 0.92, 0.45, 0.5]), 0.9);
        assert_eq!((share(&[0.5, 0.9]), share(&[0.7]), share(&[])), (0.9, 0.7, 0.0));
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
