//! What a model is made of, as far as arithmetic and memory are concerned.

use super::family::Family;
use super::steps::{Class, Forward, Step};
use super::stored::Stored;
use crate::error::{Error, Result};
use roofprobe_kernels::{Dtype, Op};

/// The largest value of a configuration key that is taken for a model's and not for a slip or an attack. All are far
/// above the largest models published (Llama 3.1 405B: hidden 16384, 126 layers, 128 heads), and small enough for every
/// count to be exact.
pub(super) mod limits {
    pub(crate) const HIDDEN: u64 = 1 << 20;
    pub(crate) const LAYERS: u64 = 1 << 12;
    pub(crate) const HEADS: u64 = 1 << 16;
    pub(crate) const HEAD_DIM: u64 = 1 << 16;
    pub(crate) const WIDTH: u64 = 1 << 24;
    pub(crate) const VOCABULARY: u64 = 1 << 28;
    pub(crate) const POSITIONS: u64 = 1 << 40;
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
    pub published_parameters: Option<u64>,
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
    /// The layers, alike ones counted together. Their order does not change what they cost.
    pub layers: Vec<Layer>,
    /// f32 factors of the rotary embedding that GGUF files carry as a tensor; no parameters.
    pub rope_factors: u64,
    /// How its tensors are stored, where it was read from a GGUF file; none for a mere shape.
    pub stored: Option<Stored>,
}

/// `count` layers of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// How many of them the model has.
    pub count: u64,
    /// How tokens are mixed.
    pub attention: Attention,
    /// What is done to each token.
    pub feed_forward: FeedForward,
}

/// How a layer mixes tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Softmax attention over cached keys and values, each shared by a group of query heads.
    GroupedQuery(GroupedQuery),
}

/// Grouped-query attention (Ainslie et al. 2023); with as many kv heads as heads it is multi-head attention, with one
/// it is multi-query attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupedQuery {
    /// Query heads.
    pub heads: u64,
    /// Key/value heads; divides `heads`.
    pub kv_heads: u64,
    /// Elements of one head, for queries, keys and values alike.
    pub head_dim: u64,
    /// Keys that a token sees at most, itself included; none for all of them.
    pub window: Option<u64>,
    /// Which projections add a bias.
    pub biases: Biases,
    /// What is done to queries and keys after the projection.
    pub head_norm: HeadNorm,
}

/// Which attention projections add a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Biases {
    /// None of them.
    None,
    /// Query, key and value, but not the output.
    QueryKeyValue,
    /// All four.
    All,
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNorm {
    /// None.
    None,
    /// RMSNorm over each head, one weight row of `head_dim` for queries and one for keys.
    PerHead,
}

/// What a layer does to each token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// `down(silu(gate(x)) · up(x))`, three matrices (Shazeer 2020).
    Gated {
        /// Elements between.
        width: u64,
        /// Whether the three matrices add biases.
        bias: bool,
    },
}

impl Architecture {
    /// Parameters, a tied head counted once.
    ///
    /// # Errors
    /// Misuse when the number does not fit 64 bits.
    pub fn parameters(&self) -> Result<u64> {
        self.stored(|_| true)
    }

    /// Parameters outside the embedding table and the head.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn parameters_non_embedding(&self) -> Result<u64> {
        self.stored(|class| !matches!(class, Class::Embed | Class::LmHead))
    }

    /// Key and value elements that one token leaves in the cache, all layers together.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn kv_elements_per_token(&self) -> Result<u64> {
        let steps = self.forward(&Forward::ONE_TOKEN)?;
        narrow(Some(steps.iter().map(|step| step.total().cache_written).sum()), &self.name, "cache elements")
    }

    /// Cache elements of one sequence of `tokens` tokens, by what each layer has to keep: a windowed layer keeps no
    /// more than its window.
    ///
    /// # Errors
    /// As [`Architecture::parameters`].
    pub fn cached_elements(&self, tokens: u64) -> Result<u64> {
        let steps = self.forward(&Forward { past: tokens.saturating_sub(1), ..Forward::ONE_TOKEN })?;
        let kept = steps.iter().filter(|step| step.op == Op::Attention).map(|step| step.total().cache_read).sum();
        narrow(Some(kept), &self.name, "cache elements")
    }

    /// Layers, all kinds together.
    pub fn layer_count(&self) -> u64 {
        self.layers.iter().map(|layer| layer.count).sum()
    }

    /// Holds an architecture, however it was made, to the limits of configurations.
    pub(super) fn validate(&self) -> Result<()> {
        let beyond = |what: &str| Err(Error::misuse(format!("{}: {what} is zero or beyond any model's", self.name)));
        let fits = |value: u64, most: u64| (1..=most).contains(&value);
        if !fits(self.hidden, limits::HIDDEN) || !fits(self.vocabulary, limits::VOCABULARY) {
            return beyond("the hidden size or the vocabulary");
        }
        let layers = self.layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(layer.count));
        if !layers.is_some_and(|count| fits(count, limits::LAYERS)) {
            return beyond("the number of layers");
        }
        for layer in &self.layers {
            let Attention::GroupedQuery(a) = &layer.attention;
            let FeedForward::Gated { width, .. } = layer.feed_forward;
            if !fits(a.heads, limits::HEADS) || !fits(a.kv_heads, a.heads) || !fits(a.head_dim, limits::HEAD_DIM) {
                return beyond("a number of heads or their size");
            }
            if !fits(width, limits::WIDTH) {
                return beyond("a feed-forward width");
            }
        }
        Ok(())
    }

    fn stored(&self, wanted: impl Fn(Class) -> bool) -> Result<u64> {
        let steps: Vec<Step> = self.forward(&Forward::ONE_TOKEN)?;
        let sum = steps.iter().filter(|step| wanted(step.class)).map(Step::stored_elements).sum();
        narrow(Some(sum), &self.name, "parameters")
    }
}

fn narrow(count: Option<u128>, name: &str, what: &str) -> Result<u64> {
    count
        .and_then(|count| u64::try_from(count).ok())
        .ok_or_else(|| Error::misuse(format!("{name}: more {what} than 64 bits can count; no model is that large")))
}
