//! The names of the kernels where they cannot be compiled: their tables can be read everywhere.

use crate::ops::chain::ChainArguments;
use crate::ops::matmul::WholeArguments;
use crate::simd::Kernel;

pub(super) const F32: usize = 0;
pub(super) const F64: usize = 1;
pub(super) const BF16: usize = 2;
pub(super) const U8I8: usize = 3;
pub(super) const OF_F32: usize = 0;
pub(super) const OF_BF16: usize = 1;
pub(super) const OF_U8I8: usize = 2;

pub(super) fn available(_doubles: bool) -> bool {
    false
}

pub(super) fn granules() -> usize {
    unreachable!("there is no SME here")
}

pub(super) fn granules_squared() -> usize {
    unreachable!("there is no SME here")
}

/// # Safety
/// Nobody calls it.
pub(super) unsafe fn whole<const KIND: usize>(_arguments: &WholeArguments<'_>) {
    unreachable!("there is no SME here")
}

pub(super) struct Chain<const KIND: usize, const N: usize>;

impl<S, const KIND: usize, const N: usize> Kernel<S> for Chain<KIND, N> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();
    fn run(_token: S, _input: ChainArguments<'_>) {
        unreachable!("there is no SME here")
    }
}
