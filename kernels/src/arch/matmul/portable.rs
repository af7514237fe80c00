//! Plain Rust in arrays of eight lanes, vectorised by the compiler for the target's baseline.

use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::matmul::activations::{Q8_0, Q8KForQ4K, Q8KForQ6K};
use crate::ops::matmul::lanes::Lanes;
use crate::ops::matmul::plain::{Bf16, F16, F32, I8, plain_tiles};
use crate::ops::matmul::quantised::quantised_tiles;
use crate::ops::matmul::{MatmulEntry, Tiles};
use half::f16;

macro_rules! quantised {
    ($tile:ident < $($argument:tt),* >, $activation:ty) => {
        Tiles::Quantised {
            tiles: quantised_tiles!($tile<$($argument),*>, rows: [1 2 3 4]),
            quantise: crate::ops::matmul::activations::quantise::<Portable, $activation>,
        }
    };
}

// Eight lanes are two registers of 128 bits: four rows take eight of sixteen.
pub(super) const ENTRIES: &[MatmulEntry] = &[
    entry(Dtype::F32, Tiles::Plain(plain_tiles!(F32<Portable>, vectors: 1, rows: [1 2 3 4]))),
    entry(Dtype::F16, Tiles::Plain(plain_tiles!(F16<Portable>, vectors: 1, rows: [1 2 3 4]))),
    entry(Dtype::Bf16, Tiles::Plain(plain_tiles!(Bf16<Portable>, vectors: 1, rows: [1 2 3 4]))),
    entry(Dtype::I8, Tiles::Plain(plain_tiles!(I8<Portable>, vectors: 1, rows: [1 2 3 4]))),
    entry(Dtype::Q8_0, quantised!(blocks<Portable, false>, Q8_0<128>)),
    entry(Dtype::Q4_0, quantised!(blocks<Portable, true>, Q8_0<8>)),
    entry(Dtype::Q4K, quantised!(q4_k<Portable>, Q8KForQ4K)),
    entry(Dtype::Q6K, quantised!(q6_k<Portable>, Q8KForQ6K)),
];

const fn entry(weights: Dtype, tiles: Tiles) -> MatmulEntry {
    MatmulEntry { isa: Isa::Portable, weights, lanes: 8, vectors: 1, tiles }
}

/// Eight lanes.
#[derive(Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn each<A: Copy, B: Copy, C>(a: [A; 8], b: [B; 8], f: impl Fn(A, B) -> C) -> [C; 8] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

// SAFETY of every method: plain loads and stores of eight values, as the trait's contract allows.
impl Lanes for Portable {
    const LANES: usize = 8;
    type F = [f32; 8];
    type I = [i32; 8];

    #[inline(always)]
    unsafe fn load_f32(from: *const u8) -> [f32; 8] {
        // SAFETY: see above.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> [f32; 8] {
        // SAFETY: see above.
        unsafe { from.cast::<[u16; 8]>().read_unaligned() }.map(|bits| f16::from_bits(bits).to_f32_const())
    }
    #[inline(always)]
    unsafe fn store_f32(value: [f32; 8], to: *mut u8) {
        // SAFETY: see above.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> [i32; 8] {
        // SAFETY: see above.
        unsafe { from.cast::<[i32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_s8(from: *const u8) -> [i32; 8] {
        // SAFETY: see above.
        unsafe { from.cast::<[i8; 8]>().read_unaligned() }.map(i32::from)
    }
    #[inline(always)]
    unsafe fn store(value: [i32; 8], to: *mut u8) {
        // SAFETY: see above.
        unsafe { to.cast::<[i32; 8]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> [f32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn splat(value: i32) -> [i32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    unsafe fn mul_f32(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn add_f32(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn max_f32(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        // A comparison and not `max`, whose rules for NaN no vector instruction has.
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn largest(value: [f32; 8]) -> f32 {
        value.into_iter().fold(value[0], f32::max)
    }
    #[inline(always)]
    unsafe fn nearest(value: [f32; 8]) -> [i32; 8] {
        // The sum with 1.5·2²³ has no room for fractions.
        value.map(|value| ((value + 12_582_912.0).to_bits() & 0x007f_ffff) as i32 - 0x0040_0000)
    }
    #[inline(always)]
    unsafe fn total(value: [i32; 8]) -> i32 {
        value.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn store_s8(value: [i32; 8], to: *mut u8) {
        // SAFETY: see above.
        unsafe { to.cast::<[u8; 8]>().write_unaligned(value.map(|value| value as u8)) }
    }
    #[inline(always)]
    unsafe fn to_f32(value: [i32; 8]) -> [f32; 8] {
        value.map(|value| value as f32)
    }
    #[inline(always)]
    unsafe fn and(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        each(a, b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn or(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        each(a, b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn shl<const N: u32>(a: [i32; 8]) -> [i32; 8] {
        a.map(|a| a << N)
    }
    #[inline(always)]
    unsafe fn shr<const N: u32>(a: [i32; 8]) -> [i32; 8] {
        a.map(|a| (a as u32 >> N) as i32)
    }
    #[inline(always)]
    unsafe fn sar<const N: u32>(a: [i32; 8]) -> [i32; 8] {
        a.map(|a| a >> N)
    }
    #[inline(always)]
    unsafe fn add(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        each(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn mul(a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        each(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    unsafe fn from_bits(value: [i32; 8]) -> [f32; 8] {
        value.map(|value| f32::from_bits(value as u32))
    }
    #[inline(always)]
    unsafe fn round_to_f16(value: f32) -> f32 {
        f16::from_f32_const(value).to_f32_const()
    }
}
