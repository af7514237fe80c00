//! Matmul with ggml's q4_k: super-blocks of 8 sub-blocks of 32, each with a 6-bit scale and minimum.
//!
//! Strip of one vector and super-block: d and dmin as f16, the 12 bytes of 6-bit numbers as 3 words, 32 words of nibbles.

use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, SUPER_BLOCK, q8_k, quads};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{BlockFormat, Panel, add_scaled, store};
use crate::ops::matmul::tile::{RegisterTile, TileArguments};
use crate::simd::{Float, Integer, Integers, Vector};

pub(super) struct Q4K;

/// Words of a super-block of one token: scale, sums of the 8 sub-blocks as 4 pairs of 16 bits, 64 quads.
const WORDS: usize = 1 + 4 + SUPER_BLOCK / 4;

const FORMAT: Format = Format {
    weights: Dtype::Q4K,
    arithmetic: Dtype::Q4K.usual_arithmetic(),
    strip: Unit { elements: SUPER_BLOCK, bytes: 144 },
    token: Unit { elements: SUPER_BLOCK, bytes: WORDS * 4 },
    pack,
};

/// ggml's super-block: f16 d and dmin, 12 bytes of 6-bit numbers, 128 bytes of nibbles.
fn pack(row: &[u8], strip: &mut [u8], lane: Lane) {
    for (block, strip) in row.chunks_exact(144).zip(strip.chunks_exact_mut(144 * lane.of)) {
        words::<2>(&block[..4], strip, lane, 0);
        words::<4>(&block[4..], &mut strip[4 * lane.of..], lane, 0);
    }
}

/// Q8_K activations with the sums of 32 quants, which the minima need.
pub(super) struct Tokens;

impl Activation for Tokens {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = WORDS;

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

impl<S: Integers> BlockFormat<S> for Q4K {
    const FORMAT: &'static Format = &FORMAT;
    type Activation = Tokens;
}

impl<S: Integers> RegisterTile<S> for Q4K {
    #[inline(always)]
    unsafe fn multiply<const ROWS: usize>(token: S, arguments: &TileArguments<'_>) {
        let vector = S::I32::LANES * 4;
        debug_assert!(arguments.weights.len() >= arguments.groups * 36 * vector);
        // SAFETY: by contract.
        unsafe {
            let splat = |value: i32| -> S::I32 { token.splat(value) };
            let [low4, low6, high2] = [0x0f0f_0f0f, 0x3f3f_3f3f, 0x3030_3030].map(splat);
            let mut sums: [S::F32; ROWS] = [token.splat(0.0); ROWS];
            let mut panel = Panel::<ROWS>::new(arguments, WORDS);
            let mut weights = arguments.weights.as_ptr();
            for _ in 0..arguments.groups {
                // The 6-bit numbers of ggml's get_scale_min_k4, four to a word.
                let [a, b, c]: [S::I32; 3] = [1, 2, 3].map(|word| token.load_from(weights.add(word * vector).cast()));
                let scales = [a.and(low6), c.and(low4).or(a.shr::<2>().and(high2))];
                let minima = [b.and(low6), c.shr::<4>().and(low4).or(b.shr::<2>().and(high2))];

                let quants = weights.add(4 * vector);
                let mut ints = [splat(0); ROWS];
                for pair in 0..4 {
                    // Low nibbles are one sub-block, high nibbles the next.
                    let mut dots = [[splat(0); ROWS]; 2];
                    for q in 0..8 {
                        let raw: S::I32 = token.load_from(quants.add((pair * 8 + q) * vector).cast());
                        let word = 5 + pair * 16 + q;
                        let [lows, highs] = &mut dots;
                        panel.multiply_accumulate::<S, false>(token, lows, raw.and(low4), word);
                        panel.multiply_accumulate::<S, false>(token, highs, raw.shr::<4>().and(low4), word + 8);
                    }
                    let word = scales[pair / 2];
                    let two = if pair % 2 == 0 { word } else { word.shr::<16>() };
                    add_scaled(&mut ints, dots[0], two.and(splat(0xff)));
                    add_scaled(&mut ints, dots[1], two.shr::<8>().and(splat(0xff)));
                }
                let mut least = [splat(0); ROWS];
                for pair in 0..4 {
                    let even = if pair % 2 == 0 { minima[pair / 2] } else { minima[pair / 2].shr::<8>() };
                    let m = even.and(splat(0x00ff_00ff));
                    for (row, least) in least.iter_mut().enumerate() {
                        *least = token.dot_i16(*least, m, splat(panel.i32(1 + pair, row)));
                    }
                }
                let [d, d_min] = [0, vector / 2].map(|at| token.load_f16_from(weights.add(at).cast()));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let scale = panel.f32(0, row);
                    *sum = ints[row].to_float().mul_add(d.mul(token.splat(scale)), *sum);
                    *sum = least[row].to_float().mul_add(d_min.mul(token.splat(-scale)), *sum);
                }
                weights = weights.add(36 * vector);
                panel = panel.skip(WORDS);
            }
            store(sums, arguments);
        }
    }
}
