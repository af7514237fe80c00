//! Matmul with ggml's q6_k: super-blocks of 16 sub-blocks of 16, each with an 8-bit scale.
//!
//! Strip of one vector, super-blocks in pairs: d of both as f16, then for each and each of its four places the scales of four
//! sub-blocks, a byte per row, 4 words of high bit pairs and 8 of low nibbles: everything in the order of its use, without
//! which the prefetchers of memory are lost.

use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, SUPER_BLOCK, q8_k, quads};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, add_scaled, store};
use crate::ops::matmul::tile::{RegisterTile, TileArguments};
use crate::simd::{Float, Integer, Integers, Vector};

pub(super) struct Q6K;

/// Words of a super-block of one token: scale, start values of the 16 sub-blocks, 64 quads.
const WORDS: usize = 1 + 16 + SUPER_BLOCK / 4;

const FORMAT: Format = Format {
    weights: Dtype::Q6K,
    arithmetic: Dtype::Q6K.usual_arithmetic(),
    strip: Unit { elements: 2 * SUPER_BLOCK, bytes: 2 * 210 },
    token: Unit { elements: SUPER_BLOCK, bytes: WORDS * 4 },
    pack,
};

/// ggml's super-block: 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, f16 d.
fn pack(row: &[u8], strip: &mut [u8], lane: Lane) {
    for (index, block) in row.chunks_exact(210).enumerate() {
        let pair = &mut strip[index / 2 * 420 * lane.of..];
        let half = index % 2;
        words::<2>(&block[208..], &mut pair[half * lane.of * 2..], lane, 0);
        let rest = &mut pair[(4 + half * 208) * lane.of..];
        for (index, place) in rest[..208 * lane.of].chunks_exact_mut(52 * lane.of).enumerate() {
            // The scales of four sub-blocks, a byte each; the high words of their quads, then two low ones of each.
            let (half, part) = (index / 2, index % 2);
            let scales: [u8; 4] = std::array::from_fn(|quarter| block[192 + 8 * half + 2 * quarter + part]);
            words::<1>(&scales, place, lane, 0);
            let (high, low) = (128 + half * 32 + part * 16, half * 64 + part * 16);
            words::<4>(&block[high..high + 16], &mut place[4 * lane.of..], lane, 0);
            words::<4>(&block[low..low + 16], &mut place[20 * lane.of..], lane, 0);
            words::<4>(&block[low + 32..low + 48], &mut place[36 * lane.of..], lane, 0);
        }
    }
}

/// Q8_K activations with the start values that the zero point of 32 makes.
pub(super) struct Tokens;

impl Activation for Tokens {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = WORDS;

    #[inline(always)]
    fn quantise<S: Integers>(token: S, values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        let (d, quants, sums) = q8_k(token, values);
        word(0, d.to_ne_bytes());
        for (sub, sum) in sums.iter().enumerate() {
            word(1 + sub, sum.wrapping_mul(-32).to_ne_bytes());
        }
        quads(&quants, 17, word);
    }
}

impl<S: Integers> BlockFormat<S> for Q6K {
    const FORMAT: &'static Format = &FORMAT;
    type Activation = Tokens;
}

impl<S: Integers> RegisterTile<S> for Q6K {
    #[inline(always)]
    unsafe fn multiply<const ROWS: usize>(token: S, arguments: &TileArguments<'_>) {
        let vector = S::I32::LANES * 4;
        debug_assert!(arguments.weights.len() >= arguments.groups.div_ceil(2) * 105 * vector);
        // SAFETY: by contract.
        unsafe {
            let mut sums: [S::F32; ROWS] = [token.splat(0.0); ROWS];
            let mut panel = Panel::<ROWS>::new(arguments, WORDS);
            for block in 0..arguments.groups {
                let pair = arguments.weights.as_ptr().add(block / 2 * 105 * vector);
                let (d, quants) = (pair.add(block % 2 * vector / 2), pair.add(vector + block % 2 * 52 * vector));
                let mut ints: [S::I32; ROWS] = [token.splat(0); ROWS];
                for half in 0..2 {
                    for part in 0..2 {
                        let place = Place { weights: quants.add((2 * half + part) * 13 * vector), half, part };
                        sub_block::<S, 0, ROWS>(token, &mut ints, panel, place);
                        sub_block::<S, 1, ROWS>(token, &mut ints, panel, place);
                        sub_block::<S, 2, ROWS>(token, &mut ints, panel, place);
                        sub_block::<S, 3, ROWS>(token, &mut ints, panel, place);
                    }
                }
                let d = token.load_f16_from(d.cast());
                for (row, sum) in sums.iter_mut().enumerate() {
                    let scale = d.mul(token.splat(panel.f32(0, row)));
                    *sum = ints[row].to_float().mul_add(scale, *sum);
                }
                panel = panel.skip(WORDS);
            }
            store(sums, arguments);
        }
    }
}

/// Four sub-blocks of a super-block, one in each quarter: elements 128·half + 32·quarter + 16·part and the next fifteen.
#[derive(Clone, Copy)]
struct Place {
    /// Their scales, with their quants behind them.
    weights: *const u8,
    half: usize,
    part: usize,
}

/// Multiplies one sub-block.
///
/// # Safety
/// The super-block is there, and in the panel.
#[inline(always)]
unsafe fn sub_block<S: Integers, const QUARTER: usize, const ROWS: usize>(
    token: S,
    ints: &mut [S::I32; ROWS],
    panel: Panel<ROWS>,
    Place { weights, half, part }: Place,
) {
    let vector = S::I32::LANES * 4;
    let sub = 8 * half + 2 * QUARTER + part;
    // SAFETY: by contract.
    unsafe {
        let (low4, high2): (S::I32, S::I32) = (token.splat(0x0f0f_0f0f), token.splat(0x3030_3030));
        let (highs, lows) = (weights.add(vector), weights.add((5 + QUARTER % 2 * 4) * vector));
        let mut dots: [S::I32; ROWS] = std::array::from_fn(|row| token.splat(panel.i32(1 + sub, row)));
        for q in 0..4 {
            let load = |from: *const u8| -> S::I32 { token.load_from(from.add(q * vector).cast()) };
            let (low, high) = (load(lows), load(highs));
            let (low, high) = match QUARTER {
                0 => (low, high.shl::<4>()),
                1 => (low, high.shl::<2>()),
                2 => (low.shr::<4>(), high),
                _ => (low.shr::<4>(), high.shr::<2>()),
            };
            let w = low.and(low4).or(high.and(high2));
            panel.multiply_accumulate::<S, false>(token, &mut dots, w, 17 + sub * 4 + q);
        }
        add_scaled(ints, dots, token.load_i8_from(weights.add(QUARTER * S::I32::LANES).cast()));
    }
}
