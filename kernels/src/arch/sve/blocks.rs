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
                ".arch_extension sve",
                ".arch_extension i8mm",
                ".macro roofprobe_dot sum, w, t, k",
                ".if {mixed}",
                "usdot z\\sum\\().s, z\\w\\().b, z\\t\\().b[\\k]",
                ".else",
                "sdot z\\sum\\().s, z\\w\\().b, z\\t\\().b[\\k]",
                ".endif",
                ".endm",
                // The next word of every token, rows 0 to 3 and 4 to 7.
                ".macro roofprobe_word first, second",
                "ld1rqw {{z\\first\\().s}}, p1/z, [x0, x9, lsl #2]",
                ".if {rows} > 4\n ld1rqw {{z\\second\\().s}}, p2/z, [x1, x9, lsl #2]\n .endif",
                "add x9, x9, #{rows}",
                ".endm",
                // A vector of quants times the next word of every token.
                ".macro roofprobe_quants w",
                "roofprobe_word 0, 1",
                ".if {rows} > 0\n roofprobe_dot 16, \\w, 0, 0\n .endif",
                ".if {rows} > 1\n roofprobe_dot 17, \\w, 0, 1\n .endif",
                ".if {rows} > 2\n roofprobe_dot 18, \\w, 0, 2\n .endif",
                ".if {rows} > 3\n roofprobe_dot 19, \\w, 0, 3\n .endif",
                ".if {rows} > 4\n roofprobe_dot 20, \\w, 1, 0\n .endif",
                ".if {rows} > 5\n roofprobe_dot 21, \\w, 1, 1\n .endif",
                ".if {rows} > 6\n roofprobe_dot 22, \\w, 1, 2\n .endif",
                ".if {rows} > 7\n roofprobe_dot 23, \\w, 1, 3\n .endif",
                ".endm",
                ".macro roofprobe_scale int, sum, t, k",
                "scvtf z\\int\\().s, p0/m, z\\int\\().s",
                "fmul z3.s, z2.s, z\\t\\().s[\\k]",
                "fmla z\\sum\\().s, p0/m, z\\int\\().s, z3.s",
                ".endm",
                ".macro roofprobe_block half",
                "ld1h {{z2.s}}, p0/z, [x10, #\\half, mul vl]",
                "fcvt z2.s, p0/m, z2.h",
                "roofprobe_word 4, 5",
                "roofprobe_word 0, 1",
                ".if {mixed} || {nibbles}",
                ".if {rows} > 0\n mov z16.s, z0.s[0]\n .endif",
                ".if {rows} > 1\n mov z17.s, z0.s[1]\n .endif",
                ".if {rows} > 2\n mov z18.s, z0.s[2]\n .endif",
                ".if {rows} > 3\n mov z19.s, z0.s[3]\n .endif",
                ".if {rows} > 4\n mov z20.s, z1.s[0]\n .endif",
                ".if {rows} > 5\n mov z21.s, z1.s[1]\n .endif",
                ".if {rows} > 6\n mov z22.s, z1.s[2]\n .endif",
                ".if {rows} > 7\n mov z23.s, z1.s[3]\n .endif",
                ".else",
                "mov z16.d, #0",
                "mov z17.d, #0",
                "mov z18.d, #0",
                "mov z19.d, #0",
                "mov z20.d, #0",
                "mov z21.d, #0",
                "mov z22.d, #0",
                "mov z23.d, #0",
                ".endif",
                ".if {nibbles}",
                "ldr z24, [x10, #(1 + 4 * \\half + 0), mul vl]",
                "lsr z28.b, z24.b, #4",
                "and z24.b, z24.b, #0x0f",
                "roofprobe_quants 24",
                "ldr z24, [x10, #(1 + 4 * \\half + 1), mul vl]",
                "lsr z29.b, z24.b, #4",
                "and z24.b, z24.b, #0x0f",
                "roofprobe_quants 24",
                "ldr z24, [x10, #(1 + 4 * \\half + 2), mul vl]",
                "lsr z30.b, z24.b, #4",
                "and z24.b, z24.b, #0x0f",
                "roofprobe_quants 24",
                "ldr z24, [x10, #(1 + 4 * \\half + 3), mul vl]",
                "lsr z31.b, z24.b, #4",
                "and z24.b, z24.b, #0x0f",
                "roofprobe_quants 24",
                "roofprobe_quants 28",
                "roofprobe_quants 29",
                "roofprobe_quants 30",
                "roofprobe_quants 31",
                ".else",
                ".irp q, 0, 1, 2, 3, 4, 5, 6, 7",
                "ldr z24, [x10, #(1 + 8 * \\half + \\q), mul vl]",
                ".if {mixed} == 0\n eor z24.b, z24.b, #0x80\n .endif",
                "roofprobe_quants 24",
                ".endr",
                ".endif",
                ".if {rows} > 0\n roofprobe_scale 16, 8, 4, 0\n .endif",
                ".if {rows} > 1\n roofprobe_scale 17, 9, 4, 1\n .endif",
                ".if {rows} > 2\n roofprobe_scale 18, 10, 4, 2\n .endif",
                ".if {rows} > 3\n roofprobe_scale 19, 11, 4, 3\n .endif",
                ".if {rows} > 4\n roofprobe_scale 20, 12, 5, 0\n .endif",
                ".if {rows} > 5\n roofprobe_scale 21, 13, 5, 1\n .endif",
                ".if {rows} > 6\n roofprobe_scale 22, 14, 5, 2\n .endif",
                ".if {rows} > 7\n roofprobe_scale 23, 15, 5, 3\n .endif",
                ".endm",
                "ptrue p0.s",
                "mov x9, #{rows}",
                "whilelo p1.s, xzr, x9",
                "mov x1, #4",
                "whilelo p2.s, x1, x9",
                "add x1, x0, #16",
                ".irp z, 8, 9, 10, 11, 12, 13, 14, 15\n mov z\\z\\().d, #0\n .endr",
                "mov x9, #0",
                "cbz x11, 4f",
                "3:",
                "roofprobe_block 0",
                "subs x11, x11, #1",
                "b.eq 4f",
                "roofprobe_block 1",
                ".if {nibbles}\n addvl x10, x10, #9\n .else\n addvl x10, x10, #17\n .endif",
                "subs x11, x11, #1",
                "b.ne 3b",
                "4:",
                ".irp z, 8, 9, 10, 11, 12, 13, 14, 15",
                ".if {rows} > (\\z - 8)\n str z\\z, [x13]\n add x13, x13, x14\n .endif",
                ".endr",
                ".irp m, dot, word, quants, scale, block\n .purgem roofprobe_\\m\n .endr",
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
