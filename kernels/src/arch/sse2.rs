//! SSE2: 128-bit vectors, sixteen registers, a multiply and an add in two instructions. What every x86-64 CPU has.

use super::x86_mac;
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::chain::{ChainEntry, ChainShape, Recurrence, chain_entry};
use crate::vector::Mac;
use std::arch::x86_64::*;

pub(super) const CHAINS: &[ChainEntry] = &[CHAIN_F64, CHAIN_F32];

// As many as the portable chains, for the same reasons.
chain_entry!(CHAIN_F64, Isa::Sse2, Dtype::F64, Recurrence::Square { fused: false }, mac: F64x2, 14);
chain_entry!(CHAIN_F32, Isa::Sse2, Dtype::F32, Recurrence::Square { fused: false }, mac: F32x4, 14);

// SAFETY of every step below: SSE2 is the baseline of x86-64.
x86_mac!(F64x2, __m128i, load: _mm_loadu_si128, store: _mm_storeu_si128, add_bits: _mm_add_epi64,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm_castsi128_pd(x);
        _mm_castpd_si128(_mm_add_pd(_mm_mul_pd(x, x), _mm_castsi128_pd(c)))
    }
});
x86_mac!(F32x4, __m128i, load: _mm_loadu_si128, store: _mm_storeu_si128, add_bits: _mm_add_epi32,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm_castsi128_ps(x);
        _mm_castps_si128(_mm_add_ps(_mm_mul_ps(x, x), _mm_castsi128_ps(c)))
    }
});
