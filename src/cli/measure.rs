//! `roofprobe measure`: the main job.

use super::recorder::{Recorder, Target, watch_for_interruption};
use super::say;
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::file;
use crate::probe::{self, CurveQuestion, LongQuestion, Question};
use crate::profile::{self, DeviceInfo, Effort, Machine, Profile, Provenance};
use crate::report::{self, Format};
use crate::sample::{self, Finished, Pace};
use crate::simulate::{self, Simulated};
use crate::store;
use clap::{Args, ValueEnum};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

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

    /// How much time to take: quick is within 15 seconds on two cores, standard within 100, thorough several minutes.
    /// More time means tighter intervals and a better chance to meet a shared machine's fast moments.
    #[arg(long, value_enum)]
    effort: Option<EffortName>,

    /// Measure only the ceilings and curves whose id matches, such as 'compute.*' or 'memory.dram.read'. May be repeated.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,

    /// Threads to measure with, one per core; as a rule one per core that this process may use, within its quota.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Where to write the profile; '-' is standard output. As a rule a new file in the folder that `roofprobe profiles`
    /// names.
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,

    /// Complete an interrupted measurement, with the effort, ceilings and threads that it began with: the file named by
    /// -o, or the newest incomplete one of this machine.
    #[arg(long, conflicts_with_all = ["effort", "only", "threads", "simulate"])]
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
        watch_for_interruption();
        let earlier = self.earlier()?;
        if let Some((path, profile)) = earlier.as_ref().filter(|(_, profile)| profile.provenance.complete) {
            let place = path.display().to_string();
            say(&format!("{place} is complete already; nothing was measured"));
            return Ok(Measured { profile: profile.clone(), place });
        }
        let resumed = earlier.as_ref().map(resumed_machine).transpose()?;
        let (mut device, simulated): (Box<dyn Device>, Option<store::Named>) = match &self.simulate {
            Some(name) => {
                let named = store::find(name)?;
                (Box::new(Simulated::new(named.profile.clone())), Some(named))
            }
            None => (Box::new(Cpu::new(self.threads.or(threads_of(&earlier)))?), None),
        };
        let machine = resumed.unwrap_or_else(|| device.machine());
        let provenance = self.provenance(&earlier, &simulated);
        let wanted = Wanted::new(&provenance.only, &machine, provenance.effort, &simulated)?;
        let target = self.target(&earlier, &machine, &provenance)?;
        let (ceilings, curves) = earlier.map(|(_, p)| (p.ceiling, p.curve)).unwrap_or_default();

        let mut recorder = Recorder::new(&target, machine.clone(), provenance);
        // What was measured before stays in the file until there is more.
        recorder.profile.ceiling.clone_from(&ceilings);
        recorder.profile.curve.clone_from(&curves);
        let effort = recorder.profile.provenance.effort;
        let pace = if simulated.is_some() { Pace::of_replay(effort) } else { Pace::of(effort) };
        let questions = wanted.curves(probe::survey(&machine, effort));
        let begun = Instant::now();
        let surveyed = sample::survey(device.as_mut(), &questions, pace, &curves, &mut recorder)?;
        // The curves' time is part of the effort's.
        let pace = Pace { budget: pace.budget.saturating_sub(begun.elapsed()), ..pace };
        let finished = if surveyed.complete {
            let mut questions = wanted.ceilings(probe::plan(&machine, &surveyed.curves, effort));
            if let Some(named) = &simulated {
                questions = simulate::as_asked(&named.profile, questions);
            }
            let finished = sample::measure(device.as_mut(), &questions, pace, &ceilings, &mut recorder)?;
            let questions = wanted.long(probe::sustained(&machine, &surveyed.curves, effort));
            sample::sustain(device.as_mut(), &questions, pace, &ceilings, finished, &mut recorder)?
        } else {
            Finished { ceilings, complete: false, disturbed_samples: 0 }
        };
        let finished =
            Finished { disturbed_samples: finished.disturbed_samples + surveyed.disturbed_samples, ..finished };
        recorder.finish(&finished, device.machine())?;
        let place = target.name(finished.complete);
        if finished.complete {
            if target != Target::StandardOutput {
                say(&format!("profile written to {place}"));
            }
            return Ok(Measured { profile: recorder.profile, place });
        }
        if target == Target::StandardOutput {
            super::print(&profile::to_toml(&recorder.profile)?)?;
            return Err(Error::failure("interrupted; what was measured is on standard output, marked incomplete"));
        }
        let file = quoted(&place);
        Err(Error::failure(format!(
            "interrupted; what was measured is saved in {place}; complete it with: roofprobe measure --resume -o {file}"
        )))
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
            // A replay has no driver but the one that was recorded.
            gpu: simulated.as_ref().and_then(|named| named.profile.provenance.gpu.clone()),
        }
    }

    fn target(
        &self,
        earlier: &Option<(PathBuf, Profile)>,
        machine: &Machine,
        provenance: &Provenance,
    ) -> Result<Target> {
        if let Some((path, _)) = earlier {
            file::check_writable(path)?;
            return Ok(Target::resumed(path.clone()));
        }
        match self.output.as_deref() {
            Some("-") => Ok(Target::StandardOutput),
            Some(file) => Target::named(Path::new(file)),
            None => Target::kept(&machine.device.name, &provenance.date),
        }
    }
}

fn threads_of(earlier: &Option<(PathBuf, Profile)>) -> Option<usize> {
    earlier.as_ref().map(|(_, profile)| profile.environment.threads as usize)
}

/// The machine to plan for when `earlier` is resumed: the circumstances that it began with, so that the jobs are the same.
fn resumed_machine((path, profile): &(PathBuf, Profile)) -> Result<Machine> {
    let refuse = |why: String| Err(Error::misuse(format!("{}: {why}; measure anew without --resume", path.display())));
    let now = Cpu::describe()?;
    if let Some(key) = difference(&profile.device, &now.device)? {
        return refuse(format!("was measured on another machine: device.{key} differs"));
    }
    if profile.provenance.simulated.is_some() {
        return refuse("is a simulation, and cannot be gone on with".to_owned());
    }
    if profile.provenance.version != env!("CARGO_PKG_VERSION") {
        return refuse(format!("was begun by roofprobe {}", profile.provenance.version));
    }
    let begun = Machine { device: now.device, environment: profile.environment.clone() };
    let mut tighter = begun.clone();
    let available = &mut tighter.environment.memory_available_bytes;
    *available = now.environment.memory_available_bytes.min(*available);
    let effort = profile.provenance.effort;
    let same_plan = probe::survey(&begun, effort) == probe::survey(&tighter, effort)
        && probe::plan(&begun, &profile.curve, effort) == probe::plan(&tighter, &profile.curve, effort);
    if !same_plan {
        let [then, now] = [&begun, &tighter].map(|machine| machine.environment.memory_available_bytes >> 20);
        return refuse(format!("was begun with {then} MiB available, and now there are {now} MiB: free some, or"));
    }
    Ok(begun)
}

/// The first key in which two devices differ.
fn difference(then: &DeviceInfo, now: &DeviceInfo) -> Result<Option<String>> {
    let table = |device: &DeviceInfo| {
        serde_json::to_value(device).map_err(|e| Error::failure(format!("the device cannot be written as JSON: {e}")))
    };
    let (then, now) = (table(then)?, table(now)?);
    let keys = then.as_object().into_iter().chain(now.as_object()).flat_map(|map| map.keys());
    Ok(keys.into_iter().find(|key| then.get(key) != now.get(key)).cloned())
}

/// A path as a shell wants it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// One set of several globs.
///
/// # Errors
/// Misuse for something that is no glob.
pub(super) fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|e| Error::misuse(format!("--only {pattern}: not a glob: {}", e.kind())))?);
    }
    set.build().map_err(|e| Error::misuse(format!("--only: {e}")))
}

/// What is to be measured of all that could be.
struct Wanted {
    /// Empty when everything is wanted.
    only: GlobSet,
    /// A simulation asks what its profile was asked.
    recorded: Option<HashSet<String>>,
}

impl Wanted {
    /// # Errors
    /// Misuse for something that is no glob, or matches nothing.
    fn new(patterns: &[String], machine: &Machine, effort: Effort, simulated: &Option<store::Named>) -> Result<Wanted> {
        let ids: Vec<String> = (probe::survey(machine, effort).into_iter().map(|q| q.id))
            .chain(probe::plan(machine, &[], effort).into_iter().map(|q| q.id))
            .chain(probe::sustained(machine, &[], effort).into_iter().map(|long| long.question.id))
            .collect();
        for pattern in patterns {
            let glob = globs(std::slice::from_ref(pattern))?;
            if !ids.iter().any(|id| glob.is_match(id)) {
                let known = ids.join(", ");
                return Err(Error::misuse(format!(
                    "--only {pattern}: matches no ceiling or curve; there are: {known}"
                )));
            }
        }
        let of = |profile: &Profile| {
            let (ceilings, curves) = (profile.ceiling.iter(), profile.curve.iter());
            ceilings.map(|c| c.id.clone()).chain(curves.map(|c| c.id.clone())).collect()
        };
        Ok(Wanted { only: globs(patterns)?, recorded: simulated.as_ref().map(|named| of(&named.profile)) })
    }

    fn id(&self, id: &str) -> bool {
        let recorded = self.recorded.as_ref().is_none_or(|ids| ids.contains(id));
        recorded && (self.only.is_empty() || self.only.is_match(id))
    }

    fn ceilings(&self, mut questions: Vec<Question>) -> Vec<Question> {
        questions.retain(|q| self.id(&q.id));
        questions
    }

    fn long(&self, mut questions: Vec<LongQuestion>) -> Vec<LongQuestion> {
        questions.retain(|long| self.id(&long.question.id));
        questions
    }

    fn curves(&self, mut questions: Vec<CurveQuestion>) -> Vec<CurveQuestion> {
        questions.retain(|q| self.id(&q.id));
        questions
    }
}
