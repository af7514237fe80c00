//! How a format's weights are interleaved and what its tokens look like, apart from any instruction set.

use crate::dtype::Dtype;

/// So many elements of one row take so many bytes, and are never parted.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) elements: usize,
    pub(super) bytes: usize,
}

impl Unit {
    /// Units of a row of `k` elements, the last one filled up.
    pub(super) const fn units(&self, k: usize) -> usize {
        k.div_ceil(self.elements)
    }

    /// Bytes of a row of `k` elements.
    pub(super) const fn bytes_of(&self, k: usize) -> usize {
        self.units(k) * self.bytes
    }
}

/// A format of weights as matmul has it.
pub(crate) struct Format {
    pub(crate) weights: Dtype,
    /// The type in which weights and tokens are multiplied.
    pub(crate) arithmetic: Dtype,
    /// Of one row of weights in a strip.
    pub(super) strip: Unit,
    /// Of one token; it holds one k group (plain) or one block (quantised).
    pub(super) token: Unit,
    /// Bytes of one token before its first unit: of those in panels, what its sums begin with.
    pub(super) header: usize,
    /// The byte of a strip where there is no weight.
    pub(super) blank: u8,
    /// Interleaves one stored row of weights into its lane of a strip.
    pub(super) pack: fn(row: &[u8], strip: &mut [u8], lane: Lane),
}

impl Format {
    /// Bytes of a token of `k` elements.
    pub(super) const fn token_bytes(&self, k: usize) -> usize {
        if k == 0 { 0 } else { self.header + self.token.bytes_of(k) }
    }
}

/// A row's place among the rows that are interleaved.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    pub(super) index: usize,
    pub(super) of: usize,
}

/// Word `i` of the row goes to the lane's place in group `i`, each byte combined with `flip` by exclusive or; a last
/// incomplete word is filled up with what is in the strip.
pub(super) fn words<const N: usize>(row: &[u8], strip: &mut [u8], lane: Lane, flip: u8) {
    for (group, word) in row.chunks(N).enumerate() {
        let to = &mut strip[(group * lane.of + lane.index) * N..][..word.len()];
        to.iter_mut().zip(word).for_each(|(to, byte)| *to = byte ^ flip);
    }
}
