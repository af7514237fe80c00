//! Matmul with ggml's q6_k: super-blocks of 16 sub-blocks of 16, each with an 8-bit scale.
//!
//! Strip of one vector, super-blocks in pairs: d of both as f16, then for each and each of its four places the scales of four
//! sub-blocks, a byte per row, 4 words of high bit pairs and 8 of low nibbles: everything in the order of its use, without
//! which the prefetchers of memory are lost.

use super::blocks::values_above;
use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, SUPER_BLOCK, q8_k, quads};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, Sums, add_scaled, quant_words, settled, store};
use crate::ops::matmul::register_tile::{Ahead, InOrder, Operands, RegisterTile};
use crate::ops::matmul::whole::Dequantise;
use crate::simd::{ByteProducts, Float, Integer, Integers, Vector};
use std::ops::Range;

pub(super) struct Q6K;

/// Words of a super-block of one token: scale, start values of the 16 sub-blocks, 64 quads.
const WORDS: usize = 1 + 16 + SUPER_BLOCK / 4;

const fn format(pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    Format {
        weights: Dtype::Q6K,
        arithmetic: Dtype::Q6K.usual_arithmetic(),
        strip: Unit { elements: 2 * SUPER_BLOCK, bytes: 2 * 210 },
        token: Unit { elements: SUPER_BLOCK, bytes: WORDS * 4 },
        header: 0,
        blank: 0,
        pack,
    }
}

/// ggml's super-block: 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, f16 d.
fn pack(row: &[u8], strip: &mut [u8], lane: Lane, bytes: ByteProducts) {
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
            quant_words(&block[high..high + 16], &mut place[4 * lane.of..], lane, 0, bytes);
            quant_words(&block[low..low + 16], &mut place[20 * lane.of..], lane, 0, bytes);
            quant_words(&block[low + 32..low + 48], &mut place[36 * lane.of..], lane, 0, bytes);
        }
    }
}

/// Q8_K activations with the start values that the zero point of 32 makes.
pub(super) struct Tokens;

impl Activation for Tokens {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = WORDS;
    const HEADER: usize = 17;

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
    const FORMAT: &'static Format = &format(|row, strip, lane| pack(row, strip, lane, S::BYTES));
    type Activation = Tokens;
}

impl<S: Integers> RegisterTile<S> for Q6K {
    type Sums<const ROWS: usize> = Sums<S, ROWS>;
    const TURN: usize = 1;
    /// One place each.
    const STEPS: usize = 4;
    const TURN_BYTES: usize = 210 * S::I32::LANES;

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
        let block = groups.start;
        // SAFETY: by contract.
        unsafe {
            let pair = operands.weights.add(block / 2 * 105 * vector);
            let quants = pair.add((1 + block % 2 * 52) * vector);
            let panel = Panel::<ROWS>::from(operands, block, WORDS);
            let place = Place { weights: quants.add(STEP * 13 * vector), half: STEP / 2, part: STEP % 2 };
            sub_blocks::<S, ROWS>(token, &mut sums.ints, panel, place, ahead);
            if STEP < 3 {
                return;
            }
            // For both blocks of the pair alike: a branch would let the compiler move everything behind it, and spill.
            ahead.load(token, pair, 0);
            let d = token.load_f16_from(pair.add(block % 2 * vector / 2).cast());
            sums.end_block(token, panel, d);
        }
    }

    /// A loop over the places: written out, they need more registers than there are for many rows.
    #[inline(always)]
    unsafe fn all<const ROWS: usize>(token: S, sums: &mut Self::Sums<ROWS>, operands: Operands, groups: usize) {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            for block in 0..groups {
                let pair = operands.weights.add(block / 2 * 105 * vector);
                let (d, quants) = (pair.add(block % 2 * vector / 2), pair.add(vector + block % 2 * 52 * vector));
                let panel = Panel::<ROWS>::from(operands, block, WORDS);
                let mut ints: [S::I32; ROWS] = [token.splat(0); ROWS];
                for half in 0..2 {
                    for part in 0..2 {
                        let place = Place { weights: quants.add((2 * half + part) * 13 * vector), half, part };
                        sub_blocks::<S, ROWS>(token, &mut ints, panel, place, InOrder);
                    }
                }
                panel.add_block(token, &mut sums.floats, ints, token.load_f16_from(d.cast()));
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

/// Four sub-blocks of a super-block, one in each quarter: elements 128·half + 32·quarter + 16·part and the next fifteen.
#[derive(Clone, Copy)]
struct Place {
    /// Their scales, with their quants behind them.
    weights: *const u8,
    half: usize,
    part: usize,
}

/// Multiplies the four sub-blocks of a place.
///
/// # Safety
/// The super-block is there, and in the panel.
#[inline(always)]
unsafe fn sub_blocks<S: Integers, const ROWS: usize>(
    token: S,
    ints: &mut [S::I32; ROWS],
    panel: Panel<ROWS>,
    place: Place,
    ahead: impl Ahead<S>,
) {
    // SAFETY: by contract.
    unsafe {
        sub_block::<S, 0, ROWS>(token, ints, panel, place, ahead);
        sub_block::<S, 1, ROWS>(token, ints, panel, place, ahead);
        sub_block::<S, 2, ROWS>(token, ints, panel, place, ahead);
        sub_block::<S, 3, ROWS>(token, ints, panel, place, ahead);
    }
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
    ahead: impl Ahead<S>,
) {
    let vector = S::I32::LANES * 4;
    let sub = 8 * half + 2 * QUARTER + part;
    // SAFETY: by contract.
    unsafe {
        let (low4, high2): (S::I32, S::I32) = (token.splat(0x0f0f_0f0f), token.splat(0x3030_3030));
        let (highs, lows) = (weights.add(vector), weights.add((5 + QUARTER % 2 * 4) * vector));
        let mut dots: [S::I32; ROWS] = panel.starts(token, 1 + sub);
        for q in 0..4 {
            let load = |from: *const u8| -> S::I32 { token.load_from(from.add(q * vector).cast()) };
            // The thirteen lines of the place, in their order.
            if QUARTER * 4 + q < 13 {
                ahead.load(token, weights, (QUARTER * 4 + q) * vector);
            }
            let (low, high) = (load(lows), load(highs));
            let (low, high) = match QUARTER {
                0 => (low, high.shl::<4>()),
                1 => (low, high.shl::<2>()),
                2 => (low.shr::<4>(), high),
                _ => (low.shr::<4>(), high.shr::<2>()),
            };
            let w = low.and(low4).or(high.and(high2));
            panel.multiply_accumulate::<S, false>(token, &mut dots, w, 17 + sub * 4, q);
        }
        add_scaled(ints, settled::<S, ROWS>(dots), token.load_i8_from(weights.add(QUARTER * S::I32::LANES).cast()));
    }
}

impl<S: Integers> Dequantise<S> for Q6K {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        let vector = S::I32::LANES * 4;
        let splat = |value: i32| -> S::I32 { token.splat(value) };
        let [low4, high2] = [0x0f0f_0f0f, 0x3030_3030].map(splat);
        // SAFETY: by contract.
        unsafe {
            let pair = strip.add(block / 2 * 105 * vector);
            let d = token.load_f16_from(pair.add(block % 2 * vector / 2).cast());
            let places = pair.add(vector + block % 2 * 52 * vector);
            for place in 0..4 {
                let weights = places.add(place * 13 * vector);
                let scale =
                    |quarter: usize| token.load_i8_from(weights.add(quarter * S::I32::LANES).cast()).to_float().mul(d);
                let scales = [scale(0), scale(1), scale(2), scale(3)];
                let load = |word: usize| -> S::I32 { token.load_from(weights.add(word * vector).cast()) };
                for q in 0..4 {
                    let (high, low, other) = (load(1 + q), load(5 + q), load(9 + q));
                    let words = [
                        low.and(low4).or(high.shl::<4>().and(high2)),
                        other.and(low4).or(high.shl::<2>().and(high2)),
                        low.shr::<4>().and(low4).or(high.and(high2)),
                        other.shr::<4>().and(low4).or(high.shr::<2>().and(high2)),
                    ];
                    for (quarter, (word, scale)) in words.into_iter().zip(scales).enumerate() {
                        let element = place / 2 * 128 + quarter * 32 + place % 2 * 16 + 4 * q;
                        each(element, values_above(token, word, scale, 32));
                    }
                }
            }
        }
    }
}
