//! Memory jobs: streams over arrays, whole or through a moving window, and chases.

use super::arena::{Arena, Walk, Walked};
use super::spans::{Seen, Spans, clock_around, timed};
use super::team::{Members, SpinBarrier};
use super::work_queue::Stock;
use super::worker_state::{Away, Ready, WorkerState, clock_hz};
use super::{Cpu, foreign, rejected, self_test, skipped, unsupported};
use crate::device::{Refusal, Timing};
use crate::job::Job;
use crate::profile::{CpuList, Stream, Variant};
use crate::units::four_digits;
use crate::work::Work;
use core_affinity::CoreId;
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::ops::chase::{Chase, ChasePattern};
use roofprobe_kernels::ops::stream::{ALIGNMENT, StreamKernel};
use roofprobe_kernels::{Dtype, Op};
use std::sync::Arc;

/// Threads that share a stock of repetitions take parts of their arrays, so many of each,
const PARTS: usize = 16;
/// but none smaller than this: what lies in the nearest caches is taken whole.
const PART_BYTES_MIN: usize = 64 << 10;

/// How one stream is done: what each member walks over, and where.
#[derive(Clone, Copy)]
struct Pass {
    kernel: StreamKernel,
    pages: Pages,
    /// The node that the arrays lie on, if it is not the threads' own.
    node: Option<u32>,
    walk: Walk,
    /// Whether the output is looked at afterwards.
    first: bool,
}

/// Walks that the members do.
#[derive(Clone)]
enum Repetitions {
    /// Each so many.
    Each(u64),
    /// All together, each as many as it can.
    Shared(Arc<Stock>),
}

impl Cpu {
    pub(super) fn time_stream(&mut self, job: &Job, repetitions: u64) -> Result<Timing, Refusal> {
        let Variant::Stream(stream) = &job.variant else { return Err(foreign(job)) };
        let kernel = stream_kernel(job.op, stream)?;
        self_test::survived(kernel.isa()).map_err(Refusal::Unsupported)?;
        let members = self.members(stream.threads, stream.cpus.as_ref())?;
        let even = walk(stream, kernel, members.count())?;
        let op = kernel.op();
        if op != Op::Read {
            // What the whole team read last lies where streams write.
            self.release_operands();
        }
        let huge_share = self.arrays(stream, kernel.op(), even.len, &members)?;
        // The output is looked at once per variant and allocation, what a read sums up every time. To be looked at it must be whole.
        let first = self.verified.insert(job.clone());
        let shares = self.uneven && members.count() > 1 && stream.window_bytes.is_none() && (op == Op::Read || !first);
        let walk = if shares { in_parts(even) } else { even };
        let each = repetitions.saturating_mul((even.len / walk.window).max(1) as u64);
        let walks = if shares { each } else { repetitions }.saturating_mul(members.count() as u64);
        let supply = match shares {
            true => Repetitions::Shared(Arc::new(Stock::new(walks, members.count()))),
            false => Repetitions::Each(repetitions),
        };
        let pass = Pass { kernel, pages: stream.pages, node: stream.memory_node, walk, first };
        let spans = self.spans_of(pass, supply, &members)?;
        let right = move |worker: &mut WorkerState, _: &SpinBarrier| {
            let active = members.has(worker.index());
            !active || worker.arena(pass.pages, pass.node).is_some_and(|arena| arena.verify_output(op, walk))
        };
        if first && op != Op::Read && !self.all(right)?.iter().all(|&right| right) {
            return Err(rejected(job));
        }
        let work = Work::of_kernel(kernel.cost(walk.window), job.dtype) * walks as f64;
        let pass = spans.pass(repetitions, work).ok_or_else(|| rejected(job))?;
        Ok(Timing { huge_share: huge_share.map(four_digits), ..pass })
    }

    /// Makes sure that the members have their arrays. Returns the least share of huge pages.
    fn arrays(&mut self, stream: &Stream, op: Op, len: usize, members: &Members) -> Result<Option<f64>, Refusal> {
        let there = stream.memory_node.map(|node| self.core_of_node(node).map(|there| (node, there))).transpose()?;
        let (active, homes, pages) = (members.clone(), self.team.cores().to_vec(), stream.pages);
        let ready = self.all(move |worker, _| {
            let away = there.map(|(node, there)| Away { node, there, home: homes[worker.index()] });
            active.has(worker.index()).then(|| worker.prepare_arena(pages, op, len, away))
        })?;
        self.made_ready(ready)
    }

    fn spans_of(&self, pass: Pass, supply: Repetitions, members: &Members) -> Result<Spans, Refusal> {
        let Pass { kernel, pages, node, walk, first } = pass;
        let prepare = move |worker: &mut WorkerState| {
            if let Some(arena) = worker.arena(pages, node) {
                if first || kernel.op() == Op::Read {
                    arena.prepare_verification(kernel, walk);
                } else if walk.window < walk.len {
                    arena.prepare_windows(kernel, walk);
                }
            }
            clock_hz()
        };
        let run = move |worker: &mut WorkerState, before, _: &SpinBarrier| {
            let walked = worker.arena(pages, node).and_then(|arena| walked(arena, kernel, walk, &supply));
            (before, walked)
        };
        let conclude = move |worker: &mut WorkerState, (before, walked): (_, Option<(u64, Walked)>)| {
            let verified = worker.arena(pages, node).zip(walked).map(|(arena, (count, walked))| {
                kernel.op() != Op::Read || arena.verify_read(kernel, walk, count, walked)
            });
            Seen { clock_hz: clock_around(before), right: verified == Some(true) }
        };
        timed(&self.team, members, prepare, run, conclude)
    }

    /// A core of that node.
    fn core_of_node(&self, node: u32) -> Result<CoreId, Refusal> {
        let known = self.machine.environment.nodes.iter().find(|known| known.node == node);
        let cpu = known.and_then(|known| known.cpus.cpus().first());
        let core = cpu.and_then(|&cpu| self.team.cores().iter().find(|core| core.id == cpu as usize));
        core.copied().ok_or_else(|| skipped(&format!("no thread is pinned to a CPU of node {node}")))
    }

    pub(super) fn time_chase(&mut self, job: &Job, repetitions: u64) -> Result<Timing, Refusal> {
        let Variant::Chase(chase) = &job.variant else { return Err(foreign(job)) };
        let members = self.members(chase.threads, None)?;
        let threads = members.count();
        let footprint = chase.footprint_bytes;
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| skipped("exceeds the address space"));
        let pattern = ChasePattern {
            bytes: size(footprint / threads as u64)?,
            stride_bytes: chase.stride_bytes as usize,
            window_bytes: size(chase.window_bytes)?,
            pages: chase.pages,
        };
        let active = members.clone();
        let ready = self.all(move |worker, _| active.has(worker.index()).then(|| worker.prepare_chase(pattern)))?;
        let huge_share = self.made_ready(ready)?;
        let run = move |worker: &mut WorkerState, before, _: &SpinBarrier| {
            worker.chase(pattern, repetitions);
            before
        };
        let conclude = move |worker: &mut WorkerState, before: Option<(u64, u64)>| {
            let went =
                before.zip(worker.chase_rank(pattern)).map(|((from, lines), (to, _))| (to + lines - from) % lines);
            let must = before.map(|(_, lines)| repetitions % lines);
            Seen { clock_hz: None, right: went.is_some() && went == must }
        };
        let last_cache = self.machine.device.caches.iter().map(|cache| cache.bytes).max().unwrap_or(0);
        let prepare = move |worker: &mut WorkerState| {
            // What is beyond the caches must not find a part of itself there.
            if footprint <= last_cache {
                worker.prime_chase(pattern);
            }
            worker.chase_rank(pattern)
        };
        let spans = timed(&self.team, &members, prepare, run, conclude)?;
        let work = Work::of_kernel(Chase::cost(repetitions), Dtype::I8) * threads as f64;
        let pass = spans.pass(repetitions, work).ok_or_else(|| rejected(job))?;
        Ok(Timing { huge_share: huge_share.map(four_digits), ..pass })
    }

    /// The least share of huge pages among the members that have memory now.
    fn made_ready(&mut self, members: Vec<Option<Result<Ready, String>>>) -> Result<Option<f64>, Refusal> {
        let mut huge_share: Option<f64> = None;
        for answer in members.into_iter().flatten() {
            let ready = answer.map_err(|reason| skipped(&reason))?;
            if ready.fresh {
                self.verified.clear();
            }
            huge_share = ready.huge_share.map(|s| huge_share.map_or(s, |least| least.min(s)));
        }
        Ok(huge_share)
    }

    /// Who works: the first `threads` members of the team, or of those on `cpus`.
    pub(super) fn members(&self, threads: u32, cpus: Option<&CpuList>) -> Result<Members, Refusal> {
        let count = threads as usize;
        let there = cpus.map_or(self.team.size(), |cpus| cpus.cpus().len());
        if count == 0 || count > there {
            return Err(skipped(&format!("{threads} threads asked of a team of {there}")));
        }
        match cpus {
            None => Ok(self.team.first(count)),
            Some(cpus) => {
                let members = self.team.on(&cpus.cpus()[..count]);
                members.ok_or_else(|| skipped(&format!("no thread is pinned to some of the CPUs {cpus}")))
            }
        }
    }
}

/// The walks of one member, and how many they were.
fn walked(arena: &mut Arena, kernel: StreamKernel, walk: Walk, supply: &Repetitions) -> Option<(u64, Walked)> {
    let stock = match supply {
        Repetitions::Each(repetitions) => return Some((*repetitions, arena.stream(kernel, walk, *repetitions))),
        Repetitions::Shared(stock) => stock,
    };
    let (mut count, mut walked) = (0, None);
    while let Some(taken) = stock.take() {
        let more = arena.stream(kernel, walk, taken);
        walked = Some(walked.map_or(more, |walked: Walked| walked.and(more)));
        count += taken;
    }
    // A thread that came too late has walked over nothing, which is right.
    Some((count, walked.unwrap_or_else(|| arena.stream(kernel, walk, 0))))
}

/// The same arrays in parts.
fn in_parts(walk: Walk) -> Walk {
    let part = walk.len / PARTS / (ALIGNMENT / 8) * (ALIGNMENT / 8);
    match part * 8 < PART_BYTES_MIN {
        true => walk,
        false => Walk { len: walk.len / part * part, window: part },
    }
}

/// What each member walks over.
fn walk(stream: &Stream, kernel: StreamKernel, active: usize) -> Result<Walk, Refusal> {
    let arrays = (kernel.cost(1).input_read + kernel.cost(1).output_written) as u64;
    let elements = |bytes: u64| {
        let each = bytes / arrays / 8 / active as u64;
        usize::try_from(each).map_err(|_| skipped("the arrays exceed the address space"))
    };
    let len = elements(stream.footprint_bytes)?;
    let Some(window) = stream.window_bytes else { return Ok(Walk { len, window: len }) };
    if kernel.op() != Op::Read {
        return Err(Refusal::Unsupported("windows are only read".to_owned()));
    }
    // Windows begin at whole lines.
    let window = elements(window)? / (ALIGNMENT / 8) * (ALIGNMENT / 8);
    if window == 0 || window > len {
        return Err(skipped("the window does not fit the arrays"));
    }
    Ok(Walk { len: len / window * window, window })
}

fn stream_kernel(op: Op, stream: &Stream) -> Result<StreamKernel, Refusal> {
    StreamKernel::find(op, stream.isa, stream.ways()).ok_or_else(|| unsupported(stream.isa))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::device::Purpose;
    use crate::profile::CeilingId;
    use roofprobe_kernels::Isa;
    use roofprobe_kernels::ops::stream::Stores;

    fn job(op: Op, stream: Stream) -> Job {
        let ceiling: CeilingId = format!("memory.dram.{op}").parse().unwrap();
        Job { ceiling, op, dtype: Dtype::F64, variant: stream.into() }
    }

    fn stream(threads: u32, bytes: u64) -> Stream {
        Stream::plain(Isa::Portable, threads, Pages::Base, bytes)
    }

    #[test]
    fn cores_of_unequal_speed_do_the_same_work_and_are_verified() {
        let cores = core_affinity::get_core_ids().unwrap();
        let mut cpu = Cpu::new(Some(cores.len().min(2))).unwrap();
        let threads = cpu.team.size() as u32;
        for bytes in [3 << 13, 3 << 23] {
            for op in [Op::Read, Op::Copy, Op::Triad] {
                let stores = (op != Op::Read).then_some(Stores::Ordinary);
                let job = job(op, Stream { stores, ..stream(threads, bytes) });
                let mut work = Vec::new();
                for uneven in [false, false, true, true] {
                    cpu.uneven = uneven;
                    work.push(cpu.time(&job, 3, Purpose::Trial).unwrap().work.bytes.0);
                }
                assert_eq!(work[0], work[1]);
                // Parts are whole lines: a few elements of an array may be left out.
                assert!(work[3] <= work[0] && work[3] > 0.999 * work[0], "{op} {bytes}: {work:?}");
            }
        }
    }

    #[test]
    fn members_are_those_of_the_cpus_asked_for() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let own = cpu.machine.environment.pinned_cpus.clone().unwrap();
        assert_eq!(cpu.members(1, Some(&own)).unwrap().rank(0), Some(0));
        for (threads, cpus) in [(0, None), (2, None), (2, Some(&own)), (1, CpuList::of([1 << 19]).as_ref())] {
            assert!(cpu.members(threads, cpus).is_err(), "{threads} {cpus:?}");
        }
        assert!(cpu.core_of_node(1 << 19).is_err());
    }

    #[test]
    fn memory_of_another_node_is_read_like_its_own() {
        // One node stands for two: what matters is that the thread goes there and comes back, and the arrays are apart.
        let mut cpu = Cpu::new(Some(1)).unwrap();
        let cpus = cpu.machine.environment.pinned_cpus.clone().unwrap();
        cpu.machine.environment.nodes = vec![crate::profile::NumaNode { node: 7, cpus, memory_bytes: None }];
        let near = stream(1, 1 << 16);
        let far = Stream { memory_node: Some(7), ..near.clone() };
        for stream in [near, far] {
            assert!(cpu.time(&job(Op::Read, stream), 2, Purpose::Trial).is_ok());
        }
        let nowhere = Stream { memory_node: Some(8), ..stream(1, 1 << 16) };
        assert!(matches!(cpu.time(&job(Op::Read, nowhere), 2, Purpose::Trial), Err(Refusal::Skipped(_))));
    }

    #[test]
    fn parts_are_whole_lines_and_no_smaller_than_a_cache_needs() {
        let whole = |len| Walk { len, window: len };
        assert_eq!(in_parts(whole(2048)), whole(2048));
        let parts = in_parts(whole((1 << 20) + 13));
        assert_eq!((parts.window, parts.len), (1 << 16, 1 << 20));
    }
}
