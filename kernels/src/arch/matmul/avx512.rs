//! AVX-512 with its dot products: sixteen lanes, thirty-two registers.

use super::{matmul_lanes, matmul_lanes_impl};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::matmul::activations::{Q8_0, Q8KForQ4K, Q8KForQ6K};
use crate::ops::matmul::lanes::Lanes;
use crate::ops::matmul::plain::{Bf16, Bf16Widened, F16, F32, I8, plain_tiles};
use crate::ops::matmul::quantised::quantised_tiles;
use crate::ops::matmul::{MatmulEntry, Tiles};
use std::arch::x86_64::*;

macro_rules! quantised {
    ($tile:ident < $($argument:tt),* >, $activation:ty) => {
        Tiles::Quantised {
            tiles: quantised_tiles!($tile<$($argument),*>, rows: [1 2 3 4 5 6 7 8],
                #[target_feature(enable = "avx512f,avx512vnni")]),
            quantise: {
                /// # Safety
                /// The instruction set is available; arguments as `activations::quantise` asks.
                #[target_feature(enable = "avx512f,avx512vnni,f16c")]
                unsafe fn quantise(tokens: *const f32, stride: usize, rows: usize, k: usize, panel: *mut u8) {
                    // SAFETY: passed on from the caller.
                    unsafe {
                        crate::ops::matmul::activations::quantise::<Avx512, $activation>(tokens, stride, rows, k, panel)
                    }
                }
                quantise
            },
        }
    };
}

// Six rows of four vectors are 24 accumulators: with four weights and a token 29 of 32 registers. More rows of fewer
// vectors load more tokens per multiply-accumulate, fewer rows more weights.
// Block formats keep integer and f32 sums of a tile: 8 rows of one vector are 16 of 32 registers.
pub(super) const ENTRIES: &[MatmulEntry] = &[
    entry(
        Isa::Avx512,
        Dtype::F32,
        4,
        Tiles::Plain(plain_tiles!(
        F32<Avx512>, vectors: 4, rows: [1 2 3 4 5 6], #[target_feature(enable = "avx512f")])),
    ),
    entry(
        Isa::Avx512,
        Dtype::F16,
        4,
        Tiles::Plain(plain_tiles!(
        F16<Avx512>, vectors: 4, rows: [1 2 3 4 5 6], #[target_feature(enable = "avx512f")])),
    ),
    entry(
        Isa::Avx512,
        Dtype::Bf16,
        4,
        Tiles::Plain(plain_tiles!(
        Bf16Widened<Avx512>, vectors: 4, rows: [1 2 3 4 5], #[target_feature(enable = "avx512f")])),
    ),
    entry(
        Isa::Avx512Bf16,
        Dtype::Bf16,
        4,
        Tiles::Plain(plain_tiles!(
        Bf16<Avx512>, vectors: 4, rows: [1 2 3 4 5 6], #[target_feature(enable = "avx512f,avx512bf16")])),
    ),
    entry(
        Isa::Avx512Vnni,
        Dtype::I8,
        4,
        Tiles::Plain(plain_tiles!(
        I8<Avx512>, vectors: 4, rows: [1 2 3 4 5 6], #[target_feature(enable = "avx512f,avx512vnni")])),
    ),
    entry(Isa::Avx512Vnni, Dtype::Q8_0, 1, quantised!(blocks<Avx512, false>, Q8_0<128>)),
    entry(Isa::Avx512Vnni, Dtype::Q4_0, 1, quantised!(blocks<Avx512, true>, Q8_0<8>)),
    entry(Isa::Avx512Vnni, Dtype::Q4K, 1, quantised!(q4_k<Avx512>, Q8KForQ4K)),
    entry(Isa::Avx512Vnni, Dtype::Q6K, 1, quantised!(q6_k<Avx512>, Q8KForQ6K)),
];

const fn entry(isa: Isa, weights: Dtype, vectors: usize, tiles: Tiles) -> MatmulEntry {
    MatmulEntry { isa, weights, lanes: 16, vectors, tiles }
}

/// Sixteen lanes, with the dot products of bytes, halves and bfloat16. Tiles enable only those that their format uses.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

matmul_lanes!(
    Avx512,
    avx512_primitives,
    #[inline(always)]
    unsafe fn largest(value: __m512) -> f32 {
        // SAFETY: the trait's contract.
        unsafe { _mm512_reduce_max_ps(value) }
    },
    #[inline(always)]
    unsafe fn total(value: __m512i) -> i32 {
        // SAFETY: the trait's contract.
        unsafe { _mm512_reduce_add_epi32(value) }
    },
    #[inline(always)]
    unsafe fn store_s8(value: __m512i, to: *mut u8) {
        // SAFETY: the trait's contract.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(value)) }
    },
    #[inline(always)]
    unsafe fn dot_u8_s8(sum: __m512i, u: __m512i, s: __m512i) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_dpbusd_epi32(sum, u, s) }
    },
    #[inline(always)]
    unsafe fn dot_s16(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_dpwssd_epi32(sum, a, b) }
    },
    #[inline(always)]
    unsafe fn dot_bf16(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
        // SAFETY: the trait's contract; __m512bh is the same 512 bits under another name.
        unsafe {
            let (a, b) = (std::mem::transmute::<__m512i, __m512bh>(a), std::mem::transmute::<__m512i, __m512bh>(b));
            _mm512_dpbf16_ps(sum, a, b)
        }
    }
);
