//! The CPU: a team of pinned threads, and the kernels that they run.
//!
//! Time is from the first thread's start to the last thread's end, behind a barrier. Every pass is verified: chains and
//! reads against their checksum at once, streams that write by a look at the whole output, once per variant and
//! allocation.

mod activations;
mod arena;
mod attended;
mod attention;
mod drift;
mod matmul;
mod memory;
mod operands;
mod overhead;
mod paired_clock;
mod pinning;
mod replay;
mod scaling;
mod self_test;
mod spans;
mod team;
mod team_job;
mod timer;
mod topology;
mod work_queue;
mod worker_state;

use super::{Attempt, Device, Purpose, Refusal, Timing};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::profile::{Chain, Machine, Variant};
use crate::units::{Seconds, four_digits};
use crate::work::Work;
use drift::Drift;
use operands::Operands;
use overhead::Call;
pub use replay::CpuReplayer;
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::{Dtype, Isa, Op};
use scaling::Scaling;
pub use self_test::PASSED;
use spans::{Seen, timed};
use std::collections::HashSet;
use std::sync::Arc;
use team::{Members, SpinBarrier, Team};
use team_job::TeamJob;
pub(in crate::device) use topology::Taken;
use work_queue::Stock;
use worker_state::WorkerState;
#[cfg(feature = "gpu")]
pub(super) use worker_state::all_waited_s;

/// The host's processor.
pub struct Cpu {
    machine: Machine,
    team: Team,
    taken_at_start: Taken,
    throttles_at_start: Option<u64>,
    /// Stream variants whose output was verified since the last renewal.
    verified: HashSet<Job>,
    /// The reference chain, read at each renewal.
    drift: Drift,
    /// Whether the first two cores are two; `None` where the team has only one, or the system calls them siblings.
    scaling: Option<Scaling>,
    /// Whether the cores are of several kinds, so that even shares would leave the fast ones waiting.
    uneven: bool,
    /// The last job of the whole team made ready, and what it reads.
    prepared: Option<(Job, Arc<dyn TeamJob>)>,
    operands: Option<Operands>,
    /// Repetitions of jobs of the whole team so far.
    team_repetitions: usize,
}

/// Rounds of the reference chain: a few milliseconds on any recent core.
const SENTINEL_ROUNDS: u64 = 1000;

impl Cpu {
    /// Reads the topology and starts the team: one pinned thread per allowed core within the quota, or `threads`.
    ///
    /// # Errors
    /// Misuse for an impossible number of threads; failure when no CPU is allowed or a thread cannot be started.
    pub fn new(threads: Option<usize>) -> Result<Cpu> {
        let topology = topology::read(threads).map_err(|reason| {
            if threads.is_some() { Error::misuse(format!("--threads: {reason}")) } else { Error::failure(reason) }
        })?;
        let team = Team::new(&topology.cores).map_err(Error::failure)?;
        let mut machine = topology.machine;
        if !team.pinned() {
            machine.environment.pinned = Some(false);
            // Where threads go where they want, no set of CPUs can be asked for.
            (machine.environment.pinned_cpus, machine.environment.nodes) = (None, Vec::new());
            machine.device.core_classes.iter_mut().for_each(|class| class.cpus = None);
        }
        let mut cpu = Cpu {
            uneven: !machine.device.core_classes.is_empty(),
            throttles_at_start: topology::thermal_throttles(&machine.environment.allowed_cpus),
            machine,
            team,
            taken_at_start: Taken::now(),
            verified: HashSet::new(),
            drift: Drift::default(),
            prepared: None,
            operands: None,
            team_repetitions: 0,
            scaling: (topology.separate && topology.cores.len() > 1).then(Scaling::default),
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

    /// The same as so many threads see it: they may reach fewer caches.
    ///
    /// # Errors
    /// Failure when there are not so many CPUs any more.
    pub fn describe_with(threads: usize) -> Result<Machine> {
        topology::read(Some(threads)).map(|t| t.machine).map_err(Error::failure)
    }

    /// Runs one round of every chain of `isa` in this thread and verifies it: for a process that may die of it.
    ///
    /// # Errors
    /// Failure when there is no such kernel here or one differs from the oracle.
    pub fn try_instruction_set(isa: Isa) -> Result<()> {
        self_test::try_here(isa).map_err(Error::failure)
    }

    fn watch_drift(&mut self) {
        // Not one that is to be tried elsewhere first.
        let harmless = Isa::ALL.into_iter().rev().filter(|isa| !isa.risky());
        let best = harmless.filter_map(|isa| ChainKernel::find(Op::Chain, Dtype::F32, isa)).next();
        let mut drift = std::mem::take(&mut self.drift);
        if let Some(kernel) = best {
            drift.read(|| self.time_chain(kernel, &self.team.all(), SENTINEL_ROUNDS).ok());
        }
        self.drift = drift;
        if let (Some(scaling), Some(kernel)) = (&mut self.scaling, best) {
            // A dead team is reported by the next pass.
            let _ = scaling.look(&self.team, kernel);
        }
    }

    /// Times a chain on some members of the team; the others wait.
    fn time_chain(&mut self, kernel: ChainKernel, members: &Members, repetitions: u64) -> Attempt {
        let active = members.clone();
        self.all(move |worker, _| active.has(worker.index()).then(|| worker.prepare_chain(kernel)))?;
        let threads = members.count();
        let total = repetitions.saturating_mul(threads as u64);
        let stock = (self.uneven && threads > 1).then(|| Stock::new(total, threads));
        let run = move |worker: &mut WorkerState, (), _: &SpinBarrier| match &stock {
            Some(stock) => worker.chain_of_stock(kernel, stock),
            None => {
                worker.chain(kernel, repetitions);
                repetitions
            }
        };
        let conclude = move |worker: &mut WorkerState, done: u64| Seen {
            clock_hz: worker.clock().hz(),
            right: worker.verify_chain(kernel, done),
        };
        let spans = timed(&self.team, members, |_| (), run, conclude)?;
        let work = Work::of_kernel(kernel.cost(repetitions), kernel.dtype()) * threads as f64;
        let reason =
            || Refusal::Rejected(format!("the {} chain on {} differs from the oracle", kernel.dtype(), kernel.isa()));
        spans.pass(repetitions, work).ok_or_else(reason)
    }

    fn time_barrier(&mut self, repetitions: u64) -> Attempt {
        if self.team.size() < 2 {
            return Err(Refusal::Unsupported("one thread has nobody to wait for".to_owned()));
        }
        let run = move |_: &mut WorkerState, (), barrier: &SpinBarrier| {
            for _ in 0..repetitions {
                barrier.wait();
            }
        };
        let spans = timed(&self.team, &self.team.all(), |_| (), run, |_, ()| Seen { clock_hz: None, right: true })?;
        spans.pass(repetitions, Work::default()).ok_or_else(|| skipped("no thread answered"))
    }

    fn time_call(&mut self, call: Call, repetitions: u64) -> Attempt {
        if self.team.size() < 2 {
            return Err(Refusal::Unsupported("one thread has nobody to wake".to_owned()));
        }
        let before = Taken::now();
        let seconds = overhead::seconds(&self.team, call, repetitions).map_err(|reason| skipped(&reason))?;
        // A thread that wakes always waits for its core a little; that is what is timed, and no disturbance.
        let disturbed = Taken::now().more_than(before);
        Ok(Timing { seconds: Seconds(seconds), repetitions, disturbed, ..Timing::default() })
    }

    fn all<T: Send + 'static>(
        &self,
        task: impl Fn(&mut WorkerState, &SpinBarrier) -> T + Send + Sync + 'static,
    ) -> Attempt<Vec<T>> {
        self.team.run(task).map_err(|reason| skipped(&reason))
    }
}

impl Device for Cpu {
    fn machine(&self) -> Machine {
        let mut machine = self.machine.clone();
        let environment = &mut machine.environment;
        Taken::now().note_since(self.taken_at_start, environment);
        let throttles = topology::thermal_throttles(&environment.allowed_cpus).zip(self.throttles_at_start);
        environment.thermal_throttles = throttles.map(|(now, then)| now.saturating_sub(then));
        environment.drift_percent = self.drift.percent().map(four_digits);
        environment.core_scaling = self.scaling.and_then(Scaling::ratio).map(four_digits);
        environment.core_scaling_latency = self.scaling.and_then(Scaling::latency_ratio).map(four_digits);
        machine
    }

    fn time(&mut self, job: &Job, repetitions: u64, _purpose: Purpose) -> Attempt {
        match job.op {
            Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad => self.time_stream(job, repetitions),
            Op::Chain | Op::ChainAdd => {
                let Variant::Chain(Chain { isa, threads, ref cpus, chains }) = job.variant else {
                    return Err(foreign(job));
                };
                let chains = chains.map(|chains| chains as usize);
                let kernel =
                    ChainKernel::with_chains(job.op, job.dtype, isa, chains).ok_or_else(|| unsupported(isa))?;
                self_test::survived(isa).map_err(Refusal::Unsupported)?;
                let members = self.members(threads, cpus.as_ref())?;
                self.time_chain(kernel, &members, repetitions)
            }
            Op::Chase => self.time_chase(job, repetitions),
            Op::Matmul | Op::Attention => self.time_team_job(job, repetitions),
            Op::Barrier => self.time_barrier(repetitions),
            Op::ForkJoin => self.time_call(Call::ForkJoin, repetitions),
            Op::Wakeup => self.time_call(Call::Wakeup, repetitions),
            other => Err(Refusal::Unsupported(format!("there is no {other} kernel for CPUs yet"))),
        }
    }

    fn renew(&mut self) {
        self.verified.clear();
        (self.prepared, self.operands) = (None, None);
        // A dead team is reported by the next pass.
        let _ = self.all(|worker, _| worker.clear());
        self.watch_drift();
    }
}

/// The refusal of a job that is done in a way that its routine does not know.
fn foreign(job: &Job) -> Refusal {
    Refusal::Unsupported(format!("{} on a CPU is not done as {}", job.op, job.variant.family()))
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
