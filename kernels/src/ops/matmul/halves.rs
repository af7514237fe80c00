//! Matmul with f16 weights and f16 tokens in f16 arithmetic.
//!
//! ```text
//! for each 64 elements of k:    halves[r][v] = Σ weights[v] · activations[r]        fused, each sum rounded to f16
//!                               sums[r][v] += halves[r][v]                          in f32
//! ```
//!
//! Sums of f16 lose what f32 keeps: of random products of like size, a relative 0.001 after 64 of them and three times that after
//! 512. So they are widened that often, which costs a tenth of the speed.

use super::arrange::{Arrange, F16Pairs};
use super::format::{Format, Unit, words};
use super::register_tile::{Ahead, Operands, RegisterTile};
use super::tile::{MatmulEntry, Tiles};
use crate::dtype::Dtype;
use crate::simd::{F32Of, Float, Halves, Token, Vector};
use half::f16;
use std::hint::black_box;
use std::ops::Range;

/// Groups of two elements between which sums are widened: the oracle allows for 64 elements.
const GROUPS: usize = 32;

/// Two elements of a row of weights are a word, and so are two of a token.
static FORMAT: Format = Format {
    weights: Dtype::F16,
    arithmetic: Dtype::F16,
    strip: Unit { elements: 2, bytes: 4 },
    token: Unit { elements: 2, bytes: 4 },
    header: 0,
    blank: 0,
    pack: |row, strip, lane| words::<2>(row, strip, lane, 0),
};

/// The kernel with strips of `VECTORS` vectors and up to `ROWS` tokens a tile.
pub(crate) const fn halves<S: Halves, const VECTORS: usize, const ROWS: usize>() -> MatmulEntry {
    MatmulEntry {
        isa: S::ISA,
        format: &FORMAT,
        strip_rows: S::F16::LANES * VECTORS,
        scale: None,
        tiles: Tiles::<S, HalfTile<VECTORS, false>, ROWS>::TABLE,
        sets: Tiles::<S, HalfTile<VECTORS, false>, ROWS>::SETS,
        shapes: &[],
        whole: None,
        quantise: None,
    }
}

/// The same where products take a token's element from any lane of a vector: tokens lie in panels.
pub(crate) const fn laned_halves<S: Halves, const VECTORS: usize, const ROWS: usize>() -> MatmulEntry {
    assert!(S::F16::LANES == 2 * TOKENS);
    MatmulEntry {
        tiles: Tiles::<S, HalfTile<VECTORS, true>, ROWS>::TABLE,
        sets: Tiles::<S, HalfTile<VECTORS, true>, ROWS>::SETS,
        quantise: Some(S::run::<Arrange<F16Pairs, 1>>),
        ..halves::<S, VECTORS, ROWS>()
    }
}

/// Tokens whose words are loaded together from a panel.
const TOKENS: usize = 4;

/// Tokens, read where they stand or `LANED` in a panel, times one strip of `VECTORS` vectors.
struct HalfTile<const VECTORS: usize, const LANED: bool>;

impl<S: Halves, const VECTORS: usize, const LANED: bool> RegisterTile<S> for HalfTile<VECTORS, LANED> {
    /// In memory, at home in the first-level cache.
    type Sums<const ROWS: usize> = [[[F32Of<S>; 2]; VECTORS]; ROWS];
    const TURN: usize = GROUPS;
    const STEPS: usize = 1;
    const TURN_BYTES: usize = GROUPS * VECTORS * S::F16::LANES * 4;

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, _operands: Operands, _add: bool) -> Self::Sums<ROWS> {
        [[[token.floats().splat(0.0); 2]; VECTORS]; ROWS]
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        let vector_bytes = S::F16::LANES * 2;
        // SAFETY: by contract.
        unsafe {
            let mut weights = operands.weights.add(groups.start * 2 * VECTORS * vector_bytes);
            let mut inputs = operands.activations.add(groups.start * if LANED { 4 * ROWS } else { 4 });
            let mut left = groups.len() * 2;
            while left > 0 {
                let steps = left.min(2 * GROUPS);
                let mut halves: [[S::F16; VECTORS]; ROWS] = [[token.splat(f16::ZERO); VECTORS]; ROWS];
                for _ in 0..if LANED { steps / 2 } else { 0 } {
                    one_group(token, &mut halves, weights, inputs, ahead);
                    (weights, inputs) = (weights.add(2 * VECTORS * vector_bytes), inputs.add(4 * ROWS));
                }
                for _ in 0..if LANED { 0 } else { steps } {
                    let w: [S::F16; VECTORS] = std::array::from_fn(|v| {
                        ahead.load(token, weights, v * vector_bytes);
                        token.load_from(weights.add(v * vector_bytes).cast())
                    });
                    for (row, halves) in halves.iter_mut().enumerate() {
                        let input = inputs.add(row * operands.row_stride).cast::<f16>().read_unaligned();
                        let input: S::F16 = token.splat(input);
                        for (half, w) in halves.iter_mut().zip(w) {
                            *half = w.mul_add(input, *half);
                        }
                    }
                    weights = weights.add(VECTORS * vector_bytes);
                    inputs = inputs.add(2);
                }
                // By way of memory: whatever becomes of this loop, the one above has its registers.
                for (sums, halves) in sums.iter_mut().zip(black_box(halves)) {
                    for (sum, half) in sums.iter_mut().zip(halves) {
                        let wide = token.widened(half);
                        *sum = [sum[0].add(wide[0]), sum[1].add(wide[1])];
                    }
                }
                left -= steps;
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(token: S, sums: Self::Sums<ROWS>, out: *mut u8, out_stride: usize, add: bool) {
        for (row, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                for (half, sum) in sum.into_iter().enumerate() {
                    // SAFETY: by contract.
                    unsafe {
                        let to: *mut f32 = out.add(row * out_stride + (2 * v + half) * F32Of::<S>::LANES * 4).cast();
                        let sum = if add { sum.add(token.floats().load_from(to)) } else { sum };
                        sum.store_to(to);
                    }
                }
            }
        }
    }
}

/// The two elements of a group, of tokens in a panel.
///
/// # Safety
/// The group is there, of the weights and in the panel.
#[inline(always)]
unsafe fn one_group<S: Halves, const VECTORS: usize, const ROWS: usize>(
    token: S,
    halves: &mut [[S::F16; VECTORS]; ROWS],
    weights: *const u8,
    panel: *const u8,
    ahead: impl Ahead<S>,
) {
    let vector_bytes = S::F16::LANES * 2;
    let load = |at: usize| -> S::F16 {
        ahead.load(token, weights, at * vector_bytes);
        // SAFETY: by contract.
        unsafe { token.load_from(weights.add(at * vector_bytes).cast()) }
    };
    let (even, odd): ([S::F16; VECTORS], [S::F16; VECTORS]) =
        (std::array::from_fn(load), std::array::from_fn(|v| load(VECTORS + v)));
    let (fours, rest) = halves.as_chunks_mut::<TOKENS>();
    let rest_from = TOKENS * fours.len();
    for (index, [a, b, c, d]) in fours.iter_mut().enumerate() {
        // SAFETY: by contract.
        let input: S::F16 = unsafe { token.load_from(panel.add(index * TOKENS * 4).cast()) };
        for v in 0..VECTORS {
            a[v] = odd[v].mul_add_lane::<1>(input, even[v].mul_add_lane::<0>(input, a[v]));
            b[v] = odd[v].mul_add_lane::<3>(input, even[v].mul_add_lane::<2>(input, b[v]));
            c[v] = odd[v].mul_add_lane::<5>(input, even[v].mul_add_lane::<4>(input, c[v]));
            d[v] = odd[v].mul_add_lane::<7>(input, even[v].mul_add_lane::<6>(input, d[v]));
        }
    }
    for (row, halves) in rest.iter_mut().enumerate() {
        for (w, element) in [(even, 0), (odd, 1)] {
            // SAFETY: by contract.
            let input = unsafe { panel.add((rest_from + row) * 4).cast::<f16>().add(element).read_unaligned() };
            let input: S::F16 = token.splat(input);
            for (half, w) in halves.iter_mut().zip(w) {
                *half = w.mul_add(input, *half);
            }
        }
    }
}
