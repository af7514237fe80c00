//! What one thread of the team has before it: its share of the arrays, its chases, its chains, its clock.

use super::arena::{Arena, huge_share};
use super::operands::MadeUp;
use super::paired_clock::{PairedClock, stretches};
use super::timer;
use super::work_queue::Stock;
use core_affinity::CoreId;
use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::chain::{ChainKernel, ChainState};
use roofprobe_kernels::ops::chase::{Chase, ChasePattern, LINE_BYTES};
use roofprobe_kernels::ops::clock::dependent_adds;
use roofprobe_kernels::ops::matmul::MatmulKernel;
use roofprobe_kernels::{Dtype, Isa, Op};
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Dependent additions that measure the clock: about 0.1 ms.
const CLOCK_ADDS: u64 = 400_000;

/// One thread's worker.
pub(super) struct WorkerState {
    index: usize,
    arenas: HashMap<ArenaKey, Arena>,
    chases: HashMap<ChasePattern, (Chase, Option<f64>)>,
    chains: HashMap<ChainKey, ChainState>,
    clock: PairedClock,
    made_up: Option<Arc<MadeUp>>,
}

/// The pages of an arena, and the node that it lies on where that is not the thread's own.
type ArenaKey = (Pages, Option<u32>);

/// The memory of another node: a thread has it by touching it first from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    /// The node.
    pub(super) node: u32,
    /// A core of it.
    pub(super) there: CoreId,
    /// The thread's own core.
    pub(super) home: CoreId,
}

/// What tells one chain from another: its operation, types and instruction set, and its accumulators.
type ChainKey = (Op, Dtype, Isa, usize);

/// Memory made ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ready {
    /// It was not there before.
    pub(super) fresh: bool,
    /// The share on huge pages, where the system reports it.
    pub(super) huge_share: Option<f64>,
}

impl WorkerState {
    pub(super) fn new(index: usize) -> WorkerState {
        WorkerState {
            index,
            arenas: HashMap::new(),
            chases: HashMap::new(),
            chains: HashMap::new(),
            clock: PairedClock::default(),
            made_up: None,
        }
    }

    /// Which member of the team this is.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Gives all memory back.
    pub(super) fn clear(&mut self) {
        self.arenas.clear();
        self.chases.clear();
    }

    /// Makes sure that this thread has arrays of `len` elements for `op` on such pages, `away` from its own node if that is given.
    pub(super) fn prepare_arena(
        &mut self,
        pages: Pages,
        op: Op,
        len: usize,
        away: Option<Away>,
    ) -> Result<Ready, String> {
        if let Some(away) = away
            && !core_affinity::set_for_current(away.there)
        {
            return Err(format!("no thread can go to CPU {} to touch memory there", away.there.id));
        }
        let key = (pages, away.map(|away| away.node));
        let arena = self.arenas.entry(key).or_insert_with(|| Arena::new(pages, self.index));
        let prepared = arena.prepare(op, len);
        if let Some(away) = away
            && !core_affinity::set_for_current(away.home)
        {
            return Err(format!("the thread cannot go back to CPU {}", away.home.id));
        }
        match prepared {
            Ok(fresh) => Ok(Ready { fresh, huge_share: arena.huge_share() }),
            Err(e) => {
                self.arenas.remove(&key);
                Err(format!("arrays of {} MiB could not be allocated: {e}", (len * 8) >> 20))
            }
        }
    }

    /// Memory on such pages for operands of the whole team; to be given back.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub(super) fn lend(&mut self, pages: Pages, bytes: usize) -> std::io::Result<Buffer> {
        self.chases.clear();
        self.arenas.entry((pages, None)).or_insert_with(|| Arena::new(pages, self.index)).lend(bytes)
    }

    /// Memory on such pages that nobody had before: what is held beside other operands.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub(super) fn fresh(&mut self, pages: Pages, bytes: usize) -> std::io::Result<Buffer> {
        Buffer::new(bytes.div_ceil(8), pages, self.index * 3 * 4096)
    }

    /// Takes back what was lent.
    pub(super) fn take_back(&mut self, pages: Pages, buffer: Buffer) {
        self.arenas.entry((pages, None)).or_insert_with(|| Arena::new(pages, self.index)).take_back(buffer);
    }

    /// Weights made up for such a kernel: the last ones if they will do.
    pub(super) fn made_up(&mut self, kernel: MatmulKernel, k: usize) -> Arc<MadeUp> {
        let last = self.made_up.take().filter(|last| last.serve(kernel, k));
        let made_up = last.unwrap_or_else(|| Arc::new(MadeUp::new(kernel, k, 0x3e1 + self.index as u64)));
        self.made_up = Some(Arc::clone(&made_up));
        made_up
    }

    /// The arena on such pages, of that other node if one is named, once it was prepared.
    pub(super) fn arena(&mut self, pages: Pages, node: Option<u32>) -> Option<&mut Arena> {
        self.arenas.get_mut(&(pages, node))
    }

    /// Makes sure that this thread has such a chase.
    pub(super) fn prepare_chase(&mut self, pattern: ChasePattern) -> Result<Ready, String> {
        if let Some(&(_, huge_share)) = self.chases.get(&pattern) {
            return Ok(Ready { fresh: false, huge_share });
        }
        let chase = Chase::new(pattern, black_box(0xc4a5e + self.index as u64))
            .map_err(|e| format!("a chase over {} KiB could not be laid out: {e}", pattern.bytes >> 10))?;
        let huge_share = huge_share(chase.buffer());
        self.chases.insert(pattern, (chase, huge_share));
        Ok(Ready { fresh: true, huge_share })
    }

    /// Reads a chase's array from one end to the other, which brings it to its level quickly. A shared cache whose
    /// neighbours are busy would never hold an array of which each line is asked for only once in milliseconds, though
    /// it holds it well once the lines are there and asked for in quick succession.
    pub(super) fn prime_chase(&self, pattern: ChasePattern) {
        if let Some((chase, _)) = self.chases.get(&pattern) {
            for _ in 0..2 {
                black_box(chase.buffer().as_slice().iter().step_by(LINE_BYTES / 8).sum::<f64>());
            }
        }
    }

    /// Goes `steps` steps on.
    pub(super) fn chase(&mut self, pattern: ChasePattern, steps: u64) {
        if let Some((chase, _)) = self.chases.get_mut(&pattern) {
            chase.run(steps);
        }
    }

    /// How far along its cycle a chase is, and the lines of the cycle.
    pub(super) fn chase_rank(&self, pattern: ChasePattern) -> Option<(u64, u64)> {
        self.chases.get(&pattern).map(|(chase, _)| (chase.rank(), chase.lines() as u64))
    }

    /// Makes the operands of a chain ready, and what it must come to.
    pub(super) fn prepare_chain(&mut self, kernel: ChainKernel) {
        let seed = black_box(0x5eed + self.index as u64);
        self.chains.entry(key(kernel)).or_insert_with(|| kernel.prepare(seed));
    }

    /// Runs a chain for `rounds` rounds, with readings of the clock between.
    pub(super) fn chain(&mut self, kernel: ChainKernel, rounds: u64) {
        if let Some(state) = self.chains.get_mut(&key(kernel)) {
            state.begin();
            for stretch in stretches(rounds) {
                state.go_on(stretch);
                self.clock.read();
            }
        }
    }

    /// Runs a chain for as many rounds as the stock gives. Returns how many.
    pub(super) fn chain_of_stock(&mut self, kernel: ChainKernel, stock: &Stock) -> u64 {
        let mut done = 0;
        if let Some(state) = self.chains.get_mut(&key(kernel)) {
            state.begin();
            while let Some(rounds) = stock.take() {
                state.go_on(rounds);
                done += rounds;
            }
            // While a thread reads its clock others would take its share: it does so at its end, which is no part of its time.
            self.clock.read();
        }
        done
    }

    /// The clock of this pass.
    pub(super) fn clock(&mut self) -> &mut PairedClock {
        &mut self.clock
    }

    /// Whether the last run of the chain came to what the oracle gives.
    pub(super) fn verify_chain(&self, kernel: ChainKernel, rounds: u64) -> bool {
        self.chains.get(&key(kernel)).is_some_and(|state| state.verified(rounds))
    }
}

fn key(kernel: ChainKernel) -> ChainKey {
    (kernel.op(), kernel.dtype(), kernel.isa(), kernel.shape().accumulators)
}

/// The clock of this thread now, Hz: dependent additions over time.
pub(super) fn clock_hz() -> Option<f64> {
    let start = Instant::now();
    let adds = dependent_adds(CLOCK_ADDS)?;
    let seconds = start.elapsed().as_secs_f64();
    timer::is_sure(seconds).then(|| adds as f64 / seconds)
}

/// How long this thread has waited for its core so far, seconds; 0 where the system does not tell.
pub(super) fn waited_s() -> f64 {
    waited_in("/proc/thread-self".as_ref())
}

/// The same of all threads of this process together.
#[cfg(feature = "gpu")]
pub(in crate::device) fn all_waited_s() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| waited_in(&task.path())).sum()
}

fn waited_in(thread: &Path) -> f64 {
    // Two numbers of nanoseconds come first: on the core, and waiting for it.
    let stat = std::fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    stat.split_whitespace().nth(1).and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_made_once_and_serve_all_jobs() {
        let mut worker = WorkerState::new(0);
        for (op, asked, fresh) in [
            (Op::Read, 64, true),
            (Op::Triad, 1003, false),
            (Op::Copy, 64, false),
            // More than was mapped ahead.
            (Op::Read, 40 << 20, true),
            (Op::Read, 64, false),
        ] {
            assert_eq!(worker.prepare_arena(Pages::Base, op, asked, None).unwrap().fresh, fresh, "{op} {asked}");
        }
        assert!(worker.prepare_arena(Pages::Base, Op::Triad, usize::MAX / 8, None).is_err());
        assert!(worker.arena(Pages::Base, None).is_none());
        worker.prepare_arena(Pages::Base, Op::Read, 64, None).unwrap();
        worker.clear();
        assert!(worker.arena(Pages::Base, None).is_none());
    }
}
