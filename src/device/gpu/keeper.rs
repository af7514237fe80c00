//! Keeps a worker alive: starts it, starts another one when it dies or hangs, and knows which jobs it died of.

use super::adapter::{self, Adapter};
use super::hooks::Hooks;
use super::process::{LOOK_EVERY, Loss, Process, Stop};
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
/// Drivers may wake a GPU to list or open it, which takes seconds where there are many.
const OPENING_MAX: Duration = Duration::from_secs(60);
/// A job is tried so often, each time with half the work in one submission; then it is not tried again.
const TRIES: u32 = 3;
/// One whose worker hangs without a word costs minutes at each try.
const HANGS_MAX: u32 = 2;
/// After so many passes of a job a death of it is forgiven: it may have been another's fault.
const PASSES_FORGIVE: u32 = 10;
/// A GPU that was reset is there again after seconds: how long to wait before each further try to open it,
const PAUSES: &[Duration] =
    &[Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// and where it has never been open.
const FIRST_PAUSES: &[Duration] = &[Duration::from_millis(300), Duration::from_secs(1)];
/// After so many deaths without a pass in between there is nothing to be had from this driver.
const DEATHS_IN_A_ROW_MAX: u32 = 30;
/// Nor after so much time that went into failures.
const LOST_MAX: Duration = Duration::from_secs(180);
/// A worker that opens within this time is replaced at every renewal: what differs between processes is sampled too.
const RENEWED_WITHIN: Duration = Duration::from_millis(500);

/// What a job did to its workers.
#[derive(Default)]
struct Trouble {
    /// Those that are not forgiven,
    deaths: u32,
    /// those among them without a word,
    hangs: u32,
    /// and all of them.
    deaths_ever: u32,
    /// Passes since the last one.
    passes: u32,
    /// What happened last.
    last: String,
}

impl Trouble {
    fn died(&mut self, loss: &Loss) {
        self.deaths += 1;
        self.deaths_ever += 1;
        self.hangs += u32::from(matches!(loss, Loss::Hung(_)));
        self.passes = 0;
        self.last = loss.to_string();
    }

    fn passed(&mut self) {
        self.passes += 1;
        if self.passes.is_multiple_of(PASSES_FORGIVE) {
            self.deaths = self.deaths.saturating_sub(1);
            self.hangs = self.hangs.min(self.deaths);
        }
    }

    /// The share of the usual work in one submission. What went well with less stays with it.
    fn limit(&self) -> f64 {
        0.5_f64.powi(self.deaths_ever.min(TRIES - 1) as i32)
    }

    /// What to say of a pass that there was in spite of it.
    fn note(&self) -> String {
        format!("measured with less work at a time, because before that {}", self.last)
    }

    /// Why the job is not tried any more.
    fn end(&self) -> Option<String> {
        let ended = self.deaths >= TRIES || self.hangs >= HANGS_MAX;
        ended.then(|| format!("{}; tried {} times, each with less work than before", self.last, self.deaths))
    }
}

/// How long a worker is waited for, and how long its failures are borne.
struct Patience {
    answer: Duration,
    pauses: &'static [Duration],
    lost: Duration,
}

/// Somebody to ask about one adapter, whatever becomes of the processes that answer.
pub(super) struct Keeper {
    adapter: Adapter,
    starter: Box<dyn FnMut() -> std::result::Result<Process, String>>,
    stop: Stop,
    patience: Patience,
    process: Option<Process>,
    /// How long the last opening took.
    opening: Duration,
    troubles: HashMap<Job, Trouble>,
    deaths_in_a_row: u32,
    /// Time that went into failures.
    time_lost: Duration,
    /// Why there is no worker any more.
    lost: Option<String>,
}

/// The adapters that were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Each GPU once.
    pub adapters: Vec<Adapter>,
    /// Which backends could not be asked, and why: what only they know is missing.
    pub notes: Vec<String>,
}

/// Every adapter there is. Each backend is asked by a process of its own, that may die of it. Gives up when `stop` says so.
///
/// # Errors
/// Failure when nothing was found and one did, or when interrupted; misuse when the hooks are wrong.
pub fn adapters(stop: fn() -> bool) -> Result<Listed> {
    let hooks = Hooks::of_environment().map_err(Error::misuse)?;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = adapter::backends()
            .into_iter()
            .map(|backend| (backend, scope.spawn(move || list(backend, stop))))
            .collect();
        let panicked = |_| Err(Loss::Died("the search for it panicked".to_owned()));
        asked.into_iter().map(|(backend, answer)| (backend, answer.join().unwrap_or_else(panicked))).collect()
    });
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for (backend, answer) in answers {
        match answer {
            Ok(adapters) => found.extend(adapters.into_iter().map(|adapter| (adapter, ()))),
            Err(Loss::Interrupted) => return Err(Error::failure(Loss::Interrupted.to_string())),
            Err(loss) => notes.push(format!("GPUs cannot be listed through {backend}: {loss}")),
        }
    }
    let mut adapters: Vec<Adapter> = adapter::each_once(found).into_iter().map(|(adapter, ())| adapter).collect();
    if hooks.adapters_twice {
        adapters = adapters.into_iter().flat_map(|adapter| [adapter.clone(), adapter]).collect();
        adapters.iter_mut().enumerate().for_each(|(index, adapter)| adapter.index = index);
    }
    if adapters.is_empty() && !notes.is_empty() {
        return Err(Error::failure(notes.join("; ")));
    }
    Ok(Listed { adapters, notes })
}

fn list(backend: &str, stop: Stop) -> std::result::Result<Vec<Adapter>, Loss> {
    let request = Request::List { backend: backend.to_owned() };
    match start().map_err(Loss::Died)?.ask(&request, OPENING_MAX, stop)? {
        Answer::Adapters(adapters) => Ok(adapters),
        Answer::Failed(reason) => Err(Loss::Died(reason)),
        other => Err(Loss::Died(format!("the GPU's process answered {other:?}"))),
    }
}

fn start() -> std::result::Result<Process, String> {
    let program = std::env::current_exe().map_err(|e| format!("a process for the GPU cannot be started: {e}"))?;
    Process::start(Command::new(program).arg(VERB))
}

impl Keeper {
    /// Opens `adapter` in a process of its own. Nothing is waited for once `stop` says so.
    ///
    /// # Errors
    /// Failure when the driver does not open it.
    pub(super) fn open(adapter: &Adapter, stop: Stop) -> Result<(Keeper, Opened)> {
        let answer = Hooks::of_environment().map_err(Error::misuse)?.answer.unwrap_or(ANSWER_MAX);
        let patience = Patience { answer, pauses: PAUSES, lost: LOST_MAX };
        let mut keeper = Keeper::new(adapter, Box::new(start), stop, patience);
        let opened = keeper.started(FIRST_PAUSES);
        let opened = opened.map_err(|loss| Error::failure(format!("{} cannot be opened: {loss}", adapter.name)))?;
        // What it took to come here is no failure of the measurement.
        keeper.time_lost = Duration::ZERO;
        Ok((keeper, opened))
    }

    fn new(
        adapter: &Adapter,
        starter: Box<dyn FnMut() -> std::result::Result<Process, String>>,
        stop: Stop,
        patience: Patience,
    ) -> Keeper {
        Keeper {
            adapter: adapter.clone(),
            starter,
            stop,
            patience,
            process: None,
            opening: Duration::ZERO,
            troubles: HashMap::new(),
            deaths_in_a_row: 0,
            time_lost: Duration::ZERO,
            lost: None,
        }
    }

    /// Times `job`. A worker that dies of it is replaced, and the job tried again with less work.
    ///
    /// # Errors
    /// The refusals of the worker; skipped when workers keep dying; exhausted when interrupted.
    pub(super) fn time(&mut self, job: &Job, repetitions: u64) -> std::result::Result<Pass, Refusal> {
        let mut repetitions = repetitions;
        loop {
            let trouble = self.troubles.get(job);
            if let Some(reason) = trouble.and_then(Trouble::end) {
                return Err(Refusal::Skipped(reason));
            }
            let (note, limit) = (trouble.map(Trouble::note), trouble.map_or(1.0, Trouble::limit));
            self.ensure()?;
            match self.ask(&Request::Time(Task::new(job, repetitions, limit)), self.patience.answer) {
                Ok(Answer::Timed(timed)) => {
                    self.deaths_in_a_row = 0;
                    self.troubles.get_mut(job).into_iter().for_each(Trouble::passed);
                    let mut pass = Pass::from(timed);
                    pass.note = note.into_iter().chain(pass.note).reduce(|one, other| format!("{one}; {other}"));
                    return Ok(pass);
                }
                Ok(Answer::Unsupported(reason)) => return Err(Refusal::Unsupported(reason)),
                Ok(Answer::Rejected(reason)) => return Err(Refusal::Rejected(reason)),
                Ok(Answer::Skipped(reason) | Answer::Failed(reason)) => return Err(Refusal::Skipped(reason)),
                Ok(other) => return Err(Refusal::Skipped(format!("the GPU's process answered {other:?}"))),
                // Nothing is wrong with the job: it is to be measured another time.
                Err(_) if (self.stop)() => return Err(Refusal::Exhausted),
                Err(loss) => {
                    self.bury(job, &loss);
                    repetitions = (repetitions / 2).max(1);
                }
            }
        }
    }

    /// New memory, and where that is cheap a new process.
    pub(super) fn renew(&mut self) {
        if self.opening > RENEWED_WITHIN && self.process.is_some() {
            // One that dies of this is replaced by the next job.
            let _ = self.ask(&Request::Renew, self.patience.answer);
        } else {
            self.process = None;
        }
    }

    fn ask(&mut self, request: &Request, time_max: Duration) -> std::result::Result<Answer, Loss> {
        let begun = Instant::now();
        let process = self.process.as_mut().ok_or_else(|| Loss::Died("there is no process for the GPU".to_owned()))?;
        let answer = process.ask(request, time_max, self.stop);
        if answer.is_err() {
            // One that does not end is waited for here.
            self.process = None;
            self.time_lost += begun.elapsed();
        }
        answer
    }

    fn bury(&mut self, job: &Job, loss: &Loss) {
        self.deaths_in_a_row += 1;
        if self.deaths_in_a_row >= DEATHS_IN_A_ROW_MAX {
            let deaths = self.deaths_in_a_row;
            self.lost = Some(format!("the GPU was given up after {deaths} failures in a row, the last one: {loss}"));
        } else if self.time_lost >= self.patience.lost {
            self.lost = Some(self.out_of_patience(loss));
        }
        self.troubles.entry(job.clone()).or_default().died(loss);
    }

    fn out_of_patience(&self, loss: &Loss) -> String {
        let seconds = self.time_lost.as_secs();
        format!("the GPU was given up after failures that took {seconds} s, the last one: {loss}")
    }

    /// Sees to it that there is a worker.
    ///
    /// # Errors
    /// Skipped: there is none and will be none; exhausted when interrupted.
    fn ensure(&mut self) -> std::result::Result<(), Refusal> {
        if let Some(reason) = &self.lost {
            return Err(Refusal::Skipped(reason.clone()));
        }
        if self.process.is_some() {
            return Ok(());
        }
        match self.started(self.patience.pauses) {
            Ok(_) => Ok(()),
            Err(_) if (self.stop)() => Err(Refusal::Exhausted),
            Err(loss) => {
                let reason = format!("the GPU could not be opened again: {loss}");
                self.lost = Some(reason.clone());
                Err(Refusal::Skipped(reason))
            }
        }
    }

    /// Starts a worker and opens the adapter in it, again after each of `pauses` where that fails.
    fn started(&mut self, pauses: &[Duration]) -> std::result::Result<Opened, Loss> {
        let mut pauses = pauses.iter();
        loop {
            let loss = match self.start() {
                Ok(opened) => return Ok(opened),
                Err(loss) => loss,
            };
            let pause = pauses.next().filter(|_| self.time_lost < self.patience.lost);
            let Some(&pause) = pause.filter(|_| !(self.stop)()) else { return Err(loss) };
            self.rest(pause);
            self.time_lost += pause;
        }
    }

    /// Sleeps, unless interrupted.
    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !(self.stop)() && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn start(&mut self) -> std::result::Result<Opened, Loss> {
        let begun = Instant::now();
        self.process = Some((self.starter)().map_err(Loss::Died)?);
        let answer = self.ask(&Request::Open { adapter: self.adapter.clone() }, OPENING_MAX);
        self.opening = begun.elapsed();
        let loss = match answer {
            Ok(Answer::Opened(opened)) => return Ok(*opened),
            Ok(Answer::Failed(reason)) => Loss::Died(reason),
            Ok(other) => Loss::Died(format!("the GPU's process answered {other:?}")),
            Err(loss) => loss,
        };
        self.process = None;
        Err(loss)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::wire;
    use super::*;
    use crate::profile::{GpuClass, GpuInfo, GpuLimits, GpuProvenance, Variant};
    use crate::units::Seconds;
    use crate::work::Work;
    use roofprobe_kernels::{Dtype, Op};
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A worker that opens, and what it does when it is asked for a pass.
    const DIES: &str = "exit 1";
    const HANGS: &str = "exec sleep 600";
    const NO_PAUSES: &[Duration] = &[Duration::ZERO; 4];

    fn patience() -> Patience {
        Patience { answer: Duration::from_secs(60), pauses: NO_PAUSES, lost: Duration::from_secs(600) }
    }

    fn printing(answer: &Answer) -> String {
        format!("printf '%s' '{}'", wire::line(answer).unwrap())
    }

    fn opened() -> Answer {
        let limits = GpuLimits {
            binding_bytes: 1,
            buffer_bytes: 1,
            workgroup_invocations: 1,
            workgroup_size: [1; 3],
            workgroup_memory_bytes: 1,
            workgroups_per_dimension: 1,
            storage_buffers: 1,
        };
        let gpu = GpuInfo {
            class: GpuClass::Other,
            pci_id: None,
            pci_bus: None,
            subgroup_min: None,
            subgroup_max: None,
            features: Vec::new(),
            cooperative_matrices: Vec::new(),
            limits,
        };
        let [backend, driver, driver_info, shader_checks, timer] = [(); 5].map(|()| String::new());
        let provenance =
            GpuProvenance { backend, driver, driver_info, shader_checks, timestamp_period_ns: None, timer };
        Answer::Opened(Box::new(Opened { gpu, provenance }))
    }

    fn passes() -> String {
        let seconds = Seconds(1.0);
        let pass = Pass {
            seconds,
            repetitions: 1,
            work: Work::default(),
            clock_hz: None,
            huge_share: None,
            disturbed: false,
            note: None,
        };
        printing(&Answer::Timed(pass.into()))
    }

    /// A worker that opens, then does `first` when asked for a pass, and `then` from the eleventh on.
    fn worker(first: &str, then: &str) -> String {
        let opened = printing(&opened());
        format!(
            "n=0; while read line; do case \"$line\" in *'\"open\"'*) {opened};; *'\"time\"'*) n=$((n+1)); \
             if [ $n -le 10 ]; then {first}; else {then}; fi;; esac; done"
        )
    }

    /// A keeper whose n-th worker is the n-th of `workers`, and the last one ever after; and how many it started.
    fn keeper(workers: Vec<String>, stop: Stop, patience: Patience) -> (Keeper, Rc<Cell<usize>>) {
        let started = Rc::new(Cell::new(0));
        let count = Rc::clone(&started);
        let starter = move || {
            let script = &workers[count.get().min(workers.len() - 1)];
            count.set(count.get() + 1);
            Process::start(Command::new("sh").args(["-c", script]))
        };
        let adapter = Adapter {
            index: 0,
            place: 0,
            name: "a card".to_owned(),
            class: "discrete".to_owned(),
            backend: "vulkan".to_owned(),
            pci_id: None,
            pci_bus: None,
            driver: String::new(),
            driver_info: String::new(),
            memory_bytes: None,
        };
        (Keeper::new(&adapter, Box::new(starter), stop, patience), started)
    }

    fn never() -> bool {
        false
    }

    fn job(ceiling: &str) -> Job {
        Job {
            ceiling: format!("memory.{ceiling}").parse().unwrap(),
            op: Op::Read,
            dtype: Dtype::F32,
            variant: Variant::default(),
        }
    }

    fn reason(refused: std::result::Result<Pass, Refusal>) -> String {
        match refused {
            Err(Refusal::Skipped(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_gpu_that_comes_back_late_is_waited_for() {
        let gone = || "exit 1".to_owned();
        let back = worker(&passes(), DIES);
        let (mut keeper, started) =
            keeper(vec![worker(DIES, DIES), gone(), gone(), gone(), gone(), back], never, patience());
        let note = keeper.time(&job("a"), 1).unwrap().note.unwrap();
        assert!(note.contains("less work") && started.get() == 6, "{note}");
    }

    #[test]
    fn one_that_does_not_come_back_is_given_up() {
        let (mut keeper, started) = keeper(vec![worker(DIES, DIES), "exit 1".to_owned()], never, patience());
        assert!(reason(keeper.time(&job("a"), 1)).contains("could not be opened again"));
        assert_eq!(started.get(), 2 + NO_PAUSES.len());
        assert!(reason(keeper.time(&job("b"), 1)).contains("could not be opened again"));
        assert_eq!(started.get(), 2 + NO_PAUSES.len());
    }

    #[test]
    fn a_job_that_hangs_is_tried_once_more() {
        let patience = Patience { answer: Duration::from_millis(50), ..patience() };
        let (mut keeper, started) = keeper(vec![worker(HANGS, HANGS)], never, patience);
        for _ in 0..2 {
            let reason = reason(keeper.time(&job("a"), 1));
            assert!(reason.contains("did not answer") && reason.contains("tried 2 times"), "{reason}");
        }
        assert_eq!(started.get(), 2);
        assert!(reason(keeper.time(&job("b"), 1)).contains("tried 2 times"));
    }

    #[test]
    fn too_much_time_lost_ends_it_for_every_job() {
        let patience = Patience { lost: Duration::ZERO, ..patience() };
        let (mut keeper, started) = keeper(vec![worker(DIES, DIES)], never, patience);
        for ceiling in ["a", "b"] {
            let reason = reason(keeper.time(&job(ceiling), 1));
            assert!(reason.contains("was given up after failures that took"), "{reason}");
        }
        assert_eq!(started.get(), 1);
    }

    #[test]
    fn deaths_are_forgiven_after_passes() {
        let (mut keeper, started) = keeper(vec![worker(&passes(), DIES)], never, patience());
        for _ in 0..60 {
            keeper.time(&job("a"), 1).unwrap();
        }
        assert_eq!(started.get(), 6);
        let trouble = &keeper.troubles[&job("a")];
        assert_eq!((trouble.deaths_ever, trouble.limit()), (5, 0.25));
    }

    #[test]
    fn an_interruption_ends_the_waiting_and_is_no_fault_of_the_job() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let (mut keeper, started) = keeper(vec![worker(HANGS, HANGS)], || STOP.load(Ordering::SeqCst), patience());
        keeper.ensure().unwrap();
        STOP.store(true, Ordering::SeqCst);
        assert_eq!(keeper.time(&job("a"), 1), Err(Refusal::Exhausted));
        assert!(keeper.troubles.is_empty() && started.get() == 1);
    }
}
