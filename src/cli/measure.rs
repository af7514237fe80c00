//! `roofprobe measure`: the main job.

use super::say;
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::file::Durability;
use crate::probe::{self, Question};
use crate::profile::{self, Ceiling, Effort, Machine, Profile, Provenance};
use crate::report::{self, Format};
use crate::sample::{self, Pace, Watcher};
use crate::simulate::Simulated;
use crate::store;
use clap::{Args, ValueEnum};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  roofprobe measure --effort thorough -o board.toml       every ceiling, over several minutes
  roofprobe measure --only 'compute.*' --threads 1 -o -   compute peaks of one core, printed
  roofprobe measure --resume -o board.toml                go on where an interruption left off";

/// Measure a device and write its hardware profile.
///
/// The profile is saved after every probe: an interrupted measurement loses nothing, and `--resume` completes it. For
/// numbers to rely on, leave the machine alone meanwhile.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Measure {
    /// What to measure; `roofprobe devices` lists what there is.
    #[arg(long, value_enum, default_value_t = DeviceName::Cpu)]
    device: DeviceName,

    /// How much time to take: quick is within 15 seconds on two cores, standard within 90, thorough several minutes.
    /// More time means tighter intervals and a better chance to meet a shared machine's fast moments.
    #[arg(long, value_enum)]
    effort: Option<EffortName>,

    /// Measure only the ceilings whose id matches, such as 'compute.*' or 'memory.dram.read'. May be repeated.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,

    /// Threads to measure with, one per core; as a rule one per core that this process may use, within its quota.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Where to write the profile; '-' is standard output. As a rule a new file in the folder that `roofprobe profiles`
    /// names.
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,

    /// Complete an interrupted measurement: the file named by -o, or the newest incomplete one of this machine.
    #[arg(long)]
    resume: bool,

    /// Measure nothing: replay this profile (a file or a shipped name) as if it were the device.
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["threads", "resume", "device"])]
    simulate: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DeviceName {
    /// The processor.
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EffortName {
    Quick,
    Standard,
    Thorough,
}

impl From<EffortName> for Effort {
    fn from(name: EffortName) -> Effort {
        match name {
            EffortName::Quick => Effort::Quick,
            EffortName::Standard => Effort::Standard,
            EffortName::Thorough => Effort::Thorough,
        }
    }
}

/// Where the profile goes.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    File(PathBuf),
    StandardOutput,
}

/// A measurement that has ended.
pub(super) struct Measured {
    pub(super) profile: Profile,
    /// The file or `-`.
    pub(super) place: String,
}

impl Measure {
    /// The measurement of a new user's first minute.
    pub(super) fn quick() -> Measure {
        Measure {
            device: DeviceName::Cpu,
            effort: Some(EffortName::Quick),
            only: Vec::new(),
            threads: None,
            output: None,
            resume: false,
            simulate: None,
        }
    }

    pub(super) fn run(&self, format: Format) -> Result<()> {
        let measured = self.measure()?;
        if measured.place == "-" {
            super::print(&profile::to_toml(&measured.profile)?)
        } else {
            super::print_report(&report::profile::report(&measured.profile)?, format)
        }
    }

    /// Measures and saves; an interruption is an error that says how to go on.
    pub(super) fn measure(&self) -> Result<Measured> {
        let only = globs(&self.only)?;
        watch_for_interruption();
        let earlier = self.earlier()?;
        let (mut device, simulated): (Box<dyn Device>, Option<store::Named>) = match &self.simulate {
            Some(name) => {
                let named = store::find(name)?;
                (Box::new(Simulated::new(named.profile.clone())), Some(named))
            }
            None => (Box::new(Cpu::new(self.threads.or(threads_of(&earlier)))?), None),
        };
        let machine = planned_machine(device.machine(), &earlier)?;
        let provenance = self.provenance(&earlier, &simulated);
        let only = if self.only.is_empty() { globs(&provenance.only)? } else { only };
        let questions = chosen(probe::plan(&machine, provenance.effort), &only, &provenance.only)?;
        let target = self.target(&earlier, &machine, &provenance)?;
        let carried = earlier.map(|(_, profile)| profile.ceiling).unwrap_or_default();

        let mut recorder = Recorder::new(&target, machine, provenance);
        let pace = Pace::of(recorder.profile.provenance.effort);
        let finished = sample::measure(device.as_mut(), &questions, pace, &carried, &mut recorder)?;
        recorder.clear_line();
        recorder.finish(&finished.ceilings, device.machine(), finished.complete)?;
        let place = target.name();
        if !finished.complete {
            if target == Target::StandardOutput {
                super::print(&profile::to_toml(&recorder.profile)?)?;
                return Err(Error::failure("interrupted; what was measured is on standard output, marked incomplete"));
            }
            return Err(Error::failure(format!(
                "interrupted; what was measured is saved in {place}; complete it with: roofprobe measure --resume -o {place}"
            )));
        }
        if target != Target::StandardOutput {
            say(&format!("profile written to {place}"));
        }
        Ok(Measured { profile: recorder.profile, place })
    }

    /// The interrupted measurement that is to be completed.
    fn earlier(&self) -> Result<Option<(PathBuf, Profile)>> {
        if !self.resume {
            return Ok(None);
        }
        match self.output.as_deref() {
            Some("-") => Err(Error::misuse("--resume needs a file to go on with; name it with -o FILE")),
            Some(file) => Ok(Some((PathBuf::from(file), profile::load(file.as_ref())?))),
            None => {
                let name = Cpu::describe()?.device.name;
                let found = store::newest(&name, |profile| !profile.provenance.complete);
                let none = || {
                    Error::misuse(format!(
                        "--resume: no incomplete profile of this machine in {}; name the file with -o FILE",
                        store::folder().display()
                    ))
                };
                found.map(Some).ok_or_else(none)
            }
        }
    }

    fn provenance(&self, earlier: &Option<(PathBuf, Profile)>, simulated: &Option<store::Named>) -> Provenance {
        if let Some((_, profile)) = earlier {
            return Provenance { complete: false, ..profile.provenance.clone() };
        }
        let of_simulated = simulated.as_ref().map(|named| named.profile.provenance.effort);
        Provenance {
            tool: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("ROOFPROBE_COMMIT").to_owned(),
            compiler: env!("ROOFPROBE_COMPILER").to_owned(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            effort: self.effort.map(Effort::from).or(of_simulated).unwrap_or(Effort::Standard),
            complete: false,
            only: self.only.clone(),
            simulated: simulated.as_ref().map(|named| named.name.clone()),
        }
    }

    fn target(
        &self,
        earlier: &Option<(PathBuf, Profile)>,
        machine: &Machine,
        provenance: &Provenance,
    ) -> Result<Target> {
        if let Some((path, _)) = earlier {
            return Ok(Target::File(path.clone()));
        }
        match self.output.as_deref() {
            Some("-") => Ok(Target::StandardOutput),
            Some(file) => {
                let path = PathBuf::from(file);
                refuse_foreign(&path)?;
                Ok(Target::File(path))
            }
            None => {
                let folder = store::folder();
                std::fs::create_dir_all(&folder).map_err(|e| {
                    Error::failure(format!("{}: cannot be made: {e}; choose a place with -o FILE", folder.display()))
                })?;
                Ok(Target::File(folder.join(store::file_name(&machine.device.name, &provenance.date))))
            }
        }
    }
}

impl Target {
    fn name(&self) -> String {
        match self {
            Target::File(path) => path.display().to_string(),
            Target::StandardOutput => "-".to_owned(),
        }
    }
}

/// A file that is no profile is somebody's work: it is not written over.
fn refuse_foreign(path: &PathBuf) -> Result<()> {
    let place = path.display();
    if path.is_dir() {
        return Err(Error::misuse(format!("-o {place}: is a folder; name a file in it")));
    }
    let occupied = path.exists() && std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0);
    if occupied && profile::load(path).is_err() {
        return Err(Error::misuse(format!(
            "-o {place}: exists and is not a profile that this roofprobe reads; remove it, or choose another name"
        )));
    }
    Ok(())
}

fn threads_of(earlier: &Option<(PathBuf, Profile)>) -> Option<usize> {
    earlier.as_ref().map(|(_, profile)| profile.environment.threads as usize)
}

/// The machine to plan for: of a resumed measurement the circumstances that it began with, so that the jobs are the same.
fn planned_machine(now: Machine, earlier: &Option<(PathBuf, Profile)>) -> Result<Machine> {
    let Some((path, profile)) = earlier else { return Ok(now) };
    if profile.device != now.device {
        return Err(Error::misuse(format!(
            "{}: was measured on \"{}\", and this is \"{}\"; measure anew without --resume",
            path.display(),
            profile.device.name,
            now.device.name
        )));
    }
    if profile.provenance.version != env!("CARGO_PKG_VERSION") || profile.provenance.simulated.is_some() {
        return Err(Error::misuse(format!(
            "{}: was begun by roofprobe {}{}, and cannot be gone on with; measure anew without --resume",
            path.display(),
            profile.provenance.version,
            if profile.provenance.simulated.is_some() { " as a simulation" } else { "" },
        )));
    }
    Ok(Machine { device: now.device, environment: profile.environment.clone() })
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|e| Error::misuse(format!("--only {pattern}: not a glob: {}", e.kind())))?);
    }
    set.build().map_err(|e| Error::misuse(format!("--only: {e}")))
}

fn chosen(mut questions: Vec<Question>, only: &GlobSet, patterns: &[String]) -> Result<Vec<Question>> {
    if only.is_empty() {
        return Ok(questions);
    }
    let ids: Vec<String> = questions.iter().map(|q| q.id.clone()).collect();
    for pattern in patterns {
        if !ids.iter().any(|id| globs(std::slice::from_ref(pattern)).is_ok_and(|glob| glob.is_match(id))) {
            return Err(Error::misuse(format!("--only {pattern}: matches no ceiling; there are: {}", ids.join(", "))));
        }
    }
    questions.retain(|q| only.is_match(&q.id));
    Ok(questions)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The first interruption ends the measurement after the present pass; a second one ends the program at once.
fn watch_for_interruption() {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
    };
    // Without a handler an interruption still leaves the last saved profile, which can be resumed.
    let _ = ctrlc::set_handler(handler);
}

/// Saves after every probe, and shows how far it is.
struct Recorder<'a> {
    target: &'a Target,
    machine: Machine,
    profile: Profile,
    begun: Instant,
    terminal: bool,
    shown: Option<Instant>,
}

/// A log wants a line now and then; a terminal shows every step.
const LOG_LINE_EVERY: Duration = Duration::from_secs(2);

impl<'a> Recorder<'a> {
    fn new(target: &'a Target, machine: Machine, provenance: Provenance) -> Recorder<'a> {
        let profile = Profile {
            schema: profile::SCHEMA,
            device: machine.device.clone(),
            environment: machine.environment.clone(),
            summary: profile::Summary::default(),
            ceiling: Vec::new(),
            provenance,
        };
        let terminal = std::io::stderr().is_terminal();
        say(&format!(
            "measuring {} with {} thread{}, effort {}",
            machine.device.name,
            machine.environment.threads,
            if machine.environment.threads == 1 { "" } else { "s" },
            profile.provenance.effort.name()
        ));
        Recorder { target, machine, profile, begun: Instant::now(), terminal, shown: None }
    }

    fn record(&mut self, ceilings: &[Ceiling]) {
        self.profile.ceiling = ceilings.to_vec();
        probe::judge(&mut self.profile.ceiling, &self.machine);
        self.profile.summarise();
    }

    fn write(&self, durability: Durability) -> Result<()> {
        match self.target {
            Target::File(path) => profile::save(&self.profile, path, durability),
            Target::StandardOutput => Ok(()),
        }
    }

    fn finish(&mut self, ceilings: &[Ceiling], machine: Machine, complete: bool) -> Result<()> {
        self.record(ceilings);
        let planned = &self.profile.environment;
        // What was seen during the measurement is new; what the plan rested on stays as it was.
        self.profile.environment = profile::Environment {
            memory_available_bytes: planned.memory_available_bytes,
            timer_ns: planned.timer_ns,
            ..machine.environment
        };
        self.profile.provenance.complete = complete;
        self.write(Durability::Synced)
    }

    fn clear_line(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Watcher for Recorder<'_> {
    fn progress(&mut self, done: usize, total: usize, now: &str) {
        let percent = done * 100 / total.max(1);
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
        self.write(Durability::Buffered)
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::SeqCst)
    }
}
