//! AMX: eight tiles of 16 rows of 64 bytes, and products of whole tiles. By assembly: Rust has no intrinsics yet.
//!
//! Written from the manual (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and the
//! instructions' own pages), and not yet run on a CPU that has it.

#[cfg(target_arch = "x86_64")]
mod detection;
#[cfg(target_arch = "x86_64")]
mod tiles;

use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::chain::{ChainArguments, ChainEntry, ChainShape, Recurrence};
use crate::simd::{Kernel, Token};

const ROW_BYTES: usize = 64;
const ROWS: usize = 16;
const TILE_BYTES: usize = ROWS * ROW_BYTES;
/// A product takes 16 cycles in the pipe and 52 until it is there: four hide the latency. Five and three operands are all
/// the tiles there are.
const ACCUMULATORS: usize = 5;

/// Tiles with products of bytes, or of bfloat16.
#[derive(Clone, Copy)]
pub(crate) struct Amx<const BYTES: bool>(());

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&BF16_KERNELS, &INT8_KERNELS];

static BF16_KERNELS: Kernels = kernels::<false>(&[chain::<false>(Dtype::Bf16)]);
static INT8_KERNELS: Kernels = kernels::<true>(&[chain::<true>(Dtype::I8)]);

const fn kernels<const BYTES: bool>(chains: &'static [ChainEntry]) -> Kernels {
    // A hypervisor may pass on the feature and not the state.
    Kernels { chains, risky: true, ..Kernels::none::<Amx<BYTES>>() }
}

const fn chain<const BYTES: bool>(dtype: Dtype) -> ChainEntry {
    let shape =
        ChainShape { dtype, recurrence: Recurrence::Tile, vector_bytes: TILE_BYTES, accumulators: ACCUMULATORS };
    ChainEntry { isa: Amx::<BYTES>::ISA, shape, run: Amx::<BYTES>::run::<TileChain> }
}

impl<const BYTES: bool> Token for Amx<BYTES> {
    const ISA: Isa = if BYTES { Isa::AmxInt8 } else { Isa::AmxBf16 };
    const ARCHITECTURE: Option<&'static str> = Some("x86_64");
    const PREFETCHES: bool = false;
    type Registers = ();

    fn new() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return detection::available(BYTES).then_some(Amx(()));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    unsafe fn run<K: Kernel<Self>>(input: K::Input<'_>) -> K::Output {
        K::run(Amx(()), input)
    }
}

/// Products of tiles, accumulated.
struct TileChain;

impl<const BYTES: bool> Kernel<Amx<BYTES>> for TileChain {
    type Input<'a> = ChainArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: Amx<BYTES>, arguments: ChainArguments<'_>) {
        #[cfg(target_arch = "x86_64")]
        tiles::chain::<BYTES>(arguments);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = arguments;
    }
}
