//! What a `model_type` means: the defaults and the structure that its configuration does not spell out.
//!
//! Facts are those of the model code in Hugging Face transformers 5 (`modeling_*.py`, `configuration_*.py`), or of the
//! code beside the published weights where transformers has none: a key that is absent takes the family's default, a key
//! that is `null` switches the feature off or lets the value be derived. A family is an entry of a table; only what no
//! table can say is code, in `config/`.

mod experts;
mod gated;
mod ungated;

use super::layer::{Activation, Biases, HeadNorm, Norm};
use std::fmt;

/// A family of models that share code, and so the meaning of their configuration.
#[derive(Clone, Copy)]
pub struct Family(&'static Facts);

impl Family {
    /// Every family, in the order in which messages list them.
    pub fn all() -> impl Iterator<Item = Family> {
        [gated::FAMILIES, experts::FAMILIES, ungated::FAMILIES].into_iter().flatten().map(Family)
    }

    /// The word in a configuration's `model_type`.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The family of a `model_type`.
    pub fn of(model_type: &str) -> Option<Family> {
        Family::all().find(|family| family.name() == model_type)
    }

    /// The families that GGUF files call `architecture`.
    pub(super) fn of_gguf(architecture: &str) -> impl Iterator<Item = Family> {
        Family::all().filter(move |family| family.0.gguf == Some(architecture))
    }

    pub(super) const fn facts(self) -> &'static Facts {
        self.0
    }

    /// Whether llama.cpp keeps latents for it, and attends to them; where it does not, it keeps expanded keys and values.
    pub(super) const fn latents_in_llama_cpp(self) -> bool {
        matches!(self.0.mixer, MixerRule::Latent(LatentRule { latents_in_llama_cpp: true, .. }))
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Family) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Family {}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Alternative names of one key, the usual one first.
pub(super) type Alternatives = &'static [&'static str];

/// What is true of a family.
pub(super) struct Facts {
    pub(super) name: &'static str,
    pub(super) keys: KeyNames,
    pub(super) defaults: Defaults,
    pub(super) kv_heads: KvHeads,
    /// `head_dim` where the key is absent; none derives it from the width.
    pub(super) head_dim: Option<u64>,
    /// `tie_word_embeddings` where the key is absent.
    pub(super) tied: bool,
    pub(super) norm: Norm,
    pub(super) norms: NormsRule,
    pub(super) gated: bool,
    pub(super) activation: Activation,
    pub(super) attention_bias: BiasRule,
    pub(super) mlp_bias: MlpBias,
    pub(super) head_norm: HeadNormRule,
    pub(super) rotary: RotaryRule,
    pub(super) window: WindowRule,
    pub(super) caps: Caps,
    pub(super) mixer: MixerRule,
    pub(super) mixture: Option<MixtureRule>,
    /// Learned positions: rows beyond those that the configuration states.
    pub(super) position_rows: Option<u64>,
    pub(super) head_bias: bool,
    /// Whether query, key and value projections are stored as one matrix.
    pub(super) fused_attention: bool,
    /// Whether the gate of the feed-forward is stored with `up`.
    pub(super) fused_gate: bool,
    /// The word for it in GGUF files.
    pub(super) gguf: Option<&'static str>,
    /// Steps whose tensors are not called after them in GGUF files.
    pub(super) tensors: &'static [(&'static str, &'static str)],
    /// Keys that sound like a part of the shape and change no count in this family.
    pub(super) harmless: Alternatives,
}

/// What the keys of the shape are called.
#[derive(Clone, Copy)]
pub(super) struct KeyNames {
    pub(super) hidden: Alternatives,
    pub(super) layers: Alternatives,
    pub(super) heads: Alternatives,
    pub(super) kv_heads: Alternatives,
    pub(super) width: Alternatives,
    pub(super) positions: Alternatives,
    pub(super) activation: Alternatives,
    pub(super) tied: Alternatives,
}

/// The shape where its keys are absent.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    pub(super) hidden: u64,
    pub(super) width: Width,
    pub(super) layers: u64,
    pub(super) heads: u64,
    pub(super) vocabulary: u64,
    pub(super) positions: u64,
    /// Whether an absent key is an error all the same: models of many shapes share the family, and all state theirs.
    pub(super) required: bool,
}

impl Defaults {
    /// A default, where this family has any.
    pub(super) fn of(&self, default: u64) -> Option<u64> {
        (!self.required).then_some(default)
    }
}

/// The width of the feed-forward where its key is absent (or, for `FourTimes`, null).
#[derive(Clone, Copy)]
pub(super) enum Width {
    Of(u64),
    FourTimes,
}

/// Key/value heads where the key is absent. Null means as many as heads.
#[derive(Clone, Copy)]
pub(super) enum KvHeads {
    AsHeads,
    Of(u64),
    /// By the switches `new_decoder_architecture` and `multi_query`.
    Falcon,
}

/// What layers normalise.
#[derive(Clone, Copy)]
pub(super) enum NormsRule {
    /// Both inputs.
    Inputs,
    /// Both outputs.
    Outputs,
    /// Inputs and outputs.
    Both,
    /// One input for both, which run in parallel.
    One,
    /// As `One` where the switch is on, else as `Inputs`.
    OneIf(&'static str),
    /// By `new_decoder_architecture`, `parallel_attn` and `num_ln_in_parallel_attn`.
    Falcon,
    /// By `do_layer_norm_before`.
    Opt,
}

/// Biases of the attention projections.
#[derive(Clone, Copy)]
pub(super) enum BiasRule {
    /// Whatever stands in `attention_bias`, which must not contradict.
    Always(Biases),
    /// A switch and its default.
    Switch(&'static str, bool, Biases),
}

/// Biases of the feed-forward.
#[derive(Clone, Copy)]
pub(super) enum MlpBias {
    Never,
    Always,
    /// A switch and its default.
    Switch(&'static str, bool),
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy)]
pub(super) enum HeadNormRule {
    Always(HeadNorm),
    /// A switch, off where it is absent.
    Switch(&'static str, HeadNorm),
}

/// The part of a head that is rotated.
#[derive(Clone, Copy)]
pub(super) enum RotaryRule {
    /// All of it, in every layer.
    Whole,
    /// All of it, but for the layers that `no_rope_layers` or `no_rope_layer_interval` names.
    WholeExcept,
    /// A factor, and its default.
    Part(f64),
    /// All of it, unless `alibi` is on.
    UnlessAlibi,
    /// Nothing.
    Nothing,
}

/// Which layers see a window only. The numbers are windows where `sliding_window` is absent; `layer_types` wins.
#[derive(Clone, Copy)]
pub(super) enum WindowRule {
    Never,
    /// Every layer.
    Every(Option<u64>),
    /// Every layer, if `use_sliding_window`.
    EveryIfUsed(u64),
    /// Layers from `max_window_layers` on, if `use_sliding_window`.
    Later(u64),
    /// Every other layer below `max_window_layers`, if `use_sliding_window`.
    EarlierAlternate(u64),
    /// Layers 0, 2, 4, …
    Alternate(u64),
    /// All but every `sliding_window_pattern`-th layer.
    Period(u64, u64),
    /// The layers that do not rotate, if `use_sliding_window`.
    Unrotated,
}

/// Whether attention scores and logits are capped where the keys are absent; none: such keys are foreign here.
#[derive(Clone, Copy)]
pub(super) enum Caps {
    Foreign,
    Absent(bool),
}

/// How tokens are mixed.
#[derive(Clone, Copy)]
pub(super) enum MixerRule {
    GroupedQuery {
        sinks: bool,
    },
    Latent(LatentRule),
    /// By `layer_types` or `full_attn_idxs`, short convolutions elsewhere.
    Lfm2,
    Mamba2,
}

/// Multi-head latent attention: sizes where their keys are absent.
#[derive(Clone, Copy)]
pub(super) struct LatentRule {
    pub(super) query_rank: Option<u64>,
    pub(super) rank: u64,
    pub(super) plain_dim: u64,
    pub(super) rotary_dim: u64,
    /// None: `hidden_size` over heads.
    pub(super) value_dim: Option<u64>,
    pub(super) latents_in_llama_cpp: bool,
}

/// A mixture of experts: its keys, and their values where they are absent.
#[derive(Clone, Copy)]
pub(super) struct MixtureRule {
    pub(super) experts: (Alternatives, u64),
    /// None: must be there.
    pub(super) used: (Alternatives, Option<u64>),
    /// None: the experts have the width of the family's feed-forward.
    pub(super) width: Option<(&'static str, u64)>,
    pub(super) shared: SharedRule,
    pub(super) dense: DenseLayers,
    pub(super) router_bias: bool,
    pub(super) expert_bias: bool,
    pub(super) correction: bool,
}

/// Experts that every token visits.
#[derive(Clone, Copy)]
pub(super) enum SharedRule {
    None,
    /// So many, each of the width of a routed one.
    Count(&'static str, u64),
    /// One of this width, behind a scalar gate.
    Gated(&'static str, u64),
}

/// Which layers are dense all the same.
#[derive(Clone, Copy)]
pub(super) enum DenseLayers {
    None,
    /// The first ones (`first_k_dense_replace`, its default), and by `moe_layer_freq`.
    First(u64),
    /// By `mlp_only_layers` and `decoder_sparse_step`.
    Listed,
}

/// The names that most families use.
const USUAL: KeyNames = KeyNames {
    hidden: &["hidden_size"],
    layers: &["num_hidden_layers"],
    heads: &["num_attention_heads"],
    kv_heads: &["num_key_value_heads"],
    width: &["intermediate_size"],
    positions: &["max_position_embeddings"],
    activation: &["hidden_act"],
    tied: &["tie_word_embeddings"],
};

/// The decoder that most others vary: two root-mean-square norms, gated SiLU, grouped queries, whole heads rotated.
const LLAMA: Facts = Facts {
    name: "llama",
    keys: USUAL,
    defaults: Defaults {
        hidden: 4096,
        width: Width::Of(11008),
        layers: 32,
        heads: 32,
        vocabulary: 32000,
        positions: 2048,
        required: true,
    },
    kv_heads: KvHeads::AsHeads,
    head_dim: None,
    tied: false,
    norm: Norm::Rms,
    norms: NormsRule::Inputs,
    gated: true,
    activation: Activation::Silu,
    attention_bias: BiasRule::Switch("attention_bias", false, Biases::All),
    mlp_bias: MlpBias::Switch("mlp_bias", false),
    head_norm: HeadNormRule::Always(HeadNorm::None),
    rotary: RotaryRule::Whole,
    window: WindowRule::Never,
    caps: Caps::Foreign,
    mixer: MixerRule::GroupedQuery { sinks: false },
    mixture: None,
    position_rows: None,
    head_bias: false,
    fused_attention: false,
    fused_gate: false,
    gguf: Some("llama"),
    tensors: &[],
    harmless: &[],
};

const fn shape(hidden: u64, width: u64, layers: u64, heads: u64, vocabulary: u64, positions: u64) -> Defaults {
    Defaults { hidden, width: Width::Of(width), layers, heads, vocabulary, positions, required: false }
}

const fn required(defaults: Defaults) -> Defaults {
    Defaults { required: true, ..defaults }
}
