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
use crate::op::{Cost, Op, Shape};
use crate::vector::Vector;

/// The stream operations, in the order of the ceiling table.
pub const OPS: [Op; 6] = [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad];

/// Whether stores go through the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stores {
    /// Through the cache; a missing line is read first.
    Ordinary,
    /// Past the cache.
    Nontemporal,
}

/// The bytes to which arrays must be aligned: one cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

pub(crate) type StreamFn = unsafe fn(x: &[f64], y: &[f64], out: &mut [f64], s: f64) -> u64;

/// What an instruction set file says of one kernel.
pub(crate) struct StreamEntry {
    pub(crate) isa: Isa,
    pub(crate) op: Op,
    pub(crate) stores: Stores,
    pub(crate) streams: usize,
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

    /// The kernel for `op` on `isa`, if there is one and this CPU can run it. A read has no stores; ask for ordinary
    /// ones. Reads come with 1 or [`SIDE_BY_SIDE`] streams per thread, everything else with 1.
    pub fn find(op: Op, isa: Isa, stores: Stores, streams: usize) -> Option<StreamKernel> {
        StreamKernel::all().find(|k| k.op() == op && k.isa() == isa && k.stores() == stores && k.streams() == streams)
    }

    /// What it computes.
    pub fn op(self) -> Op {
        self.entry.op
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// The stores it uses.
    pub fn stores(self) -> Stores {
        self.entry.stores
    }

    /// Sequential streams that one thread reads side by side.
    pub fn streams(self) -> usize {
        self.entry.streams
    }

    /// What one run over arrays of `elements` elements costs.
    pub fn cost(self, elements: usize) -> Cost {
        self.op().cost(Shape::stream(elements as u64))
    }

    /// Runs once over arrays of equal length, aligned to [`ALIGNMENT`] bytes. Returns the wrapping sum of the bit
    /// patterns of `x` for a read, 0 otherwise.
    ///
    /// # Panics
    /// When the lengths differ or an array is not aligned.
    pub fn run(self, x: &[f64], y: &[f64], out: &mut [f64], s: f64) -> u64 {
        assert!(x.len() == y.len() && x.len() == out.len(), "stream arrays differ in length");
        let aligned = |address: usize| address.is_multiple_of(ALIGNMENT);
        assert!(
            aligned(x.as_ptr().addr()) && aligned(y.as_ptr().addr()) && aligned(out.as_ptr().addr()),
            "stream arrays are not aligned to {ALIGNMENT} bytes"
        );
        // SAFETY: the entry was handed out only because the CPU has its ISA; lengths and alignment are checked above.
        unsafe { (self.entry.run)(x, y, out, s) }
    }
}

/// Streams that the other read kernel has: four were 3 % faster than one, and two or prefetching no better, on two cores
/// of an AMD EPYC (Zen 3) VM.
pub const SIDE_BY_SIDE: usize = 4;

/// Vectors per loop turn: 512 bytes for 64-byte vectors hide the loop's own instructions.
const UNROLL: usize = 8;

/// Reads `STREAMS` parts of the array side by side: several sequential streams keep more lines in flight than one.
///
/// # Safety
/// `V`'s ISA is available.
#[inline(always)]
pub(crate) unsafe fn read<V: Vector, const STREAMS: usize>(x: &[f64], _y: &[f64], _out: &mut [f64], _s: f64) -> u64 {
    let vectors = UNROLL / STREAMS;
    let step = V::LANES * vectors;
    let part = x.len() / STREAMS / step * step;
    let start = x.as_ptr();
    // SAFETY: every vector load lies below `part` in one of STREAMS parts, together ≤ x.len(); the lane array has room
    // for the widest vector; ISA by contract.
    unsafe {
        let mut sums = [V::splat(0.0); UNROLL];
        let mut i = 0;
        while i < part {
            for (u, sum) in sums.iter_mut().enumerate() {
                let at = u / vectors * part + i + u % vectors * V::LANES;
                *sum = sum.add_bits(V::load(start.add(at)));
            }
            i += step;
        }
        let total = sums.into_iter().fold(V::splat(0.0), |a, b| a.add_bits(b));
        let mut lanes = [0.0_f64; 8];
        total.store(lanes.as_mut_ptr());
        let vectors = lanes[..V::LANES].iter().fold(0_u64, |a, b| a.wrapping_add(b.to_bits()));
        x[part * STREAMS..].iter().fold(vectors, |a, b| a.wrapping_add(b.to_bits()))
    }
}

/// The kernels that write: `out[i] = value(x[i], y[i], s)`, differing only in `value`.
///
/// # Safety
/// `V`'s ISA is available; for `NONTEMPORAL`, `out` is aligned to the vector.
#[inline(always)]
unsafe fn map<V: Vector, const NONTEMPORAL: bool>(
    x: &[f64],
    y: &[f64],
    out: &mut [f64],
    s: f64,
    vector: impl Fn(*const f64, *const f64, V) -> V,
    scalar: impl Fn(f64, f64) -> f64,
) -> u64 {
    let n = out.len();
    let step = V::LANES * UNROLL;
    let body = n - n % step;
    let (from_x, from_y, to) = (x.as_ptr(), y.as_ptr(), out.as_mut_ptr());
    // SAFETY: all offsets lie below `body` ≤ n, the common length; `to` is aligned and offsets are whole vectors.
    unsafe {
        let factor = V::splat(s);
        let mut i = 0;
        while i < body {
            for u in 0..UNROLL {
                let at = i + u * V::LANES;
                let value = vector(from_x.add(at), from_y.add(at), factor);
                if NONTEMPORAL { value.store_nontemporal(to.add(at)) } else { value.store(to.add(at)) }
            }
            i += step;
        }
        if NONTEMPORAL {
            V::fence();
        }
    }
    for i in body..n {
        out[i] = scalar(x[i], y[i]);
    }
    0
}

macro_rules! writers {
    ($($name:ident, |$x:pat_param, $y:pat_param, $s:pat_param| $vector:expr, $scalar:expr;)*) => {$(
        /// # Safety
        /// `V`'s ISA is available; arrays of equal length; for `NONTEMPORAL`, `out` is aligned to the vector.
        #[inline(always)]
        pub(crate) unsafe fn $name<V: Vector, const NONTEMPORAL: bool>(
            x: &[f64],
            y: &[f64],
            out: &mut [f64],
            s: f64,
        ) -> u64 {
            #[allow(unused_unsafe, reason = "a fill computes nothing")]
            let vector = |$x: *const f64, $y: *const f64, $s: V| -> V {
                // SAFETY: `map` calls it with pointers to LANES readable values, where the ISA is available.
                unsafe { $vector }
            };
            let scalar: fn(f64, f64, f64) -> f64 = $scalar;
            // SAFETY: passed on from the caller.
            unsafe { map::<V, NONTEMPORAL>(x, y, out, s, vector, |a, b| scalar(a, b, s)) }
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

/// Instantiates the six streams for one vector type as functions with their target features, and lists them.
macro_rules! stream_table {
    ($isa:expr, $vector:ty, $(#[$features:meta])?, $nontemporal:tt) => {
        $crate::ops::stream::stream_table!(@ordinary $isa, $vector, $(#[$features])?,
            read Read, write Write, copy Copy, scale Scale, add Add, triad Triad);
        $crate::ops::stream::stream_table!(@$nontemporal $isa, $vector, $(#[$features])?,
            write Write, copy Copy, scale Scale, add Add, triad Triad);
    };
    (@ordinary $isa:expr, $vector:ty, $(#[$features:meta])?, read Read, $($name:ident $op:ident),*) => {
        mod ordinary {
            use super::*;
            /// # Safety
            /// The instruction set is available.
            $(#[$features])?
            pub(super) unsafe fn read(x: &[f64], y: &[f64], out: &mut [f64], s: f64) -> u64 {
                // SAFETY: passed on from the caller.
                unsafe { stream::read::<$vector, 1>(x, y, out, s) }
            }
            /// # Safety
            /// The instruction set is available.
            $(#[$features])?
            pub(super) unsafe fn read_side_by_side(x: &[f64], y: &[f64], out: &mut [f64], s: f64) -> u64 {
                // SAFETY: passed on from the caller.
                unsafe { stream::read::<$vector, { stream::SIDE_BY_SIDE }>(x, y, out, s) }
            }
            $crate::ops::stream::stream_table!(@functions false, $vector, $(#[$features])?, $($name),*);
        }
        const ORDINARY: &[StreamEntry] = &[
            StreamEntry { isa: $isa, op: Op::Read, stores: Stores::Ordinary, streams: 1, run: ordinary::read },
            StreamEntry {
                isa: $isa,
                op: Op::Read,
                stores: Stores::Ordinary,
                streams: stream::SIDE_BY_SIDE,
                run: ordinary::read_side_by_side,
            },
            $(StreamEntry { isa: $isa, op: Op::$op, stores: Stores::Ordinary, streams: 1, run: ordinary::$name },)*
        ];
    };
    (@nontemporal $isa:expr, $vector:ty, $(#[$features:meta])?, $($name:ident $op:ident),*) => {
        mod nontemporal {
            use super::*;
            $crate::ops::stream::stream_table!(@functions true, $vector, $(#[$features])?, $($name),*);
        }
        const NONTEMPORAL: &[StreamEntry] = &[
            $(StreamEntry { isa: $isa, op: Op::$op, stores: Stores::Nontemporal, streams: 1, run: nontemporal::$name },)*
        ];
    };
    (@none $($rest:tt)*) => { const NONTEMPORAL: &[StreamEntry] = &[]; };
    (@functions $nt:literal, $vector:ty, $(#[$features:meta])?, $($name:ident),*) => {
        $crate::ops::stream::stream_table!(@each $nt, $vector, [$(#[$features])?], $($name),*);
    };
    (@each $nt:literal, $vector:ty, $features:tt, $($name:ident),*) => {
        $($crate::ops::stream::stream_table!(@one $nt, $vector, $features, $name);)*
    };
    (@one $nt:literal, $vector:ty, [$(#[$features:meta])?], $name:ident) => {
        /// # Safety
        /// The instruction set is available.
        $(#[$features])?
        pub(super) unsafe fn $name(x: &[f64], y: &[f64], out: &mut [f64], s: f64) -> u64 {
            // SAFETY: passed on from the caller.
            unsafe { stream::$name::<$vector, $nt>(x, y, out, s) }
        }
    };
}
pub(crate) use stream_table;
