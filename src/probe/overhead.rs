//! Overheads: what it costs to bring the team together once.

use super::{PlanInputs, Question};
use crate::profile::{CeilingId, Status, Team};
use roofprobe_kernels::{Dtype, Op};

/// From the least that any fork-join costs to what one costs whose threads sleep in between: a barrier of threads that spin;
/// all sleepers woken, their answers awaited; one sleeper woken.
const OPS: [Op; 3] = [Op::Barrier, Op::ForkJoin, Op::Wakeup];

/// `overhead.barrier`, `overhead.fork_join`, `overhead.wakeup`.
pub(super) fn questions(PlanInputs { machine, .. }: PlanInputs) -> Vec<Question> {
    OPS.into_iter().map(|op| question(op, machine.environment.threads)).collect()
}

fn question(op: Op, threads: u32) -> Question {
    if threads < 2 {
        return Question::unasked(CeilingId::overhead(op), Status::Unsupported, "one thread has nobody to wait for");
    }
    // A wake-up concerns two threads, however many there are.
    let threads = if op == Op::Wakeup { 2 } else { threads };
    let variant = Team { threads };
    // None of them has elements; the type is there because every job has one.
    Question::of(CeilingId::overhead(op), op, Dtype::I8, [variant])
}
