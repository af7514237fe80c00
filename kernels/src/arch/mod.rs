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

/// The kernels of every instruction set, also of other architectures.
pub(crate) fn all() -> impl Iterator<Item = &'static Kernels> {
    let of_x86 = [sse2::TABLES, avx2::TABLES, avx512::TABLES, amx::TABLES];
    let of_arm = [neon::TABLES, sve::TABLES, sme::TABLES];
    [portable::TABLES].into_iter().chain(of_x86).chain(of_arm).flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::isa::Isa;

    #[test]
    fn every_instruction_set_has_one_table() {
        for isa in Isa::ALL {
            assert_eq!(all().filter(|kernels| kernels.isa == isa).count(), 1, "{isa}");
        }
    }
}
