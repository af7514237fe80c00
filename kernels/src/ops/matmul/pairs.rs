//! Matmul with plain weights where products are blocks of 2×2 sums: two tokens by two rows of weights, eight bytes of each.
//!
//! ```text
//! strip: V vectors of sums, so 2·V of weights: for each k group of eight bytes, two rows in a vector
//! tile:  block[p][h] += tokens[pair p] · weights[pair h]ᵀ      two vectors of sums of a pair of tokens are two blocks side by side
//! ```

use super::arrange::{Arrange, Bf16Pairs, Bytes, Words};
use super::format::{Format, Unit, words};
use super::lanes::begin;
use super::plain::{TURN_BYTES, store};
use super::register_tile::{Ahead, Operands, RegisterTile};
use super::tile::{MatmulEntry, Tiles};
use crate::dtype::Dtype;
use crate::simd::{Integers, Vector};
use std::marker::PhantomData;
use std::ops::Range;

/// Bytes of a row that meet in one product.
const GROUP_BYTES: usize = 8;
/// Words of them.
const GROUP: usize = GROUP_BYTES / 4;

/// One product of plain weights.
pub(crate) trait Paired<S: Integers> {
    const FORMAT: &'static Format;
    /// What tokens become.
    type Words: Words<S>;
    type Sum: Vector<Registers = S::Registers, Element: Default>;

    fn block(token: S, sum: Self::Sum, tokens: S::I32, weights: S::I32) -> Self::Sum;
}

/// i8 weights, stored without a sign; u8 tokens, i32 sums.
pub(crate) struct PairedI8;

impl<S: Integers> Paired<S> for PairedI8 {
    const FORMAT: &'static Format = &Format {
        weights: Dtype::I8,
        arithmetic: Dtype::I8,
        strip: Unit { elements: 8, bytes: GROUP_BYTES },
        token: Unit { elements: 8, bytes: GROUP_BYTES },
        header: 4,
        blank: 0x80,
        pack: |row, strip, lane| words::<GROUP_BYTES>(row, strip, lane, 0x80),
    };
    type Words = Bytes<GROUP>;
    type Sum = S::I32;

    #[inline(always)]
    fn block(token: S, sum: S::I32, tokens: S::I32, weights: S::I32) -> S::I32 {
        token.block_alike::<false>(sum, tokens, weights)
    }
}

/// bf16 weights and tokens, f32 sums.
pub(crate) struct PairedBf16;

impl<S: Integers> Paired<S> for PairedBf16 {
    const FORMAT: &'static Format = &Format {
        weights: Dtype::Bf16,
        arithmetic: Dtype::Bf16,
        strip: Unit { elements: 4, bytes: GROUP_BYTES },
        token: Unit { elements: 4, bytes: GROUP_BYTES },
        header: 0,
        blank: 0,
        pack: |row, strip, lane| words::<GROUP_BYTES>(row, strip, lane, 0),
    };
    type Words = Bf16Pairs;
    type Sum = S::F32;

    #[inline(always)]
    fn block(token: S, sum: S::F32, tokens: S::I32, weights: S::I32) -> S::F32 {
        token.block_bf16(sum, tokens, weights)
    }
}

/// The kernel of a format with strips of `VECTORS` vectors and up to `ROWS` tokens a tile.
pub(crate) const fn paired<S: Integers, P: Paired<S>, const VECTORS: usize, const ROWS: usize>() -> MatmulEntry {
    assert!(P::Sum::LANES == 4);
    MatmulEntry {
        isa: S::ISA,
        format: P::FORMAT,
        strip_rows: P::Sum::LANES * VECTORS,
        scale: None,
        tiles: Tiles::<S, PairedTile<P, VECTORS>, ROWS>::TABLE,
        sets: Tiles::<S, PairedTile<P, VECTORS>, ROWS>::SETS,
        shapes: &[],
        whole: None,
        quantise: Some(S::run::<Arrange<P::Words, GROUP>>),
    }
}

/// A panel of tokens times one strip of `VECTORS` vectors.
struct PairedTile<P, const VECTORS: usize>(PhantomData<P>);

impl<S: Integers, P: Paired<S>, const VECTORS: usize> RegisterTile<S> for PairedTile<P, VECTORS> {
    /// Of two tokens as blocks, a vector of sums being two; of a single one as it is.
    type Sums<const ROWS: usize> = [[P::Sum; VECTORS]; ROWS];
    const TURN: usize = TURN_BYTES / (P::Sum::LANES * GROUP_BYTES * VECTORS);
    const STEPS: usize = 1;
    const TURN_BYTES: usize = <Self as RegisterTile<S>>::TURN * (P::Sum::LANES * GROUP_BYTES * VECTORS);

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, operands: Operands, add: bool) -> Self::Sums<ROWS> {
        // SAFETY: by contract.
        let mut sums: Self::Sums<ROWS> = unsafe { begin(token, P::FORMAT, operands, add) };
        for pair in sums.as_chunks_mut::<2>().0 {
            let [both, _] = pair[0][0].halves_joined(pair[1][0]);
            *pair = [[both; VECTORS]; 2];
        }
        sums
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        let (group_bytes, group) = (P::Sum::LANES * GROUP_BYTES * VECTORS, GROUP_BYTES * ROWS);
        // SAFETY: by contract.
        unsafe {
            let mut weights = operands.weights.add(groups.start * group_bytes);
            let mut panel = operands.activations.add(P::FORMAT.header * ROWS + groups.start * group);
            let (several, rest) = (groups.len() / UNROLLED, groups.len() % UNROLLED);
            for _ in 0..several {
                one_group::<S, P, VECTORS, ROWS>(token, sums, weights, panel, ahead);
                one_group::<S, P, VECTORS, ROWS>(token, sums, weights.add(group_bytes), panel.add(group), ahead);
                one_group::<S, P, VECTORS, ROWS>(
                    token,
                    sums,
                    weights.add(2 * group_bytes),
                    panel.add(2 * group),
                    ahead,
                );
                one_group::<S, P, VECTORS, ROWS>(
                    token,
                    sums,
                    weights.add(3 * group_bytes),
                    panel.add(3 * group),
                    ahead,
                );
                (weights, panel) = (weights.add(UNROLLED * group_bytes), panel.add(UNROLLED * group));
            }
            for _ in 0..rest {
                one_group::<S, P, VECTORS, ROWS>(token, sums, weights, panel, ahead);
                (weights, panel) = (weights.add(group_bytes), panel.add(group));
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(
        token: S,
        mut sums: Self::Sums<ROWS>,
        out: *mut u8,
        out_stride: usize,
        add: bool,
    ) {
        for [first, second] in sums.as_chunks_mut::<2>().0 {
            for (a, b) in first.iter_mut().zip(second) {
                [*a, *b] = a.halves_joined(*b);
            }
        }
        // SAFETY: by contract.
        unsafe { store(token, sums, out, out_stride, add) }
    }
}

/// Groups in one turn of the loop.
const UNROLLED: usize = 4;

/// # Safety
/// The group is there, of the weights and in the panel.
#[inline(always)]
unsafe fn one_group<S: Integers, P: Paired<S>, const VECTORS: usize, const ROWS: usize>(
    token: S,
    sums: &mut [[P::Sum; VECTORS]; ROWS],
    weights: *const u8,
    panel: *const u8,
    ahead: impl Ahead<S>,
) {
    let vector_bytes = S::I32::LANES * 4;
    let (pairs, rest) = sums.as_chunks_mut::<2>();
    // SAFETY: by contract.
    unsafe {
        for v in 0..VECTORS {
            for half in 0..2 {
                let at = (2 * v + half) * vector_bytes;
                ahead.load(token, weights, at);
                let w = token.load_from(weights.add(at).cast());
                for (index, pair) in pairs.iter_mut().enumerate() {
                    let tokens = token.load_from(panel.add(index * 2 * GROUP_BYTES).cast());
                    pair[half][v] = P::block(token, pair[half][v], tokens, w);
                }
                // A single token meets the rows of each half as the first or as the second of a block.
                if let [sums] = rest {
                    let from = panel.add((ROWS - 1) * GROUP_BYTES).cast();
                    let tokens = if half == 0 { token.load_half::<false>(from) } else { token.load_half::<true>(from) };
                    sums[v] = P::block(token, sums[v], tokens, w);
                }
            }
        }
    }
}
