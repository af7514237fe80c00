//! Jobs that take the whole team: matmul and attention, whose operands live in memory and are shared.
//!
//! Every repetition reads the next copy of the operands, so that they come from memory each time.

use super::paired_clock::stretches;
use super::spans::{Seen, timed};
use super::team::{Members, SpinBarrier};
use super::worker_state::WorkerState;
use super::{Cpu, foreign, rejected, skipped};
use crate::device::{Refusal, Timing};
use crate::job::Job;
use crate::profile::Variant;
use crate::units::four_digits;
use crate::work::Work;
use std::sync::Arc;

/// A job of the whole team, made ready.
pub(super) trait TeamJob: Send + Sync + 'static {
    /// The share of the operands on huge pages.
    fn huge_share(&self) -> Option<f64>;

    /// The work of one repetition.
    fn work(&self) -> Work;

    /// Overwrites earlier results, so that they cannot pass for new ones.
    fn spoil(&self);

    /// One repetition, by one of `size` threads.
    fn repeat(&self, index: usize, size: usize, repetition: usize, barrier: &SpinBarrier);

    /// Whether every element was written, and a sample of them by `last`, the last repetition, is what the oracle gives.
    fn verified(&self, last: usize) -> bool;

    /// How far the results that were looked at are from exact ones, as [`Timing::relative_error`], once they are verified.
    fn relative_error(&self) -> Option<f64> {
        None
    }
}

impl Cpu {
    pub(super) fn time_team_job(&mut self, job: &Job, repetitions: u64) -> Result<Timing, Refusal> {
        let prepared = match self.prepared.take() {
            Some((earlier, prepared)) if earlier == *job => prepared,
            earlier => {
                // It holds memory that the job needs.
                drop(earlier);
                self.prepare(job)?
            }
        };
        self.prepared = Some((job.clone(), Arc::clone(&prepared)));
        // Looked at once per variant and allocation, and spoilt before, so that nothing stale can pass.
        let first = self.verified.insert(job.clone());
        if first {
            prepared.spoil();
        }
        // The next pass reads the next copies, also that of another job.
        let from = self.team_repetitions;
        self.team_repetitions = from.wrapping_add(repetitions as usize);
        let last = self.team_repetitions.wrapping_sub(1);
        let shared = Arc::clone(&prepared);
        let members = self.members_of(job)?;
        let size = members.count();
        let (active, own_barrier) = (members.clone(), self.team.barrier_of(size));
        let run = move |worker: &mut WorkerState, (), _: &SpinBarrier| {
            let rank = active.rank(worker.index()).unwrap_or(0);
            let mut next = from;
            for stretch in stretches(repetitions) {
                for _ in 0..stretch {
                    shared.repeat(rank, size, next, &own_barrier);
                    next = next.wrapping_add(1);
                }
                worker.clock().read();
            }
        };
        let conclude = |worker: &mut WorkerState, ()| Seen { clock_hz: worker.clock().hz(), right: true };
        let spans = timed(&self.team, &members, |_| (), run, conclude)?;
        if first && !prepared.verified(last) {
            return Err(rejected(job));
        }
        let pass = spans.pass(repetitions, prepared.work() * repetitions as f64).ok_or_else(|| rejected(job))?;
        let huge_share = prepared.huge_share().map(four_digits);
        Ok(Timing { huge_share, relative_error: prepared.relative_error(), ..pass })
    }

    fn prepare(&mut self, job: &Job) -> Result<Arc<dyn TeamJob>, Refusal> {
        let threads = self.members_of(job)?.count();
        match &job.variant {
            Variant::Matmul(variant) => Ok(Arc::new(self.prepare_matmul(job, variant, threads)?)),
            Variant::Attention(variant) => Ok(Arc::new(self.prepare_attention(variant, threads)?)),
            _ => Err(foreign(job)),
        }
    }

    /// Who does a job.
    fn members_of(&self, job: &Job) -> Result<Members, Refusal> {
        let keys = job.variant.keys();
        let Some(threads) = keys.threads else { return Err(foreign(job)) };
        self.members(threads, keys.cpus.as_ref())
    }
}

/// An extent of operands, 1 or more.
///
/// # Errors
/// Skipped, when it is not.
pub(super) fn extent(value: u64, name: &str) -> Result<usize, Refusal> {
    let value = usize::try_from(value).ok().filter(|&value| value > 0);
    value.ok_or_else(|| skipped(&format!("the job names no {name}")))
}
