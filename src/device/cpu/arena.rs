//! One thread's memory: what is read by streams, and what is overwritten: by streams, or by operands of the whole team.
//!
//! ```text
//! input    x, and behind it y where an operation reads two arrays: random numbers, written once
//! output   out; or weights of a format after another; or keys and values
//! ```
//!
//! A mapping is made once for each kind of pages, and the next job takes the pages that are there: mapping, faulting in and filling
//! take longer than many measurements. It ends when it is too small, or when the device is asked for other pages.

use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::stream::{Checksum, StreamKernel};
use roofprobe_kernels::reference::{self, Random};
use roofprobe_kernels::{Op, Shape};
use std::collections::HashMap;
use std::hint::black_box;
use std::io;

/// The factor of scale and triad: no power of two, so that a product is a real one.
const FACTOR: f64 = 0.718_281_828;
/// Windows follow one another this far apart, as a share of all: the golden section visits near and far evenly.
const WINDOW_STEP: f64 = 0.618_033_989;

/// Which part of the arrays a job walks over, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Walk {
    /// Elements of each array that take part.
    pub(super) len: usize,
    /// Elements of one repetition: all of them, or a window that moves on with each.
    pub(super) window: usize,
}

/// Address space that is mapped at least: it costs nothing, and what comes later need not be mapped anew.
const MAPPED_BYTES_MIN: usize = 256 << 20;
/// Random numbers are written in whole chunks, each from a seed of its own.
const CHUNK: usize = 32 << 10;
/// Arrays start at different lines of different pages of 2 MiB, so that they do not compete for the same cache sets.
const BOUNDARY_BYTES: usize = 2 << 20;
const Y_OFFSET_BYTES: usize = 5 * 4096 + 1088;
const OUT_OFFSET_BYTES: usize = 10 * 4096 + 2176;

/// One thread's memory on one kind of pages. A smaller job takes the beginning of each array.
pub(super) struct Arena {
    input: Region,
    output: Region,
    /// Of the first random number.
    seed: u64,
    huge_share: Option<f64>,
    walks: HashMap<WalkKey, Windows>,
}

/// Memory that is mapped ahead and touched as needed.
struct Region {
    pages: Pages,
    offset_bytes: usize,
    buffer: Option<Buffer>,
    /// Elements from the beginning on that are backed by memory, and written.
    touched: usize,
}

impl Region {
    fn new(pages: Pages, offset_bytes: usize) -> Region {
        Region { pages, offset_bytes, buffer: None, touched: 0 }
    }

    /// Maps at least `len` elements. Returns whether the mapping is a new one.
    fn map(&mut self, len: usize) -> io::Result<bool> {
        if self.buffer.as_ref().is_some_and(|buffer| buffer.as_slice().len() >= len) {
            return Ok(false);
        }
        (self.buffer, self.touched) = (None, 0);
        let ahead = len.checked_next_power_of_two().unwrap_or(len).max(MAPPED_BYTES_MIN / 8);
        let buffer = Buffer::new(ahead, self.pages, self.offset_bytes);
        self.buffer = Some(buffer.or_else(|_| Buffer::new(len, self.pages, self.offset_bytes))?);
        Ok(true)
    }

    fn array(&self) -> &[f64] {
        self.buffer.as_ref().map_or(&[], Buffer::as_slice)
    }

    fn array_mut(&mut self) -> &mut [f64] {
        self.buffer.as_mut().map_or(&mut [], Buffer::as_mut_slice)
    }
}

/// Arrays that an operation reads, and arrays that it writes.
fn arrays(op: Op) -> (usize, usize) {
    let cost = op.cost(Shape::stream(1));
    (cost.input_read as usize, cost.output_written as usize)
}

/// A walk, and what a read makes of it; nothing where it writes.
type WalkKey = (Walk, Option<Checksum>);

fn walk_key(kernel: StreamKernel, walk: Walk) -> WalkKey {
    (walk, (kernel.op() == Op::Read).then(|| kernel.checksum()))
}

/// The windows of a walk.
struct Windows {
    /// The checksum of each, by the oracle.
    checksums: Vec<u64>,
    /// The next one.
    at: usize,
    step: usize,
}

/// What a walk came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    sum: u64,
    from: usize,
}

impl Walked {
    /// Both together, `later` having gone on where this one ended.
    pub(super) fn and(self, later: Walked) -> Walked {
        Walked { sum: self.sum.wrapping_add(later.sum), ..self }
    }
}

impl Arena {
    /// The memory of thread `index` on such pages: nothing is mapped yet.
    pub(super) fn new(pages: Pages, index: usize) -> Arena {
        let offset = index * 3 * 4096;
        Arena {
            input: Region::new(pages, offset),
            output: Region::new(pages, offset + OUT_OFFSET_BYTES),
            seed: 1 + ((index as u64) << 32),
            huge_share: None,
            walks: HashMap::new(),
        }
    }

    /// Makes sure that there are arrays of `len` elements for `op`, every page of them written by this thread. Returns whether any
    /// mapping is a new one.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub(super) fn prepare(&mut self, op: Op, len: usize) -> io::Result<bool> {
        let (inputs, outputs) = arrays(op);
        let needed = match inputs {
            0 => 0,
            1 => len,
            _ => second(len).checked_add(len).ok_or(io::ErrorKind::OutOfMemory)?,
        };
        // What an operation does not use is mapped all the same, and never touched.
        let fresh = [self.input.map(needed.max(len))?, self.output.map(len)?].contains(&true);
        if fresh {
            self.walks.clear();
        }
        let touched = (self.input.touched, self.output.touched);
        self.fill(needed);
        if outputs > 0 && self.output.touched < len {
            self.output.array_mut()[..len].fill(f64::NAN);
            self.output.touched = len;
        }
        if (self.input.touched, self.output.touched) != touched {
            let touched = if self.input.touched > 0 { &self.input } else { &self.output };
            self.huge_share = touched.buffer.as_ref().and_then(huge_share);
        }
        Ok(fresh)
    }

    /// Random numbers up to that element of what is read.
    fn fill(&mut self, needed: usize) {
        let from = self.input.touched;
        if needed <= from {
            return;
        }
        let array = self.input.array_mut();
        let to = needed.next_multiple_of(CHUNK).min(array.len());
        for (chunk, part) in array[from..to].chunks_mut(CHUNK).enumerate() {
            Random::new(black_box(self.seed + (from / CHUNK + chunk) as u64)).fill(part);
        }
        self.input.touched = to;
    }

    /// What is overwritten, at least `bytes` of it, for operands of the whole team.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub(super) fn lend(&mut self, bytes: usize) -> io::Result<Buffer> {
        self.output.map(bytes.div_ceil(8))?;
        self.output.touched = 0;
        self.output.buffer.take().ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Takes back what was lent.
    pub(super) fn take_back(&mut self, buffer: Buffer) {
        self.output.buffer = Some(buffer);
    }

    /// The share of huge pages that the system gave, where it reports it.
    pub(super) fn huge_share(&self) -> Option<f64> {
        self.huge_share
    }

    /// Makes what a pass is verified with: the sums of what a read reads, or a spoilt output, so that what a stream leaves
    /// unwritten cannot pass for its work.
    pub(super) fn prepare_verification(&mut self, kernel: StreamKernel, walk: Walk) {
        if kernel.op() == Op::Read {
            self.prepare_windows(kernel, walk);
        } else {
            self.output.array_mut()[..walk.len].fill(f64::NAN);
        }
    }

    /// Makes the windows of a walk: those of a read with their sums, as it is verified by them.
    pub(super) fn prepare_windows(&mut self, kernel: StreamKernel, walk: Walk) {
        let (key, x) = (walk_key(kernel, walk), &self.input.array()[..walk.len]);
        self.walks.entry(key).or_insert_with(|| match key.1 {
            Some(kind) => Windows::new(kind, x, walk.window),
            None => Windows::of(vec![0; walk.len / walk.window.max(1)]),
        });
    }

    /// Runs a stream `repetitions` times.
    pub(super) fn stream(&mut self, kernel: StreamKernel, walk: Walk, repetitions: u64) -> Walked {
        let (x, y) = inputs_of(kernel.op(), &self.input, walk.len);
        let out = self.output.array_mut();
        let factor = black_box(FACTOR);
        let windows = self.walks.get_mut(&walk_key(kernel, walk)).filter(|_| walk.window < walk.len);
        let Some(windows) = windows else {
            let len = walk.len;
            let sum = kernel.run(x, y, &mut out[..len], factor, repetitions);
            return Walked { sum, from: 0 };
        };
        let from = windows.at;
        let mut sum = 0_u64;
        for _ in 0..repetitions {
            let here = windows.at * walk.window..(windows.at + 1) * walk.window;
            sum = sum.wrapping_add(kernel.run(&x[here.clone()], &y[here.clone()], &mut out[here], factor, 1));
            windows.at = (windows.at + windows.step) % windows.checksums.len();
        }
        Walked { sum, from }
    }

    /// Whether a read summed up right, every time.
    pub(super) fn verify_read(&self, kernel: StreamKernel, walk: Walk, repetitions: u64, walked: Walked) -> bool {
        let windows = self.walks.get(&walk_key(kernel, walk));
        windows.is_some_and(|windows| windows.sum(walked.from, repetitions) == walked.sum)
    }

    /// Whether each element that takes part of the output is what the oracle gives for `op`.
    pub(super) fn verify_output(&self, op: Op, walk: Walk) -> bool {
        let (x, y) = inputs_of(op, &self.input, walk.len);
        reference::stream_verified(op, x, y, &self.output.array()[..walk.len], FACTOR)
    }
}

/// Where the second array begins, elements behind the first one.
fn second(len: usize) -> usize {
    len.saturating_mul(8)
        .checked_next_multiple_of(BOUNDARY_BYTES)
        .map_or(usize::MAX, |bytes| (bytes + Y_OFFSET_BYTES) / 8)
}

/// x and y of an operation; of one that reads a single array, or none, the same one twice.
fn inputs_of(op: Op, input: &Region, len: usize) -> (&[f64], &[f64]) {
    let y = if arrays(op).0 > 1 { second(len) } else { 0 };
    (&input.array()[..len], &input.array()[y..][..len])
}

impl Windows {
    fn new(kind: Checksum, x: &[f64], window: usize) -> Windows {
        let windows = x.chunks_exact(window.max(1));
        Windows::of(windows.map(|window| reference::checksum(kind, window)).collect())
    }

    fn of(checksums: Vec<u64>) -> Windows {
        let count = checksums.len();
        // A step that has no divisor with the count visits them all before the first one again.
        let about = ((count as f64 * WINDOW_STEP) as usize).max(1);
        let step = (about..).find(|&step| common_divisor(step, count) == 1).unwrap_or(1);
        Windows { checksums, at: 0, step }
    }

    /// The sum over `count` windows, from that one on.
    fn sum(&self, from: usize, count: u64) -> u64 {
        let windows = self.checksums.len();
        if windows == 0 {
            return 0;
        }
        let all = self.checksums.iter().fold(0_u64, |a, &b| a.wrapping_add(b));
        let (rounds, rest) = (count / windows as u64, count % windows as u64);
        let visited = (0..rest as usize).map(|i| self.checksums[(from + i * self.step) % windows]);
        visited.fold(all.wrapping_mul(rounds), u64::wrapping_add)
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The share of what was touched of a buffer's mapping that lies on huge pages, from the kernel's own books.
#[cfg(target_os = "linux")]
pub(super) fn huge_share(buffer: &Buffer) -> Option<f64> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let mapping = buffer.mapping();
    // The entry that holds the buffer; the kernel merges neighbouring mappings of like policy.
    let mut inside = false;
    let mut touched_kib = None;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        if let Some(range) = address_range(first) {
            inside = range.contains(&mapping.start);
        } else if inside && ["Rss:", "AnonHugePages:"].contains(&first) {
            let kib: f64 = words.next()?.parse().ok()?;
            match (first, touched_kib) {
                ("Rss:", _) => touched_kib = Some(kib),
                (_, Some(touched)) if touched > 0.0 => return Some(kib / touched),
                _ => return None,
            }
        }
    }
    None
}

#[cfg(target_os = "linux")]
fn address_range(word: &str) -> Option<std::ops::Range<usize>> {
    let (from, to) = word.split_once('-')?;
    Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn huge_share(_buffer: &Buffer) -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::Isa;
    use roofprobe_kernels::ops::stream::{Stores, Ways};

    const WALK: Walk = Walk { len: 1000, window: 1000 };

    fn arena(op: Op) -> Arena {
        let mut arena = Arena::new(Pages::Base, 0);
        arena.prepare(op, 1003).unwrap();
        arena
    }

    fn portable(op: Op) -> StreamKernel {
        StreamKernel::find(op, Isa::Portable, Ways::plain(Stores::Ordinary)).unwrap()
    }

    #[test]
    fn a_stream_that_leaves_the_output_alone_is_found_out() {
        for op in [Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad] {
            let mut arena = arena(op);
            arena.stream(portable(op), WALK, 2);
            assert!(arena.verify_output(op, WALK), "{op}");
            // The right values of an earlier variant are still there: without spoiling they would pass.
            arena.prepare_verification(portable(op), WALK);
            assert!(!arena.verify_output(op, WALK), "{op}");
        }
    }

    #[test]
    fn a_read_of_other_bytes_is_found_out() {
        let mut arena = arena(Op::Read);
        for walk in [WALK, Walk { len: 1003, window: 1003 }, Walk { len: 960, window: 64 }] {
            for checksum in Checksum::ALL {
                let kernel = StreamKernel::find(Op::Read, Isa::Portable, Ways { checksum, ..Ways::READ }).unwrap();
                arena.prepare_verification(kernel, walk);
                let walked = arena.stream(kernel, walk, 40);
                assert!(arena.verify_read(kernel, walk, 40, walked), "{walk:?}");
                assert!(!arena.verify_read(kernel, walk, 39, walked), "{walk:?}: one repetition too many");
                arena.input.array_mut()[7] += 1.0;
                let walked = arena.stream(kernel, walk, 40);
                assert!(!arena.verify_read(kernel, walk, 40, walked), "{walk:?}");
                arena.walks.clear();
            }
        }
    }

    #[test]
    fn what_was_lent_leaves_the_arrays_that_are_read_alone() {
        let mut arena = arena(Op::Triad);
        let before = arena.input.array()[..1003].to_vec();
        let mut lent = arena.lend(3 * MAPPED_BYTES_MIN / 2).unwrap();
        lent.as_mut_bytes()[..4096].fill(7);
        // A read in between needs nothing of what is lent.
        assert!(arena.prepare(Op::Read, 1003).unwrap());
        let read = portable(Op::Read);
        arena.prepare_verification(read, WALK);
        let walked = arena.stream(read, WALK, 3);
        assert!(arena.verify_read(read, WALK, 3, walked));
        arena.take_back(lent);
        assert!(!arena.prepare(Op::Triad, 1003).unwrap(), "the same pages again");
        arena.stream(portable(Op::Triad), WALK, 1);
        assert!(arena.verify_output(Op::Triad, WALK));
        assert_eq!(arena.input.array()[..1003], before);
    }

    #[test]
    fn the_same_numbers_are_read_whatever_was_asked_for_first() {
        let (mut small, mut large) = (Arena::new(Pages::Base, 1), Arena::new(Pages::Base, 1));
        small.prepare(Op::Read, 10).unwrap();
        for arena in [&mut small, &mut large] {
            arena.prepare(Op::Read, 2 * CHUNK + 7).unwrap();
        }
        assert_eq!(small.input.array()[..2 * CHUNK + 7], large.input.array()[..2 * CHUNK + 7]);
    }

    #[test]
    fn windows_visit_every_place_before_the_first_one_again() {
        for count in [1, 2, 3, 15, 64, 100] {
            let x: Vec<f64> = (0..count * 8).map(f64::from).collect();
            let windows = Windows::new(Checksum::Sum, &x, 8);
            let all = windows.checksums.iter().fold(0_u64, |a, &b| a.wrapping_add(b));
            let mut places: Vec<usize> = (0..count as usize).map(|i| i * windows.step % count as usize).collect();
            places.sort();
            assert_eq!(places, (0..count as usize).collect::<Vec<_>>());
            assert_eq!(windows.sum(0, 3 * u64::from(count as u32)), all.wrapping_mul(3));
        }
    }
}
