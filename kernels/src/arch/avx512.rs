//! AVX-512: 512-bit vectors, thirty-two registers; dot products of bytes (VNNI) and of bfloat16 (BF16), arithmetic in
//! binary16 (FP16).

pub(super) mod attention;

use super::{x86_float, x86_mac, x86_vector};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::chain::{ChainEntry, ChainShape, Halves, Recurrence, chain_entry};
use crate::ops::stream::{self, Arrays, Stores, StreamEntry, Ways, stream_table};
use crate::vector::{Float, Mac, Vector, Widen};
use std::arch::x86_64::*;

pub(super) const CHAINS: &[ChainEntry] = &[
    CHAIN_F64,
    CHAIN_F32,
    CHAIN_F16,
    CHAIN_BF16,
    CHAIN_I8,
    CHAIN_I8_VNNI,
    CHAIN_BF16_DOT,
    CHAIN_F16_FP16,
    CHAIN_F64_ADD,
    CHAIN_F32_ADD,
];

stream_table!(Isa::Avx512, __m512d, [#[target_feature(enable = "avx512f")]],
    reads: [(1, 0), (2, 0), (4, 0), (8, 0), (1, 512), (1, 1024), (1, 2048), (1, 4096)],
    stores: [Ordinary, Nontemporal]);

// Two pipes of latency 4 (one on Zen 4; dot products of latency up to 6) want 8 to 12 accumulators; sixteen have room.
chain_entry!(CHAIN_F64, Isa::Avx512, Dtype::F64, Recurrence::Square { fused: true }, mac: F64x8, 16,
    #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_F32, Isa::Avx512, Dtype::F32, Recurrence::Square { fused: true }, mac: F32x16, 16,
    #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_I8_VNNI, Isa::Avx512Vnni, Dtype::I8, Recurrence::Dot, mac: I32x16Vnni, 16,
    #[target_feature(enable = "avx512f,avx512vnni")]);
chain_entry!(CHAIN_BF16_DOT, Isa::Avx512Bf16, Dtype::Bf16, Recurrence::Dot, mac: Bf16x32, 16,
    #[target_feature(enable = "avx512f,avx512bf16")]);
chain_entry!(CHAIN_F16_FP16, Isa::Avx512Fp16, Dtype::F16, Recurrence::Square { fused: true }, mac: F16x32, 16,
    #[target_feature(enable = "avx512f,avx512bw,avx512fp16")]);
// Twelve of each and the constant: twenty-five registers.
chain_entry!(CHAIN_F64_ADD, Isa::Avx512, Dtype::F64, sum: F64x8, 12, 12, #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_F32_ADD, Isa::Avx512, Dtype::F32, sum: F32x16, 12, 12, #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_F16, Isa::Avx512, Dtype::F16, Halves::Apart, halves: F32x16, F16, 16,
    #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_BF16, Isa::Avx512, Dtype::Bf16, Halves::Interleaved, halves: F32x16, Bf16, 16,
    #[target_feature(enable = "avx512f")]);
// Three instructions of latency 4 or 5 each; operand, ones and products take the other registers.
chain_entry!(CHAIN_I8, Isa::Avx512, Dtype::I8, Recurrence::Dot, mac: I32x16, 14,
    #[target_feature(enable = "avx512f,avx512bw")]);

// SAFETY of every method below: the trait's contract is that the instruction set is available and the pointers valid.
x86_vector!(
    __m512d, lanes: 8, load: _mm512_loadu_pd, store: _mm512_storeu_pd, store_nontemporal: _mm512_stream_pd,
    splat: _mm512_set1_pd, add: _mm512_add_pd, mul: _mm512_mul_pd, mul_add: _mm512_fmadd_pd,
    add_bits: _mm512_add_epi64, to_bits: _mm512_castpd_si512, from_bits: _mm512_castsi512_pd
);

x86_mac!(F64x8, __m512i, load: _mm512_loadu_si512, store: _mm512_storeu_si512, add_bits: _mm512_add_epi64,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm512_castsi512_pd(x);
        _mm512_castpd_si512(_mm512_fmadd_pd(x, x, _mm512_castsi512_pd(c)))
    }
});
x86_float!(F64x8, to_float: _mm512_castsi512_pd, to_bits: _mm512_castpd_si512, add: _mm512_add_pd,
    mul_add: _mm512_fmadd_pd);
x86_mac!(F32x16, __m512i, load: _mm512_loadu_si512, store: _mm512_storeu_si512, add_bits: _mm512_add_epi32,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm512_castsi512_ps(x);
        _mm512_castps_si512(_mm512_fmadd_ps(x, x, _mm512_castsi512_ps(c)))
    }
});
x86_float!(F32x16, to_float: _mm512_castsi512_ps, to_bits: _mm512_castps_si512, add: _mm512_add_ps,
    mul_add: _mm512_fmadd_ps);
x86_mac!(F16x32, __m512i, load: _mm512_loadu_si512, store: _mm512_storeu_si512, add_bits: _mm512_add_epi16,
step: |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm512_castsi512_ph(x);
        _mm512_castph_si512(_mm512_fmadd_ph(x, x, _mm512_castsi512_ph(c)))
    }
});
x86_mac!(I32x16, __m512i, load: _mm512_loadu_si512, store: _mm512_storeu_si512, add_bits: _mm512_add_epi32,
step: |acc, [b, ..], _| {
    // SAFETY: see above.
    unsafe {
        let pairs = _mm512_maddubs_epi16(acc, b);
        _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
    }
});
x86_mac!(I32x16Vnni, __m512i, load: _mm512_loadu_si512, store: _mm512_storeu_si512, add_bits: _mm512_add_epi32,
step: |acc, [b, ..], _| {
    // SAFETY: see above.
    unsafe { _mm512_dpbusd_epi32(acc, acc, b) }
});
x86_mac!(Bf16x32, __m512i, load: _mm512_loadu_si512, store: _mm512_storeu_si512, add_bits: _mm512_add_epi32,
step: |acc, [a, b, opposite], odd| {
    let b = if odd { opposite } else { b };
    // SAFETY: see above; __m512bh is the same 512 bits under another name.
    unsafe {
        let (a, b) = (std::mem::transmute::<__m512i, __m512bh>(a), std::mem::transmute::<__m512i, __m512bh>(b));
        _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(acc), a, b))
    }
});

/// Halves of binary16.
struct F16;

impl Widen<F32x16> for F16 {
    #[inline(always)]
    unsafe fn pair(from: *const u8) -> [F32x16; 2] {
        [0, 32].map(|at| {
            // SAFETY: see above; 64 readable bytes.
            F32x16(unsafe { _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256(from.add(at).cast()))) })
        })
    }
}

/// Halves of bfloat16: the upper half of an f32, so that a shift or a mask is the whole conversion.
struct Bf16;

impl Widen<F32x16> for Bf16 {
    #[inline(always)]
    unsafe fn pair(from: *const u8) -> [F32x16; 2] {
        // SAFETY: see above; 64 readable bytes.
        unsafe {
            let pair = _mm512_loadu_si512(from.cast());
            [F32x16(_mm512_slli_epi32::<16>(pair)), F32x16(_mm512_and_si512(pair, _mm512_set1_epi32(!0xffff)))]
        }
    }
}
