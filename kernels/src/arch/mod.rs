//! Instruction sets, a folder each: the token, the vectors in the words of the intrinsics, and the table of kernels.

mod amx;
mod avx2;
pub(crate) mod avx512;
mod neon;
pub(crate) mod portable;
mod sme;
mod sse2;
mod sve;

use crate::ops::Kernels;

/// The kernels of every instruction set, also of other architectures. Unit tests hold parts alone and have the portable ones: the
/// tests in `tests` link all, so that they are compiled once.
pub(crate) fn all() -> impl Iterator<Item = &'static Kernels> {
    let [of_x86, of_arm]: [&[&[&Kernels]]; 2] = if cfg!(test) {
        [&[]; 2]
    } else {
        [&[sse2::TABLES, avx2::TABLES, avx512::TABLES, amx::TABLES], &[neon::TABLES, sve::TABLES, sme::TABLES]]
    };
    [portable::TABLES].iter().chain(of_x86).chain(of_arm).copied().flatten().copied()
}
