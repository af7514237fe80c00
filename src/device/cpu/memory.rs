//! Memory jobs: streams over arrays, whole or through a moving window, and chases.

use super::arena::Walk;
use super::spans::{Seen, clock_around, timed};
use super::team::SpinBarrier;
use super::worker_state::{Ready, WorkerState, clock_hz};
use super::{Cpu, foreign, rejected, self_test, skipped, unsupported};
use crate::device::{Refusal, Timing};
use crate::job::Job;
use crate::profile::{Stream, Variant};
use crate::units::four_digits;
use crate::work::Work;
use roofprobe_kernels::ops::chase::{Chase, ChasePattern};
use roofprobe_kernels::ops::stream::{ALIGNMENT, StreamKernel};
use roofprobe_kernels::{Dtype, Op};

impl Cpu {
    pub(super) fn time_stream(&mut self, job: &Job, repetitions: u64) -> Result<Timing, Refusal> {
        let Variant::Stream(stream) = &job.variant else { return Err(foreign(job)) };
        let kernel = stream_kernel(job.op, stream)?;
        self_test::survived(kernel.isa()).map_err(Refusal::Unsupported)?;
        let active = self.active(stream.threads)?;
        let walk = walk(stream, kernel, active)?;
        let (pages, op) = (stream.pages, kernel.op());
        if op != Op::Read {
            // What the whole team read last lies where streams write.
            self.release_operands();
        }
        let ready =
            self.all(move |worker, _| (worker.index() < active).then(|| worker.prepare_arena(pages, op, walk.len)))?;
        let huge_share = self.made_ready(ready)?;
        // The output is looked at once per variant and allocation, what a read sums up every time.
        let first = self.verified.insert(job.clone());
        let prepare = move |worker: &mut WorkerState| {
            if let Some(arena) = worker.arena(pages).filter(|_| first || op == Op::Read) {
                arena.prepare_verification(kernel, walk);
            }
            clock_hz()
        };
        let run = move |worker: &mut WorkerState, before, _: &SpinBarrier| {
            (before, worker.arena(pages).map(|arena| arena.stream(kernel, walk, repetitions)))
        };
        let conclude = move |worker: &mut WorkerState, (before, walked)| {
            let verified = worker
                .arena(pages)
                .zip(walked)
                .map(|(arena, walked)| op != Op::Read || arena.verify_read(kernel, walk, repetitions, walked));
            Seen { clock_hz: clock_around(before), right: verified == Some(true) }
        };
        let spans = timed(&self.team, active, prepare, run, conclude)?;
        let right = move |worker: &mut WorkerState, _: &SpinBarrier| {
            worker.index() >= active || worker.arena(pages).is_some_and(|arena| arena.verify_output(op, walk))
        };
        if first && op != Op::Read && !self.all(right)?.iter().all(|&right| right) {
            return Err(rejected(job));
        }
        let work = Work::of_kernel(kernel.cost(walk.window), job.dtype) * (repetitions as f64 * active as f64);
        let pass = spans.pass(repetitions, work).ok_or_else(|| rejected(job))?;
        Ok(Timing { huge_share: huge_share.map(four_digits), ..pass })
    }

    pub(super) fn time_chase(&mut self, job: &Job, repetitions: u64) -> Result<Timing, Refusal> {
        let Variant::Chase(chase) = &job.variant else { return Err(foreign(job)) };
        let active = self.active(chase.threads)?;
        let footprint = chase.footprint_bytes;
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| skipped("exceeds the address space"));
        let pattern = ChasePattern {
            bytes: size(footprint / active as u64)?,
            stride_bytes: chase.stride_bytes as usize,
            window_bytes: size(chase.window_bytes)?,
            pages: chase.pages,
        };
        let ready = self.all(move |worker, _| (worker.index() < active).then(|| worker.prepare_chase(pattern)))?;
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
        let spans = timed(&self.team, active, prepare, run, conclude)?;
        let work = Work::of_kernel(Chase::cost(repetitions), Dtype::I8) * active as f64;
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

    /// How many members of the team work: the first ones.
    pub(super) fn active(&self, threads: u32) -> Result<usize, Refusal> {
        let threads = threads as usize;
        if threads == 0 || threads > self.team.size() {
            return Err(skipped(&format!("{threads} threads asked of a team of {}", self.team.size())));
        }
        Ok(threads)
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
