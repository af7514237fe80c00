//! Vectors of 256 bits.

use super::{Avx2, AvxVnni};
use crate::simd::{Double, Float, Integer, Integers, Single, intrinsics, vector};
use std::arch::x86_64::*;

/// Marks registers of 256 bits.
pub(crate) enum Ymm {}

vector! {
    /// Four f64.
    F64x4(__m256d), [f64; 4], Ymm,
    splat: _mm256_set1_pd, load: _mm256_loadu_pd, store: _mm256_storeu_pd, stream: _mm256_stream_pd,
    add: _mm256_add_pd,
    add_bits: |a, b| _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a), _mm256_castpd_si256(b))),
}
vector! {
    /// Eight f32.
    F32x8(__m256), [f32; 8], Ymm,
    splat: _mm256_set1_ps, load: _mm256_loadu_ps, store: _mm256_storeu_ps,
    add: _mm256_add_ps,
    add_bits: |a, b| _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b))),
}
vector! {
    /// Eight i32.
    I32x8(__m256i), [i32; 8], Ymm,
    splat: _mm256_set1_epi32, load: _mm256_loadu_si256, store: _mm256_storeu_si256,
    add: _mm256_add_epi32, add_bits: _mm256_add_epi32,
}

impl Float for F64x4 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = _mm256_sub_pd;
        mul(other) = _mm256_mul_pd;
        mul_add(factor, addend) = _mm256_fmadd_pd;
    }
}
impl Double for F64x4 {
    intrinsics! {
        xor_bits(other) = _mm256_xor_pd;
    }
}
impl Float for F32x8 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = _mm256_sub_ps;
        mul(other) = _mm256_mul_ps;
        mul_add(factor, addend) = _mm256_fmadd_ps;
    }
}

impl Single for F32x8 {
    #[inline(always)]
    unsafe fn load_f16_from(from: *const u16) -> Self {
        // SAFETY: by contract.
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) })
    }
    #[inline(always)]
    unsafe fn round_to_f16(value: f32) -> f32 {
        // SAFETY: by contract.
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(value)))) }
    }
    intrinsics! {
        max(other) = _mm256_max_ps;
        add_exponent(power) = |x, power| {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(power));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), power))
        };
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: a vector proves its instruction set.
        unsafe {
            let four = _mm_max_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: a vector proves its instruction set.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
}

impl Integer for I32x8 {
    type Float = F32x8;

    #[inline(always)]
    unsafe fn load_i8_from(from: *const i8) -> Self {
        // SAFETY: by contract.
        Self(unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast())) })
    }
    #[inline(always)]
    unsafe fn store_i8_to(self, to: *mut i8) {
        // SAFETY: by contract.
        unsafe {
            let words = _mm_packs_epi32(_mm256_castsi256_si128(self.0), _mm256_extracti128_si256::<1>(self.0));
            _mm_storel_epi64(to.cast(), _mm_packs_epi16(words, words))
        }
    }
    intrinsics! {
        and(other) = _mm256_and_si256;
        or(other) = _mm256_or_si256;
        mul(other) = _mm256_mullo_epi32;
    }
    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm256_sll_epi32(self.0, _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn sar<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm256_sra_epi32(self.0, _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn total(self) -> i32 {
        // SAFETY: a vector proves its instruction set.
        unsafe {
            let four = _mm_add_epi32(_mm256_castsi256_si128(self.0), _mm256_extracti128_si256::<1>(self.0));
            let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
        }
    }
    #[inline(always)]
    fn to_float(self) -> F32x8 {
        // SAFETY: a vector proves its instruction set.
        F32x8(unsafe { _mm256_cvtepi32_ps(self.0) })
    }
    #[inline(always)]
    fn as_float(self) -> F32x8 {
        // SAFETY: a vector proves its instruction set.
        F32x8(unsafe { _mm256_castsi256_ps(self.0) })
    }
    #[inline(always)]
    fn bits_of(value: F32x8) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm256_castps_si256(value.0) })
    }
    #[inline(always)]
    fn nearest(value: F32x8) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm256_cvtps_epi32(value.0) })
    }
}

impl Integers for Avx2 {
    type I32 = I32x8;

    #[inline(always)]
    fn dot_u8_i8(self, sum: I32x8, u: I32x8, s: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe {
            // Two products of an unsigned byte do not fit 16 bits; one does. Even and odd bytes one after the other.
            let even = _mm256_maddubs_epi16(_mm256_and_si256(u.0, _mm256_set1_epi16(0x00ff)), s.0);
            let odd = _mm256_maddubs_epi16(_mm256_andnot_si256(_mm256_set1_epi16(0x00ff), u.0), s.0);
            let ones = _mm256_set1_epi16(1);
            let pairs = _mm256_add_epi32(_mm256_madd_epi16(even, ones), _mm256_madd_epi16(odd, ones));
            _mm256_add_epi32(sum.0, pairs)
        })
    }
    #[inline(always)]
    fn dot_u8_i8_pairs(self, sum: I32x8, u: I32x8, s: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe {
            let pairs = _mm256_maddubs_epi16(u.0, s.0);
            _mm256_add_epi32(sum.0, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        })
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x8, a: I32x8, b: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe { _mm256_add_epi32(sum.0, _mm256_madd_epi16(a.0, b.0)) })
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x8, table: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe { _mm256_shuffle_epi8(table.0, bytes.0) })
    }
}

impl Integers for AvxVnni {
    type I32 = I32x8;
    const DOTS_WHOLE_BYTES: bool = true;

    #[inline(always)]
    fn dot_u8_i8(self, sum: I32x8, u: I32x8, s: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe { _mm256_dpbusd_avx_epi32(sum.0, u.0, s.0) })
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x8, a: I32x8, b: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe { _mm256_dpwssd_avx_epi32(sum.0, a.0, b.0) })
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x8, table: I32x8) -> I32x8 {
        // SAFETY: the token proves the instruction set.
        I32x8(unsafe { _mm256_shuffle_epi8(table.0, bytes.0) })
    }
}
