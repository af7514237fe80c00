//! Weights in the GPU's memory.

use super::plan::Plan;
use crate::device::gpu::context::{Context, GpuResult};
use crate::job::Job;
use roofprobe_kernels::Dtype;
use roofprobe_kernels::reference::matmul as oracle;

/// Weights that are made up; the rest repeats them at other addresses.
const MADE_UP_BYTES: usize = 4 << 20;
/// What follows the last row of a copy: decoders read words, and whole units, beyond its end.
pub(super) const SLACK_BYTES: u64 = 256;

/// Weights in the GPU's memory: copies of `rows` rows, each in a buffer of its own.
pub(super) struct WeightBuffers {
    pub(super) dtype: Dtype,
    k: u64,
    rows: u64,
    /// The rows that were made up; row `i` of a copy repeats row `i` modulo their number.
    stored: Vec<u8>,
    pub(super) copies: Vec<wgpu::Buffer>,
}

impl WeightBuffers {
    pub(super) fn new(context: &Context, dtype: Dtype, [n, k]: [u64; 2], copies: u64) -> GpuResult<WeightBuffers> {
        let row = row_bytes(dtype, k);
        let made_up = (MADE_UP_BYTES / row as usize).clamp(1, n as usize);
        let stored = oracle::weights(dtype, made_up, k as usize, 0x3e1);
        let bytes = n * row;
        let data: Vec<u8> = stored.iter().copied().cycle().take(bytes as usize).collect();
        let copy = |_| {
            let buffer = context.buffer(bytes.next_multiple_of(SLACK_BYTES) + SLACK_BYTES)?;
            context.upload(&buffer, &data)?;
            Ok(buffer)
        };
        let copies = (0..copies).map(copy).collect::<GpuResult<_>>()?;
        Ok(WeightBuffers { dtype, k, rows: n, stored, copies })
    }

    /// Whether `plan` finds its weights here.
    pub(super) fn suffice(&self, plan: &Plan, job: &Job) -> bool {
        let [_, n, k] = plan.extents;
        (self.dtype, self.k) == (job.dtype, k) && self.slices(n) * self.copies.len() as u64 >= plan.copies
    }

    /// How often `n` rows can be had from one copy: each time from another place, where bindings may begin there.
    pub(super) fn slices(&self, n: u64) -> u64 {
        let aligned = (n * row_bytes(self.dtype, self.k)).is_multiple_of(SLACK_BYTES);
        if aligned { self.rows / n } else { u64::from(self.rows >= n) }
    }

    /// The stored bytes of one row of a copy.
    pub(super) fn stored_row(&self, row: u64) -> &[u8] {
        let bytes = row_bytes(self.dtype, self.k) as usize;
        let made_up = self.stored.len() / bytes;
        &self.stored[row as usize % made_up * bytes..][..bytes]
    }
}

/// Bytes of a row of whole blocks.
pub(super) fn row_bytes(dtype: Dtype, k: u64) -> u64 {
    let block = dtype.block();
    k / block.elements * block.bytes
}
