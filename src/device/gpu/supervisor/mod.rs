//! Supervises the worker process: starts it, replaces it when it crashes or hangs, and remembers which jobs it failed at.

mod failures;
mod listing;
mod process;
#[cfg(all(test, unix))]
mod tests;

use super::adapter::Adapter;
use super::hooks::Hooks;
use super::protocol::{Answer, Opened, Request, Task};
use crate::device::{Attempt, Refusal};
use crate::error::{Error, Result};
use crate::job::Job;
use failures::JobFailures;
pub use listing::{AdapterList, adapters};
pub(crate) use process::VERB;
use process::{OPENING_MAX, POLL_INTERVAL, Process, Stop, WorkerError};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A worker gives a submission up after 20 s; a worker that is silent for much longer hangs.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// A GPU that was reset comes back after seconds: the pauses before each further try to open it.
const PAUSES: &[Duration] =
    &[Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// The same for a GPU that was never open.
const FIRST_PAUSES: &[Duration] = &[Duration::from_millis(300), Duration::from_secs(1)];
/// After this many failures without a pass in between the GPU is given up.
const FAILURES_IN_A_ROW_MAX: u32 = 30;
/// The GPU is also given up after failures that took this long in all.
const GIVE_UP_AFTER: Duration = Duration::from_secs(180);
/// A worker that opens within this time is replaced at every renewal: what differs between processes is sampled too.
const RESTART_WITHIN: Duration = Duration::from_millis(500);

/// How long a worker may take, and how much time failures may cost.
struct Timeouts {
    answer: Duration,
    pauses: &'static [Duration],
    give_up: Duration,
}

type Starter = Box<dyn FnMut() -> std::result::Result<Process, String>>;

/// Times jobs on one adapter through a worker process, and restarts that process when it fails.
pub(super) struct Supervisor {
    adapter: Adapter,
    starter: Starter,
    stop: Stop,
    timeouts: Timeouts,
    process: Option<Process>,
    /// How long the last opening took.
    opening: Duration,
    failures: HashMap<Job, JobFailures>,
    failures_in_a_row: u32,
    /// Time that went into failures.
    time_lost: Duration,
    /// Why the GPU was given up.
    given_up: Option<String>,
}

/// The refusal for an answer that does not belong to its request.
pub(super) fn unexpected(answer: &Answer) -> Refusal {
    Refusal::Skipped(WorkerError::unexpected(answer).to_string())
}

impl Supervisor {
    /// Opens `adapter` in a process of its own. Waits for nothing once `stop` returns true.
    ///
    /// # Errors
    /// Failure when the driver does not open it.
    pub(super) fn open(adapter: &Adapter, stop: Stop) -> Result<(Supervisor, Opened)> {
        let answer = Hooks::of_environment().map_err(Error::misuse)?.answer_timeout.unwrap_or(ANSWER_MAX);
        let timeouts = Timeouts { answer, pauses: PAUSES, give_up: GIVE_UP_AFTER };
        let mut supervisor = Supervisor::new(adapter, Box::new(Process::start_worker), stop, timeouts);
        let opened = supervisor.start_with_retries(FIRST_PAUSES);
        let opened = opened.map_err(|error| Error::failure(format!("{} cannot be opened: {error}", adapter.name)))?;
        // Failures before the first opening are no failures of the measurement.
        supervisor.time_lost = Duration::ZERO;
        Ok((supervisor, opened))
    }

    fn new(adapter: &Adapter, starter: Starter, stop: Stop, timeouts: Timeouts) -> Supervisor {
        Supervisor {
            adapter: adapter.clone(),
            starter,
            stop,
            timeouts,
            process: None,
            opening: Duration::ZERO,
            failures: HashMap::new(),
            failures_in_a_row: 0,
            time_lost: Duration::ZERO,
            given_up: None,
        }
    }

    /// Times `job`. A worker that fails at it is replaced, and the job tried again with less work.
    ///
    /// # Errors
    /// The refusals of the worker; skipped when workers keep failing; exhausted when interrupted.
    pub(super) fn time(&mut self, job: &Job, repetitions: u64) -> Attempt {
        let mut repetitions = repetitions;
        loop {
            let failures = self.failures.get(job);
            if let Some(reason) = failures.and_then(JobFailures::given_up) {
                return Err(Refusal::Skipped(reason));
            }
            let (note, limit) = (failures.map(JobFailures::note), failures.map_or(1.0, JobFailures::limit));
            self.ensure_worker()?;
            match self.ask(&Request::Time(Box::new(Task::new(job, repetitions, limit))), self.timeouts.answer) {
                Ok(Answer::Timed(mut pass)) => {
                    self.failures_in_a_row = 0;
                    self.failures.get_mut(job).into_iter().for_each(JobFailures::record_pass);
                    pass.note = note.into_iter().chain(pass.note).reduce(|one, other| format!("{one}; {other}"));
                    return Ok(pass);
                }
                Ok(Answer::Refused(refusal)) => return Err(refusal),
                Ok(Answer::Failed(reason)) => return Err(Refusal::Skipped(reason)),
                Ok(other) => return Err(unexpected(&other)),
                // The job is not to blame: it is measured another time.
                Err(_) if (self.stop)() => return Err(Refusal::Exhausted),
                Err(error) => {
                    self.record_failure(job, &error);
                    repetitions = (repetitions / 2).max(1);
                }
            }
        }
    }

    /// Asks the worker for something that is not tried again: what its process holds is lost with it.
    ///
    /// # Errors
    /// The refusals of the worker; skipped when it fails; exhausted when interrupted.
    pub(super) fn request(&mut self, request: &Request) -> Attempt<Answer> {
        match self.ask(request, self.timeouts.answer) {
            Ok(Answer::Refused(refusal)) => Err(refusal),
            Ok(Answer::Failed(reason)) => Err(Refusal::Skipped(reason)),
            Ok(answer) => Ok(answer),
            Err(_) if (self.stop)() => Err(Refusal::Exhausted),
            Err(error) => Err(Refusal::Skipped(error.to_string())),
        }
    }

    /// Gives up all memory of the worker, and replaces its process where that is cheap.
    pub(super) fn renew(&mut self) {
        if self.opening > RESTART_WITHIN && self.process.is_some() {
            // A worker that fails at this is replaced by the next job.
            let _ = self.ask(&Request::Renew, self.timeouts.answer);
        } else {
            self.process = None;
        }
    }

    fn ask(&mut self, request: &Request, time_max: Duration) -> std::result::Result<Answer, WorkerError> {
        let begun = Instant::now();
        let no_process = || WorkerError::Crashed("there is no process for the GPU".to_owned());
        let answer = self.process.as_mut().ok_or_else(no_process)?.ask(request, time_max, self.stop);
        if answer.is_err() {
            // Dropping the process waits for its end.
            self.process = None;
            self.time_lost += begun.elapsed();
        }
        answer
    }

    fn record_failure(&mut self, job: &Job, error: &WorkerError) {
        self.failures_in_a_row += 1;
        let cause = if self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX {
            Some(format!("{} failures in a row", self.failures_in_a_row))
        } else {
            let too_long = self.time_lost >= self.timeouts.give_up;
            too_long.then(|| format!("failures that took {} s", self.time_lost.as_secs()))
        };
        if let Some(cause) = cause {
            self.given_up = Some(format!("the GPU was given up after {cause}, the last one: {error}"));
        }
        self.failures.entry(job.clone()).or_default().record(error);
    }

    /// Starts a worker where there is none.
    ///
    /// # Errors
    /// Skipped when the GPU is given up; exhausted when interrupted.
    fn ensure_worker(&mut self) -> Attempt<()> {
        if let Some(reason) = &self.given_up {
            return Err(Refusal::Skipped(reason.clone()));
        }
        if self.process.is_some() {
            return Ok(());
        }
        match self.start_with_retries(self.timeouts.pauses) {
            Ok(_) => Ok(()),
            Err(_) if (self.stop)() => Err(Refusal::Exhausted),
            Err(error) => {
                let reason = format!("the GPU could not be opened again: {error}");
                self.given_up = Some(reason.clone());
                Err(Refusal::Skipped(reason))
            }
        }
    }

    /// Starts a worker and opens the adapter in it; after a failure again, once after each of `pauses`.
    fn start_with_retries(&mut self, pauses: &[Duration]) -> std::result::Result<Opened, WorkerError> {
        let mut pauses = pauses.iter();
        loop {
            let error = match self.start() {
                Ok(opened) => return Ok(opened),
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| self.time_lost < self.timeouts.give_up);
            let Some(&pause) = pause.filter(|_| !(self.stop)()) else { return Err(error) };
            self.sleep(pause);
            self.time_lost += pause;
        }
    }

    /// Sleeps, unless interrupted.
    fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !(self.stop)() && Instant::now() < until {
            std::thread::sleep(POLL_INTERVAL.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn start(&mut self) -> std::result::Result<Opened, WorkerError> {
        let begun = Instant::now();
        self.process = Some((self.starter)().map_err(WorkerError::Crashed)?);
        let answer = self.ask(&Request::Open { adapter: self.adapter.clone() }, OPENING_MAX);
        self.opening = begun.elapsed();
        let error = match answer {
            Ok(Answer::Opened(opened)) => return Ok(*opened),
            Ok(Answer::Failed(reason)) => WorkerError::Crashed(reason),
            Ok(other) => WorkerError::unexpected(&other),
            Err(error) => error,
        };
        self.process = None;
        Err(error)
    }
}
