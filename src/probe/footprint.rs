//! How large arrays must be so that no cache holds them: found on the device, by a race of a size against twice that size.
//!
//! ```text
//! F = max(128 MiB, 3 × where the resident curve falls for the last time)
//! F will do where it is read no more than 2 % faster than 2 F, or by no more than 2 F's own scatter;
//! else 2 F against 4 F, and so on, up to 8 × the last-level caches that the system tells
//! ```
//!
//! What the system tells would do as well, but may be many times too much: a virtual machine tells the cache of the whole processor, of
//! which it has a part. Without the race (old profiles, too little memory) the rule of the topology holds.

use super::levels::{last_fall, levels, resident_id};
use super::memory::{array_bytes, cache_bytes, grain, room, stream};
use super::{CurveQuestion, PlanInputs, curve, curve_without_points};
use crate::profile::{CeilingId, Curve, CurveAxis, Effort, Machine, Stream};
use crate::stats;
use roofprobe_kernels::Op;

/// Without a race: at least so many times the last-level cache of the allowed cores (STREAM's rule), and of where the resident curve
/// falls for the last time.
pub(super) const CACHE_MULTIPLE_MIN: u64 = 4;
/// And as a rule this many times, so that what the cache keeps from one pass to the next is lost in the noise.
const CACHE_MULTIPLE: u64 = 8;
/// With a race: the first size is this many times where the curve falls for the last time.
const FALL_MULTIPLE: u64 = 3;
/// And never smaller: smaller arrays take too little time on a fast memory.
const RACED_BYTES_MIN: u64 = 128 << 20;
/// The same without a race.
const BYTES_MIN: u64 = 64 << 20;
/// A size that is read by more than this faster than twice the size is still helped by a cache.
const FASTER_MAX: f64 = 0.02;
/// Where the curve was seen up to this multiple of what the system tells, a cache that is really there would have shown its end.
const SEEN_BEYOND: f64 = 1.25;
/// Streams side by side of the race: those that are expected to win in memory.
const SIDE_BY_SIDE: u32 = 4;

/// All arrays together, of a quick look and of a standard measurement: what else is there (tokens, results, chases) comes on top of
/// it, and the whole process stays within 1.5 GiB and 3 GiB.
const QUICK_BYTES_MAX: u64 = 1280 << 20;
const STANDARD_BYTES_MAX: u64 = 2560 << 20;
/// A machine with much memory has large caches as a rule, and gives this share of it without noticing.
const UNNOTICED_SHARE: u64 = 32;
/// Never more than this share of the memory that is available.
const MEMORY_SHARE_MAX: f64 = 0.4;

/// The bytes that are read (or written) between two visits of the same place, all threads together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    /// As a rule.
    pub(super) target: u64,
    /// With less a cache would be measured.
    pub(super) least: u64,
}

/// The footprint that the race found, else that of the rule.
pub(super) fn footprint(inputs: PlanInputs) -> Footprint {
    if let Some(found) = inputs.curve(&footprint_id()).and_then(found) {
        return Footprint { target: found, least: found };
    }
    let machine = inputs.machine;
    let levels = levels(inputs.curve(&resident_id()), &machine.device.caches, machine.environment.threads);
    by_rule(cache_bytes(machine).max(levels.last_bytes.unwrap_or(0)))
}

/// The footprint for a last cache of so many bytes.
pub(super) fn by_rule(cache_bytes: u64) -> Footprint {
    Footprint {
        target: cache_bytes.saturating_mul(CACHE_MULTIPLE).max(BYTES_MIN),
        least: cache_bytes.saturating_mul(CACHE_MULTIPLE_MIN),
    }
}

/// Bytes that all arrays together may take.
pub(super) fn memory_limit(machine: &Machine, effort: Effort) -> u64 {
    let available = machine.environment.memory_available_bytes;
    let most = (available as f64 * MEMORY_SHARE_MAX) as u64;
    match effort {
        Effort::Quick => most.min(QUICK_BYTES_MAX.max(available / UNNOTICED_SHARE)),
        Effort::Standard => most.min(STANDARD_BYTES_MAX.max(available / UNNOTICED_SHARE)),
        Effort::Thorough => most,
    }
}

/// `memory.read.footprint`: the race.
pub(super) fn race(inputs: PlanInputs) -> CurveQuestion {
    let PlanInputs { machine, effort, .. } = inputs;
    let room = room(machine, effort, 1);
    let sizes = race_sizes(inputs, room);
    if sizes.is_empty() {
        let needed = Footprint { target: first_bytes(inputs), least: first_bytes(inputs) };
        let reason = array_bytes(machine, needed, room).err().unwrap_or_default();
        return curve_without_points(footprint_id(), CurveAxis::FootprintBytes, reason);
    }
    let variant = |footprint_bytes| Stream { footprint_bytes, streams: Some(SIDE_BY_SIDE), ..stream(machine) };
    let asked = curve(footprint_id(), Op::Read, CurveAxis::FootprintBytes, sizes.into_iter().map(variant));
    CurveQuestion { pairwise: true, ..asked }
}

/// The sizes of the race; none where the first one exceeds `room`.
pub(super) fn race_sizes(inputs: PlanInputs, room: u64) -> Vec<u64> {
    let PlanInputs { machine, effort, .. } = inputs;
    let first = first_bytes(inputs).next_multiple_of(grain(machine));
    if first > room {
        return Vec::new();
    }
    let rule = by_rule(cache_bytes(machine)).target;
    // Whatever the system tells, two races are worth it. The last size is never used where it lost.
    let last = rule.max(4 * first).min(memory_limit(machine, effort));
    std::iter::successors(Some(first), |bytes| bytes.checked_mul(2)).take_while(|&bytes| bytes <= last).collect()
}

/// `memory.read.footprint`.
pub(super) fn footprint_id() -> CeilingId {
    CeilingId::memory_curve(Op::Read, "footprint")
}

/// Where the race begins.
fn first_bytes(inputs: PlanInputs) -> u64 {
    let told = cache_bytes(inputs.machine);
    let resident = inputs.curve(&resident_id());
    let reach = resident.and_then(|curve| curve.footprint_bytes.last()).copied().unwrap_or(0);
    let last = match resident.filter(|_| reach as f64 >= told as f64 * SEEN_BEYOND) {
        Some(curve) => last_fall(curve).unwrap_or(0),
        None => told,
    };
    last.saturating_mul(FALL_MULTIPLE).max(RACED_BYTES_MIN)
}

/// The first size that will do; the last one if none did.
fn found(curve: &Curve) -> Option<u64> {
    let (places, samples) = (&curve.footprint_bytes, &curve.sample_values);
    let settled = samples.windows(2).position(|pair| will_do(&pair[0], &pair[1]));
    places.get(settled.unwrap_or(places.len().saturating_sub(1))).copied()
}

/// Whether a size will do: its rates are those of twice the size.
pub(crate) fn will_do(size: &[f64], twice: &[f64]) -> bool {
    if size.is_empty() || twice.is_empty() {
        return false;
    }
    let sorted = |samples: &[f64]| {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (size, twice) = (sorted(size), sorted(twice));
    let (here, there) = (stats::median(&size), stats::median(&twice));
    // From the median to the upper quartile.
    let scatter = stats::median(&twice[twice.len() / 2..]) - there;
    here - there <= (there * FASTER_MAX).max(scatter)
}
