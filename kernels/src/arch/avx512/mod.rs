//! AVX-512: 512-bit vectors, thirty-two registers; dot products of bytes (VNNI) and of bfloat16 (BF16), arithmetic in
//! binary16 (FP16).

#[cfg(target_arch = "x86_64")]
mod vectors;
#[cfg(not(target_arch = "x86_64"))]
mod vectors {
    use super::{Avx512, Avx512Bf16, Avx512Fp16, Avx512Vnni, Avx512VnniBytes};
    use crate::simd::{Halves, Integers};
    use half::f16;

    pub(super) type F64x8 = [f64; 8];
    pub(super) type F32x16 = [f32; 16];
    pub(super) type F16x32 = [f16; 32];
    impl Integers for Avx512 {
        type I32 = [i32; 16];
    }
    impl Integers for Avx512Vnni {
        type I32 = [i32; 16];
    }
    impl Integers for Avx512VnniBytes {
        type I32 = [i32; 16];
    }
    impl Integers for Avx512Bf16 {
        type I32 = [i32; 16];
    }
    impl Halves for Avx512Fp16 {
        type F16 = F16x32;
        type Floats = Avx512;

        fn floats(self) -> Avx512 {
            match self.0 {}
        }
    }
}

use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::attention::{AttentionEntry, LatentEntry, attention, half_attention, latent_pairs, latents};
use crate::ops::chain::recurrence::{Bf16Halves, DotBf16, DotI8, F16Halves, converted, dot, square, square_and_sum};
use crate::ops::matmul::{Bf16, BlockFormats, F16, F32, I8, halves, plain, tall};
use crate::ops::stream::Streams;
use crate::simd::{Floats, token};
use vectors::{F16x32, F32x16, F64x8};

token! {
    /// AVX-512 of words and of bytes (F and BW).
    Avx512, Isa::Avx512, vectors: F64x8, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c", "avx512f", "avx512bw"]
}
token! {
    /// Words with dot products of bytes. Without BW, for the compiler would take two of its instructions for `vpdpwssd`.
    Avx512Vnni, Isa::Avx512Vnni, vectors: F64x8, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c", "avx512f", "avx512vnni"]
}
token! {
    /// The same with BW, for formats that look bytes up in a table. Every CPU with VNNI has BW.
    Avx512VnniBytes, Isa::Avx512Vnni, vectors: F64x8, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vnni"]
}
token! {
    /// Words and bytes, with dot products of bfloat16.
    Avx512Bf16, Isa::Avx512Bf16, vectors: F64x8, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512bf16"]
}
token! {
    /// The same with arithmetic in binary16.
    Avx512Fp16, Isa::Avx512Fp16, vectors: F16x32, prefetches: true,
    is_x86_feature_detected, "x86_64", ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512fp16"]
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS, &VNNI_KERNELS, &BF16_KERNELS, &FP16_KERNELS];

static KERNELS: Kernels = Kernels {
    streams: Streams::<Avx512>::TABLE,
    chains: &[
        // Two pipes of latency 4 (one on Zen 4; dot products of latency up to 6) want 8 to 12 accumulators; sixteen have room.
        square::<Avx512, F64x8, 16>(),
        square::<Avx512, F32x16, 16>(),
        converted::<Avx512, F16Halves, 16>(),
        converted::<Avx512, Bf16Halves, 16>(),
        // Three instructions of latency 4 or 5 each; operand, ones and products take the other registers.
        dot::<Avx512, DotI8, 14>(),
        // Twelve of each and the constant: twenty-five registers.
        square_and_sum::<Avx512, F64x8, 12, 12>(),
        square_and_sum::<Avx512, F32x16, 12, 12>(),
        // Fewer and more of them, to be raced: what is just enough for latency 4, and what is enough for latency 6.
        square::<Avx512, F64x8, 8>(),
        square::<Avx512, F64x8, 24>(),
        square::<Avx512, F32x16, 8>(),
        square::<Avx512, F32x16, 24>(),
        converted::<Avx512, F16Halves, 8>(),
        converted::<Avx512, F16Halves, 24>(),
        converted::<Avx512, Bf16Halves, 8>(),
        converted::<Avx512, Bf16Halves, 24>(),
        dot::<Avx512, DotI8, 8>(),
    ],
    // Six rows of four vectors are 24 accumulators: with four weights and a token 29 of 32 registers. More rows of fewer
    // vectors load more tokens per multiply-accumulate, fewer rows more weights: twelve rows of two vectors are raced beside.
    matmuls: &[tall::<Avx512, F32, 4, 6, 2, 12>(), tall::<Avx512, F16, 4, 6, 2, 12>(), plain::<Avx512, Bf16, 4, 5>()],
    attention: Some(&ATTENTION),
    latents: Some(&LATENTS),
    ..Kernels::none::<Avx512>()
};

// Sixteen accumulators leave sixteen registers for operands, and are twice what two pipes of latency 4 ask for.
static ATTENTION: AttentionEntry = attention::<Avx512, 16>();

static LATENTS: LatentEntry = latents::<Avx512, 16>();

static LATENT_PAIRS: LatentEntry = latent_pairs::<Avx512Bf16, 16>();

static HALF_ATTENTION: AttentionEntry = half_attention::<Avx512Fp16, 16>();

static VNNI_KERNELS: Kernels = Kernels {
    chains: &[dot::<Avx512Vnni, DotI8, 16>(), dot::<Avx512Vnni, DotI8, 10>(), dot::<Avx512Vnni, DotI8, 24>()],
    matmuls: &[tall::<Avx512Vnni, I8, 4, 6, 2, 12>()],
    // Block formats keep integer and f32 sums of a tile: 8 rows of one vector are 16 of 32 registers.
    block_matmuls: <BlockFormats<Avx512Vnni, 8, Avx512VnniBytes>>::TABLE,
    ..Kernels::none::<Avx512VnniBytes>()
};

static BF16_KERNELS: Kernels = Kernels {
    chains: &[dot::<Avx512Bf16, DotBf16, 16>(), dot::<Avx512Bf16, DotBf16, 12>(), dot::<Avx512Bf16, DotBf16, 24>()],
    matmuls: &[tall::<Avx512Bf16, Bf16, 4, 6, 2, 12>()],
    latents: Some(&LATENT_PAIRS),
    ..Kernels::none::<Avx512Bf16>()
};

static FP16_KERNELS: Kernels = Kernels {
    chains: &[square::<Avx512Fp16, F16x32, 16>()],
    matmuls: &[halves::<Avx512Fp16, 4, 5>()],
    attention: Some(&HALF_ATTENTION),
    ..Kernels::none::<Avx512Fp16>()
};

impl Floats for Avx512 {
    type F64 = F64x8;
    type F32 = F32x16;
}
impl Floats for Avx512Vnni {
    type F64 = F64x8;
    type F32 = F32x16;
}
impl Floats for Avx512VnniBytes {
    type F64 = F64x8;
    type F32 = F32x16;
}
impl Floats for Avx512Bf16 {
    type F64 = F64x8;
    type F32 = F32x16;
}
