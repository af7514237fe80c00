//! NEON: 128-bit vectors, thirty-two registers, fused multiply-add. What every AArch64 CPU has.

#[cfg(target_arch = "aarch64")]
mod vectors;
#[cfg(not(target_arch = "aarch64"))]
mod vectors {
    pub(super) type F64x2 = [f64; 2];
    pub(super) type F32x4 = [f32; 4];
}

use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::chain::recurrence::square;
use crate::ops::matmul::{F32, plain};
use crate::ops::stream::Streams;
use crate::simd::{Floats, token};
use vectors::{F32x4, F64x2};

token! {
    /// NEON.
    Neon, Isa::Neon, vectors: F64x2, prefetches: false,
    is_aarch64_feature_detected, "aarch64", ["neon"]
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS];

static KERNELS: Kernels = Kernels {
    streams: Streams::<Neon>::TABLE,
    // Four pipes of latency 4 want sixteen accumulators; twenty and the constant leave registers to spare.
    chains: &[square::<Neon, F32x4, 20>()],
    // Six rows of four vectors are 24 accumulators: with four weights and a token 29 of 32 registers.
    matmuls: &[plain::<Neon, F32, 4, 6>()],
    ..Kernels::none::<Neon>()
};

impl Floats for Neon {
    type F64 = F64x2;
    type F32 = F32x4;
}
