//! Activations quantised to bytes, as engines do for the block formats, into the panels that [`super::quantised`] multiplies.

use super::lanes::Lanes;
use super::quantised::{BLOCK, BLOCK_WORDS, Q4_K_WORDS, Q6_K_WORDS, SUPER_BLOCK};

/// Quantises `rows` tokens of `k` values into one panel (see the words above).
///
/// As ggml does it: blocks of 32 with d = max|x|/127 rounded to half precision, the quants taken before the rounding of d;
/// super-blocks with 1/d = −127 over the value of largest magnitude.
///
/// # Safety
/// The ISA is available; `k` is whole blocks; `rows` rows of `k` values, `stride` values apart, and the panel are there.
#[inline(always)]
pub(crate) unsafe fn quantise<L: Lanes, F: Activation>(
    tokens: *const f32,
    stride: usize,
    rows: usize,
    k: usize,
    panel: *mut u8,
) {
    for block in 0..k / F::ELEMENTS {
        for row in 0..rows {
            // SAFETY: by contract.
            unsafe {
                let values = std::slice::from_raw_parts(tokens.add(row * stride + block * F::ELEMENTS), F::ELEMENTS);
                let word = |index: usize, value: [u8; 4]| {
                    let at = ((block * F::WORDS + index) * rows + row) * 4;
                    panel.add(at).cast::<[u8; 4]>().write(value);
                };
                F::quantise::<L>(values, word);
            }
        }
    }
}

/// How the activations for a format are quantised.
pub(crate) trait Activation {
    /// Elements of one block.
    const ELEMENTS: usize;
    /// Words of one block of one token.
    const WORDS: usize;
    /// Gives every word of one block, by its index.
    ///
    /// # Safety
    /// The ISA is available; values are [`Self::ELEMENTS`] of them.
    unsafe fn quantise<L: Lanes>(values: &[f32], word: impl FnMut(usize, [u8; 4]));
}

/// Q8_0 activations against weights with zero point `ZERO`.
pub(crate) struct Q8_0<const ZERO: i32>;

impl<const ZERO: i32> Activation for Q8_0<ZERO> {
    const ELEMENTS: usize = BLOCK;
    const WORDS: usize = BLOCK_WORDS;

    #[inline(always)]
    unsafe fn quantise<L: Lanes>(values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        let mut quants = [0_u8; BLOCK];
        // SAFETY: the ISA is available, and values are as many as quants, by contract.
        unsafe {
            let [most, least] = extremes::<L>(values);
            let d = most.max(-least) / 127.0;
            let sums: [i32; BLOCK / SUM] =
                quants_and_sums::<L, _>(values, if d > 0.0 { 1.0 / d } else { 0.0 }, &mut quants);
            word(0, L::round_to_f16(d).to_ne_bytes());
            word(1, sums[0].wrapping_add(sums[1]).wrapping_mul(-ZERO).to_ne_bytes());
        }
        quads(&quants, 2, word);
    }
}

/// Q8_K activations for q4_k weights, whose minima need the sums of 32 quants.
pub(crate) struct Q8KForQ4K;

impl Activation for Q8KForQ4K {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = Q4_K_WORDS;

    #[inline(always)]
    unsafe fn quantise<L: Lanes>(values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        // SAFETY: the ISA is available, and values are a super-block of them, by contract.
        let (d, quants, sums) = unsafe { q8_k::<L>(values) };
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

/// Q8_K activations for q6_k weights, whose zero point is 32.
pub(crate) struct Q8KForQ6K;

impl Activation for Q8KForQ6K {
    const ELEMENTS: usize = SUPER_BLOCK;
    const WORDS: usize = Q6_K_WORDS;

    #[inline(always)]
    unsafe fn quantise<L: Lanes>(values: &[f32], mut word: impl FnMut(usize, [u8; 4])) {
        // SAFETY: the ISA is available, and values are a super-block of them, by contract.
        let (d, quants, sums) = unsafe { q8_k::<L>(values) };
        word(0, d.to_ne_bytes());
        for (sub, sum) in sums.iter().enumerate() {
            word(1 + sub, sum.wrapping_mul(-32).to_ne_bytes());
        }
        quads(&quants, 17, word);
    }
}

/// Quants that are summed together: the smallest sub-block.
const SUM: usize = 16;

/// The scale, the quants and their sums of a Q8_K super-block.
///
/// # Safety
/// The ISA is available; values are [`SUPER_BLOCK`] of them.
#[inline(always)]
unsafe fn q8_k<L: Lanes>(values: &[f32]) -> (f32, [u8; SUPER_BLOCK], [i32; SUPER_BLOCK / SUM]) {
    let mut quants = [0; SUPER_BLOCK];
    // SAFETY: by contract; values are as many as quants.
    unsafe {
        let [most, least] = extremes::<L>(values);
        let extreme = if most > -least { most } else { least };
        if extreme == 0.0 {
            return (0.0, quants, [0; SUPER_BLOCK / SUM]);
        }
        let inverse = -127.0 / extreme;
        let sums = quants_and_sums::<L, _>(values, inverse, &mut quants);
        (1.0 / inverse, quants, sums)
    }
}

/// The largest value above zero and the smallest below it, zero where there is none.
///
/// # Safety
/// The ISA is available; whole vectors of values.
#[inline(always)]
unsafe fn extremes<L: Lanes>(values: &[f32]) -> [f32; 2] {
    // SAFETY: by contract.
    unsafe {
        let (mut most, mut least) = (L::splat_f32(0.0), L::splat_f32(0.0));
        for vector in values.chunks_exact(L::LANES) {
            let vector = L::load_f32(vector.as_ptr().cast());
            most = L::max_f32(most, vector);
            least = L::max_f32(least, L::mul_f32(vector, L::splat_f32(-1.0)));
        }
        [L::largest(most), -L::largest(least)]
    }
}

/// The values times `inverse`, rounded to the nearest integer, ties to even, as bytes; and their sums, [`SUM`] at a time. No
/// magnitude is above 127 but by the rounding of `inverse`, which does not reach the next integer.
///
/// # Safety
/// The ISA is available; as many quants as values, `SUMS` times [`SUM`] of them.
#[inline(always)]
unsafe fn quants_and_sums<L: Lanes, const SUMS: usize>(values: &[f32], inverse: f32, quants: &mut [u8]) -> [i32; SUMS] {
    let mut sums = [0; SUMS];
    // SAFETY: by contract.
    unsafe {
        for (index, sum) in sums.iter_mut().enumerate() {
            let mut total = L::splat(0);
            for at in (index * SUM..(index + 1) * SUM).step_by(L::LANES) {
                let scaled = L::mul_f32(L::load_f32(values.as_ptr().add(at).cast()), L::splat_f32(inverse));
                let rounded = L::nearest(scaled);
                L::store_s8(rounded, quants.as_mut_ptr().add(at));
                total = L::add(total, rounded);
            }
            *sum = L::total(total);
        }
    }
    sums
}

/// Gives the quants as words of four bytes, from word `from` on.
#[inline(always)]
fn quads(quants: &[u8], from: usize, mut word: impl FnMut(usize, [u8; 4])) {
    for (index, &quad) in quants.as_chunks::<4>().0.iter().enumerate() {
        word(from + index, quad);
    }
}
