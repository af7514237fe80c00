//! Attention with AVX2, FMA and F16C: eight lanes, sixteen registers.

use crate::arch::avx2::largest;
use crate::isa::Isa;
use crate::lanes::{Lanes, attention_lanes};
use crate::ops::attention::{AttentionEntry, attention_entry};
use std::arch::x86_64::*;

// Two pipes of latency 4 want eight accumulators; the operands take the other registers.
// SAFETY of every method: the trait's contract is that the instruction set is available and the pointers valid.
attention_lanes!(
    __m256, lanes: 8, accumulators: 8, load: _mm256_loadu_ps, store: _mm256_storeu_ps, splat: _mm256_set1_ps,
    add: _mm256_add_ps, sub: _mm256_sub_ps, mul: _mm256_mul_ps, mul_add: _mm256_fmadd_ps, max: _mm256_max_ps,
    load_halves: |from| {
        // SAFETY: see above.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    },
    add_exponent: |x, power| {
        // SAFETY: see above.
        unsafe {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(power));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), power))
        }
    },
    largest_lane: largest,
    sum_of_lanes: |x| {
        // SAFETY: see above.
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }
);

attention_entry!(ATTENTION, Isa::Avx2, __m256, #[target_feature(enable = "avx2,fma,f16c")]);
