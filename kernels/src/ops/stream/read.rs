//! Reads.

use super::kernel::{ALIGNMENT, Arrays};
use super::{LINE_LANES, part};
use crate::simd::{Double, Floats, Kernel, Vector};
use std::hint::{assert_unchecked, black_box};

/// Accumulators: with 8 loads a turn one for each, with 16 one for two.
const ACCUMULATORS: usize = 8;

/// Asks for no line.
pub(super) const HARDWARE: usize = 0;
/// Asks for each line so many bytes ahead as the call says.
pub(super) const LINES: usize = 1;

/// Reads `STREAMS` parts of the array side by side: several sequential streams keep more lines in flight than one. A turn of
/// the loop reads `UNROLL` vectors. `XOR` or wrapping sums, see [`Checksum`](super::Checksum). `AHEAD` is [`HARDWARE`],
/// [`LINES`], or the number of lines of the page after the next one that are asked for, evenly over each page.
pub(super) struct Read<const STREAMS: usize, const UNROLL: usize, const XOR: bool, const AHEAD: usize>;

impl<S: Floats, const STREAMS: usize, const UNROLL: usize, const XOR: bool, const AHEAD: usize> Kernel<S>
    for Read<STREAMS, UNROLL, XOR, AHEAD>
{
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(token: S, arrays: Arrays<'_>) -> u64 {
        const { assert!(UNROLL.is_multiple_of(STREAMS) && UNROLL.is_multiple_of(ACCUMULATORS)) };
        // Vectors keep their place modulo eight lanes.
        const { assert!(!XOR || STREAMS == 1) };
        let vectors = UNROLL / STREAMS;
        let step = S::F64::LANES * vectors;
        let len = arrays.x.len();
        let part = part(len, STREAMS, step);
        let mut sums: [S::F64; ACCUMULATORS] = [token.splat(0.0); ACCUMULATORS];
        let mut totals = sums;
        for _ in 0..arrays.repetitions {
            // A fresh opaque pointer for each walk: the compiler cannot know that the walks repeat each other.
            let start = black_box(arrays.x.as_ptr());
            // SAFETY: arrays are aligned, see `StreamKernel::run`. Portable vectors are loaded faster where it is known.
            unsafe { assert_unchecked(start.addr().is_multiple_of(ALIGNMENT)) }
            let mut i = 0;
            while i < part {
                for u in 0..UNROLL {
                    let (stream, vector) = (u / vectors, u % vectors);
                    let at = stream * part + i + vector * S::F64::LANES;
                    debug_assert!(at + S::F64::LANES <= len);
                    // SAFETY: the vector lies below `part` in one of STREAMS parts, which are together within the array.
                    let from = unsafe { start.add(at) };
                    if AHEAD != HARDWARE && (vector * S::F64::LANES).is_multiple_of(LINE_LANES) {
                        ask::<S, AHEAD>(token, from.cast(), vector * S::F64::LANES / LINE_LANES, arrays.prefetch_bytes);
                    }
                    // SAFETY: as above.
                    let loaded = unsafe { token.load_from(from) };
                    sums[u % ACCUMULATORS] = joined::<S::F64, XOR>(sums[u % ACCUMULATORS], loaded);
                }
                i += step;
            }
            // SAFETY: the elements from there on lie in the array.
            unsafe { rest::<S, XOR>(token, start.add(part * STREAMS), len - part * STREAMS, &mut sums) }
            if XOR {
                // Two walks would undo each other.
                total_up::<S>(token, &mut sums, &mut totals);
            }
        }
        let all = (if XOR { totals } else { sums }).into_iter().fold(token.splat(0.0), |a: S::F64, b| a.add_bits(b));
        let mut last = [0.0_f64; LINE_LANES];
        all.store(&mut last);
        last[..S::F64::LANES].iter().fold(0, |a, b| a.wrapping_add(b.to_bits()))
    }
}

#[inline(always)]
fn joined<V: Double, const XOR: bool>(sum: V, loaded: V) -> V {
    if XOR { sum.xor_bits(loaded) } else { sum.add_bits(loaded) }
}

/// Asks for a line ahead of `from`, the `line`-th of a turn.
#[inline(always)]
fn ask<S: Floats, const AHEAD: usize>(token: S, from: *const u8, line: usize, bytes: usize) {
    const PAGE_BYTES: usize = 4096;
    const PAGE_LINES: usize = PAGE_BYTES / ALIGNMENT;
    if AHEAD == LINES {
        return token.prefetch_first_level(from.wrapping_add(bytes));
    }
    let every = PAGE_LINES / AHEAD.max(1);
    if line.is_multiple_of(every) {
        let within = from.addr() % PAGE_BYTES;
        token.prefetch_second_level(from.wrapping_sub(within).wrapping_add(2 * PAGE_BYTES + within / every));
    }
}

/// Joins `len` elements from `from` on, eight by eight, and zeros behind the last.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn rest<S: Floats, const XOR: bool>(token: S, from: *const f64, len: usize, sums: &mut [S::F64; ACCUMULATORS]) {
    for at in (0..len).step_by(LINE_LANES) {
        let mut line = [0.0_f64; LINE_LANES];
        // SAFETY: by contract, and no more than there is room for.
        unsafe { from.add(at).copy_to_nonoverlapping(line.as_mut_ptr(), (len - at).min(LINE_LANES)) }
        for (vector, sum) in sums.iter_mut().take(LINE_LANES / S::F64::LANES).enumerate() {
            *sum = joined::<S::F64, XOR>(*sum, token.load(&line[vector * S::F64::LANES..]));
        }
    }
}

/// Adds what one walk came to, lane by lane of eight, to the totals, and begins anew.
#[inline(always)]
fn total_up<S: Floats>(token: S, walk: &mut [S::F64; ACCUMULATORS], totals: &mut [S::F64; ACCUMULATORS]) {
    let of_a_line = LINE_LANES / S::F64::LANES;
    for vector in 0..of_a_line {
        let mut sum = walk[vector];
        for other in (vector + of_a_line..ACCUMULATORS).step_by(of_a_line) {
            sum = sum.xor_bits(walk[other]);
        }
        totals[vector] = totals[vector].add_bits(sum);
    }
    *walk = [token.splat(0.0); ACCUMULATORS];
}
