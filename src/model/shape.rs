//! The shape of a model: what arithmetic needs to know of it.

use super::layer::{Layer, Norm};
use super::limits;
use crate::error::{Error, Result};

/// A decoder-only language model in numbers: an embedding table, layers, a final norm and a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelShape {
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
    /// The norm of embedded tokens.
    pub embedding_norm: Option<Norm>,
    /// The norm behind the last layer.
    pub final_norm: Option<Norm>,
    /// An embedding for each layer, beside that of the model.
    pub layer_inputs: Option<LayerInputs>,
    /// Parallel residual streams, where there are several.
    pub streams: Option<Streams>,
    /// Residual streams that each sublayer is fed from, where there are several.
    pub connections: Option<HyperConnections>,
    /// Whether the head adds a bias.
    pub head_bias: bool,
    /// Whether logits are capped by a tanh.
    pub head_soft_cap: bool,
    /// The layers, alike ones together. Their order does not change what they cost.
    pub layers: Vec<Layer>,
    /// Layers for multi-token prediction, which no pass counts.
    pub predictors: Option<Predictors>,
    /// Whether each embedded token is joined with a hidden state of another model: a norm for each, and a matrix of twice the
    /// width.
    pub joined: bool,
}

/// Layers for multi-token prediction (DeepSeek-V3, 2024): each joins a hidden state of the model with the embedding of the
/// token behind it, and ends in a norm and the model's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predictors {
    /// How many there are.
    pub count: u64,
    /// One of them.
    pub layer: Layer,
}

/// An embedding for each layer (Gemma 3n): a token's row of one table holds those of all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerInputs {
    /// Elements for one layer.
    pub width: u64,
    /// Rows of the table.
    pub vocabulary: u64,
}

/// Parallel residual streams, of which each layer computes one (AltUp), and a residual of low rank beside each mixer (LAuReL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    /// How many.
    pub count: u64,
    /// The rank of the residual beside the mixer.
    pub rank: u64,
}

/// Hyper-connections: residual streams that are weighed into the input of each sublayer, and its output over them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HyperConnections {
    /// How many streams.
    pub count: u64,
}

impl ModelShape {
    /// Layers, all kinds together.
    pub fn layer_count(&self) -> u64 {
        self.layers.iter().map(Layer::count).sum()
    }

    /// The entry of `layers` that the last layer belongs to.
    pub(super) fn last_layer(&self) -> Option<usize> {
        let last = self.layer_count().checked_sub(1)?;
        self.layers.iter().position(|layer| layer.places.last() == Some(&last))
    }

    /// Checks every number against the limits of configurations.
    pub(super) fn validate(&self) -> Result<()> {
        let numbers = [
            (self.hidden, limits::HIDDEN, "the hidden size or the vocabulary"),
            (self.vocabulary, limits::VOCABULARY, "the hidden size or the vocabulary"),
            (self.embedding_width.unwrap_or(1), limits::HIDDEN, "the width of the embedding"),
            (self.position_rows.unwrap_or(1), limits::POSITION_ROWS, "the number of learned positions"),
            (self.layer_count(), limits::LAYERS, "the number of layers"),
            (self.predictors.as_ref().map_or(1, |all| all.count), limits::LAYERS, "the number of layers"),
            (self.layer_inputs.map_or(1, |inputs| inputs.width), limits::HEAD_DIM, "the width of a layer's embedding"),
            (
                self.layer_inputs.map_or(1, |inputs| inputs.vocabulary),
                limits::VOCABULARY,
                "the rows of layers' embeddings",
            ),
            (self.streams.map_or(1, |streams| streams.count), limits::STREAMS, "the number of residual streams"),
            (self.connections.map_or(1, |streams| streams.count), limits::STREAMS, "the number of residual streams"),
            (self.streams.map_or(1, |streams| streams.rank), limits::HEAD_DIM, "the rank of a residual"),
        ];
        let excess = numbers.into_iter().find(|(value, most, _)| !(1..=*most).contains(value)).map(|(.., what)| what);
        let predictors = self.predictors.iter().map(|predictors| &predictors.layer);
        match excess.or_else(|| self.layers.iter().chain(predictors).find_map(Layer::excess)) {
            None => Ok(()),
            Some(what) => Err(Error::misuse(format!("{what} is zero or beyond any model's"))),
        }
    }
}
