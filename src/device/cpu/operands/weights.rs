//! Weights of a matmul: made by all threads, each its share of the strips, then read by all.

use crate::device::Refusal;
use crate::device::cpu::{Cpu, arena, skipped};
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::matmul::MatmulKernel;
use roofprobe_kernels::reference::matmul as oracle;
use std::ops::Range;

/// Weights that are made up by each thread; the rest of its share repeats them at other addresses.
const MADE_UP_BYTES: usize = 4 << 20;

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
    /// Strips that were made up; strip `i` of the share repeats strip `i % made_up`.
    made_up: usize,
    /// The rows of the made up strips as they are stored.
    stored: Vec<u8>,
    copies: Vec<Buffer>,
    huge_share: Option<f64>,
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
    ) -> Result<SharedWeights, Refusal> {
        let strips = n.div_ceil(kernel.strip_rows());
        let size = self.team.size();
        let shares = self.all(move |worker, _| {
            worker.clear_chases();
            let index = worker.index();
            let strips = strips * index / size..strips * (index + 1) / size;
            Share::new(kernel, pages, strips, k, copies, 0x3e1 + index as u64)
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
        kernel: MatmulKernel,
        pages: Pages,
        strips: Range<usize>,
        k: usize,
        copies: usize,
        seed: u64,
    ) -> std::io::Result<Share> {
        let strip_bytes = kernel.strip_bytes(k);
        let made_up = (MADE_UP_BYTES / strip_bytes).clamp(1, strips.len().max(1));
        let stored = oracle::weights(kernel.weights(), made_up * kernel.strip_rows(), k, seed);
        let mut packed = vec![0; made_up * strip_bytes];
        kernel.pack(&stored, k, &mut packed);
        let copy = |index: usize| {
            let bytes = strips.len() * strip_bytes;
            let mut buffer = Buffer::new(bytes.div_ceil(8), pages, index * 4096)?;
            for part in buffer.as_mut_bytes()[..bytes].chunks_mut(packed.len()) {
                part.copy_from_slice(&packed[..part.len()]);
            }
            Ok::<Buffer, std::io::Error>(buffer)
        };
        let copies: Vec<Buffer> = (0..copies).map(copy).collect::<std::io::Result<_>>()?;
        let huge_share = copies.first().and_then(arena::huge_share);
        Ok(Share { strips, made_up, stored, copies, huge_share })
    }
}

impl SharedWeights {
    /// Whether a job of this kernel may read these: rows of `k` elements on such pages, at least `n` of them in `copies`.
    pub(in crate::device::cpu) fn serve(
        &self,
        kernel: MatmulKernel,
        pages: Pages,
        [n, k]: [usize; 2],
        copies: usize,
    ) -> bool {
        let kind = |kernel: MatmulKernel| (kernel.weights(), kernel.isa(), kernel.arithmetic());
        (kind(self.kernel), self.pages, self.k) == (kind(kernel), pages, k) && self.n >= n && self.copies >= copies
    }

    /// The least share of huge pages that a thread's strips lie on.
    pub(in crate::device::cpu) fn huge_share(&self) -> Option<f64> {
        self.huge_share
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
            let copy = &share.copies[repetition % share.copies.len()];
            let first = strip - share.strips.start;
            let strips = &copy.as_bytes()[first * bytes..(first + end - strip) * bytes];
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
        let at = (strip - share.strips.start) % share.made_up * self.kernel.strip_rows() + within;
        let row_bytes = share.stored.len() / (share.made_up * self.kernel.strip_rows());
        &share.stored[at * row_bytes..][..row_bytes]
    }
}
