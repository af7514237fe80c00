//! The block formats, a file for each kind, and their list: every table with one of them has all.

mod blocks;
mod iq4_xs;
mod nibbles;
mod q2_k;
mod q4_k;
mod q6_k;

use super::activations::Quantise;
use super::panel::BlockFormat;
use super::tile::{MatmulEntry, TileFn, Tiles};
use super::whole::{rounded_whole, scaled_whole};
use crate::isa::Isa;
use crate::simd::{Integers, Scale, TileUnit, Vector};
use std::marker::PhantomData;

/// The block formats of an instruction set, with up to `ROWS` tokens a tile; those whose nibbles name levels with the token `L`, if
/// another one of the same CPU looks bytes up.
pub(crate) struct BlockFormats<S, const ROWS: usize, L = S>(PhantomData<(S, L)>);

impl<S: Integers, L: Integers, const ROWS: usize> BlockFormats<S, ROWS, L> {
    /// Every block format: a new one is a line here, one in [`UnitFormats::rounded`], and where 32 elements have one scale one in
    /// [`UnitFormats::scaled`].
    pub(crate) const TABLE: &'static [MatmulEntry] = &[
        <BlockFormats<S, ROWS>>::entry::<blocks::Q8_0>(),
        <BlockFormats<S, ROWS>>::entry::<blocks::Q4_0>(),
        <BlockFormats<S, ROWS>>::entry::<nibbles::Q5_0>(),
        <BlockFormats<L, ROWS>>::entry::<nibbles::Iq4Nl>(),
        <BlockFormats<L, ROWS>>::entry::<nibbles::Mxfp4>(),
        <BlockFormats<S, ROWS>>::entry::<q4_k::Q4K>(),
        <BlockFormats<S, ROWS>>::fewer::<q4_k::Q5K>(),
        <BlockFormats<S, ROWS>>::fewer::<q6_k::Q6K>(),
        <BlockFormats<L, ROWS>>::fewer::<iq4_xs::Iq4Xs>(),
        <BlockFormats<S, ROWS>>::fewer::<q2_k::Q3K>(),
        <BlockFormats<S, ROWS>>::fewer::<q2_k::Q2K>(),
    ];
}

impl<S: Integers, const ROWS: usize> BlockFormats<S, ROWS> {
    /// A format whose quants come from several vectors each, which leaves narrow ones without registers for more rows.
    const fn fewer<F: BlockFormat<S>>() -> MatmulEntry {
        if S::I32::LANES == 4 && ROWS > 6 { <BlockFormats<S, 6>>::entry::<F>() } else { Self::entry::<F>() }
    }

    const fn entry<F: BlockFormat<S>>() -> MatmulEntry {
        MatmulEntry {
            isa: S::ISA,
            format: F::FORMAT,
            strip_rows: S::I32::LANES,
            scale: None,
            tiles: Tiles::<S, F, ROWS>::TABLE,
            sets: Tiles::<S, F, ROWS>::SETS,
            shapes: &[],
            whole: None,
            quantise: Some(S::run::<Quantise<F::Activation>>),
        }
    }
}

/// The formats of small blocks, q8_0 and q4_0, with register tiles of an instruction set's own; vectors `Q` quantise tokens for them.
pub(crate) const fn of_small_blocks<Q: Integers>(
    isa: Isa,
    strip_rows: usize,
    scale: Scale,
    [q8_0, q4_0]: [&'static [TileFn]; 2],
) -> [MatmulEntry; 2] {
    let sets = &[];
    [
        MatmulEntry { isa, strip_rows, scale, tiles: q8_0, sets, ..<BlockFormats<Q, 1>>::entry::<blocks::Q8_0>() },
        MatmulEntry { isa, strip_rows, scale, tiles: q4_0, sets, ..<BlockFormats<Q, 1>>::entry::<blocks::Q4_0>() },
    ]
}

/// The block formats on a unit that multiplies tiles, with vectors that make ready what it multiplies.
pub(crate) struct UnitFormats<U, S>(PhantomData<(U, S)>);

impl<U: TileUnit, S: Integers> UnitFormats<U, S> {
    /// Those made bf16: every block format.
    pub(crate) const fn rounded(isa: Isa) -> [MatmulEntry; 11] {
        [
            rounded_whole::<U, S, blocks::Q8_0>(isa),
            rounded_whole::<U, S, blocks::Q4_0>(isa),
            rounded_whole::<U, S, nibbles::Q5_0>(isa),
            rounded_whole::<U, S, nibbles::Iq4Nl>(isa),
            rounded_whole::<U, S, nibbles::Mxfp4>(isa),
            rounded_whole::<U, S, q4_k::Q4K>(isa),
            rounded_whole::<U, S, q4_k::Q5K>(isa),
            rounded_whole::<U, S, q6_k::Q6K>(isa),
            rounded_whole::<U, S, iq4_xs::Iq4Xs>(isa),
            rounded_whole::<U, S, q2_k::Q3K>(isa),
            rounded_whole::<U, S, q2_k::Q2K>(isa),
        ]
    }

    /// Those multiplied as bytes: the formats whose every 32 elements have one scale.
    pub(crate) const fn scaled(isa: Isa) -> [MatmulEntry; 5] {
        [
            scaled_whole::<U, S, blocks::Q8_0>(isa),
            scaled_whole::<U, S, blocks::Q4_0>(isa),
            scaled_whole::<U, S, nibbles::Q5_0>(isa),
            scaled_whole::<U, S, nibbles::Iq4Nl>(isa),
            scaled_whole::<U, S, nibbles::Mxfp4>(isa),
        ]
    }
}
