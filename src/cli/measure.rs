//! `roofprobe measure`: the main job.

use super::filter::QuestionFilter;
use super::gpu;
use super::recorder::{Recorder, interrupted, watch_for_interruption};
use super::resume::{self, Earlier};
use super::selection::Selection;
use super::subject::Subject;
use super::target::Target;
use super::{choice, quoted, say};
use crate::compare::compare;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::evaluate::Query;
use crate::probe::{self, CurveQuestion, LongQuestion, Question, Scope};
use crate::profile::{self, Ceiling, Curve, DeviceInfo, DeviceKind, Effort, Machine, Profile, Provenance, Tune};
use crate::report::{self, Format, Report, Shown};
use crate::sample::{self, Finished, Pace, Session};
use crate::simulate;
use crate::store::{self, Races};
use clap::Args;
use std::path::Path;
use std::time::{Duration, Instant};

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

    /// How much time to take; as a rule standard. quick is within 15 seconds on two cores, standard within 120, thorough
    /// several minutes; a GPU takes up to twice as long.
    /// More time means tighter intervals and a better chance to meet a shared machine's fast moments.
    #[arg(long, value_parser = choice(Effort::ALL.map(|effort| (effort.name(), "", effort))))]
    effort: Option<Effort>,

    /// How many ways of doing a thing to race against each other. thorough is worth its time once on a machine that nobody has
    /// measured before: the winners are remembered.
    #[arg(long, value_name = "HOW", value_parser = choice(Tune::ALL.map(|tune| (tune.name(), "", tune))))]
    tune: Option<Tune>,

    /// Go on, whatever the effort, until a whole sweep over all questions improves none of them: for a machine whose neighbours are
    /// noisy.
    #[arg(long, conflicts_with = "simulate")]
    until_stable: bool,

    /// Race all variants anew. As a rule those that won on this machine before only have to win again.
    #[arg(long, conflicts_with = "simulate")]
    no_remembered: bool,

    /// Minutes after which --until-stable ends in any case.
    #[arg(long, value_name = "MINUTES", default_value_t = 10, requires = "until_stable",
        value_parser = clap::value_parser!(u32).range(1..=1440))]
    limit: u32,

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

impl Measured {
    /// The profile, and what others saw on such a device.
    fn report(&self) -> Result<Report> {
        let mut report = report::profile::report(&self.profile, Shown::Main)?;
        if let (Some(quoted), Some(table)) = (store::quoted_like(&self.profile), report.tables.first_mut()) {
            let both = [(quoted.name.as_str(), &quoted.profile), (self.place.as_str(), &self.profile)];
            let comparison = compare(&both, &[], &Query::default())?;
            table.notes.extend(report::others::lines(&comparison, &quoted.profile));
        }
        Ok(report)
    }
}

impl Measure {
    /// The measurement of a new user's first minute.
    pub(super) fn quick() -> Measure {
        Measure { effort: Some(Effort::Quick), ..Measure::default() }
    }

    /// A measurement that is kept nowhere.
    pub(super) fn unkept(device: Selection, effort: Effort) -> Measure {
        Measure { device, effort: Some(effort), output: Some("-".to_owned()), ..Measure::default() }
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
            super::print_report(&measured.report()?, format)
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
                Ok(measured) => reports.push(measured.report()?),
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
        let begun = Instant::now();
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
        let mut races = subject.races(provenance.gpu.as_ref());
        if self.no_remembered {
            races.iter_mut().for_each(Races::forget);
        }
        // Where more is tried than usual, what was found among fewer says little.
        let known = races.as_ref().filter(|_| scope.tune == Tune::Usual).map_or_else(Vec::new, |r| r.all().to_vec());
        let mut recorder =
            Recorder::new(&target, subject.machine.clone(), provenance).keeping(races).against(subject.earlier_read());
        recorder.begin(&ceilings, &curves)?;
        let simulated = subject.simulated.as_ref();
        let plans = Plans { machine: &subject.machine, scope, filter: &filter, simulated };
        let pace = self.pace(&plans);
        let session = Session::new(subject.device.as_mut(), pace, &mut recorder)
            .by(begun)
            .remembering(&known)
            .reserving(sample::duration(&plans.held(&curves)));
        let finished = sampled(session, &plans, &ceilings, &curves)?;
        recorder.finish(&finished, subject.device.machine())?;
        ended(recorder.profile, &target, finished.complete)
    }

    fn pace(&self, plans: &Plans) -> Pace {
        let effort = plans.scope.effort;
        let pace = match (plans.simulated, plans.machine.device.kind) {
            (Some(_), _) => return Pace::of_replay(effort),
            (None, DeviceKind::Cpu) => Pace::of(effort),
            (None, DeviceKind::Gpu) => Pace::of_gpu(effort),
        };
        let limit = Duration::from_secs(60 * u64::from(self.limit));
        if self.until_stable { pace.until_stable(limit) } else { pace }
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
            commit: Some(crate::COMMIT.to_owned()),
            compiler: Some(crate::COMPILER.to_owned()),
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            effort: self.effort.or(of_simulated).or(Some(Effort::Standard)),
            tune: self.tune.filter(|&tune| tune != Tune::Usual),
            complete: false,
            only: self.only.clone(),
            simulated: simulated.map(|named| named.name.clone()),
            host: None,
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

/// What is to be asked: all questions that pass the filter; of a simulation, those that its profile was asked.
struct Plans<'a> {
    machine: &'a Machine,
    scope: Scope,
    filter: &'a QuestionFilter,
    simulated: Option<&'a store::Named>,
}

impl Plans<'_> {
    fn curves(&self, curves: &[Curve]) -> Vec<CurveQuestion> {
        let questions = self.filter.chosen_curves(probe::survey(self.machine, curves, self.scope.effort));
        match self.simulated {
            Some(named) => simulate::curves_as_asked(&named.profile, questions),
            None => questions,
        }
    }

    fn ceilings(&self, curves: &[Curve]) -> Vec<Question> {
        let questions = self.filter.chosen(probe::plan(self.machine, curves, self.scope), |question| &question.id);
        match self.simulated {
            Some(named) => simulate::as_asked(&named.profile, questions),
            None => questions,
        }
    }

    fn held(&self, curves: &[Curve]) -> Vec<LongQuestion> {
        self.filter.chosen(probe::sustained(self.machine, curves, self.scope), |long| &long.question.id)
    }
}

/// Asks the device: what needs no survey, the curves, all ceilings, then what is held for long. Evidence of an earlier
/// measurement is completed.
fn sampled(mut session: Session, plans: &Plans, ceilings: &[Ceiling], curves: &[Curve]) -> Result<Finished> {
    let session = &mut session;
    let begun = sample::begin(session, &plans.ceilings(curves), ceilings)?;
    if !begun.finished.complete {
        return Ok(begun.finished);
    }
    let surveyed = sample::survey(session, &|curves| plans.curves(curves), curves)?;
    if !surveyed.complete {
        let disturbed_samples = begun.finished.disturbed_samples + surveyed.disturbed_samples;
        return Ok(Finished { complete: false, disturbed_samples, ..begun.finished });
    }
    let finished = sample::go_on(session, begun, &plans.ceilings(&surveyed.curves), ceilings)?;
    let finished = sample::sustain(session, &plans.held(&surveyed.curves), ceilings, finished)?;
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
