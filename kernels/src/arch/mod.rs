//! Instruction sets, a folder each: the token, the vectors in the words of the intrinsics, and the table of kernels.

mod amx;
mod avx2;
mod avx512;
mod neon;
mod portable;
mod sse2;

use crate::isa::Isa;
use crate::ops::Kernels;

/// The kernels of every instruction set, also of other architectures, in the order of [`Isa::ALL`].
pub(crate) const ALL: [&Kernels; Isa::ALL.len()] = [
    &portable::KERNELS,
    &sse2::KERNELS,
    &avx2::KERNELS,
    &avx2::VNNI_KERNELS,
    &avx512::KERNELS,
    &avx512::VNNI_KERNELS,
    &avx512::BF16_KERNELS,
    &avx512::FP16_KERNELS,
    &amx::BF16_KERNELS,
    &amx::INT8_KERNELS,
    &neon::KERNELS,
];

const _: () = {
    let mut index = 0;
    while index < ALL.len() {
        assert!(ALL[index].isa as usize == index, "the order is that of Isa::ALL");
        index += 1;
    }
};
