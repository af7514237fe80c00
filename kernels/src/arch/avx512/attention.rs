//! Attention with AVX-512: sixteen lanes, thirty-two registers.

use crate::isa::Isa;
use crate::lanes::{Lanes, attention_lanes};
use crate::ops::attention::{AttentionEntry, attention_entry};
use std::arch::x86_64::*;

// Sixteen accumulators leave sixteen registers for operands, and are twice what two pipes of latency 4 ask for.
// SAFETY of every method: the trait's contract is that the instruction set is available and the pointers valid.
attention_lanes!(
    __m512, lanes: 16, accumulators: 16, load: _mm512_loadu_ps, store: _mm512_storeu_ps, splat: _mm512_set1_ps,
    add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, mul_add: _mm512_fmadd_ps, max: _mm512_max_ps,
    load_halves: |from| {
        // SAFETY: see above.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    },
    add_exponent: |x, power| {
        // SAFETY: see above.
        unsafe {
            let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(power));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), power))
        }
    },
    largest_lane: |x| {
        // SAFETY: see above.
        unsafe { _mm512_reduce_max_ps(x) }
    },
    sum_of_lanes: |x| {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(x) }
    }
);

attention_entry!(ATTENTION, Isa::Avx512, __m512, #[target_feature(enable = "avx512f")]);
