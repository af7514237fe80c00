//! The worker: what times jobs on one opened GPU, in the process that may die of it.

use super::attention::{Attention, Caches};
use super::chain::Chain;
use super::context::{Context, Outcome, Trouble};
use super::coopmat::Coopmat;
use super::hooks::Hooks;
use super::matmul::{Matmul, Weights};
use super::overhead::Dispatches;
use super::routine::{Pacing, Routine};
#[cfg(test)]
use super::shader::Program;
use super::stream::{Arena, Stream, WorkgroupRead};
use super::wall::Walled;
#[cfg(test)]
use super::{attention, chain, coopmat, matmul, overhead, stream};
use crate::device::cpu::{Taken, all_waited_s};
use crate::device::{Pass, Refusal};
use crate::job::Job;
use crate::profile::MemoryLevel;
use crate::units::Seconds;
use crate::work::Work;
use roofprobe_kernels::Op;
use std::collections::HashMap;
use std::rc::Rc;

/// Threads that wait for their cores longer than this share of a pass, all of them together, share them with somebody. The
/// waking of those that slept before is in it.
const WAITED_SHARE_MAX: f64 = 0.05;

/// Watches whether others have the processor while it plays the GPU.
struct Watch(Option<(Taken, f64)>);

impl Watch {
    fn begin(software: bool) -> Watch {
        Watch(software.then(|| (Taken::now(), all_waited_s())))
    }

    /// Whether they had it, during a pass of so many seconds.
    fn disturbed(self, seconds: f64) -> bool {
        let waited = |before: f64| all_waited_s() - before > WAITED_SHARE_MAX * seconds;
        self.0.is_some_and(|(taken, waited_s)| waited(waited_s) || Taken::now().more_than(taken))
    }
}

/// A job made ready, and what is known of it.
struct Ready {
    routine: Box<dyn Routine>,
    pacing: Pacing,
    /// The most repetitions of one dispatch whose results were looked at.
    verified_fold: u32,
}

/// Times jobs on one GPU.
pub(super) struct Worker {
    context: Context,
    hooks: Hooks,
    /// Whether the processor plays the GPU.
    software: bool,
    arena: Option<Rc<Arena>>,
    caches: Option<Rc<Caches>>,
    weights: Option<Rc<Weights>>,
    ready: HashMap<Job, Ready>,
    /// Jobs that only the host's clock sees.
    walled: HashMap<Job, Walled>,
    /// Jobs asked for so far.
    asked: u64,
}

impl Worker {
    /// Opens `adapter`.
    ///
    /// # Errors
    /// What the driver says.
    pub(super) fn open(adapter: &wgpu::Adapter, hooks: Hooks) -> Result<Worker, String> {
        let context = Context::open(adapter, hooks.clone())?;
        let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        let (ready, walled) = (HashMap::new(), HashMap::new());
        let (arena, caches, weights) = (None, None, None);
        Ok(Worker { context, hooks, software, arena, caches, weights, ready, walled, asked: 0 })
    }

    /// What was opened.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The same, for tests of routines alone.
    #[cfg(test)]
    pub(super) fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Times `repetitions` of `job` and verifies their results. No submission is planned to last longer than `limit` of the
    /// usual, 1 or less.
    ///
    /// # Errors
    /// Refused: the job; fatal: the device is gone.
    pub(super) fn time(&mut self, job: &Job, repetitions: u64, limit: f64) -> Outcome<Pass> {
        self.asked += 1;
        if self.hooks.die_at == Some(self.asked) {
            std::process::abort();
        }
        if self.hooks.hang_at == Some(self.asked) {
            std::thread::sleep(std::time::Duration::MAX);
        }
        if self.hooks.lose_at == Some(self.asked) {
            self.context.lose();
        }
        if let Some(timed) = self.walled(job, repetitions) {
            return timed.map(|pass| self.marked(pass));
        }
        if !self.ready.contains_key(job) {
            let ready = self.made_ready(job)?;
            self.ready.insert(job.clone(), ready);
        }
        let Some(ready) = self.ready.get_mut(job) else { return Err(Refusal::Exhausted.into()) };
        let timed = ready.time(&self.context, job, repetitions, limit, self.software);
        if timed.is_err() {
            self.ready.remove(job);
        }
        timed.map(|pass| self.marked(pass))
    }

    /// A pass that a hook marks as disturbed.
    fn marked(&self, pass: Pass) -> Pass {
        Pass { disturbed: pass.disturbed || self.hooks.disturbed, ..pass }
    }

    /// The jobs that are ready.
    #[cfg(test)]
    pub(super) fn ready(&self) -> impl Iterator<Item = &Job> {
        self.ready.keys()
    }

    /// Gives up all memory.
    pub(super) fn renew(&mut self) {
        self.ready.clear();
        (self.arena, self.caches, self.weights) = (None, None, None);
        self.walled.clear();
    }

    /// Times a job that only the host's clock sees; `None` when it is no such job.
    fn walled(&mut self, job: &Job, repetitions: u64) -> Option<Outcome<Pass>> {
        let mut walled = match self.walled.remove(job) {
            Some(ready) => ready,
            None => match Walled::new(&mut self.context, job)? {
                Ok(ready) => ready,
                Err(trouble) => return Some(Err(trouble)),
            },
        };
        let work = walled.work() * repetitions as f64;
        let watch = Watch::begin(self.software);
        let pass = |(seconds, right)| match right {
            true => Ok(Pass { disturbed: watch.disturbed(seconds), ..pass(seconds, repetitions, work, None) }),
            false => Err(rejected(job)),
        };
        let timed = walled.run(&self.context, repetitions).and_then(pass);
        if timed.is_ok() {
            self.walled.insert(job.clone(), walled);
        }
        Some(timed)
    }

    /// What others hold is given back before something large is made ready: beside the arrays of streams, which are asked for in
    /// between all others, either weights or caches are there, of one kind.
    fn make_room(&mut self, job: &Job) {
        match job.op {
            Op::Matmul => {
                self.drop_where(|known| known.op == Op::Attention || known.op == Op::Matmul && !alike(known, job));
                self.caches = None;
                if !self.ready.keys().any(|known| known.op == Op::Matmul) {
                    self.weights = None;
                }
            }
            Op::Attention => {
                let suffice = self.caches.as_ref().is_some_and(|caches| caches.suffice(job));
                self.drop_where(|known| known.op == Op::Matmul || known.op == Op::Attention && !suffice);
                self.weights = None;
                if !suffice {
                    self.caches = None;
                }
            }
            op if is_stream(op) && !self.arena.as_ref().is_some_and(|arena| arena.suffices(job)) => {
                self.drop_where(|known| is_stream(known.op));
                self.arena = None;
            }
            _ => {}
        }
    }

    fn drop_where(&mut self, goes: impl Fn(&Job) -> bool) {
        self.ready.retain(|known, _| !goes(known));
    }

    /// Makes `job` ready; where memory does not suffice beside what is there, in its place.
    fn made_ready(&mut self, job: &Job) -> Outcome<Ready> {
        self.make_room(job);
        let first = self.routine(job);
        let routine = match first {
            Err(Trouble::Refused(Refusal::OutOfMemory(_))) => {
                self.renew();
                self.routine(job)?
            }
            other => other?,
        };
        Ok(Ready { routine, pacing: Pacing::default(), verified_fold: 0 })
    }

    fn routine(&mut self, job: &Job) -> Outcome<Box<dyn Routine>> {
        let context = &mut self.context;
        Ok(match job.op {
            Op::Read if job.ceiling.level() == Some(MemoryLevel::Workgroup) => {
                Box::new(WorkgroupRead::new(context, job)?)
            }
            Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad => {
                Box::new(Stream::new(context, &mut self.arena, job)?)
            }
            Op::Attention => Box::new(Attention::new(context, &mut self.caches, job)?),
            Op::Chain if job.variant.tile.is_some() => Box::new(Coopmat::new(context, job)?),
            Op::Chain => Box::new(Chain::new(context, job)?),
            Op::Dispatch => Box::new(Dispatches::new(context)?),
            Op::Matmul => Box::new(Matmul::new(context, &mut self.weights, job)?),
            other => return Err(Refusal::Unsupported(format!("there is no {other} shader")).into()),
        })
    }
}

/// Every program that `job` may need, whatever the adapter.
///
/// # Errors
/// Refusals that need no adapter: a job that no shader does.
#[cfg(test)]
pub(super) fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
    match job.op {
        Op::Read if job.ceiling.level() == Some(MemoryLevel::Workgroup) => stream::workgroup_programs(job),
        Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad => stream::programs(job),
        Op::Chain if job.variant.tile.is_some() => coopmat::programs(job),
        Op::Chain => chain::programs(job),
        Op::Matmul => matmul::programs(job),
        Op::Attention => attention::programs(job),
        Op::Dispatch | Op::Submit => Ok(vec![overhead::program()]),
        Op::Upload | Op::Download => Ok(Vec::new()),
        other => Err(Refusal::Unsupported(format!("there is no {other} shader"))),
    }
}

/// Whether two matmuls share their weights.
fn alike(one: &Job, other: &Job) -> bool {
    one.dtype == other.dtype && one.variant.k == other.variant.k
}

/// Streams share their arrays.
fn is_stream(op: Op) -> bool {
    matches!(op, Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad)
}

impl Ready {
    fn time(&mut self, context: &Context, job: &Job, repetitions: u64, limit: f64, software: bool) -> Outcome<Pass> {
        // Repetitions within a dispatch take another way than those of several.
        let fold = self.pacing.fold(self.routine.as_ref(), limit);
        let verifies = self.routine.verifies_at_once() || fold > self.verified_fold;
        if verifies {
            self.routine.prepare(context)?;
        }
        // Making ready and verifying are no part of the pass, and whoever comes between does it no harm.
        let watch = Watch::begin(software);
        let timing = self.pacing.time(context, self.routine.as_ref(), repetitions, limit)?;
        let disturbed = timing.disturbed || watch.disturbed(timing.seconds);
        if verifies && !self.routine.verify(context, timing.executed)? {
            return Err(rejected(job));
        }
        self.verified_fold = self.verified_fold.max(fold);
        let wall_clock = |reason| format!("timed by the wall clock, by difference: {reason}");
        let note = self.pacing.by_difference.map(wall_clock);
        let work = self.routine.work() * timing.repetitions as f64;
        Ok(Pass { disturbed, ..pass(timing.seconds, timing.repetitions, work, note) })
    }
}

fn pass(seconds: f64, repetitions: u64, work: Work, note: Option<String>) -> Pass {
    let seconds = Seconds(seconds);
    Pass { seconds, repetitions, work, clock_hz: None, huge_share: None, disturbed: false, note }
}

fn rejected(job: &Job) -> Trouble {
    Refusal::Rejected(format!("the result of {job} differs from the oracle")).into()
}
