//! A sequence of operations run by the team: everything is made ready before, and the team stays together from the first operation
//! of a pass to the last, as an engine's does.
//!
//! Operations are those of the measuring jobs, on operands of which every layer has its own. Each ends with a barrier of those that
//! take part. Where each is timed, the first thread reads its clock behind that barrier.

mod elementwise;
mod experts;
mod ready;
mod rows;

use super::spans::{Seen, timed};
use super::team::{Members, SpinBarrier};
use super::team_job::TeamJob;
use super::worker_state::WorkerState;
use super::{Cpu, skipped};
use crate::device::{Attempt, Device, Purpose, Refusal, Replayer, SequencePass};
use crate::job::{Job, Launch, Sequence};
use crate::profile::Machine;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// So many operations between two looks at whether somebody wants it to end.
const LOOK_EVERY: usize = 8;

/// A sequence made ready: its operands are in memory until it is dropped.
pub(super) struct PreparedSequence {
    shared: Arc<Shared>,
    /// Passes so far.
    passes: usize,
}

struct Shared {
    routines: Vec<Prepared>,
    launches: Vec<Launch>,
    steps: usize,
}

/// One routine made ready.
struct Prepared {
    job: Arc<dyn TeamJob>,
    members: Members,
    /// Of those that take part, where these are not all.
    barrier: Option<SpinBarrier>,
    /// Copies of its operands.
    copies: usize,
    /// Whether its results are held against the oracle.
    checked: bool,
}

/// The CPU, with the sequence that it runs.
pub struct CpuReplayer {
    cpu: Cpu,
    prepared: Option<PreparedSequence>,
}

impl CpuReplayer {
    /// That CPU.
    pub fn new(cpu: Cpu) -> CpuReplayer {
        CpuReplayer { cpu, prepared: None }
    }

    fn prepared(&mut self) -> Attempt<(&mut Cpu, &mut PreparedSequence)> {
        let prepared = self.prepared.as_mut().ok_or_else(|| skipped("no sequence was made ready"))?;
        Ok((&mut self.cpu, prepared))
    }
}

impl Replayer for CpuReplayer {
    fn machine(&self) -> Machine {
        self.cpu.machine()
    }

    fn sequence_bytes(&self, sequence: &Sequence) -> Attempt<u64> {
        self.cpu.sequence_bytes(sequence)
    }

    fn make_ready(&mut self, sequence: &Sequence, shown: &mut dyn FnMut(f64) -> bool) -> Attempt<Vec<String>> {
        // The memory of the one before is given back first.
        self.prepared = None;
        self.prepared = Some(self.cpu.prepare_sequence(sequence, shown)?);
        Ok(Vec::new())
    }

    fn spoil(&mut self) -> Attempt<()> {
        let (_, prepared) = self.prepared()?;
        prepared.spoil();
        Ok(())
    }

    fn pass(&mut self, timers: bool, stop: fn() -> bool) -> Attempt<SequencePass> {
        let (cpu, prepared) = self.prepared()?;
        cpu.pass(prepared, timers, stop)
    }

    fn time(&mut self, job: &Job) -> Attempt {
        self.cpu.time(job, 1, Purpose::Trial)
    }

    fn verified(&mut self) -> Attempt<bool> {
        let (_, prepared) = self.prepared()?;
        Ok(prepared.verified())
    }
}

impl Cpu {
    /// Times one pass; with `timers` each step by itself, too. `stop` is asked now and then whether to end before the end.
    ///
    /// # Errors
    /// Skipped when a thread of the team has died.
    fn pass(
        &mut self,
        prepared: &mut PreparedSequence,
        timers: bool,
        stop: fn() -> bool,
    ) -> Result<SequencePass, Refusal> {
        let shared = Arc::clone(&prepared.shared);
        let (turn, end) = (prepared.passes, AtomicUsize::new(usize::MAX));
        prepared.passes += 1;
        let seen: Arc<Mutex<Option<Done>>> = Arc::default();
        let answer = Arc::clone(&seen);
        let (team, whole) = (self.team.size(), self.team.all());
        let run = move |worker: &mut WorkerState, (), barrier: &SpinBarrier| {
            let control = Control { barrier, team, end: &end, stop };
            control.go(&shared, worker.index(), turn, timers)
        };
        let conclude = move |worker: &mut WorkerState, done: Done| {
            if worker.index() == 0 {
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            }
            Seen { clock_hz: None, right: true }
        };
        let spans = timed(&self.team, &whole, |_| (), run, conclude)?;
        let pass = spans.pass(1, crate::work::Work::default()).ok_or_else(|| skipped("no thread answered"))?;
        let done = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (steps, complete) = done.ok_or_else(|| skipped("the first thread gave no times"))?;
        Ok(SequencePass { seconds: pass.seconds.0, steps, disturbed: pass.disturbed, complete })
    }
}

/// The seconds of each step, if they were to be timed, and whether the pass went to its end.
type Done = (Vec<f64>, bool);

/// What goes with every operation of a pass.
struct Control<'a> {
    barrier: &'a SpinBarrier,
    team: usize,
    /// The launch before which all threads end.
    end: &'a AtomicUsize,
    stop: fn() -> bool,
}

impl Control<'_> {
    /// One pass by one thread.
    fn go(&self, shared: &Shared, index: usize, turn: usize, timers: bool) -> Done {
        let mut steps = vec![0.0; if timers && index == 0 { shared.steps } else { 0 }];
        let mut before = Instant::now();
        for (place, launch) in shared.launches.iter().enumerate() {
            if index == 0 && place % LOOK_EVERY == 0 && (self.stop)() {
                // All see it before the launch after next: a barrier lies between.
                let _ = self.end.compare_exchange(usize::MAX, place + 2, Ordering::AcqRel, Ordering::Relaxed);
            }
            if place >= self.end.load(Ordering::Acquire) {
                return (steps, false);
            }
            let prepared = &shared.routines[launch.routine];
            if let Some(rank) = prepared.members.rank(index) {
                // The turn is in it, so that experts are drawn anew; a whole number of copies, so that the copy stays the same.
                let repetition = turn.wrapping_mul(prepared.copies).wrapping_add(launch.copy as usize);
                let barrier = prepared.barrier.as_ref().unwrap_or(self.barrier);
                prepared.job.repeat(rank, prepared.members.count(), repetition, barrier);
            }
            if prepared.members.count() < self.team {
                self.barrier.wait();
            }
            if let Some(sum) = steps.get_mut(launch.step) {
                let now = Instant::now();
                *sum += now.duration_since(before).as_secs_f64();
                before = now;
            }
        }
        (steps, true)
    }
}

impl PreparedSequence {
    /// Overwrites the results of all operations, so that what is not written is found.
    fn spoil(&self) {
        self.shared.routines.iter().for_each(|prepared| prepared.job.spoil());
    }

    /// Whether all results of the last pass were written, and a sample of them is what the oracle gives.
    fn verified(&self) -> bool {
        let turn = self.passes.saturating_sub(1);
        let last_copy = |routine: usize| {
            self.shared
                .launches
                .iter()
                .rev()
                .find(|launch| launch.routine == routine)
                .map(|launch| launch.copy as usize)
        };
        let checked = self.shared.routines.iter().enumerate().filter(|(_, prepared)| prepared.checked);
        checked.map(|(place, prepared)| (prepared, last_copy(place))).all(|(prepared, copy)| {
            copy.is_none_or(|copy| prepared.job.verified(turn.wrapping_mul(prepared.copies).wrapping_add(copy)))
        })
    }
}
