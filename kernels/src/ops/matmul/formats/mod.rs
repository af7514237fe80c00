//! The block formats, a file for each kind, and their list: every table with one of them has all.

mod blocks;
mod q4_k;
mod q6_k;

use super::activations::Quantise;
use super::panel::BlockFormat;
use super::tile::{MatmulEntry, Tiles};
use crate::simd::{Integers, Vector};
use std::marker::PhantomData;

/// The block formats of an instruction set, with up to `ROWS` tokens a tile.
pub(crate) struct BlockFormats<S, const ROWS: usize>(PhantomData<S>);

impl<S: Integers, const ROWS: usize> BlockFormats<S, ROWS> {
    /// Every block format: a new one is a line here.
    pub(crate) const TABLE: &'static [MatmulEntry] = &[
        Self::entry::<blocks::Q8_0>(),
        Self::entry::<blocks::Q4_0>(),
        Self::entry::<q4_k::Q4K>(),
        Self::entry::<q6_k::Q6K>(),
    ];

    const fn entry<F: BlockFormat<S>>() -> MatmulEntry {
        MatmulEntry {
            isa: S::ISA,
            format: F::FORMAT,
            strip_rows: S::I32::LANES,
            tiles: Tiles::<S, F, ROWS>::TABLE,
            whole: None,
            quantise: Some(S::run::<Quantise<F::Activation>>),
        }
    }
}
