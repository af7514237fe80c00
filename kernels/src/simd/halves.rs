//! Arithmetic in binary16.

use super::{Float, Floats, Token, lanes};
use half::f16;

/// An instruction set with arithmetic in binary16.
pub(crate) trait Halves: Token {
    type F16: Float<Element = f16, Registers = <Self as Token>::Registers>;
    /// The same CPU's vectors of f32, which have half as many lanes.
    type Floats: Floats;

    /// Whoever has arithmetic in binary16 has those too.
    fn floats(self) -> Self::Floats;

    /// The same numbers as f32: the lower half of the lanes, and the upper one.
    #[inline(always)]
    fn widened(self, halves: Self::F16) -> [F32Of<Self>; 2] {
        lanes::widened(self.floats(), halves)
    }

    /// The nearest binary16.
    #[inline(always)]
    fn rounded(self, value: f32) -> f16 {
        f16::from_f32(value)
    }

    /// Each lane rounded to binary16, and as a pair: the bits of a lane are that half twice.
    ///
    /// Where words of 32 bits are loaded into all lanes for nothing, and halves are not, one pair is what to broadcast.
    #[inline(always)]
    fn halved(self, value: F32Of<Self>) -> [F32Of<Self>; 2] {
        lanes::halved(self.floats(), value)
    }

    /// The half of a pair in each lane.
    #[inline(always)]
    fn splat_pair(self, pair: u32) -> Self::F16 {
        self.splat(f16::from_bits(pair as u16))
    }

    /// Half a vector from memory as the lower half; the upper one is zero.
    ///
    /// # Safety
    /// An element for each lane of a half can be read at `from`.
    #[inline(always)]
    unsafe fn load_lower(self, from: *const f16) -> Self::F16 {
        // SAFETY: by contract; the token proves the instruction set.
        unsafe { lanes::load_half::<_, false>(from) }
    }
}

/// The vector of f32 beside arithmetic in binary16.
pub(crate) type F32Of<S> = <<S as Halves>::Floats as Floats>::F32;
