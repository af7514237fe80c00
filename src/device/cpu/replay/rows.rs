//! Work on rows as the team does it: rows are shared out, a single row is done by one thread unless it is long.

use super::elementwise::{Scratch, elements, keep, look_up};
use crate::device::cpu::team::SpinBarrier;
use crate::device::cpu::team_job::TeamJob;
use crate::work::Work;
use roofprobe_kernels::buffer::Buffer;
use roofprobe_kernels::{Op, Shape};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A single row is cut for several threads from so many elements on: before that passing lines between cores takes longer.
const CUT_ELEMENTS_MIN: usize = 16 << 10;

/// Single elements are worked on so many at a time.
const STRETCH: usize = 4096;

/// The arrays of each thread.
pub(super) type Scratches = Arc<[Mutex<Scratch>]>;

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Elements that each thread needs for such an operation.
pub(super) fn scratch_elements(op: Op, shape: Shape, threads: usize) -> usize {
    if op == Op::State {
        return 0;
    }
    let (rows, row) = cut(op, shape, threads, 0);
    elements(rows.len(), row.len())
}

/// The rows of one thread, and the part of each row.
fn cut(op: Op, shape: Shape, threads: usize, index: usize) -> (Range<usize>, Range<usize>) {
    let (rows, row) = (shape.m as usize, shape.n as usize);
    let part = |whole: usize| whole * index / threads..whole * (index + 1) / threads;
    let whole_rows = matches!(
        op,
        Op::RmsNorm
            | Op::LayerNorm
            | Op::GatedNorm
            | Op::Rope
            | Op::Route
            | Op::Conv
            | Op::Scan
            | Op::SelectiveScan
            | Op::DeltaRule
            | Op::Gather
    );
    // Single elements that lie in a cache meanwhile, such as scores.
    if row == 1 {
        let own = part(rows).len();
        return (0..own.div_ceil(STRETCH), 0..own.min(STRETCH));
    }
    if rows > 1 {
        return (part(rows), 0..row);
    }
    if whole_rows || row < CUT_ELEMENTS_MIN {
        return (if index == 0 { 0..rows } else { 0..0 }, 0..row);
    }
    (0..1, part(row))
}

/// One operation on rows, made ready.
pub(super) struct PreparedRows {
    op: Op,
    shape: Shape,
    scratches: Scratches,
    /// Weights, copy after copy; or, for each thread, its share of the state, copy after copy.
    weights: Vec<Mutex<Vec<f32>>>,
    copies: usize,
}

impl PreparedRows {
    pub(super) fn new(op: Op, shape: Shape, copies: usize, scratches: Scratches) -> PreparedRows {
        let cost = op.cost(shape);
        let threads = scratches.len();
        let of_thread = |index: usize| {
            let elements = if op == Op::State {
                let all = cost.state_read as usize;
                all * (index + 1) / threads - all * index / threads
            } else {
                cost.weights_read as usize
            };
            Mutex::new(vec![0.75; elements * copies])
        };
        // Norms' weights are a few kilobytes: each thread that reads them has them in its cache anyway.
        PreparedRows { op, shape, weights: (0..threads).map(of_thread).collect(), scratches, copies }
    }
}

impl TeamJob for PreparedRows {
    fn huge_share(&self) -> Option<f64> {
        None
    }

    fn work(&self) -> Work {
        Work::default()
    }

    fn spoil(&self) {}

    fn repeat(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier) {
        let mut own = locked(&self.weights[index]);
        let each = own.len() / self.copies;
        let own = &mut own[repetition % self.copies * each..][..each];
        if self.op == Op::State {
            keep(own);
        } else {
            let (rows, row) = cut(self.op, self.shape, size, index);
            if !rows.is_empty() && !row.is_empty() {
                // Of a bias those of the part of the row.
                let own = if each == self.shape.n as usize { &own[row.clone()] } else { &*own };
                locked(&self.scratches[index]).work(self.op, self.shape, (rows.len(), row.len()), own);
            }
        }
        barrier.wait();
    }

    fn verified(&self, _: usize) -> bool {
        self.scratches.iter().all(|scratch| locked(scratch).is_finite())
    }
}

/// Rows looked up, made ready.
pub(super) struct PreparedGather {
    table: Arc<Buffer>,
    table_rows: usize,
    row_bytes: usize,
    rows: usize,
    row: usize,
    scratches: Scratches,
}

impl PreparedGather {
    /// `rows` rows of `row` elements out of a table of so many rows of so many bytes.
    pub(super) fn new(
        table: Arc<Buffer>,
        [table_rows, row_bytes]: [usize; 2],
        [rows, row]: [usize; 2],
        scratches: Scratches,
    ) -> PreparedGather {
        PreparedGather { table, table_rows, row_bytes, rows, row, scratches }
    }
}

impl TeamJob for PreparedGather {
    fn huge_share(&self) -> Option<f64> {
        None
    }

    fn work(&self) -> Work {
        Work::default()
    }

    fn spoil(&self) {}

    fn repeat(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier) {
        let shape = Shape::rows(self.rows as u64, self.row as u64);
        let (rows, _) = cut(Op::Gather, shape, size, index);
        let mut scratch = locked(&self.scratches[index]);
        for row in rows {
            // Any rows far from one another.
            let at =
                (row + 1).wrapping_mul(repetition.wrapping_add(7919)).wrapping_mul(2_654_435_761) % self.table_rows;
            look_up(&self.table.as_bytes()[at * self.row_bytes..][..self.row_bytes], &mut scratch, self.row);
        }
        drop(scratch);
        barrier.wait();
    }

    fn verified(&self, _: usize) -> bool {
        self.scratches.iter().all(|scratch| locked(scratch).is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_elements_are_shared_out_once() {
        for (op, shape) in [
            (Op::Residual, Shape::rows(7, 10)),
            (Op::Residual, Shape::rows(1, 100)),
            (Op::SwiGlu, Shape::rows(1, 100_000)),
            (Op::RmsNorm, Shape::norm(1, 100_000, 1)),
            (Op::SoftCap, Shape::rows(1000, 1)),
            (Op::Route, Shape::rows(2, 8)),
        ] {
            for threads in [1, 2, 3, 8] {
                let shares = (0..threads).map(|index| cut(op, shape, threads, index));
                let all: usize = shares.map(|(rows, row)| rows.len() * row.len()).sum();
                assert_eq!(all as u64, shape.m * shape.n, "{op} {threads}");
            }
        }
    }
}
