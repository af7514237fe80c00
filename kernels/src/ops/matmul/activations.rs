//! Activations quantised to bytes, as engines do for the block formats, into the panels that the tiles multiply.
//!
//! As ggml does it: blocks of 32 with d = max|x|/127 rounded to half precision, the quants taken before the rounding of d;
//! super-blocks with 1/d = −127 over the value of largest magnitude.

use super::tile::QuantiseArguments;
use crate::simd::{Float, Integer, Integers, Kernel, Single, Vector};
use std::marker::PhantomData;

/// Quants per activation scale of the formats of small blocks.
pub(super) const BLOCK: usize = 32;
/// Quants per activation scale of the k formats.
pub(super) const SUPER_BLOCK: usize = 256;

/// How the activations for a format are quantised.
pub(super) trait Activation {
    /// Elements of one block.
    const ELEMENTS: usize;
    /// Words of one block of one token.
    const WORDS: usize;
    /// How many of them come before the quants.
    const HEADER: usize;

    /// Gives every word of one block of [`Self::ELEMENTS`] values, by its index.
    fn quantise<S: Integers>(token: S, values: &[f32], word: impl FnMut(usize, [u8; 4]));
}

/// Quantises rows of tokens into one panel: word by word, the rows side by side. Where products take several words of a row
/// together, so many of one row lie side by side.
pub(super) struct Quantise<F>(PhantomData<F>);

impl<S: Integers, F: Activation> Kernel<S> for Quantise<F> {
    type Input<'a> = QuantiseArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, QuantiseArguments { tokens, rows, k, panel }: QuantiseArguments<'_>) {
        debug_assert!(tokens.len() == rows * k && panel.len() >= k / F::ELEMENTS * F::WORDS * rows * 4);
        let (panel, together) = (panel.as_mut_ptr(), S::BYTES.words());
        for block in 0..k / F::ELEMENTS {
            for row in 0..rows {
                let at = row * k + block * F::ELEMENTS;
                // SAFETY: who calls this sees to it that there are `rows` rows of `k` values.
                let values = unsafe { tokens.get_unchecked(at..at + F::ELEMENTS) };
                F::quantise(token, values, |index, value| {
                    let (first, within) = match index.checked_sub(F::HEADER) {
                        Some(quad) => (F::HEADER + quad / together * together, quad % together),
                        None => (index, 0),
                    };
                    let in_row = if index < F::HEADER { row } else { row * together + within };
                    let at = ((block * F::WORDS + first) * rows + in_row) * 4;
                    // SAFETY: the panel has WORDS words for each block and row.
                    unsafe { panel.add(at).cast::<[u8; 4]>().write(value) };
                });
            }
        }
    }
}

/// Words of a block of [`Q8_0Tokens`]: scale, start value, 8 quads.
pub(super) const BLOCK_WORDS: usize = 2 + BLOCK / 4;

/// Blocks of 32 with one scale, for weights with zero point `ZERO`.
pub(super) struct Q8_0Tokens<const ZERO: i32>;

impl<const ZERO: i32> Activation for Q8_0Tokens<ZERO> {
    const ELEMENTS: usize = BLOCK;
    const WORDS: usize = BLOCK_WORDS;
    const HEADER: usize = 2;

    #[inline(always)]
    fn quantise<S: Integers>(token: S, values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        let mut quants = [0; BLOCK];
        let [most, least] = extremes(token, values);
        let d = most.max(-least) / 127.0;
        let sums: [i32; BLOCK / SUM] = quants_and_sums(token, values, if d > 0.0 { 1.0 / d } else { 0.0 }, &mut quants);
        word(0, token.round_to_f16(d).to_ne_bytes());
        word(1, sums[0].wrapping_add(sums[1]).wrapping_mul(-ZERO).to_ne_bytes());
        quads(&quants, 2, word);
    }
}

/// Quants that are summed together: the smallest sub-block.
const SUM: usize = 16;

/// The scale, the quants and their sums of a Q8_K super-block.
#[inline(always)]
pub(super) fn q8_k<S: Integers>(token: S, values: &[f32]) -> (f32, [i8; SUPER_BLOCK], [i32; SUPER_BLOCK / SUM]) {
    let mut quants = [0; SUPER_BLOCK];
    let [most, least] = extremes(token, values);
    let extreme = if most > -least { most } else { least };
    if extreme == 0.0 {
        return (0.0, quants, [0; SUPER_BLOCK / SUM]);
    }
    let inverse = -127.0 / extreme;
    let sums = quants_and_sums(token, values, inverse, &mut quants);
    (1.0 / inverse, quants, sums)
}

/// The largest value above zero and the smallest below it, zero where there is none.
#[inline(always)]
fn extremes<S: Integers>(token: S, values: &[f32]) -> [f32; 2] {
    let (mut most, mut least): (S::F32, S::F32) = (token.splat(0.0), token.splat(0.0));
    for vector in values.chunks_exact(S::F32::LANES) {
        let vector: S::F32 = token.load(vector);
        most = most.max(vector);
        least = least.max(vector.mul(token.splat(-1.0)));
    }
    [most.largest(), -least.largest()]
}

/// The values times `inverse`, rounded to the nearest integer, ties to even, as bytes; and their sums, [`SUM`] at a time. No
/// magnitude is above 127 but by the rounding of `inverse`, which does not reach the next integer.
#[inline(always)]
fn quants_and_sums<S: Integers, const SUMS: usize>(
    token: S,
    values: &[f32],
    inverse: f32,
    quants: &mut [i8],
) -> [i32; SUMS] {
    debug_assert!(values.len() == SUMS * SUM && quants.len() == values.len());
    let mut sums = [0; SUMS];
    for (index, sum) in sums.iter_mut().enumerate() {
        let mut total: S::I32 = token.splat(0);
        for at in (index * SUM..(index + 1) * SUM).step_by(S::F32::LANES) {
            // SAFETY: the vector lies among the SUMS times SUM values and quants.
            unsafe {
                let values: S::F32 = token.load_from(values.as_ptr().add(at));
                let rounded = S::I32::nearest(values.mul(token.splat(inverse)));
                rounded.store_i8_to(quants.as_mut_ptr().add(at));
                total = total.add(rounded);
            }
        }
        *sum = total.total();
    }
    sums
}

/// Gives the quants as words of four bytes, from word `from` on.
#[inline(always)]
pub(super) fn quads(quants: &[i8], from: usize, mut word: impl FnMut(usize, [u8; 4])) {
    for (index, &quad) in quants.as_chunks::<4>().0.iter().enumerate() {
        word(from + index, quad.map(|quant| quant as u8));
    }
}
