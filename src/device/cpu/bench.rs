//! What one thread of the team has before it: its share of the arrays, its chains, its clock.

use crate::profile::Pages;
use roofprobe_kernels::buffer::{self, Buffer};
use roofprobe_kernels::ops::chain::{ChainKernel, ChainState};
use roofprobe_kernels::ops::clock::dependent_adds;
use roofprobe_kernels::ops::stream::StreamKernel;
use roofprobe_kernels::reference::{self, Random};
use roofprobe_kernels::{Dtype, Isa, Op};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

/// The factor of scale and triad: no power of two, so that a product is a real one.
const FACTOR: f64 = 0.718_281_828;
/// Dependent additions that measure the clock: about 0.1 ms.
const CLOCK_ADDS: u64 = 400_000;

/// One thread's bench.
pub(super) struct Bench {
    index: usize,
    arenas: HashMap<Pages, Arena>,
    chains: HashMap<(Op, Dtype, Isa), ChainState>,
}

/// One thread's share of the three stream arrays.
struct Arena {
    x: Buffer,
    y: Buffer,
    out: Buffer,
    checksum: u64,
    huge_share: Option<f64>,
}

impl Bench {
    pub(super) fn new(index: usize) -> Bench {
        Bench { index, arenas: HashMap::new(), chains: HashMap::new() }
    }

    /// Which member of the team this is.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Gives all memory back.
    pub(super) fn clear(&mut self) {
        self.arenas.clear();
    }

    /// Makes sure that this thread has three arrays of `len` elements on such pages, every page written with random
    /// data by this thread. Returns the share of huge pages that the system gave, where it tells.
    pub(super) fn prepare_arena(&mut self, pages: Pages, len: usize) -> Result<Option<f64>, String> {
        if let Some(arena) = self.arenas.get(&pages).filter(|a| a.x.as_slice().len() == len) {
            return Ok(arena.huge_share);
        }
        self.arenas.remove(&pages);
        let policy = match pages {
            Pages::Base => buffer::Pages::Base,
            Pages::Huge => buffer::Pages::Huge,
        };
        // Arrays start at different lines of different pages, so that they do not compete for the same cache sets.
        let array = |which: usize| {
            let offset = (which * 5 + self.index * 3) * 4096 + which * 1088;
            let seed = 1 + (self.index * 3 + which) as u64;
            let mut buffer = Buffer::new(len, policy, offset)
                .map_err(|e| format!("{} MiB could not be allocated: {e}", (len * 8) >> 20))?;
            Random::new(black_box(seed)).fill(buffer.as_mut_slice());
            Ok::<Buffer, String>(buffer)
        };
        let (x, y, out) = (array(0)?, array(1)?, array(2)?);
        let huge_share = huge_share(&x);
        let checksum = reference::checksum(x.as_slice());
        self.arenas.insert(pages, Arena { x, y, out, checksum, huge_share });
        Ok(huge_share)
    }

    /// Runs a stream `repetitions` times over the arena. Returns whether a read summed up right, every time.
    pub(super) fn stream(&mut self, kernel: StreamKernel, pages: Pages, repetitions: u64) -> bool {
        let Some(arena) = self.arenas.get_mut(&pages) else { return false };
        let (x, y) = (arena.x.as_slice(), arena.y.as_slice());
        let sum = kernel.run(x, y, arena.out.as_mut_slice(), black_box(FACTOR), repetitions);
        kernel.op() != Op::Read || sum == arena.checksum.wrapping_mul(repetitions)
    }

    /// Spoils the output, so that what a stream leaves unwritten cannot pass for its work.
    pub(super) fn spoil_output(&mut self, pages: Pages) {
        if let Some(arena) = self.arenas.get_mut(&pages) {
            arena.out.as_mut_slice().fill(f64::NAN);
        }
    }

    /// Whether every element of the output is what the oracle says of `op`.
    pub(super) fn verify_stream(&self, op: Op, pages: Pages) -> bool {
        let Some(arena) = self.arenas.get(&pages) else { return false };
        let (x, y, out) = (arena.x.as_slice(), arena.y.as_slice(), arena.out.as_slice());
        op == Op::Read || reference::stream_verified(op, x, y, out, FACTOR)
    }

    /// Makes the operands of a chain ready, and what it must come to.
    pub(super) fn prepare_chain(&mut self, kernel: ChainKernel) {
        let seed = black_box(0x5eed + self.index as u64);
        self.chains.entry(key(kernel)).or_insert_with(|| kernel.prepare(seed));
    }

    /// Runs a chain for `rounds` rounds.
    pub(super) fn chain(&mut self, kernel: ChainKernel, rounds: u64) {
        if let Some(state) = self.chains.get_mut(&key(kernel)) {
            state.run(rounds);
        }
    }

    /// Whether the last run of the chain came to what the oracle says.
    pub(super) fn verify_chain(&self, kernel: ChainKernel, rounds: u64) -> bool {
        self.chains.get(&key(kernel)).is_some_and(|state| state.verified(rounds))
    }
}

fn key(kernel: ChainKernel) -> (Op, Dtype, Isa) {
    (kernel.op(), kernel.dtype(), kernel.isa())
}

/// The clock of this thread now, Hz: dependent additions over time.
pub(super) fn clock_hz() -> Option<f64> {
    let start = Instant::now();
    let adds = dependent_adds(CLOCK_ADDS)?;
    Some(adds as f64 / start.elapsed().as_secs_f64())
}

/// How long this thread has waited for its core so far, seconds; 0 where the system does not tell.
pub(super) fn waited_s() -> f64 {
    // Two numbers of nanoseconds come first: on the core, and waiting for it.
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().nth(1).and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// The share of a buffer's mapping that lies on huge pages, from the kernel's own books.
#[cfg(target_os = "linux")]
fn huge_share(buffer: &Buffer) -> Option<f64> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let wanted = buffer.mapping();
    // The size of the entry that holds the buffer; the kernel merges neighbouring mappings of like policy.
    let mut entry_kib = None;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        if let Some(range) = address_range(first) {
            entry_kib = range.contains(&wanted.start).then(|| range.len() as f64 / 1024.0);
        } else if let (Some(size_kib), "AnonHugePages:") = (entry_kib, first) {
            return Some(words.next()?.parse::<f64>().ok()? / size_kib);
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
fn huge_share(_buffer: &Buffer) -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofprobe_kernels::ops::stream::{Stores, Ways};

    #[test]
    fn a_stream_that_leaves_the_output_alone_is_found_out() {
        for op in [Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad] {
            let mut bench = Bench::new(0);
            bench.prepare_arena(Pages::Base, 1003).unwrap();
            let kernel = StreamKernel::find(op, Isa::Portable, Ways::plain(Stores::Ordinary)).unwrap();
            assert!(bench.stream(kernel, Pages::Base, 2) && bench.verify_stream(op, Pages::Base), "{op}");
            // The right values of an earlier variant are still there: without spoiling they would pass.
            bench.spoil_output(Pages::Base);
            assert!(!bench.verify_stream(op, Pages::Base), "{op}");
        }
    }

    #[test]
    fn a_read_of_other_bytes_is_found_out() {
        let mut bench = Bench::new(0);
        bench.prepare_arena(Pages::Base, 1003).unwrap();
        let kernel = StreamKernel::find(Op::Read, Isa::Portable, Ways::plain(Stores::Ordinary)).unwrap();
        assert!(bench.stream(kernel, Pages::Base, 3));
        bench.arenas.get_mut(&Pages::Base).unwrap().x.as_mut_slice()[1002] += 1.0;
        assert!(!bench.stream(kernel, Pages::Base, 3));
    }

    #[test]
    fn arrays_of_another_length_are_made_anew() {
        let mut bench = Bench::new(0);
        for len in [64, 1003] {
            bench.prepare_arena(Pages::Base, len).unwrap();
            assert_eq!(bench.arenas[&Pages::Base].out.as_slice().len(), len);
        }
        assert!(bench.prepare_arena(Pages::Base, usize::MAX / 8).is_err());
        bench.clear();
        assert!(bench.arenas.is_empty());
    }
}
