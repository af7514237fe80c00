//! Keeps a measurement while it runs: saves after every probe, shows how far it is, notices an interruption.

use super::say;
use crate::error::{Error, Result};
use crate::file::{self, Durability};
use crate::probe;
use crate::profile::{self, Ceiling, Curve, Environment, Machine, Profile, Provenance};
use crate::sample::{Finished, Progress, Watcher};
use crate::store;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where a profile goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// A file. Until the measurement is complete it is kept at `working`, which differs from `path` where a complete
    /// profile stands there that must not be lost.
    File {
        /// The place of the complete profile.
        path: PathBuf,
        /// The place of the incomplete one.
        working: PathBuf,
    },
    /// Standard output, once, at the end.
    StandardOutput,
}

impl Target {
    /// A file named by the user.
    ///
    /// # Errors
    /// Misuse when something other than a profile stands there, failure when it could not be written.
    pub(super) fn named(path: &Path) -> Result<Target> {
        file::check_writable(path)?;
        let working = match profile::load(path) {
            Ok(there) if there.provenance.complete => {
                let mut name = path.as_os_str().to_owned();
                name.push(".partial");
                PathBuf::from(name)
            }
            Ok(_) => path.to_owned(),
            Err(_) if std::fs::metadata(path).is_ok_and(|there| there.len() > 0) => {
                return Err(Error::misuse(format!(
                    "-o {}: exists and is not a profile that this roofprobe reads; remove it, or choose another name",
                    path.display()
                )));
            }
            Err(_) => path.to_owned(),
        };
        Ok(Target::File { path: path.to_owned(), working })
    }

    /// A file to be gone on with.
    pub(super) fn resumed(path: PathBuf) -> Target {
        Target::File { working: path.clone(), path }
    }

    /// A new file in the store.
    ///
    /// # Errors
    /// Failure when the folder cannot be made or written.
    pub(super) fn kept(device_name: &str, date: &str) -> Result<Target> {
        store::reserve(device_name, date).map(Target::resumed)
    }

    /// How it is called in messages.
    pub(super) fn name(&self, complete: bool) -> String {
        match self {
            Target::File { path, .. } if complete => path.display().to_string(),
            Target::File { working, .. } => working.display().to_string(),
            Target::StandardOutput => "-".to_owned(),
        }
    }

    fn write(&self, profile: &Profile, durability: Durability) -> Result<()> {
        let Target::File { path, working } = self else { return Ok(()) };
        if !profile.provenance.complete {
            return profile::save(profile, working, durability);
        }
        profile::save(profile, path, durability)?;
        if working != path {
            // Its contents stand at `path` now; if it cannot be removed, nothing is lost.
            let _ = std::fs::remove_file(working);
        }
        Ok(())
    }
}

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
    begun: Instant,
    terminal: bool,
    shown: Option<Instant>,
}

/// A log wants a line now and then; a terminal shows every step.
const LOG_LINE_EVERY: Duration = Duration::from_secs(2);

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
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
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
        Recorder { target, machine, profile, begun: Instant::now(), terminal, shown: None }
    }

    fn record(&mut self, ceilings: &[Ceiling]) {
        self.profile.ceiling = ceilings.to_vec();
        probe::judge(&mut self.profile.ceiling, &self.machine);
        self.profile.summarise();
        let of_curves: usize = self.profile.curve.iter().flat_map(|curve| &curve.sample_values).map(Vec::len).sum();
        let of_ceilings: u64 = ceilings.iter().filter_map(|ceiling| ceiling.samples).map(u64::from).sum();
        let samples = of_ceilings + of_curves as u64;
        let environment = self.profile.environment.get_or_insert_with(|| self.machine.environment.clone());
        let (grade, reasons) = probe::grade(&self.profile.device, environment, samples);
        (environment.grade, environment.grade_reasons) = (Some(grade), reasons);
    }

    /// Records the end: what came of it, and the circumstances as they turned out.
    ///
    /// # Errors
    /// Failure when the profile cannot be saved.
    pub(super) fn finish(&mut self, finished: &Finished, machine: Machine) -> Result<()> {
        if self.terminal {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
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
        self.profile.provenance.complete = finished.complete;
        self.target.write(&self.profile, Durability::Synced)
    }
}

fn threads(count: u32) -> String {
    if count == 1 { "1 thread".to_owned() } else { format!("{count} threads") }
}

impl Watcher for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) {
        let (percent, now) = ((progress.share * 100.0) as u32, progress.now);
        let seconds = self.begun.elapsed().as_secs();
        if self.terminal {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K[{percent:3} %] {seconds:3} s  {now}");
        } else if self.shown.is_none_or(|shown| shown.elapsed() >= LOG_LINE_EVERY) {
            say(&format!("[{percent:3} %] {seconds:3} s  {now}"));
            self.shown = Some(Instant::now());
        }
    }

    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()> {
        self.record(ceilings);
        self.target.write(&self.profile, Durability::Buffered)
    }

    fn surveyed(&mut self, curves: &[Curve]) -> Result<()> {
        // Those of an interrupted measurement that are not yet reached stay.
        let is_new = |known: &Curve| curves.iter().all(|curve| curve.id != known.id);
        self.profile.curve.retain(is_new);
        self.profile.curve.splice(0..0, curves.iter().cloned());
        self.target.write(&self.profile, Durability::Buffered)
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}
