//! Vectors of 128 bits.

use super::products::accumulate;
use crate::simd::{Double, Float, Integer, Single, intrinsics, vector};
use std::arch::aarch64::*;
use std::arch::asm;

/// Marks the registers of NEON.
pub(crate) enum Quad {}

vector! {
    /// Two f64.
    F64x2(float64x2_t), [f64; 2], Quad,
    splat: vdupq_n_f64, load: vld1q_f64, store: vst1q_f64, stream_pair: stream_pair,
    add: vaddq_f64,
    add_bits: |a, b| vreinterpretq_f64_u64(vaddq_u64(vreinterpretq_u64_f64(a), vreinterpretq_u64_f64(b))),
}
vector! {
    /// Four f32.
    F32x4(float32x4_t), [f32; 4], Quad,
    splat: vdupq_n_f32, load: vld1q_f32, store: vst1q_f32,
    halves_joined: |a, b| {
        let [a, b] = [vreinterpretq_u64_f32(a), vreinterpretq_u64_f32(b)];
        [vreinterpretq_f32_u64(vzip1q_u64(a, b)), vreinterpretq_f32_u64(vzip2q_u64(a, b))]
    },
    add: vaddq_f32,
    add_bits: |a, b| vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b))),
}
vector! {
    /// Four i32.
    I32x4(int32x4_t), [i32; 4], Quad,
    splat: vdupq_n_s32, load: vld1q_s32, store: vst1q_s32,
    halves_joined: |a, b| {
        let [a, b] = [vreinterpretq_u64_s32(a), vreinterpretq_u64_s32(b)];
        [vreinterpretq_s32_u64(vzip1q_u64(a, b)), vreinterpretq_s32_u64(vzip2q_u64(a, b))]
    },
    add: vaddq_s32, add_bits: vaddq_s32,
}

// Every AArch64 CPU has these vectors: a register is proof enough.
impl F32x4 {
    #[inline(always)]
    pub(super) fn of(register: float32x4_t) -> F32x4 {
        F32x4(register)
    }
    #[inline(always)]
    pub(super) fn register(self) -> float32x4_t {
        self.0
    }
}
impl I32x4 {
    #[inline(always)]
    pub(super) fn of(register: int32x4_t) -> I32x4 {
        I32x4(register)
    }
    #[inline(always)]
    pub(super) fn register(self) -> int32x4_t {
        self.0
    }
}

/// Stores two vectors past the cache. There is no stable intrinsic.
///
/// # Safety
/// They can be written there.
#[inline(always)]
unsafe fn stream_pair(to: *mut f64, first: float64x2_t, second: float64x2_t) {
    // SAFETY: by contract.
    unsafe {
        asm!(
            "stnp {first:q}, {second:q}, [{to}]",
            first = in(vreg) first, second = in(vreg) second, to = in(reg) to,
            options(nostack, preserves_flags),
        );
    }
}

impl Float for F64x2 {
    const FUSED: bool = true;
    intrinsics! {
        sub(other) = vsubq_f64;
        mul(other) = vmulq_f64;
        mul_add(factor, addend) = |a, b, c| vfmaq_f64(c, a, b);
    }
    const OVERWRITES_ADDEND: bool = true;
    #[inline(always)]
    fn grown(self, rate: Self) -> Self {
        Self(accumulate!("fmla {0:v}.2d, {0:v}.2d, {1:v}.2d", self.0, rate.0))
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
    const OVERWRITES_ADDEND: bool = true;
    #[inline(always)]
    fn grown(self, rate: Self) -> Self {
        Self(accumulate!("fmla {0:v}.4s, {0:v}.4s, {1:v}.4s", self.0, rate.0))
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
        // SAFETY: by contract.
        unsafe { vgetq_lane_f32::<0>(vcvt_f32_f16(vcvt_f16_f32(vdupq_n_f32(value)))) }
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

impl Integer for I32x4 {
    type Float = F32x4;

    #[inline(always)]
    unsafe fn load_i8_from(from: *const i8) -> Self {
        // SAFETY: by contract: four bytes.
        Self(unsafe {
            let bytes = vreinterpret_s8_s32(vdup_n_s32(from.cast::<i32>().read_unaligned()));
            vmovl_s16(vget_low_s16(vmovl_s8(bytes)))
        })
    }
    #[inline(always)]
    unsafe fn store_i8_to(self, to: *mut i8) {
        // SAFETY: by contract: four bytes.
        unsafe {
            let words = vmovn_s32(self.0);
            let bytes = vreinterpret_s32_s8(vmovn_s16(vcombine_s16(words, words)));
            to.cast::<i32>().write_unaligned(vget_lane_s32::<0>(bytes));
        }
    }
    intrinsics! {
        and(other) = vandq_s32;
        or(other) = vorrq_s32;
        mul(other) = vmulq_s32;
    }
    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { vshlq_s32(self.0, vdupq_n_s32(N as i32)) })
    }
    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        // SAFETY: a vector proves its instruction set. A negative shift goes to the right.
        Self(unsafe { vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(self.0), vdupq_n_s32(-(N as i32)))) })
    }
    #[inline(always)]
    fn sar<const N: u32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vshlq_s32(self.0, vdupq_n_s32(-(N as i32))) })
    }
    #[inline(always)]
    fn total(self) -> i32 {
        // SAFETY: a vector proves its instruction set.
        unsafe { vaddvq_s32(self.0) }
    }
    #[inline(always)]
    fn to_float(self) -> F32x4 {
        // SAFETY: a vector proves its instruction set.
        F32x4(unsafe { vcvtq_f32_s32(self.0) })
    }
    #[inline(always)]
    fn as_float(self) -> F32x4 {
        // SAFETY: a vector proves its instruction set.
        F32x4(unsafe { vreinterpretq_f32_s32(self.0) })
    }
    #[inline(always)]
    fn bits_of(value: F32x4) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { vreinterpretq_s32_f32(value.0) })
    }
    #[inline(always)]
    fn nearest(value: F32x4) -> Self {
        // SAFETY: a vector proves its instruction set.
        Self(unsafe { vcvtnq_s32_f32(value.0) })
    }
}
