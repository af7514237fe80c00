//! Sets of cores that are tried beside all of them: the fastest class, and fewer threads.

use super::{PlanInputs, footprint};
use crate::profile::{CeilingId, CoreClass, CpuList, CurveAxis, Machine, Matmul, Stream};
use roofprobe_kernels::Op;

/// Fewer threads are tried where the curve has them this much faster than all.
const FASTER_MIN: f64 = 1.02;
/// Without a curve half the threads are tried from so many on.
const THREADS_HALVED_MIN: u32 = 4;

/// Some of the cores that threads are pinned to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CoreSet {
    pub(super) threads: u32,
    /// Which; the first ones of all where none are named.
    pub(super) cpus: Option<CpuList>,
}

impl CoreSet {
    /// All of these.
    pub(super) fn of(cpus: &CpuList) -> CoreSet {
        CoreSet { threads: cpus.cpus().len() as u32, cpus: Some(cpus.clone()) }
    }
}

/// The CPUs of each class, the fastest first, where it is known which they are.
pub(super) fn classes(machine: &Machine) -> Vec<&CpuList> {
    let lists: Option<Vec<&CpuList>> =
        machine.device.core_classes.iter().map(|class: &CoreClass| class.cpus.as_ref()).collect();
    lists.unwrap_or_default()
}

/// The sets that may be faster in memory than all cores together: the fastest class; and as many threads as the curve wants, or half
/// of them where there is no curve.
pub(super) fn other_sets(inputs: PlanInputs) -> Vec<CoreSet> {
    let machine = inputs.machine;
    let all = machine.environment.threads;
    let fastest = classes(machine).first().map(|cpus| CoreSet::of(cpus));
    let fewer = match inputs.curve(&CeilingId::memory_curve(Op::Read, "threads")) {
        Some(curve) => knee(curve.along(CurveAxis::Threads), curve.values().map_or(&[], |(values, _)| values)),
        None => Some(all / 2).filter(|_| all >= THREADS_HALVED_MIN),
    };
    let fewer = fewer.map(|threads| CoreSet { threads, cpus: None });
    let mut sets: Vec<CoreSet> = fewer.into_iter().chain(fastest).filter(|set| set.threads < all).collect();
    // The first threads are those of the fastest class.
    sets.dedup_by_key(|set| set.threads);
    sets
}

/// The fewest threads with the best rate, where they are clearly faster than all of them.
fn knee(threads: &[u64], rates: &[f64]) -> Option<u32> {
    let (&last, best) = (rates.last()?, rates.iter().copied().fold(0.0, f64::max));
    let at = rates.iter().position(|&rate| rate == best)?;
    threads.get(at).filter(|_| best > last * FASTER_MIN).and_then(|&threads| threads.try_into().ok())
}

/// The expected winner of a race of streams on other sets of cores.
pub(super) fn streams_elsewhere(inputs: PlanInputs, expected: Option<&Stream>) -> Vec<Stream> {
    let Some(expected) = expected else { return Vec::new() };
    let on = |set: CoreSet| {
        let footprint_bytes = footprint_of(inputs, set.threads, expected.footprint_bytes);
        Stream { threads: set.threads, cpus: set.cpus, footprint_bytes, ..expected.clone() }
    };
    other_sets(inputs).into_iter().map(on).collect()
}

/// The same for a product.
pub(super) fn products_elsewhere(inputs: PlanInputs, expected: Option<&Matmul>) -> Vec<Matmul> {
    let Some(expected) = expected else { return Vec::new() };
    let sets = if expected.m == 1 { other_sets(inputs) } else { Vec::new() };
    // With many tokens arithmetic binds, which fewer threads of one class have less of.
    let fastest = classes(inputs.machine).first().map(|cpus| CoreSet::of(cpus)).filter(|_| expected.m > 1);
    let on = |set: CoreSet| Matmul { threads: set.threads, cpus: set.cpus, ..expected.clone() };
    sets.into_iter().chain(fastest).map(on).collect()
}

/// Bytes for fewer threads: those that they have anyway where that is enough, else as many as all of them had.
fn footprint_of(inputs: PlanInputs, threads: u32, of_all: u64) -> u64 {
    let all = u64::from(inputs.machine.environment.threads);
    let own = of_all / all * u64::from(threads);
    if own >= footprint::footprint(inputs).least { own } else { of_all / all * all }
}
