//! Arithmetic in binary16. By assembly, for the intrinsics of it are no code of their caller's where that is generic.

use super::instructions::{accumulate, binary};
use super::vectors::F32x4;
use super::{Neon, NeonFp16};
use crate::simd::{Float, Halves, intrinsics, vector};
use half::f16;
use std::arch::aarch64::*;

/// Marks registers with arithmetic in binary16, which only the token of FP16 may make.
pub(crate) enum QuadOfHalves {}

vector! {
    /// Eight f16.
    F16x8(uint16x8_t), [f16; 8], QuadOfHalves,
    splat: |value: f16| vdupq_n_u16(value.to_bits()), load: vld1q_u16, store: vst1q_u16,
    add: |a: uint16x8_t, b: uint16x8_t| binary!("fadd {0:v}.8h, {1:v}.8h, {2:v}.8h", uint16x8_t, a, b), add_bits: vaddq_u16,
}

impl Float for F16x8 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = |a: uint16x8_t, b: uint16x8_t| binary!("fsub {0:v}.8h, {1:v}.8h, {2:v}.8h", uint16x8_t, a, b);
        mul(other) = |a: uint16x8_t, b: uint16x8_t| binary!("fmul {0:v}.8h, {1:v}.8h, {2:v}.8h", uint16x8_t, a, b);
    }
    const OVERWRITES_ADDEND: bool = true;
    #[inline(always)]
    fn grown(self, rate: F16x8) -> F16x8 {
        F16x8(accumulate!("fmla {0:v}.8h, {0:v}.8h, {1:v}.8h", self.0, rate.0))
    }
    #[inline(always)]
    fn mul_add(self, factor: F16x8, addend: F16x8) -> F16x8 {
        F16x8(accumulate!("fmla {0:v}.8h, {1:v}.8h, {2:v}.8h", addend.0, self.0, factor.0))
    }
    #[inline(always)]
    fn mul_add_lane<const LANE: usize>(self, factors: F16x8, addend: F16x8) -> F16x8 {
        F16x8(accumulate!("fmla {0:v}.8h, {1:v}.8h, {2:v}.h[{3}]", addend.0, self.0, factors.0; in vreg_low16; LANE))
    }
}

impl Halves for NeonFp16 {
    type F16 = F16x8;
    type Floats = Neon;

    #[inline(always)]
    fn floats(self) -> Neon {
        Neon(())
    }

    #[inline(always)]
    fn widened(self, halves: F16x8) -> [F32x4; 2] {
        // SAFETY: the token proves the instruction set.
        unsafe {
            let halves = vreinterpretq_f16_u16(halves.0);
            [vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)].map(F32x4::of)
        }
    }
    #[inline(always)]
    fn rounded(self, value: f32) -> f16 {
        // SAFETY: the token proves the instruction set.
        f16::from_bits(unsafe { vget_lane_u16::<0>(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(value)))) })
    }
    #[inline(always)]
    fn halved(self, value: F32x4) -> [F32x4; 2] {
        // SAFETY: the token proves the instruction set.
        unsafe {
            let halves = vcvt_f16_f32(value.register());
            let bits = vreinterpret_u16_f16(halves);
            let pairs = vcombine_u16(vzip1_u16(bits, bits), vzip2_u16(bits, bits));
            [F32x4::of(vcvt_f32_f16(halves)), F32x4::of(vreinterpretq_f32_u16(pairs))]
        }
    }
}
