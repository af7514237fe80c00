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
    /// Whether a job of this kernel may read these: rows of `k` elements on such pages, at least `copies` times `n` of them.
    pub(super) fn serve(&self, kernel: MatmulKernel, pages: Pages, [n, k]: [usize; 2], copies: usize) -> bool {
        let same = (layout(self.kernel), self.pages, self.k) == (layout(kernel), pages, k);
        same && self.copies * self.blocks(&self.parts(n)) >= copies
    }

    /// How the strips of a matrix of `n` rows are shared among the threads.
    fn parts(&self, n: usize) -> Vec<Range<usize>> {
        let (strips, size) = (n.div_ceil(self.kernel.strip_rows()), self.shares.len());
        (0..size).map(|index| strips * index / size..strips * (index + 1) / size).collect()
    }

    /// How many matrices of these parts lie one behind another in one copy.
    fn blocks(&self, parts: &[Range<usize>]) -> usize {
        let of_share = |(share, part): (&Share, &Range<usize>)| share.strips.len().checked_div(part.len());
        self.shares.iter().zip(parts).filter_map(of_share).min().unwrap_or(0)
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

    /// The page size that was asked for.
    pub(in crate::device::cpu) fn pages(&self) -> Pages {
        self.pages
    }
}

/// Weights as matrices of some rows, one for each repetition: those of all copies, and of one copy as many as it has room for, so
/// that small ones come from memory, too.
pub(in crate::device::cpu) struct Matrices {
    weights: Arc<SharedWeights>,
    /// The strips of a matrix that each thread has.
    parts: Vec<Range<usize>>,
    /// Matrices in one copy.
    blocks: usize,
}

impl Matrices {
    /// Matrices of `n` rows: at most as many as the weights have.
    pub(in crate::device::cpu) fn new(weights: Arc<SharedWeights>, n: usize) -> Matrices {
        let parts = weights.parts(n);
        let blocks = weights.blocks(&parts).max(1);
        Matrices { weights, parts, blocks }
    }

    /// What they are of.
    pub(in crate::device::cpu) fn weights(&self) -> &SharedWeights {
        &self.weights
    }

    /// How many there are.
    pub(in crate::device::cpu) fn count(&self) -> usize {
        self.weights.copies * self.blocks
    }

    /// Calls `use_part` with the strips of these rows of the matrix that a repetition reads, and with the rows that they have,
    /// counted from the first one asked for: once, or once for each thread's share that has some of them.
    pub(in crate::device::cpu) fn with_strips(
        &self,
        rows: Range<usize>,
        repetition: usize,
        mut use_part: impl FnMut(&[u8], Range<usize>),
    ) {
        let (kernel, k) = (self.weights.kernel, self.weights.k);
        let (strip_rows, bytes) = (kernel.strip_rows(), kernel.strip_bytes(k));
        let (copy, block) = self.place(repetition);
        let mut strip = rows.start / strip_rows;
        while strip * strip_rows < rows.end {
            let (share, part) = self.share(strip);
            let end = part.end.min(rows.end.div_ceil(strip_rows));
            let first = copy * share.copy_bytes + (block * part.len() + strip - part.start) * bytes;
            let strips = &share.memory.as_bytes()[first..][..(end - strip) * bytes];
            use_part(strips, strip * strip_rows - rows.start..end * strip_rows - rows.start);
            strip = end;
        }
    }

    /// The copy and the place in it that a repetition reads.
    fn place(&self, repetition: usize) -> (usize, usize) {
        (repetition % self.weights.copies, repetition / self.weights.copies % self.blocks)
    }

    /// The share that holds a strip, and the strips that it has of the matrix.
    fn share(&self, strip: usize) -> (&Share, &Range<usize>) {
        let index = self.parts.partition_point(|part| part.end <= strip);
        (&self.weights.shares[index], &self.parts[index])
    }

    /// The stored bytes of one row of the matrix that a repetition reads.
    pub(in crate::device::cpu) fn stored_row(&self, row: usize, repetition: usize) -> &[u8] {
        let strip_rows = self.weights.kernel.strip_rows();
        let (strip, within) = (row / strip_rows, row % strip_rows);
        let (share, part) = self.share(strip);
        let (_, block) = self.place(repetition);
        share.made_up.stored_row((block * part.len() + strip - part.start) % share.made_up.strips(), within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Device, Purpose};
    use crate::job::Job;
    use crate::profile::{CeilingId, Matmul};
    use roofprobe_kernels::{Dtype, Isa, Op};

    #[test]
    fn small_matrices_take_turns_with_all_the_memory_of_larger_ones() {
        let cores = core_affinity::get_core_ids().unwrap();
        let cpu = Cpu::new(Some(cores.len().min(2))).unwrap();
        let kernel = MatmulKernel::find(Dtype::Q8_0, Isa::Portable, None).unwrap();
        let weights = cpu.make_weights(kernel, Pages::Base, [160, 64], 3, WorkerState::fresh).unwrap();
        let weights = Arc::new(weights);
        // Strips of threads that hold whole matrices: 2 × 64 rows of 160 in each of 3 copies, at different places.
        let matrices = Matrices::new(Arc::clone(&weights), 64);
        assert_eq!(matrices.count() % 3, 0);
        assert!(matrices.count() >= 3 && weights.serve(kernel, Pages::Base, [64, 64], matrices.count()));
        assert!(!weights.serve(kernel, Pages::Base, [64, 64], matrices.count() + 1));
        assert!(!weights.serve(kernel, Pages::Base, [64, 128], 1) && !weights.serve(kernel, Pages::Huge, [64, 64], 1));
        let mut seen = std::collections::BTreeSet::new();
        for repetition in 0..matrices.count() {
            let (mut rows, mut first) = (0, None);
            matrices.with_strips(0..64, repetition, |strips, part| {
                first = first.or(Some(strips.as_ptr() as usize));
                rows += part.len();
                assert_eq!(strips.len(), part.len() / kernel.strip_rows() * kernel.strip_bytes(64));
            });
            assert!(rows >= 64, "{rows}");
            assert!(seen.insert(first.unwrap()), "repetition {repetition} reads what another one read");
        }
    }

    #[test]
    fn a_small_matrix_within_large_ones_is_verified() {
        let mut cpu = Cpu::new(Some(1)).unwrap();
        let job = |n, copies| Job {
            ceiling: CeilingId::matmul_curve(Dtype::Q8_0, 3, "n"),
            op: Op::Matmul,
            dtype: Dtype::Q8_0,
            variant: Matmul::plain(Isa::Portable, 1, Pages::Base, [3, n, 256], copies).into(),
        };
        for (n, copies) in [(1000, 2), (17, 40), (96, 3)] {
            // Each in another turn: the oracle looks at the matrix that the last repetition read.
            for repetitions in [1, 2, 5] {
                cpu.renew();
                assert!(cpu.time(&job(1000, 2), 1, Purpose::Trial).is_ok());
                assert!(cpu.time(&job(n, copies), repetitions, Purpose::Trial).is_ok(), "{n} {repetitions}");
            }
        }
    }
}
