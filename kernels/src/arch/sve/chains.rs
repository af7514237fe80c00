//! Chains.

use super::length::granules;
use crate::ops::chain::{ChainArguments, STEPS};
use crate::simd::{Kernel, Token};
use std::arch::asm;

/// Squares of f64.
pub(super) const F64: usize = 0;
/// Squares of f32.
pub(super) const F32: usize = 1;
/// Squares of binary16.
pub(super) const F16: usize = 2;
/// Dot products of bfloat16.
pub(super) const BF16: usize = 3;
/// Dot products of bytes without a sign with bytes that have one.
pub(super) const U8I8: usize = 4;

/// A chain of such a step in `N` accumulators.
pub(super) struct Chain<const STEP: usize, const N: usize>;

impl<S: Token, const STEP: usize, const N: usize> Kernel<S> for Chain<STEP, N> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: S, ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>) {
        const { assert!(N <= 24) };
        let vector_bytes = 16 * granules();
        assert!(start.len() == N * vector_bytes && sums.len() == start.len() && operands.len() == 3 * vector_bytes);
        // SAFETY: the token proves the instruction set. N start values, N sums and three operands are there.
        unsafe {
            asm!(
                ".arch_extension sve",
                ".arch_extension bf16",
                ".arch_extension i8mm",
                "ptrue p0.b",
                "ldr z29, [x1]",
                "ldr z30, [x1, #1, mul vl]",
                "ldr z31, [x1, #2, mul vl]",
                "cbz x3, 9f",
                "2:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23",
                ".if \\n < {n}\n ldr z\\n, [x0, #\\n, mul vl]\n .endif",
                ".endr",
                "mov x4, {pairs}",
                "3:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23",
                ".if \\n < {n}",
                ".if {step} == {f64}\n fmad z\\n\\().d, p0/m, z\\n\\().d, z29.d\n .endif",
                ".if {step} == {f32}\n fmad z\\n\\().s, p0/m, z\\n\\().s, z29.s\n .endif",
                ".if {step} == {f16}\n fmad z\\n\\().h, p0/m, z\\n\\().h, z29.h\n .endif",
                ".if {step} == {bf16}\n bfdot z\\n\\().s, z29.h, z30.h\n .endif",
                ".if {step} == {u8i8}\n usdot z\\n\\().s, z\\n\\().b, z29.b\n .endif",
                ".endif",
                ".endr",
                // The second operand of dot products alternates.
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23",
                ".if \\n < {n}",
                ".if {step} == {f64}\n fmad z\\n\\().d, p0/m, z\\n\\().d, z29.d\n .endif",
                ".if {step} == {f32}\n fmad z\\n\\().s, p0/m, z\\n\\().s, z29.s\n .endif",
                ".if {step} == {f16}\n fmad z\\n\\().h, p0/m, z\\n\\().h, z29.h\n .endif",
                ".if {step} == {bf16}\n bfdot z\\n\\().s, z29.h, z31.h\n .endif",
                ".if {step} == {u8i8}\n usdot z\\n\\().s, z\\n\\().b, z29.b\n .endif",
                ".endif",
                ".endr",
                "subs x4, x4, #1",
                "b.ne 3b",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23",
                ".if \\n < {n}",
                "ldr z28, [x2, #\\n, mul vl]",
                ".if {step} == {f64}\n add z28.d, z28.d, z\\n\\().d\n .endif",
                ".if {step} == {f16}\n add z28.h, z28.h, z\\n\\().h\n .endif",
                ".if ({step} != {f64}) && ({step} != {f16})\n add z28.s, z28.s, z\\n\\().s\n .endif",
                "str z28, [x2, #\\n, mul vl]",
                ".endif",
                ".endr",
                "subs x3, x3, #1",
                "b.ne 2b",
                "9:",
                step = const STEP, f64 = const F64, f32 = const F32, f16 = const F16, bf16 = const BF16, u8i8 = const U8I8,
                n = const N, pairs = const STEPS / 2,
                inout("x0") start.as_ptr() => _, inout("x1") operands.as_ptr() => _, inout("x2") sums.as_mut_ptr() => _,
                inout("x3") rounds => _,
                out("x4") _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                out("p0") _, out("p1") _,
                options(nostack),
            );
        }
    }
}
