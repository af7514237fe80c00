//! NEON: 128-bit vectors, thirty-two registers, fused multiply-add: what every AArch64 CPU has. With arithmetic in binary16
//! (FEAT_FP16), dot products of bytes (FEAT_DotProd), and products of 2×2 blocks of bytes (FEAT_I8MM) and of bfloat16 (FEAT_BF16).

#[cfg(target_arch = "aarch64")]
mod halves;
#[cfg(target_arch = "aarch64")]
mod instructions;
#[cfg(target_arch = "aarch64")]
mod products;
#[cfg(target_arch = "aarch64")]
mod vectors;
#[cfg(not(target_arch = "aarch64"))]
mod vectors {
    use super::{Neon, NeonBf16, NeonDotprod, NeonFp16, NeonI8mm};
    use crate::simd::{ByteProducts, Halves, Integers};
    use half::f16;

    pub(super) type F64x2 = [f64; 2];
    pub(super) type F32x4 = [f32; 4];
    pub(super) type F16x8 = [f16; 8];
    impl Integers for Neon {
        type I32 = [i32; 4];
        const BYTES: ByteProducts = ByteProducts::Alike;
    }
    impl Integers for NeonDotprod {
        type I32 = [i32; 4];
        const BYTES: ByteProducts = ByteProducts::Lanes;
    }
    impl Integers for NeonI8mm {
        type I32 = [i32; 4];
        const BYTES: ByteProducts = ByteProducts::Blocks;
    }
    impl Integers for NeonBf16 {
        type I32 = [i32; 4];
        const BYTES: ByteProducts = ByteProducts::Alike;
    }
    impl Halves for NeonFp16 {
        type F16 = F16x8;
        type Floats = Neon;

        fn floats(self) -> Neon {
            match self.0 {}
        }
    }
}
#[cfg(target_arch = "aarch64")]
use halves::F16x8;
#[cfg(not(target_arch = "aarch64"))]
use vectors::F16x8;

use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::attention::{AttentionEntry, LatentEntry, attention, half_attention, latents};
use crate::ops::chain::recurrence::{
    Bf16Halves, BlockBf16, BlockI8, DotBf16, DotI8, F16Halves, converted, dot, square, square_and_sum,
};
use crate::ops::matmul::{
    BlockFormats, LanedBf16, LanedF16, LanedF32, LanedI8, PairedBf16, PairedI8, laned, laned_halves, paired,
};
use crate::ops::stream::Streams;
use crate::simd::{Floats, token};
use vectors::{F32x4, F64x2};

token! {
    /// NEON.
    Neon, Isa::Neon, vectors: F64x2, prefetches: true,
    is_aarch64_feature_detected, "aarch64", ["neon"]
}
token! {
    /// The same with arithmetic in binary16.
    NeonFp16, Isa::NeonFp16, vectors: F16x8, prefetches: true,
    is_aarch64_feature_detected, "aarch64", ["neon", "fp16"]
}
token! {
    /// The same with dot products of bytes.
    NeonDotprod, Isa::NeonDotprod, vectors: F64x2, prefetches: true,
    is_aarch64_feature_detected, "aarch64", ["neon", "dotprod"]
}
token! {
    /// The same with products of blocks of bytes.
    NeonI8mm, Isa::NeonI8mm, vectors: F64x2, prefetches: true,
    is_aarch64_feature_detected, "aarch64", ["neon", "dotprod", "i8mm"]
}
token! {
    /// The same with products of bfloat16.
    NeonBf16, Isa::NeonBf16, vectors: F64x2, prefetches: true,
    is_aarch64_feature_detected, "aarch64", ["neon", "bf16"]
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS, &FP16_KERNELS, &DOTPROD_KERNELS, &I8MM_KERNELS, &BF16_KERNELS];

static KERNELS: Kernels = Kernels {
    streams: Streams::<Neon>::TABLE,
    chains: &[
        // Four pipes of latency 4 want sixteen accumulators; twenty and the constant leave registers to spare.
        square::<Neon, F64x2, 20>(),
        square::<Neon, F32x4, 20>(),
        converted::<Neon, F16Halves, 20>(),
        converted::<Neon, Bf16Halves, 20>(),
        // Two products of eight bytes, their sums in pairs, and those in pairs again: the products take registers of their own.
        dot::<Neon, DotI8, 12>(),
        square_and_sum::<Neon, F64x2, 16, 12>(),
        square_and_sum::<Neon, F32x4, 16, 12>(),
        // To be raced: two pipes of latency 4 want eight, as on most cores; one pipe in order four.
        square::<Neon, F64x2, 12>(),
        square::<Neon, F64x2, 8>(),
        square::<Neon, F32x4, 12>(),
        square::<Neon, F32x4, 8>(),
        converted::<Neon, F16Halves, 12>(),
        converted::<Neon, Bf16Halves, 12>(),
        dot::<Neon, DotI8, 8>(),
    ],
    // Eight rows of three vectors are 24 accumulators: with three weights and eight tokens in two vectors 29 of 32 registers.
    // Halves and bytes take some more to be widened.
    matmuls: &[
        laned::<Neon, LanedF32, 1, 3, 8>(),
        laned::<Neon, LanedF16, 1, 3, 8>(),
        laned::<Neon, LanedBf16, 2, 2, 8>(),
        laned::<Neon, LanedI8, 1, 2, 4>(),
    ],
    // Integer and f32 sums of a tile, and products of bytes, which take four instructions and two registers of their own.
    block_matmuls: <BlockFormats<Neon, 4>>::TABLE,
    attention: Some(&ATTENTION),
    latents: Some(&LATENTS),
    ..Kernels::none::<Neon>()
};

// Sixteen accumulators leave sixteen registers for operands.
static ATTENTION: AttentionEntry = attention::<Neon, 16>();

static LATENTS: LatentEntry = latents::<Neon, 16>();

static HALF_ATTENTION: AttentionEntry = half_attention::<NeonFp16, 16>();

static FP16_KERNELS: Kernels = Kernels {
    chains: &[square::<NeonFp16, F16x8, 20>(), square::<NeonFp16, F16x8, 12>(), square::<NeonFp16, F16x8, 8>()],
    matmuls: &[laned_halves::<NeonFp16, 3, 8>()],
    attention: Some(&HALF_ATTENTION),
    ..Kernels::none::<NeonFp16>()
};

static DOTPROD_KERNELS: Kernels = Kernels {
    chains: &[
        dot::<NeonDotprod, DotI8, 20>(),
        dot::<NeonDotprod, DotI8, 12>(),
        dot::<NeonDotprod, DotI8, 8>(),
        dot::<NeonDotprod, DotI8, 28>(),
    ],
    matmuls: &[laned::<NeonDotprod, LanedI8, 1, 3, 8>()],
    // Integer and f32 sums of a tile: 8 rows of one vector are 16 of 32 registers.
    block_matmuls: <BlockFormats<NeonDotprod, 8>>::TABLE,
    ..Kernels::none::<NeonDotprod>()
};

static I8MM_KERNELS: Kernels = Kernels {
    chains: &[
        dot::<NeonI8mm, BlockI8, 20>(),
        dot::<NeonI8mm, BlockI8, 12>(),
        dot::<NeonI8mm, BlockI8, 8>(),
        dot::<NeonI8mm, BlockI8, 28>(),
    ],
    // Four pairs of tokens by six of rows are 24 accumulators: with the tokens and a weight at a time 29 of 32 registers.
    matmuls: &[paired::<NeonI8mm, PairedI8, 3, 8>()],
    block_matmuls: <BlockFormats<NeonI8mm, 8>>::TABLE,
    ..Kernels::none::<NeonI8mm>()
};

static BF16_KERNELS: Kernels = Kernels {
    chains: &[
        // Blocks are twice the work in one instruction; where they take twice the time, dot products are as good.
        dot::<NeonBf16, BlockBf16, 20>(),
        dot::<NeonBf16, BlockBf16, 12>(),
        dot::<NeonBf16, DotBf16, 24>(),
        dot::<NeonBf16, DotBf16, 16>(),
    ],
    matmuls: &[paired::<NeonBf16, PairedBf16, 3, 8>()],
    ..Kernels::none::<NeonBf16>()
};

impl Floats for Neon {
    type F64 = F64x2;
    type F32 = F32x4;
}
impl Floats for NeonDotprod {
    type F64 = F64x2;
    type F32 = F32x4;
}
impl Floats for NeonI8mm {
    type F64 = F64x2;
    type F32 = F32x4;
}
impl Floats for NeonBf16 {
    type F64 = F64x2;
    type F32 = F32x4;
}
