//! The streams of an instruction set.

use super::kernel::StreamEntry;
use super::read::{HARDWARE, LINES, Read};
use super::write::{ADD, COPY, CopyString, NONTEMPORAL, ORDINARY, SCALE, TRIAD, WRITE, Write};
use super::{Checksum, Stores, Ways};
use crate::op::Op;
use crate::simd::{Floats, Vector};
use std::marker::PhantomData;

/// The streams of an instruction set, derived from what its token can do.
pub(crate) struct Streams<S>(PhantomData<S>);

/// Ways of each writing operation and kind of stores, and how many of them need no prefetch.
const WRITE_WAYS: usize = 6;
const UNAIDED: usize = 5;

impl<S: Floats> Streams<S> {
    const READS: [StreamEntry; 8] = [
        Self::read::<1, 8, false, HARDWARE>(),
        Self::read::<1, 8, true, HARDWARE>(),
        Self::read::<1, 16, false, HARDWARE>(),
        Self::read::<1, 16, true, HARDWARE>(),
        Self::read::<2, 8, false, HARDWARE>(),
        Self::read::<4, 8, false, HARDWARE>(),
        Self::read::<8, 8, false, HARDWARE>(),
        Self::read::<16, 16, false, HARDWARE>(),
    ];
    const READS_AHEAD: [StreamEntry; 5] = [
        Self::read::<1, 8, false, LINES>(),
        Self::read::<4, 8, false, LINES>(),
        Self::read::<8, 8, false, LINES>(),
        Self::read::<1, 8, false, 8>(),
        Self::read::<1, 8, false, 16>(),
    ];
    const ORDINARY: [[StreamEntry; WRITE_WAYS]; 5] = Self::writes::<ORDINARY>();
    const NONTEMPORAL: [[StreamEntry; WRITE_WAYS]; 5] = Self::writes::<NONTEMPORAL>();
    const STRING: [StreamEntry; 1] = [StreamEntry {
        isa: S::ISA,
        op: Op::Copy,
        ways: Ways::plain(Stores::String),
        prefetches: false,
        run: S::run::<CopyString>,
    }];

    /// Reads, and what writes, past the cache where its vectors can; with prefetches where the token has them.
    pub(crate) const TABLE: [&'static [StreamEntry]; 13] = {
        let mut table: [&'static [StreamEntry]; 13] = [&[]; 13];
        let ways = if S::PREFETCHES { WRITE_WAYS } else { UNAIDED };
        table[0] = &Self::READS;
        table[1] = if S::PREFETCHES { &Self::READS_AHEAD } else { &[] };
        let mut op = 0;
        while op < 5 {
            table[2 + op] = Self::ORDINARY[op].split_at(ways).0;
            if S::F64::NONTEMPORAL {
                table[7 + op] = Self::NONTEMPORAL[op].split_at(ways).0;
            }
            op += 1;
        }
        // x86-64 alone has such an instruction on every CPU.
        let has_strings = match S::ARCHITECTURE {
            Some(name) => matches!(name.as_bytes(), b"x86_64"),
            None => false,
        };
        table[12] = if has_strings && S::F64::NONTEMPORAL { &Self::STRING } else { &[] };
        table
    };

    const fn read<const STREAMS: usize, const UNROLL: usize, const XOR: bool, const AHEAD: usize>() -> StreamEntry {
        let checksum = if XOR { Checksum::Xor } else { Checksum::Sum };
        let page_ahead_lines = if AHEAD > LINES { AHEAD } else { 0 };
        let ways = Ways { checksum, streams: STREAMS, unroll: UNROLL, page_ahead_lines, ..Ways::READ };
        let run = S::run::<Read<STREAMS, UNROLL, XOR, AHEAD>>;
        StreamEntry { isa: S::ISA, op: Op::Read, ways, prefetches: AHEAD == LINES, run }
    }

    const fn writes<const STORES: usize>() -> [[StreamEntry; WRITE_WAYS]; 5] {
        [
            Self::write::<WRITE, STORES>(Op::Write),
            Self::write::<COPY, STORES>(Op::Copy),
            Self::write::<SCALE, STORES>(Op::Scale),
            Self::write::<ADD, STORES>(Op::Add),
            Self::write::<TRIAD, STORES>(Op::Triad),
        ]
    }

    const fn write<const OP: usize, const STORES: usize>(op: Op) -> [StreamEntry; WRITE_WAYS] {
        [
            Self::way::<OP, STORES, 1, 8, false>(op),
            Self::way::<OP, STORES, 1, 4, false>(op),
            Self::way::<OP, STORES, 1, 16, false>(op),
            Self::way::<OP, STORES, 2, 8, false>(op),
            Self::way::<OP, STORES, 4, 8, false>(op),
            Self::way::<OP, STORES, 1, 8, true>(op),
        ]
    }

    const fn way<const OP: usize, const STORES: usize, const STREAMS: usize, const UNROLL: usize, const AHEAD: bool>(
        op: Op,
    ) -> StreamEntry {
        let stores = if STORES == NONTEMPORAL { Stores::Nontemporal } else { Stores::Ordinary };
        let ways = Ways { streams: STREAMS, unroll: UNROLL, ..Ways::plain(stores) };
        let run = S::run::<Write<OP, STORES, STREAMS, UNROLL, AHEAD>>;
        StreamEntry { isa: S::ISA, op, ways, prefetches: AHEAD, run }
    }
}
