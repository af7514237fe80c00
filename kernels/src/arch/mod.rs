//! Instruction sets: each file instantiates the generic algorithms and lists what it has.

use crate::ops::attention::AttentionEntry;
use crate::ops::chain::ChainEntry;
use crate::ops::matmul::MatmulEntry;
use crate::ops::stream::StreamEntry;

mod matmul;
mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

/// Implements `Vector` for an x86 register type by naming its intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_vector {
    ($vector:ty, lanes: $lanes:literal, load: $load:ident, store: $store:ident, store_nontemporal: $stream:ident,
     splat: $splat:ident, add: $add:ident, mul: $mul:ident, mul_add: $mul_add:ident, add_bits: $add_bits:ident,
     to_bits: $to_bits:ident, from_bits: $from_bits:ident) => {
        // SAFETY of every method: the trait's contract. Loads and stores are the unaligned forms; non-temporal stores are
        // aligned by their own contract.
        impl Vector for $vector {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(from: *const f64) -> Self {
                // SAFETY: see above.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn prefetch(from: *const f64) {
                // SAFETY: see above.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f64) {
                // SAFETY: see above.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn store_nontemporal(self, to: *mut f64) {
                // SAFETY: see above.
                unsafe { $stream(to, self) }
            }
            #[inline(always)]
            unsafe fn fence() {
                // SAFETY: see above.
                unsafe { _mm_sfence() }
            }
            #[inline(always)]
            unsafe fn splat(value: f64) -> Self {
                // SAFETY: see above.
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $mul(self, other) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: see above.
                unsafe { $mul_add(self, factor, addend) }
            }
            #[inline(always)]
            unsafe fn add_bits(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $from_bits($add_bits($to_bits(self), $to_bits(other))) }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
use x86_vector;

/// Every stream kernel of this architecture, available or not.
pub(crate) fn streams() -> impl Iterator<Item = &'static StreamEntry> {
    let tables: &'static [&[&[StreamEntry]]] = &[
        portable::STREAMS,
        #[cfg(target_arch = "x86_64")]
        avx2::STREAMS,
        #[cfg(target_arch = "x86_64")]
        avx512::STREAMS,
    ];
    tables.iter().copied().flatten().copied().flatten()
}

/// Every chain kernel of this architecture, available or not.
pub(crate) fn chains() -> impl Iterator<Item = &'static ChainEntry> {
    let tables: &'static [&[ChainEntry]] = &[
        portable::CHAINS,
        #[cfg(target_arch = "x86_64")]
        avx2::CHAINS,
        #[cfg(target_arch = "x86_64")]
        avx512::CHAINS,
    ];
    tables.iter().copied().flatten()
}

/// Every matmul kernel of this architecture, available or not.
pub(crate) fn matmuls() -> impl Iterator<Item = &'static MatmulEntry> {
    matmul::entries()
}

/// Every attention kernel of this architecture, available or not.
pub(crate) fn attentions() -> impl Iterator<Item = &'static AttentionEntry> {
    let table: &'static [&AttentionEntry] = &[
        &portable::attention::ATTENTION,
        #[cfg(target_arch = "x86_64")]
        &avx2::attention::ATTENTION,
        #[cfg(target_arch = "x86_64")]
        &avx512::attention::ATTENTION,
    ];
    table.iter().copied()
}
