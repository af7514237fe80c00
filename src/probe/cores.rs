//! What a part of the machine reaches alone: the cores of one class, or of one NUMA node.
//!
//! How many questions there are depends on how many classes and nodes there are, never on how many cores.

use super::core_sets::{CoreSet, classes};
use super::footprint::{self, Footprint};
use super::memory::stream;
use super::{PlanInputs, Question, compute, ways};
use crate::profile::{CeilingId, CpuList, Effort, Means, MemoryLevel, NumaNode, Part, Status, Stream};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Nodes beyond these have no ceilings of their own: they are like those before.
const NODES_MAX: usize = 8;
/// Ways of reading that are tried on a part of the machine.
const READS_TRIED: usize = 3;

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
