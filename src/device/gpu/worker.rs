//! The worker: what times jobs on one opened GPU, in a process that a driver may crash.

use super::contention::ContentionWatch;
use super::context::{Context, GpuError, GpuResult};
use super::hooks::Hooks;
use super::routines::{Routine, SharedBuffers, entry_of};
use super::timer::Timer;
use crate::device::{Refusal, Timing};
use crate::job::Job;
use crate::units::Seconds;
use std::collections::HashMap;

/// A job made ready, and what earlier passes of it showed.
struct PreparedJob {
    routine: Box<dyn Routine>,
    timer: Timer,
    /// The most repetitions of one dispatch whose results were verified.
    verified_fold: u32,
}

/// Times jobs on one GPU.
pub(super) struct Worker {
    context: Context,
    hooks: Hooks,
    /// Whether the processor runs the shaders.
    software: bool,
    shared: SharedBuffers,
    prepared: HashMap<Job, PreparedJob>,
    /// Jobs asked for so far.
    asked: u64,
}

impl Worker {
    /// Opens `adapter`.
    ///
    /// # Errors
    /// The driver's message.
    pub(super) fn open(adapter: &wgpu::Adapter, hooks: Hooks) -> Result<Worker, String> {
        let context = Context::open(adapter, hooks.clone())?;
        let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        let (shared, prepared) = (SharedBuffers::default(), HashMap::new());
        Ok(Worker { context, hooks, software, shared, prepared, asked: 0 })
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
    /// Refused when only the job is impossible; fatal when the device is lost.
    pub(super) fn time(&mut self, job: &Job, repetitions: u64, limit: f64) -> GpuResult<Timing> {
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
        if !self.prepared.contains_key(job) {
            let prepared = self.prepare(job)?;
            self.prepared.insert(job.clone(), prepared);
        }
        let Some(prepared) = self.prepared.get_mut(job) else { return Err(Refusal::Exhausted.into()) };
        let timed = prepared.time(&self.context, job, repetitions, limit, self.software);
        if timed.is_err() {
            self.prepared.remove(job);
        }
        timed.map(|pass| Timing { disturbed: pass.disturbed || self.hooks.disturbed, ..pass })
    }

    /// The jobs that are ready.
    #[cfg(test)]
    pub(super) fn prepared(&self) -> impl Iterator<Item = &Job> {
        self.prepared.keys()
    }

    /// Gives up all memory.
    pub(super) fn renew(&mut self) {
        self.prepared.clear();
        self.shared = SharedBuffers::default();
    }

    /// Makes `job` ready. Jobs whose shared buffers it cannot use go first; all go where memory does not suffice beside them.
    fn prepare(&mut self, job: &Job) -> GpuResult<PreparedJob> {
        let entry = entry_of(job)?;
        (entry.make_room)(&mut self.shared, job);
        self.prepared.retain(|_, prepared| prepared.routine.is_current(&self.shared));
        let first = (entry.new)(&mut self.context, &mut self.shared, job);
        let routine = match first {
            Err(GpuError::Refused(Refusal::OutOfMemory(_))) => {
                self.renew();
                (entry.new)(&mut self.context, &mut self.shared, job)?
            }
            other => other?,
        };
        Ok(PreparedJob { routine, timer: Timer::default(), verified_fold: 0 })
    }
}

impl PreparedJob {
    fn time(
        &mut self,
        context: &Context,
        job: &Job,
        repetitions: u64,
        limit: f64,
        software: bool,
    ) -> GpuResult<Timing> {
        // Repetitions within a dispatch take another way than those of several.
        let fold = self.timer.fold(self.routine.fold_max(), limit);
        let verifies = self.routine.verifies_every_pass() || fold > self.verified_fold;
        if verifies {
            self.routine.prepare(context)?;
        }
        // Preparing and verifying are no part of the pass, so they are not watched.
        let watch = ContentionWatch::begin(software);
        let elapsed = self.timer.time(context, &mut *self.routine, repetitions, limit)?;
        let disturbed = elapsed.disturbed || watch.disturbed(elapsed.seconds);
        if verifies && !self.routine.verify(context, elapsed.executed)? {
            return Err(Refusal::Rejected(format!("the result of {job} differs from the oracle")).into());
        }
        self.verified_fold = self.verified_fold.max(fold);
        let wall_clock = |reason| format!("timed by the wall clock, by difference: {reason}");
        let note = self.timer.by_difference.map(wall_clock);
        let work = self.routine.work() * elapsed.repetitions as f64;
        let (seconds, repetitions) = (Seconds(elapsed.seconds), elapsed.repetitions);
        Ok(Timing { seconds, repetitions, work, disturbed, note, ..Timing::default() })
    }
}
