//! A language model: its shape, its storage, and where it is from.

use super::family::Family;
use super::layer::{Latents, Layer, Mixer};
use super::shape::ModelShape;
use super::steps::{Class, Forward, Step};
use super::storage::Storage;
use crate::error::{Error, Result};

/// A language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What arithmetic and memory depend on.
    pub shape: ModelShape,
    /// How its tensors are stored.
    pub storage: Storage,
    /// Where it is from.
    pub source: Source,
}

/// Where a model is from, and what its publisher states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name it goes by.
    pub name: String,
    /// The family that decided the meaning of its configuration.
    pub family: Family,
    /// Where its shape was published; none for a configuration read from a file.
    pub origin: Option<Origin>,
    /// The number of parameters that its publisher states.
    pub published: Option<Published>,
    /// The longest context it was made for, where the configuration states it.
    pub max_positions: Option<u64>,
    /// Remarks on how its configuration was read.
    pub remarks: Vec<String>,
}

/// Where and how a shipped model was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The place of its card: `huggingface: organisation/name`.
    pub card: String,
    /// Its licence, by the word that its card has for it.
    pub licence: String,
    /// When: `YYYY-MM`.
    pub released: String,
}

/// A published number of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The number.
    pub parameters: u64,
    /// What it was rounded to; 1 for an exact one.
    pub rounded_to: u64,
}

impl Model {
    /// The name it goes by.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// The family that decided the meaning of its configuration.
    pub fn family(&self) -> Family {
        self.source.family
    }

    /// Layers, all kinds together.
    pub fn layer_count(&self) -> u64 {
        self.shape.layer_count()
    }

    /// The same model without the tensors of the GGUF file that it was read from.
    #[must_use]
    pub fn without_tensors(&self) -> Model {
        Model { storage: Storage { gguf: None, ..self.storage.clone() }, ..self.clone() }
    }

    /// The operations of `forward`, as [`ModelShape::forward`].
    ///
    /// # Errors
    /// As [`ModelShape::forward`], naming the model.
    pub fn forward(&self, forward: &Forward) -> Result<Vec<Step>> {
        self.validate()?;
        self.shape.forward(forward)
    }

    /// Parameters, a tied head counted once.
    ///
    /// # Errors
    /// Misuse when the number does not fit 64 bits.
    pub fn parameters(&self) -> Result<u64> {
        self.sum(|step| Some(step.stored_elements()))
    }

    /// Parameters outside the embedding table and the head.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn parameters_non_embedding(&self) -> Result<u64> {
        let table = |class| matches!(class, Class::Embed | Class::LmHead);
        self.sum(|step| (!table(step.class)).then(|| step.stored_elements()))
    }

    /// Parameters that take part in the computation of one token: all but the experts that it does not visit. The whole
    /// embedding table is among them.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn parameters_active(&self) -> Result<u64> {
        self.sum(|step| Some(step.stored_elements().min(step.visited_elements())))
    }

    /// Elements that one token leaves in the cache, all layers together.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn kv_elements_per_token(&self, latents: Latents) -> Result<u64> {
        self.validate()?;
        let per_layer = |layer: &Layer| u128::from(layer.count() * layer.mixer.cached_per_token(latents));
        self.narrow(self.shape.layers.iter().map(per_layer).sum(), "cache elements")
    }

    /// Cache elements of one sequence of `tokens` tokens, by what each layer has to keep: a windowed layer keeps no
    /// more than its window.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn cached_elements(&self, tokens: u64, latents: Latents) -> Result<u64> {
        self.validate()?;
        let mut elements = 0;
        let forward = Forward { past: tokens.saturating_sub(1), latents, ..Forward::ONE_TOKEN };
        let fills = |kind: Option<usize>| kind.is_none_or(|kind| self.shape.layers[kind].mixer.fills_its_cache());
        self.shape.each_step(&forward, |_, step| {
            if fills(step.kind) {
                elements += step.total().cache_read;
            }
        })?;
        // What is chosen from is kept, and not read.
        for layer in &self.shape.layers {
            elements += u128::from(layer.count()) * layer.mixer.kept_unread(tokens);
            if let (Mixer::Latent(latent), true) = (&layer.mixer, latents != Latents::Naive)
                && let Some(selected) = latent.selected
            {
                let left = u128::from(tokens.saturating_sub(selected));
                elements += left * u128::from(layer.count() * latent.cached(latents));
            }
        }
        self.narrow(elements, "cache elements")
    }

    /// Elements that recurrent layers keep of one sequence, however long it is.
    ///
    /// # Errors
    /// As [`Model::parameters`].
    pub fn state_elements(&self) -> Result<u64> {
        self.validate()?;
        let per_layer = |layer: &Layer| u128::from(layer.count()) * u128::from(layer.mixer.kept());
        self.narrow(self.shape.layers.iter().map(per_layer).sum(), "state elements")
    }

    /// Checks the shape, however it was made, against the limits of configurations.
    pub(super) fn validate(&self) -> Result<()> {
        self.shape.validate().map_err(|e| e.within(self.name()))
    }

    fn sum(&self, of: impl Fn(&Step) -> Option<u128>) -> Result<u64> {
        let steps = self.forward(&Forward::ONE_TOKEN)?;
        self.narrow(steps.iter().filter_map(of).sum(), "parameters")
    }

    fn narrow(&self, count: u128, what: &str) -> Result<u64> {
        u64::try_from(count).map_err(|_| {
            Error::misuse(format!("{}: more {what} than 64 bits can count; no model is that large", self.name()))
        })
    }
}
