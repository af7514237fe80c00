//! Matmul with ggml's iq4_xs: super-blocks of 8 sub-blocks of 32, each with a 6-bit scale; nibbles that name the levels of iq4_nl.
//!
//! Strip of one vector and super-block: d as f16, the upper two bits of the scales in two bytes, their lower four bits as a word, 32
//! words of nibbles.

use super::blocks::values_above;
use super::nibbles::iq4_levels;
use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, SUPER_BLOCK, q8_k, quads};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, Sums, add_scaled, quant_words, settled, store};
use crate::ops::matmul::register_tile::{Ahead, InOrder, Operands, RegisterTile};
use crate::ops::matmul::whole::Dequantise;
use crate::simd::{ByteProducts, Float, Integer, Integers, Vector};
use std::ops::Range;

pub(super) struct Iq4Xs;

/// Words of a super-block of one row.
const ROW_WORDS: usize = 34;
/// Words of a super-block of one token before its quads: scale, start values of the 8 sub-blocks.
const HEADER: usize = 1 + 8;
/// Words of a super-block of one token.
const WORDS: usize = HEADER + SUPER_BLOCK / 4;
/// What levels without a sign have too much.
const ZERO: i32 = 128;

const fn format(pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    Format {
        weights: Dtype::Iq4Xs,
        arithmetic: Dtype::Iq4Xs.usual_arithmetic(),
        strip: Unit { elements: SUPER_BLOCK, bytes: ROW_WORDS * 4 },
        token: Unit { elements: SUPER_BLOCK, bytes: WORDS * 4 },
        header: 0,
        blank: 0,
        pack,
    }
}

/// ggml's super-block: f16 d, 2 bytes of upper bits of the scales, 4 of lower ones, 128 of nibbles.
fn pack(row: &[u8], strip: &mut [u8], lane: Lane, bytes: ByteProducts) {
    let vector = 4 * lane.of;
    for (block, strip) in row.chunks_exact(136).zip(strip.chunks_exact_mut(136 * lane.of)) {
        words::<2>(&block[..2], strip, lane, 0);
        words::<1>(&block[2..4], &mut strip[vector / 2..], lane, 0);
        words::<4>(&block[4..8], &mut strip[vector..], lane, 0);
        quant_words(&block[8..], &mut strip[2 * vector..], lane, 0, bytes);
    }
}

/// Q8_K activations with the start values that a zero point makes.
pub(super) struct Tokens;

impl Activation for Tokens {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = WORDS;
    const HEADER: usize = HEADER;

    #[inline(always)]
    fn quantise<S: Integers>(token: S, values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        let (d, quants, sums) = q8_k(token, values);
        word(0, d.to_ne_bytes());
        for (sub, [lower, upper]) in sums.as_chunks::<2>().0.iter().enumerate() {
            word(1 + sub, lower.wrapping_add(*upper).wrapping_mul(-ZERO).to_ne_bytes());
        }
        quads(&quants, HEADER, word);
    }
}

impl<S: Integers> BlockFormat<S> for Iq4Xs {
    const FORMAT: &'static Format = &format(|row, strip, lane| pack(row, strip, lane, S::BYTES));
    type Activation = Tokens;
}

impl<S: Integers> RegisterTile<S> for Iq4Xs {
    type Sums<const ROWS: usize> = Sums<S, ROWS>;
    const TURN: usize = 1;
    /// Two sub-blocks each.
    const STEPS: usize = 4;
    const TURN_BYTES: usize = ROW_WORDS * 4 * S::I32::LANES;

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, _operands: Operands, _add: bool) -> Self::Sums<ROWS> {
        Sums::start(token)
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            let weights = operands.weights.add(groups.start * ROW_WORDS * vector);
            let panel = Panel::<ROWS>::from(operands, groups.start, WORDS);
            let scales = two_scales(token, weights, STEP);
            two_sub_blocks::<S, ROWS>(token, &mut sums.ints, panel, (weights, STEP, scales), ahead);
            if STEP < 2 {
                ahead.load(token, weights, STEP * vector);
            }
            if STEP == 3 {
                sums.end_block(token, panel, token.load_f16_from(weights.cast()));
            }
        }
    }

    #[inline(always)]
    unsafe fn all<const ROWS: usize>(token: S, sums: &mut Self::Sums<ROWS>, operands: Operands, groups: usize) {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            for group in 0..groups {
                let weights = operands.weights.add(group * ROW_WORDS * vector);
                let panel = Panel::<ROWS>::from(operands, group, WORDS);
                for pair in 0..4 {
                    let scales = two_scales(token, weights, pair);
                    two_sub_blocks::<S, ROWS>(token, &mut sums.ints, panel, (weights, pair, scales), InOrder);
                }
                sums.end_block(token, panel, token.load_f16_from(weights.cast()));
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(
        _token: S,
        sums: Self::Sums<ROWS>,
        out: *mut u8,
        out_stride: usize,
        _add: bool,
    ) {
        // SAFETY: by contract.
        unsafe { store(sums.floats, out, out_stride) }
    }
}

/// The scales of two sub-blocks.
///
/// # Safety
/// The super-block is there.
#[inline(always)]
unsafe fn two_scales<S: Integers>(token: S, weights: *const u8, pair: usize) -> [S::I32; 2] {
    let (lanes, splat) = (S::I32::LANES, |value: i32| -> S::I32 { token.splat(value) });
    // SAFETY: by contract.
    let (low, high): (S::I32, S::I32) = unsafe {
        (
            token.load_from(weights.add(4 * lanes).cast()),
            // Signs come in from above, where nothing is kept.
            token.load_i8_from(weights.add((2 + pair / 2) * lanes).cast()),
        )
    };
    let low = match pair {
        0 => low,
        1 => low.shr::<8>(),
        2 => low.shr::<16>(),
        _ => low.shr::<24>(),
    };
    let high = if pair.is_multiple_of(2) { high.shl::<4>() } else { high };
    // No `map`, which a compiler may leave a call.
    let scale = |low: S::I32, high: S::I32| low.and(splat(0x0f)).or(high.and(splat(0x30))).add(splat(-32));
    [scale(low, high), scale(low.shr::<4>(), high.shr::<2>())]
}

/// Multiplies two sub-blocks.
///
/// # Safety
/// The super-block is there, and in the panel.
#[inline(always)]
unsafe fn two_sub_blocks<S: Integers, const ROWS: usize>(
    token: S,
    ints: &mut [S::I32; ROWS],
    panel: Panel<ROWS>,
    (weights, pair, scales): (*const u8, usize, [S::I32; 2]),
    ahead: impl Ahead<S>,
) {
    let (vector, signed) = (S::I32::LANES * 4, S::BYTES.signed());
    let together = S::BYTES.turn();
    for (within, scale) in scales.into_iter().enumerate() {
        let sub = 2 * pair + within;
        let word = HEADER + 8 * sub;
        // SAFETY: by contract.
        unsafe {
            let from = weights.add((2 + 4 * sub) * vector);
            let mut dots: [S::I32; ROWS] = if signed { [token.splat(0); ROWS] } else { panel.starts(token, 1 + sub) };
            for turn in 0..4 / together {
                for q in turn * together..(turn + 1) * together {
                    ahead.load(token, from, q * vector);
                    let raw = token.load_from(from.add(q * vector).cast());
                    let [lows, highs] = iq4_levels(token, raw, signed);
                    panel.multiply_accumulate::<S, true>(token, &mut dots, lows, word, q);
                    panel.multiply_accumulate::<S, true>(token, &mut dots, highs, word + 4, q);
                }
            }
            add_scaled(ints, settled::<S, ROWS>(dots), scale);
        }
    }
}

impl<S: Integers> Dequantise<S> for Iq4Xs {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            let weights = strip.add(block * ROW_WORDS * vector);
            let d: S::F32 = token.load_f16_from(weights.cast());
            for pair in 0..4 {
                for (within, scale) in two_scales(token, weights, pair).into_iter().enumerate() {
                    let (sub, scale) = (2 * pair + within, scale.to_float().mul(d));
                    for q in 0..4 {
                        let raw = token.load_from(weights.add((2 + 4 * sub + q) * vector).cast());
                        let [lows, highs] = iq4_levels(token, raw, false);
                        each(32 * sub + 4 * q, values_above(token, lows, scale, ZERO));
                        each(32 * sub + 16 + 4 * q, values_above(token, highs, scale, ZERO));
                    }
                }
            }
        }
    }
}
