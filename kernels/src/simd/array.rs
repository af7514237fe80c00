//! Arrays as vectors, in plain Rust: the compiler vectorises them for the target's baseline.

use super::{Double, Float, Integer, Single, Vector};
use half::f16;
use std::ops::{Mul, Sub};

/// Marks arrays.
pub(crate) enum Arrays {}

/// An element of an array.
pub(crate) trait Lane: Copy {
    fn add(self, other: Self) -> Self;
    fn add_bits(self, other: Self) -> Self;
}

macro_rules! lane {
    ($($type:ty: $add:expr, $add_bits:expr;)*) => {$(
        impl Lane for $type {
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                ($add)(self, other)
            }
            #[inline(always)]
            fn add_bits(self, other: Self) -> Self {
                ($add_bits)(self, other)
            }
        }
    )*};
}
lane! {
    f64: |a, b| a + b, |a: f64, b: f64| f64::from_bits(a.to_bits().wrapping_add(b.to_bits()));
    f32: |a, b| a + b, |a: f32, b: f32| f32::from_bits(a.to_bits().wrapping_add(b.to_bits()));
    f16: |a, b| a + b, |a: f16, b: f16| f16::from_bits(a.to_bits().wrapping_add(b.to_bits()));
    i32: i32::wrapping_add, i32::wrapping_add;
}

/// What `array::map` does, but always inlined.
#[inline(always)]
fn map<A: Copy, B, const N: usize>(a: [A; N], f: impl Fn(A) -> B) -> [B; N] {
    std::array::from_fn(|lane| f(a[lane]))
}

#[inline(always)]
fn each<A: Copy, B: Copy, C, const N: usize>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

impl<T: Lane, const N: usize> Vector for [T; N] {
    type Registers = Arrays;
    type Element = T;
    const LANES: usize = N;

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        [value; N]
    }
    #[inline(always)]
    unsafe fn load_from(from: *const T) -> Self {
        // SAFETY: by contract.
        unsafe { from.cast::<[T; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_to(self, to: *mut T) {
        // SAFETY: by contract.
        unsafe { to.cast::<[T; N]>().write_unaligned(self) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        each(self, other, T::add)
    }
    #[inline(always)]
    fn add_bits(self, other: Self) -> Self {
        each(self, other, T::add_bits)
    }
}

impl<T: Lane + Mul<Output = T> + Sub<Output = T>, const N: usize> Float for [T; N] {
    const FUSED: bool = false;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        each(self, other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        each(self, other, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        std::array::from_fn(|lane| (self[lane] * factor[lane]).add(addend[lane]))
    }
}

impl<const N: usize> Double for [f64; N] {
    #[inline(always)]
    fn xor_bits(self, other: Self) -> Self {
        each(self, other, |a, b| f64::from_bits(a.to_bits() ^ b.to_bits()))
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

impl<const N: usize> Single for [f32; N] {
    #[inline(always)]
    unsafe fn load_f16_from(from: *const u16) -> Self {
        // SAFETY: by contract.
        map(unsafe { from.cast::<[u16; N]>().read_unaligned() }, widen)
    }
    #[inline(always)]
    unsafe fn round_to_f16(value: f32) -> f32 {
        f16::from_f32_const(value).to_f32_const()
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // A comparison and not `f32::max`, whose rules for what is no number no vector instruction has.
        each(self, other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn add_exponent(self, power: Self) -> Self {
        each(self, power, |x, power| f32::from_bits(x.to_bits().wrapping_add(power.to_bits() << 23)))
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        self.into_iter().fold(self[0], f32::max)
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self.into_iter().sum()
    }
}

impl<const N: usize> Integer for [i32; N] {
    type Float = [f32; N];

    #[inline(always)]
    unsafe fn load_i8_from(from: *const i8) -> Self {
        // SAFETY: by contract.
        unsafe { from.cast::<[i8; N]>().read_unaligned() }.map(i32::from)
    }
    #[inline(always)]
    unsafe fn store_i8_to(self, to: *mut i8) {
        // SAFETY: by contract.
        unsafe { to.cast::<[i8; N]>().write_unaligned(map(self, |value| value as i8)) }
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        each(self, other, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        each(self, other, |a, b| a | b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        each(self, other, i32::wrapping_mul)
    }
    #[inline(always)]
    fn shl<const BITS: u32>(self) -> Self {
        map(self, |a| a << BITS)
    }
    #[inline(always)]
    fn shr<const BITS: u32>(self) -> Self {
        map(self, |a| (a as u32 >> BITS) as i32)
    }
    #[inline(always)]
    fn sar<const BITS: u32>(self) -> Self {
        map(self, |a| a >> BITS)
    }
    #[inline(always)]
    fn total(self) -> i32 {
        self.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    fn to_float(self) -> [f32; N] {
        map(self, |value| value as f32)
    }
    #[inline(always)]
    fn as_float(self) -> [f32; N] {
        map(self, |value| f32::from_bits(value as u32))
    }
    #[inline(always)]
    fn bits_of(value: [f32; N]) -> Self {
        map(value, |value| value.to_bits() as i32)
    }
    #[inline(always)]
    fn nearest(value: [f32; N]) -> Self {
        // The sum with 1.5·2²³ has no room for fractions.
        map(value, |value| ((value + 12_582_912.0).to_bits() & 0x007f_ffff) as i32 - 0x0040_0000)
    }
}
