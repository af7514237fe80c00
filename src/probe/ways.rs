//! The ways of walking arrays that are raced. What was the best way on one machine is a candidate on the next.
//!
//! Each list begins with what is expected to win; a quick look takes its beginning. What an instruction set does not have is left
//! out, so that one list serves them all. `--tune thorough` races every way that there is.

use super::PlanInputs;
use crate::profile::{Effort, Tune};
use roofprobe_kernels::ops::stream::{Checksum, Stores, Ways};
use roofprobe_kernels::{Isa, Op};

/// Which of the instruction sets with streams: that with the widest vectors, or the next one. Two loads of 256 bits a cycle fill the
/// pipes of Zen 4, one of 512 bits does not quite.
#[derive(Clone, Copy)]
enum Width {
    Widest,
    Next,
}
use Width::{Next, Widest};

/// Ways, the expected winner first, and how many of them a quick look tries.
struct Candidates<'a> {
    ways: &'a [(Width, Ways)],
    quick: usize,
}

const ORDINARY: Ways = Ways::plain(Stores::Ordinary);
const NONTEMPORAL: Ways = Ways::plain(Stores::Nontemporal);
const STRING: Ways = Ways::plain(Stores::String);
const PAGE_AHEAD: Ways = Ways { page_ahead_lines: 16, ..ORDINARY };

const fn side_by_side(ways: Ways, streams: usize) -> Ways {
    Ways { streams, unroll: if streams > ways.unroll { streams } else { ways.unroll }, ..ways }
}

const fn ahead(ways: Ways, prefetch_bytes: usize) -> Ways {
    Ways { prefetch_bytes, ..ways }
}

const fn long_turn(ways: Ways) -> Ways {
    Ways { unroll: 16, ..ways }
}

/// On Intel's cores one instruction joins two loads to an accumulator without a slot for each (Emerald Rapids: 122 instead of 98 bytes
/// a cycle).
const XOR: Ways = Ways { checksum: Checksum::Xor, ..long_turn(ORDINARY) };

const FIRST_LEVEL_READS: Candidates = Candidates {
    ways: &[(Widest, ORDINARY), (Next, ORDINARY), (Widest, XOR), (Widest, long_turn(ORDINARY))],
    quick: 3,
};
/// Two streams of 256 bits were 15 % faster than one in the second level of Zen 5, lines asked for ahead 5 % in the third.
const SECOND_LEVEL_READS: Candidates = Candidates {
    ways: &[
        (Widest, ORDINARY),
        (Next, side_by_side(ORDINARY, 2)),
        (Next, ORDINARY),
        (Widest, XOR),
        (Widest, ahead(ORDINARY, 2048)),
        (Widest, side_by_side(ORDINARY, 8)),
    ],
    quick: 2,
};
const THIRD_LEVEL_READS: Candidates = Candidates {
    ways: &[
        (Widest, ahead(ORDINARY, 2048)),
        (Widest, ORDINARY),
        (Next, ORDINARY),
        (Widest, ahead(side_by_side(ORDINARY, 4), 1024)),
        (Next, ahead(ORDINARY, 2048)),
        (Widest, side_by_side(ORDINARY, 8)),
    ],
    quick: 2,
};
/// Ordinary stores: non-temporal ones would leave the cache. The string instruction, which need not read what it overwrites, was 10 to
/// 30 % faster beyond the first level of Zen 5.
const CACHE_WRITES: Candidates = Candidates {
    ways: &[
        (Widest, ORDINARY),
        (Widest, STRING),
        (Widest, long_turn(ORDINARY)),
        (Next, ORDINARY),
        (Widest, ahead(ORDINARY, 1024)),
        (Widest, side_by_side(ORDINARY, 2)),
    ],
    quick: 2,
};

/// On two cores of Zen 3 and of Zen 5 four streams were the fastest, on Emerald Rapids eight, and on Zen 4 one.
const MEMORY_READS: Candidates = Candidates {
    ways: &[
        (Widest, side_by_side(ORDINARY, 4)),
        (Widest, ahead(side_by_side(ORDINARY, 4), 1024)),
        (Widest, ORDINARY),
        (Widest, side_by_side(ORDINARY, 8)),
        (Widest, side_by_side(ORDINARY, 2)),
        (Widest, side_by_side(ORDINARY, 16)),
        (Widest, ahead(ORDINARY, 1024)),
        (Widest, ahead(side_by_side(ORDINARY, 8), 1024)),
        (Widest, PAGE_AHEAD),
        (Next, side_by_side(ORDINARY, 4)),
        (Next, ORDINARY),
    ],
    quick: 4,
};
const MEMORY_WRITES: Candidates = Candidates {
    ways: &[
        (Widest, NONTEMPORAL),
        (Widest, side_by_side(NONTEMPORAL, 2)),
        (Widest, ORDINARY),
        (Widest, STRING),
        (Widest, long_turn(NONTEMPORAL)),
        (Widest, side_by_side(NONTEMPORAL, 4)),
        (Next, NONTEMPORAL),
        (Widest, ahead(ORDINARY, 1024)),
        (Widest, side_by_side(ORDINARY, 2)),
        (Next, ORDINARY),
    ],
    quick: 3,
};
/// On base pages: a page's size slows all of them alike, so that a few tell what it costs.
const BASE_PAGE_READS: Candidates = Candidates {
    ways: &[(Widest, side_by_side(ORDINARY, 4)), (Widest, ORDINARY), (Widest, side_by_side(ORDINARY, 8))],
    quick: 3,
};
const BASE_PAGE_WRITES: Candidates =
    Candidates { ways: &[(Widest, NONTEMPORAL), (Widest, ORDINARY), (Widest, STRING)], quick: 3 };

/// The ways of doing `op` within the cache of a level.
pub(super) fn in_cache(inputs: PlanInputs, level: u32, op: Op) -> Vec<(Isa, Ways)> {
    let candidates = match (op, level) {
        (Op::Read, 1) => FIRST_LEVEL_READS,
        (Op::Read, 2) => SECOND_LEVEL_READS,
        (Op::Read, _) => THIRD_LEVEL_READS,
        _ => CACHE_WRITES,
    };
    let mut ways = raced(inputs, op, &candidates);
    ways.retain(|(_, ways)| ways.stores != Stores::Nontemporal);
    ways
}

/// The ways of doing `op` over arrays that no cache holds, on the largest pages there are.
pub(super) fn in_memory(inputs: PlanInputs, op: Op) -> Vec<(Isa, Ways)> {
    raced(inputs, op, if op == Op::Read { &MEMORY_READS } else { &MEMORY_WRITES })
}

/// The same on smaller pages.
pub(super) fn on_base_pages(inputs: PlanInputs, op: Op) -> Vec<(Isa, Ways)> {
    let usual = PlanInputs { tune: Tune::Usual, ..inputs };
    raced(usual, op, if op == Op::Read { &BASE_PAGE_READS } else { &BASE_PAGE_WRITES })
}

fn raced(inputs: PlanInputs, op: Op, candidates: &Candidates) -> Vec<(Isa, Ways)> {
    let isas = super::widest_isas(inputs.machine, Effort::Standard, Isa::has_streams);
    let of = |width: Width| match width {
        Widest => isas.first().copied(),
        Next => isas.get(1).copied(),
    };
    let there = candidates.ways.iter().filter_map(|&(width, ways)| Some((of(width)?, ways)));
    let mut ways: Vec<(Isa, Ways)> = there.filter(|&(isa, ways)| isa.has_stream(op, ways)).collect();
    if inputs.effort == Effort::Quick {
        ways.truncate(candidates.quick);
    }
    if inputs.tune == Tune::Thorough {
        let all = isas.iter().flat_map(|&isa| isa.stream_ways(op).map(move |ways| (isa, ways)));
        for way in all {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
    }
    ways
}
