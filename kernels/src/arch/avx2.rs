//! AVX2 with FMA and F16C: 256-bit vectors, sixteen registers; dot products of bytes with AVX-VNNI.

pub(super) mod attention;

use super::{x86_float, x86_mac, x86_vector};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::chain::{ChainEntry, ChainShape, Halves, Recurrence, chain_entry};
use crate::ops::stream::{self, Arrays, Stores, StreamEntry, Ways, stream_table};
use crate::vector::{Float, Mac, Vector, Widen};
use std::arch::x86_64::*;

pub(super) const CHAINS: &[ChainEntry] =
    &[CHAIN_F64, CHAIN_F32, CHAIN_F16, CHAIN_BF16, CHAIN_I8, CHAIN_I8_VNNI, CHAIN_F64_ADD, CHAIN_F32_ADD];

stream_table!(Isa::Avx2, __m256d, [#[target_feature(enable = "avx2,fma")]],
    reads: [(1, 0), (2, 0), (4, 0), (8, 0), (1, 512), (1, 1024), (1, 2048), (1, 4096)],
    stores: [Ordinary, Nontemporal]);

// Two pipes of latency 4 or 5 want 8 to 10 accumulators; twelve and the constant fit sixteen registers.
chain_entry!(CHAIN_F64, Isa::Avx2, Dtype::F64, Recurrence::Square { fused: true }, mac: F64x4, 12,
    #[target_feature(enable = "avx2,fma")]);
chain_entry!(CHAIN_F32, Isa::Avx2, Dtype::F32, Recurrence::Square { fused: true }, mac: F32x8, 12,
    #[target_feature(enable = "avx2,fma")]);
// Eight hide the latency of two pipes, six that of additions; one more of either (fifteen registers, and the constant) is
// slower on Zen 4.
chain_entry!(CHAIN_F64_ADD, Isa::Avx2, Dtype::F64, sum: F64x4, 8, 6, #[target_feature(enable = "avx2,fma")]);
chain_entry!(CHAIN_F32_ADD, Isa::Avx2, Dtype::F32, sum: F32x8, 8, 6, #[target_feature(enable = "avx2,fma")]);
// The factor takes a register, the converted halves some more.
chain_entry!(CHAIN_F16, Isa::Avx2, Dtype::F16, Halves::Apart, halves: F32x8, F16, 10,
    #[target_feature(enable = "avx2,fma,f16c")]);
chain_entry!(CHAIN_BF16, Isa::Avx2, Dtype::Bf16, Halves::Interleaved, halves: F32x8, Bf16, 10,
    #[target_feature(enable = "avx2,fma")]);
// Three instructions of latency 3 + 3 + 1; the operand and the ones take two registers, the products the rest.
chain_entry!(CHAIN_I8, Isa::Avx2, Dtype::I8, Recurrence::Dot, mac: I32x8, 10, #[target_feature(enable = "avx2,fma")]);
chain_entry!(CHAIN_I8_VNNI, Isa::AvxVnni, Dtype::I8, Recurrence::Dot, mac: I32x8Vnni, 12,
    #[target_feature(enable = "avx2,avxvnni")]);

// SAFETY of every method below: the trait's contract is that AVX2 and FMA are available and the pointers valid.
x86_vector!(
    __m256d, lanes: 4, load: _mm256_loadu_pd, store: _mm256_storeu_pd, store_nontemporal: _mm256_stream_pd,
    splat: _mm256_set1_pd, add: _mm256_add_pd, mul: _mm256_mul_pd, mul_add: _mm256_fmadd_pd,
    add_bits: _mm256_add_epi64, to_bits: _mm256_castpd_si256, from_bits: _mm256_castsi256_pd
);

x86_mac!(F64x4, __m256i, load: _mm256_loadu_si256, store: _mm256_storeu_si256, add_bits: _mm256_add_epi64,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm256_castsi256_pd(x);
        _mm256_castpd_si256(_mm256_fmadd_pd(x, x, _mm256_castsi256_pd(c)))
    }
});
x86_float!(F64x4, to_float: _mm256_castsi256_pd, to_bits: _mm256_castpd_si256, add: _mm256_add_pd,
    mul_add: _mm256_fmadd_pd);
x86_mac!(F32x8, __m256i, load: _mm256_loadu_si256, store: _mm256_storeu_si256, add_bits: _mm256_add_epi32,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm256_castsi256_ps(x);
        _mm256_castps_si256(_mm256_fmadd_ps(x, x, _mm256_castsi256_ps(c)))
    }
});
x86_float!(F32x8, to_float: _mm256_castsi256_ps, to_bits: _mm256_castps_si256, add: _mm256_add_ps,
    mul_add: _mm256_fmadd_ps);
x86_mac!(I32x8, __m256i, load: _mm256_loadu_si256, store: _mm256_storeu_si256, add_bits: _mm256_add_epi32,
step: |acc, [b, ..], _| {
    // SAFETY: see above.
    unsafe {
        let pairs = _mm256_maddubs_epi16(acc, b);
        _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
});
x86_mac!(I32x8Vnni, __m256i, load: _mm256_loadu_si256, store: _mm256_storeu_si256, add_bits: _mm256_add_epi32,
step: |acc, [b, ..], _| {
    // SAFETY: see above.
    unsafe { _mm256_dpbusd_avx_epi32(acc, acc, b) }
});

/// Halves of binary16.
struct F16;

impl Widen<F32x8> for F16 {
    #[inline(always)]
    unsafe fn pair(from: *const u8) -> [F32x8; 2] {
        [0, 16].map(|at| {
            // SAFETY: see above; 32 readable bytes.
            F32x8(unsafe { _mm256_castps_si256(_mm256_cvtph_ps(_mm_loadu_si128(from.add(at).cast()))) })
        })
    }
}

/// Halves of bfloat16: the upper half of an f32, so that a shift or a mask is the whole conversion.
struct Bf16;

impl Widen<F32x8> for Bf16 {
    #[inline(always)]
    unsafe fn pair(from: *const u8) -> [F32x8; 2] {
        // SAFETY: see above; 32 readable bytes.
        unsafe {
            let pair = _mm256_loadu_si256(from.cast());
            [F32x8(_mm256_slli_epi32::<16>(pair)), F32x8(_mm256_and_si256(pair, _mm256_set1_epi32(!0xffff)))]
        }
    }
}

/// The largest lane.
///
/// # Safety
/// AVX is available.
#[inline(always)]
pub(super) unsafe fn largest(lanes: __m256) -> f32 {
    // SAFETY: by contract.
    unsafe {
        let four = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }
}
