//! Vectors of 512 bits.

use super::{Avx512, Avx512Bf16, Avx512Fp16, Avx512Vnni, Avx512VnniBytes};
use crate::simd::{Double, Float, Halves, Integer, Integers, Single, intrinsics, vector};
use half::f16;
use std::arch::x86_64::*;

/// Marks registers of 512 bits.
pub(crate) enum Zmm {}
/// Marks those with arithmetic in binary16, which only the token of FP16 may make.
pub(crate) enum ZmmOfHalves {}

vector! {
    /// Eight f64.
    F64x8(__m512d), [f64; 8], Zmm,
    splat: _mm512_set1_pd, load: _mm512_loadu_pd, store: _mm512_storeu_pd, stream: _mm512_stream_pd,
    add: _mm512_add_pd,
    add_bits: |a, b| _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a), _mm512_castpd_si512(b))),
}
vector! {
    /// Sixteen f32.
    F32x16(__m512), [f32; 16], Zmm,
    splat: _mm512_set1_ps, load: _mm512_loadu_ps, store: _mm512_storeu_ps,
    add: _mm512_add_ps,
    add_bits: |a, b| _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b))),
}
vector! {
    /// Thirty-two f16.
    F16x32(__m512i), [f16; 32], ZmmOfHalves,
    splat: |value: f16| _mm512_set1_epi16(value.to_bits() as i16), load: _mm512_loadu_si512, store: _mm512_storeu_si512,
    add: |a, b| _mm512_castph_si512(_mm512_add_ph(_mm512_castsi512_ph(a), _mm512_castsi512_ph(b))),
    add_bits: _mm512_add_epi16,
}
vector! {
    /// Sixteen i32.
    I32x16(__m512i), [i32; 16], Zmm,
    splat: _mm512_set1_epi32, load: _mm512_loadu_si512, store: _mm512_storeu_si512,
    add: _mm512_add_epi32, add_bits: _mm512_add_epi32,
}

impl Float for F64x8 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = _mm512_sub_pd;
        mul(other) = _mm512_mul_pd;
        mul_add(factor, addend) = _mm512_fmadd_pd;
    }
}
impl Double for F64x8 {
    intrinsics! {
        xor_bits(other) = |a, b| _mm512_castsi512_pd(_mm512_xor_si512(_mm512_castpd_si512(a), _mm512_castpd_si512(b)));
    }
}
impl Float for F32x16 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = _mm512_sub_ps;
        mul(other) = _mm512_mul_ps;
        mul_add(factor, addend) = _mm512_fmadd_ps;
    }
}
impl Float for F16x32 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = |a, b| _mm512_castph_si512(_mm512_sub_ph(_mm512_castsi512_ph(a), _mm512_castsi512_ph(b)));
        mul(other) = |a, b| _mm512_castph_si512(_mm512_mul_ph(_mm512_castsi512_ph(a), _mm512_castsi512_ph(b)));
        mul_add(factor, addend) = |a, b, c| {
            let [a, b, c] = [a, b, c].map(|bits| _mm512_castsi512_ph(bits));
            _mm512_castph_si512(_mm512_fmadd_ph(a, b, c))
        };
    }
}

impl Single for F32x16 {
    #[inline(always)]
    unsafe fn load_f16_from(from: *const u16) -> Self {
        // SAFETY: by contract.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) })
    }
    #[inline(always)]
    unsafe fn round_to_f16(value: f32) -> f32 {
        // SAFETY: by contract.
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(value)))) }
    }
    intrinsics! {
        max(other) = _mm512_max_ps;
        add_exponent(power) = |x, power| {
            let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(power));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), power))
        };
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: a vector proves its instruction set.
        unsafe { _mm512_reduce_max_ps(self.0) }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: a vector proves its instruction set.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        // SAFETY: a vector proves its instruction set; four f32 are stored into as many.
        unsafe {
            // Lanes of 128 bits: two of the one and two of the other, then one of each of the four.
            let pairs = |x, y| _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y)));
            let (ab, cd) = (pairs(a.0, b.0), pairs(c.0, d.0));
            let (lower, upper) = (_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd));
            let all = _mm512_add_ps(_mm512_castpd_ps(lower), _mm512_castpd_ps(upper));
            let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(all)));
            let half = _mm256_add_ps(_mm512_castps512_ps256(all), upper);
            let sums = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
            let mut four = [0.0; 4];
            _mm_storeu_ps(four.as_mut_ptr(), sums);
            four
        }
    }
}

impl Integer for I32x16 {
    type Float = F32x16;

    #[inline(always)]
    unsafe fn load_i8_from(from: *const i8) -> Self {
        // SAFETY: by contract.
        Self(unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())) })
    }
    #[inline(always)]
    unsafe fn store_i8_to(self, to: *mut i8) {
        // SAFETY: by contract.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(self.0)) }
    }
    intrinsics! {
        and(other) = _mm512_and_si512;
        or(other) = _mm512_or_si512;
        mul(other) = _mm512_mullo_epi32;
    }
    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm512_sll_epi32(self.0, _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm512_srl_epi32(self.0, _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn sar<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm512_sra_epi32(self.0, _mm_cvtsi32_si128(N as i32)) })
    }
    #[inline(always)]
    fn total(self) -> i32 {
        // SAFETY: a vector proves its instruction set.
        unsafe { _mm512_reduce_add_epi32(self.0) }
    }
    #[inline(always)]
    fn to_float(self) -> F32x16 {
        // SAFETY: a vector proves its instruction set.
        F32x16(unsafe { _mm512_cvtepi32_ps(self.0) })
    }
    #[inline(always)]
    fn as_float(self) -> F32x16 {
        // SAFETY: a vector proves its instruction set.
        F32x16(unsafe { _mm512_castsi512_ps(self.0) })
    }
    #[inline(always)]
    fn bits_of(value: F32x16) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm512_castps_si512(value.0) })
    }
    #[inline(always)]
    fn nearest(value: F32x16) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { _mm512_cvtps_epi32(value.0) })
    }
}

impl Integers for Avx512 {
    type I32 = I32x16;

    #[inline(always)]
    fn dot_u8_i8_pairs(self, sum: I32x16, u: I32x16, s: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe {
            let pairs = _mm512_maddubs_epi16(u.0, s.0);
            _mm512_add_epi32(sum.0, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        })
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x16, a: I32x16, b: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe { _mm512_add_epi32(sum.0, _mm512_madd_epi16(a.0, b.0)) })
    }
}

impl Integers for Avx512Vnni {
    type I32 = I32x16;
    const DOTS_WHOLE_BYTES: bool = true;

    #[inline(always)]
    fn dot_u8_i8(self, sum: I32x16, u: I32x16, s: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe { _mm512_dpbusd_epi32(sum.0, u.0, s.0) })
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x16, a: I32x16, b: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe { _mm512_dpwssd_epi32(sum.0, a.0, b.0) })
    }
}

impl Integers for Avx512VnniBytes {
    type I32 = I32x16;
    const DOTS_WHOLE_BYTES: bool = true;

    #[inline(always)]
    fn dot_u8_i8(self, sum: I32x16, u: I32x16, s: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe { _mm512_dpbusd_epi32(sum.0, u.0, s.0) })
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x16, table: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe { _mm512_shuffle_epi8(table.0, bytes.0) })
    }
}

impl Integers for Avx512Bf16 {
    type I32 = I32x16;

    #[inline(always)]
    fn dot_bf16(self, sum: F32x16, a: I32x16, b: I32x16) -> F32x16 {
        // SAFETY: the token proves the instruction set; __m512bh is the same 512 bits under another name.
        F32x16(unsafe {
            let (a, b) = (std::mem::transmute::<__m512i, __m512bh>(a.0), std::mem::transmute::<__m512i, __m512bh>(b.0));
            _mm512_dpbf16_ps(sum.0, a, b)
        })
    }

    #[inline(always)]
    fn pack_bf16(self, lower: F32x16, upper: F32x16) -> I32x16 {
        /// Elements of the first vector and of the second in turn.
        const IN_TURN: [i16; 32] = {
            let (mut order, mut lane) = ([0; 32], 0);
            while lane < 16 {
                (order[2 * lane], order[2 * lane + 1]) = (lane as i16, 16 + lane as i16);
                lane += 1;
            }
            order
        };
        // SAFETY: the token proves the instruction set; __m512bh is the same 512 bits under another name.
        I32x16(unsafe {
            let rounded = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(upper.0, lower.0));
            _mm512_permutexvar_epi16(_mm512_loadu_si512(IN_TURN.as_ptr().cast()), rounded)
        })
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x16, table: I32x16) -> I32x16 {
        // SAFETY: the token proves the instruction set.
        I32x16(unsafe { _mm512_shuffle_epi8(table.0, bytes.0) })
    }
}

impl Halves for Avx512Fp16 {
    type F16 = F16x32;
    type Floats = Avx512;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        Avx512(())
    }

    #[inline(always)]
    fn widened(self, halves: F16x32) -> [F32x16; 2] {
        // SAFETY: the token proves the instruction set.
        unsafe {
            let [low, high] = [_mm512_castsi512_si256(halves.0), _mm512_extracti64x4_epi64::<1>(halves.0)];
            [F32x16(_mm512_cvtph_ps(low)), F32x16(_mm512_cvtph_ps(high))]
        }
    }

    #[inline(always)]
    fn halved(self, value: F32x16) -> [F32x16; 2] {
        // SAFETY: the token proves the instruction set.
        unsafe {
            let halves = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value.0);
            let lower = _mm512_cvtepu16_epi32(halves);
            let pairs = _mm512_or_si512(lower, _mm512_slli_epi32::<16>(lower));
            [F32x16(_mm512_cvtph_ps(halves)), F32x16(_mm512_castsi512_ps(pairs))]
        }
    }

    #[inline(always)]
    fn splat_pair(self, pair: u32) -> F16x32 {
        // SAFETY: the token proves the instruction set.
        F16x32(unsafe { _mm512_set1_epi32(pair as i32) })
    }

    #[inline(always)]
    unsafe fn load_lower(self, from: *const f16) -> F16x32 {
        // SAFETY: by contract; the token proves the instruction set.
        F16x32(unsafe { _mm512_zextsi256_si512(_mm256_loadu_si256(from.cast())) })
    }
}
