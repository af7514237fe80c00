//! Weights of a matmul: made by all threads, each its share of the strips, then read by all.

use super::Give;
use super::made_up::{MadeUp, layout};
use crate::device::Refusal;
use crate::device::cpu::worker_state::WorkerState;
use crate::device::cpu::{Cpu, arena, skipped};
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::matmul::MatmulKernel;
use std::ops::Range;
use std::sync::Arc;

/// The weights of one job after another: `copies` times `n` rows, interleaved into strips.
pub(in crate::device::cpu) struct SharedWeights {
    kernel: MatmulKernel,
    pages: Pages,
    n: usize,
    k: usize,
    copies: usize,
    shares: Vec<Share>,
    huge_share: Option<f64>,
}

/// The strips that one thread has made and touched first.
struct Share {
    strips: Range<usize>,
    made_up: Arc<MadeUp>,
    /// Copy after copy.
    memory: Buffer,
    /// From one copy to the next.
    copy_bytes: usize,
    huge_share: Option<f64>,
}

/// From the beginning of one copy of a share to the next: at other pages, so that they do not compete for the same cache sets.
fn apart(bytes: usize) -> usize {
    bytes.next_multiple_of(4096) + 4096
}

/// Bytes that such weights take in all, those between the copies included.
pub(in crate::device::cpu) fn weight_bytes(
    kernel: MatmulKernel,
    [n, k]: [u64; 2],
    copies: u64,
    threads: usize,
) -> Option<u128> {
    let (n, k) = (usize::try_from(n).ok()?, usize::try_from(k).ok().filter(|&k| k <= isize::MAX as usize / 1024)?);
    let strips = n.div_ceil(kernel.strip_rows());
    let bytes = |index: usize| {
        let strips = strips * (index + 1) / threads - strips * index / threads;
        Some(u128::from(apart(strips.checked_mul(kernel.strip_bytes(k))?) as u64) * u128::from(copies))
    };
    (0..threads).map(bytes).sum()
}

impl Cpu {
    /// `copies` times weights of `n` rows of `k` elements, for `kernel`.
    ///
    /// # Errors
    /// Skipped, when there is too little memory.
    pub(in crate::device::cpu) fn make_weights(
        &self,
        kernel: MatmulKernel,
        pages: Pages,
        [n, k]: [usize; 2],
        copies: usize,
        give: Give,
    ) -> Result<SharedWeights, Refusal> {
        let strips = n.div_ceil(kernel.strip_rows());
        let size = self.team.size();
        let shares = self.all(move |worker, _| {
            let strips = strips * worker.index() / size..strips * (worker.index() + 1) / size;
            Share::new(worker, kernel, pages, strips, (k, copies), give)
        })?;
        let shares: Vec<Share> = shares
            .into_iter()
            .collect::<std::io::Result<_>>()
            .map_err(|e| skipped(&format!("weights of {n} × {k} {} could not be allocated: {e}", kernel.weights())))?;
        let huge_share = shares.iter().filter_map(|share| share.huge_share).reduce(f64::min);
        Ok(SharedWeights { kernel, pages, n, k, copies, shares, huge_share })
    }
}

impl Share {
    fn new(
        worker: &mut WorkerState,
        kernel: MatmulKernel,
        pages: Pages,
        strips: Range<usize>,
        (k, copies): (usize, usize),
        give: Give,
    ) -> std::io::Result<Share> {
        let made_up = worker.made_up(kernel, k);
        let bytes = strips.len() * kernel.strip_bytes(k);
        let copy_bytes = apart(bytes);
        let whole = copy_bytes.checked_mul(copies).ok_or(std::io::ErrorKind::OutOfMemory)?;
        let mut memory = give(worker, pages, whole)?;
        for copy in memory.as_mut_bytes()[..whole].chunks_mut(copy_bytes) {
            for part in copy[..bytes].chunks_mut(made_up.packed().len()) {
                part.copy_from_slice(&made_up.packed()[..part.len()]);
            }
        }
        let huge_share = arena::huge_share(&memory);
        Ok(Share { strips, made_up, memory, copy_bytes, huge_share })
    }
}

impl SharedWeights {
    /// Whether a job of this kernel may read these: rows of `k` elements on such pages, at least `n` of them in `copies`.
    pub(super) fn serve(&self, kernel: MatmulKernel, pages: Pages, [n, k]: [usize; 2], copies: usize) -> bool {
        (layout(self.kernel), self.pages, self.k) == (layout(kernel), pages, k) && self.n >= n && self.copies >= copies
    }

    /// The memory that they lie in, by thread.
    pub(super) fn into_memory(self) -> (Pages, Vec<Buffer>) {
        (self.pages, self.shares.into_iter().map(|share| share.memory).collect())
    }

    /// The least share of huge pages that a thread's strips lie on.
    pub(in crate::device::cpu) fn huge_share(&self) -> Option<f64> {
        self.huge_share
    }

    /// Rows, without those that fill up the last strip.
    pub(in crate::device::cpu) fn rows(&self) -> usize {
        self.n
    }

    /// Copies.
    pub(in crate::device::cpu) fn copies(&self) -> usize {
        self.copies
    }

    /// The page size that was asked for.
    pub(in crate::device::cpu) fn pages(&self) -> Pages {
        self.pages
    }

    /// Calls `use_part` with the strips of these rows of the weights in the copy that a repetition reads, and with the rows that they have,
    /// counted from the first one asked for: once, or once for each thread's share that has some of them.
    pub(in crate::device::cpu) fn with_strips(
        &self,
        rows: Range<usize>,
        repetition: usize,
        mut use_part: impl FnMut(&[u8], Range<usize>),
    ) {
        let (strip_rows, bytes) = (self.kernel.strip_rows(), self.kernel.strip_bytes(self.k));
        let mut strip = rows.start / strip_rows;
        while strip * strip_rows < rows.end {
            let share = self.share(strip);
            let end = share.strips.end.min(rows.end.div_ceil(strip_rows));
            let first = repetition % self.copies * share.copy_bytes + (strip - share.strips.start) * bytes;
            let strips = &share.memory.as_bytes()[first..][..(end - strip) * bytes];
            use_part(strips, strip * strip_rows - rows.start..end * strip_rows - rows.start);
            strip = end;
        }
    }

    /// The share that holds a strip.
    fn share(&self, strip: usize) -> &Share {
        let index = self.shares.partition_point(|share| share.strips.end <= strip);
        &self.shares[index]
    }

    /// The stored bytes of one row.
    pub(in crate::device::cpu) fn stored_row(&self, row: usize) -> &[u8] {
        let (strip, within) = (row / self.kernel.strip_rows(), row % self.kernel.strip_rows());
        let share = self.share(strip);
        share.made_up.stored_row((strip - share.strips.start) % share.made_up.strips(), within)
    }
}
