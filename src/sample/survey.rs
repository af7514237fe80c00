//! Surveying: the curves, before the ceilings, since where the levels lie decides what the ceilings ask.
//!
//! Points are visited in turn, A B C, A B C, with short passes: a curve shows a shape, and its points share the machine's
//! modes. The [`Watcher`] gets each curve when it is whole.

use super::Session;
use super::passes::{
    DISTURBED_RETRIES_MAX, Warmth, bounds, calibrate, rate, retries_after, status_of, undisturbed, value,
};
use super::schedule::UNTIMED_SHARES;
use crate::device::{Attempt, Device, Purpose, Refusal};
use crate::error::Result;
use crate::job::Job;
use crate::probe::{CurveQuestion, will_do};
use crate::profile::{Curve, CurveAxis, Flag, Status, Unit, Variant};
use crate::stats;
use crate::units::four_digits;
use roofprobe_kernels::Op;
use std::time::Duration;

/// Each point is visited so many times; its passes of one visit follow one another.
const VISITS: usize = 3;
/// Passes of each point in one race against its neighbour.
const RACE_PASSES: usize = 7;
/// Steps of a chase that is not yet in its level: a larger working set is in none.
const WARM_STEPS_MAX: u64 = 1 << 18;
/// The survey takes at most this share of the budget.
const BUDGET_SHARE: f64 = 0.25;
/// Warm passes of a point before its samples.
const WARM_PASSES_MAX: usize = 2;

/// What came of a survey.
#[derive(Clone, Debug, PartialEq)]
pub struct Surveyed {
    /// The curves that are whole, in the order of the questions.
    pub curves: Vec<Curve>,
    /// False when it was interrupted.
    pub complete: bool,
    /// Samples that were kept although CPU time was taken away during each try.
    pub disturbed_samples: u32,
}

/// Measures every curve, one after another: `questions` gives all of them, for the curves measured so far. Those in `earlier` (of
/// an interrupted measurement) are whole, and kept.
///
/// # Errors
/// Only what the watcher's `surveyed` returns; whatever the device cannot do becomes a status.
pub fn survey(
    session: &mut Session,
    questions: &dyn Fn(&[Curve]) -> Vec<CurveQuestion>,
    earlier: &[Curve],
) -> Result<Surveyed> {
    let mut surveyed = Surveyed { curves: Vec::new(), complete: true, disturbed_samples: 0 };
    // Sizes may change with what is found, their number hardly.
    let mut asked = questions(&[]);
    let total = asked.iter().map(steps).sum::<usize>();
    let mut done = 0;
    let mut last = None;
    while let Some(question) = asked.get(surveyed.curves.len()) {
        // Another kind of routine has memory of its own: what the last kind had is given back.
        let kind = question.points.first().map(|job| is_stream(job.op).then_some(()).ok_or(job.op));
        if last.is_some() && kind.is_some() && last != kind {
            session.device.renew();
        }
        last = kind.or(last);
        let curve = match earlier.iter().find(|curve| curve.id == question.id) {
            Some(whole) => whole.clone(),
            None => {
                let until = allowance(session, asked.len() - surveyed.curves.len());
                let mut points = Points::new(question, until);
                let whole = match question.pairwise {
                    true => points.race(session, (done, total)),
                    false => points.sample(session, (done, total)),
                };
                if !whole {
                    surveyed.complete = false;
                    return Ok(surveyed);
                }
                surveyed.disturbed_samples += points.disturbed;
                points.conclude()
            }
        };
        if question.pairwise {
            // It went over more memory than anything that follows.
            session.device.renew();
        }
        done += steps(question);
        surveyed.curves.push(curve);
        session.watcher.surveyed(&surveyed.curves)?;
        asked = questions(&surveyed.curves);
    }
    if !asked.is_empty() {
        session.device.renew();
    }
    Ok(surveyed)
}

/// When the next of so many curves is to end: all of them have a share of the budget, and what one leaves others can use.
fn allowance(session: &Session, curves: usize) -> Duration {
    if !session.is_timed() {
        return Duration::MAX;
    }
    let (elapsed, end) = (session.elapsed(), session.pace.budget.mul_f64(BUDGET_SHARE));
    elapsed + end.saturating_sub(elapsed).mul_f64(2.0 / (curves + 1) as f64)
}

/// Tells the watcher that this share of the survey's steps is done.
fn progress(session: &mut Session, done: f64, now: &str) {
    let left = session.left();
    if session.is_timed() {
        session.progress(left, now, None)
    } else {
        session.step(done * UNTIMED_SHARES[0], now, None)
    }
}

/// Steps of the survey that a curve takes.
fn steps(question: &CurveQuestion) -> usize {
    match question.pairwise {
        true => 2 * RACE_PASSES,
        false => question.points.len() * (VISITS + 1),
    }
}

/// Streams of all kinds share their arrays.
fn is_stream(op: Op) -> bool {
    matches!(op, Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad)
}

/// One point on its way to a value.
struct Point<'a> {
    job: &'a Job,
    place: u64,
    repetitions: u64,
    values: Vec<f64>,
}

/// One curve on its way.
struct Points<'a> {
    question: &'a CurveQuestion,
    unit: Unit,
    /// In the order of the curve.
    points: Vec<Point<'a>>,
    disturbed: u32,
    /// Only one visit of each point begins after this time.
    until: Duration,
    /// Why the last point that is missing is missing.
    refusal: Option<(Status, String)>,
    /// Points that are missing, and what the device said, each once.
    flags: Vec<Flag>,
}

impl<'a> Points<'a> {
    fn new(question: &'a CurveQuestion, until: Duration) -> Points<'a> {
        let point = |job: &'a Job| {
            let place = question.axis.of(&job.variant.keys())?;
            Some(Point { job, place, repetitions: 1, values: Vec::new() })
        };
        Points {
            question,
            unit: question.id.unit(),
            points: question.points.iter().filter_map(point).collect(),
            disturbed: 0,
            until,
            flags: Vec::new(),
            refusal: question.points.is_empty().then(|| question.otherwise.clone()),
        }
    }

    /// Samples every point; so many steps of the survey's total are done before. Returns false when interrupted.
    fn sample(&mut self, session: &mut Session, (mut done, total): (usize, usize)) -> bool {
        for visit in 0..=VISITS {
            if visit > 1 && session.elapsed() >= self.until {
                break;
            }
            let count = session.pace.curve_passes * visit / VISITS;
            // The largest first: smaller ones are parts of the memory that it has made ready. Of the same work, the fewest
            // threads have the largest parts.
            let ascending = self.question.axis == CurveAxis::Threads;
            let mut left = self.points.len();
            while left > 0 {
                // A point that is rejected is taken out of the list.
                let index = if ascending { self.points.len() - left } else { left - 1 };
                left -= 1;
                if session.watcher.interrupted() {
                    return false;
                }
                progress(session, done as f64 / total.max(1) as f64, self.question.id.as_str());
                done += 1;
                let point = &mut self.points[index];
                let visited = if visit == 0 {
                    point.calibrate(session).map(|()| 0)
                } else {
                    point.visit(session.device, self.unit, count, &mut self.flags)
                };
                match visited {
                    Ok(disturbed) => self.disturbed += disturbed,
                    Err(refusal) => self.reject(index, refusal),
                }
                if self.rejected() {
                    return true;
                }
            }
        }
        true
    }

    /// Races the first point against the second, and each further one against the one before it, while a smaller one will not do.
    /// Returns false when interrupted.
    fn race(&mut self, session: &mut Session, (done, total): (usize, usize)) -> bool {
        let mut coming = std::mem::take(&mut self.points).into_iter();
        self.points.extend(coming.next());
        loop {
            let before = self.points.len();
            self.points.extend(coming.next());
            let first = self.points.len().saturating_sub(2);
            let samples: Vec<usize> = self.points.iter().map(|point| point.values.len()).collect();
            for pass in 1..=RACE_PASSES {
                for (index, &taken) in samples.iter().enumerate().skip(first) {
                    if session.watcher.interrupted() {
                        return false;
                    }
                    let share = (done + 2 * pass).min(total) as f64 / total.max(1) as f64;
                    progress(session, share, self.question.id.as_str());
                    let point = &mut self.points[index];
                    let ready = if taken + pass == 1 { point.calibrate(session) } else { Ok(()) };
                    let visit = |()| point.visit(session.device, self.unit, taken + pass, &mut self.flags);
                    match ready.and_then(visit) {
                        Ok(disturbed) => self.disturbed += disturbed,
                        Err(refusal) => {
                            // Without an opponent there is no race.
                            self.reject(index, refusal);
                            return true;
                        }
                    }
                }
            }
            let settled = self.points.windows(2).last().is_some_and(|pair| will_do(&pair[0].values, &pair[1].values));
            if settled || self.points.len() == before {
                return true;
            }
        }
    }

    /// A point that the device cannot do is left out; a wrong result spoils the curve.
    fn reject(&mut self, index: usize, refusal: Refusal) {
        if let Some((status, reason)) = status_of(refusal) {
            let place = self.points.remove(index).place;
            let remark = format!("without {} {place} ({status}): {reason}", self.question.axis.name());
            self.flags.push(Flag::Other(remark));
            self.refusal = Some((status, reason));
        }
    }

    fn rejected(&self) -> bool {
        self.refusal.as_ref().is_some_and(|(status, _)| *status == Status::Rejected)
    }

    fn conclude(self) -> Curve {
        let id = self.question.id.clone();
        let estimated = |point: &Point| {
            let rates: Vec<f64> = point.values.iter().map(|&v| rate(self.unit, v)).collect();
            stats::estimate(&rates)
        };
        let whole: Vec<_> = self.points.iter().filter_map(|point| Some((point, estimated(point)?))).collect();
        let Some((first, _)) = whole.first().filter(|_| !self.rejected()) else {
            let nothing = || (Status::Skipped, "the device had no samples for it".to_owned());
            let (status, reason) = self.refusal.clone().unwrap_or_else(nothing);
            return Curve::empty(id, status, Some(reason));
        };
        let back = |x: f64| four_digits(rate(self.unit, x));
        let mut curve = Curve::empty(id, Status::Measured, None);
        curve.set_along(self.question.axis, whole.iter().map(|(point, _)| point.place).collect());
        curve.set_values(whole.iter().map(|(_, estimate)| back(estimate.best)).collect());
        (curve.low, curve.high) = whole.iter().map(|(_, e)| bounds(self.unit, e.ci95).into()).unzip();
        curve.variant = Some(self.question.axis.shared(first.job.variant.keys()));
        curve.sample_values = whole.iter().map(|(point, _)| point.values.clone()).collect();
        curve.flags.clone_from(&self.flags);
        curve
    }
}

impl Point<'_> {
    fn calibrate(&mut self, session: &mut Session) -> Attempt<()> {
        session.device.time(self.job, self.once(), Purpose::Warm)?;
        let pass_seconds = session.pace.curve_pass_seconds;
        let warmth = Warmth { pass_seconds, passes: WARM_PASSES_MAX, until: Duration::MAX };
        (self.repetitions, _) = calibrate(session, self.job, 1, warmth)?;
        Ok(())
    }

    /// Samples until there are so many. Returns how many were disturbed.
    fn visit(&mut self, device: &mut dyn Device, unit: Unit, count: usize, flags: &mut Vec<Flag>) -> Attempt<u32> {
        // Other points have been here since: once over the memory brings it back to its level.
        device.time(self.job, self.once(), Purpose::Warm)?;
        let (mut disturbed, mut retries) = (0, DISTURBED_RETRIES_MAX);
        while self.values.len() < count {
            match undisturbed(device, self.job, self.repetitions, Purpose::Sample, retries) {
                Ok(pass) => {
                    retries = retries_after(&pass);
                    disturbed += u32::from(pass.disturbed);
                    self.values.push(four_digits(value(unit, &pass)));
                    flags.extend(pass.note.map(Flag::Device).filter(|flag| !flags.contains(flag)));
                }
                // A record that has been replayed is no fault of the point.
                Err(Refusal::Exhausted) => break,
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(disturbed)
    }

    /// The repetitions that go once over the memory.
    fn once(&self) -> u64 {
        match &self.job.variant {
            // A chase's repetition is one step.
            Variant::Chase(chase) => {
                (chase.footprint_bytes / u64::from(chase.stride_bytes.max(1))).clamp(1, WARM_STEPS_MAX)
            }
            _ => 1,
        }
    }
}
