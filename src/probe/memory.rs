//! Bandwidth and latency of each level: STREAM's kernels, a pure read, and a chase.

use super::footprint::{Footprint, KINDS_OF_ARRAYS, array_bytes, footprint, memory_limit, room};
use super::levels::{Level, Levels, levels, resident_id};
use super::{PlanInputs, Question, core_sets, jobs, ways};
use crate::job::Job;
use crate::profile::{CeilingId, Chase, Effort, Flag, Machine, MemoryLevel, Status, Stream};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::ops::stream::{OPS, Stores};
use roofprobe_kernels::{Dtype, Isa, Op, Shape};

/// Cache levels that have ceilings.
const CACHE_LEVELS: std::ops::RangeInclusive<u32> = 1..=3;
/// Whole loop turns of the widest kernel.
const ARRAY_GRAIN: u64 = 512;
/// Two working sets of one level differ by more than this factor, or are one.
const WORKING_SETS_APART: u64 = 2;
/// A chase visits every second line: the prefetcher of some cores fetches lines in pairs.
const CHASE_STRIDE_BYTES: u32 = 128;
/// The smallest one in memory: within it too few lines would be new.
const CHASE_BYTES_MIN: u64 = 64 << 20;
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
    let (pages, array) = pages_and_bytes(inputs);
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
    // The least honest array: laying out a cycle takes longer than filling, and nothing of a cycle stays behind in a cache that is
    // a quarter of it.
    let needed = footprint(inputs);
    let least = Footprint { target: needed.least.max(CHASE_BYTES_MIN), ..needed };
    let array = array_bytes(machine, least, room(machine, inputs.effort, 1));
    let memory = array.map_err(|reason| (Status::Skipped, reason)).map(|bytes| (bytes, levels.memory_flags.as_slice()));
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
    let footprint_bytes = arrays(op) * (array_bytes / inputs_of(op));
    let largest = pages.first().copied();
    let mut variants: Vec<Stream> = pages
        .iter()
        .flat_map(|&pages| {
            let ways =
                if Some(pages) == largest { ways::in_memory(inputs, op) } else { ways::on_base_pages(inputs, op) };
            let variant = move |isa| Stream { isa, pages, footprint_bytes, ..stream(inputs.machine) };
            ways.into_iter().map(move |(isa, ways)| variant(isa).walked(op, ways))
        })
        .collect();
    variants.extend(core_sets::streams_elsewhere(inputs, variants.first()));
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
    let isa = widest(machine).unwrap_or(Isa::Portable);
    Stream::plain(isa, machine.environment.threads, largest_pages(machine), 0)
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

/// Arrays that it reads, or the one that it writes: they share the bytes that are to pass before a place is visited again.
fn inputs_of(op: Op) -> u64 {
    (op.cost(Shape::stream(1)).input_read as u64).max(1)
}

/// The page sizes that there is memory for, and the bytes that an operation reads; or why there is not enough for an honest array.
fn pages_and_bytes(inputs: PlanInputs) -> (Vec<Pages>, Result<u64, String>) {
    let PlanInputs { machine, effort, .. } = inputs;
    let mut pages = pages(machine, effort);
    let bytes = |kinds: usize| array_bytes(machine, footprint(inputs), room(machine, effort, kinds as u64));
    // Arrays on both kinds of pages are there at once. The largest pages come first.
    let array = bytes(pages.len()).or_else(|_| {
        pages.truncate(1);
        bytes(1)
    });
    (pages, array)
}

/// Page sizes to try. Huge pages spare the TLB and give the ceiling; mapped weight files live on base pages.
fn pages(machine: &Machine, effort: Effort) -> Vec<Pages> {
    match (largest_pages(machine), effort) {
        (Pages::Huge, Effort::Standard | Effort::Thorough) => vec![Pages::Huge, Pages::Base],
        (largest, _) => vec![largest],
    }
}

/// The largest pages that can be had.
pub fn largest_pages(machine: &Machine) -> Pages {
    match machine.environment.huge_pages.as_deref() {
        Some("always" | "madvise") => Pages::Huge,
        _ => Pages::Base,
    }
}

/// What operands may take that lie where the arrays on the largest pages are written, beside all other arrays.
pub(super) fn operands_room(inputs: PlanInputs) -> u64 {
    let limit = memory_limit(inputs.machine, inputs.effort);
    let (pages, array) = pages_and_bytes(inputs);
    let others = KINDS_OF_ARRAYS * pages.len() as u64 - 1;
    limit - array.map_or(0, |bytes| others * bytes).min(limit)
}
