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
                ".arch_extension sve",
                ".arch_extension bf16",
                ".arch_extension i8mm",
                // A vector of weights (w) times group k of a token (t).
                ".macro roofprobe_mac sum, w, t, k",
                ".if {kind} <= {f16}\n fmla z\\sum\\().s, z\\w\\().s, z\\t\\().s[\\k]\n .endif",
                ".if {kind} == {bf16}\n bfdot z\\sum\\().s, z\\w\\().h, z\\t\\().h[\\k]\n .endif",
                ".if {kind} == {u8i8}\n sudot z\\sum\\().s, z\\w\\().b, z\\t\\().b[\\k]\n .endif",
                ".if {kind} == {i8}\n sdot z\\sum\\().s, z\\w\\().b, z\\t\\().b[\\k]\n .endif",
                ".endm",
                ".macro roofprobe_row t, a, b, c, k",
                ".if {rows} > \\t",
                "roofprobe_mac \\a, 29, \\t, \\k",
                "roofprobe_mac \\b, 30, \\t, \\k",
                "roofprobe_mac \\c, 31, \\t, \\k",
                ".endif",
                ".endm",
                // Group k of the strip times that of each token.
                ".macro roofprobe_group k",
                ".if {kind} == {f16}",
                "ld1h {{z29.s}}, p0/z, [x16, #(3 * \\k - 8), mul vl]",
                "ld1h {{z30.s}}, p0/z, [x16, #(3 * \\k - 7), mul vl]",
                "ld1h {{z31.s}}, p0/z, [x16, #(3 * \\k - 6), mul vl]",
                "fcvt z29.s, p0/m, z29.h",
                "fcvt z30.s, p0/m, z30.h",
                "fcvt z31.s, p0/m, z31.h",
                ".else",
                "ldr z29, [x10, #(3 * \\k), mul vl]",
                "ldr z30, [x10, #(3 * \\k + 1), mul vl]",
                "ldr z31, [x10, #(3 * \\k + 2), mul vl]",
                ".endif",
                ".if {kind} == {i8}",
                "sdot z26.s, z29.b, z7.b",
                "sdot z27.s, z30.b, z7.b",
                "sdot z28.s, z31.b, z7.b",
                ".endif",
                "roofprobe_row 0, 8, 9, 10, \\k",
                "roofprobe_row 1, 11, 12, 13, \\k",
                "roofprobe_row 2, 14, 15, 16, \\k",
                "roofprobe_row 3, 17, 18, 19, \\k",
                "roofprobe_row 4, 20, 21, 22, \\k",
                "roofprobe_row 5, 23, 24, 25, \\k",
                "roofprobe_row 6, 26, 27, 28, \\k",
                ".endm",
                ".macro roofprobe_out t, a, b, c",
                ".if {rows} > \\t",
                ".if {kind} == {i8}",
                "sub z\\a\\().s, z\\a\\().s, z26.s",
                "sub z\\b\\().s, z\\b\\().s, z27.s",
                "sub z\\c\\().s, z\\c\\().s, z28.s",
                ".endif",
                "cbz x15, 2f",
                "ldr z29, [x13]",
                "ldr z30, [x13, #1, mul vl]",
                "ldr z31, [x13, #2, mul vl]",
                ".if {kind} >= {u8i8}",
                "add z\\a\\().s, z\\a\\().s, z29.s",
                "add z\\b\\().s, z\\b\\().s, z30.s",
                "add z\\c\\().s, z\\c\\().s, z31.s",
                ".else",
                "fadd z\\a\\().s, z\\a\\().s, z29.s",
                "fadd z\\b\\().s, z\\b\\().s, z30.s",
                "fadd z\\c\\().s, z\\c\\().s, z31.s",
                ".endif",
                "2:",
                "str z\\a, [x13]",
                "str z\\b, [x13, #1, mul vl]",
                "str z\\c, [x13, #2, mul vl]",
                "add x13, x13, x14",
                ".endif",
                ".endm",
                "ptrue p0.s",
                ".irp z, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28",
                "mov z\\z\\().d, #0",
                ".endr",
                "mov z7.b, #-128",
                "mov x9, #0",
                "cbz x11, 4f",
                "3:",
                ".irp t, 0, 1, 2, 3, 4, 5, 6",
                ".if {rows} > \\t",
                "ld1rqw {{z\\t\\().s}}, p0/z, [x\\t, x9, lsl #2]",
                ".if {kind} == {i8}\n eor z\\t\\().b, z\\t\\().b, #0x80\n .endif",
                ".endif",
                ".endr",
                ".if {kind} == {f16}\n addvl x16, x10, #4\n .endif",
                "roofprobe_group 0",
                "roofprobe_group 1",
                "roofprobe_group 2",
                "roofprobe_group 3",
                "add x9, x9, #4",
                ".if {kind} == {f16}\n addvl x10, x10, #6\n .else\n addvl x10, x10, #12\n .endif",
                "subs x11, x11, #1",
                "b.ne 3b",
                "4:",
                "cbz x12, 6f",
                "5:",
                ".irp t, 0, 1, 2, 3, 4, 5, 6",
                ".if {rows} > \\t",
                "ldr w17, [x\\t, x9, lsl #2]",
                "mov z\\t\\().s, w17",
                ".if {kind} == {i8}\n eor z\\t\\().b, z\\t\\().b, #0x80\n .endif",
                ".endif",
                ".endr",
                ".if {kind} == {f16}\n addvl x16, x10, #4\n .endif",
                "roofprobe_group 0",
                "add x9, x9, #1",
                ".if {kind} == {f16}\n incw x10, all, mul #6\n .else\n addvl x10, x10, #3\n .endif",
                "subs x12, x12, #1",
                "b.ne 5b",
                "6:",
                "roofprobe_out 0, 8, 9, 10",
                "roofprobe_out 1, 11, 12, 13",
                "roofprobe_out 2, 14, 15, 16",
                "roofprobe_out 3, 17, 18, 19",
                "roofprobe_out 4, 20, 21, 22",
                "roofprobe_out 5, 23, 24, 25",
                "roofprobe_out 6, 26, 27, 28",
                ".purgem roofprobe_mac",
                ".purgem roofprobe_row",
                ".purgem roofprobe_group",
                ".purgem roofprobe_out",
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
