//! Matmul jobs: weights that live in memory, shared by the team; activations quantised inside the timing, as engines do.
//!
//! Every repetition multiplies all tokens with one copy of the weights, and the next repetition takes the next copy, so that
//! the weights come from memory each time. Threads own the strips they touched first and help each other out.

use super::team::SpinBarrier;
use super::work_queue::WorkQueue;
use super::{Cpu, Seen, WorkerState, clock_around, clock_hz, foreign, rejected, skipped, unsupported};
use crate::device::{Refusal, Timing};
use crate::job::Job;
use crate::profile::{Machine, Matmul, Variant};
use crate::units::{Bytes, Flops, four_digits};
use crate::work::Work;
use roofprobe_kernels::Op;
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, SPOILT, Tile, Tokens};
use roofprobe_kernels::reference::{Random, matmul as oracle};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Rows of a tile of C with plain weights: its tokens and half a second-level cache of weights go together.
const PLAIN_TILE_ROWS: usize = 192;
/// The same where all weights lie near: smaller tiles end more nearly together.
const SMALL_TILE_ROWS: usize = 128;
/// SharedWeights that lie near.
const SMALL_WEIGHTS_BYTES: usize = 4 << 20;
/// Rows of a tile with quantised weights: enough parts for all threads to quantise, and each part a cache's worth.
const QUANTISED_TILE_ROWS: usize = 32;
/// Tiles for each thread, so that the last ones end nearly together; many where a tile waits for memory, whose pace varies,
/// fewer where it only computes.
const TILES_PER_THREAD_OF_FEW_TOKENS: usize = 32;
const TILES_PER_THREAD: usize = 8;
/// Tokens from which a tile computes rather than waits.
const MANY_TOKENS: usize = 16;
/// Columns of a tile at most: beyond that nothing is saved by larger ones.
const TILE_COLUMNS_MAX: usize = 1024;
/// SharedWeights that are made up by each thread; the rest of its share repeats them at other addresses.
const MADE_UP_BYTES: usize = 4 << 20;
/// Assumed where the topology tells no second-level cache.
const L2_BYTES_ASSUMED: u64 = 512 << 10;
/// Elements of C per tile that are held against the oracle; all of them must have been written.
const CHECKED_PER_TILE: u64 = 8;

/// The weights of one job after another: `copies` times `n` rows, interleaved into strips.
pub(super) struct SharedWeights {
    kernel: MatmulKernel,
    pages: Pages,
    n: usize,
    k: usize,
    copies: usize,
    shares: Vec<Share>,
    /// Repetitions so far: the next one takes the next copy, also in another pass or job.
    used: AtomicUsize,
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

/// One job: tokens, C, and who does what.
pub(super) struct PreparedMatmul {
    job: Job,
    kernel: MatmulKernel,
    weights: Arc<SharedWeights>,
    /// Rows of the weights, which are columns of C.
    columns: usize,
    k: usize,
    tokens: Vec<f32>,
    /// The tokens of each row of tiles, as the kernel wants them.
    parts: Vec<RwLock<Buffer>>,
    output: Output,
    queue: WorkQueue,
    block_bytes: usize,
}

impl Cpu {
    pub(super) fn time_matmul(&mut self, job: &Job, repetitions: u64) -> Result<Timing, Refusal> {
        let product = self.product(job)?;
        // Looked at once per variant and allocation, and spoilt before, so that nothing stale can pass.
        let first = self.verified.insert(job.clone());
        if first {
            product.each_tile(|tile, _, _| tile.spoil());
        }
        let from = product.weights.used.fetch_add(repetitions as usize, Ordering::Relaxed);
        let shared = Arc::clone(&product);
        let size = self.team.size();
        let run = move |worker: &mut WorkerState, before: Option<f64>, barrier: &SpinBarrier| {
            for repetition in 0..repetitions {
                shared.multiply(worker.index(), size, from.wrapping_add(repetition as usize), barrier);
            }
            before
        };
        let conclude = |_: &mut WorkerState, before| Seen { clock_hz: clock_around(before), right: true };
        let spans = self.timed(size, |_| clock_hz(), run, conclude)?;
        if first && !product.verified() {
            return Err(rejected(job));
        }
        let pass = spans.pass(repetitions, product.work() * repetitions as f64).ok_or_else(|| rejected(job))?;
        Ok(Timing { huge_share: product.weights.huge_share.map(four_digits), ..pass })
    }

    /// The job made ready: its weights may be those of the job before.
    fn product(&mut self, job: &Job) -> Result<Arc<PreparedMatmul>, Refusal> {
        if let Some(product) = self.product.as_ref().filter(|product| product.job == *job) {
            return Ok(Arc::clone(product));
        }
        let Variant::Matmul(Matmul { isa, threads, pages, m, n, k, copies }) = job.variant else {
            return Err(foreign(job));
        };
        if self.active(threads)? != self.team.size() {
            return Err(skipped("a matmul takes the whole team"));
        }
        let kernel = MatmulKernel::find(job.dtype, isa).ok_or_else(|| unsupported(isa))?;
        let extent = |value: u64, name: &str| {
            let value = usize::try_from(value).ok().filter(|&value| value > 0);
            value.ok_or_else(|| skipped(&format!("the job names no {name}")))
        };
        let (m, n, k) = (extent(m, "m")?, extent(n, "n")?, extent(k, "k")?);
        let copies = copies.max(1) as usize;
        // Weights, and keys and values, are large: one of them at a time.
        (self.product, self.attention, self.pool) = (None, None, None);
        let fits = |w: &SharedWeights| {
            (w.kernel.weights(), w.kernel.isa(), w.pages, w.k) == (job.dtype, isa, pages, k)
                && w.n >= n
                && w.copies >= copies
        };
        let weights = match self.weights.take().filter(|weights| fits(weights)) {
            Some(weights) => weights,
            None => Arc::new(self.make_weights(kernel, pages, [n, k], copies)?),
        };
        self.weights = Some(Arc::clone(&weights));
        let threads = self.team.size();
        let product = PreparedMatmul::new(job.clone(), weights, [m, n, k], threads, l2_bytes(&self.machine) / 2);
        let product = Arc::new(product.map_err(|e| skipped(&format!("C and its tokens could not be allocated: {e}")))?);
        self.product = Some(Arc::clone(&product));
        Ok(product)
    }

    fn make_weights(
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
        Ok(SharedWeights { kernel, pages, n, k, copies, shares, used: AtomicUsize::new(0), huge_share })
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
        let huge_share = copies.first().and_then(super::arena::huge_share);
        Ok(Share { strips, made_up, stored, copies, huge_share })
    }
}

impl SharedWeights {
    /// The share that holds a strip.
    fn share(&self, strip: usize) -> &Share {
        let index = self.shares.partition_point(|share| share.strips.end <= strip);
        &self.shares[index]
    }

    /// The stored bytes of one row.
    fn stored_row(&self, row: usize) -> &[u8] {
        let (strip, within) = (row / self.kernel.strip_rows(), row % self.kernel.strip_rows());
        let share = self.share(strip);
        let at = (strip - share.strips.start) % share.made_up * self.kernel.strip_rows() + within;
        let row_bytes = share.stored.len() / (share.made_up * self.kernel.strip_rows());
        &share.stored[at * row_bytes..][..row_bytes]
    }
}

impl PreparedMatmul {
    fn new(
        job: Job,
        weights: Arc<SharedWeights>,
        [m, n, k]: [usize; 3],
        threads: usize,
        block_bytes: usize,
    ) -> std::io::Result<PreparedMatmul> {
        let kernel = weights.kernel;
        let grid = grid(kernel, [m, n, k], threads);
        let tokens = oracle::tokens(m, k, 0x70c);
        let part = |i: usize| {
            let rows = grid.rows_of(i);
            let bytes = kernel.token_bytes(rows.len(), k);
            // Parts start at different lines of different pages.
            let offset = i * 3 * 4096 + i * 320;
            let mut buffer = Buffer::new(bytes.div_ceil(8), weights.pages, offset)?;
            if !kernel.quantises() {
                let values = &tokens[rows.start * k..rows.end * k];
                buffer.as_mut_bytes()[..bytes].copy_from_slice(&oracle::stored_tokens(kernel.weights(), values, k));
            }
            Ok::<RwLock<Buffer>, std::io::Error>(RwLock::new(buffer))
        };
        let parts = (0..grid.down()).map(part).collect::<std::io::Result<_>>()?;
        let queue = WorkQueue::new(grid.down() * grid.across(), threads);
        Ok(PreparedMatmul {
            job,
            kernel,
            weights,
            columns: n,
            k,
            tokens,
            parts,
            output: Output::new(grid)?,
            queue,
            block_bytes,
        })
    }

    /// What one repetition does: the arithmetic, and the bytes of the weights as they are stored.
    fn work(&self) -> Work {
        let grid = self.output.grid();

        let cost =
            Op::Matmul.cost(roofprobe_kernels::Shape::matmul(grid.rows as u64, self.columns as u64, self.k as u64));
        let bits = self.kernel.weights().bits_per_element();
        Work { flops: Flops(cost.flops as f64), bytes: Bytes(cost.weights_read as f64 * bits / 8.0) }
    }

    /// One repetition, by one of `size` threads.
    fn multiply(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier) {
        let grid = self.output.grid();
        if self.kernel.quantises() {
            for part in (index..grid.down()).step_by(size) {
                let rows = grid.rows_of(part);
                let bytes = self.kernel.token_bytes(rows.len(), self.k);
                let mut buffer = self.parts[part].write().unwrap_or_else(PoisonError::into_inner);
                let tokens = &self.tokens[rows.start * self.k..rows.end * self.k];
                self.kernel.quantise(tokens, self.k, &mut buffer.as_mut_bytes()[..bytes]);
            }
        }
        if index == 0 {
            self.queue.reset();
        }
        barrier.wait();
        while let Some(item) = self.queue.claim(index) {
            // Tiles of the same weights follow one another.
            let (j, i) = (item / grid.down(), item % grid.down());
            let Some(mut tile) = self.output.tile(i, j) else { continue };
            let part = self.parts[i].read().unwrap_or_else(PoisonError::into_inner);
            let rows = grid.rows_of(i).len();
            let tokens = Tokens { bytes: &part.as_bytes()[..self.kernel.token_bytes(rows, self.k)], rows };
            self.with_strips(grid.columns_of(j), repetition, |strips, columns| {
                self.kernel.multiply(self.k, strips, tokens, &mut tile.part(columns), self.block_bytes);
            });
        }
        barrier.wait();
    }

    /// Calls `multiply` with the strips of the columns: once, or once for each share that has some of them.
    fn with_strips(&self, columns: Range<usize>, repetition: usize, mut multiply: impl FnMut(&[u8], Range<usize>)) {
        let (rows, bytes) = (self.kernel.strip_rows(), self.kernel.strip_bytes(self.k));
        let mut strip = columns.start / rows;
        while strip * rows < columns.end {
            let share = self.weights.share(strip);
            let end = share.strips.end.min(columns.end.div_ceil(rows));
            let copy = &share.copies[repetition % share.copies.len()];
            let first = strip - share.strips.start;
            let strips = &copy.as_bytes()[first * bytes..(first + end - strip) * bytes];
            multiply(strips, strip * rows - columns.start..end * rows - columns.start);
            strip = end;
        }
    }

    /// Every tile, with the first row and column that it has of C.
    fn each_tile(&self, mut look: impl FnMut(&mut Tile<'_>, usize, usize)) {
        let grid = self.output.grid();
        for i in 0..grid.down() {
            for j in 0..grid.across() {
                if let Some(mut tile) = self.output.tile(i, j) {
                    look(&mut tile, grid.rows_of(i).start, grid.columns_of(j).start);
                }
            }
        }
    }

    /// Whether every element was written, and a sample of each tile is what the oracle says.
    fn verified(&self) -> bool {
        let dtype = self.kernel.weights();
        let columns = self.columns;
        let mut random = Random::new(columns as u64);
        let mut right = true;
        self.each_tile(|tile, first_row, first_column| {
            let within = columns.saturating_sub(first_column).min(tile.columns());
            right &= (0..tile.rows()).all(|row| (0..within).all(|column| tile.bits(row, column) != SPOILT));
            for _ in 0..CHECKED_PER_TILE.min(within as u64) {
                let (row, column) = (random.bits() as usize % tile.rows(), random.bits() as usize % within);
                let token = &self.tokens[(first_row + row) * self.k..][..self.k];
                let weights = oracle::widened(dtype, self.weights.stored_row(first_column + column));
                let want = oracle::element(&weights, &oracle::rounded_token(dtype, token));
                right &= oracle::element_agrees(dtype, tile.bits(row, column), want, self.k);
            }
        });
        right
    }
}

/// How C is cut: rows for the caches, columns so that there are several tiles for each thread.
fn grid(kernel: MatmulKernel, [m, n, k]: [usize; 3], threads: usize) -> Grid {
    let strips = n.div_ceil(kernel.strip_rows());
    let most = if kernel.quantises() {
        QUANTISED_TILE_ROWS
    } else if strips * kernel.strip_bytes(k) <= SMALL_WEIGHTS_BYTES {
        SMALL_TILE_ROWS
    } else {
        PLAIN_TILE_ROWS
    };
    let tiles = threads * if m < MANY_TOKENS { TILES_PER_THREAD_OF_FEW_TOKENS } else { TILES_PER_THREAD };
    // A small matrix has too few columns for all; it is cut into rows as well.
    let down = m.div_ceil(most).max(tiles.div_ceil(strips).min(m.div_ceil(most / 4)));
    let tile_strips = (strips * down / tiles).clamp(1, TILE_COLUMNS_MAX / kernel.strip_rows());
    Grid {
        rows: m,
        columns: strips * kernel.strip_rows(),
        tile_rows: m.div_ceil(down),
        tile_columns: tile_strips * kernel.strip_rows(),
    }
}

/// The second-level cache of one core.
fn l2_bytes(machine: &Machine) -> usize {
    let l2 = machine.device.caches.iter().filter(|cache| cache.level == 2);
    let each = l2.map(|cache| cache.bytes / u64::from(cache.shared_by.max(1))).min();
    each.unwrap_or(L2_BYTES_ASSUMED) as usize
}
