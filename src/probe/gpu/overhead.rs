//! Overheads of a GPU: a dispatch behind another one, and a submission that is waited for.

use crate::probe::{PlanInputs, Question};
use crate::profile::{CeilingId, Launch};
use roofprobe_kernels::{Dtype, Op};

/// `overhead.dispatch`, `overhead.submit`.
pub(super) fn questions(_: PlanInputs) -> Vec<Question> {
    // They have no elements; the type is there because every job has one.
    let question = |op| Question::of(CeilingId::overhead(op), op, Dtype::I8, [Launch {}]);
    [Op::Dispatch, Op::Submit].map(question).into()
}
