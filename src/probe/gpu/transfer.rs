//! Bytes from the host to a GPU and back.

use super::{is_software, limits};
use crate::probe::{PlanInputs, Question};
use crate::profile::{CeilingId, Transfer};
use roofprobe_kernels::{Dtype, Op};

/// Bytes of one transfer: a matrix of weights.
const BYTES: u64 = 64 << 20;
/// The processor copies for a software adapter, and takes its time.
const BYTES_SOFTWARE: u64 = 16 << 20;

/// `transfer.h2d`, `transfer.d2h`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let bytes = if is_software(inputs.machine) { BYTES_SOFTWARE } else { BYTES };
    let bytes = bytes.min(limits(inputs.machine).buffer_bytes);
    let question = |op| Question::of(CeilingId::transfer(op), op, Dtype::I8, [Transfer { footprint_bytes: bytes }]);
    [Op::Upload, Op::Download].map(question).into()
}
