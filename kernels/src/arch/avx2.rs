//! AVX2 with FMA: 256-bit vectors, sixteen registers.

pub(super) mod attention;

use super::x86_vector;
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::chain::{ChainEntry, chain, chain_entry};
use crate::ops::stream::{self, Arrays, Stores, StreamEntry, Ways, stream_table};
use crate::vector::{Mac, Vector};
use std::arch::x86_64::*;

pub(super) const CHAINS: &[ChainEntry] = &[CHAIN_F64, CHAIN_F32, CHAIN_I8];

stream_table!(Isa::Avx2, __m256d, [#[target_feature(enable = "avx2,fma")]],
    reads: [(1, 0), (2, 0), (4, 0), (8, 0), (1, 512), (1, 1024), (1, 2048), (1, 4096)],
    stores: [Ordinary, Nontemporal]);

// Two pipes of latency 4 or 5 want 8 to 10 accumulators; twelve and the constant fit sixteen registers.
chain_entry!(CHAIN_F64, Isa::Avx2, Dtype::F64, F64x4, 12, fused: true, #[target_feature(enable = "avx2,fma")]);
chain_entry!(CHAIN_F32, Isa::Avx2, Dtype::F32, F32x8, 12, fused: true, #[target_feature(enable = "avx2,fma")]);
// Three instructions of latency 3 + 3 + 1; the operand and the ones take two registers, the products the rest.
chain_entry!(CHAIN_I8, Isa::Avx2, Dtype::I8, I32x8, 10, fused: false, #[target_feature(enable = "avx2,fma")]);

// SAFETY of every method below: the trait's contract is that AVX2 and FMA are available and the pointers valid.
x86_vector!(
    __m256d, lanes: 4, load: _mm256_loadu_pd, store: _mm256_storeu_pd, store_nontemporal: _mm256_stream_pd,
    splat: _mm256_set1_pd, add: _mm256_add_pd, mul: _mm256_mul_pd, mul_add: _mm256_fmadd_pd,
    add_bits: _mm256_add_epi64, to_bits: _mm256_castpd_si256, from_bits: _mm256_castsi256_pd
);

macro_rules! avx2_mac {
    ($name:ident, $add_bits:ident, $step:expr) => {
        /// A 256-bit register of accumulators.
        #[derive(Clone, Copy)]
        struct $name(__m256i);

        impl Mac for $name {
            const BYTES: usize = 32;

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: see above.
                Self(unsafe { _mm256_loadu_si256(from.cast()) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: see above.
                unsafe { _mm256_storeu_si256(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn step<const ODD: bool>(self, operands: &[Self; 3]) -> Self {
                let step: unsafe fn(__m256i, __m256i) -> __m256i = $step;
                // SAFETY: see above.
                Self(unsafe { step(self.0, operands[0].0) })
            }
            #[inline(always)]
            unsafe fn add_bits(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $add_bits(self.0, other.0) })
            }
        }
    };
}

avx2_mac!(F64x4, _mm256_add_epi64, |x, c| {
    // SAFETY: see above.
    unsafe {
        let x = _mm256_castsi256_pd(x);
        _mm256_castpd_si256(_mm256_fmadd_pd(x, x, _mm256_castsi256_pd(c)))
    }
});
avx2_mac!(F32x8, _mm256_add_epi32, |x, c| {
    // SAFETY: see above.
    unsafe {
        let x = _mm256_castsi256_ps(x);
        _mm256_castps_si256(_mm256_fmadd_ps(x, x, _mm256_castsi256_ps(c)))
    }
});
avx2_mac!(I32x8, _mm256_add_epi32, |acc, b| {
    // SAFETY: see above.
    unsafe {
        let pairs = _mm256_maddubs_epi16(acc, b);
        _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
});
