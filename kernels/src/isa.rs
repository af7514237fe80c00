//! Instruction sets: one line each, and which of them this CPU runs.

use crate::dtype::Dtype;
use std::fmt;

macro_rules! isas {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $architecture:expr, $detected:expr;)*) => {
        /// An instruction set for which there are kernels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Isa { $($(#[$doc])* $variant,)* }

        impl Isa {
            /// Every instruction set, also those of other architectures, in the order of preference within one.
            pub const ALL: &[Isa] = &[$(Isa::$variant,)*];

            /// The name used in ceiling ids.
            pub const fn name(self) -> &'static str {
                match self { $(Isa::$variant => $name,)* }
            }

            /// The architecture it belongs to, named as `std::env::consts::ARCH`; `None` for portable code.
            pub const fn architecture(self) -> Option<&'static str> {
                match self { $(Isa::$variant => $architecture,)* }
            }

            /// Whether this CPU, under this operating system, runs it.
            pub fn available(self) -> bool {
                match self { $(Isa::$variant => $detected,)* }
            }
        }
    };
}

/// Whether the CPU has every named feature; false on another architecture.
macro_rules! x86 {
    ($($feature:tt),*) => {{
        #[cfg(target_arch = "x86_64")]
        { $(std::arch::is_x86_feature_detected!($feature))&&* }
        #[cfg(not(target_arch = "x86_64"))]
        { false }
    }};
}

isas! {
    /// Plain Rust, as the compiler vectorises it for the target's baseline.
    Portable, "portable", None, true;
    /// 256-bit vectors with fused multiply-add and half-precision conversion.
    Avx2, "avx2", Some("x86_64"), x86!("avx2", "fma", "f16c");
    /// 512-bit vectors.
    Avx512, "avx512", Some("x86_64"), x86!("avx512f");
    /// 512-bit dot products of bytes.
    Avx512Vnni, "avx512vnni", Some("x86_64"), x86!("avx512f", "avx512vnni");
    /// 512-bit dot products of bfloat16.
    Avx512Bf16, "avx512bf16", Some("x86_64"), x86!("avx512f", "avx512bf16");
}

impl Isa {
    /// Whether there are stream kernels for it, on whatever CPU. The narrow dot products add none of their own.
    pub const fn has_streams(self) -> bool {
        matches!(self, Isa::Portable | Isa::Avx2 | Isa::Avx512)
    }

    /// Whether its stream kernels include stores past the cache.
    pub const fn has_nontemporal_stores(self) -> bool {
        matches!(self, Isa::Avx2 | Isa::Avx512)
    }

    /// Whether its reads can ask for lines ahead of time.
    pub const fn has_prefetch(self) -> bool {
        matches!(self, Isa::Avx2 | Isa::Avx512)
    }

    /// Whether there is a matmul with weights stored as `weights` for it, on whatever CPU.
    pub const fn has_matmul(self, weights: Dtype) -> bool {
        match self {
            Isa::Portable | Isa::Avx2 => !matches!(weights, Dtype::F64),
            Isa::Avx512 => matches!(weights, Dtype::F32 | Dtype::F16 | Dtype::Bf16),
            Isa::Avx512Bf16 => matches!(weights, Dtype::Bf16),
            Isa::Avx512Vnni => {
                matches!(weights, Dtype::I8 | Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4K | Dtype::Q6K)
            }
        }
    }

    /// Whether there is a multiply-accumulate chain of `dtype` for it, on whatever CPU.
    pub const fn has_chain(self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F64 | Dtype::F32 => matches!(self, Isa::Portable | Isa::Avx2 | Isa::Avx512),
            Dtype::I8 => matches!(self, Isa::Portable | Isa::Avx2 | Isa::Avx512Vnni),
            Dtype::Bf16 => matches!(self, Isa::Avx512Bf16),
            Dtype::F16 | Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4K | Dtype::Q6K => false,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
