//! SME: outer products of vectors, summed up in tiles of an array (ZA), in a mode of its own (streaming). By assembly: Rust has neither.
//!
//! What the procedure call standard asks for: a kernel enters streaming mode and turns ZA on by itself, leaves both before it returns,
//! calls nothing meanwhile, and gives all vector and predicate registers as overwritten, for entering and leaving clears them. Nobody
//! in this process keeps anything in ZA, so that there is nothing to save.
//!
//! Written from the manual (Arm Architecture Reference Manual for A-profile). The kernels' tests hold it against the oracle in an
//! emulator; it has not been measured. What SME2 adds, loads of several vectors at once, is not used: no emulator at hand has it.

#[cfg(target_arch = "aarch64")]
mod chains;
#[cfg(not(target_arch = "aarch64"))]
mod elsewhere;
#[cfg(target_arch = "aarch64")]
mod length;
#[cfg(target_arch = "aarch64")]
mod matmul;

use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::chain::{ChainEntry, ChainShape, Recurrence};
use crate::ops::matmul::{BF16 as BF16_FORMAT, F32_FORMAT, I8_FORMAT, MatmulEntry};
use crate::simd::{Kernel, Token};
#[cfg(not(target_arch = "aarch64"))]
use elsewhere::*;
#[cfg(target_arch = "aarch64")]
use {
    chains::{BF16, Chain, F32, F64, U8I8},
    length::{available, granules, granules_squared},
    matmul::{OF_BF16, OF_F32, OF_U8I8, whole},
};

/// Outer products of f32, bfloat16 and bytes; of f64 too with `DOUBLES`.
#[derive(Clone, Copy)]
pub(crate) struct Sme<const DOUBLES: bool>(());

impl<const DOUBLES: bool> Token for Sme<DOUBLES> {
    const ISA: Isa = if DOUBLES { Isa::SmeF64 } else { Isa::Sme };
    const ARCHITECTURE: Option<&'static str> = Some("aarch64");
    const PREFETCHES: bool = false;
    type Registers = ();

    fn new() -> Option<Self> {
        available(DOUBLES).then_some(Sme(()))
    }

    unsafe fn run<K: Kernel<Self>>(input: K::Input<'_>) -> K::Output {
        K::run(Sme(()), input)
    }
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS, &F64_KERNELS];

// There are four tiles of 32-bit sums, and eight of 64-bit ones.
static KERNELS: Kernels = Kernels {
    chains: &[
        chain::<false, F32, 4>(Dtype::F32),
        chain::<false, BF16, 4>(Dtype::Bf16),
        chain::<false, U8I8, 4>(Dtype::I8),
        chain::<false, F32, 1>(Dtype::F32),
        chain::<false, F32, 2>(Dtype::F32),
        chain::<false, BF16, 1>(Dtype::Bf16),
        chain::<false, BF16, 2>(Dtype::Bf16),
        chain::<false, U8I8, 1>(Dtype::I8),
        chain::<false, U8I8, 2>(Dtype::I8),
    ],
    matmuls: &[
        MatmulEntry::of_whole(Isa::Sme, &F32_FORMAT, STRIP_ROWS, Some(granules), whole::<OF_F32>),
        MatmulEntry::of_whole(Isa::Sme, &BF16_FORMAT, STRIP_ROWS, Some(granules), whole::<OF_BF16>),
        MatmulEntry::of_whole(Isa::Sme, &I8_FORMAT, STRIP_ROWS, Some(granules), whole::<OF_U8I8>),
    ],
    risky: true,
    shared: true,
    scale: Some(granules),
    ..Kernels::none::<Sme<false>>()
};

static F64_KERNELS: Kernels = Kernels {
    chains: &[chain::<true, F64, 8>(Dtype::F64), chain::<true, F64, 4>(Dtype::F64)],
    risky: true,
    shared: true,
    scale: Some(granules),
    ..Kernels::none::<Sme<true>>()
};

/// Rows of weights of a strip, for 128 bits: the columns of two tiles.
const STRIP_ROWS: usize = 8;

const fn chain<const DOUBLES: bool, const KIND: usize, const N: usize>(dtype: Dtype) -> ChainEntry {
    // A vector is a tile: for 128 bits four rows of 16 bytes, or two.
    let vector_bytes = if DOUBLES { 32 } else { 64 };
    let shape = ChainShape { dtype, recurrence: Recurrence::Outer, vector_bytes, accumulators: N };
    ChainEntry {
        isa: Sme::<DOUBLES>::ISA,
        shape,
        scale: Some(granules_squared),
        run: Sme::<DOUBLES>::run::<Chain<KIND, N>>,
    }
}
