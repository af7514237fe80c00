//! Keeps a measurement while it runs: saves after every probe, shows how far it is, notices an interruption.

use super::progress::ProgressLine;
use super::say;
use super::target::Target;
use crate::error::{Error, Result};
use crate::file::Durability;
use crate::probe;
use crate::profile::{
    self, Ceiling, CeilingId, Curve, EarlierRead, Environment, Machine, MemoryLevel, Profile, Provenance,
};
use crate::sample::{Finished, Progress, Watcher};
use crate::store::Races;
use roofprobe_kernels::Op;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static FIRST_SIGNAL: Mutex<Option<Instant>> = Mutex::new(None);

/// One wish to stop may arrive as several signals within this time (a terminal and `timeout` signal the whole group).
const ONE_WISH: Duration = Duration::from_secs(1);

/// The first interruption ends the measurement after the present pass; a later second one ends the program at once.
pub(super) fn watch_for_interruption() {
    let handler = || {
        INTERRUPTED.store(true, Ordering::SeqCst);
        let Ok(mut first) = FIRST_SIGNAL.lock() else { return };
        match *first {
            None => *first = Some(Instant::now()),
            Some(earlier) if earlier.elapsed() < ONE_WISH => {}
            Some(_) => {
                say("roofprobe: interrupted twice; the profile stays as it was last saved");
                std::process::exit(1);
            }
        }
    };
    // Without a handler an interruption still leaves the last saved profile, which can be resumed.
    let _ = ctrlc::set_handler(handler);
}

/// Whether somebody wants it to end.
pub(super) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// The measurement as far as it is known, and where it is kept.
pub(super) struct Recorder<'a> {
    target: &'a Target,
    machine: Machine,
    /// The profile as last recorded.
    pub(super) profile: Profile,
    /// Those of an interrupted measurement.
    earlier: Vec<Ceiling>,
    saves: Saves,
    /// Kept for the next measurement; a replay has none.
    races: Option<Races>,
    /// The fastest that memory was when this machine was measured before.
    earlier_read: Option<EarlierRead>,
    line: ProgressLine,
}

/// When to save: every answer as it comes, unless that would cost more than the answers are worth.
struct Saves {
    begun: Instant,
    /// The end of the last one, and the time that all of them took.
    last: Instant,
    spent: Duration,
    /// Whether there is anything that is not saved; ceilings that are new among it.
    pending: bool,
    ceilings: Option<Vec<Ceiling>>,
    /// What went wrong where nobody could be told.
    failed: Option<Error>,
}

/// Saving takes at most this share of the time, as long as nothing waits for longer than `LONGEST_WAIT`.
const SAVING_SHARE: f64 = 0.01;
const LONGEST_WAIT: Duration = Duration::from_millis(400);

impl Saves {
    fn due(&self) -> bool {
        let affordable = self.spent.as_secs_f64() <= SAVING_SHARE * self.begun.elapsed().as_secs_f64();
        self.pending && (affordable || self.last.elapsed() >= LONGEST_WAIT)
    }
}

impl<'a> Recorder<'a> {
    /// Begins to record what is measured on `machine`.
    pub(super) fn new(target: &'a Target, machine: Machine, provenance: Provenance) -> Recorder<'a> {
        let profile = Profile {
            schema: profile::SCHEMA,
            device: machine.device.clone(),
            environment: Some(machine.environment.clone()),
            summary: profile::Summary::default(),
            ceiling: Vec::new(),
            curve: Vec::new(),
            provenance,
        };
        let how = match &profile.provenance.gpu {
            Some(gpu) => format!("through {}", gpu.backend),
            None => format!("with {}", threads(machine.environment.threads)),
        };
        say(&format!(
            "{} {} {how}, effort {}",
            if profile.provenance.simulated.is_some() { "simulating" } else { "measuring" },
            machine.device.name,
            profile.provenance.effort.map_or("unknown", profile::Effort::name)
        ));
        let now = Instant::now();
        let saves =
            Saves { begun: now, last: now, spent: Duration::ZERO, pending: false, ceilings: None, failed: None };
        Recorder {
            target,
            machine,
            profile,
            earlier: Vec::new(),
            saves,
            races: None,
            earlier_read: None,
            line: ProgressLine::new(),
        }
    }

    /// The same that keeps what races come to.
    pub(super) fn keeping(self, races: Option<Races>) -> Recorder<'a> {
        Recorder { races, ..self }
    }

    /// The same that says so where memory gave less than it gave before.
    pub(super) fn against(self, earlier_read: Option<EarlierRead>) -> Recorder<'a> {
        Recorder { earlier_read, ..self }
    }

    /// Takes over what was measured before, and saves what is asked for: whatever happens now, it can be gone on with.
    ///
    /// # Errors
    /// Failure when it cannot be saved.
    pub(super) fn begin(&mut self, ceilings: &[Ceiling], curves: &[Curve]) -> Result<()> {
        self.earlier = ceilings.to_vec();
        (self.profile.ceiling, self.profile.curve) = (ceilings.to_vec(), curves.to_vec());
        self.conclude();
        self.target.write(&self.profile, Durability::Buffered)
    }

    /// Saves what is pending if it is time for that.
    fn save_if_due(&mut self) -> Result<()> {
        if let Some(failed) = self.saves.failed.take() {
            return Err(failed);
        }
        if self.saves.due() {
            let begun = Instant::now();
            if let Some(ceilings) = self.saves.ceilings.take() {
                self.learn(&ceilings);
                self.record(&ceilings);
            }
            self.conclude();
            self.target.write(&self.profile, Durability::Buffered)?;
            self.saves.pending = false;
            self.saves.last = Instant::now();
            self.saves.spent += begun.elapsed();
        }
        Ok(())
    }

    /// Keeps the races behind the ceilings. Where that is not possible, it is said once: the measurement is worth more.
    fn learn(&mut self, ceilings: &[Ceiling]) {
        if let Some(Err(error)) = self.races.as_mut().map(|races| races.learn(ceilings)) {
            say(&format!("races are not remembered: {error}"));
            self.races = None;
        }
    }

    /// Judges ceilings. Those that came out of the file are judged already.
    fn record(&mut self, ceilings: &[Ceiling]) {
        if self.profile.ceiling != ceilings {
            self.profile.ceiling = ceilings.to_vec();
            probe::judge(&mut self.profile.ceiling, &self.machine);
        }
    }

    /// The summary and the grade, as the evidence is.
    fn conclude(&mut self) {
        self.profile.summarise();
        let samples = self.profile.samples();
        let environment = self.profile.environment.get_or_insert_with(|| self.machine.environment.clone());
        let read = CeilingId::memory(MemoryLevel::Dram, Op::Read);
        let read = self.profile.ceiling.iter().find(|ceiling| ceiling.id == read).and_then(|ceiling| ceiling.gb_per_s);
        let more = |earlier: &EarlierRead| read.is_some_and(|read| read < earlier.gb_per_s);
        let earlier = self.earlier_read.clone().or_else(|| environment.earlier_read.clone());
        environment.earlier_read = earlier.filter(more);
        let (grade, reasons) = probe::grade(&self.profile.device, environment, &self.profile.ceiling, samples);
        (environment.grade, environment.grade_reasons) = (Some(grade), reasons);
    }

    /// Records the end: what came of it, and the circumstances as they turned out.
    ///
    /// # Errors
    /// Failure when the profile cannot be saved.
    pub(super) fn finish(&mut self, finished: &Finished, machine: Machine) -> Result<()> {
        self.line.end();
        self.learn(&finished.ceilings);
        let planned = self.profile.environment.as_ref().unwrap_or(&self.machine.environment);
        let disturbed = planned.disturbed_samples.unwrap_or(0) + finished.disturbed_samples;
        // What was seen during the measurement is new; what the plan rested on stays as it was.
        self.profile.environment = Some(Environment {
            memory_available_bytes: planned.memory_available_bytes,
            timer_ns: planned.timer_ns,
            // Of a resumed measurement's two beginnings the busier one counts.
            load_average: planned.load_average.into_iter().chain(machine.environment.load_average).reduce(f64::max),
            disturbed_samples: (disturbed > 0).then_some(disturbed),
            ..machine.environment
        });
        self.record(&finished.ceilings);
        probe::judge_run(&mut self.profile);
        self.conclude();
        self.profile.provenance.complete = finished.complete;
        self.target.write(&self.profile, Durability::Synced)
    }
}

fn threads(count: u32) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

impl Watcher for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) {
        // The next answer may take long.
        self.saves.failed = self.save_if_due().err();
        self.line.show(progress);
    }

    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()> {
        // Those that were measured before and are not yet reached stay.
        let is_new = |known: &&Ceiling| ceilings.iter().all(|ceiling| ceiling.id != known.id);
        let all = ceilings.iter().chain(self.earlier.iter().filter(is_new)).cloned();
        self.saves.ceilings = Some(all.collect());
        self.saves.pending = true;
        self.save_if_due()
    }

    fn surveyed(&mut self, curves: &[Curve]) -> Result<()> {
        // Those of an interrupted measurement that are not yet reached stay.
        let is_new = |known: &Curve| curves.iter().all(|curve| curve.id != known.id);
        self.profile.curve.retain(is_new);
        self.profile.curve.splice(0..0, curves.iter().cloned());
        self.saves.pending = true;
        self.save_if_due()
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}
