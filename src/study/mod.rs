//! The five studies of arXiv 2602.11506 ("RooflineBench"), for any model and profile: length of the sequence, depth, precision,
//! attention, hardware.
//!
//! A study is a set of [`ScenarioResult`]s, each a [`Scenario`] of a model on a profile, counted and timed by
//! [`Evaluator`], and [`Finding`]s: claims, most of them the paper's, held against every case.
//! OI is that of the printed definition: W/Q, with W counted exactly and Q the weights and the cache that the passes of the
//! scenario must move.
//!
//! Pure: the same input gives the same record. The record's field names are a contract with other tools.

mod attention;
mod attention_kind;
mod depth;
mod finding;
mod hardware;
mod precision;
mod result;
mod scenario;
mod sequence;

use crate::error::{Error, Result};
use crate::evaluate::{Evaluator, NamedProfile, Query, RoofKind};
use crate::model::{Model, Workload};
use crate::roofline::Note;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;

pub use attention::{PAPER_MODELS, attention};
pub use attention_kind::AttentionKind;
pub use depth::{FLAT_PERCENT, depth};
pub use finding::{Finding, Holds};
pub use hardware::hardware;
pub use precision::precision;
pub use result::{PartKind, PartResult, Regime, ScenarioResult, Standing};
pub use scenario::{Engine, Scenario};
pub use sequence::sequence;

/// What all cases of a study have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// How they are run.
    pub engine: Engine,
    /// Everything else that is asked; its prompt and its answer are those of the scenarios, and its roof, by default the peak,
    /// is what findings go by.
    pub query: Query,
}

impl Setting {
    /// The roof that findings go by.
    pub fn roof(&self) -> RoofKind {
        self.query.roof.unwrap_or(RoofKind::Peak)
    }
}

/// A study: its cases, and what they say.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Study {
    /// Which one.
    pub study: &'static str,
    /// How the scenarios are run.
    pub engine: Engine,
    /// The roof that findings go by.
    pub roof: RoofKind,
    /// Where memory and compute meet, for the weights of the study on each profile.
    pub ridges: Vec<RidgePoint>,
    /// The cases.
    pub cases: Vec<ScenarioResult>,
    /// What they say.
    pub findings: Vec<Finding>,
    /// What has to be said about models and scenarios.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub notes: Vec<String>,
}

/// The ridge of one profile for the arithmetic of some weights.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RidgePoint {
    /// The profile's name.
    pub profile: String,
    /// The device's name.
    pub device: String,
    /// The weights.
    pub weights: String,
    /// The ceiling that is π.
    pub compute_ceiling: String,
    /// π.
    pub gflop_per_s: f64,
    /// The ceiling that is β.
    pub memory_ceiling: String,
    /// β.
    pub gb_per_s: f64,
    /// π/β.
    pub ridge_flop_per_byte: f64,
    /// What their intervals allow it to be.
    pub ridge_interval: [f64; 2],
    /// What has to be said about the two ceilings.
    pub notes: Vec<Note>,
}

/// One way of looking at a model: its shape, and how it is used.
type Variant<'m> = (Cow<'m, Model>, Workload);

impl Study {
    /// Every model on every profile in every scenario, in each of the ways that `variants` makes of it; without findings.
    fn of(
        study: &'static str,
        models: &[Model],
        profiles: &[NamedProfile],
        setting: &Setting,
        variants: impl for<'m> Fn(&'m Model) -> Result<Vec<Variant<'m>>>,
    ) -> Result<Study> {
        let models = &checked(models, profiles, setting)?;
        let (mut ridges, mut cases) = (Vec::new(), Vec::new());
        for &(name, profile) in profiles {
            for (model, workload) in models.iter().map(&variants).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
                let evaluator = Evaluator::new(&model, &setting.query.with(workload), profile, name);
                let evaluator = evaluator.map_err(|e| e.within(model.name()))?;
                add_ridge(&mut ridges, &evaluator)?;
                for scenario in &setting.scenarios {
                    cases.push(ScenarioResult::of(&evaluator, setting.engine, scenario)?);
                }
            }
        }
        let notes = models.iter().filter_map(|model| too_long(model, setting)).collect();
        Ok(Study { study, engine: setting.engine, roof: setting.roof(), ridges, cases, findings: Vec::new(), notes })
    }

    fn with(self, findings: Vec<Finding>) -> Study {
        Study { findings, ..self }
    }
}

/// A longest scenario beyond the context that a model was made for.
fn too_long(model: &Model, setting: &Setting) -> Option<String> {
    // llama-bench's two tests have a context each.
    let length = |scenario: &Scenario| match setting.engine {
        Engine::Definition => scenario.prompt + scenario.generate,
        Engine::LlamaBench => scenario.prompt.max(scenario.generate),
    };
    let (asked, made_for) = (setting.scenarios.iter().map(length).max()?, model.source.max_positions?);
    let name = model.name();
    (asked > made_for).then(|| format!("{name}: {asked} tokens are asked for; the model was made for {made_for}"))
}

/// The models, each under a name of its own, after a check of everything that is asked: nothing twice, nothing beyond its limits.
fn checked(models: &[Model], profiles: &[NamedProfile], setting: &Setting) -> Result<Vec<Model>> {
    let twice = |what: String| Err(Error::misuse(format!("{what}: is asked for twice; leave one out")));
    // Lengths are checked with their scenario; what else is wrong is not the scenario's.
    setting.engine.check(&Workload { prompt: 1, generate: Some(1), ..setting.query.workload })?;
    for (at, scenario) in setting.scenarios.iter().enumerate() {
        let same = |other: &Scenario| (other.prompt, other.generate) == (scenario.prompt, scenario.generate);
        if setting.scenarios[..at].iter().any(same) {
            return twice(format!("--scenario {scenario}"));
        }
    }
    for (at, (name, _)) in profiles.iter().enumerate() {
        if profiles[..at].iter().any(|(other, _)| other == name) {
            return twice(format!("-p {name}"));
        }
    }
    let mut distinct: Vec<Model> = Vec::new();
    for (at, model) in models.iter().enumerate() {
        if models[..at].contains(model) {
            return twice(format!("MODEL {}", model.name()));
        }
        // Configurations are called by their folders, and two folders may have one name.
        let mut model = model.clone();
        let namesakes = models[..at].iter().filter(|other| other.name() == model.name()).count();
        if namesakes > 0 {
            model.source.name = format!("{} ({})", model.name(), namesakes + 1);
        }
        distinct.push(model);
    }
    Ok(distinct)
}

/// Every model as it is.
fn plain(study: &'static str, models: &[Model], profiles: &[NamedProfile], setting: &Setting) -> Result<Study> {
    Study::of(study, models, profiles, setting, |model| Ok(vec![(Cow::Borrowed(model), setting.query.workload)]))
}

/// The ridge of a profile, once for each format of weights.
fn add_ridge(ridges: &mut Vec<RidgePoint>, evaluator: &Evaluator) -> Result<()> {
    let ((name, profile), weights) = (evaluator.profile(), &evaluator.demand().types().format);
    if ridges.iter().any(|ridge| ridge.profile == name && ridge.weights == *weights) {
        return Ok(());
    }
    let (compute, read) = evaluator.ridge_roofs()?;
    ridges.push(RidgePoint {
        profile: name.to_owned(),
        device: profile.device.name.clone(),
        weights: weights.clone(),
        compute_ceiling: compute.id.to_owned(),
        gflop_per_s: compute.rate.giga(),
        memory_ceiling: read.id.to_owned(),
        gb_per_s: read.rate.giga(),
        ridge_flop_per_byte: evaluator.ridge().intensity().0,
        ridge_interval: evaluator.ridge_interval()?,
        notes: Note::folded(compute.notes.iter().chain(&read.notes)),
    });
    Ok(())
}

/// The cases that agree in `key`, in the order of their first.
fn groups<'a, Key: PartialEq>(
    cases: impl IntoIterator<Item = &'a ScenarioResult>,
    key: impl Fn(&'a ScenarioResult) -> Key,
) -> Vec<Vec<&'a ScenarioResult>> {
    let mut groups: Vec<(Key, Vec<&ScenarioResult>)> = Vec::new();
    for case in cases {
        let key = key(case);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(case),
            None => groups.push((key, vec![case])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The case of a scenario.
fn named<'a>(group: &[&'a ScenarioResult], scenario: &str) -> Option<&'a ScenarioResult> {
    group.iter().find(|case| case.scenario == scenario).copied()
}
