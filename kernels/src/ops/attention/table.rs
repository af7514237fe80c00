//! The attention of an instruction set: one function for each number of rows and each way.

use super::abreast::Abreast;
use super::beside::{self, Beside};
use super::kernel::{AttentionEntry, TileFn};
use super::rows::Rows;
use super::softmax::Exp2;
use crate::simd::Floats;

/// The kernel of an instruction set. `ACCUMULATORS` vectors may be kept as accumulators by a loop: enough independent ones to
/// hide the latency of a multiply-add, few enough to leave registers for the operands.
pub(crate) const fn attention<S: Floats, const ACCUMULATORS: usize>() -> AttentionEntry {
    let beside_each_other: [TileFn; 2] = [S::run::<Beside<false>>, S::run::<Beside<true>>];
    let abreast: [TileFn; 2] = [S::run::<Abreast<ACCUMULATORS, false>>, S::run::<Abreast<ACCUMULATORS, true>>];
    AttentionEntry {
        isa: S::ISA,
        tiles: [rows::<S, ACCUMULATORS, false>(), rows::<S, ACCUMULATORS, true>()],
        beside: if beside::fits::<S>() { Some(beside_each_other) } else { None },
        abreast: if S::PREFETCHES { Some(abreast) } else { None },
        prefetches: S::PREFETCHES,
        exp2: S::run::<Exp2>,
    }
}

const fn rows<S: Floats, const ACCUMULATORS: usize, const PREFETCH: bool>() -> [TileFn; 8] {
    [
        S::run::<Rows<1, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<2, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<3, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<4, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<5, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<6, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<7, ACCUMULATORS, PREFETCH>>,
        S::run::<Rows<8, ACCUMULATORS, PREFETCH>>,
    ]
}
