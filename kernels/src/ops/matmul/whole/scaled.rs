//! Block formats with a scale for each 32 elements, whose products a unit sums up for each block, and vectors scale.
//!
//! ```text
//! for 16 rows of weights, for 16 tokens:     sums of f32 in registers
//!     for each block of 32 elements:
//!         int  = Σ s8 activation · u8 quant             one product of tiles, 8 words of k
//!         sum += scale(weights) · scale(token) · (int + start)      start = −zero point · Σ s8 activation
//! ```

use crate::isa::Isa;
use crate::ops::matmul::activations::{Activation, BLOCK, BLOCK_WORDS};
use crate::ops::matmul::format::{Format, Unit};
use crate::ops::matmul::panel::BlockFormat;
use crate::ops::matmul::tile::{MatmulEntry, QuantiseArguments, WholeArguments};
use crate::simd::{Float, Integer, Integers, Kernel, TILE_ROWS, TileOperands, TileShape, TileUnit, Vector};
use std::marker::PhantomData;

/// Bytes of a block's quants in a strip: eight words of each row.
pub(in crate::ops::matmul) const QUANT_BYTES: usize = BLOCK * TILE_ROWS;

/// A format of small blocks, in strips of 16 rows.
pub(in crate::ops::matmul) trait SmallBlocks<S: Integers>: BlockFormat<S> {
    /// Where the quants of a block of every row are, bytes without sign, four to a word: in the strip, or in the room that is
    /// given for them.
    ///
    /// # Safety
    /// The strip has the block, and there is room.
    unsafe fn quants(token: S, strip: *const u8, block: usize, room: *mut u8) -> *const u8;

    /// The scales of a block of every row.
    ///
    /// # Safety
    /// The strip has the block.
    unsafe fn scales(token: S, strip: *const u8, block: usize) -> S::F32;

    /// As the strips are, with tokens row-major: the quants of all blocks, then for each block its scale and start value.
    const ROW_MAJOR: Format =
        Format { token: Unit { elements: BLOCK, bytes: BLOCK_WORDS * 4 }, ..*<Self as BlockFormat<S>>::FORMAT };
}

/// Room for the quants and the products of a block.
#[repr(C, align(64))]
struct Room {
    quants: [u8; QUANT_BYTES],
    ints: [i32; TILE_ROWS * TILE_ROWS],
}

struct ScaledWhole<U, F>(PhantomData<(U, F)>);

impl<S: Integers, U: TileUnit, F: SmallBlocks<S>> Kernel<S> for ScaledWhole<U, F> {
    type Input<'a> = &'a WholeArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, arguments: &WholeArguments<'_>) {
        // SAFETY: who calls a kernel has the unit.
        let mut unit = unsafe { U::acquire() };
        let mut room = Room { quants: [0; QUANT_BYTES], ints: [0; TILE_ROWS * TILE_ROWS] };
        for (index, strip) in arguments.strips.chunks_exact(arguments.strip_bytes).enumerate() {
            for row in (0..arguments.rows).step_by(TILE_ROWS) {
                let rows = (arguments.rows - row).min(TILE_ROWS);
                unit.configure(TileShape { rows, words: BLOCK / 4 });
                // SAFETY: who calls a kernel describes memory that is there; rows and columns lie in the tile.
                unsafe {
                    let tokens = arguments.tokens.as_ptr().add(row * arguments.row_stride);
                    let out = arguments.out.add(row * arguments.out_stride + index * TILE_ROWS * 4);
                    block_sums::<S, U, F>(token, &unit, &mut room, strip.as_ptr(), tokens, arguments, rows, out);
                }
            }
        }
    }
}

/// The sums of 16 columns and up to 16 rows.
///
/// # Safety
/// The unit is configured for so many rows. The strip and the tokens have all blocks of `k`, and the output is there.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn block_sums<S: Integers, U: TileUnit, F: SmallBlocks<S>>(
    token: S,
    unit: &U,
    room: &mut Room,
    strip: *const u8,
    tokens: *const u8,
    &WholeArguments { row_stride, k, out_stride, .. }: &WholeArguments<'_>,
    rows: usize,
    out: *mut u8,
) {
    // SAFETY: by contract.
    unsafe {
        let mut sums: [S::F32; TILE_ROWS] = [token.splat(0.0); TILE_ROWS];
        for block in 0..k / BLOCK {
            let quants = F::quants(token, strip, block, room.quants.as_mut_ptr());
            unit.multiply_narrow(&TileOperands {
                a: tokens.add(block * BLOCK),
                a_stride: row_stride,
                b: (quants, None),
                b_stride: TILE_ROWS * 4,
                steps: 1,
                c: room.ints.as_mut_ptr().cast(),
                c_stride: TILE_ROWS * 4,
                add: false,
            });
            let scales = F::scales(token, strip, block);
            let mut of_token = tokens.add(k + block * 8);
            for (row, sum) in sums.iter_mut().enumerate() {
                if row < rows {
                    let start: S::I32 = token.splat(of_token.add(4).cast::<i32>().read_unaligned());
                    let int: S::I32 = token.load_from(room.ints.as_ptr().add(row * TILE_ROWS));
                    let scale: S::F32 = token.splat(of_token.cast::<f32>().read_unaligned());
                    *sum = int.add(start).to_float().mul_add(scales.mul(scale), *sum);
                    of_token = of_token.add(row_stride);
                }
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            if row < rows {
                sum.store_to(out.add(row * out_stride).cast());
            }
        }
    }
}

/// Quantises tokens row after row.
struct QuantiseRows<A>(PhantomData<A>);

impl<S: Integers, A: Activation> Kernel<S> for QuantiseRows<A> {
    type Input<'a> = QuantiseArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, QuantiseArguments { tokens, rows, k, panel }: QuantiseArguments<'_>) {
        let stride = panel.len() / rows.max(1);
        for row in 0..rows {
            let panel = &mut panel[row * stride..][..k / BLOCK * BLOCK_WORDS * 4];
            let (quants, scales) = panel.split_at_mut(k);
            let blocks = quants.as_chunks_mut::<BLOCK>().0.iter_mut().zip(scales.as_chunks_mut::<8>().0);
            for ((quants, scale), values) in blocks.zip(tokens[row * k..][..k].chunks_exact(BLOCK)) {
                A::quantise(token, values, |index, word| {
                    let to = if index < 2 { &mut scale[index * 4..][..4] } else { &mut quants[(index - 2) * 4..][..4] };
                    to.copy_from_slice(&word);
                });
            }
        }
    }
}

/// The kernel of a format of small blocks on a unit that multiplies bytes, with such vectors of 16 lanes.
pub(in crate::ops::matmul) const fn scaled_whole<U: TileUnit, S: Integers, F: SmallBlocks<S>>(isa: Isa) -> MatmulEntry {
    assert!(<S::I32 as Vector>::LANES == TILE_ROWS);
    MatmulEntry {
        isa,
        format: &F::ROW_MAJOR,
        strip_rows: TILE_ROWS,
        scale: None,
        tiles: &[],
        sets: &[],
        shapes: &[],
        whole: Some(S::run::<ScaledWhole<U, F>>),
        quantise: Some(S::run::<QuantiseRows<F::Activation>>),
    }
}
