//! AVX2 with FMA and F16C: 256-bit vectors, sixteen registers; dot products of bytes with AVX-VNNI.

#[cfg(target_arch = "x86_64")]
mod vectors;
#[cfg(not(target_arch = "x86_64"))]
mod vectors {
    pub(super) type F64x4 = [f64; 4];
    pub(super) type F32x8 = [f32; 8];
    impl crate::simd::Integers for super::Avx2 {
        type I32 = [i32; 8];
    }
    impl crate::simd::Integers for super::AvxVnni {
        type I32 = [i32; 8];
    }
}

use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::attention::{AttentionEntry, LatentEntry, attention, latents};
use crate::ops::chain::recurrence::{Bf16Halves, DotI8, F16Halves, converted, dot, square, square_and_sum};
use crate::ops::matmul::{Bf16, BlockFormats, F16, F32, I8, plain};
use crate::ops::stream::Streams;
use crate::simd::{Floats, token};
use vectors::{F32x8, F64x4};

token! {
    /// AVX2, FMA and F16C.
    Avx2, Isa::Avx2, vectors: F64x4, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c"]
}
token! {
    /// The same with dot products of bytes.
    AvxVnni, Isa::AvxVnni, vectors: F64x4, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c", "avxvnni"]
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS, &VNNI_KERNELS];

static KERNELS: Kernels = Kernels {
    streams: Streams::<Avx2>::TABLE,
    chains: &[
        // Two pipes of latency 4 or 5 want 8 to 10 accumulators; twelve and the constant fit sixteen registers.
        square::<Avx2, F64x4, 12>(),
        square::<Avx2, F32x8, 12>(),
        // The factor takes a register, the converted halves some more.
        converted::<Avx2, F16Halves, 10>(),
        converted::<Avx2, Bf16Halves, 10>(),
        // Three instructions of latency 3 + 3 + 1; the operand and the ones take two registers, the products the rest.
        dot::<Avx2, DotI8, 10>(),
        // Eight hide the latency of two pipes, six that of additions; one more of either (fifteen registers, and the constant)
        // is slower on Zen 4.
        square_and_sum::<Avx2, F64x4, 8, 6>(),
        square_and_sum::<Avx2, F32x8, 8, 6>(),
        // To be raced: latency 4 asks for 8, and fourteen leave no register but one for the constant.
        square::<Avx2, F64x4, 8>(),
        square::<Avx2, F64x4, 14>(),
        square::<Avx2, F32x8, 8>(),
        square::<Avx2, F32x8, 14>(),
        converted::<Avx2, F16Halves, 12>(),
        converted::<Avx2, Bf16Halves, 8>(),
        dot::<Avx2, DotI8, 8>(),
    ],
    // Six rows of two vectors are 12 accumulators: with two weights and a token 15 of 16 registers. bf16 needs both halves of
    // each weight, block formats integer and f32 sums of a tile.
    matmuls: &[
        plain::<Avx2, F32, 2, 6>(),
        plain::<Avx2, F16, 2, 6>(),
        plain::<Avx2, Bf16, 2, 4>(),
        plain::<Avx2, I8, 2, 4>(),
    ],
    block_matmuls: <BlockFormats<Avx2, 4>>::TABLE,
    attention: Some(&ATTENTION),
    latents: Some(&LATENTS),
    ..Kernels::none::<Avx2>()
};

// Two pipes of latency 4 want eight accumulators; the operands take the other registers.
static ATTENTION: AttentionEntry = attention::<Avx2, 8>();

static LATENTS: LatentEntry = latents::<Avx2, 8>();

static VNNI_KERNELS: Kernels = Kernels {
    chains: &[dot::<AvxVnni, DotI8, 12>(), dot::<AvxVnni, DotI8, 10>(), dot::<AvxVnni, DotI8, 14>()],
    matmuls: &[plain::<AvxVnni, I8, 2, 4>()],
    block_matmuls: <BlockFormats<AvxVnni, 4>>::TABLE,
    ..Kernels::none::<AvxVnni>()
};

impl Floats for Avx2 {
    type F64 = F64x4;
    type F32 = F32x8;
}
impl Floats for AvxVnni {
    type F64 = F64x4;
    type F32 = F32x8;
}
