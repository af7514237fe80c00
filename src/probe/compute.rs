//! Compute peaks: multiply-accumulate chains, the best instruction set and each one alone.

use super::{Known, Question};
use crate::job::Job;
use crate::profile::{Machine, Status, Variant};
use roofprobe_kernels::{Dtype, Isa, Op};

/// The types that have chains.
const DTYPES: [Dtype; 4] = [Dtype::F64, Dtype::F32, Dtype::Bf16, Dtype::I8];

/// `compute.<dtype>` for the best instruction set, then `compute.<dtype>.<isa>` for each of the architecture.
pub(super) fn questions(Known { machine, .. }: Known) -> Vec<Question> {
    DTYPES.into_iter().flat_map(|dtype| of_dtype(machine, dtype)).collect()
}

fn of_dtype(machine: &Machine, dtype: Dtype) -> Vec<Question> {
    let of_this_architecture = |isa: &Isa| isa.architecture().is_none_or(|name| name == machine.device.architecture);
    let with_chain: Vec<Isa> =
        Isa::ALL.iter().copied().filter(of_this_architecture).filter(|isa| isa.has_chain(dtype)).collect();
    let present: Vec<Isa> = super::isas(machine).filter(|isa| with_chain.contains(isa)).collect();

    let id = format!("compute.{dtype}");
    let mut best = Question::new(&id);
    best.candidates = present.iter().rev().map(|&isa| job(&id, machine, dtype, isa)).collect();
    let needed = with_chain.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(" or ");
    best.otherwise = (
        Status::Unsupported,
        if needed.is_empty() {
            format!("there is no {dtype} multiply-accumulate kernel for {} yet", machine.device.architecture)
        } else {
            format!("this CPU has no {dtype} multiply-accumulate instruction that roofprobe knows ({needed})")
        },
    );
    let mut questions = vec![best];
    for isa in with_chain {
        let id = format!("compute.{dtype}.{isa}");
        let mut question = Question::new(&id);
        if present.contains(&isa) {
            question.candidates.push(job(&id, machine, dtype, isa));
        } else {
            question.otherwise = (Status::Unsupported, format!("this CPU has no {isa}"));
        }
        questions.push(question);
    }
    questions
}

fn job(id: &str, machine: &Machine, dtype: Dtype, isa: Isa) -> Job {
    Job {
        ceiling: id.to_owned(),
        op: Op::Chain,
        dtype,
        variant: Variant {
            isa: Some(isa.name().to_owned()),
            threads: Some(machine.environment.threads),
            ..Variant::default()
        },
    }
}
