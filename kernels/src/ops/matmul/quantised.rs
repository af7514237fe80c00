//! Matmul with block-quantised weights: q8_0, q4_0, q4_k, q6_k, with activations quantised to bytes as engines do.
//!
//! ```text
//! for each block of weights (32 elements; 256 for the k formats), per vector of weight rows and per token:
//!     int  = Σ u8 quant · s8 activation            in integers, exact; zero points enter as the start value
//!     sum += scale(weights) · scale(token) · int    in f32
//! ```
//!
//! A lane of a vector is a weight row, as in [`super::plain`]; four consecutive quants of a row make its 32 bits, so that
//! repacking ggml's blocks is a transposition of 4-byte words, and every byte of the block is kept: the traffic is the
//! format's own. Weights are the unsigned operand (8-bit ones with their sign bit flipped), activations the signed one.

use super::TileArguments;
use super::lanes::Lanes;

/// Quants per activation scale of q8_0 and q4_0.
pub(crate) const BLOCK: usize = 32;
/// Quants per activation scale of the k formats.
pub(crate) const SUPER_BLOCK: usize = 256;

/// Words of 4 bytes that one token's block takes in a panel: scale, start value, 8 quads.
pub(crate) const BLOCK_WORDS: usize = 2 + BLOCK / 4;
/// Words of a q4_k super-block of one token: scale, sums of the 8 sub-blocks as 4 pairs of 16 bits, 64 quads.
pub(crate) const Q4_K_WORDS: usize = 1 + 4 + SUPER_BLOCK / 4;
/// Words of a q6_k super-block of one token: scale, start values of the 16 sub-blocks, 64 quads.
pub(crate) const Q6_K_WORDS: usize = 1 + 16 + SUPER_BLOCK / 4;

/// A panel of `ROWS` tokens, word by word, the rows of the tile side by side.
#[derive(Clone, Copy)]
struct Panel<const ROWS: usize>(*const u8);

impl<const ROWS: usize> Panel<ROWS> {
    /// # Safety
    /// The word is in the panel.
    #[inline(always)]
    unsafe fn word(self, index: usize, row: usize) -> *const u8 {
        // SAFETY: by contract.
        unsafe { self.0.add((index * ROWS + row) * 4) }
    }

    /// # Safety
    /// The word is in the panel, and is an f32.
    #[inline(always)]
    unsafe fn f32(self, index: usize, row: usize) -> f32 {
        // SAFETY: by contract.
        unsafe { self.word(index, row).cast::<f32>().read_unaligned() }
    }

    /// # Safety
    /// The word is in the panel.
    #[inline(always)]
    unsafe fn i32(self, index: usize, row: usize) -> i32 {
        // SAFETY: by contract.
        unsafe { self.word(index, row).cast::<i32>().read_unaligned() }
    }

    /// # Safety
    /// `words` more words are in the panel.
    #[inline(always)]
    unsafe fn skip(self, words: usize) -> Self {
        // SAFETY: by contract.
        Self(unsafe { self.0.add(words * ROWS * 4) })
    }
}

/// Stores the sums of a tile.
///
/// # Safety
/// The output is there, see [`TileArguments`].
#[inline(always)]
unsafe fn store<L: Lanes, const ROWS: usize>(sums: [L::F; ROWS], arguments: &TileArguments) {
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: by contract.
        unsafe { L::store_f32(sum, arguments.out.add(row * arguments.out_stride)) }
    }
}

/// Up to so many rows, one chain of dependent dot products per row would leave the pipes waiting: there are two.
const FEW_ROWS: usize = 2;

/// Multiplies one word of every weight row with that word of every token.
///
/// # Safety
/// The ISA is available; the word is in the panel; unless `WIDE`, no byte of the weights is above 127.
#[inline(always)]
unsafe fn multiply_accumulate<L: Lanes, const WIDE: bool, const ROWS: usize>(
    sums: &mut [L::I; ROWS],
    weights: L::I,
    panel: Panel<ROWS>,
    word: usize,
) {
    for (row, sum) in sums.iter_mut().enumerate() {
        // SAFETY: by contract.
        unsafe {
            let token = L::splat(panel.i32(word, row));
            *sum = if WIDE { L::dot_u8_s8(*sum, weights, token) } else { L::dot_u7_s8(*sum, weights, token) };
        }
    }
}

/// Adds `dots` times `scale` to `ints`.
///
/// # Safety
/// The ISA is available.
#[inline(always)]
unsafe fn add_scaled<L: Lanes, const ROWS: usize>(ints: &mut [L::I; ROWS], dots: [L::I; ROWS], scale: L::I) {
    for (int, dot) in ints.iter_mut().zip(dots) {
        // SAFETY: by contract.
        *int = unsafe { L::add(*int, L::mul(dot, scale)) };
    }
}

/// q8_0 (`NIBBLES` false) and q4_0: blocks of 32 with one scale.
///
/// Strip of one vector, blocks in pairs so that everything stays aligned: scales of both blocks as f16, then their quants
/// (8 or 4 vectors each).
///
/// # Safety
/// The ISA is available; `groups` blocks of weights and of every token are there, an odd one filled up with zeros.
#[inline(always)]
pub(crate) unsafe fn blocks<L: Lanes, const NIBBLES: bool, const ROWS: usize>(arguments: &TileArguments) {
    let vector = L::LANES * 4;
    let quants = if NIBBLES { 4 } else { 8 };
    let pair_bytes = vector + 2 * quants * vector;
    // SAFETY: by contract.
    unsafe {
        let low = L::splat(0x0f0f_0f0f);
        let mut sums = [L::splat_f32(0.0); ROWS];
        let mut panel = Panel::<ROWS>(arguments.activations);
        for block in 0..arguments.groups {
            let half = block % 2;
            let pair = arguments.weights.add(block / 2 * pair_bytes);
            let mut ints: [L::I; ROWS] = std::array::from_fn(|row| L::splat(panel.i32(1, row)));
            let mut others = [L::splat(0); ROWS];
            for q in 0..quants {
                let raw = L::load(pair.add(vector + (half * quants + q) * vector));
                if NIBBLES {
                    // Closures are inlined late, and the order of instructions found then is up to a tenth faster (AVX2).
                    let [lows] = [raw].map(|raw| L::and(raw, low));
                    let [highs] = [raw].map(|raw| L::and(L::shr::<4>(raw), low));
                    multiply_accumulate::<L, false, ROWS>(&mut ints, lows, panel, 2 + q);
                    let sums = if ROWS <= FEW_ROWS { &mut others } else { &mut ints };
                    multiply_accumulate::<L, false, ROWS>(sums, highs, panel, 6 + q);
                } else {
                    let sums = if ROWS <= FEW_ROWS && q % 2 == 1 { &mut others } else { &mut ints };
                    multiply_accumulate::<L, true, ROWS>(sums, raw, panel, 2 + q);
                }
            }
            if ROWS <= FEW_ROWS {
                for (int, other) in ints.iter_mut().zip(others) {
                    *int = L::add(*int, other);
                }
            }
            let scale = L::load_f16(pair.add(half * vector / 2));
            for (row, (sum, int)) in sums.iter_mut().zip(ints).enumerate() {
                let token = L::splat_f32(panel.f32(0, row));
                *sum = L::mul_add(L::to_f32(int), L::mul_f32(scale, token), *sum);
            }
            panel = panel.skip(BLOCK_WORDS);
        }
        store::<L, ROWS>(sums, arguments);
    }
}

/// q4_k: super-blocks of 8 sub-blocks of 32, each with a 6-bit scale and minimum.
///
/// Strip of one vector and super-block: d and dmin as f16, the 12 bytes of 6-bit numbers as 3 words, 32 words of nibbles.
///
/// # Safety
/// The ISA is available; `groups` super-blocks of weights and of every token are there.
#[inline(always)]
pub(crate) unsafe fn q4_k<L: Lanes, const ROWS: usize>(arguments: &TileArguments) {
    let vector = L::LANES * 4;
    // SAFETY: by contract.
    unsafe {
        let [low4, low6, high2] = [0x0f0f_0f0f, 0x3f3f_3f3f, 0x3030_3030].map(|mask| L::splat(mask));
        let mut sums = [L::splat_f32(0.0); ROWS];
        let mut panel = Panel::<ROWS>(arguments.activations);
        let mut weights = arguments.weights;
        for _ in 0..arguments.groups {
            // The 6-bit numbers of ggml's get_scale_min_k4, four to a word.
            let [a, b, c] = [1, 2, 3].map(|word| L::load(weights.add(word * vector)));
            let scales = [L::and(a, low6), L::or(L::and(c, low4), L::and(L::shr::<2>(a), high2))];
            let minima = [L::and(b, low6), L::or(L::and(L::shr::<4>(c), low4), L::and(L::shr::<2>(b), high2))];

            let quants = weights.add(4 * vector);
            let mut ints = [L::splat(0); ROWS];
            for pair in 0..4 {
                // Low nibbles are one sub-block, high nibbles the next.
                let mut dots = [[L::splat(0); ROWS]; 2];
                for q in 0..8 {
                    let raw = L::load(quants.add((pair * 8 + q) * vector));
                    let word = 5 + pair * 16 + q;
                    let [lows, highs] = &mut dots;
                    multiply_accumulate::<L, false, ROWS>(lows, L::and(raw, low4), panel, word);
                    multiply_accumulate::<L, false, ROWS>(highs, L::and(L::shr::<4>(raw), low4), panel, word + 8);
                }
                let word = scales[pair / 2];
                let two = if pair % 2 == 0 { word } else { L::shr::<16>(word) };
                add_scaled::<L, ROWS>(&mut ints, dots[0], L::and(two, L::splat(0xff)));
                add_scaled::<L, ROWS>(&mut ints, dots[1], L::and(L::shr::<8>(two), L::splat(0xff)));
            }
            let mut least = [L::splat(0); ROWS];
            for pair in 0..4 {
                let even = if pair % 2 == 0 { minima[pair / 2] } else { L::shr::<8>(minima[pair / 2]) };
                let m = L::and(even, L::splat(0x00ff_00ff));
                for (row, least) in least.iter_mut().enumerate() {
                    *least = L::dot_s16(*least, m, L::splat(panel.i32(1 + pair, row)));
                }
            }
            let (d, d_min) = (L::load_f16(weights), L::load_f16(weights.add(vector / 2)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let token = panel.f32(0, row);
                *sum = L::mul_add(L::to_f32(ints[row]), L::mul_f32(d, L::splat_f32(token)), *sum);
                *sum = L::mul_add(L::to_f32(least[row]), L::mul_f32(d_min, L::splat_f32(-token)), *sum);
            }
            weights = weights.add(36 * vector);
            panel = panel.skip(Q4_K_WORDS);
        }
        store::<L, ROWS>(sums, arguments);
    }
}

/// q6_k: super-blocks of 16 sub-blocks of 16, each with an 8-bit scale.
///
/// Strip of one vector, super-blocks in pairs: d of both as f16, then for each and each of its four places the scales of four
/// sub-blocks, a byte per row, 4 words of high bit pairs and 8 of low nibbles: everything in the order of its use, without
/// which the prefetchers of memory are lost.
///
/// # Safety
/// The ISA is available; `groups` super-blocks of weights and of every token are there, an odd one filled up with zeros.
#[inline(always)]
pub(crate) unsafe fn q6_k<L: Lanes, const ROWS: usize>(arguments: &TileArguments) {
    let vector = L::LANES * 4;
    // SAFETY: by contract.
    unsafe {
        let mut sums = [L::splat_f32(0.0); ROWS];
        let mut panel = Panel::<ROWS>(arguments.activations);
        for block in 0..arguments.groups {
            let pair = arguments.weights.add(block / 2 * 105 * vector);
            let (d, quants) = (pair.add(block % 2 * vector / 2), pair.add(vector + block % 2 * 52 * vector));
            let mut ints = [L::splat(0); ROWS];
            for half in 0..2 {
                for part in 0..2 {
                    let place = Q6KPlace { weights: quants.add((2 * half + part) * 13 * vector), half, part };
                    q6_k_sub_block::<L, 0, ROWS>(&mut ints, panel, place);
                    q6_k_sub_block::<L, 1, ROWS>(&mut ints, panel, place);
                    q6_k_sub_block::<L, 2, ROWS>(&mut ints, panel, place);
                    q6_k_sub_block::<L, 3, ROWS>(&mut ints, panel, place);
                }
            }
            let d = L::load_f16(d);
            for (row, sum) in sums.iter_mut().enumerate() {
                let scale = L::mul_f32(d, L::splat_f32(panel.f32(0, row)));
                *sum = L::mul_add(L::to_f32(ints[row]), scale, *sum);
            }
            panel = panel.skip(Q6_K_WORDS);
        }
        store::<L, ROWS>(sums, arguments);
    }
}

/// Four sub-blocks of a q6_k super-block, one in each quarter: elements 128·half + 32·quarter + 16·part and the next fifteen.
#[derive(Clone, Copy)]
struct Q6KPlace {
    /// Their scales, with their quants behind them.
    weights: *const u8,
    half: usize,
    part: usize,
}

/// Multiplies one sub-block of q6_k weights.
///
/// # Safety
/// The ISA is available; the super-block is there, and in the panel.
#[inline(always)]
unsafe fn q6_k_sub_block<L: Lanes, const QUARTER: usize, const ROWS: usize>(
    ints: &mut [L::I; ROWS],
    panel: Panel<ROWS>,
    Q6KPlace { weights, half, part }: Q6KPlace,
) {
    let vector = L::LANES * 4;
    let sub = 8 * half + 2 * QUARTER + part;
    // SAFETY: by contract.
    unsafe {
        let (low4, high2) = (L::splat(0x0f0f_0f0f), L::splat(0x3030_3030));
        let (highs, lows) = (weights.add(vector), weights.add((5 + QUARTER % 2 * 4) * vector));
        let mut dots: [L::I; ROWS] = std::array::from_fn(|row| L::splat(panel.i32(1 + sub, row)));
        for q in 0..4 {
            let (low, high) = (L::load(lows.add(q * vector)), L::load(highs.add(q * vector)));
            let (low, high) = match QUARTER {
                0 => (low, L::shl::<4>(high)),
                1 => (low, L::shl::<2>(high)),
                2 => (L::shr::<4>(low), high),
                _ => (L::shr::<4>(low), L::shr::<2>(high)),
            };
            let w = L::or(L::and(low, low4), L::and(high, high2));
            multiply_accumulate::<L, false, ROWS>(&mut dots, w, panel, 17 + sub * 4 + q);
        }
        add_scaled::<L, ROWS>(ints, dots, L::load_s8(weights.add(QUARTER * L::LANES)));
    }
}

/// Instantiates the tiles of one quantised format as functions with their target features: `tiles[r - 1]` multiplies `r`
/// tokens.
macro_rules! quantised_tiles {
    ($tile:ident < $($argument:tt),* >, rows: [$($rows:literal)*] $(, #[$features:meta])?) => {
        $crate::ops::matmul::quantised::quantised_tiles!(@each $tile, [$($argument),*], [$($rows)*],
            [$(#[$features])?])
    };
    (@each $tile:ident, $arguments:tt, [$($rows:literal)*], $features:tt) => {
        &[$($crate::ops::matmul::quantised::quantised_tiles!(@one $tile, $arguments, $rows, $features)),*]
    };
    (@one $tile:ident, [$($argument:tt),*], $rows:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// The instruction set is available; arguments as the tile asks.
        $(#[$features])?
        unsafe fn tile(arguments: &$crate::ops::matmul::TileArguments) {
            // SAFETY: passed on from the caller.
            unsafe { $crate::ops::matmul::quantised::$tile::<$($argument,)* $rows>(arguments) }
        }
        tile as $crate::ops::matmul::TileFn
    }};
}
pub(crate) use quantised_tiles;
