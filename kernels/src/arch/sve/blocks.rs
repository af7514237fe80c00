//! Register tiles of ggml's small blocks: up to eight tokens times one vector of rows of weights.
//!
//! ```text
//! for each block of 32 elements:
//!     int  = Σ quant · activation          a word of each token, repeated every 128 bits; zero points enter as the start value
//!     sum += scale(weights) · scale(token) · int
//! ```

use crate::ops::matmul::TileArguments;
use crate::simd::{Kernel, Token};
use std::arch::asm;

/// A tile of q4_0 (`NIBBLES`) or q8_0 with so many tokens. With `MIXED` there are products of bytes without and with a sign; else
/// the quants of q8_0 get their sign back, which makes the start value zero.
pub(super) struct BlockTile<const NIBBLES: bool, const MIXED: bool, const ROWS: usize>;

impl<S: Token, const NIBBLES: bool, const MIXED: bool, const ROWS: usize> Kernel<S>
    for BlockTile<NIBBLES, MIXED, ROWS>
{
    type Input<'a> = &'a TileArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: S, arguments: &TileArguments<'_>) {
        const { assert!(ROWS <= 8) };
        // SAFETY: the token proves the instruction set. Who calls a tile describes memory that is there: all blocks of the strip and of
        // the panel, and the output. Predicates keep words of the panel to its rows.
        unsafe {
            asm!(
                include_str!("block_tile.s"),
                nibbles = const NIBBLES as usize, mixed = const MIXED as usize, rows = const ROWS,
                in("x0") arguments.activations.as_ptr(), out("x1") _,
                inout("x10") arguments.weights.as_ptr() => _, inout("x11") arguments.groups => _,
                inout("x13") arguments.out => _, in("x14") arguments.out_stride,
                out("x9") _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                out("p0") _, out("p1") _, out("p2") _,
                options(nostack),
            );
        }
    }
}
