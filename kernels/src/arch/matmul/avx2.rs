//! AVX2 with FMA and F16C: eight lanes, sixteen registers.

use super::{matmul_lanes, matmul_lanes_impl};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::matmul::activations::{Q8_0, Q8KForQ4K, Q8KForQ6K};
use crate::ops::matmul::lanes::Lanes;
use crate::ops::matmul::plain::{Bf16, F16, F32, I8, plain_tiles};
use crate::ops::matmul::quantised::quantised_tiles;
use crate::ops::matmul::{MatmulEntry, Tiles};
use std::arch::x86_64::*;

macro_rules! quantised {
    ($tile:ident < $lanes:ident $(, $argument:tt)* >, $activation:ty, #[$features:meta]) => {
        Tiles::Quantised {
            tiles: quantised_tiles!($tile<$lanes $(, $argument)*>, rows: [1 2 3 4], #[$features]),
            quantise: {
                /// # Safety
                /// The instruction set is available; arguments as `activations::quantise` asks.
                #[$features]
                unsafe fn quantise(tokens: *const f32, stride: usize, rows: usize, k: usize, panel: *mut u8) {
                    // SAFETY: passed on from the caller.
                    unsafe {
                        crate::ops::matmul::activations::quantise::<$lanes, $activation>(tokens, stride, rows, k, panel)
                    }
                }
                quantise
            },
        }
    };
}

/// The formats whose products are of bytes, for one kind of lanes and its features.
macro_rules! bytes {
    ($isa:expr, $lanes:ident, #[$features:meta]) => {
        [
            entry($isa, Dtype::I8, 2, Tiles::Plain(plain_tiles!(
                I8<$lanes>, vectors: 2, rows: [1 2 3 4], #[$features]))),
            entry($isa, Dtype::Q8_0, 1, quantised!(blocks<$lanes, false>, Q8_0<128>, #[$features])),
            entry($isa, Dtype::Q4_0, 1, quantised!(blocks<$lanes, true>, Q8_0<8>, #[$features])),
            entry($isa, Dtype::Q4K, 1, quantised!(q4_k<$lanes>, Q8KForQ4K, #[$features])),
            entry($isa, Dtype::Q6K, 1, quantised!(q6_k<$lanes>, Q8KForQ6K, #[$features])),
        ]
    };
}

// Six rows of two vectors are 12 accumulators: with two weights and a token 15 of 16 registers. bf16 needs both halves of
// each weight, block formats integer and f32 sums of a tile.
const FLOATS: [MatmulEntry; 3] = [
    entry(
        Isa::Avx2,
        Dtype::F32,
        2,
        Tiles::Plain(plain_tiles!(
        F32<Avx2>, vectors: 2, rows: [1 2 3 4 5 6], #[target_feature(enable = "avx2,fma,f16c")])),
    ),
    entry(
        Isa::Avx2,
        Dtype::F16,
        2,
        Tiles::Plain(plain_tiles!(
        F16<Avx2>, vectors: 2, rows: [1 2 3 4 5 6], #[target_feature(enable = "avx2,fma,f16c")])),
    ),
    entry(
        Isa::Avx2,
        Dtype::Bf16,
        2,
        Tiles::Plain(plain_tiles!(
        Bf16<Avx2>, vectors: 2, rows: [1 2 3 4], #[target_feature(enable = "avx2,fma,f16c")])),
    ),
];
const BYTES: [MatmulEntry; 5] = bytes!(Isa::Avx2, Avx2, #[target_feature(enable = "avx2,fma,f16c")]);
const BYTES_VNNI: [MatmulEntry; 5] = bytes!(Isa::AvxVnni, AvxVnni, #[target_feature(enable = "avx2,fma,f16c,avxvnni")]);

pub(super) const ENTRIES: &[&[MatmulEntry]] = &[&FLOATS, &BYTES, &BYTES_VNNI];

const fn entry(isa: Isa, weights: Dtype, vectors: usize, tiles: Tiles) -> MatmulEntry {
    MatmulEntry { isa, weights, lanes: 8, vectors, tiles }
}

/// Eight lanes.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// The same with dot products of bytes (AVX-VNNI).
#[derive(Clone, Copy)]
pub(super) struct AvxVnni;

macro_rules! avx2_lanes {
    ($name:ident, $($override:item),* $(,)?) => {
        matmul_lanes!(
            $name,
            avx2_primitives,
            #[inline(always)]
            unsafe fn largest(value: __m256) -> f32 {
                // SAFETY: the trait's contract.
                unsafe { crate::arch::avx2::largest(value) }
            },
            #[inline(always)]
            unsafe fn total(value: __m256i) -> i32 {
                // SAFETY: the trait's contract.
                unsafe {
                    let four = _mm_add_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
                    let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
                    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
                }
            },
            #[inline(always)]
            unsafe fn store_s8(value: __m256i, to: *mut u8) {
                // SAFETY: the trait's contract.
                unsafe {
                    let words = _mm_packs_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
                    _mm_storel_epi64(to.cast(), _mm_packs_epi16(words, words))
                }
            },
            $($override),*
        );
    };
}

avx2_lanes!(
    Avx2,
    #[inline(always)]
    unsafe fn dot_u8_s8(sum: __m256i, u: __m256i, s: __m256i) -> __m256i {
        // SAFETY: the trait's contract.
        unsafe {
            // Two products of an unsigned byte do not fit 16 bits; one does. Even and odd bytes one after the other.
            let even = _mm256_maddubs_epi16(_mm256_and_si256(u, _mm256_set1_epi16(0x00ff)), s);
            let odd = _mm256_maddubs_epi16(_mm256_andnot_si256(_mm256_set1_epi16(0x00ff), u), s);
            let ones = _mm256_set1_epi16(1);
            let pairs = _mm256_add_epi32(_mm256_madd_epi16(even, ones), _mm256_madd_epi16(odd, ones));
            _mm256_add_epi32(sum, pairs)
        }
    },
    #[inline(always)]
    unsafe fn dot_u7_s8(sum: __m256i, u: __m256i, s: __m256i) -> __m256i {
        // SAFETY: the trait's contract: 2 · 127 · 128 fits 16 bits.
        unsafe {
            let pairs = _mm256_maddubs_epi16(u, s);
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    },
    #[inline(always)]
    unsafe fn dot_s16(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's contract.
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
    }
);

avx2_lanes!(
    AvxVnni,
    #[inline(always)]
    unsafe fn dot_u8_s8(sum: __m256i, u: __m256i, s: __m256i) -> __m256i {
        // SAFETY: the trait's contract.
        unsafe { _mm256_dpbusd_avx_epi32(sum, u, s) }
    },
    #[inline(always)]
    unsafe fn dot_s16(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's contract.
        unsafe { _mm256_dpwssd_avx_epi32(sum, a, b) }
    },
);
