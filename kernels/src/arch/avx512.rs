//! AVX-512: 512-bit vectors, thirty-two registers; dot products of bytes (VNNI) and of bfloat16 (BF16).

pub(super) mod attention;

use super::x86_vector;
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::chain::{ChainEntry, chain, chain_entry};
use crate::ops::stream::{self, Arrays, Stores, StreamEntry, Ways, stream_table};
use crate::vector::{Mac, Vector};
use std::arch::x86_64::*;

pub(super) const CHAINS: &[ChainEntry] = &[CHAIN_F64, CHAIN_F32, CHAIN_I8, CHAIN_BF16];

stream_table!(Isa::Avx512, __m512d, [#[target_feature(enable = "avx512f")]],
    reads: [(1, 0), (2, 0), (4, 0), (8, 0), (1, 512), (1, 1024), (1, 2048), (1, 4096)],
    stores: [Ordinary, Nontemporal]);

// Two pipes of latency 4 (one on Zen 4; dot products of latency up to 6) want 8 to 12 accumulators; sixteen have room.
chain_entry!(CHAIN_F64, Isa::Avx512, Dtype::F64, F64x8, 16, fused: true, #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_F32, Isa::Avx512, Dtype::F32, F32x16, 16, fused: true, #[target_feature(enable = "avx512f")]);
chain_entry!(CHAIN_I8, Isa::Avx512Vnni, Dtype::I8, I32x16, 16, fused: false,
    #[target_feature(enable = "avx512f,avx512vnni")]);
chain_entry!(CHAIN_BF16, Isa::Avx512Bf16, Dtype::Bf16, Bf16x32, 16, fused: false,
    #[target_feature(enable = "avx512f,avx512bf16")]);

// SAFETY of every method below: the trait's contract is that the instruction set is available and the pointers valid.
x86_vector!(
    __m512d, lanes: 8, load: _mm512_loadu_pd, store: _mm512_storeu_pd, store_nontemporal: _mm512_stream_pd,
    splat: _mm512_set1_pd, add: _mm512_add_pd, mul: _mm512_mul_pd, mul_add: _mm512_fmadd_pd,
    add_bits: _mm512_add_epi64, to_bits: _mm512_castpd_si512, from_bits: _mm512_castsi512_pd
);

macro_rules! avx512_mac {
    ($name:ident, $add_bits:ident, $step:expr) => {
        /// A 512-bit register of accumulators.
        #[derive(Clone, Copy)]
        struct $name(__m512i);

        impl Mac for $name {
            const BYTES: usize = 64;

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: see above.
                Self(unsafe { _mm512_loadu_si512(from.cast()) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: see above.
                unsafe { _mm512_storeu_si512(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn step<const ODD: bool>(self, operands: &[Self; 3]) -> Self {
                let step: unsafe fn(__m512i, [__m512i; 3], bool) -> __m512i = $step;
                // SAFETY: see above.
                Self(unsafe { step(self.0, [operands[0].0, operands[1].0, operands[2].0], ODD) })
            }
            #[inline(always)]
            unsafe fn add_bits(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $add_bits(self.0, other.0) })
            }
        }
    };
}

avx512_mac!(F64x8, _mm512_add_epi64, |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm512_castsi512_pd(x);
        _mm512_castpd_si512(_mm512_fmadd_pd(x, x, _mm512_castsi512_pd(c)))
    }
});
avx512_mac!(F32x16, _mm512_add_epi32, |x, [c, ..], _| {
    // SAFETY: see above.
    unsafe {
        let x = _mm512_castsi512_ps(x);
        _mm512_castps_si512(_mm512_fmadd_ps(x, x, _mm512_castsi512_ps(c)))
    }
});
avx512_mac!(I32x16, _mm512_add_epi32, |acc, [b, ..], _| {
    // SAFETY: see above.
    unsafe { _mm512_dpbusd_epi32(acc, acc, b) }
});
avx512_mac!(Bf16x32, _mm512_add_epi32, |acc, [a, b, opposite], odd| {
    let b = if odd { opposite } else { b };
    // SAFETY: see above; __m512bh is the same 512 bits under another name.
    unsafe {
        let (a, b) = (std::mem::transmute::<__m512i, __m512bh>(a), std::mem::transmute::<__m512i, __m512bh>(b));
        _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(acc), a, b))
    }
});
