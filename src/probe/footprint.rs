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

use super::PlanInputs;
use super::levels::{last_fall, levels, resident_id};
use crate::profile::{CeilingId, Curve, Effort, Machine};
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
/// Assumed when neither topology nor curve tells: larger than those of the machines that do not tell.
const CACHE_BYTES_ASSUMED: u64 = 64 << 20;
/// What is read and what is written have memory of their own, each as large as the other.
pub(super) const KINDS_OF_ARRAYS: u64 = 2;

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

/// The sizes of the race; none where the first one exceeds `room`.
pub(super) fn race_sizes(inputs: PlanInputs, room: u64) -> Vec<u64> {
    let PlanInputs { machine, effort, .. } = inputs;
    let first = first_bytes(inputs).next_multiple_of(grain(machine));
    if first > room {
        return Vec::new();
    }
    let rule = by_rule(cache_bytes(machine)).target;
    // Whatever the system tells, two races are worth it; a quick look has time for one. The last size is never used where it lost.
    let last = if effort == Effort::Quick { 2 * first } else { rule.max(4 * first) };
    let last = last.min(memory_limit(machine, effort));
    std::iter::successors(Some(first), |bytes| bytes.checked_mul(2)).take_while(|&bytes| bytes <= last).collect()
}

/// `memory.read.footprint`.
pub(super) fn footprint_id() -> CeilingId {
    CeilingId::memory_curve(Op::Read, "footprint")
}

/// Where the race begins.
pub(super) fn first_bytes(inputs: PlanInputs) -> u64 {
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

/// The last level of the allowed cores, all instances together, as the topology tells it.
pub(super) fn cache_bytes(machine: &Machine) -> u64 {
    let last_level = machine.device.caches.iter().map(|c| c.level).max();
    let caches = machine.device.caches.iter().filter(|c| Some(c.level) == last_level);
    match caches.map(|c| c.bytes.saturating_mul(u64::from(c.instances))).fold(0, u64::saturating_add) {
        0 => CACHE_BYTES_ASSUMED,
        bytes => bytes,
    }
}

/// The most that an operation may read, where arrays on so many kinds of pages are there at once.
pub(super) fn room(machine: &Machine, effort: Effort, page_kinds: u64) -> u64 {
    memory_limit(machine, effort) / KINDS_OF_ARRAYS / page_kinds
}

/// How many copies of something of `bytes` bytes are read one after another so that no cache holds them, within `room`.
///
/// # Errors
/// Why there is not enough memory, `what` being the name of it.
pub(super) fn copies(room: u64, what: &str, bytes: u64, needed: Footprint) -> Result<u32, String> {
    let least = needed.least.div_ceil(bytes);
    let copies = needed.target.div_ceil(bytes).max(least).min(room / bytes);
    if copies < least {
        return Err(format!(
            "too little memory: {} MiB of {what} do not fit in the {} MiB that may be used; fewer would be read from the cache",
            least.saturating_mul(bytes).div_ceil(1 << 20),
            room >> 20
        ));
    }
    Ok(copies as u32)
}

/// Whole huge pages for every thread, and for the halves of two arrays.
pub(super) fn grain(machine: &Machine) -> u64 {
    grain_of(machine.environment.threads)
}

fn grain_of(threads: u32) -> u64 {
    u64::from(threads) * (4 << 20)
}

/// The bytes that an operation reads, within `room`, or why there is not enough memory for an honest array.
pub(super) fn array_bytes(machine: &Machine, needed: Footprint, room: u64) -> Result<u64, String> {
    array_bytes_of(machine.environment.threads, machine, needed, room)
}

/// The same for some of the threads.
pub(super) fn array_bytes_of(threads: u32, machine: &Machine, needed: Footprint, room: u64) -> Result<u64, String> {
    let grain = grain_of(threads);
    let fitting = room / grain * grain;
    let bytes = needed.target.next_multiple_of(grain).min(fitting);
    if bytes < needed.least.max(grain) {
        let mib = |bytes: u64| bytes >> 20;
        return Err(format!(
            "too little memory: {} MiB are available, an array may have {} of them at this effort, and {} MiB are the least; anything smaller \
             would measure the cache",
            mib(machine.environment.memory_available_bytes),
            mib(room),
            mib(needed.least),
        ));
    }
    Ok(bytes)
}
