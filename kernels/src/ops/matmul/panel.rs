//! What the tiles of all block formats do: words of quantised tokens times words of weights.

use super::activations::Activation;
use super::format::{Format, Lane, words};
use super::register_tile::{Operands, RegisterTile};
use crate::simd::{ByteProducts, Float, Integer, Integers, Vector};

/// A format of blocks with scales. Its register tile is one vector of weight rows wide.
pub(super) trait BlockFormat<S: Integers>: RegisterTile<S> {
    const FORMAT: &'static Format;
    /// How tokens are quantised for it.
    type Activation: Activation;
}

/// Sums of a tile of super-blocks: of whole ones, and of the sub-blocks so far, times their scales.
#[derive(Clone, Copy)]
pub(super) struct Sums<S: Integers, const ROWS: usize> {
    pub(super) floats: [S::F32; ROWS],
    pub(super) ints: [S::I32; ROWS],
}

impl<S: Integers, const ROWS: usize> Sums<S, ROWS> {
    /// Of nothing.
    #[inline(always)]
    pub(super) fn start(token: S) -> Self {
        Sums { floats: [token.splat(0.0); ROWS], ints: [token.splat(0); ROWS] }
    }

    /// Adds the sums of a super-block, times its scales, and begins with the next one.
    ///
    /// # Safety
    /// The super-block is in the panel.
    #[inline(always)]
    pub(super) unsafe fn end_block(&mut self, token: S, panel: Panel<ROWS>, d: S::F32) {
        let ints = std::mem::replace(&mut self.ints, [token.splat(0); ROWS]);
        // SAFETY: by contract.
        unsafe { panel.add_block(token, &mut self.floats, ints, d) }
    }
}

/// A panel of `ROWS` tokens, word by word, the rows of the tile side by side.
#[derive(Clone, Copy)]
pub(super) struct Panel<const ROWS: usize>(*const u8);

impl<const ROWS: usize> Panel<ROWS> {
    /// The panel of a tile's tokens, from a block on, each block taking `words` words of each token.
    ///
    /// # Safety
    /// The block is in the panel.
    #[inline(always)]
    pub(super) unsafe fn from(operands: Operands, block: usize, words: usize) -> Self {
        // SAFETY: by contract.
        Self(unsafe { operands.activations.add(block * words * ROWS * 4) })
    }

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
    pub(super) unsafe fn f32(self, index: usize, row: usize) -> f32 {
        // SAFETY: by contract.
        unsafe { self.word(index, row).cast::<f32>().read_unaligned() }
    }

    /// # Safety
    /// The word is in the panel.
    #[inline(always)]
    pub(super) unsafe fn i32(self, index: usize, row: usize) -> i32 {
        // SAFETY: by contract.
        unsafe { self.word(index, row).cast::<i32>().read_unaligned() }
    }

    /// Adds the integer sums of a block, times its scales and those of the tokens, which are the block's first words.
    ///
    /// # Safety
    /// The block is in the panel.
    #[inline(always)]
    pub(super) unsafe fn add_block<S: Integers>(
        self,
        token: S,
        floats: &mut [S::F32; ROWS],
        ints: [S::I32; ROWS],
        d: S::F32,
    ) {
        for (row, (sum, int)) in floats.iter_mut().zip(ints).enumerate() {
            // SAFETY: by contract.
            let scale = d.mul(token.splat(unsafe { self.f32(0, row) }));
            *sum = int.to_float().mul_add(scale, *sum);
        }
    }

    /// # Safety
    /// `words` more words are in the panel.
    #[inline(always)]
    pub(super) unsafe fn skip(self, words: usize) -> Self {
        // SAFETY: by contract.
        Self(unsafe { self.0.add(words * ROWS * 4) })
    }

    /// What the sums of every token begin with, as [`Panel::multiply_accumulate`] keeps them.
    ///
    /// # Safety
    /// The word is in the panel.
    #[inline(always)]
    pub(super) unsafe fn starts<S: Integers>(self, token: S, word: usize) -> [S::I32; ROWS] {
        // SAFETY: by contract.
        let mut starts: [S::I32; ROWS] = std::array::from_fn(|row| token.splat(unsafe { self.i32(word, row) }));
        if S::BYTES == ByteProducts::Blocks {
            for pair in starts.as_chunks_mut::<2>().0 {
                *pair = [pair[0].halves_joined(pair[1])[0]; 2];
            }
        }
        starts
    }

    /// Multiplies the `q`-th vector of weights with the words from `first` on that it belongs to, of every token. The vector has
    /// one word of every weight row; or, where products are of [blocks](ByteProducts::Blocks), two words of half the rows, the
    /// first half where `q` is even. There the sums of two tokens are two vectors of blocks, until they are [`settled`].
    ///
    /// # Safety
    /// The words are in the panel; unless `WIDE`, no byte of the weights is above 127, or all are signed.
    #[inline(always)]
    pub(super) unsafe fn multiply_accumulate<S: Integers, const WIDE: bool>(
        self,
        token: S,
        sums: &mut [S::I32; ROWS],
        weights: S::I32,
        first: usize,
        q: usize,
    ) {
        // SAFETY: by contract.
        unsafe {
            match S::BYTES {
                ByteProducts::Lanes => self.by_lane(token, sums, weights, first + q),
                ByteProducts::Blocks => self.by_blocks(token, sums, weights, first + q / 2 * 2, q % 2),
                ByteProducts::Mixed | ByteProducts::Alike => {
                    for (row, sum) in sums.iter_mut().enumerate() {
                        let value = token.splat(self.i32(first + q, row));
                        *sum = if S::BYTES.signed() {
                            token.dot_alike::<true>(*sum, weights, value)
                        } else if WIDE {
                            token.dot_u8_i8(*sum, weights, value)
                        } else {
                            token.dot_u8_i8_pairs(*sum, weights, value)
                        };
                    }
                }
            }
        }
    }

    /// # Safety
    /// The word is in the panel.
    #[inline(always)]
    unsafe fn by_lane<S: Integers>(self, token: S, sums: &mut [S::I32; ROWS], weights: S::I32, word: usize) {
        let (fours, rest) = sums.as_chunks_mut::<4>();
        let rest_from = 4 * fours.len();
        // SAFETY: by contract.
        unsafe {
            for (index, [a, b, c, d]) in fours.iter_mut().enumerate() {
                let values: S::I32 = token.load_from(self.word(word, 4 * index).cast());
                *a = token.dot_alike_lane::<true, 0>(*a, weights, values);
                *b = token.dot_alike_lane::<true, 1>(*b, weights, values);
                *c = token.dot_alike_lane::<true, 2>(*c, weights, values);
                *d = token.dot_alike_lane::<true, 3>(*d, weights, values);
            }
            let (two, one) = rest.as_chunks_mut::<2>();
            for [a, b] in two {
                let values = token.load_half::<false>(self.word(word, rest_from).cast());
                *a = token.dot_alike_lane::<true, 0>(*a, weights, values);
                *b = token.dot_alike_lane::<true, 1>(*b, weights, values);
            }
            for sum in one {
                *sum = token.dot_alike::<true>(*sum, weights, token.splat(self.i32(word, ROWS - 1)));
            }
        }
    }

    /// # Safety
    /// The word and the next are in the panel.
    #[inline(always)]
    unsafe fn by_blocks<S: Integers>(
        self,
        token: S,
        sums: &mut [S::I32; ROWS],
        weights: S::I32,
        word: usize,
        half: usize,
    ) {
        let (pairs, rest) = sums.as_chunks_mut::<2>();
        // SAFETY: by contract.
        unsafe {
            for (index, pair) in pairs.iter_mut().enumerate() {
                let values = token.load_from(self.word(word, 4 * index).cast());
                pair[half] = token.block_alike::<true>(pair[half], values, weights);
            }
            // A single token meets the rows of each half as the first or as the second of a block, and all sums are its own.
            if let [sum] = rest {
                let from = self.word(word, 2 * (ROWS - 1)).cast();
                let value = if half == 0 { token.load_half::<false>(from) } else { token.load_half::<true>(from) };
                *sum = token.block_alike::<true>(*sum, value, weights);
            }
        }
    }
}

/// The sums as one vector for each token.
#[inline(always)]
pub(super) fn settled<S: Integers, const ROWS: usize>(mut sums: [S::I32; ROWS]) -> [S::I32; ROWS] {
    if S::BYTES == ByteProducts::Blocks {
        for pair in sums.as_chunks_mut::<2>().0 {
            *pair = pair[0].halves_joined(pair[1]);
        }
    }
    sums
}

/// Quants of a row, to the places where [`Panel::multiply_accumulate`] looks for them.
pub(super) fn quant_words(row: &[u8], strip: &mut [u8], lane: Lane, flip: u8, bytes: ByteProducts) {
    match bytes {
        ByteProducts::Blocks => words::<8>(row, strip, lane, flip),
        _ => words::<4>(row, strip, lane, flip),
    }
}

/// Bits of a row's quants, gathered in one vector of bytes: into byte `j` of it those of byte `j` of each vector of quants, as
/// [`quant_words`] lays them out. Of byte `i` of `count`, which lies in vector `q`, they are `bits(i, q)`.
pub(super) fn bits_of_quants(
    vector: &mut [u8],
    count: usize,
    lane: Lane,
    bytes: ByteProducts,
    bits: impl Fn(usize, usize) -> u8,
) {
    let (word, size) = (4 * bytes.words(), 4 * lane.of);
    for i in 0..count {
        let at = (i / word * lane.of + lane.index) * word + i % word;
        vector[at % size] |= bits(i, at / size);
    }
}

/// Stores the sums of a tile at `out`, rows `out_stride` bytes apart.
///
/// # Safety
/// The output is there.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const ROWS: usize>(sums: [V; ROWS], out: *mut u8, out_stride: usize) {
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: by contract.
        unsafe { sum.store_to(out.add(row * out_stride).cast()) }
    }
}

/// Adds `dots` times `scale` to `ints`.
#[inline(always)]
pub(super) fn add_scaled<V: Integer, const ROWS: usize>(ints: &mut [V; ROWS], dots: [V; ROWS], scale: V) {
    for (int, dot) in ints.iter_mut().zip(dots) {
        *int = int.add(dot.mul(scale));
    }
}
