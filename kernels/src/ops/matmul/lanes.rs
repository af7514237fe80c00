//! What matmul asks of an instruction set: vectors of 32-bit lanes, and the few instructions that dot products are made of.
//!
//! Implemented in `arch`; every method is `#[inline(always)]` there, so that it takes on the target features of the function
//! that instantiates a tile.

/// Vectors of 32-bit lanes, as f32 and as integers (or groups of narrower ones).
///
/// Every method is unsafe for one reason: the instruction set must be available, which a
/// [`MatmulKernel`](super::MatmulKernel) proves by existing. Pointers may be unaligned and must have a whole vector behind
/// them.
pub(crate) trait Lanes: Copy {
    /// Lanes of 32 bits.
    const LANES: usize;
    /// f32 lanes.
    type F: Copy;
    /// 32 bits of integers per lane.
    type I: Copy;

    /// # Safety
    /// See the trait.
    unsafe fn load_f32(from: *const u8) -> Self::F;
    /// Half-precision values, widened.
    ///
    /// # Safety
    /// See the trait; half a vector behind the pointer.
    unsafe fn load_f16(from: *const u8) -> Self::F;
    /// # Safety
    /// See the trait.
    unsafe fn store_f32(value: Self::F, to: *mut u8);
    /// # Safety
    /// See the trait.
    unsafe fn load(from: *const u8) -> Self::I;
    /// Signed bytes, widened.
    ///
    /// # Safety
    /// See the trait; a quarter of a vector behind the pointer.
    unsafe fn load_s8(from: *const u8) -> Self::I;
    /// # Safety
    /// See the trait.
    unsafe fn store(value: Self::I, to: *mut u8);
    /// # Safety
    /// See the trait.
    unsafe fn splat_f32(value: f32) -> Self::F;
    /// # Safety
    /// See the trait.
    unsafe fn splat(value: i32) -> Self::I;

    /// `a·b + c`, rounded once where the instruction set can.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// # Safety
    /// See the trait.
    unsafe fn mul_f32(a: Self::F, b: Self::F) -> Self::F;
    /// # Safety
    /// See the trait.
    unsafe fn add_f32(a: Self::F, b: Self::F) -> Self::F;
    /// # Safety
    /// See the trait.
    unsafe fn max_f32(a: Self::F, b: Self::F) -> Self::F;
    /// The largest lane.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn largest(value: Self::F) -> f32;
    /// Rounded to the nearest integers, ties to even; magnitudes below 2²².
    ///
    /// # Safety
    /// See the trait.
    unsafe fn nearest(value: Self::F) -> Self::I;
    /// The sum of all lanes.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn total(value: Self::I) -> i32;
    /// Each lane, from −128 to 127, as a byte.
    ///
    /// # Safety
    /// See the trait; a quarter of a vector behind the pointer.
    unsafe fn store_s8(value: Self::I, to: *mut u8);
    /// Signed integers to f32.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn to_f32(value: Self::I) -> Self::F;

    /// # Safety
    /// See the trait.
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I;
    /// # Safety
    /// See the trait.
    unsafe fn or(a: Self::I, b: Self::I) -> Self::I;
    /// Each lane shifted left.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn shl<const N: u32>(a: Self::I) -> Self::I;
    /// Each lane shifted right, zeros coming in.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn shr<const N: u32>(a: Self::I) -> Self::I;
    /// Each lane shifted right, the sign coming in.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn sar<const N: u32>(a: Self::I) -> Self::I;
    /// # Safety
    /// See the trait.
    unsafe fn add(a: Self::I, b: Self::I) -> Self::I;
    /// Low 32 bits of the product.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn mul(a: Self::I, b: Self::I) -> Self::I;

    /// The same 32 bits as f32.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn from_bits(value: Self::I) -> Self::F;

    /// `sum + Σ u8·s8` over the four bytes of each lane, exact.
    ///
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn dot_u8_s8(sum: Self::I, u: Self::I, s: Self::I) -> Self::I {
        // SAFETY: the trait's contract.
        unsafe {
            let byte = Self::splat(0xff);
            let product = |u: Self::I, s: Self::I| Self::mul(Self::and(u, byte), Self::sar::<24>(s));
            let low = Self::add(product(u, Self::shl::<24>(s)), product(Self::shr::<8>(u), Self::shl::<16>(s)));
            let high = Self::add(product(Self::shr::<16>(u), Self::shl::<8>(s)), product(Self::shr::<24>(u), s));
            Self::add(sum, Self::add(low, high))
        }
    }
    /// The same for unsigned bytes below 128, which some instruction sets do in fewer instructions.
    ///
    /// # Safety
    /// See the trait; no byte of `u` is above 127.
    #[inline(always)]
    unsafe fn dot_u7_s8(sum: Self::I, u: Self::I, s: Self::I) -> Self::I {
        // SAFETY: the trait's contract.
        unsafe { Self::dot_u8_s8(sum, u, s) }
    }
    /// `sum + Σ s16·s16` over the two halves of each lane.
    ///
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn dot_s16(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the trait's contract.
        unsafe {
            let low = Self::mul(Self::sar::<16>(Self::shl::<16>(a)), Self::sar::<16>(Self::shl::<16>(b)));
            Self::add(sum, Self::add(low, Self::mul(Self::sar::<16>(a), Self::sar::<16>(b))))
        }
    }
    /// `sum + Σ bf16·bf16` over the two halves of each lane.
    ///
    /// # Safety
    /// See the trait.
    #[inline(always)]
    unsafe fn dot_bf16(sum: Self::F, a: Self::I, b: Self::I) -> Self::F {
        // SAFETY: the trait's contract.
        unsafe { widened_dot_bf16::<Self>(sum, a, b) }
    }

    /// `value` rounded to half precision.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn round_to_f16(value: f32) -> f32;
}

/// The dot product of bfloat16 where no instruction has it: two multiply-adds of f32.
///
/// # Safety
/// As the methods of [`Lanes`].
#[inline(always)]
pub(crate) unsafe fn widened_dot_bf16<L: Lanes>(sum: L::F, a: L::I, b: L::I) -> L::F {
    // SAFETY: by contract.
    unsafe {
        // A bf16 is the upper half of an f32.
        let upper = L::splat(0xffff_0000_u32 as i32);
        let low = |x: L::I| L::from_bits(L::shl::<16>(x));
        let high = |x: L::I| L::from_bits(L::and(x, upper));
        L::mul_add(high(a), high(b), L::mul_add(low(a), low(b), sum))
    }
}
