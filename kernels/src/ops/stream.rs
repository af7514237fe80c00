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
use crate::vector::Vector;
use std::hint::black_box;

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

pub(crate) type StreamFn = unsafe fn(arrays: Arrays<'_>, s: f64, repetitions: u64) -> u64;

/// The arrays of a stream, all of one length.
pub(crate) struct Arrays<'a> {
    x: &'a [f64],
    y: &'a [f64],
    out: &'a mut [f64],
}

/// What an instruction set file says of one kernel.
pub(crate) struct StreamEntry {
    pub(crate) isa: Isa,
    pub(crate) op: Op,
    pub(crate) ways: Ways,
    pub(crate) run: StreamFn,
}

/// A stream kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct StreamKernel {
    entry: &'static StreamEntry,
}

impl StreamKernel {
    /// Every stream kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = StreamKernel> {
        crate::arch::streams().filter(|entry| entry.isa.available()).map(|entry| StreamKernel { entry })
    }

    /// The kernel for `op` on `isa` that works in such ways, if there is one and this CPU can run it.
    ///
    /// Reads come with [`SIDE_BY_SIDE`] streams, and with one stream at each of [`PREFETCH_BYTES`]; what writes comes in
    /// the plain way, with both stores where there are both.
    pub fn find(op: Op, isa: Isa, ways: Ways) -> Option<StreamKernel> {
        StreamKernel::all().find(|k| k.op() == op && k.isa() == isa && k.ways() == ways)
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
        // SAFETY: the entry was handed out only because the CPU has its ISA; lengths and alignment are checked above.
        unsafe { (self.entry.run)(Arrays { x, y, out }, s, repetitions) }
    }
}

/// Vectors per loop turn: 512 bytes for 64-byte vectors hide the loop's own instructions.
const UNROLL: usize = 8;

/// Reads `STREAMS` parts of the array side by side: several sequential streams keep more lines in flight than one.
/// With `PREFETCH`, each line is asked for that many bytes ahead.
///
/// # Safety
/// `V`'s ISA is available.
#[inline(always)]
pub(crate) unsafe fn read<V: Vector, const STREAMS: usize, const PREFETCH: usize>(
    arrays: Arrays<'_>,
    repetitions: u64,
) -> u64 {
    const { assert!(UNROLL.is_multiple_of(STREAMS)) };
    let vectors = UNROLL / STREAMS;
    let step = V::LANES * vectors;
    let len = arrays.x.len();
    let part = len / STREAMS / step * step;
    let mut rest = 0_u64;
    // SAFETY: every vector load lies below `part` in one of STREAMS parts, together ≤ the array's length; the lane array
    // has room for the widest vector; ISA by contract.
    unsafe {
        let mut sums = [V::splat(0.0); UNROLL];
        for _ in 0..repetitions {
            // A fresh opaque pointer for each walk: the compiler cannot know that the walks repeat each other.
            let start = black_box(arrays.x.as_ptr());
            let mut i = 0;
            while i < part {
                for (u, sum) in sums.iter_mut().enumerate() {
                    let from = start.add(u / vectors * part + i + u % vectors * V::LANES);
                    if PREFETCH > 0 && (u % vectors * V::LANES).is_multiple_of(LINE_LANES) {
                        V::prefetch(from.wrapping_byte_add(PREFETCH));
                    }
                    *sum = sum.add_bits(V::load(from));
                }
                i += step;
            }
            for at in part * STREAMS..len {
                rest = rest.wrapping_add((*start.add(at)).to_bits());
            }
        }
        let total = sums.into_iter().fold(V::splat(0.0), |a, b| a.add_bits(b));
        let mut lanes = [0.0_f64; 8];
        total.store(lanes.as_mut_ptr());
        lanes[..V::LANES].iter().fold(rest, |a, b| a.wrapping_add(b.to_bits()))
    }
}

/// Elements of one cache line.
const LINE_LANES: usize = 8;

/// The kernels that write: `out[i] = value(x[i], y[i], s)`, differing only in `value`.
///
/// # Safety
/// `V`'s ISA is available; arrays of equal length; for `NONTEMPORAL`, `out` is aligned to the vector.
#[inline(always)]
unsafe fn map<V: Vector, const NONTEMPORAL: bool>(
    arrays: Arrays<'_>,
    s: f64,
    repetitions: u64,
    vector: impl Fn(*const f64, *const f64, V) -> V,
    scalar: impl Fn(f64, f64) -> f64,
) -> u64 {
    let n = arrays.out.len();
    let step = V::LANES * UNROLL;
    let body = n - n % step;
    // SAFETY: all offsets lie below n, the common length; vectors below `body`; `to` is aligned and offsets are whole
    // vectors.
    unsafe {
        let factor = V::splat(s);
        for _ in 0..repetitions {
            // Opaque for each walk: no store of one may be left out because the next repeats it.
            let (from_x, from_y) = (black_box(arrays.x.as_ptr()), black_box(arrays.y.as_ptr()));
            let to = black_box(arrays.out.as_mut_ptr());
            let mut i = 0;
            while i < body {
                for u in 0..UNROLL {
                    let at = i + u * V::LANES;
                    let value = vector(from_x.add(at), from_y.add(at), factor);
                    if NONTEMPORAL { value.store_nontemporal(to.add(at)) } else { value.store(to.add(at)) }
                }
                i += step;
            }
            for at in body..n {
                *to.add(at) = scalar(*from_x.add(at), *from_y.add(at));
            }
        }
        if NONTEMPORAL {
            V::fence();
        }
    }
    0
}

macro_rules! writers {
    ($($name:ident, |$x:pat_param, $y:pat_param, $s:pat_param| $vector:expr, $scalar:expr;)*) => {$(
        /// # Safety
        /// `V`'s ISA is available; arrays of equal length; for `NONTEMPORAL`, `out` is aligned to the vector.
        #[inline(always)]
        pub(crate) unsafe fn $name<V: Vector, const NONTEMPORAL: bool>(
            arrays: Arrays<'_>,
            s: f64,
            repetitions: u64,
        ) -> u64 {
            #[allow(unused_unsafe, reason = "a fill computes nothing")]
            let vector = |$x: *const f64, $y: *const f64, $s: V| -> V {
                // SAFETY: `map` calls it with pointers to LANES readable values, where the ISA is available.
                unsafe { $vector }
            };
            let scalar: fn(f64, f64, f64) -> f64 = $scalar;
            // SAFETY: passed on from the caller.
            unsafe { map::<V, NONTEMPORAL>(arrays, s, repetitions, vector, |a, b| scalar(a, b, s)) }
        }
    )*};
}

writers! {
    write, |_, _, s| s, |_, _, s| s;
    copy, |x, _, _| V::load(x), |x, _, _| x;
    scale, |x, _, s| V::load(x).mul(s), |x, _, s| s * x;
    add, |x, y, _| V::load(x).add(V::load(y)), |x, y, _| x + y;
    triad, |x, y, s| V::load(y).mul_add(s, V::load(x)), |x, y, s| x + s * y;
}

/// Instantiates the streams for one vector type as functions with their target features, and lists them: the reads of
/// the streams and prefetch distances named, and every writer with the stores named.
macro_rules! stream_table {
    ($isa:expr, $vector:ty, [$($(#[$features:meta])+)?], reads: [$(($streams:literal, $prefetch:literal)),* $(,)?],
     stores: [$($stores:ident),*]) => {
        mod instances {
            use super::*;
            /// # Safety
            /// The instruction set is available.
            $($(#[$features])+)?
            pub(super) unsafe fn read<const STREAMS: usize, const PREFETCH: usize>(
                arrays: Arrays<'_>,
                _s: f64,
                repetitions: u64,
            ) -> u64 {
                // SAFETY: passed on from the caller.
                unsafe { stream::read::<$vector, STREAMS, PREFETCH>(arrays, repetitions) }
            }
            $crate::ops::stream::stream_table!(@writers $vector, [$($(#[$features])+)?], write, copy, scale, add, triad);
        }
        const READS: &[StreamEntry] = &[$(StreamEntry {
            isa: $isa,
            op: Op::Read,
            ways: Ways::reading($streams, $prefetch),
            run: instances::read::<$streams, $prefetch>,
        }),*];
        const WRITES: &[&[StreamEntry]] = &[$($crate::ops::stream::stream_table!(@entries $isa, $stores,
            write Write, copy Copy, scale Scale, add Add, triad Triad)),*];
        pub(super) const STREAMS: &[&[StreamEntry]] = $crate::ops::stream::stream_table!(@tables $($stores),*);
    };
    (@tables $one:ident) => { &[READS, WRITES[0]] };
    (@tables $one:ident, $two:ident) => { &[READS, WRITES[0], WRITES[1]] };
    (@entries $isa:expr, $stores:ident, $($name:ident $op:ident),*) => {
        &[$(StreamEntry {
            isa: $isa,
            op: Op::$op,
            ways: Ways::plain(Stores::$stores),
            run: instances::$name::<{ matches!(Stores::$stores, Stores::Nontemporal) }>,
        }),*]
    };
    (@writers $vector:ty, $features:tt, $($name:ident),*) => {
        $($crate::ops::stream::stream_table!(@writer $vector, $features, $name);)*
    };
    (@writer $vector:ty, [$($(#[$features:meta])+)?], $name:ident) => {
        /// # Safety
        /// The instruction set is available; for `NONTEMPORAL`, `out` is aligned to the vector.
        $($(#[$features])+)?
        pub(super) unsafe fn $name<const NONTEMPORAL: bool>(arrays: Arrays<'_>, s: f64, repetitions: u64) -> u64 {
            // SAFETY: passed on from the caller.
            unsafe { stream::$name::<$vector, NONTEMPORAL>(arrays, s, repetitions) }
        }
    };
}
pub(crate) use stream_table;
