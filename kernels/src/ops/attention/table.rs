//! The attention of an instruction set: one function for each number of rows and each way.

use super::abreast::Abreast;
use super::beside::{self, Beside};
use super::halves::{HalfRows, Halve};
use super::kernel::{AttentionEntry, TileFn};
use super::latent_pairs::{LatentPairs, PackQueries, PackRows};
use super::latent_rows::LatentRows;
use super::latents::{LatentEntry, Pack};
use super::rows::Rows;
use super::softmax::Exp2;
use crate::simd::{Floats, Halves, Integers, Token};

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
        halve: None,
    }
}

/// The kernel with products in binary16. One row waits for memory whatever it multiplies in, so there is one stream.
pub(crate) const fn half_attention<S: Halves, const ACCUMULATORS: usize>() -> AttentionEntry {
    AttentionEntry {
        isa: S::ISA,
        tiles: [half_rows::<S, ACCUMULATORS, false>(), half_rows::<S, ACCUMULATORS, true>()],
        beside: None,
        abreast: None,
        prefetches: S::PREFETCHES,
        exp2: S::Floats::run::<Exp2>,
        halve: Some(S::run::<Halve>),
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

/// The kernel for latents with products of f32, which rows are widened to.
pub(crate) const fn latents<S: Floats, const ACCUMULATORS: usize>() -> LatentEntry {
    LatentEntry {
        isa: S::ISA,
        tiles: [
            S::run::<LatentRows<1, ACCUMULATORS>>,
            S::run::<LatentRows<2, ACCUMULATORS>>,
            S::run::<LatentRows<3, ACCUMULATORS>>,
            S::run::<LatentRows<4, ACCUMULATORS>>,
            S::run::<LatentRows<5, ACCUMULATORS>>,
            S::run::<LatentRows<6, ACCUMULATORS>>,
            S::run::<LatentRows<7, ACCUMULATORS>>,
            S::run::<LatentRows<8, ACCUMULATORS>>,
        ],
        pack: None,
    }
}

/// The same with products of bfloat16, which rows are rounded to.
pub(crate) const fn latent_pairs<S: Integers, const ACCUMULATORS: usize>() -> LatentEntry {
    LatentEntry {
        isa: S::ISA,
        tiles: [
            S::run::<LatentPairs<1, ACCUMULATORS>>,
            S::run::<LatentPairs<2, ACCUMULATORS>>,
            S::run::<LatentPairs<3, ACCUMULATORS>>,
            S::run::<LatentPairs<4, ACCUMULATORS>>,
            S::run::<LatentPairs<5, ACCUMULATORS>>,
            S::run::<LatentPairs<6, ACCUMULATORS>>,
            S::run::<LatentPairs<7, ACCUMULATORS>>,
            S::run::<LatentPairs<8, ACCUMULATORS>>,
        ],
        pack: Some(Pack { queries: S::run::<PackQueries>, rows: S::run::<PackRows> }),
    }
}

const fn half_rows<S: Halves, const ACCUMULATORS: usize, const PREFETCH: bool>() -> [TileFn; 8] {
    [
        S::run::<HalfRows<1, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<2, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<3, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<4, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<5, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<6, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<7, ACCUMULATORS, PREFETCH>>,
        S::run::<HalfRows<8, ACCUMULATORS, PREFETCH>>,
    ]
}
