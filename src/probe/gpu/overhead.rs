//! What a GPU takes to be asked: a dispatch behind another one, and a submission there and back.

use crate::job::Job;
use crate::probe::{PlanInputs, Question};
use crate::profile::{CeilingId, Variant};
use roofprobe_kernels::{Dtype, Op};

/// `overhead.dispatch`, `overhead.submit`.
pub(super) fn questions(_: PlanInputs) -> Vec<Question> {
    let question = |op: Op| {
        let mut question = Question::new(CeilingId::overhead(op));
        // They have no elements; the type is there because every job has one.
        let job = Job { ceiling: question.id.clone(), op, dtype: Dtype::I8, variant: Variant::default() };
        question.candidates = vec![job];
        question
    };
    [Op::Dispatch, Op::Submit].map(question).into()
}
