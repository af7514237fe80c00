//! What attention asks of an instruction set: lanes of f32, and a load that widens halves.
//!
//! The same contract as in [`crate::vector`]: every method may be called only where the instruction set is available, and
//! is inlined into the function that instantiates the algorithm.

/// A vector of f32 lanes.
pub(crate) trait Lanes: Copy {
    /// Lanes of 32 bits: 4, 8 or 16.
    const LANES: usize;

    /// Vectors that a loop may keep as accumulators: enough independent ones to hide the latency of a multiply-add, few
    /// enough to leave registers for the operands.
    const ACCUMULATORS: usize;

    /// # Safety
    /// The ISA is available; `LANES` readable values at `from`.
    unsafe fn load(from: *const f32) -> Self;

    /// Loads IEEE 754 binary16 values, widened; exact.
    ///
    /// # Safety
    /// The ISA is available; `LANES` readable halves at `from`.
    unsafe fn load_halves(from: *const u16) -> Self;

    /// Asks for a cache line into the second level of cache, where the ISA has such an instruction. Any address will do.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn prefetch(at: *const u16);

    /// # Safety
    /// The ISA is available; `LANES` writable values at `to`.
    unsafe fn store(self, to: *mut f32);

    /// # Safety
    /// The ISA is available.
    unsafe fn splat(value: f32) -> Self;

    /// # Safety
    /// The ISA is available.
    unsafe fn add(self, other: Self) -> Self;

    /// # Safety
    /// The ISA is available.
    unsafe fn sub(self, other: Self) -> Self;

    /// # Safety
    /// The ISA is available.
    unsafe fn mul(self, other: Self) -> Self;

    /// `self · factor + addend`, in one instruction where there is one.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// The larger of the two; `other` where either is no number.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn max(self, other: Self) -> Self;

    /// `bits(self) + (bits(power) << 23)`, wrapping: adds the low bits of `power` to the exponent.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn add_exponent(self, power: Self) -> Self;

    /// The largest lane.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn largest_lane(self) -> f32;

    /// The sum of the lanes.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn sum_of_lanes(self) -> f32;
}

/// 1.5 · 2²³: adding it rounds a small number to an integer, which then stands in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

/// `(2^f − 1) / f` on |f| ≤ ½, highest power first: minimax in the relative error of 2^f (Remez), 2.6e-9. The constant
/// term 1 is not approximated, so that 2⁰ is exactly 1.
const EXP2: [f32; 6] = [0.000_155_946_78, 0.001_340_664_3, 0.009_617_693, 0.055_503_104, 0.240_226_52, 0.693_147_24];

/// 2^x for x ≤ 0, within 2 units in the last place; at and below −127 exactly 0, and between −127 and −126, where results
/// have no normal representation, within 2⁻¹²⁶ absolutely. No number stays no number.
///
/// # Safety
/// The ISA is available.
#[inline(always)]
pub(crate) unsafe fn exp2<V: Lanes>(x: V) -> V {
    // SAFETY: the caller's contract.
    unsafe {
        let x = V::splat(-127.0).max(x);
        let rounded = x.add(V::splat(ROUNDER));
        let f = x.sub(rounded.sub(V::splat(ROUNDER)));
        let mut p = V::splat(EXP2[0]);
        for &coefficient in &EXP2[1..] {
            p = p.mul_add(f, V::splat(coefficient));
        }
        p.mul_add(f, V::splat(1.0)).add_exponent(rounded)
    }
}

/// Implements [`Lanes`] for an x86 register type by naming its intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! attention_lanes {
    ($vector:ty, lanes: $lanes:literal, accumulators: $accumulators:literal, load: $load:ident, store: $store:ident,
     splat: $splat:ident, add: $add:ident, sub: $sub:ident, mul: $mul:ident, mul_add: $mul_add:ident, max: $max:ident,
     load_halves: $load_halves:expr, add_exponent: $add_exponent:expr,
     largest_lane: $largest_lane:expr, sum_of_lanes: $sum_of_lanes:expr) => {
        // SAFETY of every method: the trait's contract. Loads and stores are the unaligned forms.
        impl Lanes for $vector {
            const LANES: usize = $lanes;
            const ACCUMULATORS: usize = $accumulators;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: see above.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn load_halves(from: *const u16) -> Self {
                let load: unsafe fn(*const u16) -> Self = $load_halves;
                // SAFETY: see above.
                unsafe { load(from) }
            }
            #[inline(always)]
            unsafe fn prefetch(at: *const u16) {
                // SAFETY: see above.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: see above.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: see above.
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $sub(self, other) }
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $mul(self, other) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: see above.
                unsafe { $mul_add(self, factor, addend) }
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $max(self, other) }
            }
            #[inline(always)]
            unsafe fn add_exponent(self, power: Self) -> Self {
                let add: unsafe fn(Self, Self) -> Self = $add_exponent;
                // SAFETY: see above.
                unsafe { add(self, power) }
            }
            #[inline(always)]
            unsafe fn largest_lane(self) -> f32 {
                let largest: unsafe fn(Self) -> f32 = $largest_lane;
                // SAFETY: see above.
                unsafe { largest(self) }
            }
            #[inline(always)]
            unsafe fn sum_of_lanes(self) -> f32 {
                let sum: unsafe fn(Self) -> f32 = $sum_of_lanes;
                // SAFETY: see above.
                unsafe { sum(self) }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use attention_lanes;
