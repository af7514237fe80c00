//! Data types: what one element of an operand occupies.
//!
//! Block formats carry their scales, so their size is a rational number of bits per element; it is kept as a block
//! (elements, bytes) and never as a rounded fraction. Layouts follow the ggml definitions: `Q8_0` is 32 signed bytes and
//! one f16 scale (34 bytes), `Q4_0` is 32 nibbles and one f16 scale (18 bytes), the k formats are super-blocks of 256.

use crate::named::named_enum;

named_enum! {
    /// The type of one element of an operand.
    pub enum Dtype: "data type" {
        /// IEEE 754 binary64.
        F64 = "f64",
        /// IEEE 754 binary32.
        F32 = "f32",
        /// IEEE 754 binary16.
        F16 = "f16",
        /// bfloat16: the upper half of a binary32.
        Bf16 = "bf16",
        /// Signed 8-bit integer without a scale.
        I8 = "i8",
        /// ggml block of 32 signed bytes with one f16 scale.
        Q8_0 = "q8_0",
        /// ggml super-block of 256 6-bit values: sixteen 8-bit scales, one f16 scale of those.
        Q6K = "q6_k",
        /// ggml super-block of 256 5-bit values: eight 6-bit scales and minima, two f16 scales of those.
        Q5K = "q5_k",
        /// ggml block of 32 5-bit values with one f16 scale.
        Q5_0 = "q5_0",
        /// ggml super-block of 256 nibbles: eight 6-bit scales and minima, two f16 scales of those.
        Q4K = "q4_k",
        /// ggml block of 32 nibbles with one f16 scale.
        Q4_0 = "q4_0",
        /// ggml block of 32 nibbles that name one of sixteen unevenly spaced levels, with one f16 scale.
        Iq4Nl = "iq4_nl",
        /// ggml super-block of 256 such nibbles: eight 6-bit scales, one f16 scale of those.
        Iq4Xs = "iq4_xs",
        /// ggml block of 32 4-bit floating-point numbers (OCP microscaling, E2M1) with a power of two as scale.
        Mxfp4 = "mxfp4",
        /// ggml super-block of 256 3-bit values: sixteen 6-bit scales, one f16 scale of those.
        Q3K = "q3_k",
        /// ggml super-block of 256 2-bit values: sixteen 4-bit scales and minima, two f16 scales of those.
        Q2K = "q2_k",
    }
}

/// The smallest unit in which a data type is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Elements in one block.
    pub elements: u64,
    /// Bytes of one block, scales included.
    pub bytes: u64,
}

impl Dtype {
    /// The block in which the type is stored; one element for plain types.
    pub const fn block(self) -> Block {
        let (elements, bytes) = match self {
            Dtype::F64 => (1, 8),
            Dtype::F32 => (1, 4),
            Dtype::F16 | Dtype::Bf16 => (1, 2),
            Dtype::I8 => (1, 1),
            Dtype::Q8_0 => (32, 34),
            Dtype::Q5_0 => (32, 22),
            Dtype::Q4_0 | Dtype::Iq4Nl => (32, 18),
            Dtype::Mxfp4 => (32, 17),
            Dtype::Q6K => (256, 210),
            Dtype::Q5K => (256, 176),
            Dtype::Q4K => (256, 144),
            Dtype::Iq4Xs => (256, 136),
            Dtype::Q3K => (256, 110),
            Dtype::Q2K => (256, 84),
        };
        Block { elements, bytes }
    }

    /// The type that products of weights stored so are computed in: i8 for ggml's blocks, whose activations engines requantise
    /// to 8 bits, and the type itself wherever processors multiply it.
    pub const fn multiplied_as(self) -> Dtype {
        match self {
            Dtype::F64 | Dtype::F32 => Dtype::F32,
            Dtype::F16 => Dtype::F16,
            Dtype::Bf16 => Dtype::Bf16,
            Dtype::I8
            | Dtype::Q8_0
            | Dtype::Q6K
            | Dtype::Q5K
            | Dtype::Q5_0
            | Dtype::Q4K
            | Dtype::Q4_0
            | Dtype::Iq4Nl
            | Dtype::Iq4Xs
            | Dtype::Mxfp4
            | Dtype::Q3K
            | Dtype::Q2K => Dtype::I8,
        }
    }

    /// The type that every CPU's kernels multiply weights stored so in, unless their name says another: as
    /// [`Dtype::multiplied_as`], but f16 widened to f32, for few CPUs multiply it.
    pub const fn usual_arithmetic(self) -> Dtype {
        match self {
            Dtype::F16 => Dtype::F32,
            _ => self.multiplied_as(),
        }
    }

    /// Bits per element with the block's scales shared out: 8.5 for `Q8_0`, 4.5 for `Q4_0`.
    pub fn bits_per_element(self) -> f64 {
        let block = self.block();
        block.bytes as f64 * 8.0 / block.elements as f64
    }

    /// Exact bytes of `elements` elements; `None` when they are not a whole number of blocks.
    pub fn bytes(self, elements: u128) -> Option<u128> {
        let block = self.block();
        let per_block = u128::from(block.elements);
        elements.is_multiple_of(per_block).then(|| elements / per_block * u128::from(block.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_formats_carry_their_scales() {
        assert_eq!(Dtype::Q8_0.bits_per_element(), 8.5);
        assert_eq!(Dtype::Q4_0.bits_per_element(), 4.5);
        assert_eq!(Dtype::Q4K.bits_per_element(), 4.5);
        assert_eq!(Dtype::Q6K.bits_per_element(), 6.5625);
        let [q5_k, q5_0, q3_k, q2_k] = [Dtype::Q5K, Dtype::Q5_0, Dtype::Q3K, Dtype::Q2K].map(Dtype::bits_per_element);
        assert_eq!([q5_k, q5_0, q3_k, q2_k], [5.5, 5.5, 3.4375, 2.625]);
        assert_eq!([Dtype::Iq4Nl, Dtype::Iq4Xs, Dtype::Mxfp4].map(Dtype::bits_per_element), [4.5, 4.25, 4.25]);
        assert_eq!(Dtype::Q4_0.bytes(64), Some(36));
        assert_eq!(Dtype::Q4_0.bytes(33), None);
        assert_eq!(Dtype::Bf16.bytes(33), Some(66));
    }
}
