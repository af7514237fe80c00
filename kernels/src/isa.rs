//! Instruction sets: one line each, and which of them this CPU runs.

use crate::dtype::Dtype;
use crate::named::named_enum;

/// Whether the CPU has every named feature; false on another architecture.
macro_rules! x86 {
    ($($feature:tt),*) => {{
        #[cfg(target_arch = "x86_64")]
        { $(std::arch::is_x86_feature_detected!($feature))&&* }
        #[cfg(not(target_arch = "x86_64"))]
        { false }
    }};
}

/// Whether a function of the AMX file says so; false on another architecture.
macro_rules! amx {
    ($available:ident) => {{
        #[cfg(target_arch = "x86_64")]
        {
            crate::arch::amx::$available()
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }};
}

named_enum! {
    /// An instruction set for which there are kernels. Within an architecture the preferred ones come last.
    pub enum Isa: "instruction set" {
        /// Plain Rust, as the compiler vectorises it for the target's baseline.
        Portable = "portable",
        /// 128-bit vectors.
        Sse2 = "sse2",
        /// 256-bit vectors with fused multiply-add and conversion of binary16; no CPU has the first two without the third.
        Avx2 = "avx2",
        // What follows is built upon the former, and so are its kernels: a feature brings along all that it implies.
        /// 256-bit dot products of bytes.
        AvxVnni = "avxvnni",
        /// 512-bit vectors, of bytes too (F and BW).
        Avx512 = "avx512",
        /// 512-bit dot products of bytes.
        Avx512Vnni = "avx512vnni",
        /// 512-bit dot products of bfloat16.
        Avx512Bf16 = "avx512bf16",
        /// 512-bit arithmetic in binary16.
        Avx512Fp16 = "avx512fp16",
        /// Products of tiles of bfloat16.
        AmxBf16 = "amxbf16",
        /// Products of tiles of bytes.
        AmxInt8 = "amxint8",
    }
}

impl Isa {
    /// The architecture it belongs to, named as `std::env::consts::ARCH`; `None` for portable code.
    pub const fn architecture(self) -> Option<&'static str> {
        match self {
            Isa::Portable => None,
            _ => Some("x86_64"),
        }
    }

    /// Whether this CPU, under this operating system, runs it.
    pub fn available(self) -> bool {
        match self {
            Isa::Portable => true,
            Isa::Sse2 => x86!("sse2"),
            Isa::Avx2 => x86!("avx2", "fma", "f16c"),
            Isa::AvxVnni => x86!("avx2", "fma", "f16c", "avxvnni"),
            Isa::Avx512 => x86!("avx2", "fma", "f16c", "avx512f", "avx512bw"),
            Isa::Avx512Vnni => x86!("avx2", "fma", "f16c", "avx512f", "avx512vnni"),
            Isa::Avx512Bf16 => x86!("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512bf16"),
            Isa::Avx512Fp16 => x86!("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512fp16"),
            Isa::AmxBf16 => amx!(bf16_available),
            Isa::AmxInt8 => amx!(int8_available),
        }
    }

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

    /// Whether there is attention for it, on whatever CPU.
    pub const fn has_attention(self) -> bool {
        matches!(self, Isa::Portable | Isa::Avx2 | Isa::Avx512)
    }

    /// Whether there is a matmul with weights stored as `weights` for it, on whatever CPU.
    pub const fn has_matmul(self, weights: Dtype) -> bool {
        match self {
            Isa::Portable | Isa::Avx2 => !matches!(weights, Dtype::F64),
            Isa::Avx512 => matches!(weights, Dtype::F32 | Dtype::F16 | Dtype::Bf16),
            Isa::Avx512Bf16 => matches!(weights, Dtype::Bf16),
            Isa::AvxVnni | Isa::Avx512Vnni => {
                matches!(weights, Dtype::I8 | Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4K | Dtype::Q6K)
            }
            Isa::Sse2 | Isa::Avx512Fp16 | Isa::AmxBf16 | Isa::AmxInt8 => false,
        }
    }

    /// Whether there is a multiply-accumulate chain of `dtype` for it, on whatever CPU.
    pub const fn has_chain(self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F64 | Dtype::F32 => matches!(self, Isa::Portable | Isa::Sse2 | Isa::Avx2 | Isa::Avx512),
            Dtype::F16 => matches!(self, Isa::Avx2 | Isa::Avx512 | Isa::Avx512Fp16),
            Dtype::Bf16 => matches!(self, Isa::Avx2 | Isa::Avx512 | Isa::Avx512Bf16 | Isa::AmxBf16),
            Dtype::I8 => {
                matches!(self, Isa::Portable | Isa::Avx2 | Isa::AvxVnni | Isa::Avx512 | Isa::Avx512Vnni | Isa::AmxInt8)
            }
            Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4K | Dtype::Q6K => false,
        }
    }

    /// Whether there is one with additions beside the multiply-accumulates.
    pub const fn has_chain_add(self, dtype: Dtype) -> bool {
        matches!((self, dtype), (Isa::Avx2 | Isa::Avx512, Dtype::F64 | Dtype::F32))
    }

    /// Whether a CPU may say that it has it and kill whoever uses it, as where a hypervisor passes on the one and not the
    /// other: to be tried in a process that may die.
    pub const fn risky(self) -> bool {
        matches!(self, Isa::AmxBf16 | Isa::AmxInt8)
    }
}
