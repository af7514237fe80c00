//! What the algorithms ask of an instruction set. It is little on purpose: everything else is written once in [`crate::ops`].
//!
//! Every method is `unsafe` for one reason: it may be called only where the instruction set is available, which a
//! [`crate::ops::stream::StreamKernel`] or [`crate::ops::chain::ChainKernel`] proves by existing. Implementations are
//! `#[inline(always)]` so that they take on the target features of the function that instantiates the algorithm.

/// A vector of f64 lanes, for streams.
pub(crate) trait Vector: Copy {
    /// Lanes of 64 bits.
    const LANES: usize;

    /// # Safety
    /// The ISA is available; `LANES` readable values at `from`.
    unsafe fn load(from: *const f64) -> Self;

    /// Asks for the line at `from` to be brought into the nearest cache. An ISA that cannot ask has no kernel that does.
    ///
    /// # Safety
    /// The ISA is available. Any address will do: nothing is read.
    unsafe fn prefetch(from: *const f64);

    /// # Safety
    /// The ISA is available; `LANES` writable values at `to`.
    unsafe fn store(self, to: *mut f64);

    /// A store past the cache. An ISA without one never has a kernel that calls this.
    ///
    /// # Safety
    /// As [`Vector::store`], and `to` aligned to the vector.
    unsafe fn store_nontemporal(self, to: *mut f64);

    /// Makes earlier non-temporal stores visible before later ones.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn fence();

    /// # Safety
    /// The ISA is available.
    unsafe fn splat(value: f64) -> Self;

    /// # Safety
    /// The ISA is available.
    unsafe fn add(self, other: Self) -> Self;

    /// # Safety
    /// The ISA is available.
    unsafe fn mul(self, other: Self) -> Self;

    /// `self · factor + addend`, in one instruction where there is one.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// Wrapping 64-bit integer addition of the lanes' bits: the cheapest use of a loaded value, and exact in any order.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn add_bits(self, other: Self) -> Self;
}

/// A vector of accumulators and one multiply-accumulate instruction, for chains.
///
/// The recurrence is the data type's own (see [`crate::reference::chain`]); each step depends on the step before.
pub(crate) trait Mac: Copy {
    /// Bytes of the vector.
    const BYTES: usize;

    /// # Safety
    /// The ISA is available; `BYTES` readable bytes at `from`.
    unsafe fn load(from: *const u8) -> Self;

    /// # Safety
    /// The ISA is available; `BYTES` writable bytes at `to`.
    unsafe fn store(self, to: *mut u8);

    /// One step of the recurrence in every lane.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn step<const ODD: bool>(self, operands: &[Self; 3]) -> Self;

    /// Wrapping addition of the accumulators' bits, lane by lane.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn add_bits(self, other: Self) -> Self;
}

/// Accumulators that are floating-point numbers.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "so far only x86 files instantiate it"))]
pub(crate) trait Float: Mac {
    /// # Safety
    /// The ISA is available.
    unsafe fn add(self, other: Self) -> Self;

    /// `self · factor + addend`, rounded once.
    ///
    /// # Safety
    /// The ISA is available.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
}

/// A 16-bit type that comes from memory and is converted to the f32 lanes of `M`.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "so far only x86 files instantiate it"))]
pub(crate) trait Widen<M: Float> {
    /// Two vectors of f32 from one vector of halves.
    ///
    /// # Safety
    /// The ISA is available; `M::BYTES` readable bytes at `from`.
    unsafe fn pair(from: *const u8) -> [M; 2];
}
