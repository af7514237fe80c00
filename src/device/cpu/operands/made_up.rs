//! Weights that are made up once, by the oracle, and spread over a thread's share of the strips.

use roofprobe_kernels::ops::matmul::MatmulKernel;
use roofprobe_kernels::reference::matmul as oracle;
use roofprobe_kernels::{Dtype, Isa};

/// Weights that are made up by each thread; the rest of its share repeats them at other addresses.
const MADE_UP_BYTES: usize = 4 << 20;

/// Weights that were made up: strip `i` of a share repeats strip `i % strips`.
pub(in crate::device::cpu) struct MadeUp {
    kernel: MatmulKernel,
    k: usize,
    /// Their rows as they are stored.
    stored: Vec<u8>,
    packed: Vec<u8>,
}

impl MadeUp {
    /// Random weights for such a kernel, rows of `k` elements.
    pub(in crate::device::cpu) fn new(kernel: MatmulKernel, k: usize, seed: u64) -> MadeUp {
        let strips = (MADE_UP_BYTES / kernel.strip_bytes(k)).max(1);
        let stored = oracle::weights(kernel.weights(), strips * kernel.strip_rows(), k, seed);
        let mut packed = vec![0; strips * kernel.strip_bytes(k)];
        kernel.pack(&stored, k, &mut packed);
        MadeUp { kernel, k, stored, packed }
    }

    /// Whether they are for such a kernel, too.
    pub(in crate::device::cpu) fn serve(&self, kernel: MatmulKernel, k: usize) -> bool {
        (layout(self.kernel), self.k) == (layout(kernel), k)
    }

    /// Strips.
    pub(super) fn strips(&self) -> usize {
        self.packed.len() / self.kernel.strip_bytes(self.k)
    }

    /// The strips, one after another.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// One row of a strip as it is stored.
    pub(super) fn stored_row(&self, strip: usize, row: usize) -> &[u8] {
        let row_bytes = self.stored.len() / (self.strips() * self.kernel.strip_rows());
        &self.stored[(strip * self.kernel.strip_rows() + row) * row_bytes..][..row_bytes]
    }
}

/// What the layout of weights depends on.
pub(super) fn layout(kernel: MatmulKernel) -> (Dtype, Isa, Dtype) {
    (kernel.weights(), kernel.isa(), kernel.arithmetic())
}
