//! DRAM bandwidth: STREAM's kernels and a pure read, over arrays that no cache holds.

use super::{CurveQuestion, Known, Question};
use crate::job::Job;
use crate::profile::{Axis, Effort, Machine, Pages, Status, Stores, Variant};
use roofprobe_kernels::ops::stream::OPS;
use roofprobe_kernels::{Dtype, Isa, Op, Shape};

/// Each array is at least this many times the last-level cache of the allowed cores (STREAM's rule).
const CACHE_MULTIPLE_MIN: u64 = 4;
/// And as a rule this many times, so that what the cache keeps from one pass to the next is lost in the noise.
const CACHE_MULTIPLE: u64 = 8;
/// Assumed when the topology tells no cache: larger than those of the machines that do not tell.
const CACHE_BYTES_ASSUMED: u64 = 64 << 20;
/// Smaller arrays take too little time on a fast memory.
const ARRAY_BYTES_MIN: u64 = 64 << 20;
/// All arrays together stay within this share of the memory that is available.
const MEMORY_SHARE_MAX: f64 = 0.4;
/// x, y and out are allocated together, whatever the operation uses.
const ARRAYS: u64 = 3;

/// Streams that the other read variant has: four were 3 % faster than one, and two or prefetching no better, on two cores
/// of an AMD EPYC (Zen 3) VM.
const SIDE_BY_SIDE: u32 = 4;

/// The smallest working set of one thread: within every L1 in sight.
const RESIDENT_BYTES_MIN: u64 = 4 << 10;
/// Whole loop turns of the widest kernel.
const RESIDENT_GRAIN: u64 = 512;

/// The curves of memory.
pub(super) fn curves(machine: &Machine, effort: Effort) -> Vec<CurveQuestion> {
    vec![resident(machine, effort)]
}

/// `memory.read.resident`: the same working set again and again, from L1 to well beyond the last level.
fn resident(machine: &Machine, effort: Effort) -> CurveQuestion {
    let id = "memory.read.resident";
    let threads = u64::from(machine.environment.threads);
    let beyond = cache_bytes(machine);
    let most = (beyond * CACHE_MULTIPLE_MIN).min(room(machine, 1)) / threads;
    let (below, above) = if effort == Effort::Quick { (2.0, 1.0) } else { (3.0, 2.0) };
    let mut sizes = Vec::new();
    let mut bytes = RESIDENT_BYTES_MIN as f64;
    while bytes <= most as f64 {
        sizes.push((bytes / RESIDENT_GRAIN as f64).round() as u64 * RESIDENT_GRAIN * threads);
        let per_octave: f64 = if bytes * (threads as f64) < beyond as f64 { below } else { above };
        bytes *= (1.0 / per_octave).exp2();
    }
    let isa = widest(machine);
    let job = |&footprint: &u64| Job {
        ceiling: id.to_owned(),
        op: Op::Read,
        dtype: Dtype::F64,
        variant: Variant {
            isa: isa.map(|isa| isa.name().to_owned()),
            threads: Some(machine.environment.threads),
            pages: Some(pages(machine, Effort::Quick)[0]),
            footprint_bytes: Some(footprint),
            ..Variant::default()
        },
    };
    let otherwise = (Status::Skipped, format!("too little memory: {} bytes per thread", most));
    CurveQuestion { id: id.to_owned(), axis: Axis::FootprintBytes, points: sizes.iter().map(job).collect(), otherwise }
}

/// The widest vectors, which move the most per instruction.
fn widest(machine: &Machine) -> Option<Isa> {
    super::isas(machine).filter(|isa| isa.has_streams()).last()
}

/// The last level of the allowed cores, all instances together.
fn cache_bytes(machine: &Machine) -> u64 {
    let last_level = machine.device.caches.iter().map(|c| c.level).max();
    let caches = machine.device.caches.iter().filter(|c| Some(c.level) == last_level);
    match caches.map(|c| c.bytes * u64::from(c.instances)).sum() {
        0 => CACHE_BYTES_ASSUMED,
        known => known,
    }
}

/// The most that one array may have, where arrays on so many kinds of pages are there at once.
fn room(machine: &Machine, page_kinds: u64) -> u64 {
    (machine.environment.memory_available_bytes as f64 * MEMORY_SHARE_MAX) as u64 / ARRAYS / page_kinds
}

/// One question per stream operation.
pub(super) fn questions(Known { machine, effort, .. }: Known) -> Vec<Question> {
    let pages = pages(machine, effort);
    let array = array_bytes(machine, pages.len() as u64);
    OPS.into_iter()
        .map(|op| {
            let mut question = Question::new(format!("memory.dram.{op}"));
            match &array {
                Ok(bytes) => question.candidates = candidates(&question.id, machine, effort, op, &pages, *bytes),
                Err(reason) => question.otherwise = (Status::Skipped, reason.clone()),
            }
            question
        })
        .collect()
}

/// Page sizes to try. Huge pages spare the TLB and give the ceiling; mapped weight files live on base pages.
fn pages(machine: &Machine, effort: Effort) -> Vec<Pages> {
    match (machine.environment.huge_pages.as_deref(), effort) {
        (Some("always" | "madvise"), Effort::Quick) => vec![Pages::Huge],
        (Some("always" | "madvise"), _) => vec![Pages::Huge, Pages::Base],
        _ => vec![Pages::Base],
    }
}

/// Bytes of one array, or why there is not enough memory for an honest one.
fn array_bytes(machine: &Machine, page_kinds: u64) -> Result<u64, String> {
    let cache_bytes = cache_bytes(machine);
    let available = machine.environment.memory_available_bytes;
    let room = room(machine, page_kinds);
    let least = cache_bytes.saturating_mul(CACHE_MULTIPLE_MIN);
    let wanted = cache_bytes.saturating_mul(CACHE_MULTIPLE).max(ARRAY_BYTES_MIN);
    if room < least {
        let mib = |bytes: u64| bytes >> 20;
        return Err(format!(
            "too little memory: {} MiB are available, and {ARRAYS} arrays of {CACHE_MULTIPLE_MIN} × {} MiB of cache within {:.0} % \
             of it do not fit; anything smaller would measure the cache",
            mib(available),
            mib(cache_bytes),
            MEMORY_SHARE_MAX * 100.0,
        ));
    }
    // Whole huge pages for every thread.
    let grain = u64::from(machine.environment.threads) * (2 << 20);
    Ok((wanted.min(room) / grain).max(1) * grain)
}

fn candidates(id: &str, machine: &Machine, effort: Effort, op: Op, pages: &[Pages], array_bytes: u64) -> Vec<Job> {
    let mut isas: Vec<Isa> = super::isas(machine).filter(|isa| isa.has_streams()).collect();
    isas.reverse();
    // The widest vectors move the most per instruction; the next ones are tried when there is time.
    isas.truncate(if effort == Effort::Quick { 1 } else { 2 });
    let cost = op.cost(Shape::stream(1));
    let arrays = (cost.input_read + cost.output_written) as u64;
    let mut jobs = Vec::new();
    for &pages in pages {
        for &isa in &isas {
            jobs.extend(ways(op, isa).into_iter().map(|(stores, streams)| Job {
                ceiling: id.to_owned(),
                op,
                dtype: Dtype::F64,
                variant: Variant {
                    isa: Some(isa.name().to_owned()),
                    threads: Some(machine.environment.threads),
                    stores,
                    streams,
                    pages: Some(pages),
                    footprint_bytes: Some(arrays * array_bytes),
                    ..Variant::default()
                },
            }));
        }
    }
    jobs
}

/// The stores and the number of side-by-side streams with which an instruction set can do `op`.
fn ways(op: Op, isa: Isa) -> Vec<(Option<Stores>, Option<u32>)> {
    match (op, isa.has_nontemporal_stores()) {
        (Op::Read, _) => vec![(None, Some(SIDE_BY_SIDE)), (None, None)],
        (_, true) => vec![(Some(Stores::Nontemporal), None), (Some(Stores::Ordinary), None)],
        (_, false) => vec![(Some(Stores::Ordinary), None)],
    }
}
