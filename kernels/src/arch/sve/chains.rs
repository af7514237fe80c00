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
                include_str!("chain.s"),
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
