//! The CPU: a team of pinned threads, and the kernels that they run.
//!
//! Time is from the first thread's start to the last thread's end, behind a barrier. Every pass is verified: chains and
//! reads against their checksum at once, streams that write by a look at the whole output, once per variant and
//! allocation.

mod bench;
mod canary;
mod team;
mod topology;

use super::{Device, Pass, Purpose, Refusal};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::profile::{Machine, Pages};
use crate::units::{Seconds, four_digits};
use crate::work::Work;
use bench::{Bench, clock_hz, waited_s};
pub(crate) use canary::ALIVE;
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::stream::{self, StreamKernel, Ways};
use roofprobe_kernels::{Dtype, Isa, Op};
use std::collections::HashSet;
use std::time::Instant;
use team::{SpinBarrier, Team};
use topology::Taken;

/// The host's processor.
pub struct Cpu {
    machine: Machine,
    team: Team,
    origin: Instant,
    taken_at_start: Taken,
    /// Stream variants whose output was verified since the last renewal.
    verified: HashSet<Job>,
    /// Rates of the sentinel chain, one per renewal.
    sentinel: Vec<f64>,
}

/// Rounds of the sentinel chain: a few milliseconds on any recent core.
const SENTINEL_ROUNDS: u64 = 1000;

/// What one thread saw of one pass.
struct Span {
    start_s: f64,
    end_s: f64,
    /// How long it waited for its core meanwhile.
    waited_s: f64,
    seen: Seen,
}

/// What one thread saw after a pass.
struct Seen {
    clock_hz: Option<f64>,
    right: bool,
}

/// A thread that waits for its core longer than this share of a pass shares it with somebody.
const WAITED_SHARE_MAX: f64 = 0.02;

impl Cpu {
    /// Reads the topology and starts the team: one pinned thread per allowed core within the quota, or `threads`.
    ///
    /// # Errors
    /// Misuse for an impossible number of threads; failure when no CPU is allowed or threads cannot be pinned.
    pub fn new(threads: Option<usize>) -> Result<Cpu> {
        let topology = topology::read(threads).map_err(|reason| {
            if threads.is_some() { Error::misuse(format!("--threads: {reason}")) } else { Error::failure(reason) }
        })?;
        let team = Team::new(&topology.cores).map_err(Error::failure)?;
        let mut cpu = Cpu {
            machine: topology.machine,
            team,
            origin: Instant::now(),
            taken_at_start: Taken::now(),
            verified: HashSet::new(),
            sentinel: Vec::new(),
        };
        cpu.watch_drift();
        Ok(cpu)
    }

    /// What this machine is, without starting anything.
    ///
    /// # Errors
    /// Failure when no CPU is allowed.
    pub fn describe() -> Result<Machine> {
        topology::read(None).map(|t| t.machine).map_err(Error::failure)
    }

    /// Runs one round of every chain of `isa` in this thread and verifies it: for a process that may die of it.
    ///
    /// # Errors
    /// Failure when there is no such kernel here or one differs from the oracle.
    pub fn try_instruction_set(isa: Isa) -> Result<()> {
        canary::try_here(isa).map_err(Error::failure)
    }

    fn watch_drift(&mut self) {
        let best = Isa::ALL.iter().rev().find_map(|&isa| ChainKernel::find(Op::Chain, Dtype::F32, isa));
        // A first run wakes the clock up and is not kept.
        let all = self.team.size();
        let rates = best.map(|kernel| [(); 3].map(|()| self.time_chain(kernel, all, SENTINEL_ROUNDS)));
        if let Some([_, Ok(first), Ok(second)]) = rates {
            self.sentinel.push((first.work.flops / first.seconds).0.max((second.work.flops / second.seconds).0));
        }
    }

    fn time_stream(&mut self, job: &Job, repetitions: u64) -> std::result::Result<Pass, Refusal> {
        let kernel = self.stream_kernel(job)?;
        let arrays = (kernel.cost(1).input_read + kernel.cost(1).output_written) as u64;
        let footprint = job.variant.footprint_bytes.ok_or_else(|| skipped("the job names no footprint"))?;
        let elements = footprint / arrays / 8 / self.team.size() as u64;
        let len = usize::try_from(elements).map_err(|_| skipped("the arrays exceed the address space"))?;
        let pages = job.variant.pages.unwrap_or(Pages::Base);
        let prepared = self.all(move |bench, _| bench.prepare_arena(pages, len))?;
        let mut huge_share: Option<f64> = None;
        for answer in prepared {
            let share = answer.map_err(|reason| skipped(&reason))?;
            huge_share = share.map(|s| huge_share.map_or(s, |least| least.min(s)));
        }
        let verify = self.verified.insert(job.clone());
        let spoil = move |bench: &mut Bench| {
            if verify {
                bench.spoil_output(pages)
            }
        };
        let run = move |bench: &mut Bench, (), _: &SpinBarrier| bench.stream(kernel, pages, repetitions);
        let spans = self.timed(spoil, run, |_, right| Seen { clock_hz: None, right })?;
        let right = move |bench: &mut Bench, _: &SpinBarrier| bench.verify_stream(kernel.op(), pages);
        if verify && !self.all(right)?.iter().all(|&right| right) {
            return Err(rejected(job));
        }
        let cost = kernel.cost(len);
        let work = Work::of_kernel(cost, job.dtype) * (repetitions as f64 * self.team.size() as f64);
        let pass = spans.pass(repetitions, work).ok_or_else(|| rejected(job))?;
        Ok(Pass { huge_share: huge_share.map(four_digits), ..pass })
    }

    fn stream_kernel(&self, job: &Job) -> std::result::Result<StreamKernel, Refusal> {
        let stores = match job.variant.stores {
            Some(crate::profile::Stores::Nontemporal) => stream::Stores::Nontemporal,
            _ => stream::Stores::Ordinary,
        };
        let isa = isa_of(job)?;
        let ways = Ways { stores, streams: job.variant.streams.unwrap_or(1) as usize, prefetch_bytes: 0 };
        StreamKernel::find(job.op, isa, ways).ok_or_else(|| unsupported(isa))
    }

    /// Times a chain on the first `threads` members of the team; the others wait.
    fn time_chain(
        &mut self,
        kernel: ChainKernel,
        threads: usize,
        repetitions: u64,
    ) -> std::result::Result<Pass, Refusal> {
        let works = move |bench: &Bench| bench.index() < threads;
        self.all(move |bench, _| works(bench).then(|| bench.prepare_chain(kernel)))?;
        let run = move |bench: &mut Bench, before: Option<f64>, _: &SpinBarrier| {
            if works(bench) {
                bench.chain(kernel, repetitions);
            }
            before
        };
        let mut spans = self.timed(
            move |bench| works(bench).then(clock_hz).flatten(),
            run,
            move |bench, before| {
                // Interruptions only ever make the clock look slower: the faster reading is the nearer one.
                let clock_hz = before.and_then(|before| Some(before.max(clock_hz()?)));
                Seen { clock_hz, right: !works(bench) || bench.verify_chain(kernel, repetitions) }
            },
        )?;
        spans.spans.truncate(threads);
        let work = Work::of_kernel(kernel.cost(repetitions), kernel.dtype()) * spans.spans.len() as f64;
        let reason =
            || Refusal::Rejected(format!("the {} chain on {} differs from the oracle", kernel.dtype(), kernel.isa()));
        spans.pass(repetitions, work).ok_or_else(reason)
    }

    fn time_barrier(&mut self, repetitions: u64) -> std::result::Result<Pass, Refusal> {
        if self.team.size() < 2 {
            return Err(Refusal::Unsupported("one thread has nobody to wait for".to_owned()));
        }
        let run = move |_: &mut Bench, (), barrier: &SpinBarrier| {
            for _ in 0..repetitions {
                barrier.wait();
            }
        };
        let spans = self.timed(|_| (), run, |_, ()| Seen { clock_hz: None, right: true })?;
        spans.pass(repetitions, Work::default()).ok_or_else(|| skipped("no thread answered"))
    }

    /// Times `run` on every thread at once, from the barrier to the end of the last one. What `prepare` gives goes to
    /// `run`, and what that gives to `conclude`; neither of the outer two is timed.
    fn timed<A, B>(
        &self,
        prepare: impl Fn(&mut Bench) -> A + Send + Sync + 'static,
        run: impl Fn(&mut Bench, A, &SpinBarrier) -> B + Send + Sync + 'static,
        conclude: impl Fn(&mut Bench, B) -> Seen + Send + Sync + 'static,
    ) -> std::result::Result<Spans, Refusal> {
        let origin = self.origin;
        let before = Taken::now();
        let spans = self.all(move |bench, barrier| {
            let prepared = prepare(bench);
            let waited_before = waited_s();
            barrier.wait();
            let start_s = origin.elapsed().as_secs_f64();
            let result = run(bench, prepared, barrier);
            let end_s = origin.elapsed().as_secs_f64();
            let waited_s = waited_s() - waited_before;
            Span { start_s, end_s, waited_s, seen: conclude(bench, result) }
        })?;
        Ok(Spans { spans, taken: Taken::now().more_than(before) })
    }

    fn all<T: Send + 'static>(
        &self,
        task: impl Fn(&mut Bench, &SpinBarrier) -> T + Send + Sync + 'static,
    ) -> std::result::Result<Vec<T>, Refusal> {
        self.team.run(task).map_err(|reason| skipped(&reason))
    }
}

impl Device for Cpu {
    fn machine(&self) -> Machine {
        let mut machine = self.machine.clone();
        let taken = Taken::now();
        let environment = &mut machine.environment;
        environment.steal_percent = taken.steal_percent_since(self.taken_at_start).map(four_digits);
        let throttled = taken.throttled_periods.zip(self.taken_at_start.throttled_periods);
        environment.throttled_periods = throttled.map(|(now, then)| now.saturating_sub(then));
        environment.drift_percent = match self.sentinel.as_slice() {
            [first, .., last] => Some(four_digits((last / first - 1.0) * 100.0)),
            _ => None,
        };
        machine
    }

    fn time(&mut self, job: &Job, repetitions: u64, _purpose: Purpose) -> std::result::Result<Pass, Refusal> {
        match job.op {
            Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad => self.time_stream(job, repetitions),
            Op::Chain | Op::ChainAdd => {
                let isa = isa_of(job)?;
                let kernel = ChainKernel::find(job.op, job.dtype, isa).ok_or_else(|| unsupported(isa))?;
                canary::survived(isa).map_err(Refusal::Unsupported)?;
                match job.variant.threads.map_or(self.team.size(), |threads| threads as usize) {
                    0 => Err(skipped("the job names no thread")),
                    threads => self.time_chain(kernel, threads, repetitions),
                }
            }
            Op::Barrier => self.time_barrier(repetitions),
            other => Err(Refusal::Unsupported(format!("there is no {other} kernel for CPUs yet"))),
        }
    }

    fn renew(&mut self) {
        self.verified.clear();
        // A dead team is reported by the next pass.
        let _ = self.all(|bench, _| bench.clear());
        self.watch_drift();
    }
}

fn isa_of(job: &Job) -> std::result::Result<Isa, Refusal> {
    let name = job.variant.isa.as_deref().unwrap_or(Isa::Portable.name());
    let known = Isa::ALL.iter().copied().find(|isa| isa.name() == name);
    known.ok_or_else(|| Refusal::Unsupported(format!("there are no kernels for {name}")))
}

/// What all threads saw of one pass.
struct Spans {
    spans: Vec<Span>,
    /// The hypervisor or the quota took CPU time meanwhile.
    taken: bool,
}

impl Spans {
    /// The pass; `None` when a thread's result was wrong.
    fn pass(&self, repetitions: u64, work: Work) -> Option<Pass> {
        let spans = &self.spans;
        if spans.is_empty() || spans.iter().any(|span| !span.seen.right) {
            return None;
        }
        let start = spans.iter().map(|s| s.start_s).fold(f64::INFINITY, f64::min);
        let end = spans.iter().map(|s| s.end_s).fold(0.0, f64::max);
        let waited = spans.iter().map(|s| s.waited_s).fold(0.0, f64::max);
        let clocks: Option<Vec<f64>> = spans.iter().map(|s| s.seen.clock_hz).collect();
        Some(Pass {
            seconds: Seconds(end - start),
            repetitions,
            work,
            clock_hz: clocks.map(|all| all.iter().sum::<f64>() / all.len() as f64),
            huge_share: None,
            disturbed: self.taken || waited > WAITED_SHARE_MAX * (end - start),
        })
    }
}

fn unsupported(isa: Isa) -> Refusal {
    Refusal::Unsupported(format!("this CPU has no {isa}, or no such kernel exists for it"))
}

fn skipped(reason: &str) -> Refusal {
    Refusal::Skipped(reason.to_owned())
}

fn rejected(job: &Job) -> Refusal {
    Refusal::Rejected(format!("the result of {job} differs from the oracle"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Variant;

    #[test]
    fn a_chain_counts_the_threads_that_work() {
        let mut cpu = Cpu::new(None).unwrap();
        let all = cpu.team.size();
        let mut flops = |threads: Option<u32>| {
            let variant = Variant { isa: Some("portable".to_owned()), threads, ..Variant::default() };
            let job = Job { ceiling: "compute.f32".to_owned(), op: Op::Chain, dtype: Dtype::F32, variant };
            cpu.time(&job, 3, Purpose::Warm).map(|pass| pass.work.flops.0)
        };
        let one = ChainKernel::find(Op::Chain, Dtype::F32, Isa::Portable).unwrap().cost(3).flops as f64;
        assert_eq!(flops(Some(1)), Ok(one));
        assert_eq!(flops(Some(all as u32)), Ok(one * all as f64));
        assert_eq!(flops(None), Ok(one * all as f64));
        assert!(matches!(flops(Some(0)), Err(Refusal::Skipped(_))));
    }
}
