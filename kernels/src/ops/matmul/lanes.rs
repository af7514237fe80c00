//! Matmul with plain weights where products take a token's word from any lane of a vector.
//!
//! ```text
//! tile:  for each k group:  load V vectors of weights, and the words of four tokens at a time from a panel
//!                           sums[r][v] += weights[v] · tokens[r / 4][lane r mod 4]
//! ```
//!
//! A broadcast of each word would take as many instructions as half of the products; so it is one load for four tokens.

use super::arrange::{Arrange, Bytes, RoundedSingles, Singles, Words};
use super::format::{Format, Unit, words};
use super::plain::{TURN_BYTES, store};
use super::register_tile::{Ahead, Operands, RegisterTile};
use super::tile::{MatmulEntry, Tiles};
use crate::dtype::Dtype;
use crate::simd::{ByteProducts, Float, Floats, Integers, Token, Vector};
use std::marker::PhantomData;
use std::ops::Range;

/// Tokens whose words are loaded together: the words of 128 bits.
const TOKENS: usize = 4;

/// One multiply-accumulate of plain weights.
pub(crate) trait Laned<S: Token> {
    const FORMAT: &'static Format;
    /// What tokens become.
    type Words: Words<S>;
    /// A vector of weights of one k group, ready to be multiplied.
    type Weight: Copy;
    /// The same group of [`TOKENS`] tokens.
    type Input: Copy;
    type Sum: Vector<Registers = S::Registers, Element: Default>;
    /// Whether there are registers for several groups in one turn of the loop, whose own instructions are few beside theirs then.
    const SEVERAL: bool = true;

    /// # Safety
    /// A vector's weights can be read at `from`.
    unsafe fn weight(token: S, from: *const u8) -> Self::Weight;

    /// # Safety
    /// The group's words of so many tokens can be read at `from`, each word `apart` bytes behind the one before it.
    unsafe fn inputs(token: S, from: *const u8, apart: usize) -> Self::Input;

    /// One token for all.
    ///
    /// # Safety
    /// As [`Laned::inputs`], for one.
    unsafe fn input(token: S, from: *const u8, apart: usize) -> Self::Input;

    fn multiply_accumulate<const LANE: usize>(
        token: S,
        sum: Self::Sum,
        weight: Self::Weight,
        input: Self::Input,
    ) -> Self::Sum;
}

const fn format(weights: Dtype, strip: Unit, token: Unit) -> Format {
    Format {
        weights,
        arithmetic: weights.usual_arithmetic(),
        strip,
        token,
        header: 0,
        blank: 0,
        pack: if strip.bytes == 4 {
            |row, strip, lane| words::<4>(row, strip, lane, 0)
        } else {
            |row, strip, lane| words::<2>(row, strip, lane, 0)
        },
    }
}

/// f32 weights and tokens.
pub(crate) struct LanedF32;
/// f16 weights, widened as they are loaded; f32 tokens.
pub(crate) struct LanedF16;
/// bf16 weights, widened as they are loaded; tokens rounded to bf16.
pub(crate) struct LanedBf16;
/// i8 weights, stored without a sign; u8 tokens, i32 sums.
pub(crate) struct LanedI8;

impl<S: Floats> Laned<S> for LanedF32 {
    const FORMAT: &'static Format = &format(Dtype::F32, Unit { elements: 1, bytes: 4 }, Unit { elements: 1, bytes: 4 });
    type Words = Singles;
    type Weight = S::F32;
    type Input = S::F32;
    type Sum = S::F32;

    #[inline(always)]
    unsafe fn weight(token: S, from: *const u8) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_from(from.cast()) }
    }
    #[inline(always)]
    unsafe fn inputs(token: S, from: *const u8, _apart: usize) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_from(from.cast()) }
    }
    #[inline(always)]
    unsafe fn input(token: S, from: *const u8, _apart: usize) -> S::F32 {
        // SAFETY: by contract.
        token.splat(unsafe { from.cast::<f32>().read_unaligned() })
    }
    #[inline(always)]
    fn multiply_accumulate<const LANE: usize>(_token: S, sum: S::F32, weight: S::F32, input: S::F32) -> S::F32 {
        weight.mul_add_lane::<LANE>(input, sum)
    }
}

impl<S: Floats> Laned<S> for LanedF16 {
    const FORMAT: &'static Format = &format(Dtype::F16, Unit { elements: 1, bytes: 2 }, Unit { elements: 1, bytes: 4 });
    type Words = Singles;
    type Weight = S::F32;
    type Input = S::F32;
    type Sum = S::F32;

    #[inline(always)]
    unsafe fn weight(token: S, from: *const u8) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_f16_from(from.cast()) }
    }
    #[inline(always)]
    unsafe fn inputs(token: S, from: *const u8, apart: usize) -> S::F32 {
        // SAFETY: by contract.
        unsafe { LanedF32::inputs(token, from, apart) }
    }
    #[inline(always)]
    unsafe fn input(token: S, from: *const u8, apart: usize) -> S::F32 {
        // SAFETY: by contract.
        unsafe { LanedF32::input(token, from, apart) }
    }
    #[inline(always)]
    fn multiply_accumulate<const LANE: usize>(_token: S, sum: S::F32, weight: S::F32, input: S::F32) -> S::F32 {
        weight.mul_add_lane::<LANE>(input, sum)
    }
}

impl<S: Integers> Laned<S> for LanedBf16 {
    const FORMAT: &'static Format =
        &format(Dtype::Bf16, Unit { elements: 2, bytes: 4 }, Unit { elements: 2, bytes: 8 });
    type Words = RoundedSingles;
    type Weight = [S::F32; 2];
    type Input = [S::F32; 2];
    type Sum = S::F32;

    #[inline(always)]
    unsafe fn weight(token: S, from: *const u8) -> [S::F32; 2] {
        // SAFETY: by contract.
        token.widen_bf16(unsafe { token.load_from(from.cast()) })
    }
    #[inline(always)]
    unsafe fn inputs(token: S, from: *const u8, apart: usize) -> [S::F32; 2] {
        // SAFETY: by contract.
        [0, apart].map(|at| unsafe { LanedF32::inputs(token, from.add(at), apart) })
    }
    #[inline(always)]
    unsafe fn input(token: S, from: *const u8, apart: usize) -> [S::F32; 2] {
        // SAFETY: by contract.
        [0, apart].map(|at| unsafe { LanedF32::input(token, from.add(at), apart) })
    }
    #[inline(always)]
    fn multiply_accumulate<const LANE: usize>(
        _token: S,
        sum: S::F32,
        weight: [S::F32; 2],
        input: [S::F32; 2],
    ) -> S::F32 {
        weight[1].mul_add_lane::<LANE>(input[1], weight[0].mul_add_lane::<LANE>(input[0], sum))
    }
}

impl<S: Integers> Laned<S> for LanedI8 {
    const FORMAT: &'static Format = &Format {
        header: 4,
        blank: 0x80,
        pack: |row, strip, lane| words::<4>(row, strip, lane, 0x80),
        ..format(Dtype::I8, Unit { elements: 4, bytes: 4 }, Unit { elements: 4, bytes: 4 })
    };
    type Words = Bytes<1>;
    const SEVERAL: bool = matches!(S::BYTES, ByteProducts::Lanes);
    type Weight = S::I32;
    type Input = S::I32;
    type Sum = S::I32;

    #[inline(always)]
    unsafe fn weight(token: S, from: *const u8) -> S::I32 {
        // SAFETY: by contract.
        unsafe { token.load_from(from.cast()) }
    }
    #[inline(always)]
    unsafe fn inputs(token: S, from: *const u8, _apart: usize) -> S::I32 {
        // SAFETY: by contract.
        unsafe { token.load_from(from.cast()) }
    }
    #[inline(always)]
    unsafe fn input(token: S, from: *const u8, _apart: usize) -> S::I32 {
        // SAFETY: by contract.
        token.splat(unsafe { from.cast::<i32>().read_unaligned() })
    }
    #[inline(always)]
    fn multiply_accumulate<const LANE: usize>(token: S, sum: S::I32, weight: S::I32, input: S::I32) -> S::I32 {
        token.dot_alike_lane::<false, LANE>(sum, weight, input)
    }
}

/// The kernel of a format in groups of `GROUP` words of a token, with strips of `VECTORS` vectors and up to `ROWS` tokens a tile.
pub(crate) const fn laned<S: Token, P: Laned<S>, const GROUP: usize, const VECTORS: usize, const ROWS: usize>()
-> MatmulEntry {
    assert!(P::Sum::LANES == TOKENS && P::FORMAT.token.bytes == 4 * GROUP);
    MatmulEntry {
        isa: S::ISA,
        format: P::FORMAT,
        strip_rows: P::Sum::LANES * VECTORS,
        scale: None,
        tiles: Tiles::<S, LanedTile<P, VECTORS>, ROWS>::TABLE,
        sets: Tiles::<S, LanedTile<P, VECTORS>, ROWS>::SETS,
        shapes: &[],
        whole: None,
        quantise: Some(S::run::<Arrange<P::Words, GROUP>>),
    }
}

/// A panel of tokens times one strip of `VECTORS` vectors.
struct LanedTile<P, const VECTORS: usize>(PhantomData<P>);

impl<S: Token, P: Laned<S>, const VECTORS: usize> RegisterTile<S> for LanedTile<P, VECTORS> {
    type Sums<const ROWS: usize> = [[P::Sum; VECTORS]; ROWS];
    const TURN: usize = TURN_BYTES / (P::Sum::LANES * P::FORMAT.strip.bytes * VECTORS);
    const STEPS: usize = 1;
    const TURN_BYTES: usize = <Self as RegisterTile<S>>::TURN * (P::Sum::LANES * P::FORMAT.strip.bytes * VECTORS);

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, operands: Operands, add: bool) -> Self::Sums<ROWS> {
        // SAFETY: by contract.
        unsafe { begin::<S, P::Sum, VECTORS, ROWS>(token, P::FORMAT, operands, add) }
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        let group = P::FORMAT.token.bytes * ROWS;
        let group_bytes = P::Sum::LANES * P::FORMAT.strip.bytes * VECTORS;
        // SAFETY: by contract.
        unsafe {
            let mut weights = operands.weights.add(groups.start * group_bytes);
            let mut panel = operands.activations.add(P::FORMAT.header * ROWS + groups.start * group);
            let several = if P::SEVERAL { groups.len() / UNROLLED } else { 0 };
            let rest = groups.len() - several * UNROLLED;
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
    unsafe fn finish<const ROWS: usize>(token: S, sums: Self::Sums<ROWS>, out: *mut u8, out_stride: usize, add: bool) {
        // SAFETY: by contract.
        unsafe { store(token, sums, out, out_stride, add) }
    }
}

/// Groups in one turn of the loop. They are written out: a closure that is called so often is not inlined, and takes on no instructions.
const UNROLLED: usize = 4;

/// What a tile's sums begin with: the word of each row that stands first in the panel, if there is one; else nothing.
///
/// # Safety
/// The panel is there.
#[inline(always)]
pub(super) unsafe fn begin<S: Token, V, const VECTORS: usize, const ROWS: usize>(
    token: S,
    format: &Format,
    operands: Operands,
    add: bool,
) -> [[V; VECTORS]; ROWS]
where
    V: Vector<Registers = S::Registers, Element: Default>,
{
    let mut sums = [[token.splat(V::Element::default()); VECTORS]; ROWS];
    if format.header > 0 && !add {
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: by contract; headers are a word of each row.
            let first = unsafe { operands.activations.cast::<V::Element>().add(row).read_unaligned() };
            *sums = [token.splat(first); VECTORS];
        }
    }
    sums
}

/// # Safety
/// The group is there, of the weights and in the panel.
#[inline(always)]
unsafe fn one_group<S: Token, P: Laned<S>, const VECTORS: usize, const ROWS: usize>(
    token: S,
    sums: &mut [[P::Sum; VECTORS]; ROWS],
    weights: *const u8,
    panel: *const u8,
    ahead: impl Ahead<S>,
) {
    let vector_bytes = P::Sum::LANES * P::FORMAT.strip.bytes;
    // SAFETY: by contract.
    unsafe {
        let w: [P::Weight; VECTORS] = std::array::from_fn(|v| {
            ahead.load(token, weights, v * vector_bytes);
            P::weight(token, weights.add(v * vector_bytes))
        });
        let (fours, rest) = sums.as_chunks_mut::<TOKENS>();
        let rest_from = TOKENS * fours.len();
        for (index, [a, b, c, d]) in fours.iter_mut().enumerate() {
            let input = P::inputs(token, panel.add(index * TOKENS * 4), ROWS * 4);
            for v in 0..VECTORS {
                a[v] = P::multiply_accumulate::<0>(token, a[v], w[v], input);
                b[v] = P::multiply_accumulate::<1>(token, b[v], w[v], input);
                c[v] = P::multiply_accumulate::<2>(token, c[v], w[v], input);
                d[v] = P::multiply_accumulate::<3>(token, d[v], w[v], input);
            }
        }
        for (row, sums) in rest.iter_mut().enumerate() {
            let input = P::input(token, panel.add((rest_from + row) * 4), ROWS * 4);
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = P::multiply_accumulate::<0>(token, *sum, w, input);
            }
        }
    }
}
