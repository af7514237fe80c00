//! Many evaluations along axes: models × profiles × values of each axis × phases, one row each.
//!
//! What changes the model (depth, weights, cache type) makes a **case**: an [`Evaluator`] of its own, made once. What
//! changes its use makes the **settings** of a case, which cost no more than arithmetic. The order of rows is fixed: models,
//! profiles, the axes of cases, those of settings, each as they were given, then phases; any part of it can be had by itself,
//! so that whoever has threads can share the work out.
//!
//! Pure: the same sweep gives the same rows. A point that cannot be evaluated is a row with its reason.

mod axis;
mod row;
mod values;

use crate::error::{Error, Result};
use crate::evaluate::{Evaluator, Extent, NamedProfile, Query, RoofKind, common_roof};
use crate::model::{Knob, Model, Phase, TensorTypes, Workload};
pub use axis::{Axis, Over};
use row::answer;
pub use row::{Answer, Column, Names, Row, Value, Values};
use std::ops::Range;
pub use values::Numbers;

/// What is to be evaluated.
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    models: &'a [Model],
    profiles: &'a [NamedProfile<'a>],
    query: Query,
    roof: RoofKind,
    phases: Vec<Phase>,
    /// Axes that make cases.
    shaping: Vec<Over>,
    /// Axes that make settings.
    using: Vec<Over>,
    cases: u64,
    settings: u64,
}

/// A model, as deep and stored as it is asked for, on one profile.
#[derive(Debug)]
pub struct Case<'c> {
    sweep: &'c Sweep<'c>,
    names: Names<'c>,
    workload: Workload,
    memory_bytes: Option<u64>,
    evaluator: Result<Evaluator<'c>>,
}

/// What must be held at once, bytes, and whether it fits, where that is known.
type Memory = (u64, Option<bool>);

impl<'a> Sweep<'a> {
    /// A sweep over `axes` around `query`, of `phases`; without a roof, by the one that all profiles have.
    ///
    /// # Errors
    /// Misuse for an axis that is given twice or whose option is set too, for a generation of no known length, and for more
    /// rows than 64 bits can count.
    pub fn new(
        models: &'a [Model],
        profiles: &'a [NamedProfile<'a>],
        query: Query,
        axes: Vec<Over>,
        phases: Vec<Phase>,
    ) -> Result<Sweep<'a>> {
        for (place, over) in axes.iter().enumerate() {
            if axes[..place].iter().any(|other| other.axis == over.axis) {
                let name = over.axis.name();
                return Err(Error::misuse(format!("--over {name}: is given twice; write all its values in one list")));
            }
        }
        let lengths =
            query.workload.generate.is_some() || axes.iter().any(|over| over.axis == Axis::Knob(Knob::GENERATE));
        if phases.contains(&Phase::Generation) && !lengths {
            return Err(Error::misuse("--phase generation: say how long with --generate N, or --over generate=VALUES"));
        }
        let (shaping, using): (Vec<Over>, Vec<Over>) = axes.into_iter().partition(|over| over.axis.shapes());
        let beyond = || Error::misuse("--over: more points than 64 bits can count; give fewer values");
        let times = |all: u64, over: &Over| all.checked_mul(over.count()).ok_or_else(beyond);
        let cases = shaping.iter().try_fold((models.len() * profiles.len()) as u64, times)?;
        let settings = using.iter().try_fold(1, times)?;
        cases.checked_mul(settings).and_then(|all| all.checked_mul(phases.len() as u64)).ok_or_else(beyond)?;
        let roof = query.roof.unwrap_or_else(|| common_roof(profiles));
        Ok(Sweep { models, profiles, query: query.by(roof), roof, phases, shaping, using, cases, settings })
    }

    /// Cases: models × profiles × values of the axes that change the model.
    pub fn cases(&self) -> u64 {
        self.cases
    }

    /// Settings of each case.
    pub fn settings(&self) -> u64 {
        self.settings
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.cases * self.settings * self.phases.len() as u64
    }

    /// The models.
    pub fn models(&self) -> &'a [Model] {
        self.models
    }

    /// The profiles, each with its name.
    pub fn profiles(&self) -> &'a [NamedProfile<'a>] {
        self.profiles
    }

    /// What the axes do not change.
    pub fn workload(&self) -> &Workload {
        &self.query.workload
    }

    /// The roof that rows go by.
    pub fn roof(&self) -> RoofKind {
        self.roof
    }

    /// The axes, the slowest first.
    pub fn axes(&self) -> impl Iterator<Item = &Over> {
        self.shaping.iter().chain(&self.using)
    }

    /// Makes the case at `place`, less than [`Sweep::cases`], for as long as `answer` needs it.
    pub fn with_case<Answer>(&self, place: u64, answer: impl FnOnce(&Case) -> Answer) -> Answer {
        let (mut workload, mut depth) = (self.query.workload, None);
        let rest = set(&self.shaping, place, &mut workload, &mut depth);
        let profiles = self.profiles.len() as u64;
        let model = &self.models[(rest / profiles) as usize];
        let (profile_name, profile) = self.profiles[(rest % profiles) as usize];
        let shape = depth.map(|layers| model.with_layers(layers)).transpose();
        let evaluator = shape.as_ref().map_err(Clone::clone).and_then(|shape| {
            let shape = shape.as_ref().unwrap_or(model);
            Evaluator::new(shape, &self.query.with(workload), profile, profile_name)
        });
        let weights = TensorTypes::word(model, workload.weights);
        let (kv, layers) = (workload.kv.to_string(), depth.unwrap_or_else(|| model.layer_count()));
        let names = Names { model: model.name(), profile: profile_name, weights: &weights, kv: &kv, layers };
        answer(&Case { sweep: self, names, workload, memory_bytes: profile.usable_memory_bytes(), evaluator })
    }
}

impl Case<'_> {
    /// Gives each row of the settings at `places` to `take`.
    pub fn each_row(&self, places: Range<u64>, mut take: impl FnMut(&Row)) {
        for place in places {
            let mut workload = self.workload;
            set(&self.sweep.using, place, &mut workload, &mut None);
            let memory = self.memory(&workload);
            for &phase in &self.sweep.phases {
                self.row(&workload, phase, &memory, &mut take);
            }
        }
    }

    fn row(&self, workload: &Workload, phase: Phase, memory: &Result<Memory>, take: &mut impl FnMut(&Row)) {
        let asked = Row::asked(self.names, workload, phase, self.sweep.roof);
        let answered = || {
            let evaluator = self.evaluator.as_ref().map_err(Error::clone)?;
            let memory = memory.clone()?;
            let tokens = workload.batch * Extent::of(workload, phase).tokens;
            answer(evaluator, &evaluator.figures(workload, phase)?, tokens, memory)
        };
        match answered() {
            Ok(answer) => take(&Row { outcome: Ok(answer), ..asked }),
            Err(error) => take(&Row { outcome: Err(&error.to_string()), ..asked }),
        }
    }

    fn memory(&self, workload: &Workload) -> Result<Memory> {
        let evaluator = self.evaluator.as_ref().map_err(Error::clone)?;
        let needed = evaluator.memory_needed(workload)?;
        Ok((needed, self.memory_bytes.map(|has| needed <= has)))
    }
}

/// Sets every axis of `axes` to its value at `place` of their grid, whose last axis goes fastest; what `place` exceeds the
/// grid by, in grids, is given back.
fn set(axes: &[Over], mut place: u64, workload: &mut Workload, depth: &mut Option<u64>) -> u64 {
    for over in axes.iter().rev() {
        over.set(place % over.count(), workload, depth);
        place /= over.count();
    }
    place
}
