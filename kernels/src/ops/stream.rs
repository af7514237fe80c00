//! Streams: STREAM's kernels and a pure read, over arrays of f64.
//!
//! ```text
//! read   sum += bits(x[i])          copy   out[i] = x[i]            add    out[i] = x[i] + y[i]
//! write  out[i] = s                 scale  out[i] = s·x[i]          triad  out[i] = x[i] + s·y[i]
//! ```
//!
//! The read sums the 64-bit patterns as wrapping integers: one cheap instruction per vector, and a checksum that is
//! exact in any order, so that the oracle can demand equality.

use crate::isa::Isa;
use crate::named::named_enum;
use crate::op::{Cost, Op, Shape};
use crate::simd::{Float, Floats, Kernel, Vector};
use std::hint::{assert_unchecked, black_box};
use std::marker::PhantomData;

/// The stream operations, in the order of the ceiling table.
pub const OPS: [Op; 6] = [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad];

named_enum! {
    /// Whether stores go through the cache.
    pub enum Stores: "kind of stores" {
        /// Through the cache; a missing line is read first.
        Ordinary = "ordinary",
        /// Past the cache.
        Nontemporal = "nontemporal",
    }
}

/// How a stream goes about its work: what a probe tries, one way beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ways {
    /// Whether stores go through the cache; a read has none, and counts as ordinary.
    pub stores: Stores,
    /// Sequential streams that one thread reads side by side.
    pub streams: usize,
    /// How far ahead each line is asked for by an instruction of its own; 0: the hardware alone prefetches.
    pub prefetch_bytes: usize,
}

impl Ways {
    /// One stream without software prefetch.
    pub const fn plain(stores: Stores) -> Ways {
        Ways { stores, streams: 1, prefetch_bytes: 0 }
    }

    /// A read of `streams` streams, each line asked for `prefetch_bytes` ahead.
    pub const fn reading(streams: usize, prefetch_bytes: usize) -> Ways {
        Ways { stores: Stores::Ordinary, streams, prefetch_bytes }
    }
}

/// How many streams side by side reads come with, on every instruction set.
pub const SIDE_BY_SIDE: [usize; 4] = [1, 2, 4, 8];

/// How far ahead single-stream reads ask for their lines, where the instruction set can ask.
pub const PREFETCH_BYTES: [usize; 4] = [512, 1024, 2048, 4096];

/// The bytes to which arrays must be aligned: one cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

/// The arrays of a stream, all of one length, and how often they are walked over.
pub(crate) struct Arrays<'a> {
    x: &'a [f64],
    y: &'a [f64],
    out: &'a mut [f64],
    s: f64,
    repetitions: u64,
}

/// One kernel in the table of an instruction set.
pub(crate) struct StreamEntry {
    isa: Isa,
    op: Op,
    pub(crate) ways: Ways,
    run: unsafe fn(Arrays<'_>) -> u64,
}

/// A stream kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct StreamKernel {
    entry: &'static StreamEntry,
}

impl StreamKernel {
    /// # Safety
    /// The entry's instruction set is available.
    pub(crate) unsafe fn new(entry: &'static StreamEntry) -> StreamKernel {
        StreamKernel { entry }
    }

    /// What it computes.
    pub fn op(self) -> Op {
        self.entry.op
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// How it goes about it.
    pub fn ways(self) -> Ways {
        self.entry.ways
    }

    /// What one run over arrays of `elements` elements costs.
    pub fn cost(self, elements: usize) -> Cost {
        self.op().cost(Shape::stream(elements as u64))
    }

    /// Walks `repetitions` times over arrays of equal length, aligned to [`ALIGNMENT`] bytes. Returns the wrapping sum of
    /// the bit patterns of `x`, once per walk, for a read; 0 otherwise.
    ///
    /// The walks follow one another inside the kernel: over a first-level cache one takes a tenth of a microsecond, and a
    /// call and a reduction for each would be a tenth of that.
    ///
    /// # Panics
    /// When the lengths differ or an array is not aligned.
    pub fn run(self, x: &[f64], y: &[f64], out: &mut [f64], s: f64, repetitions: u64) -> u64 {
        assert!(x.len() == y.len() && x.len() == out.len(), "stream arrays differ in length");
        let aligned = |address: usize| address.is_multiple_of(ALIGNMENT);
        assert!(
            aligned(x.as_ptr().addr()) && aligned(y.as_ptr().addr()) && aligned(out.as_ptr().addr()),
            "stream arrays are not aligned to {ALIGNMENT} bytes"
        );
        // SAFETY: whoever made this vouched for the instruction set; lengths and alignment are checked above.
        unsafe { (self.entry.run)(Arrays { x, y, out, s, repetitions }) }
    }
}

/// The streams of an instruction set, derived from what its token can do.
pub(crate) struct Streams<S>(PhantomData<S>);

impl<S: Floats> Streams<S> {
    const READS: [StreamEntry; SIDE_BY_SIDE.len() + PREFETCH_BYTES.len()] = [
        Self::read::<1, 0>(),
        Self::read::<2, 0>(),
        Self::read::<4, 0>(),
        Self::read::<8, 0>(),
        Self::read::<1, 512>(),
        Self::read::<1, 1024>(),
        Self::read::<1, 2048>(),
        Self::read::<1, 4096>(),
    ];
    const WRITES: [StreamEntry; 10] = [
        Self::write::<WRITE, false>(Op::Write),
        Self::write::<COPY, false>(Op::Copy),
        Self::write::<SCALE, false>(Op::Scale),
        Self::write::<ADD, false>(Op::Add),
        Self::write::<TRIAD, false>(Op::Triad),
        Self::write::<WRITE, true>(Op::Write),
        Self::write::<COPY, true>(Op::Copy),
        Self::write::<SCALE, true>(Op::Scale),
        Self::write::<ADD, true>(Op::Add),
        Self::write::<TRIAD, true>(Op::Triad),
    ];

    /// Reads, with prefetches where the token has them; and what writes, past the cache where its vectors can.
    pub(crate) const TABLE: [&'static [StreamEntry]; 2] = [
        Self::READS.split_at(if S::PREFETCHES { 8 } else { 4 }).0,
        Self::WRITES.split_at(if S::F64::NONTEMPORAL { 10 } else { 5 }).0,
    ];

    const fn read<const STREAMS: usize, const PREFETCH: usize>() -> StreamEntry {
        StreamEntry {
            isa: S::ISA,
            op: Op::Read,
            ways: Ways::reading(STREAMS, PREFETCH),
            run: S::run::<Read<STREAMS, PREFETCH>>,
        }
    }

    const fn write<const OP: usize, const NONTEMPORAL: bool>(op: Op) -> StreamEntry {
        let stores = if NONTEMPORAL { Stores::Nontemporal } else { Stores::Ordinary };
        StreamEntry { isa: S::ISA, op, ways: Ways::plain(stores), run: S::run::<Write<OP, NONTEMPORAL>> }
    }
}

/// Vectors per loop turn: 512 bytes for 64-byte vectors hide the loop's own instructions.
const UNROLL: usize = 8;

/// Elements of one cache line.
const LINE_LANES: usize = 8;

/// Reads `STREAMS` parts of the array side by side: several sequential streams keep more lines in flight than one.
/// With `PREFETCH`, each line is asked for that many bytes ahead.
struct Read<const STREAMS: usize, const PREFETCH: usize>;

impl<S: Floats, const STREAMS: usize, const PREFETCH: usize> Kernel<S> for Read<STREAMS, PREFETCH> {
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(token: S, arrays: Arrays<'_>) -> u64 {
        const { assert!(UNROLL.is_multiple_of(STREAMS)) };
        let vectors = UNROLL / STREAMS;
        let lanes = S::F64::LANES;
        let step = lanes * vectors;
        let len = arrays.x.len();
        let part = len / STREAMS / step * step;
        let mut rest = 0_u64;
        let mut sums: [S::F64; UNROLL] = [token.splat(0.0); UNROLL];
        for _ in 0..arrays.repetitions {
            // A fresh opaque pointer for each walk: the compiler cannot know that the walks repeat each other.
            let start = black_box(arrays.x.as_ptr());
            // SAFETY: arrays are aligned, see `StreamKernel::run`. Portable vectors are loaded faster where it is known.
            unsafe { assert_unchecked(start.addr().is_multiple_of(ALIGNMENT)) }
            let mut i = 0;
            while i < part {
                for (u, sum) in sums.iter_mut().enumerate() {
                    let at = u / vectors * part + i + u % vectors * lanes;
                    debug_assert!(at + lanes <= len);
                    // SAFETY: the vector lies below `part` in one of STREAMS parts, which are together within the array.
                    let from = unsafe { start.add(at) };
                    if PREFETCH > 0 && (u % vectors * lanes).is_multiple_of(LINE_LANES) {
                        token.prefetch_first_level(from.wrapping_byte_add(PREFETCH).cast());
                    }
                    // SAFETY: as above.
                    *sum = sum.add_bits(unsafe { token.load_from(from) });
                }
                i += step;
            }
            for at in part * STREAMS..len {
                // SAFETY: the element lies in the array.
                rest = rest.wrapping_add(unsafe { *start.add(at) }.to_bits());
            }
        }
        let total = sums.into_iter().fold(token.splat(0.0), |a: S::F64, b| a.add_bits(b));
        let mut last = [0.0_f64; 8];
        total.store(&mut last);
        last[..lanes].iter().fold(rest, |a, b| a.wrapping_add(b.to_bits()))
    }
}

const WRITE: usize = Op::Write as usize;
const COPY: usize = Op::Copy as usize;
const SCALE: usize = Op::Scale as usize;
const ADD: usize = Op::Add as usize;
const TRIAD: usize = Op::Triad as usize;

/// What `OP` makes of one vector of each array.
#[inline(always)]
fn value<V: Float, const OP: usize>(x: V, y: V, s: V) -> V {
    match OP {
        WRITE => s,
        COPY => x,
        SCALE => x.mul(s),
        ADD => x.add(y),
        _ => y.mul_add(s, x),
    }
}

/// The kernels that write: `out[i] = value(x[i], y[i], s)`.
struct Write<const OP: usize, const NONTEMPORAL: bool>;

impl<S: Floats, const OP: usize, const NONTEMPORAL: bool> Kernel<S> for Write<OP, NONTEMPORAL> {
    type Input<'a> = Arrays<'a>;
    type Output = u64;

    #[inline(always)]
    fn run(token: S, arrays: Arrays<'_>) -> u64 {
        let n = arrays.out.len();
        debug_assert!(arrays.x.len() == n && arrays.y.len() == n);
        debug_assert!(arrays.out.as_ptr().addr().is_multiple_of(ALIGNMENT));
        let step = S::F64::LANES * UNROLL;
        let body = n - n % step;
        let factor: S::F64 = token.splat(arrays.s);
        for _ in 0..arrays.repetitions {
            // Opaque for each walk: no store of one may be left out because the next repeats it.
            let (from_x, from_y) = (black_box(arrays.x.as_ptr()), black_box(arrays.y.as_ptr()));
            let to = black_box(arrays.out.as_mut_ptr());
            let mut i = 0;
            while i < body {
                for u in 0..UNROLL {
                    let at = i + u * S::F64::LANES;
                    // SAFETY: vectors below `body` lie within the arrays, which are of one length. The output is aligned
                    // to the widest vector, and offsets are whole vectors.
                    unsafe {
                        let x: S::F64 = token.load_from(from_x.add(at));
                        let value = value::<S::F64, OP>(x, token.load_from(from_y.add(at)), factor);
                        if NONTEMPORAL { value.stream_to(to.add(at)) } else { value.store_to(to.add(at)) }
                    }
                }
                i += step;
            }
            for at in body..n {
                // SAFETY: the element lies in the arrays. An array of one element is a vector, too.
                unsafe { to.add(at).write(value::<[f64; 1], OP>([*from_x.add(at)], [*from_y.add(at)], [arrays.s])[0]) }
            }
        }
        if NONTEMPORAL {
            token.fence_stores();
        }
        0
    }
}
