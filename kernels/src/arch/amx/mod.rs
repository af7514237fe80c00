//! AMX: eight tiles of 16 rows of 64 bytes, and products of whole tiles. By assembly: Rust has no intrinsics yet.
//!
//! Written from the manual (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and the
//! instructions' own pages). `kernels/tests/emulated.sh` holds it against the oracle where the CPU lacks it.

#[cfg(target_arch = "x86_64")]
mod configuration;
#[cfg(target_arch = "x86_64")]
mod detection;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod model;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(target_arch = "x86_64")]
mod unit;

use super::avx512::{Avx512Bf16, Avx512VnniBytes};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::chain::{ChainArguments, ChainEntry, ChainShape, Recurrence};
use crate::ops::matmul::{BF16, I8_FORMAT, UnitFormats, plain_whole};
use crate::simd::{Kernel, Token};
#[cfg(not(target_arch = "x86_64"))]
use model::Model as Unit;
#[cfg(target_arch = "x86_64")]
use unit::Unit;

const ROW_BYTES: usize = 64;
const ROWS: usize = 16;
const TILE_BYTES: usize = ROWS * ROW_BYTES;

/// Tiles with products of bytes, or of bfloat16. Whoever has them has vectors of AVX-512 with dot products of both.
#[derive(Clone, Copy)]
pub(crate) struct Amx<const BYTES: bool>(());

/// Products of bfloat16.
pub(crate) enum OfBf16 {}
/// Products of A's bytes without sign and B's with one.
pub(crate) enum OfU8I8 {}
/// Products of A's bytes with sign and B's without one.
pub(crate) enum OfI8U8 {}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&BF16_KERNELS, &INT8_KERNELS];

// A hypervisor may pass on the feature and not the state.
static BF16_KERNELS: Kernels = Kernels {
    chains: &[chain::<false, 1>(Dtype::Bf16), chain::<false, 5>(Dtype::Bf16)],
    matmuls: &[plain_whole::<Unit<OfBf16>>(Isa::AmxBf16, &BF16)],
    block_matmuls: &const { UnitFormats::<Unit<OfBf16>, Avx512Bf16>::rounded(Isa::AmxBf16) },
    risky: true,
    ..Kernels::none::<Amx<false>>()
};

static INT8_KERNELS: Kernels = Kernels {
    chains: &[chain::<true, 1>(Dtype::I8), chain::<true, 5>(Dtype::I8)],
    matmuls: &[plain_whole::<Unit<OfU8I8>>(Isa::AmxInt8, &I8_FORMAT)],
    block_matmuls: &const { UnitFormats::<Unit<OfI8U8>, Avx512VnniBytes>::scaled(Isa::AmxInt8) },
    risky: true,
    ..Kernels::none::<Amx<true>>()
};

/// Products follow one another without a pause even into one tile, so one keeps the unit busy; and a core whose neighbour is busy
/// multiplies the slower the more tiles are in use. Five and three operands are all the tiles there are.
const fn chain<const BYTES: bool, const ACCUMULATORS: usize>(dtype: Dtype) -> ChainEntry {
    let shape =
        ChainShape { dtype, recurrence: Recurrence::Tile, vector_bytes: TILE_BYTES, accumulators: ACCUMULATORS };
    ChainEntry { isa: Amx::<BYTES>::ISA, shape, scale: None, run: Amx::<BYTES>::run::<TileChain<ACCUMULATORS>> }
}

impl<const BYTES: bool> Token for Amx<BYTES> {
    const ISA: Isa = if BYTES { Isa::AmxInt8 } else { Isa::AmxBf16 };
    const ARCHITECTURE: Option<&'static str> = Some("x86_64");
    const PREFETCHES: bool = false;
    type Registers = ();

    fn new() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let vectors = Avx512Bf16::new().is_some() && Avx512VnniBytes::new().is_some();
            (vectors && detection::available(BYTES)).then_some(Amx(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    unsafe fn run<K: Kernel<Self>>(input: K::Input<'_>) -> K::Output {
        K::run(Amx(()), input)
    }
}

/// Products of tiles, accumulated.
struct TileChain<const ACCUMULATORS: usize>;

impl<const BYTES: bool, const ACCUMULATORS: usize> Kernel<Amx<BYTES>> for TileChain<ACCUMULATORS> {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: Amx<BYTES>, arguments: ChainArguments<'_>) {
        #[cfg(target_arch = "x86_64")]
        tiles::chain::<BYTES, ACCUMULATORS>(arguments);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = arguments;
    }
}
