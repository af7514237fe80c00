//! The worker: what times jobs on one opened GPU, in the process that may die of it.

use super::context::{Context, Outcome};
use super::hooks::Hooks;
use super::matmul::{Matmul, Weights};
use super::routine::{Pacing, Routine};
use super::stream::{Arena, Stream, WorkgroupRead};
use crate::device::{Pass, Refusal};
use crate::job::Job;
use crate::units::Seconds;
use roofprobe_kernels::Op;
use std::collections::HashMap;
use std::rc::Rc;

/// A job made ready, and what is known of it.
struct Ready {
    routine: Box<dyn Routine>,
    pacing: Pacing,
    verified: bool,
}

/// Times jobs on one GPU.
pub(super) struct Worker {
    context: Context,
    hooks: Hooks,
    arena: Option<Rc<Arena>>,
    weights: Option<Rc<Weights>>,
    ready: HashMap<Job, Ready>,
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
        Ok(Worker { context, hooks, arena: None, weights: None, ready: HashMap::new(), asked: 0 })
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
        if self.hooks.lose_at == Some(self.asked) {
            self.context.lose();
        }
        if !self.ready.contains_key(job) {
            self.make_room(job);
            let routine = self.routine(job)?;
            self.ready.insert(job.clone(), Ready { routine, pacing: Pacing::default(), verified: false });
        }
        let Some(ready) = self.ready.get_mut(job) else { return Err(Refusal::Exhausted.into()) };
        let timed = ready.time(&self.context, job, repetitions, limit);
        if timed.is_err() {
            self.ready.remove(job);
        }
        timed
    }

    /// Gives up all memory.
    pub(super) fn renew(&mut self) {
        self.ready.clear();
        self.arena = None;
        self.weights = None;
    }

    /// What another family of jobs holds is given back before a new one is made ready.
    fn make_room(&mut self, job: &Job) {
        let family = family(job);
        self.ready.retain(|known, _| keeps(known, &family));
    }

    fn routine(&mut self, job: &Job) -> Outcome<Box<dyn Routine>> {
        let context = &mut self.context;
        Ok(match job.op {
            Op::Read if job.ceiling.starts_with("memory.workgroup.") => Box::new(WorkgroupRead::new(context, job)?),
            Op::Read | Op::Write | Op::Copy | Op::Scale | Op::Add | Op::Triad => {
                Box::new(Stream::new(context, &mut self.arena, job)?)
            }
            Op::Matmul => Box::new(Matmul::new(context, &mut self.weights, job)?),
            other => return Err(Refusal::Unsupported(format!("there is no {other} shader")).into()),
        })
    }
}

/// What shares operands that take long to make ready.
fn family(job: &Job) -> (Op, String) {
    let op = match job.op {
        Op::Matmul | Op::Attention => job.op,
        // Streams share their arrays, all others have next to nothing.
        _ => Op::Read,
    };
    (op, format!("{} {:?} {:?}", job.dtype, job.variant.k, job.variant.head_dim))
}

/// Whether `known` stays when a job of `family` comes.
fn keeps(known: &Job, new: &(Op, String)) -> bool {
    let old = family(known);
    old.0 == Op::Read || old.0 != new.0 || old.1 == new.1
}

impl Ready {
    fn time(&mut self, context: &Context, job: &Job, repetitions: u64, limit: f64) -> Outcome<Pass> {
        let verifies = self.routine.verifies_at_once() || !self.verified;
        if verifies {
            self.routine.prepare(context)?;
        }
        let timing = self.pacing.time(context, self.routine.as_ref(), repetitions, limit)?;
        if verifies && !self.routine.verify(context, timing.executed)? {
            return Err(Refusal::Rejected(format!("the result of {job} differs from the oracle")).into());
        }
        self.verified = true;
        let wall_clock = |reason: &String| format!("timed by the wall clock, by difference: {reason}");
        let notes: Vec<String> =
            self.routine.note().into_iter().chain(self.pacing.by_difference.as_ref().map(wall_clock)).collect();
        Ok(Pass {
            seconds: Seconds(timing.seconds),
            repetitions: timing.repetitions,
            work: self.routine.work() * timing.repetitions as f64,
            clock_hz: None,
            huge_share: None,
            disturbed: false,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        })
    }
}
