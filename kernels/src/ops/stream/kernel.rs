//! A stream kernel, and what it is called with.

use super::{Checksum, PREFETCH_BYTES, Ways};
use crate::isa::Isa;
use crate::op::{Cost, Op, Shape};

/// The bytes to which arrays must be aligned: one cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

/// The arrays of a stream, all of one length, and how often they are walked over.
pub(crate) struct Arrays<'a> {
    pub(crate) x: &'a [f64],
    pub(crate) y: &'a [f64],
    pub(crate) out: &'a mut [f64],
    pub(crate) s: f64,
    pub(crate) repetitions: u64,
    pub(crate) prefetch_bytes: usize,
}

/// One kernel in the table of an instruction set.
pub(crate) struct StreamEntry {
    pub(crate) isa: Isa,
    pub(crate) op: Op,
    /// Without a prefetch, whose distance comes with the call.
    pub(crate) ways: Ways,
    /// Whether it asks for each line ahead.
    pub(crate) prefetches: bool,
    pub(crate) run: unsafe fn(Arrays<'_>) -> u64,
}

impl StreamEntry {
    /// What it computes.
    pub(crate) fn op(&self) -> Op {
        self.op
    }

    /// Whether it goes about its work so.
    pub(crate) fn goes(&self, op: Op, ways: Ways) -> bool {
        let prefetches = ways.prefetch_bytes > 0;
        self.op == op && self.prefetches == prefetches && self.ways == Ways { prefetch_bytes: 0, ..ways }
    }

    /// The ways that are tested.
    pub(crate) fn all_ways(&self) -> impl Iterator<Item = Ways> + use<> {
        let (ways, distances) = (self.ways, if self.prefetches { PREFETCH_BYTES.as_slice() } else { &[0] });
        distances.iter().map(move |&prefetch_bytes| Ways { prefetch_bytes, ..ways })
    }
}

/// A stream kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct StreamKernel {
    entry: &'static StreamEntry,
    prefetch_bytes: usize,
}

impl StreamKernel {
    /// # Safety
    /// The entry's instruction set is available.
    pub(crate) unsafe fn new(entry: &'static StreamEntry, prefetch_bytes: usize) -> StreamKernel {
        StreamKernel { entry, prefetch_bytes }
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
        Ways { prefetch_bytes: self.prefetch_bytes, ..self.entry.ways }
    }

    /// What a read makes of the elements.
    pub fn checksum(self) -> Checksum {
        self.entry.ways.checksum
    }

    /// What one run over arrays of `elements` elements costs.
    pub fn cost(self, elements: usize) -> Cost {
        self.op().cost(Shape::stream(elements as u64))
    }

    /// Walks `repetitions` times over arrays of equal length, aligned to [`ALIGNMENT`] bytes. Returns the
    /// [checksum](Checksum) of `x`, once per walk and wrapping, for a read; 0 otherwise.
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
        let prefetch_bytes = self.prefetch_bytes;
        // SAFETY: whoever made this vouched for the instruction set; lengths and alignment are checked above.
        unsafe { (self.entry.run)(Arrays { x, y, out, s, repetitions, prefetch_bytes }) }
    }
}
