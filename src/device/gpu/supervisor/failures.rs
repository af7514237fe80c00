//! What a job did to its workers, and for how long it is tried again.

use super::process::WorkerError;

/// A job is tried this often, each time with half the work in one submission; then it is not tried again.
const TRIES: u32 = 3;
/// A worker that hangs costs minutes at each try.
const HANGS_MAX: u32 = 2;
/// After this many good passes in a row one failure is forgiven: another job may have caused it.
const PASSES_FORGIVE: u32 = 10;

/// The failures of one job.
#[derive(Default)]
pub(super) struct JobFailures {
    /// Failures that are not forgiven.
    counted: u32,
    /// Those of them that were hangs.
    hangs: u32,
    /// All failures, the forgiven ones included.
    pub(super) total: u32,
    /// Good passes since the last failure.
    passes: u32,
    /// Why the last one happened.
    last: String,
}

impl JobFailures {
    /// Notes that a worker failed at this job.
    pub(super) fn record(&mut self, error: &WorkerError) {
        self.counted += 1;
        self.total += 1;
        self.hangs += u32::from(matches!(error, WorkerError::TimedOut(_)));
        self.passes = 0;
        self.last = error.to_string();
    }

    /// Notes a good pass.
    pub(super) fn record_pass(&mut self) {
        self.passes += 1;
        if self.passes.is_multiple_of(PASSES_FORGIVE) {
            self.counted = self.counted.saturating_sub(1);
            self.hangs = self.hangs.min(self.counted);
        }
    }

    /// The share of the usual work that one submission may hold. It never grows again: the smaller size worked.
    pub(super) fn limit(&self) -> f64 {
        0.5_f64.powi(self.total.min(TRIES - 1) as i32)
    }

    /// The note of a pass that succeeded after failures.
    pub(super) fn note(&self) -> String {
        format!("measured with less work at a time, because before that {}", self.last)
    }

    /// Why the job is not tried any more; `None` while it is.
    pub(super) fn given_up(&self) -> Option<String> {
        let given_up = self.counted >= TRIES || self.hangs >= HANGS_MAX;
        given_up.then(|| format!("{}; tried {} times, each with less work than before", self.last, self.counted))
    }
}
