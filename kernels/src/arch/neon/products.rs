//! Products of bytes and of bfloat16. By assembly where Rust has no stable intrinsics yet: FEAT_DotProd, FEAT_I8MM, FEAT_BF16 (Arm
//! Architecture Reference Manual for A-profile, DDI 0487, C7.2).

use super::instructions::{accumulate, binary};
use super::vectors::{F32x4, I32x4};
use super::{Neon, NeonBf16, NeonDotprod, NeonI8mm};
use crate::simd::{ByteProducts, Integers, Vector};
use std::arch::aarch64::*;

/// Half a vector from memory, the other half being zero.
///
/// # Safety
/// Two elements can be read there.
#[inline(always)]
unsafe fn half<const UPPER: bool>(from: *const i32) -> I32x4 {
    // SAFETY: by contract.
    unsafe {
        let (value, zero) = (vld1_s32(from), vdup_n_s32(0));
        I32x4::of(if UPPER { vcombine_s32(zero, value) } else { vcombine_s32(value, zero) })
    }
}

/// `sum + Σ i16·i16` over the two halves of each lane.
#[inline(always)]
fn dot_i16(sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
    let [a, b] = [a, b].map(I32x4::register);
    // SAFETY: every AArch64 CPU has these instructions.
    let products = unsafe {
        let lower = binary!("smull {0:v}.4s, {1:v}.4h, {2:v}.4h", int32x4_t, a, b);
        let upper = binary!("smull2 {0:v}.4s, {1:v}.8h, {2:v}.8h", int32x4_t, a, b);
        binary!("addp {0:v}.4s, {1:v}.4s, {2:v}.4s", int32x4_t, lower, upper)
    };
    sum.add(I32x4::of(products))
}

/// Each byte, 0 to 15, replaced by that byte of the table.
#[inline(always)]
fn look_up(bytes: I32x4, table: I32x4) -> I32x4 {
    let [bytes, table] = [bytes, table].map(|vector| vector.register());
    // SAFETY: every AArch64 CPU has the instruction.
    I32x4::of(unsafe { vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(table), vreinterpretq_u8_s32(bytes))) })
}

/// Products of single bytes, 16 bits wide, their sums in pairs, and of those again.
#[inline(always)]
fn dot_widened<const SIGNED: bool>(sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
    let [a, b] = [a, b].map(I32x4::register);
    // SAFETY: every AArch64 CPU has these instructions.
    unsafe {
        if SIGNED {
            let lower = binary!("smull {0:v}.8h, {1:v}.8b, {2:v}.8b", int16x8_t, a, b);
            let upper = binary!("smull2 {0:v}.8h, {1:v}.16b, {2:v}.16b", int16x8_t, a, b);
            // Two of them fit 16 bits, by contract.
            let pairs = binary!("addp {0:v}.8h, {1:v}.8h, {2:v}.8h", int16x8_t, lower, upper);
            I32x4::of(vpadalq_s16(sum.register(), pairs))
        } else {
            let lower = binary!("umull {0:v}.8h, {1:v}.8b, {2:v}.8b", uint16x8_t, a, b);
            let upper = binary!("umull2 {0:v}.8h, {1:v}.16b, {2:v}.16b", uint16x8_t, a, b);
            let [lower, upper] = [lower, upper].map(|products| vpaddlq_u16(products));
            sum.add(I32x4::of(binary!("addp {0:v}.4s, {1:v}.4s, {2:v}.4s", int32x4_t, lower, upper)))
        }
    }
}

impl Integers for Neon {
    type I32 = I32x4;
    const BYTES: ByteProducts = ByteProducts::Alike;

    #[inline(always)]
    fn dot_alike<const SIGNED: bool>(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        dot_widened::<SIGNED>(sum, a, b)
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        dot_i16(sum, a, b)
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x4, table: I32x4) -> I32x4 {
        look_up(bytes, table)
    }
}

impl Integers for NeonDotprod {
    type I32 = I32x4;
    const BYTES: ByteProducts = ByteProducts::Lanes;

    #[inline(always)]
    fn dot_alike<const SIGNED: bool>(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        let [sum, a, b] = [sum, a, b].map(I32x4::register);
        let sum = if SIGNED {
            accumulate!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", sum, a, b)
        } else {
            accumulate!("udot {0:v}.4s, {1:v}.16b, {2:v}.16b", sum, a, b)
        };
        I32x4::of(sum)
    }
    #[inline(always)]
    fn dot_itself(self, sum: I32x4, b: I32x4) -> I32x4 {
        I32x4::of(accumulate!("sdot {0:v}.4s, {0:v}.16b, {1:v}.16b", sum.register(), b.register()))
    }
    #[inline(always)]
    fn dot_alike_lane<const SIGNED: bool, const LANE: usize>(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        let [sum, a, b] = [sum, a, b].map(I32x4::register);
        let sum = if SIGNED {
            accumulate!("sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[{3}]", sum, a, b; in vreg; LANE)
        } else {
            accumulate!("udot {0:v}.4s, {1:v}.16b, {2:v}.4b[{3}]", sum, a, b; in vreg; LANE)
        };
        I32x4::of(sum)
    }
    #[inline(always)]
    unsafe fn load_half<const UPPER: bool>(self, from: *const i32) -> I32x4 {
        // SAFETY: by contract.
        unsafe { half::<UPPER>(from) }
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        dot_i16(sum, a, b)
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x4, table: I32x4) -> I32x4 {
        look_up(bytes, table)
    }
}

impl Integers for NeonI8mm {
    type I32 = I32x4;
    const BYTES: ByteProducts = ByteProducts::Blocks;

    #[inline(always)]
    fn block_alike<const SIGNED: bool>(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        let [sum, a, b] = [sum, a, b].map(I32x4::register);
        let sum = if SIGNED {
            accumulate!("smmla {0:v}.4s, {1:v}.16b, {2:v}.16b", sum, a, b)
        } else {
            accumulate!("ummla {0:v}.4s, {1:v}.16b, {2:v}.16b", sum, a, b)
        };
        I32x4::of(sum)
    }
    #[inline(always)]
    fn block_itself(self, sum: I32x4, b: I32x4) -> I32x4 {
        I32x4::of(accumulate!("smmla {0:v}.4s, {0:v}.16b, {1:v}.16b", sum.register(), b.register()))
    }
    #[inline(always)]
    unsafe fn load_half<const UPPER: bool>(self, from: *const i32) -> I32x4 {
        // SAFETY: by contract.
        unsafe { half::<UPPER>(from) }
    }
    #[inline(always)]
    fn dot_i16(self, sum: I32x4, a: I32x4, b: I32x4) -> I32x4 {
        dot_i16(sum, a, b)
    }
    #[inline(always)]
    fn look_up(self, bytes: I32x4, table: I32x4) -> I32x4 {
        look_up(bytes, table)
    }
}

impl Integers for NeonBf16 {
    type I32 = I32x4;
    const BYTES: ByteProducts = ByteProducts::Alike;

    #[inline(always)]
    fn dot_bf16(self, sum: F32x4, a: I32x4, b: I32x4) -> F32x4 {
        F32x4::of(accumulate!("bfdot {0:v}.4s, {1:v}.8h, {2:v}.8h", sum.register(), a.register(), b.register()))
    }
    #[inline(always)]
    fn block_bf16(self, sum: F32x4, a: I32x4, b: I32x4) -> F32x4 {
        F32x4::of(accumulate!("bfmmla {0:v}.4s, {1:v}.8h, {2:v}.8h", sum.register(), a.register(), b.register()))
    }
    #[inline(always)]
    unsafe fn load_half<const UPPER: bool>(self, from: *const i32) -> I32x4 {
        // SAFETY: by contract.
        unsafe { half::<UPPER>(from) }
    }
}
