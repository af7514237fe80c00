//! Keeps a worker alive: starts it, starts another one when it dies or hangs, and knows which jobs it died of.

use super::adapter::Adapter;
use super::hooks::Hooks;
use super::process::Process;
use super::wire::{Answer, Opened, Request, Task};
use crate::device::{Pass, Refusal};
use crate::error::{Error, Result};
use crate::job::Job;
use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// The hidden verb that makes this program a worker.
pub(crate) const VERB: &str = "gpu-worker";

/// A worker gives a submission up after 20 s; what takes much longer without an answer hangs.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// A job is tried so often, each time with half the work in one submission; then it is not tried again.
const TRIES: u32 = 3;
/// A driver that resets a GPU may need a moment before it opens it again.
const OPENINGS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// After so many deaths without a pass in between there is nothing to be had from this driver.
const DEATHS_IN_A_ROW_MAX: u32 = 30;
/// A worker that opens within this time is replaced at every renewal: what differs between processes is sampled too.
const RENEWED_WITHIN: Duration = Duration::from_millis(500);

/// What a job did to its workers.
struct Trouble {
    deaths: u32,
    /// What happened last.
    last: String,
}

/// Somebody to ask about one adapter, whatever becomes of the processes that answer.
pub(super) struct Keeper {
    adapter: Adapter,
    /// How long a job is waited for.
    answer_max: Duration,
    process: Option<Process>,
    /// How long the last opening took.
    opening: Duration,
    troubles: HashMap<Job, Trouble>,
    deaths_in_a_row: u32,
    /// Why there is no worker any more.
    lost: Option<String>,
}

/// Every adapter there is, by a process that may die of the search.
///
/// # Errors
/// Failure when it does.
pub fn adapters() -> Result<Vec<Adapter>> {
    let listed = start().and_then(|mut process| process.ask(&Request::List, ANSWER_MAX));
    match listed {
        Ok(Answer::Adapters(adapters)) => Ok(adapters),
        Ok(Answer::Failed(reason)) => Err(Error::misuse(reason)),
        Ok(other) => Err(Error::failure(format!("GPUs cannot be listed: {other:?}"))),
        Err(reason) => Err(Error::failure(format!("GPUs cannot be listed: {reason}"))),
    }
}

fn start() -> std::result::Result<Process, String> {
    let program = std::env::current_exe().map_err(|e| format!("a process for the GPU cannot be started: {e}"))?;
    Process::start(Command::new(program).arg(VERB))
}

impl Keeper {
    /// Opens `adapter` in a process of its own.
    ///
    /// # Errors
    /// Failure when the driver does not open it.
    pub(super) fn open(adapter: &Adapter) -> Result<(Keeper, Opened)> {
        let mut keeper = Keeper {
            adapter: adapter.clone(),
            answer_max: Hooks::of_environment().map_err(Error::misuse)?.answer.unwrap_or(ANSWER_MAX),
            process: None,
            opening: Duration::ZERO,
            troubles: HashMap::new(),
            deaths_in_a_row: 0,
            lost: None,
        };
        let opened =
            keeper.start().map_err(|reason| Error::failure(format!("{} cannot be opened: {reason}", adapter.name)));
        Ok((keeper, opened?))
    }

    /// Times `job`. A worker that dies of it is replaced, and the job tried again with less work.
    ///
    /// # Errors
    /// The refusals of the worker; skipped when workers keep dying.
    pub(super) fn time(&mut self, job: &Job, repetitions: u64) -> std::result::Result<Pass, Refusal> {
        let mut repetitions = repetitions;
        loop {
            let (deaths, last) = self.troubles.get(job).map_or((0, ""), |trouble| (trouble.deaths, &trouble.last));
            if deaths >= TRIES {
                return Err(Refusal::Skipped(format!("{last}; tried {TRIES} times, each with less work than before")));
            }
            let note = (deaths > 0).then(|| format!("measured with less work at a time, as before {last}"));
            let limit = 0.5_f64.powi(deaths as i32);
            self.ensure().map_err(Refusal::Skipped)?;
            match self.ask(&Request::Time(Task::new(job, repetitions, limit)), self.answer_max) {
                Ok(Answer::Timed(timed)) => {
                    self.deaths_in_a_row = 0;
                    let mut pass = Pass::from(timed);
                    pass.note = note.into_iter().chain(pass.note).reduce(|one, other| format!("{one}; {other}"));
                    return Ok(pass);
                }
                Ok(Answer::Unsupported(reason)) => return Err(Refusal::Unsupported(reason)),
                Ok(Answer::Rejected(reason)) => return Err(Refusal::Rejected(reason)),
                Ok(Answer::Skipped(reason) | Answer::Failed(reason)) => return Err(Refusal::Skipped(reason)),
                Ok(other) => return Err(Refusal::Skipped(format!("the GPU's process answered {other:?}"))),
                Err(reason) => {
                    self.bury(job, reason);
                    repetitions = (repetitions / 2).max(1);
                }
            }
        }
    }

    /// New memory, and where that is cheap a new process.
    pub(super) fn renew(&mut self) {
        if self.opening > RENEWED_WITHIN && self.process.is_some() {
            // One that dies of this is replaced by the next job.
            let _ = self.ask(&Request::Renew, ANSWER_MAX);
        } else {
            self.process = None;
        }
    }

    fn ask(&mut self, request: &Request, time_max: Duration) -> std::result::Result<Answer, String> {
        let process = self.process.as_mut().ok_or("there is no process for the GPU")?;
        let answer = process.ask(request, time_max);
        if answer.is_err() {
            self.process = None;
        }
        answer
    }

    fn bury(&mut self, job: &Job, reason: String) {
        self.deaths_in_a_row += 1;
        if self.deaths_in_a_row >= DEATHS_IN_A_ROW_MAX {
            let deaths = self.deaths_in_a_row;
            self.lost = Some(format!("the GPU was given up after {deaths} failures in a row, the last one: {reason}"));
        }
        let trouble = self.troubles.entry(job.clone()).or_insert(Trouble { deaths: 0, last: String::new() });
        trouble.deaths += 1;
        trouble.last = reason;
    }

    /// Sees to it that there is a worker.
    ///
    /// # Errors
    /// Why there is none and will be none.
    fn ensure(&mut self) -> std::result::Result<(), String> {
        if let Some(reason) = &self.lost {
            return Err(reason.clone());
        }
        if self.process.is_some() {
            return Ok(());
        }
        let mut tried = 1;
        loop {
            match self.start() {
                Ok(_) => return Ok(()),
                Err(_) if tried < OPENINGS => std::thread::sleep(PAUSE),
                Err(reason) => {
                    let reason = format!("the GPU could not be opened again: {reason}");
                    self.lost = Some(reason.clone());
                    return Err(reason);
                }
            }
            tried += 1;
        }
    }

    fn start(&mut self) -> std::result::Result<Opened, String> {
        let begun = Instant::now();
        self.process = Some(start()?);
        let answer = self.ask(&Request::Open { adapter: self.adapter.clone() }, ANSWER_MAX);
        self.opening = begun.elapsed();
        match answer {
            Ok(Answer::Opened(opened)) => Ok(*opened),
            Ok(Answer::Failed(reason)) | Err(reason) => {
                self.process = None;
                Err(reason)
            }
            Ok(other) => {
                self.process = None;
                Err(format!("the GPU's process answered {other:?}"))
            }
        }
    }
}
