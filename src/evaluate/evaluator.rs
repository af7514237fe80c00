//! A model and a profile joined once, and asked many times: what sweeps and evaluations have in common.

use super::figures::{Figures, TimedStep};
use super::{NamedProfile, Query, RoofKind};
use crate::engine::{EngineTable, Part};
use crate::error::{Error, Result};
use crate::model::{Class, Counted, Demand, Forward, Model, Pass, Phase, Workload};
use crate::profile::{Profile, Status};
use crate::roofline::{Achieved, Arithmetic, Load, Ridge, Roof, Roofs, Task};
use crate::units::{Bytes, BytesPerSecond, Flops, FlopsPerSecond, Seconds};
use roofprobe_kernels::{Dtype, Op};

/// A model, stored in certain types, under the roofs of one profile. Asking allocates nothing.
#[derive(Clone, Debug)]
pub struct Evaluator<'a> {
    pub(super) query: Query,
    pub(super) profile: &'a Profile,
    pub(super) name: &'a str,
    roof: RoofKind,
    pub(super) demand: Demand<'a>,
    pub(super) roofs: Roofs<'a>,
    pub(super) achieved: std::result::Result<Achieved<'a>, String>,
    pub(super) engine: Option<&'a EngineTable>,
    ridge: Ridge,
}

impl<'a> Evaluator<'a> {
    /// Joins `model` with `profile`, which is called `name` in messages, for what `query` asks.
    ///
    /// # Errors
    /// Misuse: as [`Demand::new`]; for a profile without a bandwidth of its memory or any peak of arithmetic; when the
    /// achieved roof is asked for and the profile has none, with the reason.
    pub fn new(model: &'a Model, query: &Query, profile: &'a Profile, name: &'a str) -> Result<Evaluator<'a>> {
        Evaluator::of_engine(model, query, profile, name, None)
    }

    /// As [`Evaluator::new`], for an engine: what it reaches of the measured kernels is in `engine`.
    ///
    /// # Errors
    /// As [`Evaluator::new`], and when the engine's speed is asked for without a table.
    pub fn of_engine(
        model: &'a Model,
        query: &Query,
        profile: &'a Profile,
        name: &'a str,
        engine: Option<&'a EngineTable>,
    ) -> Result<Evaluator<'a>> {
        let demand = Demand::new(model, query.workload.weights, query.workload.kv)?;
        let roofs = Roofs::of(profile, name)?;
        // π of the roofline as a whole is that of the matmuls, which do most of the arithmetic.
        let compute = roofs.compute(Arithmetic::of(Op::Matmul, demand.types().main.nearest()))?;
        let ridge = Ridge { compute: compute.rate, bandwidth: roofs.read.rate };
        let achieved = Achieved::of(profile, name);
        let roof = match (query.roof, &achieved) {
            (Some(RoofKind::Achieved), Err(why)) => {
                return Err(Error::misuse(format!(
                    "--roof achieved: {why}; measure one with `roofprobe measure`, or leave --roof out"
                )));
            }
            (Some(RoofKind::Engine), _) if engine.is_none() => {
                return Err(Error::misuse("the speed of an engine needs its table; `roofprobe calibrate` writes one"));
            }
            (Some(roof), _) => roof,
            (None, _) if engine.is_some() => RoofKind::Engine,
            (None, Ok(_)) => RoofKind::Achieved,
            (None, Err(_)) => RoofKind::Peak,
        };
        Ok(Evaluator { query: *query, profile, name, roof, demand, roofs, achieved, engine, ridge })
    }

    /// π and β of the roofline as a whole.
    pub fn ridge(&self) -> Ridge {
        self.ridge
    }

    /// The ceilings that π and β are, with their intervals and what has to be said of them.
    ///
    /// # Errors
    /// As [`Evaluator::new`].
    pub fn ridge_roofs(&self) -> Result<(&Roof<'a, FlopsPerSecond>, &Roof<'a, BytesPerSecond>)> {
        let arithmetic = Arithmetic::of(Op::Matmul, self.demand.types().main.nearest());
        Ok((self.roofs.compute(arithmetic)?, &self.roofs.read))
    }

    /// What the intervals of π and β allow the ridge to be, FLOP/byte.
    ///
    /// # Errors
    /// As [`Evaluator::new`].
    pub fn ridge_interval(&self) -> Result<[f64; 2]> {
        let (compute, read) = self.ridge_roofs()?;
        Ok([(compute.low / read.high).0, (compute.high / read.low).0])
    }

    /// Whether the ridge stands on a quoted ceiling.
    pub(super) fn is_quoted(&self) -> bool {
        let quoted = |id: &str| self.profile.ceiling(id).is_some_and(|ceiling| ceiling.status == Status::Quoted);
        self.ridge_roofs().is_ok_and(|(compute, read)| quoted(compute.id) || quoted(read.id))
    }

    /// What was asked.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The profile that it was made for.
    pub fn profile(&self) -> NamedProfile<'a> {
        (self.name, self.profile)
    }

    /// What the model asks for.
    pub fn demand(&self) -> &Demand<'a> {
        &self.demand
    }

    /// The roof to go by: the one asked for, else the achieved one where the profile has it.
    pub fn roof(&self) -> RoofKind {
        self.roof
    }

    /// The roofs that the profile has.
    pub fn roof_kinds(&self) -> &'static [RoofKind] {
        match (self.achieved.is_ok(), self.engine) {
            (true, Some(_)) => &[RoofKind::Peak, RoofKind::Achieved, RoofKind::Engine],
            (false, Some(_)) => &[RoofKind::Peak, RoofKind::Engine],
            (true, None) => &[RoofKind::Peak, RoofKind::Achieved],
            (false, None) => &[RoofKind::Peak],
        }
    }

    /// Whether the profile has an achieved roof.
    pub fn has_achieved(&self) -> bool {
        self.achieved.is_ok()
    }

    /// One phase of `workload`, added up.
    ///
    /// # Errors
    /// Misuse for a workload beyond its limits, or whose types are others than this evaluator's.
    pub fn figures(&self, workload: &Workload, phase: Phase) -> Result<Figures<'a>> {
        self.demand.check(workload)?;
        self.figures_of(workload.forwards(self.demand.model(), phase)?)
    }

    /// Any passes, added up.
    ///
    /// # Errors
    /// As [`Demand::each_counted`].
    pub fn figures_of(&self, passes: impl IntoIterator<Item = (Pass, Forward)>) -> Result<Figures<'a>> {
        let mut figures = Figures::default();
        for (pass, forward) in passes {
            self.add(pass, &forward, &mut figures, |_| {})?;
        }
        Ok(figures)
    }

    /// The time of one forward of decode steps, or of a draft's verification.
    pub(super) fn seconds(&self, forward: &Forward) -> Result<Seconds> {
        // A few tokens of each sequence over its cache: attention reads as a decode step's does.
        Ok(self.figures_of([(Pass::Decode, *forward)])?.seconds(self.roof))
    }

    /// Adds the steps of `forward` to `figures`, and shows each to `see`.
    pub(super) fn add(
        &self,
        pass: Pass,
        forward: &Forward,
        figures: &mut Figures<'a>,
        mut see: impl FnMut(TimedStep<'a>),
    ) -> Result<()> {
        let mut wrong = None;
        figures.passes += forward.passes;
        if let Some(engine) = self.engine {
            figures.add_passes(pass, engine.passes(forward.passes));
        }
        self.demand.each_counted(forward, |counted| {
            // Without logits there is no head to read.
            if forward.logits == 0 && counted.step.class == Class::LmHead {
                return;
            }
            let load = Load {
                flops: Flops::exactly(counted.cost.flops),
                read: Bytes::exactly(counted.read_bytes()),
                written: Bytes::exactly(counted.written_bytes()),
                activations: activations(counted),
            };
            let task = Task::of(&counted.step, pass, self.demand.model(), load);
            let peak = match self.roofs.bound(&load, task.arithmetic()) {
                Ok(peak) => peak,
                Err(error) => return wrong = Some(error),
            };
            let achieved = self.achieved.as_ref().ok().map(|achieved| achieved.bound(&task, &peak));
            let engine = self
                .engine
                .map(|engine| engine.bound(&Part::of(&counted.step, pass, &task), &task, &peak, achieved.as_ref()));
            let step = TimedStep { pass, counted: *counted, task, peak, achieved, engine };
            figures.add(&step);
            see(step);
        })?;
        wrong.map_or(Ok(()), Err)
    }
}

/// The activations that an operation takes in and gives, f32.
fn activations(counted: &Counted) -> Bytes {
    Bytes((counted.cost.input_read + counted.cost.output_written) as f64 * Dtype::F32.block().bytes as f64)
}
