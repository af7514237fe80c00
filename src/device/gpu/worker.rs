//! The worker: what times jobs on one opened GPU, in a process that a driver may crash.

use super::contention::ContentionWatch;
use super::context::{Context, GpuError, GpuResult};
use super::hooks::Hooks;
use super::replay::{PreparedSequence, Ran, Run};
use super::routines::{Routine, SharedBuffers, entry_of};
use super::timer::Timer;
use crate::device::{Refusal, Timing};
use crate::job::{Job, Sequence};
use crate::units::Seconds;
use std::collections::HashMap;
use std::time::Duration;
use web_time::Instant;

/// Clocks of hardware rise under load for about so long, s;
const LOAD_S: f64 = 0.2;
/// and after a pause of so long they may have fallen.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a GPU has been at work.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    /// Seconds without a pause,
    seconds: f64,
    /// up to then.
    end: Option<Instant>,
}

impl Load {
    /// Seconds of load that are missing before a pass may be timed at `now`.
    fn missing(self, now: Instant) -> f64 {
        let goes_on = self.end.is_some_and(|end| now.saturating_duration_since(end) <= PAUSE);
        if goes_on { (LOAD_S - self.seconds).max(0.0) } else { LOAD_S }
    }

    /// With so many seconds more, up to `now`.
    fn with(self, seconds: f64, now: Instant) -> Load {
        Load { seconds: LOAD_S - self.missing(now) + seconds, end: Some(now) }
    }
}

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
    /// A model's operations, while they are replayed.
    sequence: Option<PreparedSequence>,
    load: Load,
    /// Jobs, and parts of a sequence, asked for so far.
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
        Ok(Worker { context, hooks, software, shared, prepared, sequence: None, load: Load::default(), asked: 0 })
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
        self.begin();
        self.context.keep_order(false)?;
        if !self.prepared.contains_key(job) {
            let prepared = self.prepare(job)?;
            self.prepared.insert(job.clone(), prepared);
        }
        let Some(prepared) = self.prepared.get_mut(job) else { return Err(Refusal::Exhausted.into()) };
        let missing = self.load.missing(Instant::now());
        let warmed = if missing > 0.0 && !self.software && !prepared.routine.is_timed_by_host() {
            let warmed = prepared.timer.warm(&self.context, &*prepared.routine, missing, limit);
            self.load = self.load.with(missing, Instant::now());
            warmed
        } else {
            Ok(())
        };
        let timed = warmed.and_then(|()| prepared.time(&self.context, job, repetitions, limit, self.software));
        match &timed {
            Ok(pass) => self.load = self.load.with(pass.seconds.0, Instant::now()),
            Err(_) => drop(self.prepared.remove(job)),
        }
        timed.map(|pass| Timing { disturbed: pass.disturbed || self.hooks.disturbed, ..pass })
    }

    /// Counts what is asked, and does what the hooks have for it.
    fn begin(&mut self) {
        self.asked += 1;
        if self.hooks.die_at == Some(self.asked) {
            std::process::abort();
        }
        if self.hooks.hang_at == Some(self.asked) {
            std::thread::sleep(Duration::MAX);
        }
        if self.hooks.lose_at == Some(self.asked) {
            self.context.lose();
        }
    }

    /// Takes a sequence in the place of all else.
    pub(super) fn take(&mut self, sequence: Sequence) -> GpuResult<()> {
        self.renew();
        self.context.keep_order(true)?;
        self.sequence = Some(PreparedSequence::new(&self.context, sequence, self.software));
        Ok(())
    }

    /// Makes the next operation of the sequence ready.
    pub(super) fn make_next(&mut self) -> GpuResult<Option<String>> {
        self.begin();
        let sequence = self.sequence.as_mut().ok_or_else(no_sequence)?;
        sequence.make_next(&mut self.context)
    }

    /// Overwrites the results of the sequence.
    pub(super) fn spoil(&mut self) -> GpuResult<()> {
        self.sequence.as_mut().ok_or_else(no_sequence)?.spoil(&self.context)
    }

    /// Runs a part of a pass over the sequence.
    pub(super) fn run(&mut self, run: Run) -> GpuResult<Ran> {
        self.begin();
        let watch = ContentionWatch::begin(self.software);
        let ran = self.sequence.as_mut().ok_or_else(no_sequence)?.run(&self.context, run)?;
        let disturbed = ran.disturbed || watch.disturbed(ran.seconds) || self.hooks.disturbed;
        Ok(Ran { disturbed, ..ran })
    }

    /// Holds the results of the last pass over the sequence against the oracle.
    pub(super) fn verified(&mut self) -> GpuResult<bool> {
        self.sequence.as_mut().ok_or_else(no_sequence)?.verified(&self.context)
    }

    /// The jobs that are ready.
    #[cfg(test)]
    pub(super) fn prepared(&self) -> impl Iterator<Item = &Job> {
        self.prepared.keys()
    }

    /// Gives up all memory.
    pub(super) fn renew(&mut self) {
        self.prepared.clear();
        self.sequence = None;
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

fn no_sequence() -> GpuError {
    Refusal::Skipped("there is no sequence".to_owned()).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_adds_up_until_a_pause() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let idle = Load::default();
        assert!(near(idle.missing(at(0)), LOAD_S));
        let some = idle.with(0.05, at(50));
        assert!(near(some.missing(at(60)), LOAD_S - 0.05));
        let enough = some.with(0.2, at(260));
        assert!(near(enough.missing(at(300)), 0.0) && near(enough.missing(at(600)), LOAD_S));
        assert!(near(enough.with(0.01, at(1000)).missing(at(1001)), LOAD_S - 0.01));
    }
}
