//! Attention in plain Rust: four lanes, halves widened by integer arithmetic.

use crate::isa::Isa;
use crate::lanes::Lanes;
use crate::ops::attention::{AttentionEntry, attention_entry};

attention_entry!(ATTENTION, Isa::Portable, F32x4);

#[derive(Clone, Copy)]
struct F32x4([f32; 4]);

impl F32x4 {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

/// A binary16 value, widened: the fields are shifted into place and 2¹¹² corrects the exponent's bias, also of subnormal
/// numbers; the largest exponent, of infinities and of what is no number, is filled up.
#[inline(always)]
fn widen(half: u16) -> f32 {
    let bits = u32::from(half);
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
}

// SAFETY of every method: plain loads and stores of four values, as the trait's contract allows.
impl Lanes for F32x4 {
    const LANES: usize = 4;
    // Sixteen registers of 128 bits in the baseline of x86-64; multiply and add are two instructions with a result each.
    const ACCUMULATORS: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: four readable values by contract.
        Self(unsafe { from.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn load_halves(from: *const u16) -> Self {
        // SAFETY: four readable halves by contract.
        Self(unsafe { from.cast::<[u16; 4]>().read() }.map(widen))
    }
    #[inline(always)]
    unsafe fn prefetch(_at: *const u16) {}
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: four writable values by contract.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn add_exponent(self, power: Self) -> Self {
        self.zip(power, |x, power| f32::from_bits(x.to_bits().wrapping_add(power.to_bits() << 23)))
    }
    #[inline(always)]
    unsafe fn largest_lane(self) -> f32 {
        let [a, b, c, d] = self.0;
        a.max(b).max(c.max(d))
    }
    #[inline(always)]
    unsafe fn sum_of_lanes(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + b) + (c + d)
    }
}
