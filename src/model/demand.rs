//! What a model asks of a device: made once, asked for many passes.

use super::language_model::Model;
use super::layer::Latents;
use super::steps::{Counted, Forward, Step};
use super::tensor_type::TensorType;
use super::tensor_types::TensorTypes;
use super::typing::Typing;
use super::weights::Weights;
use super::workload::{Pass, Phase, Workload};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Like passes in a row, with their steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which kind of pass.
    pub pass: Pass,
    /// The passes.
    pub forward: Forward,
    /// What they take, all passes together.
    pub steps: Vec<Step>,
}

/// A model with the type of everything that it reads: weights and cache. Lists of steps cost no look-up, and no allocation
/// where one brings the place to write them to.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    model: &'a Model,
    weights: Option<Weights>,
    kv: TensorType,
    types: TensorTypes,
    /// For each way of doing latent attention, without and with rows left out in the last layer; or why it cannot be.
    typings: BTreeMap<(Latents, bool), Result<Typing>>,
}

impl<'a> Demand<'a> {
    /// The demand of `model`, its weights and its cache stored so.
    ///
    /// # Errors
    /// As [`TensorTypes::of`]; misuse when the model lies beyond the limits of configurations.
    pub fn new(model: &'a Model, weights: Option<Weights>, kv: TensorType) -> Result<Demand<'a>> {
        model.validate()?;
        let types = TensorTypes::of(model, weights)?;
        let keys = Latents::ALL.into_iter().flat_map(|latents| [(latents, false), (latents, true)]);
        let typing = |(latents, prunes)| Typing::of(&model.shape, &types, latents, prunes, kv);
        let typings = keys.map(|key| (key, typing(key))).collect();
        Ok(Demand { model, weights, kv, types, typings })
    }

    /// The model.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// The type of every tensor.
    pub fn types(&self) -> &TensorTypes {
        &self.types
    }

    /// How the cache is stored.
    pub fn kv(&self) -> TensorType {
        self.kv
    }

    /// The runs of one phase of `workload`, each with its steps.
    ///
    /// # Errors
    /// As [`Workload::forwards`] and [`Demand::steps_into`]; misuse when the workload stores weights or cache otherwise.
    pub fn runs(&self, workload: &Workload, phase: Phase) -> Result<Vec<Run>> {
        self.check(workload)?;
        let run = |(pass, forward)| {
            let mut steps = Vec::new();
            self.steps_into(&forward, &mut steps)?;
            Ok(Run { pass, forward, steps })
        };
        workload.forwards(self.model, phase)?.map(run).collect()
    }

    /// That `workload` stores weights and cache as this demand does.
    ///
    /// # Errors
    /// Misuse when it does not.
    pub fn check(&self, workload: &Workload) -> Result<()> {
        if (workload.weights, workload.kv) == (self.weights, self.kv) {
            return Ok(());
        }
        Err(Error::misuse("--weights, --kv: the workload's are not those that the demand was made for"))
    }

    /// The steps of `forward`, every tensor and the cache as it is stored, in the place of what `steps` held. Where layers
    /// that are otherwise alike store a tensor in several types, each has a step of its own.
    ///
    /// # Errors
    /// As [`ModelShape::forward`](super::ModelShape::forward); misuse when rows of the cache are no whole number of blocks.
    pub fn steps_into(&self, forward: &Forward, steps: &mut Vec<Step>) -> Result<()> {
        steps.clear();
        self.each_step(forward, |step| steps.push(*step))
    }

    /// Gives each step of `forward`, counted, to `take`: for whoever keeps nothing of them but sums.
    ///
    /// # Errors
    /// As [`Demand::steps_into`]; some steps may have been given away before.
    pub fn each_counted(&self, forward: &Forward, mut take: impl FnMut(&Counted)) -> Result<()> {
        let mut wrong = None;
        self.each_step(forward, |step| match Counted::of(step) {
            Ok(counted) => take(&counted),
            Err(error) => wrong = Some(error),
        })?;
        wrong.map_or(Ok(()), Err)
    }

    /// Gives each step of `forward` to `take`.
    ///
    /// # Errors
    /// As [`Demand::steps_into`].
    pub fn each_step(&self, forward: &Forward, mut take: impl FnMut(&Step)) -> Result<()> {
        let typing = self.typings[&(forward.latents, forward.prunes())].as_ref().map_err(Error::clone)?;
        self.model.shape.each_step(forward, |place, step| typing.each(place, step, &mut take))
    }
}

impl Workload {
    /// The runs of one phase, each with its steps; a [`Demand`] answers for many workloads at less cost.
    ///
    /// # Errors
    /// As [`Demand::new`] and [`Demand::runs`].
    pub fn runs(&self, model: &Model, phase: Phase) -> Result<Vec<Run>> {
        self.validate()?;
        Demand::new(model, self.weights, self.kv)?.runs(self, phase)
    }
}
