//! Matmul with ggml's other blocks of 32 nibbles: q5_0, whose quants have a fifth bit; iq4_nl and mxfp4, whose nibbles name levels
//! of a table.
//!
//! Strip of one vector: the scales of as many blocks as make a word of them, then for each block its vector of fifth bits, if it has
//! any, and four of nibbles. Bit `q` of a byte of fifth bits belongs to the lower nibble of the same byte of vector `q`, bit `4 + q` to
//! the upper one, so that one shift more for each vector brings them into place.

use super::blocks::{FEW_ROWS, values_above};
use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, BLOCK, BLOCK_WORDS, Q8_0Tokens};
use crate::ops::matmul::format::{Format, Lane, Unit};
use crate::ops::matmul::panel::{BlockFormat, Panel, bits_of_quants, quant_words, settled, store};
use crate::ops::matmul::register_tile::{Ahead, Operands, RegisterTile};
use crate::ops::matmul::whole::{Dequantise, SmallBlocks};
use crate::simd::{ByteProducts, Float, Integer, Integers, Vector};
use std::marker::PhantomData;
use std::ops::Range;

/// Vectors of nibbles of a block.
const QUANTS: usize = 4;

/// A format of 32 nibbles with one scale.
pub(super) trait Nibbles: 'static {
    const WEIGHTS: Dtype;
    /// Bytes of a block's scale, which come first in it.
    const SCALE_BYTES: usize = 2;
    /// Whether there is a fifth bit.
    const FIFTH: bool = false;
    /// What bytes without a sign have too much.
    const ZERO: i32;
    /// Whether bytes with a sign have it too.
    const ALWAYS_ZERO: bool = false;
    /// Whether bytes without a sign are above 127.
    const WIDE: bool = false;
    type Activation: Activation;

    /// The scales of a block.
    ///
    /// # Safety
    /// One for each lane can be read at `from`.
    #[inline(always)]
    unsafe fn scales<S: Integers>(token: S, from: *const u8) -> S::F32 {
        // SAFETY: by contract.
        unsafe { token.load_f16_from(from.cast()) }
    }

    /// The quants of the lower and the upper nibbles as bytes, with a sign or without one. `fifths` has what [`fifths`] loads.
    fn quants<S: Integers>(token: S, raw: S::I32, fifths: &mut [S::I32; 2], signed: bool) -> [S::I32; 2];
}

/// Blocks of a format.
pub(super) struct Blocks<F>(PhantomData<F>);

/// Five bits with zero point 16.
pub(super) type Q5_0 = Blocks<Fives>;
/// Sixteen levels, closer to each other around zero.
pub(super) type Iq4Nl = Blocks<Levels>;
/// E2M1 with a power of two as scale.
pub(super) type Mxfp4 = Blocks<Floats>;

/// What q5_0 has.
pub(super) struct Fives;
/// What iq4_nl has.
pub(super) struct Levels;
/// What mxfp4 has.
pub(super) struct Floats;

impl Nibbles for Fives {
    const WEIGHTS: Dtype = Dtype::Q5_0;
    const FIFTH: bool = true;
    const ZERO: i32 = 16;
    const ALWAYS_ZERO: bool = true;
    type Activation = Q8_0Tokens<16>;

    #[inline(always)]
    fn quants<S: Integers>(token: S, raw: S::I32, fifths: &mut [S::I32; 2], _signed: bool) -> [S::I32; 2] {
        let nibbles = halves(token, raw);
        let fifth: S::I32 = token.splat(0x1010_1010);
        let quants = [nibbles[0].or(fifths[0].and(fifth)), nibbles[1].or(fifths[1].and(fifth))];
        *fifths = [fifths[0].shr::<1>(), fifths[1].shr::<1>()];
        quants
    }
}

impl Nibbles for Levels {
    const WEIGHTS: Dtype = Dtype::Iq4Nl;
    const ZERO: i32 = 128;
    const WIDE: bool = true;
    type Activation = Q8_0Tokens<128>;

    #[inline(always)]
    fn quants<S: Integers>(token: S, raw: S::I32, _fifths: &mut [S::I32; 2], signed: bool) -> [S::I32; 2] {
        iq4_levels(token, raw, signed)
    }
}

impl Nibbles for Floats {
    const WEIGHTS: Dtype = Dtype::Mxfp4;
    const SCALE_BYTES: usize = 1;
    const ZERO: i32 = 12;
    type Activation = Q8_0Tokens<12>;

    /// An exponent of 255, which is no number, makes infinity, and one of 0 makes nothing instead of 2⁻¹²⁸.
    #[inline(always)]
    unsafe fn scales<S: Integers>(token: S, from: *const u8) -> S::F32 {
        // SAFETY: by contract.
        let exponents: S::I32 = unsafe { token.load_i8_from(from.cast()) };
        // Of the doubled levels half.
        exponents.and(token.splat(0xff)).shl::<23>().as_float().mul(token.splat(0.5))
    }

    #[inline(always)]
    fn quants<S: Integers>(token: S, raw: S::I32, _fifths: &mut [S::I32; 2], signed: bool) -> [S::I32; 2] {
        const LEVELS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
        let table = if signed { const { &table(LEVELS, 0) } } else { const { &table(LEVELS, 12) } };
        levels(token, raw, table)
    }
}

/// The lower and the upper nibbles as bytes.
#[inline(always)]
fn halves<S: Integers>(token: S, raw: S::I32) -> [S::I32; 2] {
    let low: S::I32 = token.splat(0x0f0f_0f0f);
    [raw.and(low), raw.shr::<4>().and(low)]
}

/// A table of bytes for every 128 bits of a vector: levels, each so much higher.
const fn table(levels: [i8; 16], more: u8) -> [i32; 16] {
    let (mut words, mut at) = ([0; 16], 0);
    while at < 64 {
        let byte = (levels[at % 16] as u8).wrapping_add(more);
        words[at / 4] |= i32::from_le_bytes([byte, 0, 0, 0]) << (8 * (at % 4));
        at += 1;
    }
    words
}

/// The levels that the lower and the upper nibbles name.
#[inline(always)]
fn levels<S: Integers>(token: S, raw: S::I32, table: &[i32; 16]) -> [S::I32; 2] {
    let table: S::I32 = token.load(table);
    let [low, high] = halves(token, raw);
    [token.look_up(low, table), token.look_up(high, table)]
}

/// The levels of iq4_nl and iq4_xs, those without a sign 128 higher.
#[inline(always)]
pub(super) fn iq4_levels<S: Integers>(token: S, raw: S::I32, signed: bool) -> [S::I32; 2] {
    const LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    let table = if signed { const { &table(LEVELS, 0) } } else { const { &table(LEVELS, 128) } };
    levels(token, raw, table)
}

/// Blocks whose scales make a word.
const fn together<F: Nibbles>() -> usize {
    4 / F::SCALE_BYTES
}

/// Vectors of a block but for its scale.
const fn vectors<F: Nibbles>() -> usize {
    QUANTS + if F::FIFTH { 1 } else { 0 }
}

/// Bytes of the blocks that lie together.
const fn unit_bytes<S: Integers, F: Nibbles>() -> usize {
    (1 + together::<F>() * vectors::<F>()) * S::I32::LANES * 4
}

const fn format<F: Nibbles>(pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    let block = F::WEIGHTS.block().bytes as usize;
    Format {
        weights: F::WEIGHTS,
        arithmetic: F::WEIGHTS.usual_arithmetic(),
        strip: Unit { elements: together::<F>() * BLOCK, bytes: together::<F>() * block },
        token: Unit { elements: BLOCK, bytes: BLOCK_WORDS * 4 },
        header: 0,
        blank: 0,
        pack,
    }
}

/// ggml's block: the scale, four bytes of fifth bits or none, 16 bytes of nibbles.
fn pack<F: Nibbles>(row: &[u8], strip: &mut [u8], lane: Lane, bytes: ByteProducts) {
    let (block_bytes, vector) = (F::WEIGHTS.block().bytes as usize, 4 * lane.of);
    let unit_bytes = (1 + together::<F>() * vectors::<F>()) * vector;
    for (index, block) in row.chunks_exact(block_bytes).enumerate() {
        let (unit, within) = (index / together::<F>(), index % together::<F>());
        let (scales, rest) = strip[unit * unit_bytes..][..unit_bytes].split_at_mut(vector);
        let scales = &mut scales[within * lane.of * F::SCALE_BYTES..];
        scales[lane.index * F::SCALE_BYTES..][..F::SCALE_BYTES].copy_from_slice(&block[..F::SCALE_BYTES]);
        let rest = &mut rest[within * vectors::<F>() * vector..];
        let (fifths, quants) = rest.split_at_mut(if F::FIFTH { vector } else { 0 });
        let (bits, nibbles) = block[F::SCALE_BYTES..].split_at(block_bytes - F::SCALE_BYTES - 16);
        quant_words(nibbles, quants, lane, 0, bytes);
        if F::FIFTH {
            let bit = |i: usize| bits[i / 8] >> (i % 8) & 1;
            bits_of_quants(fifths, 16, lane, bytes, |i, q| bit(i) << q | bit(16 + i) << (4 + q));
        }
    }
}

impl<S: Integers, F: Nibbles> BlockFormat<S> for Blocks<F> {
    const FORMAT: &'static Format = &format::<F>(|row, strip, lane| pack::<F>(row, strip, lane, S::BYTES));
    type Activation = F::Activation;
}

impl<S: Integers, F: Nibbles> RegisterTile<S> for Blocks<F> {
    type Sums<const ROWS: usize> = [S::F32; ROWS];
    const TURN: usize = together::<F>();
    const STEPS: usize = 1;
    const TURN_BYTES: usize = unit_bytes::<S, F>();

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
        let (bytes, together) = (unit_bytes::<S, F>(), together::<F>());
        // SAFETY: by contract.
        unsafe {
            let mut panel = Panel::<ROWS>::from(operands, blocks.start, BLOCK_WORDS);
            if ROWS > FEW_ROWS {
                for block in blocks {
                    let unit = operands.weights.add(block / together * bytes);
                    // For all blocks of the unit alike: a branch would let the compiler move the rest behind it, and spill.
                    ahead.load(token, unit, 0);
                    one_block::<S, F, ROWS>(token, sums, panel, (unit, block % together), ahead);
                    panel = panel.skip(BLOCK_WORDS);
                }
                return;
            }
            // Unit by unit: each line is asked for once, from the first to the last.
            let mut unit = operands.weights.add(blocks.start / together * bytes);
            for _ in 0..blocks.len() / together {
                ahead.load(token, unit, 0);
                for within in 0..together {
                    one_block::<S, F, ROWS>(token, sums, panel, (unit, within), ahead);
                    panel = panel.skip(BLOCK_WORDS);
                }
                unit = unit.add(bytes);
            }
            for within in 0..blocks.len() % together {
                one_block::<S, F, ROWS>(token, sums, panel, (unit, within), ahead);
                panel = panel.skip(BLOCK_WORDS);
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(_token: S, sums: [S::F32; ROWS], out: *mut u8, out_stride: usize, _add: bool) {
        // SAFETY: by contract.
        unsafe { store(sums, out, out_stride) }
    }
}

/// Where a block's scales lie in a unit, and its vectors.
///
/// # Safety
/// The unit is there.
#[inline(always)]
unsafe fn places<S: Integers, F: Nibbles>((unit, within): (*const u8, usize)) -> (*const u8, *const u8) {
    let vector = S::I32::LANES * 4;
    // SAFETY: by contract.
    unsafe { (unit.add(within * S::I32::LANES * F::SCALE_BYTES), unit.add((1 + within * vectors::<F>()) * vector)) }
}

/// The fifth bits of the lower and the upper nibbles, in place for the first vector, and where the nibbles are.
///
/// # Safety
/// The block's vectors are there.
#[inline(always)]
unsafe fn fifths<S: Integers, F: Nibbles>(token: S, from: *const u8) -> ([S::I32; 2], *const u8) {
    if !F::FIFTH {
        return ([token.splat(0); 2], from);
    }
    // SAFETY: by contract.
    unsafe {
        let bits: S::I32 = token.load_from(from.cast());
        ([bits.shl::<4>(), bits], from.add(S::I32::LANES * 4))
    }
}

/// Multiplies one block of a unit.
///
/// # Safety
/// The block is there, and in the panel.
#[inline(always)]
unsafe fn one_block<S: Integers, F: Nibbles, const ROWS: usize>(
    token: S,
    sums: &mut [S::F32; ROWS],
    panel: Panel<ROWS>,
    block: (*const u8, usize),
    ahead: impl Ahead<S>,
) {
    let (vector, signed) = (S::I32::LANES * 4, S::BYTES.signed());
    // SAFETY: by contract.
    unsafe {
        let zero: [S::I32; ROWS] = [token.splat(0); ROWS];
        let (mut ints, mut others) = (if F::ALWAYS_ZERO || !signed { panel.starts(token, 1) } else { zero }, zero);
        let (scales, from) = places::<S, F>(block);
        if F::FIFTH {
            ahead.load(token, from, 0);
        }
        let (mut fifths, from) = fifths::<S, F>(token, from);
        for turn in 0..QUANTS / S::BYTES.turn() {
            for within in 0..S::BYTES.turn() {
                let q = turn * S::BYTES.turn() + within;
                ahead.load(token, from, q * vector);
                let raw: S::I32 = token.load_from(from.add(q * vector).cast());
                let [lows, highs] = F::quants(token, raw, &mut fifths, signed);
                multiply::<S, F, ROWS>(token, panel, &mut ints, lows, (2, q));
                let upper = if ROWS <= FEW_ROWS { &mut others } else { &mut ints };
                multiply::<S, F, ROWS>(token, panel, upper, highs, (6, q));
            }
        }
        if ROWS <= FEW_ROWS {
            ints.iter_mut().zip(others).for_each(|(int, other)| *int = int.add(other));
        }
        let ints = settled::<S, ROWS>(ints);
        let scale = F::scales(token, scales);
        panel.add_block(token, sums, ints, scale);
    }
}

/// # Safety
/// As [`Panel::multiply_accumulate`].
#[inline(always)]
unsafe fn multiply<S: Integers, F: Nibbles, const ROWS: usize>(
    token: S,
    panel: Panel<ROWS>,
    sums: &mut [S::I32; ROWS],
    quants: S::I32,
    (first, q): (usize, usize),
) {
    // SAFETY: by contract.
    unsafe {
        if F::WIDE {
            panel.multiply_accumulate::<S, true>(token, sums, quants, first, q);
        } else {
            panel.multiply_accumulate::<S, false>(token, sums, quants, first, q);
        }
    }
}

/// A block of a strip, by its unit and its place in there.
///
/// # Safety
/// The strip has the block.
#[inline(always)]
unsafe fn block_of<S: Integers, F: Nibbles>(strip: *const u8, block: usize) -> (*const u8, *const u8) {
    let (unit, within) = (block / together::<F>(), block % together::<F>());
    // SAFETY: by contract.
    unsafe { places::<S, F>((strip.add(unit * unit_bytes::<S, F>()), within)) }
}

impl<S: Integers, F: Nibbles> Dequantise<S> for Blocks<F> {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        // SAFETY: by contract.
        unsafe {
            let (scales, from) = block_of::<S, F>(strip, block);
            let (mut fifths, from) = fifths::<S, F>(token, from);
            let d = F::scales(token, scales);
            for q in 0..QUANTS {
                let raw: S::I32 = token.load_from(from.add(q * S::I32::LANES * 4).cast());
                let [lows, highs] = F::quants(token, raw, &mut fifths, false);
                each(4 * q, values_above(token, lows, d, F::ZERO));
                each(16 + 4 * q, values_above(token, highs, d, F::ZERO));
            }
        }
    }
}

impl<S: Integers, F: Nibbles> SmallBlocks<S> for Blocks<F> {
    #[inline(always)]
    unsafe fn quants(token: S, strip: *const u8, block: usize, room: *mut u8) -> *const u8 {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            let (mut fifths, from) = fifths::<S, F>(token, block_of::<S, F>(strip, block).1);
            for q in 0..QUANTS {
                let raw: S::I32 = token.load_from(from.add(q * vector).cast());
                let [lows, highs] = F::quants(token, raw, &mut fifths, false);
                lows.store_to(room.add(q * vector).cast());
                highs.store_to(room.add((QUANTS + q) * vector).cast());
            }
        }
        room
    }

    #[inline(always)]
    unsafe fn scales(token: S, strip: *const u8, block: usize) -> S::F32 {
        // SAFETY: by contract.
        unsafe { F::scales(token, block_of::<S, F>(strip, block).0) }
    }
}
