//! Passes: how many repetitions make one, when the rate has settled, what it says.

use super::Session;
use crate::device::{Device, Purpose, Refusal, Timing};
use crate::job::Job;
use crate::profile::{Ceiling, CeilingId, Status, Unit};
use crate::stats;
use crate::units::four_digits;
use std::time::Duration;

/// Two passes in a row within this share of each other are a plateau.
const PLATEAU: f64 = 0.03;
/// A pass during which the CPU was taken away is repeated this many times at most.
pub(super) const DISTURBED_RETRIES_MAX: usize = 3;
/// A pass that was long enough at first is not this much too short: such a one was not timed right.
const SHORT_MAX: f64 = 10.0;
/// A repetition count beyond this would overflow the counters of any kernel.
const REPETITIONS_MAX: u64 = 1 << 40;

/// The value of a pass in the unit of its ceiling.
pub(super) fn value(unit: Unit, pass: &Timing) -> f64 {
    match unit {
        Unit::GbPerS => (pass.work.bytes / pass.seconds).giga(),
        Unit::GflopPerS => (pass.work.flops / pass.seconds).giga(),
        Unit::Us => pass.seconds.0 / pass.repetitions as f64 * 1e6,
        Unit::Ns => pass.seconds.0 / pass.repetitions as f64 * 1e9,
    }
}

/// Values and rates are the same thing for rates; times are turned over, so that more is always better. Its own inverse.
pub(super) fn rate(unit: Unit, value: f64) -> f64 {
    if unit.is_rate() { value } else { 1.0 / value }
}

/// The bounds of an interval of rates, as the values of that unit that the profile keeps, the lower one first.
pub(super) fn bounds(unit: Unit, interval: [f64; 2]) -> [f64; 2] {
    let [a, b] = interval.map(|bound| four_digits(rate(unit, bound)));
    [a.min(b), a.max(b)]
}

/// The ceiling of a question without samples: what the device answered instead, or that it was not measured yet.
pub(super) fn without_samples(id: &CeilingId, refusal: Option<&(Status, String)>) -> Ceiling {
    let pending = || (Status::Skipped, "not measured yet; `roofprobe measure --resume` completes it".to_owned());
    let (status, reason) = refusal.cloned().unwrap_or_else(pending);
    Ceiling::without_value(id.clone(), status, reason)
}

pub(super) fn status_of(refusal: Refusal) -> Option<(Status, String)> {
    match refusal {
        Refusal::Unsupported(reason) => Some((Status::Unsupported, reason)),
        Refusal::Rejected(reason) => Some((Status::Rejected, reason)),
        Refusal::Skipped(reason) | Refusal::OutOfMemory(reason) => Some((Status::Skipped, reason)),
        Refusal::Exhausted => None,
    }
}

/// How long a pass is, and how its plateau is looked for.
#[derive(Clone, Copy)]
pub(super) struct Warmth {
    /// The least duration of a pass.
    pub(super) pass_seconds: f64,
    /// Passes in search of a plateau, at most,
    pub(super) passes: usize,
    /// and none that begins after this time of the session's clock.
    pub(super) until: Duration,
}

/// Finds the repetitions that last long enough, from `repetitions` on, then runs until two passes in a row agree.
pub(super) fn calibrate(
    session: &mut Session,
    job: &Job,
    mut repetitions: u64,
    Warmth { pass_seconds, passes, until }: Warmth,
) -> Result<(u64, Timing), Refusal> {
    let mut last = session.device.time(job, repetitions, Purpose::Warm)?;
    while last.seconds.0 < pass_seconds * 0.8 && repetitions < REPETITIONS_MAX {
        // At most 100-fold at a time: the first passes are slow, and a timer may say 0.
        let factor = (pass_seconds / last.seconds.0.max(1e-9) * 1.1).clamp(1.5, 100.0);
        repetitions = ((repetitions as f64 * factor).ceil() as u64).max(repetitions + 1);
        last = session.device.time(job, repetitions, Purpose::Warm)?;
    }
    for _ in 0..passes {
        if session.elapsed() >= until {
            break;
        }
        let next = session.device.time(job, repetitions, Purpose::Warm)?;
        let settled = (next.seconds.0 / last.seconds.0 - 1.0).abs() <= PLATEAU;
        last = next;
        if settled {
            break;
        }
    }
    // The first guess was made on a sleeping clock; the warm one may need more.
    let short = pass_seconds / timed(last.clone())?.seconds.0;
    if short > 1.0 {
        let factor = short.min(SHORT_MAX);
        repetitions = ((repetitions as f64 * factor).ceil() as u64).min(REPETITIONS_MAX);
    }
    Ok((repetitions, last))
}

/// The pass, if the clock saw it.
fn timed(pass: Timing) -> Result<Timing, Refusal> {
    let seconds = pass.seconds.0;
    let unseen = || {
        Refusal::Skipped(format!("the clock is too coarse: it timed {} repetitions as {seconds} s", pass.repetitions))
    };
    if seconds > 0.0 { Ok(pass) } else { Err(unseen()) }
}

/// A pass; one that was disturbed is repeated, at most `retries` times.
pub(super) fn undisturbed(
    device: &mut dyn Device,
    job: &Job,
    repetitions: u64,
    purpose: Purpose,
    retries: usize,
) -> Result<Timing, Refusal> {
    let mut pass = device.time(job, repetitions, purpose)?;
    for _ in 0..retries {
        if !pass.disturbed {
            break;
        }
        pass = device.time(job, repetitions, purpose)?;
    }
    timed(pass)
}

/// Fewer readings than this are no power: the first ones may be of what ran before.
const POWER_READINGS_MIN: usize = 3;

/// What power flowed, by the readings of single passes, W.
pub(super) fn power(readings: &[f64]) -> Option<f64> {
    let mut sorted = readings.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted.len() >= POWER_READINGS_MIN).then(|| four_digits(stats::median(&sorted)))
}

/// How often the next pass may be repeated: where it did not help, the machine is busy, and repeating only takes time.
pub(super) fn retries_after(pass: &Timing) -> usize {
    if pass.disturbed { 0 } else { DISTURBED_RETRIES_MAX }
}
