//! Matmul jobs: weights that live in memory, shared by the team; activations quantised inside the timing, as engines do.
//!
//! Every repetition multiplies all tokens with one copy of the weights. Threads own the strips they touched first and help each other out.

use super::activations::{self, Activations, HUGE_PAGE_BYTES, RowsKind};
use super::operands::{Matrices, SharedWeights};
use super::team::SpinBarrier;
use super::team_job::{TeamJob, extent};
use super::work_queue::WorkQueue;
use super::{Cpu, self_test, skipped, unsupported};
use crate::device::Refusal;
use crate::job::Job;
use crate::profile::Matmul;
use crate::work::Work;
use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, SPOILT, Tile, Tokens, Ways};
use roofprobe_kernels::reference::{Random, matmul as oracle};
use roofprobe_kernels::{Op, Shape};
use std::sync::{Arc, OnceLock, PoisonError};

/// Rows of a tile of C with plain weights: its tokens and half a second-level cache of weights go together.
const PLAIN_TILE_ROWS: usize = 192;
/// The same where all weights lie near: smaller tiles end more nearly together.
const SMALL_TILE_ROWS: usize = 128;
/// Weights that lie near.
const SMALL_WEIGHTS_BYTES: usize = 4 << 20;
/// Rows of a tile with quantised weights: enough parts for all threads to quantise, and each part a cache's worth.
const QUANTISED_TILE_ROWS: usize = 32;
/// Tiles for each thread, so that the last ones end nearly together; many where a tile waits for memory, whose pace varies,
/// fewer where it only computes.
const TILES_PER_THREAD_OF_FEW_TOKENS: usize = 64;
const TILES_PER_THREAD: usize = 8;
/// Tokens from which a tile computes rather than waits.
const MANY_TOKENS: usize = 16;
/// Columns of a tile at most: beyond that nothing is saved by larger ones.
const TILE_COLUMNS_MAX: usize = 1024;
/// Elements of C per tile that are held against the oracle; all of them must have been written.
const CHECKED_PER_TILE: u64 = 8;

/// One job: tokens, C, and who does what.
pub(super) struct PreparedMatmul {
    kernel: MatmulKernel,
    weights: Matrices,
    /// Rows of the weights, which are columns of C.
    columns: usize,
    k: usize,
    activations: Arc<Activations>,
    output: Output,
    queue: WorkQueue,
    ways: Ways,
    relative_error: OnceLock<f64>,
}

impl Cpu {
    /// The job made ready: its weights may be those of the job before.
    pub(super) fn prepare_matmul(
        &mut self,
        job: &Job,
        variant: &Matmul,
        threads: usize,
    ) -> Result<PreparedMatmul, Refusal> {
        let &Matmul { isa, pages, n, k, copies, arithmetic, .. } = variant;
        let kernel = MatmulKernel::find(job.dtype, isa, arithmetic).ok_or_else(|| unsupported(isa))?;
        self_test::survived(isa).map_err(Refusal::Unsupported)?;
        let (n, k) = (extent(n, "n")?, extent(k, "k")?);
        let copies = copies.max(1) as usize;
        let weights = self.weights(kernel, pages, [n, k], copies)?;
        self.matmul_with(variant, threads, kernel, weights, &mut Vec::new())
    }

    /// Memory that such a job takes beside its weights, bytes. Rows that are among those `known` are shared with another.
    ///
    /// # Errors
    /// Skipped, when an extent is not there.
    pub(super) fn matmul_bytes(
        &self,
        variant: &Matmul,
        threads: usize,
        kernel: MatmulKernel,
        known: &mut Vec<RowsKind>,
    ) -> Result<u128, Refusal> {
        let grid = self.grid_of(variant, threads, kernel)?;
        let kind = RowsKind::new(kernel, grid, extent(variant.k, "k")?, variant.packed == Some(true));
        let results = (grid.rows as u128 * grid.columns as u128 * 4).next_multiple_of(HUGE_PAGE_BYTES as u128);
        if known.contains(&kind) {
            return Ok(results);
        }
        known.push(kind);
        Ok(results + activations::bytes(kernel, grid, kind))
    }

    /// How C is cut in such a job.
    fn grid_of(&self, variant: &Matmul, threads: usize, kernel: MatmulKernel) -> Result<Grid, Refusal> {
        let extents = [extent(variant.m, "m")?, extent(variant.n, "n")?, extent(variant.k, "k")?];
        let block = [variant.row_block, variant.column_block].map(|block| block.map(|extent| extent.max(1) as usize));
        Ok(grid(kernel, extents, threads, block, self.matmul_ways(variant, kernel)?.streams))
    }

    /// The job with weights that are there: of `n` rows or more, and as many copies of them as there are. Its tokens are those
    /// `made` before for another of the same kind, where there are.
    pub(super) fn matmul_with(
        &self,
        variant: &Matmul,
        threads: usize,
        kernel: MatmulKernel,
        weights: Arc<SharedWeights>,
        made: &mut Vec<Arc<Activations>>,
    ) -> Result<PreparedMatmul, Refusal> {
        let (n, k) = (extent(variant.n, "n")?, extent(variant.k, "k")?);
        let (ways, grid) = (self.matmul_ways(variant, kernel)?, self.grid_of(variant, threads, kernel)?);
        let kind = RowsKind::new(kernel, grid, k, variant.packed == Some(true));
        let product = Activations::shared(kernel, grid, kind, weights.pages(), made).and_then(|activations| {
            let output = Output::new(grid)?;
            let queue = WorkQueue::new(grid.down() * grid.across(), threads);
            let (weights, relative_error) = (Matrices::new(weights, n), OnceLock::new());
            Ok(PreparedMatmul { kernel, weights, columns: n, k, activations, output, queue, ways, relative_error })
        });
        product.map_err(|e| skipped(&format!("C and its tokens could not be allocated: {e}")))
    }

    /// The ways that the variant names; the usual ones where it does not say.
    pub(super) fn matmul_ways(&self, variant: &Matmul, kernel: MatmulKernel) -> Result<Ways, Refusal> {
        let usual = Ways::plain(self.machine.device.second_level_bytes() as usize / 2);
        let or = |value: Option<u32>, usual: usize| value.map_or(usual, |value| value as usize);
        let ways = Ways {
            streams: or(variant.streams, usual.streams),
            prefetch_bytes: or(variant.prefetch_bytes, usual.prefetch_bytes),
            page_ahead_lines: or(variant.page_ahead_lines, usual.page_ahead_lines),
            block_bytes: variant.block_bytes.map_or(usual.block_bytes, |bytes| bytes as usize),
            tile: variant.tile.map(|tile| [tile.rows as usize, tile.columns as usize]),
        };
        if ways.tile.is_some_and(|tile| kernel.tiles().all(|other| other != tile)) {
            return Err(skipped(&format!("{} on {} has no such register tiles", kernel.weights(), kernel.isa())));
        }
        Ok(ways)
    }
}

impl PreparedMatmul {
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
}

impl TeamJob for PreparedMatmul {
    fn huge_share(&self) -> Option<f64> {
        self.weights.weights().huge_share()
    }

    fn work(&self) -> Work {
        let shape = Shape::matmul(self.output.grid().rows as u64, self.columns as u64, self.k as u64);
        Work::of_matmul(Op::Matmul.cost(shape), self.kernel.weights())
    }

    fn spoil(&self) {
        self.each_tile(|tile, _, _| tile.spoil());
    }

    fn repeat(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier) {
        let grid = self.output.grid();
        if self.kernel.quantises() {
            for part in (index..grid.down()).step_by(size) {
                let rows = grid.rows_of(part);
                let bytes = self.activations.kind.bytes(self.kernel, rows.len());
                let mut buffer = self.activations.parts[part].write().unwrap_or_else(PoisonError::into_inner);
                let tokens = &self.activations.tokens[rows.start * self.k..rows.end * self.k];
                self.kernel.quantise(tokens, self.k, &mut buffer.as_mut_bytes()[..bytes]);
            }
        }
        if index == 0 {
            self.queue.reset();
        }
        barrier.wait();
        // Once for all tiles: a lock that threads share costs each of them a few hundred nanoseconds, in which it asks for no line.
        let parts: Vec<_> =
            self.activations.parts.iter().map(|part| part.read().unwrap_or_else(PoisonError::into_inner)).collect();
        while let Some(item) = self.queue.claim(index) {
            // Tiles of the same weights follow one another.
            let (j, i) = (item / grid.down(), item % grid.down());
            let Some(mut tile) = self.output.tile(i, j) else { continue };
            let rows = grid.rows_of(i).len();
            let bytes = &parts[i].as_bytes()[..self.activations.kind.bytes(self.kernel, rows)];
            let tokens = Tokens { bytes, rows };
            self.weights.with_strips(grid.columns_of(j), repetition, |strips, columns| {
                self.kernel.multiply(self.k, strips, tokens, &mut tile.part(columns), self.ways);
            });
        }
        drop(parts);
        barrier.wait();
    }

    fn verified(&self, last: usize) -> bool {
        let (dtype, arithmetic) = (self.kernel.weights(), self.kernel.arithmetic());
        let columns = self.columns;
        let mut random = Random::new(columns as u64);
        let (mut right, mut differences, mut squares) = (true, 0.0, 0.0);
        self.each_tile(|tile, first_row, first_column| {
            let within = columns.saturating_sub(first_column).min(tile.columns());
            right &= (0..tile.rows()).all(|row| (0..within).all(|column| tile.bits(row, column) != SPOILT));
            for _ in 0..CHECKED_PER_TILE.min(within as u64) {
                let (row, column) = (random.bits() as usize % tile.rows(), random.bits() as usize % within);
                let token = &self.activations.tokens[(first_row + row) * self.k..][..self.k];
                let stored = self.weights.stored_row(first_column + column, last);
                let weights = oracle::rounded_weights(dtype, arithmetic, stored);
                let want = oracle::element(&weights, &oracle::rounded_token(dtype, arithmetic, token));
                let bits = tile.bits(row, column);
                right &= oracle::element_agrees(dtype, arithmetic, bits, want, self.k);
                let (exact, _) = oracle::element(&oracle::widened(dtype, stored), &oracle::given_token(dtype, token));
                differences += (oracle::value(dtype, bits) - exact).powi(2);
                squares += exact * exact;
            }
        });
        if squares > 0.0 {
            let _ = self.relative_error.set((differences / squares).sqrt());
        }
        right
    }

    fn relative_error(&self) -> Option<f64> {
        self.relative_error.get().copied()
    }
}

/// How C is cut: rows for the caches, columns so that there are several tiles for each thread, or as many of both as a variant
/// names; and whole sets of strips that are read side by side.
fn grid(
    kernel: MatmulKernel,
    [m, n, k]: [usize; 3],
    threads: usize,
    [row_block, column_block]: [Option<usize>; 2],
    streams: usize,
) -> Grid {
    let strips = n.div_ceil(kernel.strip_rows());
    let most = if let Some(rows) = row_block {
        rows
    } else if kernel.weights().block().elements > 1 {
        QUANTISED_TILE_ROWS
    } else if strips * kernel.strip_bytes(k) <= SMALL_WEIGHTS_BYTES {
        SMALL_TILE_ROWS
    } else {
        PLAIN_TILE_ROWS
    };
    let tiles = threads * if m < MANY_TOKENS { TILES_PER_THREAD_OF_FEW_TOKENS } else { TILES_PER_THREAD };
    // A small matrix has too few columns for all; it is cut into rows as well.
    let fewest = if column_block.is_some() { 1 } else { tiles.div_ceil(strips).min(m.div_ceil((most / 4).max(1))) };
    let down = m.div_ceil(most).max(fewest);
    let tile_strips = match column_block {
        Some(columns) => columns.div_ceil(kernel.strip_rows()).min(strips),
        None => (strips * down / tiles).clamp(1, TILE_COLUMNS_MAX / kernel.strip_rows()),
    };
    let tile_strips = if m < MANY_TOKENS { tile_strips.next_multiple_of(streams.max(1)) } else { tile_strips };
    Grid {
        rows: m,
        columns: strips * kernel.strip_rows(),
        tile_rows: m.div_ceil(down),
        tile_columns: tile_strips * kernel.strip_rows(),
    }
}
