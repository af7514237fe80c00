//! What lasts: one candidate, the winner of the burst, in windows that follow one another without a pause. Nothing is
//! repeated and nothing left out, whatever happens meanwhile: interruptions are what there is to be seen.

use super::passes::{Warmth, bounds, calibrate, power, rate, status_of, value, without_samples};
use super::schedule::UNTIMED_SHARES;
use super::{Finished, Session};
use crate::device::{Attempt, Purpose};
use crate::error::Result;
use crate::job::Job;
use crate::probe::LongQuestion;
use crate::profile::{Ceiling, Status, Unit};
use crate::stats;
use crate::units::four_digits;
use std::time::Duration;

/// The value is of this part of the run, its end: one of so many.
const LAST_PART: usize = 3;

/// Holds every ceiling asked for after `finished`, whose answers are kept. What is whole in `earlier` (of an interrupted
/// measurement) is kept too; what was interrupted begins anew, since a pause is what it must not have.
///
/// # Errors
/// Only what the watcher's `save` returns; whatever the device cannot do becomes a status.
pub fn sustain(
    session: &mut Session,
    questions: &[LongQuestion],
    earlier: &[Ceiling],
    mut finished: Finished,
) -> Result<Finished> {
    session.spend_reserve();
    for (index, long) in questions.iter().enumerate() {
        let mut run = Run::new(long, &finished.ceilings, earlier);
        if finished.complete {
            finished.complete = run.hold(session, &questions[index..]);
        }
        finished.disturbed_samples += run.disturbed;
        finished.ceilings.push(run.conclude());
        session.watcher.save(&finished.ceilings)?;
    }
    Ok(finished)
}

/// How long it takes to hold all of them.
pub fn duration(questions: &[LongQuestion]) -> Duration {
    questions.iter().map(seconds).sum()
}

fn seconds(long: &LongQuestion) -> Duration {
    Duration::from_secs_f64(long.window_seconds * long.windows as f64)
}

/// One long run on its way to an answer.
struct Run<'a> {
    long: &'a LongQuestion,
    unit: Unit,
    job: Option<&'a Job>,
    /// One per window, in the unit of the ceiling, in the order taken.
    values: Vec<f64>,
    clocks_ghz: Vec<f64>,
    watts: Vec<f64>,
    huge_share: Option<f64>,
    disturbed: u32,
    refusal: Option<(Status, String)>,
}

impl<'a> Run<'a> {
    fn new(long: &'a LongQuestion, bursts: &[Ceiling], earlier: &[Ceiling]) -> Run<'a> {
        let question = &long.question;
        let of = |ceiling: &Ceiling| question.candidates.iter().find(|job| Some(job.variant.keys()) == ceiling.variant);
        let winner = bursts.iter().find(|c| c.id == long.burst).and_then(of);
        let mut run = Run {
            long,
            unit: question.id.unit(),
            job: winner.or(question.candidates.first()),
            values: Vec::new(),
            clocks_ghz: Vec::new(),
            watts: Vec::new(),
            huge_share: None,
            disturbed: 0,
            refusal: question.candidates.is_empty().then(|| question.otherwise.clone()),
        };
        let whole = earlier.iter().find(|c| c.id == question.id && c.sample_values.len() >= long.windows);
        if let Some((ceiling, job)) = whole.and_then(|ceiling| Some((ceiling, of(ceiling)?))) {
            run.job = Some(job);
            run.values.clone_from(&ceiling.sample_values);
            run.clocks_ghz = ceiling.clock_ghz.into_iter().collect();
            run.watts = ceiling.watts.map(|watts| vec![watts; run.values.len()]).unwrap_or_default();
            run.huge_share = ceiling.huge_share;
        }
        run
    }

    /// Runs all windows. Returns false when interrupted.
    fn hold(&mut self, session: &mut Session, ahead: &[LongQuestion]) -> bool {
        let (Some(job), true) = (self.job, self.values.is_empty()) else { return true };
        if let Err(refusal) = self.windows(session, job, duration(ahead)) {
            self.refusal =
                status_of(refusal).or_else(|| Some((Status::Skipped, "the record of it is short".to_owned())));
        }
        // A part is no answer: neither of an interrupted run nor of one that went wrong.
        if self.values.len() < self.long.windows {
            self.values.clear();
        }
        !session.watcher.interrupted()
    }

    /// `left` is the time of these windows and of those behind them.
    fn windows(&mut self, session: &mut Session, job: &Job, left: Duration) -> Attempt<()> {
        let warmth = Warmth { pass_seconds: self.long.window_seconds, passes: 1, until: Duration::MAX };
        let (repetitions, _) = calibrate(session, job, 1, warmth)?;
        for window in 0..self.long.windows {
            if session.watcher.interrupted() {
                break;
            }
            let last = self.values.last().map(|&last| (last, self.unit));
            let (done, id) = (window as f64 / self.long.windows as f64, self.long.question.id.as_str());
            if session.is_timed() {
                session.progress(left.saturating_sub(seconds(self.long).mul_f64(done)), id, last);
            } else {
                session.step(UNTIMED_SHARES[1] + (1.0 - UNTIMED_SHARES[1]) * done, id, last);
            }
            let pass = session.device.time(job, repetitions, Purpose::Sample)?;
            self.values.push(four_digits(value(self.unit, &pass)));
            self.clocks_ghz.extend(pass.clock_hz.map(|hz| four_digits(hz / 1e9)));
            self.watts.extend(pass.watts);
            self.huge_share = pass.huge_share.or(self.huge_share);
            self.disturbed += u32::from(pass.disturbed);
        }
        Ok(())
    }

    /// The ceiling: the median of the last part of the run.
    fn conclude(&self) -> Ceiling {
        let id = &self.long.question.id;
        let rates: Vec<f64> = self.values.iter().map(|&v| rate(self.unit, v)).collect();
        let last = &rates[rates.len() - rates.len().div_ceil(LAST_PART)..];
        let Some((value, interval)) = stats::middle(last) else {
            return without_samples(id, self.refusal.as_ref());
        };
        let back = |x: f64| four_digits(rate(self.unit, x));
        let mut ceiling = Ceiling::with_value(id.clone(), Status::Measured, back(value));
        ceiling.median = stats::middle(&rates).map(|(median, _)| back(median));
        ceiling.ci95 = Some(bounds(self.unit, interval));
        ceiling.samples = Some(self.values.len() as u32);
        ceiling.variant = self.job.map(|job| job.variant.keys());
        ceiling.huge_share = self.huge_share;
        ceiling.watts = power(&self.watts);
        if let Some((clock_ghz, _)) = stats::middle(&self.clocks_ghz) {
            let threads = ceiling.variant.as_ref().and_then(|variant| variant.threads).unwrap_or(1);
            ceiling.clock_ghz = Some(clock_ghz);
            ceiling.per_cycle = Some(four_digits(back(value) / f64::from(threads) / clock_ghz));
        }
        ceiling.sample_values.clone_from(&self.values);
        ceiling
    }
}
