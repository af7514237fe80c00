//! Bytes from the host to a GPU and back.

use super::{is_software, limits};
use crate::job::Job;
use crate::probe::{Known, Question};
use crate::profile::Variant;
use roofprobe_kernels::{Dtype, Op};

/// Bytes of one transfer: a matrix of weights.
const BYTES: u64 = 64 << 20;
/// The processor copies for a software adapter, and takes its time.
const BYTES_SOFTWARE: u64 = 16 << 20;

/// `transfer.h2d`, `transfer.d2h`.
pub(super) fn questions(known: Known) -> Vec<Question> {
    let bytes = if is_software(known.machine) { BYTES_SOFTWARE } else { BYTES };
    let bytes = bytes.min(limits(known.machine).buffer_bytes);
    let question = |(id, op): (&str, Op)| {
        let mut question = Question::new(id);
        let variant = Variant { footprint_bytes: Some(bytes), ..Variant::default() };
        question.candidates = vec![Job { ceiling: id.to_owned(), op, dtype: Dtype::I8, variant }];
        question
    };
    [("transfer.h2d", Op::Upload), ("transfer.d2h", Op::Download)].map(question).into()
}
