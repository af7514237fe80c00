//! Matmul with ggml's blocks of 32 with one scale, q8_0 and q4_0; what it says holds for all block formats.
//!
//! ```text
//! for each block of weights (32 elements; 256 for the k formats), per vector of weight rows and per token:
//!     int  = Σ u8 quant · s8 activation            in integers, exact; zero points enter as the start value
//!     sum += scale(weights) · scale(token) · int    in f32
//! ```
//!
//! A lane of a vector is a weight row, as in [`mod@crate::ops::matmul::plain`]; four consecutive quants of a row make its 32 bits, so that
//! repacking ggml's blocks is a transposition of 4-byte words, and every byte of the block is kept: the traffic is the
//! format's own. Weights are the unsigned operand (8-bit ones with their sign bit flipped), activations the signed one. Where
//! products take bytes of one kind, weights have their sign; where they take two rows by two tokens, it is 8-byte words that are
//! transposed.

use crate::dtype::Dtype;
use crate::ops::matmul::activations::{BLOCK, BLOCK_WORDS, Q8_0Tokens};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, quant_words, settled, store};
use crate::ops::matmul::register_tile::{Ahead, Operands, RegisterTile};
use crate::ops::matmul::whole::{Dequantise, SmallBlocks};
use crate::simd::{ByteProducts, Float, Integer, Integers, Vector};
use std::ops::Range;

/// Blocks of 32 with one f16 scale.
pub(super) struct Blocks<const NIBBLES: bool>;

/// Signed bytes, which become unsigned ones with zero point 128.
pub(super) type Q8_0 = Blocks<false>;

/// Nibbles with zero point 8.
pub(super) type Q4_0 = Blocks<true>;

impl<S: Integers> BlockFormat<S> for Q8_0 {
    const FORMAT: &'static Format = &format(Dtype::Q8_0, |row, strip, lane| {
        pack(row, strip, lane, 34, if S::BYTES.signed() { 0 } else { 0x80 }, S::BYTES);
    });
    type Activation = Q8_0Tokens<128>;
}

impl<S: Integers> BlockFormat<S> for Q4_0 {
    const FORMAT: &'static Format = &format(Dtype::Q4_0, |row, strip, lane| pack(row, strip, lane, 18, 0, S::BYTES));
    type Activation = Q8_0Tokens<8>;
}

impl<S: Integers, const NIBBLES: bool> RegisterTile<S> for Blocks<NIBBLES> {
    type Sums<const ROWS: usize> = [S::F32; ROWS];
    const TURN: usize = 2;
    const STEPS: usize = 1;
    const TURN_BYTES: usize = pair_bytes::<S, NIBBLES>();

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, _operands: Operands, _add: bool) -> [S::F32; ROWS] {
        [token.splat(0.0); ROWS]
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut [S::F32; ROWS],
        operands: Operands,
        blocks: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        // SAFETY: by contract.
        unsafe { multiply::<S, NIBBLES, ROWS>(token, sums, operands, blocks, ahead) }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(_token: S, sums: [S::F32; ROWS], out: *mut u8, out_stride: usize, _add: bool) {
        // SAFETY: by contract.
        unsafe { store(sums, out, out_stride) }
    }
}

/// Blocks come in pairs so that everything stays aligned.
const fn format(weights: Dtype, pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    let strip = Unit { elements: 2 * BLOCK, bytes: 2 * weights.block().bytes as usize };
    let arithmetic = weights.usual_arithmetic();
    let token = Unit { elements: BLOCK, bytes: BLOCK_WORDS * 4 };
    Format { weights, arithmetic, strip, token, header: 0, blank: 0, pack }
}

/// Strip of one vector: the f16 scales of a pair of blocks, then their quants: 32 bytes, or 16 bytes of nibbles.
fn pack(row: &[u8], strip: &mut [u8], lane: Lane, block_bytes: usize, flip: u8, bytes: ByteProducts) {
    let quant_bytes = (block_bytes - 2) * lane.of;
    for (index, block) in row.chunks_exact(block_bytes).enumerate() {
        let pair = &mut strip[index / 2 * (4 * lane.of + 2 * quant_bytes)..];
        let half = index % 2;
        words::<2>(&block[..2], &mut pair[half * lane.of * 2..], lane, 0);
        quant_words(&block[2..], &mut pair[4 * lane.of + half * quant_bytes..], lane, flip, bytes);
    }
}

/// Up to so many rows, one chain of dependent dot products per row would leave the pipes waiting: there are two.
pub(super) const FEW_ROWS: usize = 2;

/// Vectors of quants of a block.
const fn quants(nibbles: bool) -> usize {
    if nibbles { 4 } else { 8 }
}

/// Bytes of a pair of blocks in a strip: one vector of scales, then the quants.
const fn pair_bytes<S: Integers, const NIBBLES: bool>() -> usize {
    (1 + 2 * quants(NIBBLES)) * S::I32::LANES * 4
}

/// # Safety
/// As [`RegisterTile::step`].
#[inline(always)]
unsafe fn multiply<S: Integers, const NIBBLES: bool, const ROWS: usize>(
    token: S,
    sums: &mut [S::F32; ROWS],
    operands: Operands,
    blocks: Range<usize>,
    ahead: impl Ahead<S>,
) {
    let bytes = pair_bytes::<S, NIBBLES>();
    // SAFETY: by contract.
    unsafe {
        let mut panel = Panel::<ROWS>::from(operands, blocks.start, BLOCK_WORDS);
        if ROWS > FEW_ROWS {
            for block in blocks {
                let pair = operands.weights.add(block / 2 * bytes);
                // For both blocks of the pair alike: a branch would let the compiler move the rest behind it, and spill.
                ahead.load(token, pair, 0);
                one_block::<S, NIBBLES, ROWS>(token, sums, panel, (pair, block % 2), ahead);
                panel = panel.skip(BLOCK_WORDS);
            }
            return;
        }
        // Pair by pair: each line is asked for once, from the first to the last.
        let mut pair = operands.weights.add(blocks.start / 2 * bytes);
        for _ in 0..blocks.len() / 2 {
            ahead.load(token, pair, 0);
            one_block::<S, NIBBLES, ROWS>(token, sums, panel, (pair, 0), ahead);
            one_block::<S, NIBBLES, ROWS>(token, sums, panel.skip(BLOCK_WORDS), (pair, 1), ahead);
            panel = panel.skip(2 * BLOCK_WORDS);
            pair = pair.add(bytes);
        }
        if blocks.len() % 2 == 1 {
            one_block::<S, NIBBLES, ROWS>(token, sums, panel, (pair, 0), ahead);
        }
    }
}

/// Multiplies one block of a pair, which has scales at its beginning for both.
///
/// # Safety
/// The block is there, and in the panel.
#[inline(always)]
unsafe fn one_block<S: Integers, const NIBBLES: bool, const ROWS: usize>(
    token: S,
    sums: &mut [S::F32; ROWS],
    panel: Panel<ROWS>,
    (pair, half): (*const u8, usize),
    ahead: impl Ahead<S>,
) {
    let vector = S::I32::LANES * 4;
    let quants = quants(NIBBLES);
    // One instruction takes whole bytes: upper nibbles stay where they are, and their sum is sixteen times as large.
    let in_place = S::DOTS_WHOLE_BYTES && ROWS <= FEW_ROWS;
    let [low, high]: [S::I32; 2] = [token.splat(0x0f0f_0f0f), token.splat(0xf0f0_f0f0_u32 as i32)];
    // SAFETY: by contract.
    unsafe {
        let mut ints = if NIBBLES || !S::BYTES.signed() { panel.starts(token, 1) } else { [token.splat(0); ROWS] };
        let mut others: [S::I32; ROWS] = [token.splat(0); ROWS];
        let from = pair.add(vector + half * quants * vector);
        for turn in 0..quants / S::BYTES.turn() {
            for within in 0..S::BYTES.turn() {
                let q = turn * S::BYTES.turn() + within;
                ahead.load(token, from, q * vector);
                let raw: S::I32 = token.load_from(from.add(q * vector).cast());
                if NIBBLES {
                    // Closures are inlined late, and the order of instructions found then is up to a tenth faster (AVX2).
                    let [lows] = [raw].map(|raw| raw.and(low));
                    panel.multiply_accumulate::<S, false>(token, &mut ints, lows, 2, q);
                    if in_place {
                        panel.multiply_accumulate::<S, true>(token, &mut others, raw.and(high), 6, q);
                    } else {
                        let [highs] = [raw].map(|raw| raw.shr::<4>().and(low));
                        let sums = if ROWS <= FEW_ROWS { &mut others } else { &mut ints };
                        panel.multiply_accumulate::<S, false>(token, sums, highs, 6, q);
                    }
                } else {
                    let sums = if ROWS <= FEW_ROWS && q % 2 == 1 { &mut others } else { &mut ints };
                    panel.multiply_accumulate::<S, true>(token, sums, raw, 2, q);
                }
            }
        }
        if ROWS <= FEW_ROWS {
            for (int, other) in ints.iter_mut().zip(others) {
                *int = int.add(if NIBBLES && in_place { other.sar::<4>() } else { other });
            }
        }
        let ints = settled::<S, ROWS>(ints);
        let scale = token.load_f16_from(pair.add(half * vector / 2).cast());
        panel.add_block(token, sums, ints, scale);
    }
}

/// Where a block's scales and quants lie in a strip of one vector.
///
/// # Safety
/// The strip has the block.
#[inline(always)]
unsafe fn block_at<S: Integers>(strip: *const u8, block: usize, quants: usize) -> (*const u8, *const u8) {
    let (vector, half) = (S::I32::LANES * 4, block % 2);
    // SAFETY: by contract.
    unsafe {
        let pair = strip.add(block / 2 * (1 + 2 * quants) * vector);
        (pair.add(half * vector / 2), pair.add((1 + half * quants) * vector))
    }
}

/// `d · quant + least` for the four bytes of a word.
#[inline(always)]
pub(super) fn values<S: Integers>(token: S, word: S::I32, d: S::F32, least: S::F32) -> [S::F32; 4] {
    let byte = token.splat(0xff);
    let bytes = [word.and(byte), word.shr::<8>().and(byte), word.shr::<16>().and(byte), word.shr::<24>()];
    bytes.map(|quant| quant.to_float().mul_add(d, least))
}

/// `d · quant − d · zero`, exact: a scale and a quant have 24 bits at most together.
#[inline(always)]
pub(super) fn values_above<S: Integers>(token: S, word: S::I32, d: S::F32, zero: i32) -> [S::F32; 4] {
    values(token, word, d, d.mul(token.splat(-(zero as f32))))
}

impl<S: Integers> Dequantise<S> for Q8_0 {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        // SAFETY: by contract.
        unsafe {
            let (scales, quants) = block_at::<S>(strip, block, 8);
            let d = token.load_f16_from(scales.cast());
            for q in 0..8 {
                let word: S::I32 = token.load_from(quants.add(q * S::I32::LANES * 4).cast());
                each(4 * q, values_above(token, word, d, 128));
            }
        }
    }
}

impl<S: Integers> Dequantise<S> for Q4_0 {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        // SAFETY: by contract.
        unsafe {
            let (scales, quants) = block_at::<S>(strip, block, 4);
            let d = token.load_f16_from(scales.cast());
            let low: S::I32 = token.splat(0x0f0f_0f0f);
            for q in 0..4 {
                let word: S::I32 = token.load_from(quants.add(q * S::I32::LANES * 4).cast());
                each(4 * q, values_above(token, word.and(low), d, 8));
                each(16 + 4 * q, values_above(token, word.shr::<4>().and(low), d, 8));
            }
        }
    }
}

impl<S: Integers> SmallBlocks<S> for Q8_0 {
    #[inline(always)]
    unsafe fn quants(_token: S, strip: *const u8, block: usize, _room: *mut u8) -> *const u8 {
        // SAFETY: by contract.
        unsafe { block_at::<S>(strip, block, 8).1 }
    }

    #[inline(always)]
    unsafe fn scales(token: S, strip: *const u8, block: usize) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_f16_from(block_at::<S>(strip, block, 8).0.cast()) }
    }
}

impl<S: Integers> SmallBlocks<S> for Q4_0 {
    #[inline(always)]
    unsafe fn quants(token: S, strip: *const u8, block: usize, room: *mut u8) -> *const u8 {
        let vector = S::I32::LANES * 4;
        let low: S::I32 = token.splat(0x0f0f_0f0f);
        // SAFETY: by contract.
        unsafe {
            let quants = block_at::<S>(strip, block, 4).1;
            for q in 0..4 {
                let word: S::I32 = token.load_from(quants.add(q * vector).cast());
                word.and(low).store_to(room.add(q * vector).cast());
                word.shr::<4>().and(low).store_to(room.add((4 + q) * vector).cast());
            }
        }
        room
    }

    #[inline(always)]
    unsafe fn scales(token: S, strip: *const u8, block: usize) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_f16_from(block_at::<S>(strip, block, 4).0.cast()) }
    }
}
