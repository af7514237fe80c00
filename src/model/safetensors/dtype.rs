//! Types of elements in safetensors files.

use roofprobe_kernels::named_enum;

named_enum! {
    /// The type of a tensor's elements.
    pub enum ElementType: "element type" {
        /// A truth value.
        Bool = "BOOL",
        /// 4-bit floating point, two to a byte.
        F4 = "F4",
        /// 6-bit floating point with two bits of exponent.
        F6E2m3 = "F6_E2M3",
        /// 6-bit floating point with three bits of exponent.
        F6E3m2 = "F6_E3M2",
        /// Unsigned 8-bit integers.
        U8 = "U8",
        /// Signed 8-bit integers.
        I8 = "I8",
        /// 8-bit floating point with five bits of exponent.
        F8E5m2 = "F8_E5M2",
        /// 8-bit floating point with four bits of exponent.
        F8E4m3 = "F8_E4M3",
        /// Powers of two: scales.
        F8E8m0 = "F8_E8M0",
        /// 8-bit floating point without negative zero, four bits of exponent.
        F8E4m3Fnuz = "F8_E4M3FNUZ",
        /// 8-bit floating point without negative zero, five bits of exponent.
        F8E5m2Fnuz = "F8_E5M2FNUZ",
        /// Signed 16-bit integers.
        I16 = "I16",
        /// Unsigned 16-bit integers.
        U16 = "U16",
        /// IEEE 754 binary16.
        F16 = "F16",
        /// bfloat16.
        Bf16 = "BF16",
        /// Signed 32-bit integers.
        I32 = "I32",
        /// Unsigned 32-bit integers.
        U32 = "U32",
        /// IEEE 754 binary32.
        F32 = "F32",
        /// Two binary32.
        C64 = "C64",
        /// IEEE 754 binary64.
        F64 = "F64",
        /// Signed 64-bit integers.
        I64 = "I64",
        /// Unsigned 64-bit integers.
        U64 = "U64",
    }
}

impl ElementType {
    /// Bits of one element.
    pub const fn bits(self) -> u64 {
        use ElementType as E;
        match self {
            E::F4 => 4,
            E::F6E2m3 | E::F6E3m2 => 6,
            E::Bool | E::U8 | E::I8 => 8,
            E::F8E5m2 | E::F8E4m3 | E::F8E8m0 | E::F8E4m3Fnuz | E::F8E5m2Fnuz => 8,
            E::I16 | E::U16 | E::F16 | E::Bf16 => 16,
            E::I32 | E::U32 | E::F32 => 32,
            E::C64 | E::F64 | E::I64 | E::U64 => 64,
        }
    }

    /// Whether an element is a number of its own, and not a part of a packed word.
    pub(super) const fn is_float(self) -> bool {
        matches!(self, ElementType::F16 | ElementType::Bf16 | ElementType::F32 | ElementType::F64)
    }

    /// Whether it is 8-bit floating point, scales apart.
    pub(super) const fn is_fp8(self) -> bool {
        use ElementType as E;
        matches!(self, E::F8E5m2 | E::F8E4m3 | E::F8E4m3Fnuz | E::F8E5m2Fnuz)
    }
}
