//! Products with the weights of experts: for each token some are drawn, and the tokens of one expert share its weights.

use crate::device::cpu::operands::{Matrices, SharedWeights};
use crate::device::cpu::team::SpinBarrier;
use crate::device::cpu::team_job::TeamJob;
use crate::device::cpu::work_queue::WorkQueue;
use crate::device::{Routing, Visit};
use crate::work::Work;
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, SPOILT, Tokens, Ways};
use roofprobe_kernels::reference::matmul as oracle;
use std::sync::{Arc, PoisonError, RwLock};

/// Tiles of columns for each thread, so that the last ones end nearly together.
const TILES_PER_THREAD: usize = 16;

/// One product with experts, made ready.
pub(super) struct PreparedExperts {
    kernel: MatmulKernel,
    /// Copies: the experts of a layer beside each other.
    weights: Matrices,
    routing: Routing,
    k: usize,
    ways: Ways,
    tokens: Vec<f32>,
    /// The tokens of each visit, as the kernel reads them.
    parts: Vec<RwLock<Buffer>>,
    output: Output,
    /// The visits of the present repetition.
    visits: RwLock<Vec<Visit>>,
    queue: WorkQueue,
}

/// Bytes that tokens and results of such a product take.
pub(super) fn bytes(kernel: MatmulKernel, routing: &Routing, [n, k]: [usize; 2]) -> u128 {
    let visits = routing.visits_max() as u128;
    let rows = routing.rows as u128;
    let part = u128::from((kernel.token_bytes(1, k) + 64) as u64) * rows + 8192;
    visits * (part + rows * 4 * (n + kernel.strip_rows()) as u128) + 4 * rows * 2 * k as u128
}

impl PreparedExperts {
    pub(super) fn new(
        kernel: MatmulKernel,
        weights: Arc<SharedWeights>,
        routing: Routing,
        ([n, k], threads): ([usize; 2], usize),
        ways: Ways,
    ) -> std::io::Result<PreparedExperts> {
        let tokens = oracle::tokens(routing.rows, k, 0xe47);
        let visits = routing.visits_max();
        let part = |_| {
            let bytes = kernel.token_bytes(routing.rows, k);
            let mut buffer = Buffer::new(bytes.div_ceil(8), Pages::Base, 0)?;
            if !kernel.quantises() {
                let stored = oracle::stored_tokens(kernel.arithmetic(), &tokens, k);
                kernel.place(&stored, k, &mut buffer.as_mut_bytes()[..bytes]);
            }
            Ok::<RwLock<Buffer>, std::io::Error>(RwLock::new(buffer))
        };
        let parts = (0..visits).map(part).collect::<std::io::Result<_>>()?;
        let strips = n.div_ceil(kernel.strip_rows());
        let across = (threads * TILES_PER_THREAD).div_ceil(routing.used.min(visits).max(1)).clamp(1, strips);
        let tile_strips = strips.div_ceil(across);
        let grid = Grid {
            rows: visits * routing.rows,
            columns: strips * kernel.strip_rows(),
            tile_rows: routing.rows,
            tile_columns: tile_strips * kernel.strip_rows(),
        };
        let queue = WorkQueue::new(visits * grid.across(), threads);
        let output = Output::new(grid)?;
        let (visits, weights) = (RwLock::default(), Matrices::new(weights, n));
        Ok(PreparedExperts { kernel, weights, routing, k, ways, tokens, parts, output, visits, queue })
    }

    fn quantise(&self, part: usize, visit: Visit) {
        let bytes = self.kernel.token_bytes(visit.rows, self.k);
        let mut buffer = self.parts[part].write().unwrap_or_else(PoisonError::into_inner);
        self.kernel.quantise(&self.tokens[..visit.rows * self.k], self.k, &mut buffer.as_mut_bytes()[..bytes]);
    }

    fn multiply(&self, item: usize, visits: &[Visit], layer: usize) {
        let grid = self.output.grid();
        let (part, column) = (item / grid.across(), item % grid.across());
        let Some(&Visit { expert, rows }) = visits.get(part) else { return };
        let Some(mut tile) = self.output.tile(part, column) else { return };
        let buffer = self.parts[part].read().unwrap_or_else(PoisonError::into_inner);
        let bytes = &buffer.as_bytes()[..self.kernel.token_bytes(rows, self.k)];
        let tokens = Tokens { bytes, rows };
        let copy = layer * self.routing.experts + expert;
        let mut tile = tile.first_rows(rows);
        self.weights.with_strips(grid.columns_of(column), copy, |strips, columns| {
            self.kernel.multiply(self.k, strips, tokens, &mut tile.part(columns), self.ways);
        });
    }
}

impl TeamJob for PreparedExperts {
    fn huge_share(&self) -> Option<f64> {
        self.weights.weights().huge_share()
    }

    fn work(&self) -> Work {
        Work::default()
    }

    fn spoil(&self) {
        let grid = self.output.grid();
        for i in 0..grid.down() {
            (0..grid.across()).filter_map(|j| self.output.tile(i, j)).for_each(|mut tile| tile.spoil());
        }
    }

    fn repeat(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier) {
        if index == 0 {
            *self.visits.write().unwrap_or_else(PoisonError::into_inner) = self.routing.draw(repetition as u64);
            self.queue.reset();
        }
        barrier.wait();
        let visits = self.visits.read().unwrap_or_else(PoisonError::into_inner);
        if self.kernel.quantises() {
            (index..visits.len()).step_by(size).for_each(|part| self.quantise(part, visits[part]));
            barrier.wait();
        }
        // Copies of a layer's experts stand together.
        while let Some(item) = self.queue.claim(index) {
            self.multiply(item, &visits, repetition % (self.weights.count() / self.routing.experts));
        }
        drop(visits);
        barrier.wait();
    }

    fn verified(&self, last: usize) -> bool {
        let grid = self.output.grid();
        let (dtype, arithmetic) = (self.kernel.weights(), self.kernel.arithmetic());
        let mut right = true;
        for (part, visit) in self.routing.draw(last as u64).into_iter().enumerate() {
            for column in 0..grid.across() {
                let Some(mut tile) = self.output.tile(part, column) else { return false };
                let within =
                    self.weights.weights().rows().saturating_sub(grid.columns_of(column).start).min(tile.columns());
                right &= (0..visit.rows).all(|row| (0..within).all(|at| tile.bits(row, at) != SPOILT));
                if within == 0 {
                    continue;
                }
                let (row, at) = (visit.rows - 1, within / 2);
                let token = &self.tokens[row * self.k..][..self.k];
                let stored = self.weights.stored_row(grid.columns_of(column).start + at, 0);
                let weights = oracle::rounded_weights(dtype, arithmetic, stored);
                let want = oracle::element(&weights, &oracle::rounded_token(dtype, arithmetic, token));
                right &= oracle::element_agrees(dtype, arithmetic, tile.bits(row, at), want, self.k);
            }
        }
        right
    }
}
