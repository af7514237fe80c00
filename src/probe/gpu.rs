//! What a GPU is asked: streams through its memory.

use super::Question;
use crate::job::Job;
use crate::profile::{Layout, Machine, Variant};
use roofprobe_kernels::{Dtype, Op};

/// Bytes of all arrays together.
const FOOTPRINT_BYTES: u64 = 48 << 20;

/// `memory.vram.*`.
pub(super) fn questions(_machine: &Machine) -> Vec<Question> {
    [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad].into_iter().map(question).collect()
}

fn question(op: Op) -> Question {
    let mut question = Question::new(format!("memory.vram.{op}"));
    for layout in [Layout::Strided, Layout::Contiguous] {
        let variant = Variant {
            workgroup_size: Some(64),
            workgroups: Some(64),
            layout: Some(layout),
            footprint_bytes: Some(FOOTPRINT_BYTES),
            ..Variant::default()
        };
        question.candidates.push(Job { ceiling: question.id.clone(), op, dtype: Dtype::F32, variant });
    }
    question
}
