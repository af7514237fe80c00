//! Streams.

use super::Sve;
use super::length::granules;
use crate::ops::stream::{Arrays, part};
use crate::simd::Kernel;
use std::arch::asm;

/// Elements of 128 bits.
const GRANULE_LANES: usize = 2;

/// Reads `STREAMS` parts of the array side by side, `UNROLL` vectors in a turn, into eight sums.
pub(super) struct Read<const STREAMS: usize, const UNROLL: usize>;

impl<const STREAMS: usize, const UNROLL: usize> Kernel<Sve> for Read<STREAMS, UNROLL> {
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(_token: Sve, arrays: Arrays<'_>) -> u64 {
        const { assert!((UNROLL == 8 || UNROLL == 16) && UNROLL.is_multiple_of(STREAMS) && STREAMS <= 16) };
        let len = arrays.x.len();
        let part = part(len, STREAMS, UNROLL / STREAMS * GRANULE_LANES * granules());
        let sum: u64;
        // SAFETY: the token proves the instruction set. Whole turns stay within STREAMS parts of the array; behind them a predicate
        // keeps to its end.
        unsafe {
            asm!(
                include_str!("read.s"),
                streams = const STREAMS,
                vectors = const UNROLL / STREAMS,
                unroll = const UNROLL,
                in("x20") arrays.x.as_ptr(), in("x21") 8 * part, in("x22") part,
                in("x24") len - part * STREAMS, inout("x25") arrays.repetitions => _,
                out("x16") sum,
                out("x0") _, out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _, out("x7") _,
                out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
                out("x17") _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                out("p0") _, out("p1") _,
                options(nostack),
            );
        }
        sum
    }
}

pub(super) const WRITE: usize = 0;
pub(super) const COPY: usize = 1;
pub(super) const SCALE: usize = 2;
pub(super) const ADD: usize = 3;
pub(super) const TRIAD: usize = 4;

/// The kernels that write, `UNROLL` vectors of each array in a turn; past the cache with `NONTEMPORAL`.
pub(super) struct Write<const OP: usize, const NONTEMPORAL: bool, const UNROLL: usize>;

impl<const OP: usize, const NONTEMPORAL: bool, const UNROLL: usize> Kernel<Sve> for Write<OP, NONTEMPORAL, UNROLL> {
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(_token: Sve, arrays: Arrays<'_>) -> u64 {
        const { assert!(UNROLL == 4 || UNROLL == 8) };
        let len = arrays.out.len();
        let turns = part(len, 1, UNROLL * GRANULE_LANES * granules());
        // SAFETY: the token proves the instruction set. The arrays are of one length; whole turns stay within them, and behind these a
        // predicate keeps to their end.
        unsafe {
            asm!(
                include_str!("write.s"),
                op = const OP, write = const WRITE, scale = const SCALE, add = const ADD, triad = const TRIAD,
                nontemporal = const NONTEMPORAL as usize,
                unroll = const UNROLL,
                in("x20") arrays.x.as_ptr(), in("x21") arrays.y.as_ptr(), in("x22") arrays.out.as_mut_ptr(),
                in("x23") turns, in("x24") len, inout("x25") arrays.repetitions => _, in("x26") arrays.s.to_bits(),
                out("x0") _, out("x1") _, out("x2") _, out("x16") _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                out("p0") _, out("p1") _,
                options(nostack),
            );
        }
        0
    }
}
