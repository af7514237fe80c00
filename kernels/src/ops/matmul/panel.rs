//! What the tiles of all block formats do: words of quantised tokens times words of weights.

use super::activations::Activation;
use super::format::Format;
use super::register_tile::{Operands, RegisterTile};
use crate::simd::{Integer, Integers, Vector};

/// A format of blocks with scales. Its register tile is one vector of weight rows wide.
pub(super) trait BlockFormat<S: Integers>: RegisterTile<S> {
    const FORMAT: &'static Format;
    /// How tokens are quantised for it.
    type Activation: Activation;
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

    /// # Safety
    /// `words` more words are in the panel.
    #[inline(always)]
    pub(super) unsafe fn skip(self, words: usize) -> Self {
        // SAFETY: by contract.
        Self(unsafe { self.0.add(words * ROWS * 4) })
    }

    /// Multiplies one word of every weight row with that word of every token.
    ///
    /// # Safety
    /// The word is in the panel; unless `WIDE`, no byte of the weights is above 127.
    #[inline(always)]
    pub(super) unsafe fn multiply_accumulate<S: Integers, const WIDE: bool>(
        self,
        token: S,
        sums: &mut [S::I32; ROWS],
        weights: S::I32,
        word: usize,
    ) {
        for (row, sum) in sums.iter_mut().enumerate() {
            // SAFETY: by contract.
            let value = token.splat(unsafe { self.i32(word, row) });
            *sum =
                if WIDE { token.dot_u8_i8(*sum, weights, value) } else { token.dot_u8_i8_pairs(*sum, weights, value) };
        }
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
