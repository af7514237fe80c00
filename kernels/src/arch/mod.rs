//! Instruction sets: each file instantiates the generic algorithms and lists what it has.

use crate::ops::attention::AttentionEntry;
use crate::ops::chain::ChainEntry;
use crate::ops::matmul::MatmulEntry;
use crate::ops::stream::StreamEntry;

mod matmul;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod sse2;

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

/// Makes a type of accumulators of an x86 register: its loads and stores, and the step of its recurrence, a closure of
/// the accumulators, the three operands and whether the step is an odd one.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_mac {
    ($(#[$doc:meta])* $name:ident, $register:ty, load: $load:ident, store: $store:ident, add_bits: $add_bits:ident,
     step: $step:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        struct $name($register);

        // SAFETY of every method: the trait's contract. Loads and stores are the unaligned forms.
        impl Mac for $name {
            const BYTES: usize = size_of::<$register>();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: see above.
                Self(unsafe { $load(from.cast()) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: see above.
                unsafe { $store(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn step<const ODD: bool>(self, operands: &[Self; 3]) -> Self {
                let step: unsafe fn($register, [$register; 3], bool) -> $register = $step;
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
#[cfg(target_arch = "x86_64")]
use x86_mac;

/// Adds to such a type, by name, what only floating-point numbers have.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_float {
    ($name:ident, to_float: $to:ident, to_bits: $from:ident, add: $add:ident, mul_add: $mul_add:ident) => {
        // SAFETY of every method: the trait's contract.
        impl Float for $name {
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $from($add($to(self.0), $to(other.0))) })
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: see above.
                Self(unsafe { $from($mul_add($to(self.0), $to(factor.0), $to(addend.0))) })
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
use x86_float;

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
        sse2::CHAINS,
        #[cfg(target_arch = "x86_64")]
        avx2::CHAINS,
        #[cfg(target_arch = "x86_64")]
        avx512::CHAINS,
        #[cfg(target_arch = "x86_64")]
        amx::CHAINS,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::chain::Recurrence;
    use crate::{Dtype, Isa, Op};

    /// Every instruction set of this architecture, available or not.
    fn own() -> impl Iterator<Item = Isa> {
        let here = |isa: &Isa| isa.architecture().is_none_or(|name| name == std::env::consts::ARCH);
        Isa::ALL.iter().copied().filter(here)
    }

    #[test]
    fn the_tables_hold_what_the_instruction_sets_say() {
        for isa in own() {
            for op in [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad] {
                let found = streams().any(|entry| entry.isa == isa && entry.op == op);
                assert_eq!(found, isa.has_streams(), "{op} {isa}");
            }
            assert_eq!(
                attentions().filter(|entry| entry.isa == isa).count(),
                usize::from(isa.has_attention()),
                "{isa}"
            );
            for dtype in Dtype::ALL {
                let adds = |entry: &ChainEntry| matches!(entry.shape.recurrence, Recurrence::SquareAndSum { .. });
                let chains =
                    |with: bool| chains().filter(|e| e.isa == isa && e.shape.dtype == dtype && adds(e) == with).count();
                assert_eq!(chains(false), usize::from(isa.has_chain(dtype)), "{dtype} {isa}");
                assert_eq!(chains(true), usize::from(isa.has_chain_add(dtype)), "{dtype} {isa} with additions");
                let matmuls = matmuls().filter(|entry| entry.isa == isa && entry.weights == dtype).count();
                assert_eq!(matmuls, usize::from(isa.has_matmul(dtype)), "{dtype} {isa}");
            }
        }
    }
}
