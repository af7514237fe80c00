//! Matmul with ggml's q4_k and q5_k: super-blocks of 8 sub-blocks of 32, each with a 6-bit scale and minimum.
//!
//! Strip of one vector and super-block: d and dmin as f16, the 12 bytes of 6-bit numbers as 3 words, 32 words of nibbles. Those of two
//! sub-blocks, 8 words, follow 2 words of their fifth bits, if there are any: of the lower nibbles, and of the upper ones; bit `q` of
//! each byte belongs to the same byte of word `q`.

use super::blocks::values;
use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, SUPER_BLOCK, q8_k, quads};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, Sums, add_scaled, bits_of_quants, quant_words, settled, store};
use crate::ops::matmul::register_tile::{Ahead, Nothing, Operands, RegisterTile};
use crate::ops::matmul::whole::Dequantise;
use crate::simd::{ByteProducts, Float, Integer, Integers, Vector};
use std::ops::Range;

/// Nibbles, and perhaps a fifth bit.
pub(super) struct SubBlocks<const FIFTH: bool>;

pub(super) type Q4K = SubBlocks<false>;
pub(super) type Q5K = SubBlocks<true>;

/// Words of a super-block of one token: scale, sums of the 8 sub-blocks as 4 pairs of 16 bits, 64 quads.
const WORDS: usize = 1 + 4 + SUPER_BLOCK / 4;

/// Words of two sub-blocks of one row.
const fn pair_words(fifth: bool) -> usize {
    if fifth { 10 } else { 8 }
}

/// Words of a super-block of one row.
const fn words_of(fifth: bool) -> usize {
    4 + 4 * pair_words(fifth)
}

const fn format(fifth: bool, pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    let weights = if fifth { Dtype::Q5K } else { Dtype::Q4K };
    Format {
        weights,
        arithmetic: weights.usual_arithmetic(),
        strip: Unit { elements: SUPER_BLOCK, bytes: 4 * words_of(fifth) },
        token: Unit { elements: SUPER_BLOCK, bytes: WORDS * 4 },
        header: 0,
        blank: 0,
        pack,
    }
}

/// ggml's super-block: f16 d and dmin, 12 bytes of 6-bit numbers, 32 bytes of fifth bits or none, 128 bytes of nibbles.
fn pack<const FIFTH: bool>(row: &[u8], strip: &mut [u8], lane: Lane, bytes: ByteProducts) {
    let (block_bytes, vector) = (4 * words_of(FIFTH), 4 * lane.of);
    for (block, strip) in row.chunks_exact(block_bytes).zip(strip.chunks_exact_mut(block_bytes * lane.of)) {
        words::<2>(&block[..4], strip, lane, 0);
        words::<4>(&block[4..16], &mut strip[vector..], lane, 0);
        let (bits, nibbles) = block[16..].split_at(if FIFTH { 32 } else { 0 });
        let pairs = strip[4 * vector..].chunks_exact_mut(pair_words(FIFTH) * vector);
        for (pair, (nibbles, strip)) in nibbles.chunks_exact(32).zip(pairs).enumerate() {
            let (fifths, quants) = strip.split_at_mut(if FIFTH { 2 * vector } else { 0 });
            quant_words(nibbles, quants, lane, 0, bytes);
            for (upper, fifths) in fifths.chunks_exact_mut(vector).enumerate() {
                bits_of_quants(fifths, 32, lane, bytes, |i, q| (bits[i] >> (2 * pair + upper) & 1) << q);
            }
        }
    }
}

/// Q8_K activations with the sums of 32 quants, which the minima need.
pub(super) struct Tokens;

impl Activation for Tokens {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = WORDS;
    const HEADER: usize = 5;

    #[inline(always)]
    fn quantise<S: Integers>(token: S, values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        let (d, quants, sums) = q8_k(token, values);
        word(0, d.to_ne_bytes());
        let sum = |sub: usize| sums[2 * sub].wrapping_add(sums[2 * sub + 1]);
        for pair in 0..4 {
            // Minima 0, 2 and 1, 3 of a word are met side by side in its even and odd bytes.
            let first = pair / 2 * 4 + pair % 2;
            word(1 + pair, (sum(first) & 0xffff | sum(first + 2) << 16).to_ne_bytes());
        }
        quads(&quants, 5, word);
    }
}

impl<S: Integers, const FIFTH: bool> BlockFormat<S> for SubBlocks<FIFTH> {
    const FORMAT: &'static Format = &format(FIFTH, |row, strip, lane| pack::<FIFTH>(row, strip, lane, S::BYTES));
    type Activation = Tokens;
}

impl<S: Integers, const FIFTH: bool> RegisterTile<S> for SubBlocks<FIFTH> {
    type Sums<const ROWS: usize> = Sums<S, ROWS>;
    const TURN: usize = 1;
    /// Two sub-blocks each.
    const STEPS: usize = 4;
    const TURN_BYTES: usize = words_of(FIFTH) * 4 * S::I32::LANES;

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
            let weights = operands.weights.add(groups.start * words_of(FIFTH) * vector);
            let panel = Panel::<ROWS>::from(operands, groups.start, WORDS);
            let splat = |value: i32| -> S::I32 { token.splat(value) };
            // The 6-bit numbers of ggml's get_scale_min_k4, four to a word.
            let [low4, low6, high2] = [0x0f0f_0f0f, 0x3f3f_3f3f, 0x3030_3030].map(splat);
            let [a, c]: [S::I32; 2] = [1, 3].map(|word| token.load_from(weights.add(word * vector).cast()));
            let word = if STEP < 2 { a.and(low6) } else { c.and(low4).or(a.shr::<2>().and(high2)) };
            let two = if STEP.is_multiple_of(2) { word } else { word.shr::<16>() };
            let pair = weights.add((4 + STEP * pair_words(FIFTH)) * vector);
            let dots = two_sub_blocks::<S, FIFTH, ROWS>(token, pair, panel, 5 + STEP * 16, ahead);
            add_scaled(&mut sums.ints, dots[0], two.and(splat(0xff)));
            add_scaled(&mut sums.ints, dots[1], two.shr::<8>().and(splat(0xff)));
            if STEP < 3 {
                ahead.load(token, weights, STEP * vector);
                return;
            }
            ahead.load(token, weights, 3 * vector);
            super_block(token, sums, weights, panel);
        }
    }

    #[inline(always)]
    unsafe fn all<const ROWS: usize>(token: S, sums: &mut Self::Sums<ROWS>, operands: Operands, groups: usize) {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            let splat = |value: i32| -> S::I32 { token.splat(value) };
            let [low4, low6, high2] = [0x0f0f_0f0f, 0x3f3f_3f3f, 0x3030_3030].map(splat);
            for group in 0..groups {
                let weights = operands.weights.add(group * words_of(FIFTH) * vector);
                let panel = Panel::<ROWS>::from(operands, group, WORDS);
                let [a, c]: [S::I32; 2] = [1, 3].map(|word| token.load_from(weights.add(word * vector).cast()));
                let scales = [a.and(low6), c.and(low4).or(a.shr::<2>().and(high2))];
                for pair in 0..4 {
                    let quants = weights.add((4 + pair * pair_words(FIFTH)) * vector);
                    let dots = two_sub_blocks::<S, FIFTH, ROWS>(token, quants, panel, 5 + pair * 16, Nothing);
                    let two = if pair % 2 == 0 { scales[pair / 2] } else { scales[pair / 2].shr::<16>() };
                    add_scaled(&mut sums.ints, dots[0], two.and(splat(0xff)));
                    add_scaled(&mut sums.ints, dots[1], two.shr::<8>().and(splat(0xff)));
                }
                super_block(token, sums, weights, panel);
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

/// Adds a super-block's sums, times its scales, and takes away its minima.
///
/// # Safety
/// The super-block is there, and in the panel.
#[inline(always)]
unsafe fn super_block<S: Integers, const ROWS: usize>(
    token: S,
    sums: &mut Sums<S, ROWS>,
    weights: *const u8,
    panel: Panel<ROWS>,
) {
    let vector = S::I32::LANES * 4;
    let splat = |value: i32| -> S::I32 { token.splat(value) };
    let [low4, low6, high2] = [0x0f0f_0f0f, 0x3f3f_3f3f, 0x3030_3030].map(splat);
    // SAFETY: by contract.
    unsafe {
        let [b, c]: [S::I32; 2] = [2, 3].map(|word| token.load_from(weights.add(word * vector).cast()));
        let minima = [b.and(low6), c.shr::<4>().and(low4).or(b.shr::<2>().and(high2))];
        let mut least = [splat(0); ROWS];
        for pair in 0..4 {
            let even = if pair % 2 == 0 { minima[pair / 2] } else { minima[pair / 2].shr::<8>() };
            let m = even.and(splat(0x00ff_00ff));
            for (row, least) in least.iter_mut().enumerate() {
                *least = token.dot_i16(*least, m, splat(panel.i32(1 + pair, row)));
            }
        }
        let [d, d_min] = [0, vector / 2].map(|at| token.load_f16_from(weights.add(at).cast()));
        sums.end_block(token, panel, d);
        panel.add_block(token, &mut sums.floats, least, d_min.mul(token.splat(-1.0)));
    }
}

/// The fifth bits of two sub-blocks and where their nibbles are.
///
/// # Safety
/// The vectors are there.
#[inline(always)]
unsafe fn fifths<S: Integers, const FIFTH: bool>(token: S, pair: *const u8) -> ([S::I32; 2], *const u8) {
    if !FIFTH {
        return ([token.splat(0); 2], pair);
    }
    let vector = S::I32::LANES * 4;
    // SAFETY: by contract.
    unsafe { ([token.load_from(pair.cast()), token.load_from(pair.add(vector).cast())], pair.add(2 * vector)) }
}

/// The fifth bits of vector `q`, where those of the vector before it were: a shift more for each, in two halves, for a byte has four
/// bits above the nibble.
#[inline(always)]
fn next_fifths<V: Integer>(fifths: [V; 2], at: [V; 2], q: usize) -> [V; 2] {
    // No `map`, which a compiler may leave a call.
    match q {
        0 => [fifths[0].shl::<4>(), fifths[1].shl::<4>()],
        4 => fifths,
        _ => [at[0].shr::<1>(), at[1].shr::<1>()],
    }
}

/// The sums of two sub-blocks: of the lower nibbles of eight vectors, and of the upper ones.
///
/// # Safety
/// The vectors are there, and their words from `word` on in the panel.
#[inline(always)]
unsafe fn two_sub_blocks<S: Integers, const FIFTH: bool, const ROWS: usize>(
    token: S,
    pair: *const u8,
    panel: Panel<ROWS>,
    word: usize,
    ahead: impl Ahead<S>,
) -> [[S::I32; ROWS]; 2] {
    // One instruction takes whole bytes: upper nibbles stay where they are, and their sum is sixteen times as large.
    let in_place = S::DOTS_WHOLE_BYTES && ROWS < 8 && !FIFTH;
    let [low, high]: [S::I32; 2] = [token.splat(0x0f0f_0f0f), token.splat(0xf0f0_f0f0_u32 as i32)];
    let fifth: S::I32 = token.splat(0x1010_1010);
    let mut dots = [[token.splat(0); ROWS]; 2];
    let [lows, highs] = &mut dots;
    let vector = S::I32::LANES * 4;
    // SAFETY: by contract.
    let (fifths, quants) = unsafe { fifths::<S, FIFTH>(token, pair) };
    if FIFTH {
        ahead.load(token, pair, 0);
        ahead.load(token, pair, vector);
    }
    let mut bits = fifths;
    let together = S::BYTES.turn();
    for turn in 0..8 / together {
        let word = word + turn * together;
        for q in 0..together {
            // SAFETY: by contract.
            unsafe {
                let offset = (turn * together + q) * vector;
                ahead.load(token, quants, offset);
                let raw: S::I32 = token.load_from(quants.add(offset).cast());
                if FIFTH {
                    bits = next_fifths(fifths, bits, turn * together + q);
                    let [lower, upper] = [bits[0].and(fifth), bits[1].and(fifth)];
                    panel.multiply_accumulate::<S, false>(token, lows, raw.and(low).or(lower), word, q);
                    let raw = raw.shr::<4>().and(low).or(upper);
                    panel.multiply_accumulate::<S, false>(token, highs, raw, word + 8, q);
                    continue;
                }
                panel.multiply_accumulate::<S, false>(token, lows, raw.and(low), word, q);
                if in_place {
                    panel.multiply_accumulate::<S, true>(token, highs, raw.and(high), word + 8, q);
                } else {
                    panel.multiply_accumulate::<S, false>(token, highs, raw.shr::<4>().and(low), word + 8, q);
                }
            }
        }
    }
    if in_place {
        *highs = highs.map(|sum| sum.sar::<4>());
    }
    dots.map(settled::<S, ROWS>)
}

impl<S: Integers, const FIFTH: bool> Dequantise<S> for SubBlocks<FIFTH> {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        let vector = S::I32::LANES * 4;
        let splat = |value: i32| -> S::I32 { token.splat(value) };
        let [low4, low6, high2, byte] = [0x0f0f_0f0f, 0x3f3f_3f3f, 0x3030_3030, 0xff].map(splat);
        // SAFETY: by contract.
        unsafe {
            let weights = strip.add(block * words_of(FIFTH) * vector);
            let [d, d_min] = [0, vector / 2].map(|at| token.load_f16_from(weights.add(at).cast()));
            // As the register tile has them.
            let [a, b, c]: [S::I32; 3] = [1, 2, 3].map(|word| token.load_from(weights.add(word * vector).cast()));
            let scales = [a.and(low6), c.and(low4).or(a.shr::<2>().and(high2))];
            let minima = [b.and(low6), c.shr::<4>().and(low4).or(b.shr::<2>().and(high2))];
            for pair in 0..4 {
                let of_pair = |words: [S::I32; 2], scale: S::F32| {
                    let two = if pair % 2 == 0 { words[pair / 2] } else { words[pair / 2].shr::<16>() };
                    [two.and(byte), two.shr::<8>().and(byte)].map(|of_one| of_one.to_float().mul(scale))
                };
                let [d_low, d_high] = of_pair(scales, d);
                let [least_low, least_high] = of_pair(minima, d_min.mul(token.splat(-1.0)));
                let (fifths, from) = fifths::<S, FIFTH>(token, weights.add((4 + pair * pair_words(FIFTH)) * vector));
                let (mut bits, fifth) = (fifths, splat(0x1010_1010));
                for q in 0..8 {
                    let word: S::I32 = token.load_from(from.add(q * vector).cast());
                    bits = next_fifths(fifths, bits, q);
                    let [lower, upper] = [bits[0].and(fifth), bits[1].and(fifth)];
                    each(64 * pair + 4 * q, values(token, word.and(low4).or(lower), d_low, least_low));
                    let word = word.shr::<4>().and(low4).or(upper);
                    each(64 * pair + 32 + 4 * q, values(token, word, d_high, least_high));
                }
            }
        }
    }
}
