//! Vectors of 128 bits.

use crate::simd::{Double, Float, Single, intrinsics, vector};
use std::arch::aarch64::*;

/// Marks the registers of NEON.
pub(crate) enum Quad {}

vector! {
    /// Two f64.
    F64x2(float64x2_t), [f64; 2], Quad,
    splat: vdupq_n_f64, load: vld1q_f64, store: vst1q_f64,
    add: vaddq_f64,
    add_bits: |a, b| vreinterpretq_f64_u64(vaddq_u64(vreinterpretq_u64_f64(a), vreinterpretq_u64_f64(b))),
}
vector! {
    /// Four f32.
    F32x4(float32x4_t), [f32; 4], Quad,
    splat: vdupq_n_f32, load: vld1q_f32, store: vst1q_f32,
    add: vaddq_f32,
    add_bits: |a, b| vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b))),
}

impl Float for F64x2 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = vsubq_f64;
        mul(other) = vmulq_f64;
        mul_add(factor, addend) = |a, b, c| vfmaq_f64(c, a, b);
    }
}
impl Double for F64x2 {
    intrinsics! {
        xor_bits(other) = |a, b| vreinterpretq_f64_u64(veorq_u64(vreinterpretq_u64_f64(a), vreinterpretq_u64_f64(b)));
    }
}
impl Float for F32x4 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = vsubq_f32;
        mul(other) = vmulq_f32;
        mul_add(factor, addend) = |a, b, c| vfmaq_f32(c, a, b);
    }
}

impl Single for F32x4 {
    #[inline(always)]
    unsafe fn load_f16_from(from: *const u16) -> Self {
        // SAFETY: by contract.
        Self(unsafe { vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))) })
    }
    #[inline(always)]
    unsafe fn round_to_f16(value: f32) -> f32 {
        half::f16::from_f32_const(value).to_f32_const()
    }
    intrinsics! {
        // Where either is no number, the comparison is false.
        max(other) = |a, b| vbslq_f32(vcgtq_f32(a, b), a, b);
        add_exponent(power) = |x, power| {
            let power = vshlq_n_u32::<23>(vreinterpretq_u32_f32(power));
            vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(x), power))
        };
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: a vector proves its instruction set.
        unsafe { vmaxvq_f32(self.0) }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: a vector proves its instruction set.
        unsafe { vaddvq_f32(self.0) }
    }
}
