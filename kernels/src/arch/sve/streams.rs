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
                ".arch_extension sve",
                "ptrue p0.d",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7\n mov z\\u\\().d, #0\n .endr",
                "cbz x25, 9f",
                "2:",
                "mov x17, x20",
                ".irp s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                ".if \\s < {streams}",
                "mov x\\s, x17",
                "add x17, x17, x21",
                ".endif",
                ".endr",
                "mov x16, #0",
                "cbz x22, 4f",
                "3:",
                // A vector of each part, at its beginning and the common index.
                ".if {vectors} == 1",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7\n ld1d {{z2\\u\\().d}}, p0/z, [x\\u, x16, lsl #3]\n .endr",
                ".if {unroll} == 16",
                "ld1d {{z10.d}}, p0/z, [x8, x16, lsl #3]",
                "ld1d {{z11.d}}, p0/z, [x9, x16, lsl #3]",
                "ld1d {{z12.d}}, p0/z, [x10, x16, lsl #3]",
                "ld1d {{z13.d}}, p0/z, [x11, x16, lsl #3]",
                "ld1d {{z14.d}}, p0/z, [x12, x16, lsl #3]",
                "ld1d {{z15.d}}, p0/z, [x13, x16, lsl #3]",
                "ld1d {{z16.d}}, p0/z, [x14, x16, lsl #3]",
                "ld1d {{z17.d}}, p0/z, [x15, x16, lsl #3]",
                ".endif",
                ".else",
                // Vector u is of part u / vectors, at the part's pointer.
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7",
                ".irp s, 0, 1, 2, 3, 4, 5, 6, 7",
                ".if (\\u / {vectors}) == \\s\n ldr z2\\u, [x\\s, #(\\u % {vectors}), mul vl]\n .endif",
                ".if ({unroll} == 16) && (((\\u + 8) / {vectors}) == \\s)",
                "ldr z1\\u, [x\\s, #((\\u + 8) % {vectors}), mul vl]",
                ".endif",
                ".endr",
                ".endr",
                ".endif",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7\n add z\\u\\().d, z\\u\\().d, z2\\u\\().d\n .endr",
                ".if {unroll} == 16",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7\n add z\\u\\().d, z\\u\\().d, z1\\u\\().d\n .endr",
                ".endif",
                ".if {vectors} > 1",
                ".irp s, 0, 1, 2, 3, 4, 5, 6, 7",
                ".if \\s < {streams}",
                "incb x\\s, all, mul #{vectors}",
                ".endif",
                ".endr",
                ".endif",
                "incd x16, all, mul #{vectors}",
                "cmp x16, x22",
                "b.lo 3b",
                "4:",
                // What is behind the parts.
                "mov x16, #0",
                "whilelo p1.d, x16, x24",
                "b.eq 6f",
                "5:",
                "ld1d {{z20.d}}, p1/z, [x17, x16, lsl #3]",
                "add z0.d, z0.d, z20.d",
                "incd x16",
                "whilelo p1.d, x16, x24",
                "b.mi 5b",
                "6:",
                "subs x25, x25, #1",
                "b.ne 2b",
                "9:",
                ".irp u, 1, 2, 3, 4, 5, 6, 7\n add z0.d, z0.d, z\\u\\().d\n .endr",
                "uaddv d0, p0, z0.d",
                "fmov x16, d0",
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
                ".arch_extension sve",
                "ptrue p0.d",
                "mov z31.d, x26",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7\n mov z2\\u\\().d, x26\n .endr",
                "cbz x25, 9f",
                "2:",
                "mov x0, x20",
                "mov x1, x21",
                "mov x2, x22",
                "mov x16, #0",
                "cbz x23, 4f",
                "3:",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7",
                ".if (\\u < {unroll}) && ({op} != {write})",
                "ld1d {{z2\\u\\().d}}, p0/z, [x0, #\\u, mul vl]",
                ".endif",
                ".endr",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7",
                ".if (\\u < {unroll}) && ({op} >= {add})",
                "ld1d {{z1\\u\\().d}}, p0/z, [x1, #\\u, mul vl]",
                ".endif",
                ".endr",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7",
                ".if (\\u < {unroll}) && ({op} == {scale})",
                "fmul z2\\u\\().d, z2\\u\\().d, z31.d",
                ".endif",
                ".if (\\u < {unroll}) && ({op} == {add})",
                "fadd z2\\u\\().d, z2\\u\\().d, z1\\u\\().d",
                ".endif",
                ".if (\\u < {unroll}) && ({op} == {triad})",
                "fmla z2\\u\\().d, p0/m, z1\\u\\().d, z31.d",
                ".endif",
                ".endr",
                ".irp u, 0, 1, 2, 3, 4, 5, 6, 7",
                ".if \\u < {unroll}",
                ".if {nontemporal}",
                "stnt1d {{z2\\u\\().d}}, p0, [x2, #\\u, mul vl]",
                ".else",
                "st1d {{z2\\u\\().d}}, p0, [x2, #\\u, mul vl]",
                ".endif",
                ".endif",
                ".endr",
                "incb x0, all, mul #{unroll}",
                ".if {op} >= {add}",
                "incb x1, all, mul #{unroll}",
                ".endif",
                "incb x2, all, mul #{unroll}",
                "incd x16, all, mul #{unroll}",
                "cmp x16, x23",
                "b.lo 3b",
                "4:",
                // What is left over; x16 is where it begins.
                "whilelo p1.d, x16, x24",
                "b.eq 6f",
                "5:",
                "mov z20.d, x26",
                ".if {op} != {write}",
                "ld1d {{z20.d}}, p1/z, [x20, x16, lsl #3]",
                ".endif",
                ".if {op} >= {add}",
                "ld1d {{z10.d}}, p1/z, [x21, x16, lsl #3]",
                ".endif",
                ".if {op} == {scale}",
                "fmul z20.d, z20.d, z31.d",
                ".endif",
                ".if {op} == {add}",
                "fadd z20.d, z20.d, z10.d",
                ".endif",
                ".if {op} == {triad}",
                "fmla z20.d, p0/m, z10.d, z31.d",
                ".endif",
                "st1d {{z20.d}}, p1, [x22, x16, lsl #3]",
                ".if {op} == {write}",
                "mov z20.d, x26",
                ".endif",
                "incd x16",
                "whilelo p1.d, x16, x24",
                "b.mi 5b",
                "6:",
                "subs x25, x25, #1",
                "b.ne 2b",
                "9:",
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
