//! Chains of outer products.

use super::length::granules;
use crate::ops::chain::{ChainArguments, STEPS};
use crate::simd::{Kernel, Token};
use std::arch::asm;

/// Outer products of f32.
pub(super) const F32: usize = 0;
/// Of f64.
pub(super) const F64: usize = 1;
/// Of pairs of bfloat16.
pub(super) const BF16: usize = 2;
/// Of fours of bytes, the first ones without a sign.
pub(super) const U8I8: usize = 3;

/// A chain of such products in `N` tiles.
pub(super) struct Chain<const KIND: usize, const N: usize>;

impl<S: Token, const KIND: usize, const N: usize> Kernel<S> for Chain<KIND, N> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: S, ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>) {
        const { assert!(N <= if KIND == F64 { 8 } else { 4 }) };
        let vector_bytes = 16 * granules();
        let rows = vector_bytes / if KIND == F64 { 8 } else { 4 };
        assert!(
            start.len() == N * rows * vector_bytes && sums.len() == start.len() && operands.len() == 3 * vector_bytes
        );
        // SAFETY: the token proves the instruction set. N tiles of start values, N tiles of sums and three operands are there. Streaming
        // mode and ZA are entered and left in here; every register that this clears is declared as overwritten.
        unsafe {
            asm!(
                include_str!("chain.s"),
                kind = const KIND, f32 = const F32, f64 = const F64, bf16 = const BF16, u8i8 = const U8I8,
                n = const N, turns = const STEPS / 4,
                in("x0") start.as_ptr(), in("x1") operands.as_ptr(), in("x2") sums.as_mut_ptr(),
                inout("x3") rounds => _, in("x6") rows,
                out("x4") _, out("x5") _, out("x12") _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                out("p0") _, out("p1") _, out("p2") _, out("p3") _, out("p4") _, out("p5") _, out("p6") _, out("p7") _,
                out("p8") _, out("p9") _, out("p10") _, out("p11") _, out("p12") _, out("p13") _, out("p14") _, out("p15") _,
                options(nostack),
            );
        }
    }
}
