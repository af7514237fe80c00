//! Plain tokens in panels: for instruction sets whose products take words of several tokens from one vector.
//!
//! ```text
//! panel: for each k group, for each unit of words of the group, for each row: the words
//! ```
//!
//! A unit is one word, or the two that are never parted. Tokens come as f32 and are rounded on the way, inside the call: what an
//! engine's packing costs is part of the product.

use super::tile::QuantiseArguments;
use crate::simd::{Halves, Kernel, Token};
use std::marker::PhantomData;

/// What a plain token's values become in a panel.
pub(crate) trait Words<S> {
    /// Values in one word.
    const VALUES: usize;
    /// Words of a row that lie together.
    const TOGETHER: usize;
    /// Values behind the last one.
    const BLANK: f32 = 0.0;
    /// Of each word, what it adds to the word that a row begins with; `None`: there is no such word.
    const START: Option<fn(u32) -> i32> = None;

    /// The words of a stretch of values.
    fn words(token: S, values: &[f32; STRETCH]) -> [u32; STRETCH];
}

/// Values that are made ready together; of the words as many are meant as there are values for.
pub(crate) const STRETCH: usize = 32;

/// f32 as they are.
pub(crate) struct Singles;

impl<S: Token> Words<S> for Singles {
    const VALUES: usize = 1;
    const TOGETHER: usize = 1;

    #[inline(always)]
    fn words(_token: S, values: &[f32; STRETCH]) -> [u32; STRETCH] {
        values.map(f32::to_bits)
    }
}

/// The nearest bf16, ties to even, as the upper half of a word. Finite numbers.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000
}

/// Rounded to bf16, and f32 nevertheless.
pub(crate) struct RoundedSingles;

impl<S: Token> Words<S> for RoundedSingles {
    const VALUES: usize = 1;
    const TOGETHER: usize = 1;

    #[inline(always)]
    fn words(_token: S, values: &[f32; STRETCH]) -> [u32; STRETCH] {
        values.map(rounded)
    }
}

/// Pairs of bf16, two such words of a row together.
pub(crate) struct Bf16Pairs;

impl<S: Token> Words<S> for Bf16Pairs {
    const VALUES: usize = 2;
    const TOGETHER: usize = 2;

    #[inline(always)]
    fn words(_token: S, values: &[f32; STRETCH]) -> [u32; STRETCH] {
        let mut words = [0; STRETCH];
        for (word, pair) in words.iter_mut().zip(values.as_chunks::<2>().0) {
            *word = rounded(pair[0]) >> 16 | rounded(pair[1]);
        }
        words
    }
}

/// Pairs of f16.
pub(crate) struct F16Pairs;

impl<S: Halves> Words<S> for F16Pairs {
    const VALUES: usize = 2;
    const TOGETHER: usize = 1;

    #[inline(always)]
    fn words(token: S, values: &[f32; STRETCH]) -> [u32; STRETCH] {
        let mut words = [0; STRETCH];
        for (word, pair) in words.iter_mut().zip(values.as_chunks::<2>().0) {
            let [low, high] = pair.map(|value| u32::from(token.rounded(value).to_bits()));
            *word = low | high << 16;
        }
        words
    }
}

/// Bytes without a sign, −1 to 1 as 0 to 255, `TOGETHER` words of four at a time. The weights' zero point is 128.
pub(crate) struct Bytes<const TOGETHER: usize>;

impl<S: Token, const TOGETHER: usize> Words<S> for Bytes<TOGETHER> {
    const VALUES: usize = 4;
    const TOGETHER: usize = TOGETHER;
    const BLANK: f32 = -1.0;
    const START: Option<fn(u32) -> i32> =
        Some(|word| word.to_ne_bytes().into_iter().fold(0, |sum, byte| sum - 128 * i32::from(byte)));

    #[inline(always)]
    fn words(_token: S, values: &[f32; STRETCH]) -> [u32; STRETCH] {
        let bytes = values.map(|value| (value * 127.5 + 127.5).round_ties_even() as u8);
        let mut words = [0; STRETCH];
        words.iter_mut().zip(bytes.as_chunks::<4>().0).for_each(|(word, &bytes)| *word = u32::from_ne_bytes(bytes));
        words
    }
}

/// Lays rows of tokens out in one panel, in groups of `GROUP` words.
pub(super) struct Arrange<W, const GROUP: usize>(PhantomData<W>);

impl<S: Token, W: Words<S>, const GROUP: usize> Kernel<S> for Arrange<W, GROUP> {
    type Input<'a> = QuantiseArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, QuantiseArguments { tokens, rows, k, panel }: QuantiseArguments<'_>) {
        let words_of_row = k.div_ceil(W::VALUES * GROUP) * GROUP;
        let header = if W::START.is_some() { rows } else { 0 };
        debug_assert!(tokens.len() == rows * k && panel.len() == (header + rows * words_of_row) * 4);
        let panel = panel.as_mut_ptr().cast::<[u8; 4]>();
        for row in 0..rows {
            let (mut start, mut at) = (0_i32, 0);
            for values in tokens[row * k..(row + 1) * k].chunks(STRETCH) {
                let mut stretch = [W::BLANK; STRETCH];
                stretch[..values.len()].copy_from_slice(values);
                let words = W::words(token, &stretch);
                let meant = (STRETCH / W::VALUES).min(words_of_row - at);
                for (index, word) in words.into_iter().enumerate().take(meant) {
                    let within = at + index;
                    let to =
                        header + within / W::TOGETHER * W::TOGETHER * rows + row * W::TOGETHER + within % W::TOGETHER;
                    // SAFETY: a row has so many words, and the panel room for those of all rows.
                    unsafe { panel.add(to).write(word.to_ne_bytes()) }
                    if let Some(gain) = W::START {
                        start = start.wrapping_add(gain(word));
                    }
                }
                at += meant;
            }
            if W::START.is_some() {
                // SAFETY: the header has a word for each row.
                unsafe { panel.add(row).write(start.to_ne_bytes()) }
            }
        }
    }
}
