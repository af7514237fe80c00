//! Sets of cores: those that are tried beside all of them, and what a part of the machine reaches alone: the cores of one class, or of
//! one NUMA node.
//!
//! How many questions there are depends on how many classes and nodes there are, never on how many cores.

use super::footprint::{self, Footprint};
use super::memory::stream;
use super::{PlanInputs, Question, compute, ways};
use crate::profile::{
    CeilingId, CoreClass, CpuList, CurveAxis, Effort, Machine, Matmul, Means, MemoryLevel, NumaNode, Part, Status,
    Stream,
};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Nodes beyond these have no ceilings of their own: they are like those before.
const NODES_MAX: usize = 8;
/// Fewer threads are tried where the curve has them this much faster than all.
const FASTER_MIN: f64 = 1.02;
/// Without a curve half the threads are tried from so many on.
const THREADS_HALVED_MIN: u32 = 4;

/// Ways of reading that are tried on a part of the machine.
const READS_TRIED: usize = 3;

/// Some of the cores that threads are pinned to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CoreSet {
    pub(super) threads: u32,
    /// Which; the first ones of all where none are named.
    pub(super) cpus: Option<CpuList>,
}

impl CoreSet {
    fn of(cpus: &CpuList) -> CoreSet {
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

/// `compute.<dtype>.class<n>`, `memory.dram.read.class<n>`, and where the effort allows `memory.dram.read.node<n>` and
/// `memory.dram.read.node<n>_node<k>`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let mut questions = Vec::new();
    for (class, cpus) in (0..).zip(classes(inputs.machine)) {
        let part = Part::Class(class);
        questions.extend(peaks(inputs, part, cpus));
        questions.push(read(inputs, part, cpus, None, 1));
    }
    if inputs.effort != Effort::Quick {
        questions.extend(of_nodes(inputs));
    }
    questions
}

/// The best instruction set of each type on one class.
fn peaks(inputs: PlanInputs, part: Part, cpus: &CpuList) -> Vec<Question> {
    let dtypes = Dtype::ALL.into_iter().filter(|&dtype| inputs.effort != Effort::Quick || dtype == Dtype::F32);
    let with_chain = dtypes.filter(|&dtype| super::isas(inputs.machine).any(|isa: Isa| isa.has_chain(dtype)));
    let question = |dtype: Dtype| {
        let id = CeilingId::compute(dtype, Means::Best).of_part(part);
        Question::of(id, Op::Chain, dtype, compute::on_set(inputs, dtype, &CoreSet::of(cpus)))
    };
    with_chain.map(question).collect()
}

/// Nodes on their own memory, and the first one on that of the others.
fn of_nodes(inputs: PlanInputs) -> Vec<Question> {
    let nodes = &inputs.machine.environment.nodes;
    let near = |node: &NumaNode| read(inputs, Part::Node(node.node), &node.cpus, None, nodes.len() as u64);
    let mut questions: Vec<Question> = nodes.iter().take(NODES_MAX).map(near).collect();
    let Some((first, others)) = nodes.split_first() else { return questions };
    questions.extend(others.iter().take(NODES_MAX - 1).map(|other| {
        let part = Part::Across { cores: first.node, memory: other.node };
        read(inputs, part, &first.cpus, Some(other.node), nodes.len() as u64)
    }));
    questions
}

/// A read of memory by these cores. The last caches are shared out among `shares` parts of the machine.
fn read(inputs: PlanInputs, part: Part, cpus: &CpuList, memory_node: Option<u32>, shares: u64) -> Question {
    let machine = inputs.machine;
    let id = CeilingId::memory(MemoryLevel::Dram, Op::Read).of_part(part);
    let needed = footprint::footprint(inputs);
    let needed = Footprint { target: needed.target / shares, least: needed.least / shares };
    let room = footprint::room(machine, inputs.effort, 1) / shares;
    let threads = cpus.cpus().len() as u32;
    match footprint::array_bytes_of(threads, machine, needed, room) {
        Ok(footprint_bytes) => {
            let cpus = Some(cpus.clone());
            let plain = Stream { threads, cpus, memory_node, footprint_bytes, ..stream(machine) };
            Question::of(id, Op::Read, Dtype::F64, expected_reads(inputs, &plain))
        }
        Err(reason) => Question::unasked(id, Status::Skipped, reason),
    }
}

/// The ways of reading memory that are expected to win.
fn expected_reads(inputs: PlanInputs, plain: &Stream) -> Vec<Stream> {
    let ways = ways::in_memory(inputs, Op::Read).into_iter().take(READS_TRIED);
    ways.map(|(isa, ways)| Stream { isa, ..plain.clone() }.walked(Op::Read, ways)).collect()
}

#[cfg(test)]
mod tests;
