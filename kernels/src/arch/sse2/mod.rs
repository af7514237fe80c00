//! SSE2: 128-bit vectors, sixteen registers, a multiply and an add in two instructions. What every x86-64 CPU has.

#[cfg(target_arch = "x86_64")]
mod vectors;
#[cfg(not(target_arch = "x86_64"))]
mod vectors {
    pub(super) type F64x2 = [f64; 2];
    pub(super) type F32x4 = [f32; 4];
}

use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::chain::recurrence::square;
use crate::simd::token;
use vectors::{F32x4, F64x2};

token! {
    /// SSE2.
    Sse2, Isa::Sse2, vectors: F64x2, prefetches: false,
    is_x86_feature_detected, "x86_64", ["sse2"]
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS];

static KERNELS: Kernels = Kernels {
    // As many as the portable chains, for the same reasons.
    chains: &[square::<Sse2, F64x2, 14>(), square::<Sse2, F32x4, 14>()],
    ..Kernels::none::<Sse2>()
};
