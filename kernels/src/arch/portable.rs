//! Plain Rust, vectorised by the compiler for the target's baseline (SSE2 on x86-64, NEON on AArch64).

pub(super) mod attention;

use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::chain::{ChainEntry, ChainShape, Recurrence, chain_entry};
use crate::ops::stream::{self, Arrays, Stores, StreamEntry, Ways, stream_table};
use crate::vector::{Mac, Vector};

pub(super) const CHAINS: &[ChainEntry] = &[CHAIN_F64, CHAIN_F32, CHAIN_I8];

stream_table!(Isa::Portable, F64x4, [], reads: [(1, 0), (2, 0), (4, 0), (8, 0)], stores: [Ordinary]);

// Multiply and add take 6 to 8 cycles one after the other, on two pipes each: 12 accumulators leave no slack. Fourteen and
// the constant fit sixteen registers of 128 bits.
chain_entry!(CHAIN_F64, Isa::Portable, Dtype::F64, Recurrence::Square { fused: false }, mac: F64x2, 14);
chain_entry!(CHAIN_F32, Isa::Portable, Dtype::F32, Recurrence::Square { fused: false }, mac: F32x4, 14);
// The byte products take registers of their own.
chain_entry!(CHAIN_I8, Isa::Portable, Dtype::I8, Recurrence::Dot, mac: I32x4, 4);

#[derive(Clone, Copy)]
struct F64x4([f64; 4]);

impl F64x4 {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

// SAFETY of every method: plain loads and stores of four values, as the trait's contract allows.
impl Vector for F64x4 {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        // SAFETY: four readable values by contract.
        Self(unsafe { from.cast::<[f64; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const f64) {}
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        // SAFETY: four writable values by contract.
        unsafe { to.cast::<[f64; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn store_nontemporal(self, to: *mut f64) {
        // SAFETY: as above. Never instantiated: portable code has no such store.
        unsafe { self.store(to) }
    }
    #[inline(always)]
    unsafe fn fence() {}
    #[inline(always)]
    unsafe fn splat(value: f64) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
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
    unsafe fn add_bits(self, other: Self) -> Self {
        self.zip(other, |a, b| f64::from_bits(a.to_bits().wrapping_add(b.to_bits())))
    }
}

macro_rules! portable_mac {
    ($name:ident, $lane:ty, $lanes:literal, $bits:ty, $step:expr) => {
        #[derive(Clone, Copy)]
        struct $name([$lane; $lanes]);

        impl Mac for $name {
            const BYTES: usize = size_of::<[$lane; $lanes]>();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: BYTES readable bytes by contract; any bits are a value of the lanes.
                Self(unsafe { from.cast::<[$lane; $lanes]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: BYTES writable bytes by contract.
                unsafe { to.cast::<[$lane; $lanes]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn step<const ODD: bool>(self, operands: &[Self; 3]) -> Self {
                let step: fn($lane, $lane) -> $lane = $step;
                Self(std::array::from_fn(|i| step(self.0[i], operands[0].0[i])))
            }
            #[inline(always)]
            unsafe fn add_bits(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| {
                    let sum = <$bits>::from_ne_bytes(self.0[i].to_ne_bytes())
                        .wrapping_add(<$bits>::from_ne_bytes(other.0[i].to_ne_bytes()));
                    <$lane>::from_ne_bytes(sum.to_ne_bytes())
                }))
            }
        }
    };
}

portable_mac!(F64x2, f64, 2, u64, |x, c| x * x + c);
portable_mac!(F32x4, f32, 4, u32, |x, c| x * x + c);
portable_mac!(I32x4, i32, 4, u32, |acc, b| {
    let (u, b) = (acc.to_ne_bytes(), b.to_ne_bytes());
    let product = |i: usize| i32::from(u[i]) * i32::from(b[i] as i8);
    acc.wrapping_add(product(0) + product(1) + product(2) + product(3))
});
