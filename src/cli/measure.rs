//! `roofprobe measure`: the main job.

use super::filter::QuestionFilter;
use super::gpu;
use super::recorder::{Recorder, interrupted, watch_for_interruption};
use super::resume::{self, Earlier};
use super::selection::Selection;
use super::subject::Subject;
use super::target::Target;
use super::{choice, quoted, say};
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::probe::{self, Scope};
use crate::profile::{self, Ceiling, Curve, DeviceInfo, DeviceKind, Effort, Profile, Provenance, Tune};
use crate::report::{self, Format, Report, Shown};
use crate::sample::{self, Finished, Pace};
use crate::simulate;
use crate::store;
use clap::Args;
use std::path::Path;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  roofprobe measure --effort thorough -o board.toml       every ceiling, over several minutes
  roofprobe measure --only 'compute.*' --threads 1 -o -   compute peaks of one core, printed
  roofprobe measure --device gpu -o card.toml             the graphics card
  roofprobe measure --resume -o board.toml                go on where an interruption left off";

/// Measure a device and write its hardware profile.
///
/// The profile is saved after every probe: an interrupted measurement loses nothing, and `--resume` completes it. For
/// numbers to rely on, leave the machine alone meanwhile.
#[derive(Debug, Default, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Measure {
    /// What to measure: cpu; gpu, the graphics processor; gpu:WHAT, the one with that number, PCI id or part of a name,
    /// software included; all, one profile each of the CPU and every GPU. `roofprobe devices` lists what there is.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Selection,

    /// How much time to take; as a rule standard. quick is within 15 seconds on two cores, standard within 100, thorough
    /// several minutes; a GPU takes up to twice as long.
    /// More time means tighter intervals and a better chance to meet a shared machine's fast moments.
    #[arg(long, value_parser = choice(Effort::ALL.map(|effort| (effort.name(), "", effort))))]
    effort: Option<Effort>,

    /// How many ways of doing a thing to race against each other. thorough is worth its time once on a machine that nobody has
    /// measured before: the winners are remembered.
    #[arg(long, value_name = "HOW", value_parser = choice(Tune::ALL.map(|tune| (tune.name(), "", tune))))]
    tune: Option<Tune>,

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

    /// Allow -o to lose what stands there: the profile of another device, or a measurement that was interrupted. A complete
    /// profile of the same device is replaced without it, once the new one is complete.
    #[arg(long)]
    replace: bool,

    /// Complete an interrupted measurement, with the effort, ceilings and threads that it began with: the file named by
    /// -o or the incomplete one beside it, or the newest incomplete one of this device that was kept.
    #[arg(long, conflicts_with_all = ["effort", "only", "threads", "simulate", "tune", "replace"])]
    resume: bool,

    /// Measure nothing: replay this profile (a file or a shipped name) as if it were the device.
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["threads", "resume", "device", "tune"])]
    simulate: Option<String>,
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
        Measure { effort: Some(Effort::Quick), ..Measure::default() }
    }

    pub(super) fn run(&self, format: Format) -> Result<()> {
        if self.device != Selection::Cpu && self.threads.is_some() {
            return Err(Error::misuse("--threads: is for the CPU; a GPU decides for itself"));
        }
        if self.device == Selection::All {
            return self.run_all(format);
        }
        let measured = self.measure()?;
        if measured.place == "-" {
            super::print(&profile::to_toml(&measured.profile)?)
        } else {
            super::print_report(&report::profile::report(&measured.profile, Shown::Main)?, format)
        }
    }

    /// The CPU, then every GPU: one that cannot be measured does not keep the others from it.
    fn run_all(&self, format: Format) -> Result<()> {
        for (given, option) in [(self.output.is_some(), "-o"), (self.resume, "--resume")] {
            if given {
                return Err(Error::misuse(format!("{option}: is for one device; measure them one by one")));
            }
        }
        let (names, none) = gpu::hardware().unwrap_or_else(|error| (Vec::new(), Some(error.to_string())));
        none.iter().for_each(|reason| say(reason));
        let devices = std::iter::once(Selection::Cpu).chain(names.into_iter().map(|name| Selection::Gpu(Some(name))));
        let (mut reports, mut failed) = (Vec::new(), false);
        for device in devices {
            let name = device.to_string();
            let only = self.only.clone();
            let one = Measure { device, only, effort: self.effort, tune: self.tune, ..Measure::quick() };
            match one.measure() {
                Ok(measured) => reports.push(report::profile::report(&measured.profile, Shown::Main)?),
                Err(error) if interrupted() => return Err(error),
                Err(error) => {
                    say(&format!("{name} was not measured: {error}"));
                    failed = true;
                }
            }
        }
        let json = reports.iter().map(|report| report.json.clone()).collect();
        let tables = reports.into_iter().flat_map(|report| report.tables).collect();
        super::print_report(&Report { tables, flat: None, json }, format)?;
        if failed { Err(Error::failure("not every device was measured")) } else { Ok(()) }
    }

    /// Measures and saves; an interruption is an error that says how to go on.
    pub(super) fn measure(&self) -> Result<Measured> {
        watch_for_interruption();
        let earlier = self.earlier()?;
        if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.profile.provenance.complete) {
            let place = earlier.file.path.display().to_string();
            say(&format!("{place} is complete already; nothing was measured"));
            return Ok(Measured { profile: earlier.profile.clone(), place });
        }
        let mut subject = match (&self.simulate, &earlier) {
            (Some(name), _) => Subject::simulated(name)?,
            (None, Some(earlier)) => Subject::of(earlier)?,
            (None, None) => Subject::open(&self.device, self.threads)?,
        };
        let provenance = match &earlier {
            Some(earlier) => Provenance { complete: false, ..earlier.profile.provenance.clone() },
            None => Provenance { gpu: subject.provenance.take(), ..self.provenance(subject.simulated.as_ref()) },
        };
        let scope = Scope::of(&provenance);
        let filter = QuestionFilter::new(&provenance.only, &subject.machine, scope, subject.simulated.as_ref())?;
        let (target, ceilings, curves) = match earlier {
            Some(Earlier { file, profile }) => (Target::File(file), profile.ceiling, profile.curve),
            None => (self.target(&subject.machine.device, &provenance.date)?, Vec::new(), Vec::new()),
        };
        let mut recorder = Recorder::new(&target, subject.machine.clone(), provenance);
        recorder.begin(&ceilings, &curves)?;
        let finished = sampled(&mut subject, scope, &filter, (ceilings, &curves), &mut recorder)?;
        recorder.finish(&finished, subject.device.machine())?;
        ended(recorder.profile, &target, finished.complete)
    }

    /// The interrupted measurement that is to be completed.
    fn earlier(&self) -> Result<Option<Earlier>> {
        let name = || match &self.device {
            Selection::Gpu(what) => gpu::name(what.as_deref()),
            Selection::Cpu | Selection::All => Ok(Cpu::describe()?.device.name),
        };
        self.resume.then(|| resume::earlier(self.output.as_deref(), name)).transpose()
    }

    fn provenance(&self, simulated: Option<&store::Named>) -> Provenance {
        let of_simulated = simulated.and_then(|named| named.profile.provenance.effort);
        Provenance {
            tool: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: Some(env!("ROOFPROBE_COMMIT").to_owned()),
            compiler: Some(env!("ROOFPROBE_COMPILER").to_owned()),
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            effort: self.effort.or(of_simulated).or(Some(Effort::Standard)),
            tune: self.tune.filter(|&tune| tune != Tune::Usual),
            complete: false,
            only: self.only.clone(),
            simulated: simulated.map(|named| named.name.clone()),
            gpu: None,
        }
    }

    fn target(&self, device: &DeviceInfo, date: &str) -> Result<Target> {
        match self.output.as_deref() {
            Some("-") => Ok(Target::StandardOutput),
            Some(file) => Target::named(Path::new(file), device, self.replace),
            None => Target::kept(&device.name, date),
        }
    }
}

/// Asks the device all questions that pass `filter`: curves, then ceilings, then what is held for long. Evidence of an earlier
/// measurement is completed.
fn sampled(
    subject: &mut Subject,
    scope: Scope,
    filter: &QuestionFilter,
    (ceilings, curves): (Vec<Ceiling>, &[Curve]),
    recorder: &mut Recorder,
) -> Result<Finished> {
    let (device, machine, effort) = (subject.device.as_mut(), &subject.machine, scope.effort);
    let simulated = subject.simulated.as_ref().map(|named| &named.profile);
    let pace = match (simulated, machine.device.kind) {
        (Some(_), _) => Pace::of_replay(effort),
        (None, DeviceKind::Cpu) => Pace::of(effort),
        (None, DeviceKind::Gpu) => Pace::of_gpu(effort),
    };
    let begun = Instant::now();
    let questions = |curves: &[Curve]| {
        let questions = filter.chosen_curves(probe::survey(machine, curves, effort));
        match simulated {
            Some(profile) => simulate::curves_as_asked(profile, questions),
            None => questions,
        }
    };
    let surveyed = sample::survey(device, &questions, pace, curves, recorder)?;
    if !surveyed.complete {
        return Ok(Finished { ceilings, complete: false, disturbed_samples: surveyed.disturbed_samples });
    }
    // The curves' time is part of the effort's.
    let pace = Pace { budget: pace.budget.saturating_sub(begun.elapsed()), ..pace };
    let mut questions = filter.chosen(probe::plan(machine, &surveyed.curves, scope), |q| &q.id);
    if let Some(profile) = simulated {
        questions = simulate::as_asked(profile, questions);
    }
    let finished = sample::measure(device, &questions, pace, &ceilings, recorder)?;
    let questions = filter.chosen(probe::sustained(machine, &surveyed.curves, scope), |q| &q.question.id);
    let finished = sample::sustain(device, &questions, pace, &ceilings, finished, recorder)?;
    Ok(Finished { disturbed_samples: finished.disturbed_samples + surveyed.disturbed_samples, ..finished })
}

/// Reports where the profile is. An incomplete one is an error that says how to go on.
fn ended(profile: Profile, target: &Target, complete: bool) -> Result<Measured> {
    let place = target.name(complete);
    if complete {
        if matches!(target, Target::File(_)) {
            say(&format!("profile written to {place}"));
        }
        return Ok(Measured { profile, place });
    }
    let Target::File(file) = target else {
        super::print(&profile::to_toml(&profile)?)?;
        return Err(Error::failure("interrupted; what was measured is on standard output, marked incomplete"));
    };
    let file = quoted(&file.path.display().to_string());
    Err(Error::failure(format!(
        "interrupted; what was measured is saved in {place}; complete it with: roofprobe measure --resume -o {file}"
    )))
}
