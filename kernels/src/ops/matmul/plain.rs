//! Matmul with plain weights: f32, f16, bf16, i8.
//!
//! ```text
//! strip: V vectors of weight rows, interleaved: for each k group, V·LANES lanes of 32 bits (f16: 16 bits)
//! tile:  sums[r][v] = Σ over k groups: weights[group][v] · activations[r][group]        r < R rows, v < V vectors
//! ```
//!
//! A k group is what one 32-bit lane of the activations holds: 1 f32, 2 bf16, 4 u8. A lane of a vector is a weight row, so
//! that a token's group is broadcast, no sum is ever taken across lanes, and the weights are read as one sequential
//! stream whatever the number of tokens.

use super::format::{Format, Unit, words};
use super::register_tile::{Ahead, Operands, RegisterTile};
use super::tile::{MatmulEntry, Shape, Tiles};
use crate::dtype::Dtype;
use crate::simd::{Float, Floats, Integers, Token, Vector};
use std::marker::PhantomData;
use std::ops::Range;

/// One multiply-accumulate of plain weights.
pub(crate) trait Plain<S: Token> {
    const FORMAT: &'static Format;
    /// A vector of weights, ready to be multiplied.
    type Weight: Vector<Registers = S::Registers>;
    /// One k group of a token, in every lane.
    type Input: Vector<Registers = S::Registers>;
    /// Accumulators.
    type Sum: Vector<Registers = S::Registers, Element: Default>;

    /// # Safety
    /// A vector's weights can be read at `from`.
    #[inline(always)]
    unsafe fn weight(token: S, from: *const u8) -> Self::Weight {
        // SAFETY: by contract.
        unsafe { token.load_from(from.cast()) }
    }

    fn multiply_accumulate(token: S, sum: Self::Sum, weight: Self::Weight, input: Self::Input) -> Self::Sum;
}

/// One row of weights and one token, in k groups of `elements` elements.
pub(super) const fn format(weights: Dtype, elements: usize, lane_bytes: usize) -> Format {
    Format {
        weights,
        arithmetic: weights.usual_arithmetic(),
        strip: Unit { elements, bytes: lane_bytes },
        token: Unit { elements, bytes: 4 },
        header: 0,
        blank: 0,
        pack: if lane_bytes == 4 {
            |row, strip, lane| words::<4>(row, strip, lane, 0)
        } else {
            |row, strip, lane| words::<2>(row, strip, lane, 0)
        },
    }
}

/// f32.
pub(crate) static F32_FORMAT: Format = format(Dtype::F32, 1, 4);
/// f16 that becomes f32.
pub(crate) static F16_FORMAT: Format = format(Dtype::F16, 1, 2);

/// f32 weights and tokens.
pub(crate) struct F32;

impl<S: Floats> Plain<S> for F32 {
    const FORMAT: &'static Format = &F32_FORMAT;
    type Weight = S::F32;
    type Input = S::F32;
    type Sum = S::F32;

    #[inline(always)]
    fn multiply_accumulate(_token: S, sum: S::F32, weight: S::F32, input: S::F32) -> S::F32 {
        weight.mul_add(input, sum)
    }
}

/// f16 weights, widened as they are loaded; f32 tokens.
pub(crate) struct F16;

impl<S: Floats> Plain<S> for F16 {
    const FORMAT: &'static Format = &F16_FORMAT;
    type Weight = S::F32;
    type Input = S::F32;
    type Sum = S::F32;

    #[inline(always)]
    unsafe fn weight(token: S, from: *const u8) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_f16_from(from.cast()) }
    }
    #[inline(always)]
    fn multiply_accumulate(_token: S, sum: S::F32, weight: S::F32, input: S::F32) -> S::F32 {
        weight.mul_add(input, sum)
    }
}

/// bf16 in pairs.
pub(crate) static BF16: Format = format(Dtype::Bf16, 2, 4);
/// Bytes in fours.
pub(crate) static I8_FORMAT: Format = format(Dtype::I8, 4, 4);

/// bf16 weights and tokens, f32 sums.
pub(crate) struct Bf16;

impl<S: Integers> Plain<S> for Bf16 {
    const FORMAT: &'static Format = &BF16;
    type Weight = S::I32;
    type Input = S::I32;
    type Sum = S::F32;

    #[inline(always)]
    fn multiply_accumulate(token: S, sum: S::F32, weight: S::I32, input: S::I32) -> S::F32 {
        token.dot_bf16(sum, weight, input)
    }
}

/// i8 weights, u8 tokens, i32 sums.
pub(crate) struct I8;

impl<S: Integers> Plain<S> for I8 {
    const FORMAT: &'static Format = &I8_FORMAT;
    type Weight = S::I32;
    type Input = S::I32;
    type Sum = S::I32;

    #[inline(always)]
    fn multiply_accumulate(token: S, sum: S::I32, weight: S::I32, input: S::I32) -> S::I32 {
        token.dot_u8_i8(sum, input, weight)
    }
}

/// The kernel of a format with strips of `VECTORS` vectors and up to `ROWS` tokens a tile.
pub(crate) const fn plain<S: Token, P: Plain<S>, const VECTORS: usize, const ROWS: usize>() -> MatmulEntry {
    MatmulEntry {
        isa: S::ISA,
        format: P::FORMAT,
        strip_rows: P::Weight::LANES * VECTORS,
        scale: None,
        tiles: Tiles::<S, PlainTile<P, VECTORS, VECTORS>, ROWS>::TABLE,
        sets: Tiles::<S, PlainTile<P, VECTORS, VECTORS>, ROWS>::SETS,
        shapes: &[],
        whole: None,
        quantise: None,
    }
}

/// The same with tiles of up to `TALL` tokens and `PART` vectors of a strip besides: half the columns and twice the tokens read half as
/// many weights from a cache for each product, and twice the tokens.
pub(crate) const fn tall<
    S: Token,
    P: Plain<S>,
    const VECTORS: usize,
    const ROWS: usize,
    const PART: usize,
    const TALL: usize,
>() -> MatmulEntry {
    const { assert!(VECTORS.is_multiple_of(PART)) };
    MatmulEntry {
        shapes: &[Shape {
            columns: P::Weight::LANES * PART,
            tiles: Tiles::<S, PlainTile<P, PART, VECTORS>, TALL>::TABLE,
        }],
        ..plain::<S, P, VECTORS, ROWS>()
    }
}

/// Tokens, read where they stand, times `VECTORS` vectors of a strip of `OF`.
struct PlainTile<P, const VECTORS: usize, const OF: usize>(PhantomData<P>);

/// Bytes of a strip that one turn takes where strips lie side by side: sixteen lines.
pub(super) const TURN_BYTES: usize = 1024;

impl<S: Token, P: Plain<S>, const VECTORS: usize, const OF: usize> RegisterTile<S> for PlainTile<P, VECTORS, OF> {
    type Sums<const ROWS: usize> = [[P::Sum; VECTORS]; ROWS];
    const TURN: usize = TURN_BYTES / (P::Weight::LANES * P::FORMAT.strip.bytes * OF);
    const STEPS: usize = 1;
    const TURN_BYTES: usize = TURN_BYTES;

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, _operands: Operands, _add: bool) -> Self::Sums<ROWS> {
        [[token.splat::<P::Sum>(Default::default()); VECTORS]; ROWS]
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        let vector_bytes = P::Weight::LANES * P::FORMAT.strip.bytes;
        // SAFETY: by contract.
        unsafe {
            let mut weights = operands.weights.add(groups.start * OF * vector_bytes);
            let mut inputs = operands.activations.add(groups.start * 4);
            for _ in groups {
                let w: [P::Weight; VECTORS] = std::array::from_fn(|v| {
                    ahead.load(token, weights, v * vector_bytes);
                    P::weight(token, weights.add(v * vector_bytes))
                });
                for (row, sums) in sums.iter_mut().enumerate() {
                    let input: *const <P::Input as Vector>::Element = inputs.add(row * operands.row_stride).cast();
                    let input = token.splat(input.read_unaligned());
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = P::multiply_accumulate(token, *sum, w, input);
                    }
                }
                weights = weights.add(OF * vector_bytes);
                inputs = inputs.add(4);
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(token: S, sums: Self::Sums<ROWS>, out: *mut u8, out_stride: usize, add: bool) {
        // SAFETY: by contract.
        unsafe { store(token, sums, out, out_stride, add) }
    }
}

/// Stores the sums of a tile, or adds them to what is there.
///
/// # Safety
/// The output is there.
#[inline(always)]
pub(super) unsafe fn store<S: Token, V: Vector<Registers = S::Registers>, const VECTORS: usize, const ROWS: usize>(
    token: S,
    sums: [[V; VECTORS]; ROWS],
    out: *mut u8,
    out_stride: usize,
    add: bool,
) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: by contract.
            unsafe {
                let to = out.add(row * out_stride + v * size_of::<V>()).cast();
                let sum = if add { sum.add(token.load_from(to)) } else { sum };
                sum.store_to(to);
            }
        }
    }
}
