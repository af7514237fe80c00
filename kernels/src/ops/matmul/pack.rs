//! Interleaving: stored weights into strips, once per model.

use super::quantised::{BLOCK, SUPER_BLOCK};
use crate::dtype::Dtype;

/// Bytes of one vector of `lanes` interleaved rows of `k` elements.
pub(super) fn vector_bytes(weights: Dtype, lanes: usize, k: usize) -> usize {
    lanes
        * match weights {
            Dtype::F32 => k * 4,
            Dtype::F16 => k * 2,
            Dtype::Bf16 => k.next_multiple_of(2) * 2,
            Dtype::I8 => k.next_multiple_of(4),
            // Blocks come in pairs, see `quantised`.
            Dtype::Q8_0 => k.div_ceil(2 * BLOCK) * 2 * 34,
            Dtype::Q4_0 => k.div_ceil(2 * BLOCK) * 2 * 18,
            Dtype::Q4K => k.div_ceil(SUPER_BLOCK) * 144,
            Dtype::Q6K => k.div_ceil(2 * SUPER_BLOCK) * 2 * 210,
            Dtype::F64 => k * 8,
        }
}

/// See [`super::MatmulKernel::pack`].
pub(super) fn pack(weights: Dtype, lanes: usize, vectors: usize, rows: &[u8], k: usize, strips: &mut [u8]) {
    let row_bytes = weights.bytes(k as u128).and_then(|bytes| usize::try_from(bytes).ok());
    let row_bytes = row_bytes.unwrap_or_else(|| panic!("{k} elements are no whole blocks of {weights}"));
    assert!(k > 0 && rows.len().is_multiple_of(row_bytes), "rows");
    let vector = vector_bytes(weights, lanes, k);
    let count = rows.len() / row_bytes;
    assert_eq!(strips.len(), count.div_ceil(lanes * vectors) * vectors * vector, "strips");
    strips.fill(0);
    for (index, row) in rows.chunks_exact(row_bytes).enumerate() {
        let (strip, within) = (index / (lanes * vectors), index % (lanes * vectors));
        let (v, lane) = (within / lanes, within % lanes);
        let strip = &mut strips[strip * vectors * vector..][..vectors * vector];
        match weights {
            Dtype::F32 => plain::<4>(row, strip, lanes * vectors, within),
            Dtype::F16 => plain::<2>(row, strip, lanes * vectors, within),
            Dtype::Bf16 | Dtype::I8 => plain::<4>(row, strip, lanes * vectors, within),
            Dtype::Q8_0 | Dtype::Q4_0 => blocks(row, &mut strip[v * vector..][..vector], lanes, lane, weights),
            Dtype::Q4K => q4_k(row, &mut strip[v * vector..][..vector], lanes, lane),
            Dtype::Q6K => q6_k(row, &mut strip[v * vector..][..vector], lanes, lane),
            Dtype::F64 => panic!("there is no matmul with f64 weights"),
        }
    }
}

/// Word `i` of the row goes to lane `lane` of group `i`; a last incomplete word is filled up with zeros.
fn plain<const N: usize>(row: &[u8], strip: &mut [u8], lanes: usize, lane: usize) {
    let (words, rest) = row.as_chunks::<N>();
    for (group, &value) in words.iter().enumerate() {
        strip[(group * lanes + lane) * N..][..N].copy_from_slice(&value);
    }
    if !rest.is_empty() {
        strip[(words.len() * lanes + lane) * N..][..rest.len()].copy_from_slice(rest);
    }
}

/// Writes words of one row, one below another in its lane.
fn words(row: &[u8], strip: &mut [u8], lanes: usize, lane: usize, flip: u8) {
    for (index, word) in row.as_chunks::<4>().0.iter().enumerate() {
        strip[(index * lanes + lane) * 4..][..4].copy_from_slice(&word.map(|byte| byte ^ flip));
    }
}

/// ggml's q8_0 and q4_0 blocks: f16 scale, then 32 bytes or 16 bytes of nibbles.
fn blocks(row: &[u8], strip: &mut [u8], lanes: usize, lane: usize, weights: Dtype) {
    let block_bytes = weights.block().bytes as usize;
    let quant_bytes = (block_bytes - 2) * lanes;
    // Signed bytes become unsigned ones with zero point 128.
    let flip = if weights == Dtype::Q8_0 { 0x80 } else { 0 };
    for (index, block) in row.chunks_exact(block_bytes).enumerate() {
        let pair = &mut strip[index / 2 * (4 * lanes + 2 * quant_bytes)..];
        let half = index % 2;
        pair[(half * lanes + lane) * 2..][..2].copy_from_slice(&block[..2]);
        words(&block[2..], &mut pair[4 * lanes + half * quant_bytes..], lanes, lane, flip);
    }
}

/// ggml's q4_k super-block: f16 d and dmin, 12 bytes of 6-bit numbers, 128 bytes of nibbles.
fn q4_k(row: &[u8], strip: &mut [u8], lanes: usize, lane: usize) {
    for (block, strip) in row.chunks_exact(144).zip(strip.chunks_exact_mut(144 * lanes)) {
        strip[lane * 2..][..2].copy_from_slice(&block[..2]);
        strip[(lanes + lane) * 2..][..2].copy_from_slice(&block[2..4]);
        words(&block[4..], &mut strip[4 * lanes..], lanes, lane, 0);
    }
}

/// ggml's q6_k super-block: 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, f16 d.
fn q6_k(row: &[u8], strip: &mut [u8], lanes: usize, lane: usize) {
    for (index, block) in row.chunks_exact(210).enumerate() {
        let pair = &mut strip[index / 2 * 420 * lanes..];
        let half = index % 2;
        pair[(half * lanes + lane) * 2..][..2].copy_from_slice(&block[208..]);
        let rest = &mut pair[(4 + half * 208) * lanes..];
        for (index, place) in rest[..208 * lanes].chunks_exact_mut(52 * lanes).enumerate() {
            // The scales of four sub-blocks, a byte each; the high words of their quads, then two low ones of each.
            let (half, part) = (index / 2, index % 2);
            for (quarter, scales) in place[..4 * lanes].chunks_exact_mut(lanes).enumerate() {
                scales[lane] = block[192 + 8 * half + 2 * quarter + part];
            }
            let high = 128 + half * 32 + part * 16;
            words(&block[high..high + 16], &mut place[4 * lanes..], lanes, lane, 0);
            let low = half * 64 + part * 16;
            words(&block[low..low + 16], &mut place[20 * lanes..], lanes, lane, 0);
            words(&block[low + 32..low + 48], &mut place[36 * lanes..], lanes, lane, 0);
        }
    }
}
