//! The chase: dependent loads along a random cycle, the latency of a level of the memory hierarchy.
//!
//! ```text
//! at = start;  repeat: at = *at            every load waits for the one before it
//! ```
//!
//! The array is cut into lines, each holding the address of the next. The cycle visits all lines of a window in random
//! order, then those of another window, and the windows themselves follow one another at random: no stride for a
//! prefetcher to guess, and few pages at a time, so that it is the cache that is measured and not the TLB. Beside the
//! address each line holds its rank in the cycle: where a run must have come to is known exactly, whatever its length.

use crate::buffer::{Buffer, Pages};
use crate::op::{Cost, Op, Shape};
use crate::reference::Random;
use std::io;

/// The least distance of two lines: a cache line.
pub const LINE_BYTES: usize = 64;

/// The lines that a chase visits, and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChasePattern {
    /// Bytes of the whole array.
    pub bytes: usize,
    /// Bytes from one line to the next, rounded up to whole [`LINE_BYTES`]. Two lines keep out of the way of prefetchers
    /// that fetch them in pairs.
    pub stride_bytes: usize,
    /// Bytes within which the lines are visited before the next window is entered; the array's size or more: one window.
    /// Not a page or a few: Zen 4 fetches the rest of a page it has seen a few lines of, and a window of 4 KiB shows a
    /// third of the latency of memory, where 64 KiB to 1 MiB with a stride of two lines agree within 5 %.
    pub window_bytes: usize,
    /// The pages asked for.
    pub pages: Pages,
}

/// An array with a cycle through all of its lines, and how far along the cycle one is.
pub struct Chase {
    buffer: Buffer,
    lines: usize,
    /// Where the last run ended: the address of a line.
    at: usize,
}

impl Chase {
    /// Lays a cycle through a fresh array that the calling thread touches first.
    ///
    /// # Errors
    /// When there is no memory, or no room for a single line.
    pub fn new(pattern: ChasePattern, seed: u64) -> io::Result<Chase> {
        let stride = pattern.stride_bytes.max(1).next_multiple_of(LINE_BYTES);
        let lines = pattern.bytes / stride;
        if lines == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the array has no room for a line"));
        }
        let mut buffer = Buffer::new(pattern.bytes / size_of::<u64>(), pattern.pages, 0)?;
        let base = buffer.as_slice().as_ptr().addr();
        let order = cycle(lines, (pattern.window_bytes / stride).max(1), &mut Random::new(seed));
        let words = buffer.as_mut_words();
        for (rank, &line) in order.iter().enumerate() {
            let next = order[(rank + 1) % lines];
            let first = line * stride / size_of::<u64>();
            words[first] = (base + next * stride) as u64;
            words[first + 1] = rank as u64;
        }
        let at = base + order[0] * stride;
        Ok(Chase { buffer, lines, at })
    }

    /// The lines of the cycle.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// What `steps` steps cost.
    pub fn cost(steps: u64) -> Cost {
        Op::Chase.cost(Shape::stream(steps))
    }

    /// The array's memory.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Goes `steps` steps on from where the last run ended. Afterwards [`Chase::rank`] has grown by as many, modulo the
    /// number of lines, if every load gave what was laid out.
    #[inline(never)]
    pub fn run(&mut self, steps: u64) {
        let base = self.buffer.as_slice().as_ptr().cast::<u64>();
        let mut at = base.with_addr(self.at);
        for _ in 0..steps {
            // SAFETY: `new` has put into the first word of each line the address of another line of this array, and
            // nothing writes to it afterwards.
            at = base.with_addr(unsafe { *at } as usize);
        }
        self.at = at.addr();
    }

    /// How many steps the cycle's first line lies behind.
    pub fn rank(&self) -> u64 {
        let words = self.buffer.as_words();
        words[(self.at - words.as_ptr().addr()) / size_of::<u64>() + 1]
    }
}

/// All of `0..lines` in the order of the visit: window by window, both shuffled.
pub fn cycle(lines: usize, window: usize, random: &mut Random) -> Vec<usize> {
    let mut windows: Vec<usize> = (0..lines.div_ceil(window)).collect();
    shuffle(&mut windows, random);
    let mut order = Vec::with_capacity(lines);
    for index in windows {
        let entered = order.len();
        order.extend(index * window..lines.min(index.saturating_add(1).saturating_mul(window)));
        shuffle(&mut order[entered..], random);
    }
    order
}

/// Fisher and Yates, with the slight bias of a modulus over 2⁶⁴.
fn shuffle(items: &mut [usize], random: &mut Random) {
    for last in (1..items.len()).rev() {
        items.swap(last, (random.bits() % (last as u64 + 1)) as usize);
    }
}
