//! How q2_k and q3_k lie in strips and tokens.

use crate::dtype::Dtype;
use crate::ops::matmul::activations::{Activation, SUPER_BLOCK, q8_k, quads};
use crate::ops::matmul::format::{Format, Lane, Unit, words};
use crate::ops::matmul::panel::{bits_of_quants, quant_words};
use crate::simd::{ByteProducts, Integers};

/// Words of a super-block of one token before its quads: its scale; for q2_k the sums of the sub-blocks, in pairs of 16 bits; for q3_k
/// what a zero point of 127 makes of all quants, and start values of the sub-blocks with one of 4.
pub(super) const fn header(third: bool) -> usize {
    if third { 2 + 16 } else { 1 + 8 }
}

/// Words of a super-block of one token.
pub(super) const fn token_words(third: bool) -> usize {
    header(third) + SUPER_BLOCK / 4
}

/// Words of a place of one row, and how many of them come before its quants.
pub(super) const fn place_words(third: bool) -> (usize, usize) {
    if third { (6, 2) } else { (5, 1) }
}

/// Words of a super-block of one row, but for the d of q3_k.
pub(super) const fn words_of(third: bool) -> usize {
    if third { 27 } else { 21 }
}

pub(super) const fn format(third: bool, pack: fn(&[u8], &mut [u8], Lane)) -> Format {
    let (weights, together) = if third { (Dtype::Q3K, 2) } else { (Dtype::Q2K, 1) };
    Format {
        weights,
        arithmetic: weights.usual_arithmetic(),
        strip: Unit { elements: together * SUPER_BLOCK, bytes: together * weights.block().bytes as usize },
        token: Unit { elements: SUPER_BLOCK, bytes: token_words(third) * 4 },
        header: 0,
        blank: 0,
        pack,
    }
}

/// The sub-block of a quarter at a place: of half a super-block, and of one part of that.
pub(super) const fn sub_block(place: usize, quarter: usize) -> usize {
    8 * (place / 2) + 2 * quarter + place % 2
}

/// ggml's super-block: q2_k 16 bytes of scales and minima, 64 of bit pairs, f16 d and dmin; q3_k 32 bytes of high bits, 64 of bit
/// pairs, 12 of scales, f16 d.
pub(super) fn pack<const THIRD: bool>(row: &[u8], strip: &mut [u8], lane: Lane, bytes: ByteProducts) {
    let (vector, (of_place, before)) = (4 * lane.of, place_words(THIRD));
    let (block_bytes, quants_at) = if THIRD { (110, 32) } else { (84, 16) };
    for (index, block) in row.chunks_exact(block_bytes).enumerate() {
        let strip = if THIRD {
            let pair = &mut strip[index / 2 * 55 * vector..];
            words::<2>(&block[108..], &mut pair[index % 2 * vector / 2..], lane, 0);
            let strip = &mut pair[(1 + index % 2 * 27) * vector..];
            words::<4>(&scales_by_place(&block[96..108]), strip, lane, 0);
            &mut strip[3 * vector..]
        } else {
            let strip = &mut strip[index * 21 * vector..];
            words::<2>(&block[80..84], strip, lane, 0);
            &mut strip[vector..]
        };
        for (place, strip) in strip.chunks_exact_mut(of_place * vector).take(4).enumerate() {
            let (rest, quants) = strip.split_at_mut(before * vector);
            let from = place / 2 * 32 + place % 2 * 16;
            quant_words(&block[quants_at + from..][..16], quants, lane, 0, bytes);
            if !THIRD {
                let scales: [u8; 4] = std::array::from_fn(|quarter| block[sub_block(place, quarter)]);
                words::<4>(&scales, rest, lane, 0);
                continue;
            }
            for (two, thirds) in rest.chunks_exact_mut(vector).enumerate() {
                let bit = |i: usize, quarter: usize| block[place % 2 * 16 + i] >> (place / 2 * 4 + quarter) & 1;
                let bits = |i, q| bit(i, 2 * two) << q | bit(i, 2 * two + 1) << (4 + q);
                bits_of_quants(thirds, 16, lane, bytes, bits);
            }
        }
    }
}

/// The 6-bit scales of q3_k in the order of their use: a byte of the first two words has the lower four bits of two of the same
/// quarter, and one of the third the upper two bits of four.
fn scales_by_place(packed: &[u8]) -> [u8; 12] {
    let scale = |place: usize, quarter: usize| {
        let sub = sub_block(place, quarter);
        (packed[sub % 8] >> (4 * (sub / 8)) & 0x0f, packed[8 + sub % 4] >> (2 * (sub / 4)) & 3)
    };
    std::array::from_fn(|byte| {
        let (word, quarter) = (byte / 4, byte % 4);
        if word < 2 {
            scale(2 * word, quarter).0 | scale(2 * word + 1, quarter).0 << 4
        } else {
            (0..4).fold(0, |bits, place| bits | scale(place, quarter).1 << (2 * place))
        }
    })
}

/// Q8_K activations with what the minima or the zero points need.
pub(in super::super) struct Tokens<const THIRD: bool>;

impl<const THIRD: bool> Activation for Tokens<THIRD> {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = token_words(THIRD);
    const HEADER: usize = header(THIRD);

    #[inline(always)]
    fn quantise<S: Integers>(token: S, values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        let (d, quants, sums) = q8_k(token, values);
        word(0, d.to_ne_bytes());
        if THIRD {
            let all = sums.iter().fold(0_i32, |all, sum| all.wrapping_add(*sum));
            word(1, all.wrapping_mul(-127).to_ne_bytes());
            for (sub, sum) in sums.iter().enumerate() {
                word(2 + sub, sum.wrapping_mul(-4).to_ne_bytes());
            }
        } else {
            for pair in 0..8 {
                // Minima 0, 2 and 1, 3 of a place are met side by side in the even and the odd bytes of its word.
                let sum = |quarter: usize| sums[sub_block(pair / 2, quarter)];
                let two = sum(pair % 2) & 0xffff | sum(pair % 2 + 2) << 16;
                word(1 + pair, two.to_ne_bytes());
            }
        }
        quads(&quants, header(THIRD), word);
    }
}
