//! Bytes from the host to a GPU and back, and within the GPU by its copy engine.

use super::{candidates_max, is_quick, is_software, limits};
use crate::probe::{PlanInputs, Question};
use crate::profile::{CeilingId, Transfer};
use roofprobe_kernels::{Dtype, Op};

/// Bytes of one transfer: a matrix of weights.
const BYTES: u64 = 64 << 20;
/// The processor copies for a software adapter, and takes its time.
const BYTES_SOFTWARE: u64 = 16 << 20;
/// Bytes of one copy within the device: more than caches hold.
const BYTES_WITHIN: u64 = 256 << 20;
/// Parts of a transfer, so that the host writes one while another is on its way; or all at once.
const PARTS: [Option<u64>; 3] = [Some(8), None, Some(32)];

/// `transfer.h2d`, `transfer.d2h` with the host's own copy; `transfer.h2d_mapped`, `transfer.d2h_mapped` of what lies in memory that both
/// see; `transfer.d2d`.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let software = is_software(inputs.machine);
    let most = limits(inputs.machine).buffer_bytes;
    let bytes = if software { BYTES_SOFTWARE } else { BYTES }.min(most);
    let within = if software { BYTES_SOFTWARE } else { BYTES_WITHIN }.min(most);
    let ask = |op, ways: Vec<Transfer>| Question::of(CeilingId::transfer(op), op, Dtype::I8, ways);
    let whole = |footprint_bytes| Transfer { footprint_bytes, window_bytes: None };
    let in_parts = PARTS.map(|parts| Transfer { window_bytes: parts.map(|parts| bytes / parts), ..whole(bytes) });
    let staged = |op| ask(op, in_parts.iter().take(candidates_max(inputs)).cloned().collect());
    let mapped = |op| ask(op, vec![whole(bytes)]);
    let mut all = vec![staged(Op::Upload), staged(Op::Download)];
    if !is_quick(inputs) {
        all.extend([mapped(Op::UploadMapped), mapped(Op::DownloadMapped), ask(Op::Copy, vec![whole(within)])]);
    }
    all
}
