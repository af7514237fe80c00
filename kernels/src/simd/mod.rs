//! The vocabulary: what the algorithms in [`crate::ops`] ask of an instruction set.
//!
//! A [`Token`] is the proof that the CPU has an instruction set: its field is private, and [`Token::new`] asks the CPU. Only
//! a token makes vectors, so that a vector is a proof as well and its methods are safe. An algorithm is a [`Kernel`], written
//! once for every token that has the vectors it needs. [`Token::run`] compiles it with the instruction set enabled, which is
//! why everything in here and every kernel is `#[inline(always)]`: code takes on the instructions of where it is inlined.
//!
//! An instruction set of another architecture has a token without values, and arrays for vectors. Its table of kernels can
//! be read on every machine, and none of its kernels is compiled.

mod array;
mod halves;
mod lanes;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod registers;
mod scale;
mod tile_unit;
mod token;

use crate::isa::Isa;

pub(crate) use halves::{F32Of, Halves};
pub(crate) use lanes::ByteProducts;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use registers::{intrinsics, vector};
pub(crate) use scale::{Scale, scaled};
pub(crate) use tile_unit::{PANEL_COLUMNS, PANEL_STRIDE, TILE_ROWS, TileOperands, TileShape, TileUnit};
pub(crate) use token::token;

/// An algorithm, to be compiled for one instruction set after another.
pub(crate) trait Kernel<S> {
    /// What it works on.
    type Input<'a>;
    /// What it returns.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`.
    fn run(token: S, input: Self::Input<'_>) -> Self::Output;
}

/// The proof that this CPU has an instruction set.
pub(crate) trait Token: Copy + 'static {
    const ISA: Isa;
    /// As `std::env::consts::ARCH` names it; `None`: every architecture.
    const ARCHITECTURE: Option<&'static str>;
    /// Whether it can ask for cache lines ahead of their use.
    const PREFETCHES: bool;
    /// Marks the vectors that the token makes. Instruction sets that use the same registers share them.
    type Registers;

    /// The proof, if this CPU and its operating system have the instruction set.
    fn new() -> Option<Self>;

    /// Runs a kernel as code of this instruction set. Tables of kernels hold pointers to this function.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn run<K: Kernel<Self>>(input: K::Input<'_>) -> K::Output;

    /// A vector with the same value in each lane.
    #[inline(always)]
    fn splat<V: Vector<Registers = Self::Registers>>(self, value: V::Element) -> V {
        // SAFETY: the token proves the instruction set of the vectors that it makes.
        unsafe { V::splat(value) }
    }

    /// The first elements of `from`, one for each lane.
    ///
    /// # Panics
    /// When there are fewer.
    #[inline(always)]
    fn load<V: Vector<Registers = Self::Registers>>(self, from: &[V::Element]) -> V {
        assert!(from.len() >= V::LANES, "a load beyond the end");
        // SAFETY: as above; the elements are there.
        unsafe { V::load_from(from.as_ptr()) }
    }

    /// The elements at `from`, which may be unaligned.
    ///
    /// # Safety
    /// An element for each lane can be read there.
    #[inline(always)]
    unsafe fn load_from<V: Vector<Registers = Self::Registers>>(self, from: *const V::Element) -> V {
        // SAFETY: the token proves the instruction set; by contract.
        unsafe { V::load_from(from) }
    }

    /// Asks for the cache line at `at`, any address, into the first level of cache; nothing unless the token
    /// [prefetches](Token::PREFETCHES).
    #[inline(always)]
    fn prefetch_first_level(self, at: *const u8) {
        let _ = at;
        #[cfg(target_arch = "x86_64")]
        if Self::PREFETCHES {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every x86-64 CPU has the instruction, and it reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
        #[cfg(target_arch = "aarch64")]
        if Self::PREFETCHES {
            // SAFETY: as above, of AArch64. There is no stable intrinsic.
            unsafe { std::arch::asm!("prfm pldl1keep, [{}]", in(reg) at, options(readonly, nostack, preserves_flags)) }
        }
    }

    /// The same into the second level of cache.
    #[inline(always)]
    fn prefetch_second_level(self, at: *const u8) {
        let _ = at;
        #[cfg(target_arch = "x86_64")]
        if Self::PREFETCHES {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
        #[cfg(target_arch = "aarch64")]
        if Self::PREFETCHES {
            // SAFETY: as above.
            unsafe { std::arch::asm!("prfm pldl2keep, [{}]", in(reg) at, options(readonly, nostack, preserves_flags)) }
        }
    }

    /// Makes earlier stores past the cache visible before later stores.
    #[inline(always)]
    fn fence_stores(self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 CPU has the instruction.
        unsafe {
            std::arch::x86_64::_mm_sfence()
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: every AArch64 CPU has the instruction.
        unsafe {
            std::arch::asm!("dmb ishst", options(nostack, preserves_flags))
        }
    }
}

/// A vector of lanes, one element in each.
pub(crate) trait Vector: Copy {
    type Registers;
    type Element: Copy;
    const LANES: usize;
    /// Whether [`Vector::stream_to`] goes past the cache, or [`Vector::stream_pair_to`] if that is how it goes.
    const NONTEMPORAL: bool = false;
    /// Whether an instruction that stores past the cache takes two vectors.
    const STREAMS_PAIRS: bool = false;

    /// # Safety
    /// The instruction set is available: [`Token::splat`] proves it.
    unsafe fn splat(value: Self::Element) -> Self;

    /// # Safety
    /// The instruction set is available: [`Token::load_from`] proves it. An element for each lane can be read at `from`.
    unsafe fn load_from(from: *const Self::Element) -> Self;

    /// Stores at `to`, which may be unaligned.
    ///
    /// # Safety
    /// An element for each lane can be written there.
    unsafe fn store_to(self, to: *mut Self::Element);

    /// Stores into the first elements of `to`.
    ///
    /// # Panics
    /// When there are fewer than lanes.
    #[inline(always)]
    fn store(self, to: &mut [Self::Element]) {
        assert!(to.len() >= Self::LANES, "a store beyond the end");
        // SAFETY: the elements are there.
        unsafe { self.store_to(to.as_mut_ptr()) }
    }

    /// Stores past the cache where there is such an instruction.
    ///
    /// # Safety
    /// As [`Vector::store_to`], and `to` is aligned to the vector.
    #[inline(always)]
    unsafe fn stream_to(self, to: *mut Self::Element) {
        // SAFETY: by contract.
        unsafe { self.store_to(to) }
    }

    /// Stores two vectors side by side past the cache where there is such an instruction.
    ///
    /// # Safety
    /// As [`Vector::stream_to`], for both.
    #[inline(always)]
    unsafe fn stream_pair_to(pair: [Self; 2], to: *mut Self::Element) {
        // SAFETY: by contract.
        unsafe {
            pair[0].stream_to(to);
            pair[1].stream_to(to.add(Self::LANES));
        }
    }

    /// The lower halves of both, and the upper ones.
    #[inline(always)]
    fn halves_joined(self, other: Self) -> [Self; 2] {
        lanes::halves_joined(self, other)
    }

    /// The sum, wrapping for integers.
    fn add(self, other: Self) -> Self;

    /// The wrapping sum of the lanes' bits as integers: the cheapest use of a loaded value, and exact in any order.
    fn add_bits(self, other: Self) -> Self;
}

/// A vector of floating-point numbers.
pub(crate) trait Float: Vector {
    /// Whether [`Float::mul_add`] rounds once.
    const FUSED: bool;
    /// Whether the instruction leaves its result where the addend was: one that is used again is copied first.
    const OVERWRITES_ADDEND: bool = false;

    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// `self · factor + addend`.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self + self · rate`.
    #[inline(always)]
    fn grown(self, rate: Self) -> Self {
        self.mul_add(rate, self)
    }
    /// `self · factors[LANE] + addend`.
    #[inline(always)]
    fn mul_add_lane<const LANE: usize>(self, factors: Self, addend: Self) -> Self {
        self.mul_add(lanes::everywhere::<Self, LANE>(factors), addend)
    }
}

/// A vector of f64.
pub(crate) trait Double: Float<Element = f64> {
    /// The exclusive or of the lanes' bits.
    fn xor_bits(self, other: Self) -> Self;
}

/// A vector of f32.
pub(crate) trait Single: Float<Element = f32> {
    /// Loads binary16 numbers and widens them, which is exact.
    ///
    /// # Safety
    /// The instruction set is available; a half for each lane can be read at `from`.
    unsafe fn load_f16_from(from: *const u16) -> Self;

    /// `value` rounded to binary16.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn round_to_f16(value: f32) -> f32;

    /// The larger of the two; `other` where either is no number.
    fn max(self, other: Self) -> Self;
    /// `bits(self) + (bits(power) << 23)`, wrapping: adds the low bits of `power` to the exponent.
    fn add_exponent(self, power: Self) -> Self;
    /// The largest lane.
    fn largest(self) -> f32;
    /// The sum of the lanes.
    fn sum(self) -> f32;
    /// The sums of the lanes of four vectors.
    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        [a.sum(), b.sum(), c.sum(), d.sum()]
    }
}

/// A vector of i32, also as bits and as groups of narrower integers.
pub(crate) trait Integer: Vector<Element = i32> {
    /// The f32 of the same lanes.
    type Float: Single;

    /// Loads signed bytes and widens them.
    ///
    /// # Safety
    /// The instruction set is available; a byte for each lane can be read at `from`.
    unsafe fn load_i8_from(from: *const i8) -> Self;

    /// Stores each lane, from −128 to 127, as a byte.
    ///
    /// # Safety
    /// A byte for each lane can be written at `to`.
    unsafe fn store_i8_to(self, to: *mut i8);

    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    /// The low 32 bits of the product.
    fn mul(self, other: Self) -> Self;
    /// Shifted left.
    fn shl<const N: u32>(self) -> Self;
    /// Shifted right, zeros coming in.
    fn shr<const N: u32>(self) -> Self;
    /// Shifted right, the sign coming in.
    fn sar<const N: u32>(self) -> Self;
    /// The sum of all lanes, wrapping.
    fn total(self) -> i32;
    /// The same numbers as f32.
    fn to_float(self) -> Self::Float;
    /// The same bits as f32.
    fn as_float(self) -> Self::Float;
    /// The bits of f32.
    fn bits_of(value: Self::Float) -> Self;
    /// The nearest integers, ties to even, of magnitudes below 2²².
    fn nearest(value: Self::Float) -> Self;
}

/// An instruction set with floating-point vectors.
pub(crate) trait Floats: Token {
    type F64: Double<Registers = <Self as Token>::Registers>;
    type F32: Single<Registers = <Self as Token>::Registers>;

    /// As [`Single::load_f16_from`].
    ///
    /// # Safety
    /// A half for each lane can be read at `from`.
    #[inline(always)]
    unsafe fn load_f16_from(self, from: *const u16) -> Self::F32 {
        // SAFETY: the token proves the instruction set; by contract.
        unsafe { Self::F32::load_f16_from(from) }
    }

    /// `value` rounded to binary16.
    #[inline(always)]
    fn round_to_f16(self, value: f32) -> f32 {
        // SAFETY: the token proves the instruction set.
        unsafe { Self::F32::round_to_f16(value) }
    }
}

/// An instruction set with integer vectors, and the dot products that matmul is made of. What an instruction set has no
/// instruction for is made of others.
pub(crate) trait Integers: Floats {
    type I32: Integer<Float = Self::F32, Registers = <Self as Token>::Registers>;

    /// Whether [`Integers::dot_u8_i8`] is one instruction.
    const DOTS_WHOLE_BYTES: bool = false;
    /// Which products of bytes there are instructions for.
    const BYTES: ByteProducts = ByteProducts::Mixed;

    /// As [`Integer::load_i8_from`].
    ///
    /// # Safety
    /// A byte for each lane can be read at `from`.
    #[inline(always)]
    unsafe fn load_i8_from(self, from: *const i8) -> Self::I32 {
        // SAFETY: the token proves the instruction set; by contract.
        unsafe { Self::I32::load_i8_from(from) }
    }

    /// `sum + Σ u8·i8` over the four bytes of each lane, exact.
    #[inline(always)]
    fn dot_u8_i8(self, sum: Self::I32, u: Self::I32, s: Self::I32) -> Self::I32 {
        let byte: Self::I32 = self.splat(0xff);
        let product = |u: Self::I32, s: Self::I32| u.and(byte).mul(s.sar::<24>());
        let low = product(u, s.shl::<24>()).add(product(u.shr::<8>(), s.shl::<16>()));
        let high = product(u.shr::<16>(), s.shl::<8>()).add(product(u.shr::<24>(), s));
        sum.add(low.add(high))
    }

    /// The same where the sums of the products of bytes 0 and 1, and of bytes 2 and 3, fit 16 bits; anything elsewhere. Any
    /// `s` will do if no byte of `u` is above 127.
    #[inline(always)]
    fn dot_u8_i8_pairs(self, sum: Self::I32, u: Self::I32, s: Self::I32) -> Self::I32 {
        self.dot_u8_i8(sum, u, s)
    }

    /// `sum + Σ a·b` over the four bytes of each lane, all of them `SIGNED` or none; where signed sums of two products fit 16
    /// bits.
    #[inline(always)]
    fn dot_alike<const SIGNED: bool>(self, sum: Self::I32, a: Self::I32, b: Self::I32) -> Self::I32 {
        lanes::dot_alike::<_, SIGNED>(sum, a, b)
    }

    /// The same with lane `LANE` of `b` for all of its lanes.
    #[inline(always)]
    fn dot_alike_lane<const SIGNED: bool, const LANE: usize>(
        self,
        sum: Self::I32,
        a: Self::I32,
        b: Self::I32,
    ) -> Self::I32 {
        self.dot_alike::<SIGNED>(sum, a, lanes::everywhere::<_, LANE>(b))
    }

    /// `sum + Σ a·b` with the signed bytes of `sum` itself as `a`.
    #[inline(always)]
    fn dot_itself(self, sum: Self::I32, b: Self::I32) -> Self::I32 {
        self.dot_alike::<true>(sum, sum, b)
    }

    /// A block of 2×2 sums: lane `2·i + j` gains `Σ a·b` over the eight bytes of half `i` of `a` and half `j` of `b`.
    #[inline(always)]
    fn block_alike<const SIGNED: bool>(self, sum: Self::I32, a: Self::I32, b: Self::I32) -> Self::I32 {
        lanes::block_alike::<_, SIGNED>(sum, a, b)
    }

    /// The same with the signed bytes of `sum` itself as `a`.
    #[inline(always)]
    fn block_itself(self, sum: Self::I32, b: Self::I32) -> Self::I32 {
        self.block_alike::<true>(sum, sum, b)
    }

    /// A block of sums over the four bf16 of each half.
    #[inline(always)]
    fn block_bf16(self, sum: Self::F32, a: Self::I32, b: Self::I32) -> Self::F32 {
        lanes::block_bf16(sum, a, b)
    }

    /// Half a vector from memory, as the lower half or the upper one; the other half is zero.
    ///
    /// # Safety
    /// An element for each lane of a half can be read at `from`.
    #[inline(always)]
    unsafe fn load_half<const UPPER: bool>(self, from: *const i32) -> Self::I32 {
        // SAFETY: by contract; the token proves the instruction set.
        unsafe { lanes::load_half::<_, UPPER>(from) }
    }

    /// Each of the bytes, 0 to 15, replaced by that byte of the sixteen which the table has in the same 128 bits.
    #[inline(always)]
    fn look_up(self, bytes: Self::I32, table: Self::I32) -> Self::I32 {
        lanes::look_up(bytes, table)
    }

    /// `sum + Σ i16·i16` over the two halves of each lane.
    #[inline(always)]
    fn dot_i16(self, sum: Self::I32, a: Self::I32, b: Self::I32) -> Self::I32 {
        let low = a.shl::<16>().sar::<16>().mul(b.shl::<16>().sar::<16>());
        sum.add(low.add(a.sar::<16>().mul(b.sar::<16>())))
    }

    /// `sum + Σ bf16·bf16` over the two halves of each lane.
    #[inline(always)]
    fn dot_bf16(self, sum: Self::F32, a: Self::I32, b: Self::I32) -> Self::F32 {
        let ([a_low, a_high], [b_low, b_high]) = (self.widen_bf16(a), self.widen_bf16(b));
        a_high.mul_add(b_high, a_low.mul_add(b_low, sum))
    }

    /// The lower and the upper half of each lane, bfloat16, as f32: a bf16 is the upper half of an f32.
    #[inline(always)]
    fn widen_bf16(self, pair: Self::I32) -> [Self::F32; 2] {
        let upper: Self::I32 = self.splat(0xffff_0000_u32 as i32);
        [pair.shl::<16>().as_float(), pair.and(upper).as_float()]
    }

    /// The two rounded to bfloat16, to nearest and ties to even, as the lower and the upper half of each lane. Finite numbers.
    #[inline(always)]
    fn pack_bf16(self, lower: Self::F32, upper: Self::F32) -> Self::I32 {
        let (odd, half): (Self::I32, Self::I32) = (self.splat(1), self.splat(0x7fff));
        let [lower, upper] = [lower, upper].map(|value| {
            let bits = Self::I32::bits_of(value);
            bits.add(half).add(bits.shr::<16>().and(odd))
        });
        lower.shr::<16>().or(upper.and(self.splat(0xffff_0000_u32 as i32)))
    }
}
