//! What a roofline shows, in FLOP/byte and GFLOP/s: ceilings with their intervals, models' phases, axes for all devices.

use super::scale::Scale;
use super::text;
use super::theme::MODELS_MAX;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, PhaseResult};
use crate::measured::{MeasuredPoint, Standing};
use crate::model::Phase;
use crate::profile::{Ceiling, GpuClass, IdKind, Means, MemoryLevel, Profile, Status, Word};
use crate::roofline::{Resource, Roofs};
use crate::units::FlopsPerByte;
use roofprobe_kernels::Op;
use std::path::Path;

/// Lines of memory, and of arithmetic, that a picture has room for: far more than any device has.
const LINES_MAX: usize = 24;

/// A device to be shown, and the predicted performance of models on it.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What its profile is called.
    pub name: &'a str,
    /// Its profile.
    pub profile: &'a Profile,
    /// One for each model; the same models in the same order for every subject.
    pub evaluations: &'a [Evaluation],
    /// What engines reached on it, of these models.
    pub runs: &'a [MeasuredPoint],
}

/// A roofline for each of some devices, on the same axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// One for each device.
    pub panels: Vec<Panel>,
    /// The models' names; a point names its model by the place here.
    pub models: Vec<String>,
    /// The phases that points stand for.
    pub phases: Vec<PhaseKey>,
    /// How weights and cache are stored, and how many sequences; none without models.
    pub workload: Option<String>,
    /// Operational intensity, FLOP/byte.
    pub intensity: Scale,
    /// Performance, GFLOP/s.
    pub performance: Scale,
}

/// One device.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The device's name.
    pub title: String,
    /// Grade, date, profile.
    pub facts: String,
    /// What must not be overlooked.
    pub warning: Option<String>,
    /// The ceilings: memory first, the highest of each kind first.
    pub lines: Vec<Line>,
    /// Main memory's bandwidth, GB/s.
    pub bandwidth: f64,
    /// The compute roof, GFLOP/s: that of the models' arithmetic; without models the highest that there is.
    pub roof: Option<f64>,
    /// The models' phases.
    pub points: Vec<PhasePoint>,
    /// What was measured.
    pub runs: Vec<RunPoint>,
}

/// A ceiling: a slope if memory is what it is of, else a horizontal.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The ceiling's id.
    pub id: String,
    /// What it is called in the picture.
    pub name: String,
    /// What it is a ceiling of.
    pub resource: Resource,
    /// GB/s or GFLOP/s.
    pub value: f64,
    /// The 95 % interval, the value included.
    pub interval: Option<[f64; 2]>,
    /// How the value was got.
    pub trust: Trust,
    /// Why it is not simply measured.
    pub reason: Option<String>,
}

/// How a value was got, as far as the picture shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Measured, and through every gate: a solid line.
    Measured,
    /// Not believed by a gate: a dashed line.
    Suspect,
    /// Copied from a source: a dotted line.
    Quoted,
}

/// What a phase's shape stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseKey {
    /// The phase.
    pub phase: Phase,
    /// Its name with its tokens.
    pub name: String,
}

/// A phase of a model on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct PhasePoint {
    /// The model's place in [`Chart::models`].
    pub model: usize,
    /// The phase.
    pub phase: Phase,
    /// FLOP/byte.
    pub intensity: f64,
    /// GFLOP/s.
    pub performance: f64,
    /// Tokens per second.
    pub tokens_per_s: f64,
    /// Its 95 % interval, where there is one.
    pub tokens_per_s_interval: Option<[f64; 2]>,
    /// Whether the model is known not to fit in the device's memory.
    pub too_large: bool,
}

/// A measured run on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPoint {
    /// The model's place in [`Chart::models`].
    pub model: usize,
    /// What was timed: `prefill`, `decode`, or both.
    pub phase: &'static str,
    /// How its weights are stored.
    pub weights: String,
    /// FLOP/byte.
    pub intensity: f64,
    /// GFLOP/s.
    pub performance: f64,
    /// The same of the slowest and the fastest repetition, where there are several.
    pub range: Option<[f64; 2]>,
    /// Tokens per second.
    pub tokens_per_s: f64,
    /// How good that is, where the profile tells.
    pub standing: Option<Standing>,
}

impl Line {
    /// GFLOP/s under this ceiling at an intensity.
    pub fn at(&self, value: f64, intensity: f64) -> f64 {
        match self.resource {
            Resource::Memory => value * intensity,
            Resource::Compute => value,
        }
    }

    /// Name and value, as on the label.
    pub fn label(&self) -> String {
        let unit = match self.resource {
            Resource::Memory => "B/s",
            Resource::Compute => "FLOP/s",
        };
        format!("{} {}", self.name, text::rate(self.value, unit))
    }
}

impl Chart {
    /// The chart of these devices.
    ///
    /// # Errors
    /// Misuse: no device, one without a bandwidth of main memory, which is named, or more models than there are colours.
    pub fn of(subjects: &[Subject]) -> Result<Chart> {
        let Some(first) = subjects.first() else { return Err(Error::misuse("there is no profile to plot")) };
        if first.evaluations.len() > MODELS_MAX {
            return Err(Error::misuse(format!(
                "--model: {} are too many for one picture; colours tell {MODELS_MAX} apart",
                first.evaluations.len()
            )));
        }
        let panels: Vec<Panel> = subjects.iter().map(panel).collect::<Result<_>>()?;
        let models = first.evaluations.iter().map(|evaluation| text::short(&evaluation.model)).collect();
        let phases = first.evaluations.first().map_or_else(Vec::new, |e| e.phases.iter().map(phase_key).collect());
        let workload = first.evaluations.first().map(workload);
        let (intensity, performance) = axes(&panels);
        Ok(Chart { panels, models, phases, workload, intensity, performance })
    }
}

/// How the models are used, and what their speeds go by.
fn workload(e: &Evaluation) -> String {
    format!("{} weights, {} cache, batch {}, {} roof", e.weights, e.workload.kv, e.workload.batch, e.roof.name())
}

fn phase_key(result: &PhaseResult) -> PhaseKey {
    let name = match result.phase {
        Phase::Prefill => format!("prefill of {}", result.tokens),
        Phase::Decode => format!("decode at {}", result.context),
        Phase::Generation => format!("generation of {}, end to end", result.tokens),
    };
    PhaseKey { phase: result.phase, name }
}

fn panel(subject: &Subject) -> Result<Panel> {
    let Subject { name, profile, evaluations, runs } = subject;
    let main = Roofs::of(profile, name)?.read;
    let (lines, left_out) = lines(profile, main.id);
    let highest = lines.iter().filter(|line| line.resource == Resource::Compute).map(|line| line.value).next();
    // Of the record itself, so that the picture's roof is the one that its Φ was taken to.
    let used = evaluations.first().map(|e| (FlopsPerByte(e.ridge_flop_per_byte) * main.rate).giga());
    let software = profile.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software);
    Ok(Panel {
        title: text::short(&profile.device.name),
        facts: facts(name, profile),
        warning: match left_out {
            _ if software => Some("a software adapter: no ceilings of a GPU".to_owned()),
            0 => None,
            more => Some(format!("{more} more ceilings are not shown")),
        },
        lines,
        bandwidth: main.rate.giga(),
        roof: used.or(highest),
        points: evaluations.iter().enumerate().flat_map(|(model, evaluation)| points(model, evaluation)).collect(),
        runs: runs.iter().filter_map(|run| self::run(run, evaluations)).collect(),
    })
}

/// The lines of a profile, memory first, the highest first, and how many there was no room for. Main memory is always there.
fn lines(profile: &Profile, main: &str) -> (Vec<Line>, usize) {
    let mut all: Vec<Line> = profile.ceiling.iter().filter_map(line).collect();
    all.sort_by(|a, b| (b.id == main).cmp(&(a.id == main)).then(b.value.total_cmp(&a.value)));
    let (mut lines, rest): (Vec<Line>, Vec<Line>) = all.into_iter().partition(|line| line.resource == Resource::Memory);
    let count = lines.len() + rest.len();
    lines.truncate(LINES_MAX);
    lines.sort_by(|a, b| b.value.total_cmp(&a.value));
    lines.extend(rest.into_iter().take(LINES_MAX));
    let left_out = count - lines.len();
    (lines, left_out)
}

pub(super) fn facts(name: &str, profile: &Profile) -> String {
    let graded = profile.environment.as_ref().map(|environment| environment.grade);
    let grade = match graded {
        None => "quoted".to_owned(),
        Some(grade) => grade.map_or_else(|| "no grade".to_owned(), |grade| format!("grade {grade}")),
    };
    let provenance = &profile.provenance;
    let date: String = provenance.date.chars().take(10).collect();
    let mut facts = vec![grade, date];
    facts.extend(provenance.effort.map(|effort| effort.name().to_owned()));
    if !provenance.complete {
        facts.push("incomplete".to_owned());
    }
    facts.extend(provenance.simulated.as_ref().map(|of| format!("simulated from {of}")));
    // There is no room for folders.
    facts.push(Path::new(name).file_name().map_or_else(|| name.to_owned(), |file| file.to_string_lossy().into_owned()));
    text::short(&facts.join(" · "))
}

/// The line of a ceiling that a roofline shows: reads of every level, and of compute what the whole device reaches, not
/// its single instruction sets.
fn line(ceiling: &Ceiling) -> Option<Line> {
    let (resource, name, value) = match ceiling.id.kind() {
        IdKind::Memory { level, access: Word::Known(Op::Read), sustained: false } => {
            (Resource::Memory, level_name(level), ceiling.gb_per_s?)
        }
        IdKind::Compute { dtype, means: Means::Best } => (Resource::Compute, dtype.to_string(), ceiling.gflop_per_s?),
        IdKind::Compute { dtype, means: Means::CooperativeMatrix } => {
            (Resource::Compute, format!("{dtype} coopmat"), ceiling.gflop_per_s?)
        }
        _ => return None,
    };
    let trust = match ceiling.status {
        Status::Measured => Trust::Measured,
        Status::Suspect => Trust::Suspect,
        Status::Quoted => Trust::Quoted,
        Status::Unsupported | Status::Rejected | Status::Skipped => return None,
    };
    Some(Line {
        id: text::clean(ceiling.id.as_str()),
        name: text::clean(&name),
        resource,
        value,
        // A best-of value may lie outside the interval of its resamples.
        interval: ceiling.ci95.map(|[low, high]| [low.min(value), high.max(value)]),
        trust,
        reason: ceiling.reason.as_ref().or(ceiling.source.as_ref()).map(|reason| text::short(reason)),
    })
}

fn level_name(level: &Word<MemoryLevel>) -> String {
    match level {
        Word::Known(MemoryLevel::Dram | MemoryLevel::Vram | MemoryLevel::Cache(_)) => level.to_string().to_uppercase(),
        _ => level.to_string(),
    }
}

fn points(model: usize, evaluation: &Evaluation) -> impl Iterator<Item = PhasePoint> {
    let too_large = evaluation.fits == Some(false);
    evaluation.phases.iter().map(move |phase| PhasePoint {
        model,
        phase: phase.phase,
        intensity: phase.oi,
        performance: phase.speed.gflop_per_s,
        tokens_per_s: phase.speed.tokens_per_s,
        tokens_per_s_interval: phase.speed.tokens_per_s_interval,
        too_large,
    })
}

/// A run of one of these models.
fn run(run: &MeasuredPoint, evaluations: &[Evaluation]) -> Option<RunPoint> {
    let share = run.gflop_per_s / run.tokens_per_s;
    Some(RunPoint {
        model: evaluations.iter().position(|evaluation| evaluation.model == run.model)?,
        phase: run.phase,
        weights: text::short(&run.weights),
        intensity: run.oi,
        performance: run.gflop_per_s,
        range: run.tokens_per_s_range.map(|ends| ends.map(|rate| rate * share)),
        tokens_per_s: run.tokens_per_s,
        standing: run.verdict.as_ref().map(|verdict| verdict.standing),
    })
}

/// Axes that show every point, every ridge, and something of every line.
fn axes(panels: &[Panel]) -> (Scale, Scale) {
    let (mut intensities, mut performances) = (Vec::new(), Vec::new());
    for panel in panels {
        let of = |resource: Resource| panel.lines.iter().filter(move |line| line.resource == resource);
        let fastest = of(Resource::Memory).map(|line| line.value).fold(panel.bandwidth, f64::max);
        let mut ridges: Vec<f64> = Vec::new();
        for line in of(Resource::Compute) {
            ridges.extend([line.value / fastest, line.value / panel.bandwidth]);
            performances.extend(line.interval.unwrap_or([line.value; 2]));
        }
        ridges.extend(panel.roof.map(|roof| roof / panel.bandwidth));
        performances.extend(panel.roof);
        // Without a roof there is no ridge: a decade to either side of one FLOP per byte shows the slopes.
        if ridges.is_empty() {
            ridges.extend([0.1, 10.0]);
        }
        let last = ridges.iter().copied().fold(0.0, f64::max);
        // More than a decade of the slope of main memory below the last ridge.
        performances.extend([panel.bandwidth * last, panel.bandwidth * last / 20.0]);
        intensities.extend(ridges);
        intensities.extend(panel.points.iter().map(|point| point.intensity));
        performances.extend(panel.points.iter().map(|point| point.performance));
        intensities.extend(panel.runs.iter().map(|run| run.intensity));
        performances.extend(panel.runs.iter().flat_map(|run| run.range.unwrap_or([run.performance; 2])));
    }
    // Above the highest peak there is room for its label, and for one of several models' points.
    let crowded = panels.iter().flat_map(|panel| &panel.points).any(|point| point.model > 0);
    let above = if crowded { 2.9 } else { 1.9 };
    (Scale::around(intensities, [2.5, 2.5]), Scale::around(performances, [1.5, above]))
}
