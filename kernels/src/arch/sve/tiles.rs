//! Register tiles of plain weights: up to seven tokens times three vectors of rows of weights.
//!
//! ```text
//! for four groups of k:      four groups of each token, repeated every 128 bits
//!     for each group:        three vectors of weights, and each with that group of each token
//! ```

use crate::ops::matmul::TileArguments;
use crate::simd::{Kernel, Token};
use std::arch::asm;

/// f32.
pub(super) const OF_F32: usize = 0;
/// f16, widened as it is loaded.
pub(super) const OF_F16: usize = 1;
/// bfloat16 in pairs.
pub(super) const OF_BF16: usize = 2;
/// Bytes in fours, those of tokens without a sign.
pub(super) const OF_U8I8: usize = 3;
/// The same where both operands of a product have a sign: tokens less 128, and weights times −128 beside them. Up to six tokens.
pub(super) const OF_I8: usize = 4;

/// Vectors of a strip.
pub(super) const VECTORS: usize = 3;

/// A tile of such weights with so many tokens.
pub(super) struct Tile<const KIND: usize, const ROWS: usize>;

impl<S: Token, const KIND: usize, const ROWS: usize> Kernel<S> for Tile<KIND, ROWS> {
    type Input<'a> = &'a TileArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: S, arguments: &TileArguments<'_>) {
        const { assert!(ROWS <= 7 && (KIND != OF_I8 || ROWS <= 6)) };
        let token = |row: usize| arguments.activations.as_ptr().wrapping_add(row.min(ROWS - 1) * arguments.row_stride);
        // SAFETY: the token proves the instruction set. Who calls a tile describes memory that is there: all groups of the strip and of
        // each token, and the output.
        unsafe {
            asm!(
                include_str!("tile.s"),
                kind = const KIND, f16 = const OF_F16, bf16 = const OF_BF16, u8i8 = const OF_U8I8, i8 = const OF_I8,
                rows = const ROWS,
                in("x0") token(0), in("x1") token(1), in("x2") token(2), in("x3") token(3), in("x4") token(4),
                in("x5") token(5), in("x6") token(6),
                inout("x10") arguments.weights.as_ptr() => _, inout("x11") arguments.groups / 4 => _,
                inout("x12") arguments.groups % 4 => _, inout("x13") arguments.out => _,
                in("x14") arguments.out_stride, in("x15") usize::from(arguments.add),
                out("x9") _, out("x16") _, out("x17") _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                out("p0") _,
                options(nostack),
            );
        }
    }
}
