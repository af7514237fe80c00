//! SVE: vectors of the CPU's own length, from 128 to 2048 bits, thirty-two registers, predicates. By assembly: Rust has no vectors
//! without a size. So a kernel is a whole loop that asks the CPU for the length, and tables give sizes for 128 bits.
//!
//! Not here, for NEON's serve: attention, whose sums cross lanes; q4_k and q6_k, whose shifts by lane need other layouts; converted
//! chains; products of f16 in f16. SVE2 has no entry of its own: what it adds (widening, saturation, permutations) none of these use.
//!
//! Written from the manual (Arm Architecture Reference Manual for A-profile). The kernels' tests hold it against the oracle at six
//! lengths in an emulator; it has not been measured.

#[cfg(target_arch = "aarch64")]
mod blocks;
#[cfg(target_arch = "aarch64")]
mod chains;
#[cfg(not(target_arch = "aarch64"))]
mod elsewhere;
#[cfg(target_arch = "aarch64")]
mod length;
#[cfg(target_arch = "aarch64")]
mod streams;
#[cfg(target_arch = "aarch64")]
mod tiles;

use super::portable::Portable;
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Op;
use crate::ops::Kernels;
use crate::ops::chain::{ChainEntry, ChainShape, Recurrence};
use crate::ops::matmul::{
    BF16 as BF16_FORMAT, F16_FORMAT, F32_FORMAT, I8_FORMAT, MatmulEntry, TileFn, of_small_blocks,
};
use crate::ops::stream::{Stores, StreamEntry, Ways};
use crate::simd::{Token, token};
#[cfg(not(target_arch = "aarch64"))]
use elsewhere::*;
#[cfg(target_arch = "aarch64")]
use {
    blocks::BlockTile,
    chains::{BF16, Chain, F16, F32, F64, U8I8},
    length::granules,
    streams::{ADD, COPY, Read, SCALE, TRIAD, WRITE, Write},
    tiles::{OF_BF16, OF_F16, OF_F32, OF_I8, OF_U8I8, Tile, VECTORS},
};

token! {
    /// SVE.
    Sve, Isa::Sve, vectors: [f64; 2], prefetches: false,
    is_aarch64_feature_detected, "aarch64", ["sve"]
}
token! {
    /// The same with dot products of bfloat16.
    SveBf16, Isa::SveBf16, vectors: [f64; 2], prefetches: false,
    is_aarch64_feature_detected, "aarch64", ["sve", "bf16"]
}
token! {
    /// The same with dot products of bytes with and without a sign.
    SveI8mm, Isa::SveI8mm, vectors: [f64; 2], prefetches: false,
    is_aarch64_feature_detected, "aarch64", ["sve", "i8mm"]
}

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS, &BF16_KERNELS, &I8MM_KERNELS];

static KERNELS: Kernels = Kernels {
    streams: [&READS, &WRITES, &NONTEMPORAL_WRITES, &[], &[], &[], &[], &[], &[], &[], &[], &[], &[]],
    // Two pipes of latency 4 want 8 accumulators, four of them 16; two of latency 9 (A64FX) want 18.
    chains: &[
        square::<F64, 24>(Dtype::F64),
        square::<F32, 24>(Dtype::F32),
        square::<F16, 24>(Dtype::F16),
        square::<F64, 12>(Dtype::F64),
        square::<F32, 12>(Dtype::F32),
        square::<F16, 12>(Dtype::F16),
    ],
    // Seven rows of three vectors are 21 accumulators: with seven tokens and three weights 31 of 32 registers. Where both bytes of a
    // product have a sign, three sums and a constant beside them leave room for six rows.
    matmuls: &[
        MatmulEntry::of_tiles(Isa::Sve, &F32_FORMAT, STRIP_ROWS, Some(granules), &tiles::<Sve, OF_F32>()),
        MatmulEntry::of_tiles(Isa::Sve, &F16_FORMAT, STRIP_ROWS, Some(granules), &tiles::<Sve, OF_F16>()),
        MatmulEntry::of_tiles(Isa::Sve, &I8_FORMAT, STRIP_ROWS, Some(granules), SIGNED_TILES),
    ],
    block_matmuls: &const { small_blocks::<Sve, false>() },
    risky: true,
    scale: Some(granules),
    ..Kernels::none::<Sve>()
};

static BF16_KERNELS: Kernels = Kernels {
    chains: &[
        chain::<SveBf16, BF16, 24>(Dtype::Bf16, Recurrence::Dot),
        chain::<SveBf16, BF16, 12>(Dtype::Bf16, Recurrence::Dot),
    ],
    matmuls: &[MatmulEntry::of_tiles(
        Isa::SveBf16,
        &BF16_FORMAT,
        STRIP_ROWS,
        Some(granules),
        &tiles::<SveBf16, OF_BF16>(),
    )],
    risky: true,
    scale: Some(granules),
    ..Kernels::none::<SveBf16>()
};

static I8MM_KERNELS: Kernels = Kernels {
    chains: &[
        chain::<SveI8mm, U8I8, 24>(Dtype::I8, Recurrence::Dot),
        chain::<SveI8mm, U8I8, 12>(Dtype::I8, Recurrence::Dot),
    ],
    matmuls: &[MatmulEntry::of_tiles(
        Isa::SveI8mm,
        &I8_FORMAT,
        STRIP_ROWS,
        Some(granules),
        &tiles::<SveI8mm, OF_U8I8>(),
    )],
    block_matmuls: &const { small_blocks::<SveI8mm, true>() },
    risky: true,
    scale: Some(granules),
    ..Kernels::none::<SveI8mm>()
};

const fn square<const STEP: usize, const N: usize>(dtype: Dtype) -> ChainEntry {
    chain::<Sve, STEP, N>(dtype, Recurrence::Square { fused: true })
}

const fn chain<S: Token, const STEP: usize, const N: usize>(dtype: Dtype, recurrence: Recurrence) -> ChainEntry {
    let shape = ChainShape { dtype, recurrence, vector_bytes: 16, accumulators: N };
    ChainEntry { isa: S::ISA, shape, scale: Some(granules), run: S::run::<Chain<STEP, N>> }
}

static READS: [StreamEntry; 6] =
    [read::<1, 8>(), read::<1, 16>(), read::<2, 8>(), read::<4, 8>(), read::<8, 8>(), read::<16, 16>()];

static WRITES: [StreamEntry; 10] = writes::<false>();
static NONTEMPORAL_WRITES: [StreamEntry; 10] = writes::<true>();

const fn read<const STREAMS: usize, const UNROLL: usize>() -> StreamEntry {
    let ways = Ways { streams: STREAMS, unroll: UNROLL, ..Ways::READ };
    StreamEntry { isa: Isa::Sve, op: Op::Read, ways, prefetches: false, run: Sve::run::<Read<STREAMS, UNROLL>> }
}

const fn writes<const NONTEMPORAL: bool>() -> [StreamEntry; 10] {
    [
        write::<WRITE, NONTEMPORAL, 8>(Op::Write),
        write::<COPY, NONTEMPORAL, 8>(Op::Copy),
        write::<SCALE, NONTEMPORAL, 8>(Op::Scale),
        write::<ADD, NONTEMPORAL, 8>(Op::Add),
        write::<TRIAD, NONTEMPORAL, 8>(Op::Triad),
        write::<WRITE, NONTEMPORAL, 4>(Op::Write),
        write::<COPY, NONTEMPORAL, 4>(Op::Copy),
        write::<SCALE, NONTEMPORAL, 4>(Op::Scale),
        write::<ADD, NONTEMPORAL, 4>(Op::Add),
        write::<TRIAD, NONTEMPORAL, 4>(Op::Triad),
    ]
}

const fn write<const OP: usize, const NONTEMPORAL: bool, const UNROLL: usize>(op: Op) -> StreamEntry {
    let stores = if NONTEMPORAL { Stores::Nontemporal } else { Stores::Ordinary };
    let ways = Ways { unroll: UNROLL, ..Ways::plain(stores) };
    StreamEntry { isa: Isa::Sve, op, ways, prefetches: false, run: Sve::run::<Write<OP, NONTEMPORAL, UNROLL>> }
}

/// Words of 128 bits.
const GRANULE_WORDS: usize = 4;
/// Rows of weights of a strip, for 128 bits.
const STRIP_ROWS: usize = VECTORS * GRANULE_WORDS;

const fn tiles<S: Token, const KIND: usize>() -> [TileFn; 7] {
    [
        S::run::<Tile<KIND, 1>>,
        S::run::<Tile<KIND, 2>>,
        S::run::<Tile<KIND, 3>>,
        S::run::<Tile<KIND, 4>>,
        S::run::<Tile<KIND, 5>>,
        S::run::<Tile<KIND, 6>>,
        S::run::<Tile<KIND, 7>>,
    ]
}

const SIGNED_TILES: &[TileFn] = &[
    Sve::run::<Tile<OF_I8, 1>>,
    Sve::run::<Tile<OF_I8, 2>>,
    Sve::run::<Tile<OF_I8, 3>>,
    Sve::run::<Tile<OF_I8, 4>>,
    Sve::run::<Tile<OF_I8, 5>>,
    Sve::run::<Tile<OF_I8, 6>>,
];

/// Tokens are quantised in the portable way.
type Quantising = Portable<2, 4>;

const fn small_blocks<S: Token, const MIXED: bool>() -> [MatmulEntry; 2] {
    let tiles = [
        const { &block_tiles::<S, false, MIXED>() as &[TileFn] },
        const { &block_tiles::<S, true, MIXED>() as &[TileFn] },
    ];
    of_small_blocks::<Quantising>(S::ISA, GRANULE_WORDS, Some(granules), tiles)
}

const fn block_tiles<S: Token, const NIBBLES: bool, const MIXED: bool>() -> [TileFn; 8] {
    [
        S::run::<BlockTile<NIBBLES, MIXED, 1>>,
        S::run::<BlockTile<NIBBLES, MIXED, 2>>,
        S::run::<BlockTile<NIBBLES, MIXED, 3>>,
        S::run::<BlockTile<NIBBLES, MIXED, 4>>,
        S::run::<BlockTile<NIBBLES, MIXED, 5>>,
        S::run::<BlockTile<NIBBLES, MIXED, 6>>,
        S::run::<BlockTile<NIBBLES, MIXED, 7>>,
        S::run::<BlockTile<NIBBLES, MIXED, 8>>,
    ]
}
