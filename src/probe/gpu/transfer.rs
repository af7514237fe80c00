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
    let question = |(id, op, ways): (&str, Op, &[bool])| {
        let mut question = Question::new(id);
        let job = |&staged: &bool| Job {
            ceiling: id.to_owned(),
            op,
            dtype: Dtype::I8,
            variant: Variant { footprint_bytes: Some(bytes), staged: Some(staged), ..Variant::default() },
        };
        question.candidates = ways.iter().map(job).collect();
        question
    };
    // Up: through a buffer of our own that the host maps, or the queue's. Down, there is only the first.
    [("transfer.h2d", Op::Upload, &[true, false] as &[bool]), ("transfer.d2h", Op::Download, &[true])]
        .map(question)
        .into()
}
