//! One thread's memory for streams: three arrays, and the ways in which they are walked.

use roofprobe_kernels::Op;
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::stream::{Checksum, StreamKernel};
use roofprobe_kernels::reference::{self, Random};
use std::collections::HashMap;
use std::hint::black_box;

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

/// One thread's share of the three stream arrays. A smaller job takes the beginning of each.
pub(super) struct Arena {
    x: Buffer,
    y: Buffer,
    out: Buffer,
    huge_share: Option<f64>,
    walks: HashMap<(Walk, Checksum), Windows>,
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

impl Arena {
    /// Three arrays of `len` elements on such pages for thread `index`, every page written with random data by this
    /// thread.
    pub(super) fn new(pages: Pages, len: usize, index: usize) -> Result<Arena, String> {
        // Arrays start at different lines of different pages, so that they do not compete for the same cache sets.
        let array = |which: usize| {
            let offset = (which * 5 + index * 3) * 4096 + which * 1088;
            let seed = 1 + (index * 3 + which) as u64;
            let mut buffer = Buffer::new(len, pages, offset)
                .map_err(|e| format!("{} MiB could not be allocated: {e}", (len * 8) >> 20))?;
            Random::new(black_box(seed)).fill(buffer.as_mut_slice());
            Ok::<Buffer, String>(buffer)
        };
        let (x, y, out) = (array(0)?, array(1)?, array(2)?);
        let huge_share = huge_share(&x);
        Ok(Arena { x, y, out, huge_share, walks: HashMap::new() })
    }

    /// Elements of each array.
    pub(super) fn len(&self) -> usize {
        self.x.as_slice().len()
    }

    /// The share of huge pages that the system gave, where it reports it.
    pub(super) fn huge_share(&self) -> Option<f64> {
        self.huge_share
    }

    /// Makes what a pass is verified with: the sums of what a read reads, or a spoilt output, so that what a stream leaves
    /// unwritten cannot pass for its work.
    pub(super) fn prepare_verification(&mut self, kernel: StreamKernel, walk: Walk) {
        if kernel.op() == Op::Read {
            let x = &self.x.as_slice()[..walk.len];
            let kind = kernel.checksum();
            self.walks.entry((walk, kind)).or_insert_with(|| Windows::new(kind, x, walk.window));
        } else {
            self.out.as_mut_slice()[..walk.len].fill(f64::NAN);
        }
    }

    /// Runs a stream `repetitions` times.
    pub(super) fn stream(&mut self, kernel: StreamKernel, walk: Walk, repetitions: u64) -> Walked {
        let (x, y, out) = (self.x.as_slice(), self.y.as_slice(), self.out.as_mut_slice());
        let factor = black_box(FACTOR);
        let windows = self.walks.get_mut(&(walk, kernel.checksum())).filter(|_| walk.window < walk.len);
        let Some(windows) = windows else {
            let len = walk.len;
            let sum = kernel.run(&x[..len], &y[..len], &mut out[..len], factor, repetitions);
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
        let windows = self.walks.get(&(walk, kernel.checksum()));
        windows.is_some_and(|windows| windows.sum(walked.from, repetitions) == walked.sum)
    }

    /// Whether each element that takes part of the output is what the oracle gives for `op`.
    pub(super) fn verify_output(&self, op: Op, walk: Walk) -> bool {
        let [x, y, out] = [&self.x, &self.y, &self.out].map(|array| &array.as_slice()[..walk.len]);
        reference::stream_verified(op, x, y, out, FACTOR)
    }
}

impl Windows {
    fn new(kind: Checksum, x: &[f64], window: usize) -> Windows {
        let windows = x.chunks_exact(window.max(1));
        let checksums: Vec<u64> = windows.map(|window| reference::checksum(kind, window)).collect();
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

    fn portable(op: Op) -> StreamKernel {
        StreamKernel::find(op, Isa::Portable, Ways::plain(Stores::Ordinary)).unwrap()
    }

    #[test]
    fn a_stream_that_leaves_the_output_alone_is_found_out() {
        for op in [Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad] {
            let mut arena = Arena::new(Pages::Base, 1003, 0).unwrap();
            arena.stream(portable(op), WALK, 2);
            assert!(arena.verify_output(op, WALK), "{op}");
            // The right values of an earlier variant are still there: without spoiling they would pass.
            arena.prepare_verification(portable(op), WALK);
            assert!(!arena.verify_output(op, WALK), "{op}");
        }
    }

    #[test]
    fn a_read_of_other_bytes_is_found_out() {
        let mut arena = Arena::new(Pages::Base, 1003, 0).unwrap();
        for walk in [WALK, Walk { len: 1003, window: 1003 }, Walk { len: 960, window: 64 }] {
            for checksum in Checksum::ALL {
                let kernel = StreamKernel::find(Op::Read, Isa::Portable, Ways { checksum, ..Ways::READ }).unwrap();
                arena.prepare_verification(kernel, walk);
                let walked = arena.stream(kernel, walk, 40);
                assert!(arena.verify_read(kernel, walk, 40, walked), "{walk:?}");
                assert!(!arena.verify_read(kernel, walk, 39, walked), "{walk:?}: one repetition too many");
                arena.x.as_mut_slice()[7] += 1.0;
                let walked = arena.stream(kernel, walk, 40);
                assert!(!arena.verify_read(kernel, walk, 40, walked), "{walk:?}");
                arena.walks.clear();
            }
        }
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
