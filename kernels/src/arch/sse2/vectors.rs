//! Vectors of 128 bits.

use crate::simd::{Float, intrinsics, vector};
use std::arch::x86_64::*;

/// Marks registers of 128 bits.
pub(crate) enum Xmm {}

vector! {
    /// Two f64.
    F64x2(__m128d), [f64; 2], Xmm,
    splat: _mm_set1_pd, load: _mm_loadu_pd, store: _mm_storeu_pd,
    add: _mm_add_pd, add_bits: |a, b| _mm_castsi128_pd(_mm_add_epi64(_mm_castpd_si128(a), _mm_castpd_si128(b))),
}
vector! {
    /// Four f32.
    F32x4(__m128), [f32; 4], Xmm,
    splat: _mm_set1_ps, load: _mm_loadu_ps, store: _mm_storeu_ps,
    add: _mm_add_ps, add_bits: |a, b| _mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(a), _mm_castps_si128(b))),
}

impl Float for F64x2 {
    const FUSED: bool = false;
    intrinsics! {
        sub(other) = _mm_sub_pd;
        mul(other) = _mm_mul_pd;
        mul_add(factor, addend) = |a, b, c| _mm_add_pd(_mm_mul_pd(a, b), c);
    }
}
impl Float for F32x4 {
    const FUSED: bool = false;
    intrinsics! {
        sub(other) = _mm_sub_ps;
        mul(other) = _mm_mul_ps;
        mul_add(factor, addend) = |a, b, c| _mm_add_ps(_mm_mul_ps(a, b), c);
    }
}
