//! Instruction sets, a folder each: the token, the vectors in the words of the intrinsics, and the table of kernels.

pub(crate) mod amx;
pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod neon;
pub(crate) mod portable;
pub(crate) mod sse2;
