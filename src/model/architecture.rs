//! What a model is made of, as far as arithmetic and memory are concerned.

use super::family::Family;
use super::layer::{Layer, Norm};
use super::steps::{Class, Forward, Latents, Step};
use super::stored::Stored;
use super::weights::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use roofprobe_kernels::Dtype;

/// The largest value of a configuration key that is taken for a model's and not for a slip or an attack. All are far
/// above the largest models published (Llama 3.1 405B: hidden 16384, 126 layers, 128 heads), and small enough for every
/// count to be exact.
pub(super) mod limits {
    pub(crate) const HIDDEN: u64 = 1 << 20;
    pub(crate) const LAYERS: u64 = 1 << 12;
    pub(crate) const HEADS: u64 = 1 << 16;
    pub(crate) const HEAD_DIM: u64 = 1 << 16;
    pub(crate) const WIDTH: u64 = 1 << 24;
    pub(crate) const EXPERTS: u64 = 1 << 16;
    pub(crate) const VOCABULARY: u64 = 1 << 28;
    pub(crate) const POSITIONS: u64 = 1 << 40;
    /// Rows of a table of learned positions.
    pub(crate) const POSITION_ROWS: u64 = 1 << 28;
}

/// A published number of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The number.
    pub parameters: u64,
    /// What it was rounded to; 1 for an exact one.
    pub rounded_to: u64,
}

/// A decoder-only language model: an embedding table, runs of layers, a final norm and a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// The name it goes by.
    pub name: String,
    /// The family that decided the meaning of its configuration.
    pub family: Family,
    /// Where its shape was published; none for a configuration read from a file.
    pub source: Option<String>,
    /// The number of parameters that its publisher states.
    pub published: Option<Published>,
    /// The type its weights are published in, where the configuration says so in a known word.
    pub published_dtype: Option<Dtype>,
    /// The longest context it was made for, where the configuration says so.
    pub max_positions: Option<u64>,
    /// Width of the residual stream, elements.
    pub hidden: u64,
    /// Rows of the embedding table, and of the head.
    pub vocabulary: u64,
    /// Whether the head is the embedding table: stored once, read twice.
    pub tied: bool,
    /// Width of the embedding table and the head where it is not that of the residual stream; a matrix in front of the
    /// layers and one behind them translate.
    pub embedding_width: Option<u64>,
    /// Rows of a table of learned positions, where there is one.
    pub position_rows: Option<u64>,
    /// The norm behind the last layer.
    pub final_norm: Option<Norm>,
    /// Whether the head adds a bias.
    pub head_bias: bool,
    /// Whether logits are capped by a tanh.
    pub head_soft_cap: bool,
    /// The layers, alike ones together. Their order does not change what they cost.
    pub layers: Vec<Layer>,
    /// f32 factors of the rotary embedding that GGUF files carry as tensors; no parameters.
    pub rope_factors: u64,
    /// How its tensors are stored, where it was read from a GGUF file; none for a mere shape.
    pub stored: Option<Stored>,
    /// How its published checkpoint is quantised, where its configuration says so.
    pub checkpoint: Option<Checkpoint>,
    /// What has to be said about how its configuration was read.
    pub remarks: Vec<String>,
}

impl Architecture {
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
    /// As [`Architecture::parameters`].
    pub fn parameters_non_embedding(&self) -> Result<u64> {
        let table = |class| matches!(class, Class::Embed | Class::LmHead);
        self.sum(|step| (!table(step.class)).then(|| step.stored_elements()))
    }

    /// Parameters that take part in the computation of one token: all but the experts that it does not visit. The whole
    /// embedding table is among them.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn parameters_active(&self) -> Result<u64> {
        self.sum(|step| Some(step.stored_elements().min(step.visited_elements())))
    }

    /// Elements that one token leaves in the cache, all layers together.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn kv_elements_per_token(&self, latents: Latents) -> Result<u64> {
        self.validate()?;
        let per_layer = |layer: &Layer| layer.count() * layer.mixer.cached_per_token(latents);
        narrow(Some(self.layers.iter().map(|layer| u128::from(per_layer(layer))).sum()), &self.name, "cache elements")
    }

    /// Cache elements of one sequence of `tokens` tokens, by what each layer has to keep: a windowed layer keeps no
    /// more than its window.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn cached_elements(&self, tokens: u64, latents: Latents) -> Result<u64> {
        self.validate()?;
        let mut elements = 0;
        let forward = Forward { past: tokens.saturating_sub(1), latents, ..Forward::ONE_TOKEN };
        self.each_step(&forward, |_, step| elements += step.total().cache_read)?;
        narrow(Some(elements), &self.name, "cache elements")
    }

    /// Elements that recurrent layers keep of one sequence, however long it is.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn state_elements(&self) -> Result<u64> {
        self.validate()?;
        let per_layer = |layer: &Layer| u128::from(layer.count()) * u128::from(layer.mixer.kept(self.hidden));
        narrow(Some(self.layers.iter().map(per_layer).sum()), &self.name, "state elements")
    }

    /// Layers, all kinds together.
    pub fn layer_count(&self) -> u64 {
        self.layers.iter().map(Layer::count).sum()
    }

    /// The entry of [`Architecture::layers`] that the last layer is of.
    pub(super) fn last_layer(&self) -> Option<usize> {
        let last = self.layer_count().checked_sub(1)?;
        self.layers.iter().position(|layer| layer.places.last() == Some(&last))
    }

    /// Holds an architecture, however it was made, to the limits of configurations.
    pub(super) fn validate(&self) -> Result<()> {
        let beyond = |what: &str| Err(Error::misuse(format!("{}: {what} is zero or beyond any model's", self.name)));
        let fits = |value: u64, most: u64| (1..=most).contains(&value);
        if !fits(self.hidden, limits::HIDDEN) || !fits(self.vocabulary, limits::VOCABULARY) {
            return beyond("the hidden size or the vocabulary");
        }
        if !fits(self.embedding_width.unwrap_or(1), limits::HIDDEN) {
            return beyond("the width of the embedding");
        }
        if !fits(self.position_rows.unwrap_or(1), limits::POSITION_ROWS) {
            return beyond("the number of learned positions");
        }
        if !fits(self.layer_count(), limits::LAYERS) {
            return beyond("the number of layers");
        }
        self.layers.iter().find_map(Layer::excess).map_or(Ok(()), beyond)
    }

    fn sum(&self, of: impl Fn(&Step) -> Option<u128>) -> Result<u64> {
        let steps: Vec<Step> = self.forward(&Forward::ONE_TOKEN)?;
        narrow(Some(steps.iter().filter_map(of).sum()), &self.name, "parameters")
    }
}

fn narrow(count: Option<u128>, name: &str, what: &str) -> Result<u64> {
    count
        .and_then(|count| u64::try_from(count).ok())
        .ok_or_else(|| Error::misuse(format!("{name}: more {what} than 64 bits can count; no model is that large")))
}
