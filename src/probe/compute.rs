//! Compute peaks: multiply-accumulate chains, the best instruction set and each one alone, on all cores and on one; and
//! what additions beside the multiply-accumulates gain.

use super::core_sets::CoreSet;
use super::{PlanInputs, Question};
use crate::profile::{CeilingId, Chain, Effort, Means, Status};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Instruction sets that a quick look tries: the preferred one, and the next, whose narrower vectors convert f16 faster on Zen 4.
const QUICK_ISAS: usize = 2;

/// Of each type: `compute.<dtype>` for the best instruction set, the same with `.single` on one thread, and
/// `compute.<dtype>.<isa>` for each of the architecture, with `.fma_add` where there is such a chain. A quick look leaves it at
/// the first two.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let with_chain = |dtype: &Dtype| Isa::ALL.into_iter().any(|isa| isa.has_chain(*dtype));
    Dtype::ALL.into_iter().filter(with_chain).flat_map(|dtype| of_dtype(inputs, dtype)).collect()
}

fn of_dtype(inputs: PlanInputs, dtype: Dtype) -> Vec<Question> {
    let PlanInputs { machine, effort, .. } = inputs;
    let of_this_architecture = |isa: &Isa| isa.architecture().is_none_or(|name| name == machine.device.architecture);
    let with_chain: Vec<Isa> =
        Isa::ALL.iter().copied().filter(of_this_architecture).filter(|isa| isa.has_chain(dtype)).collect();
    let present: Vec<Isa> = super::isas(machine).filter(|isa| with_chain.contains(isa)).collect();
    let threads = machine.environment.threads;

    let needed = with_chain.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(" or ");
    let without = if needed.is_empty() {
        format!("there is no {dtype} multiply-accumulate kernel for {} yet", machine.device.architecture)
    } else {
        format!("this CPU has no {dtype} multiply-accumulate instruction that roofprobe knows ({needed})")
    };
    let best = |means: Means, threads: u32| {
        // The preferred one with any number of accumulators, the others as usual: each of them has a question of its own.
        let isas = present.iter().rev().take(if effort == Effort::Quick { QUICK_ISAS } else { usize::MAX }).enumerate();
        let variants = isas.flat_map(|(at, &isa)| {
            let all = variants(inputs, isa, Op::Chain, dtype, threads);
            all.into_iter().take(if at == 0 { usize::MAX } else { 1 })
        });
        let best = Question::of(CeilingId::compute(dtype, means), Op::Chain, dtype, variants);
        Question { otherwise: (Status::Unsupported, without.clone()), ..best }
    };
    let mut questions = vec![best(Means::Best, threads)];
    // With one thread in all, the question above is already the answer.
    if threads > 1 {
        questions.push(best(Means::Single, 1));
    }
    let each = if effort == Effort::Quick { Vec::new() } else { with_chain };
    for isa in each {
        let alone = |op: Op| {
            let fma_add = op == Op::ChainAdd;
            let id = CeilingId::compute(dtype, Means::Isa { isa: isa.into(), fma_add });
            match present.contains(&isa) {
                true => Question::of(id, op, dtype, variants(inputs, isa, op, dtype, threads)),
                false => Question::unasked(id, Status::Unsupported, format!("this CPU has no {isa}")),
            }
        };
        questions.push(alone(Op::Chain));
        if isa.has_chain_add(dtype) {
            questions.push(alone(Op::ChainAdd));
        }
    }
    questions
}

/// The best instruction sets on some of the cores.
pub(super) fn on_set(inputs: PlanInputs, dtype: Dtype, set: &CoreSet) -> Vec<Chain> {
    let present: Vec<Isa> = super::isas(inputs.machine).filter(|isa| isa.has_chain(dtype)).collect();
    let best = present.into_iter().rev().take(QUICK_ISAS);
    best.map(|isa| Chain { isa, threads: set.threads, cpus: set.cpus.clone(), chains: None }).collect()
}

/// With the usual number of accumulators; and with the others, when there is time: how many hide the latency of all pipes, and how many
/// a core can still rename, differs between machines.
fn variants(inputs: PlanInputs, isa: Isa, op: Op, dtype: Dtype, threads: u32) -> Vec<Chain> {
    let others = if inputs.effort == Effort::Quick { 0 } else { usize::MAX };
    let others = isa.chain_counts(op, dtype).skip(1).take(others).map(|chains| Some(chains as u32));
    let all = std::iter::once(None).chain(others).map(|chains| Chain { isa, threads, cpus: None, chains });
    // A unit that cores share may be slower the more of them use it.
    let few = (0..u32::BITS).map(|octave| 1 << octave).take_while(|&few| few < threads && isa.shares_units());
    all.chain(few.map(|few| Chain { isa, threads: few, cpus: None, chains: None })).collect()
}
