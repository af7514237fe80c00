//! The names of the kernels where they cannot be compiled: their tables can be read everywhere.

use crate::ops::chain::ChainArguments;
use crate::ops::matmul::TileArguments;
use crate::ops::stream::Arrays;
use crate::simd::Kernel;

pub(super) const WRITE: usize = 0;
pub(super) const COPY: usize = 1;
pub(super) const SCALE: usize = 2;
pub(super) const ADD: usize = 3;
pub(super) const TRIAD: usize = 4;
pub(super) const F64: usize = 0;
pub(super) const F32: usize = 1;
pub(super) const F16: usize = 2;
pub(super) const BF16: usize = 3;
pub(super) const U8I8: usize = 4;

pub(super) const OF_F32: usize = 0;
pub(super) const OF_F16: usize = 1;
pub(super) const OF_BF16: usize = 2;
pub(super) const OF_U8I8: usize = 3;
pub(super) const OF_I8: usize = 4;
pub(super) const VECTORS: usize = 3;

pub(super) fn granules() -> usize {
    unreachable!("there is no SVE here")
}

pub(super) struct Read<const STREAMS: usize, const UNROLL: usize>;
pub(super) struct Write<const OP: usize, const NONTEMPORAL: bool, const UNROLL: usize>;
pub(super) struct Chain<const STEP: usize, const N: usize>;
pub(super) struct Tile<const KIND: usize, const ROWS: usize>;
pub(super) struct BlockTile<const NIBBLES: bool, const MIXED: bool, const ROWS: usize>;

impl<S, const STREAMS: usize, const UNROLL: usize> Kernel<S> for Read<STREAMS, UNROLL> {
    type Input<'a> = Arrays<'a>;
    type Output = u64;
    fn run(_token: S, _input: Arrays<'_>) -> u64 {
        unreachable!("there is no SVE here")
    }
}
impl<S, const OP: usize, const NONTEMPORAL: bool, const UNROLL: usize> Kernel<S> for Write<OP, NONTEMPORAL, UNROLL> {
    type Input<'a> = Arrays<'a>;
    type Output = u64;
    fn run(_token: S, _input: Arrays<'_>) -> u64 {
        unreachable!("there is no SVE here")
    }
}
impl<S, const STEP: usize, const N: usize> Kernel<S> for Chain<STEP, N> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();
    fn run(_token: S, _input: ChainArguments<'_>) {
        unreachable!("there is no SVE here")
    }
}
impl<S, const KIND: usize, const ROWS: usize> Kernel<S> for Tile<KIND, ROWS> {
    type Input<'a> = &'a TileArguments<'a>;
    type Output = ();
    fn run(_token: S, _input: &TileArguments<'_>) {
        unreachable!("there is no SVE here")
    }
}
impl<S, const NIBBLES: bool, const MIXED: bool, const ROWS: usize> Kernel<S> for BlockTile<NIBBLES, MIXED, ROWS> {
    type Input<'a> = &'a TileArguments<'a>;
    type Output = ();
    fn run(_token: S, _input: &TileArguments<'_>) {
        unreachable!("there is no SVE here")
    }
}
