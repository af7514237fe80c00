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
//! format's own. Weights are the unsigned operand (8-bit ones with their sign bit flipped), activations the signed one.

use crate::dtype::Dtype;
use crate::ops::matmul::activations::{BLOCK, BLOCK_WORDS, Q8_0Tokens};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, store};
use crate::ops::matmul::tile::{RegisterTile, TileArguments};
use crate::simd::{Float, Integer, Integers, Vector};

/// 32 signed bytes and one f16 scale: signed bytes become unsigned ones with zero point 128.
pub(super) struct Q8_0;

impl<S: Integers> BlockFormat<S> for Q8_0 {
    const FORMAT: &'static Format = &format(Dtype::Q8_0, |row, strip, lane| pack(row, strip, lane, 34, 0x80));
    type Activation = Q8_0Tokens<128>;
}

impl<S: Integers> RegisterTile<S> for Q8_0 {
    #[inline(always)]
    unsafe fn multiply<const ROWS: usize>(token: S, arguments: &TileArguments<'_>) {
        // SAFETY: by contract.
        unsafe { tile::<S, false, ROWS>(token, arguments) }
    }
}

/// 32 nibbles with zero point 8 and one f16 scale.
pub(super) struct Q4_0;

impl<S: Integers> BlockFormat<S> for Q4_0 {
    const FORMAT: &'static Format = &format(Dtype::Q4_0, |row, strip, lane| pack(row, strip, lane, 18, 0));
    type Activation = Q8_0Tokens<8>;
}

impl<S: Integers> RegisterTile<S> for Q4_0 {
    #[inline(always)]
    unsafe fn multiply<const ROWS: usize>(token: S, arguments: &TileArguments<'_>) {
        // SAFETY: by contract.
        unsafe { tile::<S, true, ROWS>(token, arguments) }
    }
}

/// Blocks come in pairs so that everything stays aligned.
const fn format(weights: Dtype, pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    let strip = Unit { elements: 2 * BLOCK, bytes: 2 * weights.block().bytes as usize };
    let arithmetic = weights.usual_arithmetic();
    Format { weights, arithmetic, strip, token: Unit { elements: BLOCK, bytes: BLOCK_WORDS * 4 }, pack }
}

/// Strip of one vector: the f16 scales of a pair of blocks, then their quants: 32 bytes, or 16 bytes of nibbles.
fn pack(row: &[u8], strip: &mut [u8], lane: Lane, block_bytes: usize, flip: u8) {
    let quant_bytes = (block_bytes - 2) * lane.of;
    for (index, block) in row.chunks_exact(block_bytes).enumerate() {
        let pair = &mut strip[index / 2 * (4 * lane.of + 2 * quant_bytes)..];
        let half = index % 2;
        words::<2>(&block[..2], &mut pair[half * lane.of * 2..], lane, 0);
        words::<4>(&block[2..], &mut pair[4 * lane.of + half * quant_bytes..], lane, flip);
    }
}

/// Up to so many rows, one chain of dependent dot products per row would leave the pipes waiting: there are two.
const FEW_ROWS: usize = 2;

/// # Safety
/// As [`RegisterTile::multiply`].
#[inline(always)]
unsafe fn tile<S: Integers, const NIBBLES: bool, const ROWS: usize>(token: S, arguments: &TileArguments<'_>) {
    let vector = S::I32::LANES * 4;
    let quants = if NIBBLES { 4 } else { 8 };
    let pair_bytes = vector + 2 * quants * vector;
    debug_assert!(arguments.weights.len() >= arguments.groups.div_ceil(2) * pair_bytes);
    // SAFETY: by contract.
    unsafe {
        let low: S::I32 = token.splat(0x0f0f_0f0f);
        let mut sums: [S::F32; ROWS] = [token.splat(0.0); ROWS];
        let mut panel = Panel::<ROWS>::new(arguments, BLOCK_WORDS);
        for block in 0..arguments.groups {
            let half = block % 2;
            let pair = arguments.weights.as_ptr().add(block / 2 * pair_bytes);
            let mut ints: [S::I32; ROWS] = std::array::from_fn(|row| token.splat(panel.i32(1, row)));
            let mut others: [S::I32; ROWS] = [token.splat(0); ROWS];
            for q in 0..quants {
                let raw: S::I32 = token.load_from(pair.add(vector + (half * quants + q) * vector).cast());
                if NIBBLES {
                    // Closures are inlined late, and the order of instructions found then is up to a tenth faster (AVX2).
                    let [lows] = [raw].map(|raw| raw.and(low));
                    let [highs] = [raw].map(|raw| raw.shr::<4>().and(low));
                    panel.multiply_accumulate::<S, false>(token, &mut ints, lows, 2 + q);
                    let sums = if ROWS <= FEW_ROWS { &mut others } else { &mut ints };
                    panel.multiply_accumulate::<S, false>(token, sums, highs, 6 + q);
                } else {
                    let sums = if ROWS <= FEW_ROWS && q % 2 == 1 { &mut others } else { &mut ints };
                    panel.multiply_accumulate::<S, true>(token, sums, raw, 2 + q);
                }
            }
            if ROWS <= FEW_ROWS {
                for (int, other) in ints.iter_mut().zip(others) {
                    *int = int.add(other);
                }
            }
            let scale = token.load_f16_from(pair.add(half * vector / 2).cast());
            for (row, (sum, int)) in sums.iter_mut().zip(ints).enumerate() {
                *sum = int.to_float().mul_add(scale.mul(token.splat(panel.f32(0, row))), *sum);
            }
            panel = panel.skip(BLOCK_WORDS);
        }
        store(sums, arguments);
    }
}
