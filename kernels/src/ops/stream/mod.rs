//! Streams: STREAM's kernels and a pure read, over arrays of f64.
//!
//! ```text
//! read   c += bits(x[i])            copy   out[i] = x[i]            add    out[i] = x[i] + y[i]
//! write  out[i] = s                 scale  out[i] = s·x[i]          triad  out[i] = x[i] + s·y[i]
//! ```
//!
//! A read makes a checksum of the 64-bit patterns, as integers: one cheap instruction for one vector or for two, and exact in
//! any order, so that the oracle can demand equality. What differs between machines in how an array is best walked is a
//! [way](Ways), and a probe tries them beside each other.

mod kernel;
mod read;
mod table;
mod write;

use crate::named::named_enum;
use crate::op::Op;

pub use kernel::{ALIGNMENT, StreamKernel};
pub(crate) use kernel::{Arrays, StreamEntry};
pub(crate) use table::Streams;

/// The stream operations, in the order of the ceiling table.
pub const OPS: [Op; 6] = [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad];

named_enum! {
    /// How stores are made.
    pub enum Stores: "kind of stores" {
        /// Through the cache; a missing line is read first.
        Ordinary = "ordinary",
        /// Past the cache.
        Nontemporal = "nontemporal",
        /// By the CPU's own instruction for a whole array (`rep movsb`), which chooses for itself.
        String = "string",
    }
}

named_enum! {
    /// What a read makes of the elements' bit patterns.
    pub enum Checksum: "checksum" {
        /// Their wrapping sum. On some cores an addition with an operand in memory takes a slot that a load alone does not.
        Sum = "sum",
        /// Of each of eight lanes, element `i` being in lane `i mod 8`: the exclusive or over a walk. The wrapping sum of the
        /// lanes. AVX-512 joins two vectors to a third in one instruction.
        Xor = "xor",
    }
}

/// How a stream goes about its work: what a probe tries, one way beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ways {
    /// How stores are made; a read has none, and counts as ordinary.
    pub stores: Stores,
    /// What a read makes of the elements; a sum for all others.
    pub checksum: Checksum,
    /// Sequential streams of each array that one thread walks side by side.
    pub streams: usize,
    /// Vectors of each array in one turn of the loop, all streams together.
    pub unroll: usize,
    /// How far ahead each line is asked for by an instruction of its own; 0: the hardware alone prefetches.
    pub prefetch_bytes: usize,
    /// Lines of the page after the next one that are asked for while a page is walked; 0: none.
    pub page_ahead_lines: usize,
}

impl Ways {
    /// One stream of eight vectors a turn, without software prefetch.
    pub const fn plain(stores: Stores) -> Ways {
        let (checksum, streams, unroll) = (Checksum::Sum, 1, UNROLL);
        Ways { stores, checksum, streams, unroll, prefetch_bytes: 0, page_ahead_lines: 0 }
    }

    /// A plain read of `streams` streams side by side, in turns of a vector of each at least.
    pub const fn side_by_side(streams: usize) -> Ways {
        Ways { streams, unroll: if streams > UNROLL { streams } else { UNROLL }, ..Ways::READ }
    }

    /// A plain read.
    pub const READ: Ways = Ways::plain(Stores::Ordinary);
}

/// Vectors in one turn of the loop as a rule: 512 bytes for 64-byte vectors hide the loop's own instructions.
pub const UNROLL: usize = 8;

/// How many streams side by side reads come with, on every instruction set.
pub const SIDE_BY_SIDE: [usize; 5] = [1, 2, 4, 8, 16];

/// Distances at which single-stream kernels are tried and tested, where the instruction set can ask for lines ahead. Any
/// other would do.
pub const PREFETCH_BYTES: [usize; 4] = [512, 1024, 2048, 4096];

/// Elements of one cache line.
const LINE_LANES: usize = 8;

/// Elements of each of `streams` parts of an array of `len`: whole turns of `step` elements, and no multiple of a page, for
/// lines of all parts would then fall into one set of a cache. What is left over is walked after the parts.
#[inline(always)]
pub(crate) fn part(len: usize, streams: usize, step: usize) -> usize {
    const PAGE_LANES: usize = 512;
    let part = len / streams / step * step;
    if streams > 1 && part > step && part.is_multiple_of(PAGE_LANES) { part - step } else { part }
}
