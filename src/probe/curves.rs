//! The curves: what is measured point by point, before the ceilings.

use super::attention;
use super::footprint::{self, CACHE_MULTIPLE_MIN, Footprint, memory_limit};
use super::levels::resident_id;
use super::matmul;
use super::memory::{self, stream};
use super::{CurveQuestion, PlanInputs, core_sets, curve, curve_without_points};
use crate::profile::{CeilingId, Chain, CpuList, CurveAxis, Effort, Machine, Means, Part, Stream};
use roofprobe_kernels::ops::stream::PREFETCH_BYTES;
use roofprobe_kernels::{Dtype, Op};

/// The smallest working set of one thread: within every L1 in sight.
const RESIDENT_BYTES_MIN: u64 = 4 << 10;
/// Working sets as large show where a cache of 64 MiB ends.
const RESIDENT_BYTES_ENOUGH: u64 = 256 << 20;
/// Whole loop turns of the widest kernel; and whole lines of a chase.
const RESIDENT_GRAIN: u64 = 512;
/// Streams side by side of the race: those that are expected to win in memory.
const RACE_SIDE_BY_SIDE: u32 = 4;

/// The smallest window of one thread: a page.
const WINDOW_BYTES_MIN: u64 = 4 << 10;
/// The largest window is this share of the pool, so that it moves.
const WINDOW_SHARE_MAX: u64 = 8;
/// Streams side by side along their curve.
const SIDE_BY_SIDE: [u32; 4] = [1, 2, 4, 8];
/// Beyond this many threads not every number is a point.
const THREADS_ALL: u32 = 8;

/// Every curve. The first two say how large the arrays of the others must be.
pub(super) fn questions(inputs: PlanInputs) -> Vec<CurveQuestion> {
    let mut questions = vec![resident(inputs), race(inputs)];
    if inputs.effort != Effort::Quick {
        questions.extend([
            threads(inputs, Op::Read),
            threads(inputs, Op::Copy),
            window(inputs),
            streams(inputs),
            prefetch(inputs),
            latency(inputs),
            attention::along_context(inputs),
        ]);
        questions.extend(threads_of_classes(inputs));
        questions.extend(shared_units(inputs));
        questions.extend(matmul::along_extents(inputs));
    }
    questions
}

/// `memory.read.resident`: the same working set again and again, from L1 to well beyond the last level.
fn resident(inputs: PlanInputs) -> CurveQuestion {
    let PlanInputs { machine, effort, .. } = inputs;
    let room = memory_limit(machine, effort);
    let sizes = resident_sizes(machine, machine.environment.threads, resident_bytes_max(machine).min(room), effort);
    let variant = |footprint| Stream { footprint_bytes: footprint, ..stream(machine) };
    curve(resident_id(), Op::Read, CurveAxis::FootprintBytes, sizes.into_iter().map(variant))
}

/// `memory.read.footprint`: the race.
fn race(inputs: PlanInputs) -> CurveQuestion {
    let PlanInputs { machine, effort, .. } = inputs;
    let room = footprint::room(machine, effort, 1);
    let sizes = footprint::race_sizes(inputs, room);
    if sizes.is_empty() {
        let first = footprint::first_bytes(inputs);
        let needed = Footprint { target: first, least: first };
        let reason = footprint::array_bytes(machine, needed, room).err().unwrap_or_default();
        return curve_without_points(footprint::footprint_id(), CurveAxis::FootprintBytes, reason);
    }
    let variant = |footprint_bytes| Stream { footprint_bytes, streams: Some(RACE_SIDE_BY_SIDE), ..stream(machine) };
    let asked = curve(footprint::footprint_id(), Op::Read, CurveAxis::FootprintBytes, sizes.into_iter().map(variant));
    CurveQuestion { pairwise: true, ..asked }
}

/// `latency.resident`: one thread's dependent loads over growing working sets.
fn latency(inputs: PlanInputs) -> CurveQuestion {
    let PlanInputs { machine, effort, .. } = inputs;
    // All working sets are there at once, each on memory of its own.
    let room = memory_limit(machine, effort) / 4;
    // The array that is large enough is large enough here, too.
    let most = resident_bytes_max(machine).min(footprint::footprint(inputs).target);
    let sizes = resident_sizes(machine, 1, most.min(room), effort);
    let variant = |footprint| memory::chase(machine, footprint);
    curve(CeilingId::latency_curve(), Op::Chase, CurveAxis::FootprintBytes, sizes.into_iter().map(variant))
}

/// The largest working set: well beyond the last level that the system tells. Of a large one that may not be ours, as far as shows
/// whether it is.
fn resident_bytes_max(machine: &Machine) -> u64 {
    let told = footprint::cache_bytes(machine);
    told.saturating_mul(CACHE_MULTIPLE_MIN).min(RESIDENT_BYTES_ENOUGH).max(told.saturating_mul(2))
}

/// Working sets of all threads together, up to `most`: `effort` decides how many per octave, fewer beyond the last level.
fn resident_sizes(machine: &Machine, threads: u32, most: u64, effort: Effort) -> Vec<u64> {
    let threads = u64::from(threads);
    let last = footprint::cache_bytes(machine);
    let most = most / threads;
    let (below, above) = if effort == Effort::Quick { (2.0, 1.0) } else { (3.0, 2.0_f64) };
    let mut sizes = Vec::new();
    let mut bytes = RESIDENT_BYTES_MIN as f64;
    // Rounding must not lose the last one.
    while bytes <= most as f64 * 1.001 {
        sizes.push((bytes / RESIDENT_GRAIN as f64).round() as u64 * RESIDENT_GRAIN * threads);
        let per_octave = if bytes * (threads as f64) < last as f64 { below } else { above };
        bytes *= (1.0 / per_octave).exp2();
    }
    sizes
}

/// `memory.read.window`: a window is read once, then another one elsewhere in a pool that no cache holds.
fn window(inputs: PlanInputs) -> CurveQuestion {
    let machine = inputs.machine;
    let threads = u64::from(machine.environment.threads);
    with_array(inputs, "window", CurveAxis::WindowBytes, |pool| {
        let sizes = (0..).map(|octave| (WINDOW_BYTES_MIN * threads) << octave);
        let variant = |window| Stream { footprint_bytes: pool, window_bytes: Some(window), ..stream(machine) };
        sizes.take_while(|&window| window <= pool / WINDOW_SHARE_MAX).map(variant).collect()
    })
}

/// `memory.<op>.threads`: how many threads it takes to have the memory's bandwidth.
fn threads(inputs: PlanInputs, op: Op) -> CurveQuestion {
    let PlanInputs { machine, effort, .. } = inputs;
    let most = machine.environment.threads;
    let id = CeilingId::memory_curve(op, "threads");
    if most < 2 {
        return curve_without_points(id, CurveAxis::Threads, "one thread alone makes no curve");
    }
    // The same bytes for all: thread i comes to own a share of what i threads read, 1 + 1/2 + … together.
    let shares: f64 = (1..=most).map(|i| 1.0 / f64::from(i)).sum();
    let arrays = memory::arrays(op);
    // A read touches nothing of what is written: on many cores it needs the room.
    let room = if op == Op::Read { memory_limit(machine, effort) } else { footprint::room(machine, effort, 1) };
    let room = room * 10 / (shares * 10.0).ceil() as u64;
    let array = footprint::array_bytes(machine, footprint::footprint(inputs), room);
    let footprint = match array {
        Ok(bytes) => bytes * arrays,
        Err(reason) => return curve_without_points(id, CurveAxis::Threads, reason),
    };
    let stores = (op != Op::Read).then(|| memory::expected_stores(machine));
    let variant = |threads| Stream { threads, stores, footprint_bytes: footprint, ..stream(machine) };
    curve(id, op, CurveAxis::Threads, counts(most).map(variant))
}

/// `memory.read.threads.class<n>`: the same on the slower classes of cores; the fastest one comes first in `memory.read.threads`.
fn threads_of_classes(inputs: PlanInputs) -> Vec<CurveQuestion> {
    let PlanInputs { machine, effort, .. } = inputs;
    let slower = (0..).zip(core_sets::classes(machine)).skip(1).filter(|(_, cpus)| cpus.cpus().len() > 1);
    let curve_of = |(class, cpus): (u32, &CpuList)| {
        let id = CeilingId::memory_curve(Op::Read, "threads").of_part(Part::Class(class));
        let array = footprint::array_bytes(machine, footprint::footprint(inputs), footprint::room(machine, effort, 1));
        match array {
            Ok(footprint_bytes) => {
                let variant =
                    |threads| Stream { threads, cpus: Some(cpus.clone()), footprint_bytes, ..stream(machine) };
                curve(id, Op::Read, CurveAxis::Threads, counts(cpus.cpus().len() as u32).map(variant))
            }
            Err(reason) => curve_without_points(id, CurveAxis::Threads, reason),
        }
    };
    slower.map(curve_of).collect()
}

/// Threads that are points of a curve up to `most`: their number grows with the logarithm of it.
fn counts(most: u32) -> impl Iterator<Item = u32> {
    (1..=most).filter(move |&n| n <= THREADS_ALL || n == most || is_step(n))
}

/// `compute.<dtype>.<isa>.threads`: how many units there are that several cores share. A rate that does not rise with one thread more
/// shows that its core has none of its own.
fn shared_units(inputs: PlanInputs) -> Option<CurveQuestion> {
    let (machine, dtype) = (inputs.machine, Dtype::F32);
    let isa = super::isas(machine).find(|isa| isa.shares_units() && isa.has_chain(dtype))?;
    let id = CeilingId::compute(dtype, Means::Threads { isa: isa.into() });
    let most = machine.environment.threads;
    if most < 2 {
        return Some(curve_without_points(id, CurveAxis::Threads, "one thread alone makes no curve"));
    }
    let variant = |threads| Chain { isa, threads, cpus: None, chains: None };
    Some(curve(id, Op::Chain, CurveAxis::Threads, counts(most).map(variant)))
}

/// 8, 12, 16, 24, 32, …: two per octave.
fn is_step(n: u32) -> bool {
    n.is_power_of_two() || (n.is_multiple_of(3) && (n / 3).is_power_of_two())
}

/// `memory.read.streams`: sequential streams side by side in each thread.
fn streams(inputs: PlanInputs) -> CurveQuestion {
    let machine = inputs.machine;
    with_array(inputs, "streams", CurveAxis::Streams, |footprint| {
        let variant = |streams: u32| Stream { streams: Some(streams), footprint_bytes: footprint, ..stream(machine) };
        SIDE_BY_SIDE.into_iter().map(variant).collect()
    })
}

/// `memory.read.prefetch`: how far ahead a software prefetch runs; 0 leaves it to the hardware.
fn prefetch(inputs: PlanInputs) -> CurveQuestion {
    let machine = inputs.machine;
    with_array(inputs, "prefetch", CurveAxis::PrefetchBytes, |footprint| {
        let variant =
            |bytes: usize| Stream { prefetch_bytes: Some(bytes as u32), footprint_bytes: footprint, ..stream(machine) };
        std::iter::once(0).chain(PREFETCH_BYTES).map(variant).collect()
    })
}

/// `memory.read.<along>` over an array that no cache holds, or why there is not enough memory for one.
fn with_array(
    inputs: PlanInputs,
    along: &str,
    axis: CurveAxis,
    points: impl FnOnce(u64) -> Vec<Stream>,
) -> CurveQuestion {
    let id = CeilingId::memory_curve(Op::Read, along);
    let PlanInputs { machine, effort, .. } = inputs;
    match footprint::array_bytes(machine, footprint::footprint(inputs), footprint::room(machine, effort, 1)) {
        Ok(bytes) => curve(id, Op::Read, axis, points(bytes)),
        Err(reason) => curve_without_points(id, axis, reason),
    }
}
