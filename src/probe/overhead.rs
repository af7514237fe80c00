//! Overheads: what it costs to bring the team together once.

use super::{Known, Question};
use crate::job::Job;
use crate::profile::{Status, Variant};
use roofprobe_kernels::{Dtype, Op};

/// `overhead.barrier`: one barrier of spinning, pinned threads, the least that any fork-join costs.
pub(super) fn questions(Known { machine, .. }: Known) -> Vec<Question> {
    let mut barrier = Question::new("overhead.barrier");
    let threads = machine.environment.threads;
    if threads < 2 {
        barrier.otherwise = (Status::Unsupported, "one thread has nobody to wait for".to_owned());
    } else {
        barrier.candidates.push(Job {
            ceiling: barrier.id.clone(),
            op: Op::Barrier,
            // A barrier has no elements; the type is there because every job has one.
            dtype: Dtype::I8,
            variant: Variant { threads: Some(threads), ..Variant::default() },
        });
    }
    vec![barrier]
}
