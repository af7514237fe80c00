//! Rates that no device can have reached: more bytes of weights than its memory gives, by far.

use super::Measured;
use crate::error::{Error, Result};
use crate::profile::{Ceiling, Profile, Status};
use crate::units::four_digits;

/// Times a measured read above which no mode of memory explains a run: modes more than twice apart were met. Below it a broken
/// roof is shown as such.
const TIMES: f64 = 3.0;

/// The same of a quoted peak, which no mode exceeds.
const TIMES_QUOTED: f64 = 1.5;

/// Where a profile tells no caches, weights up to this size may lie in one.
const CACHE_BYTES_ASSUMED: u64 = 1 << 30;

/// What all passes of a run together read of weights, and for how long.
pub(super) struct Traffic {
    /// Forward passes.
    pub(super) passes: u64,
    /// Bytes of weights that all of them read.
    pub(super) weight_bytes: u64,
    /// Bytes of weights that the model has.
    pub(super) model_bytes: u64,
    /// Their time.
    pub(super) seconds: f64,
}

/// Holds what was read against `read`, the bandwidth of main memory in `profile`.
///
/// # Errors
/// Misuse, with the arithmetic, where the weights alone need more than 3 times the highest bandwidth that the profile knows (1.5 times
/// a quoted one), and fit in no cache. A ceiling that is in doubt itself refutes nothing.
pub(super) fn refuse(measured: &Measured, profile: &Profile, read: &str, traffic: &Traffic) -> Result<()> {
    let Some(ceiling) = profile.ceiling(read).filter(|ceiling| !is_in_doubt(ceiling)) else { return Ok(()) };
    let Some(highest) = highest(ceiling, profile) else { return Ok(()) };
    let caches = profile.device.caches.iter().map(|cache| cache.bytes.saturating_mul(u64::from(cache.instances)));
    if traffic.model_bytes <= caches.max().unwrap_or(CACHE_BYTES_ASSUMED) {
        return Ok(());
    }
    let reached = traffic.weight_bytes as f64 / traffic.seconds * 1e-9;
    let times = if ceiling.status == Status::Quoted { TIMES_QUOTED } else { TIMES };
    if reached <= highest * times {
        return Ok(());
    }
    let passes = traffic.passes.max(1) as f64;
    let [rate, gb, ms, reached, roof] = [
        measured.tokens_per_s,
        traffic.weight_bytes as f64 / passes * 1e-9,
        traffic.seconds / passes * 1e3,
        reached,
        highest,
    ]
    .map(four_digits);
    Err(Error::misuse(format!(
        "{}: {rate} tokens/s cannot be: a pass reads {gb} GB of weights and took {ms} ms, which is {reached} GB/s; {read} is {roof} GB/s \
         here, {:.1} times less. Another model, format or device was run, several sequences together, or drafts",
        measured.record,
        reached / roof
    )))
}

/// Quoted figures with remarks are those that somebody doubts.
fn is_in_doubt(ceiling: &Ceiling) -> bool {
    ceiling.status == Status::Suspect || (ceiling.status == Status::Quoted && !ceiling.flags.is_empty())
}

/// The most that memory was seen to give: by its ceiling, its modes, or an earlier measurement; GB/s.
fn highest(ceiling: &Ceiling, profile: &Profile) -> Option<f64> {
    let earlier = profile.environment.as_ref().and_then(|environment| environment.earlier_read.as_ref());
    let modes = ceiling.modes.iter().map(|mode| mode.value);
    let seen = modes.chain(ceiling.ci95.map(|[_, high]| high)).chain(earlier.map(|earlier| earlier.gb_per_s));
    Some(seen.fold(ceiling.gb_per_s?, f64::max))
}
