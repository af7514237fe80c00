//! Instruction sets: each file instantiates the generic algorithms and lists what it has.

use crate::ops::chain::ChainEntry;
use crate::ops::stream::StreamEntry;

mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

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
