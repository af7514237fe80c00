//! Bandwidth and latency of each level: STREAM's kernels, a pure read, and a chase.

use super::levels::{Level, Levels, levels, resident_id};
use super::{PlanInputs, Question, jobs, ways};
use crate::job::Job;
use crate::profile::{CeilingId, Chase, Effort, Flag, Machine, MemoryLevel, Status, Stream};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::ops::stream::{OPS, Stores};
use roofprobe_kernels::{Dtype, Isa, Op, Shape};

/// Each array of memory is at least this many times the last-level cache of the allowed cores (STREAM's rule), and of where
/// the resident curve falls for the last time.
pub(super) const CACHE_MULTIPLE_MIN: u64 = 4;
/// And as a rule this many times, so that what the cache keeps from one pass to the next is lost in the noise.
const CACHE_MULTIPLE: u64 = 8;
/// Assumed when neither topology nor curve tells: larger than those of the machines that do not tell.
const CACHE_BYTES_ASSUMED: u64 = 64 << 20;
/// Smaller arrays take too little time on a fast memory.
const ARRAY_BYTES_MIN: u64 = 64 << 20;
/// All arrays together stay within this share of the memory that is available.
const MEMORY_SHARE_MAX: f64 = 0.4;
/// x, y and out are allocated together, whatever the operation uses.
pub(super) const ARRAYS: u64 = 3;
/// Cache levels that have ceilings.
const CACHE_LEVELS: std::ops::RangeInclusive<u32> = 1..=3;
/// Whole loop turns of the widest kernel.
const ARRAY_GRAIN: u64 = 512;
/// Two working sets of one level differ by more than this factor, or are one.
const WORKING_SETS_APART: u64 = 2;
/// A chase visits every second line: the prefetcher of some cores fetches lines in pairs.
const CHASE_STRIDE_BYTES: u32 = 128;
/// And so many bytes at a time: few pages, so that it is no test of the TLB, but many more lines than a core's prefetcher
/// would complete.
const CHASE_WINDOW_BYTES: u64 = 256 << 10;

/// `memory.<level>.<access>`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let PlanInputs { machine, effort, .. } = inputs;
    let levels = levels(inputs.curve(&resident_id()), &machine.device.caches, machine.environment.threads);
    let accesses = if effort == Effort::Quick { vec![Op::Read] } else { OPS.to_vec() };
    let cached = CACHE_LEVELS.flat_map(|n| accesses.iter().map(move |&op| (n, op)));
    let mut questions: Vec<Question> = cached.map(|(n, op)| of_cache(inputs, &levels, n, op)).collect();
    let pages = pages(machine, effort);
    let array = array_bytes(machine, levels.last_bytes, room(machine, pages.len() as u64));
    questions.extend(OPS.into_iter().map(|op| {
        let mut question = Question::new(CeilingId::memory(MemoryLevel::Dram, op));
        question.flags.clone_from(&levels.memory_flags);
        match &array {
            Ok(bytes) => question.candidates = of_memory(&question.id, inputs, op, &pages, *bytes),
            Err(reason) => question.otherwise = (Status::Skipped, reason.clone()),
        }
        question
    }));
    questions
}

/// `latency.<level>`: one thread, dependent loads.
pub(super) fn latencies(inputs: PlanInputs) -> Vec<Question> {
    let machine = inputs.machine;
    let levels = levels(inputs.curve(&CeilingId::latency_curve()), &machine.device.caches, 1);
    let question = |level: MemoryLevel, footprint: Result<(u64, &[Flag]), (Status, String)>| {
        let id = CeilingId::latency(level);
        match footprint {
            Ok((bytes, flags)) => {
                let asked = Question::of(id, Op::Chase, Dtype::I8, [chase(machine, bytes)]);
                Question { flags: flags.to_vec(), ..asked }
            }
            Err((status, reason)) => Question::unasked(id, status, reason),
        }
    };
    let cached = CACHE_LEVELS.map(|n| {
        let level = level(&levels, n).map(|level| (level.footprint_bytes, level.flags.as_slice()));
        question(MemoryLevel::Cache(n as u8), level)
    });
    // The least honest array: laying out a cycle takes longer than filling, and nothing of a cycle stays behind in a cache
    // that is a quarter of it.
    let last = last_cache_bytes(inputs).max(levels.last_bytes.unwrap_or(0));
    let array = array_bytes(machine, Some(last), room(machine, 1)).map_err(|reason| (Status::Skipped, reason));
    let least = last.saturating_mul(CACHE_MULTIPLE_MIN).max(ARRAY_BYTES_MIN);
    let memory = array.map(|bytes| (bytes.min(least), levels.memory_flags.as_slice()));
    cached.chain([question(MemoryLevel::Dram, memory)]).collect()
}

fn level(levels: &Levels, n: u32) -> Result<&Level, (Status, String)> {
    let missing = || match levels.caches.is_empty() {
        true => (Status::Skipped, "the system tells no cache sizes, and no curve shows any".to_owned()),
        false => (Status::Unsupported, format!("this device has no level {n} cache")),
    };
    levels.caches.iter().find(|level| level.level == n).ok_or_else(missing)
}

fn of_cache(inputs: PlanInputs, levels: &Levels, n: u32, op: Op) -> Question {
    let id = CeilingId::memory(MemoryLevel::Cache(n as u8), op);
    match level(levels, n) {
        Ok(level) => {
            let candidates = in_cache(&id, inputs, op, level);
            Question { candidates, flags: level.flags.clone(), ..Question::new(id) }
        }
        Err((status, reason)) => Question::unasked(id, status, reason),
    }
}

/// On the largest pages. Where the level leaves room, the largest working set is tried beside the usual one.
fn in_cache(id: &CeilingId, inputs: PlanInputs, op: Op, level: &Level) -> Vec<Job> {
    let machine = inputs.machine;
    let threads = u64::from(machine.environment.threads);
    let footprint = |level_bytes: u64| {
        let array = (level_bytes / arrays(op) / threads / ARRAY_GRAIN).max(1) * ARRAY_GRAIN;
        array * arrays(op) * threads
    };
    let largest = Some(level.largest_bytes).filter(|&bytes| bytes > WORKING_SETS_APART * level.footprint_bytes);
    let footprints = [Some(level.footprint_bytes), largest].into_iter().flatten().map(footprint);
    let variants = footprints.flat_map(|footprint_bytes| {
        let ways = ways::in_cache(inputs, level.level, op).into_iter();
        ways.map(move |(isa, ways)| Stream { isa, footprint_bytes, ..stream(machine) }.walked(op, ways))
    });
    jobs(id, op, Dtype::F64, variants)
}

/// On each kind of pages: a page's size slows all ways alike, so that only the largest are tried with all of them.
fn of_memory(id: &CeilingId, inputs: PlanInputs, op: Op, pages: &[Pages], array_bytes: u64) -> Vec<Job> {
    let footprint_bytes = arrays(op) * array_bytes;
    let largest = pages.first().copied();
    let variants = pages.iter().flat_map(|&pages| {
        let ways = if Some(pages) == largest { ways::in_memory(inputs, op) } else { ways::on_base_pages(inputs, op) };
        let variant = move |isa| Stream { isa, pages, footprint_bytes, ..stream(inputs.machine) };
        ways.into_iter().map(move |(isa, ways)| variant(isa).walked(op, ways))
    });
    jobs(id, op, Dtype::F64, variants)
}

/// The instruction set with the widest vectors.
fn widest(machine: &Machine) -> Option<Isa> {
    super::widest_isas(machine, Effort::Quick, Isa::has_streams).first().copied()
}

/// The stores that are expected to be the fastest in memory.
pub(super) fn expected_stores(machine: &Machine) -> Stores {
    match widest(machine) {
        Some(isa) if isa.has_nontemporal_stores() => Stores::Nontemporal,
        _ => Stores::Ordinary,
    }
}

/// A read by all threads with the widest vectors on the largest pages; the footprint is the caller's.
pub(super) fn stream(machine: &Machine) -> Stream {
    Stream {
        isa: widest(machine).unwrap_or(Isa::Portable),
        threads: machine.environment.threads,
        pages: largest_pages(machine),
        footprint_bytes: 0,
        stores: None,
        checksum: None,
        streams: None,
        unroll: None,
        window_bytes: None,
        prefetch_bytes: None,
        page_ahead_lines: None,
    }
}

/// A chase of one thread over so many bytes.
pub(super) fn chase(machine: &Machine, footprint_bytes: u64) -> Chase {
    Chase {
        threads: 1,
        pages: largest_pages(machine),
        footprint_bytes,
        window_bytes: CHASE_WINDOW_BYTES.min(footprint_bytes),
        stride_bytes: CHASE_STRIDE_BYTES,
    }
}

/// Arrays that an operation names.
pub(super) fn arrays(op: Op) -> u64 {
    let cost = op.cost(Shape::stream(1));
    (cost.input_read + cost.output_written) as u64
}

/// Page sizes to try. Huge pages spare the TLB and give the ceiling; mapped weight files live on base pages.
fn pages(machine: &Machine, effort: Effort) -> Vec<Pages> {
    match (largest_pages(machine), effort) {
        (Pages::Huge, Effort::Standard | Effort::Thorough) => vec![Pages::Huge, Pages::Base],
        (largest, _) => vec![largest],
    }
}

/// The largest pages that can be had.
pub(super) fn largest_pages(machine: &Machine) -> Pages {
    match machine.environment.huge_pages.as_deref() {
        Some("always" | "madvise") => Pages::Huge,
        _ => Pages::Base,
    }
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

/// The most that one array may have, where arrays on so many kinds of pages are there at once.
pub(super) fn room(machine: &Machine, page_kinds: u64) -> u64 {
    (machine.environment.memory_available_bytes as f64 * MEMORY_SHARE_MAX) as u64 / ARRAYS / page_kinds
}

/// How many copies of something of `bytes` bytes are read one after another so that no cache holds them: `least_bytes` together,
/// `times` as many where there is room.
///
/// # Errors
/// Why there is not enough memory, `what` being the name of it.
pub(super) fn copies(machine: &Machine, what: &str, bytes: u64, least_bytes: u64, times: u64) -> Result<u32, String> {
    // As much again as the arrays, which are there as well.
    let room = room(machine, 1) * ARRAYS;
    let least = least_bytes.div_ceil(bytes);
    let copies = least.saturating_mul(times).min(room / bytes);
    if copies < least {
        return Err(format!(
            "too little memory: {} MiB of {what} do not fit in the {} MiB that may be used; fewer would be read from the cache",
            least.saturating_mul(bytes).div_ceil(1 << 20),
            room >> 20
        ));
    }
    Ok(copies as u32)
}

/// What must not be mistaken for memory: the reported last-level caches, or where the resident curve was seen to fall for the last
/// time.
pub(super) fn last_cache_bytes(inputs: PlanInputs) -> u64 {
    let machine = inputs.machine;
    let levels = levels(inputs.curve(&resident_id()), &machine.device.caches, machine.environment.threads);
    cache_bytes(machine).max(levels.last_bytes.unwrap_or(0))
}

/// Bytes of one array of memory within `room`, or why there is not enough memory for an honest one. `seen` is where the
/// last cache was seen to end.
pub(super) fn array_bytes(machine: &Machine, seen: Option<u64>, room: u64) -> Result<u64, String> {
    let cache_bytes = cache_bytes(machine).max(seen.unwrap_or(0));
    let least = cache_bytes.saturating_mul(CACHE_MULTIPLE_MIN);
    let target = cache_bytes.saturating_mul(CACHE_MULTIPLE).max(ARRAY_BYTES_MIN);
    // Whole huge pages for every thread.
    let grain = u64::from(machine.environment.threads) * (2 << 20);
    let bytes = target.min(room) / grain * grain;
    if bytes < least.max(grain) {
        let mib = |bytes: u64| bytes >> 20;
        return Err(format!(
            "too little memory: {} MiB are available, and {ARRAYS} arrays of {CACHE_MULTIPLE_MIN} × {} MiB of cache within {:.0} % \
             of it do not fit; anything smaller would measure the cache",
            mib(machine.environment.memory_available_bytes),
            mib(cache_bytes),
            MEMORY_SHARE_MAX * 100.0,
        ));
    }
    Ok(bytes)
}
