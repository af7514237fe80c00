//! What can be stated of a family, and what most families share.

use super::super::layer::{Activation, Biases, Gate, HeadNorm, Norm, Norms};
use super::mixers::{CompressedRule, LatentRule, RecurrentRule};

/// Alternative names of one key, the usual one first.
pub(crate) type Alternatives = &'static [&'static str];

/// What is true of a family.
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    pub(crate) keys: KeyNames,
    pub(crate) defaults: Defaults,
    pub(crate) kv_heads: KvHeads,
    /// `head_dim` where the key is absent; none derives it from the width.
    pub(crate) head_dim: Option<u64>,
    /// `tie_word_embeddings` where the key is absent.
    pub(crate) tied: bool,
    pub(crate) norm: Norm,
    pub(crate) norms: NormsRule,
    pub(crate) gated: bool,
    pub(crate) activation: Activation,
    pub(crate) gate: GateRule,
    /// Whether there are norms in front of the last matrix of attention and of the feed-forward.
    pub(crate) inner_norms: bool,
    pub(crate) attention_bias: BiasRule,
    pub(crate) mlp_bias: MlpBias,
    pub(crate) head_norm: HeadNormRule,
    pub(crate) rotary: RotaryRule,
    pub(crate) window: WindowRule,
    pub(crate) caps: Caps,
    pub(crate) mixer: MixerRule,
    pub(crate) mixture: Option<MixtureRule>,
    /// Learned positions: rows beyond those that the configuration states.
    pub(crate) position_rows: Option<u64>,
    pub(crate) head_bias: HeadBias,
    /// Whether embedded tokens are normalised.
    pub(crate) embedding_norm: bool,
    /// Whether query, key and value projections are stored as one matrix.
    pub(crate) fused_attention: bool,
    /// Whether the gate of the feed-forward is stored with `up`.
    pub(crate) fused_gate: bool,
    /// The word for it in GGUF files.
    pub(crate) gguf: Option<&'static str>,
    /// Other words for it there.
    pub(crate) gguf_aliases: Alternatives,
    /// Steps whose tensors are not called after them in GGUF files; a name with `!` has no ending there.
    pub(crate) tensors: &'static [(&'static str, &'static str)],
    /// Keys that sound like a part of the shape and change no count in this family.
    pub(crate) harmless: Alternatives,
    /// Keys of layers that the model has and that no pass counts.
    pub(crate) uncounted: Alternatives,
    /// Other words for it: in `model_type`, and of its class in `architectures`.
    pub(crate) aliases: Alternatives,
    /// Keys that are not read otherwise, each with the one value that is understood.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
    /// Objects whose keys are read as if they stood beside the others.
    pub(crate) nested: Alternatives,
    /// Keys that may hold a list of one number for each layer, all alike.
    pub(crate) uniform: Alternatives,
    /// Whether its GGUF files keep factors of the rotary embedding for long and for short contexts.
    pub(crate) two_rope_tables: bool,
    pub(crate) per_layer: PerLayer,
}

/// What differs from layer to layer by rules of the family's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PerLayer {
    None,
    Gemma3n,
    Gemma4,
    /// Gemma 4 without embeddings for each layer.
    Gemma4Unified,
    /// MiMo-V2: layers with windows have keys and values of their own number and size, and sinks.
    Mimo,
    /// Step-3.5: layers with windows have heads of their own number.
    Step,
    /// Heads by `num_attention_heads_per_layer`; gates by the word in `gating`.
    Laguna,
    /// By `block_configs`: heads, or a matrix, or nothing; widths, or nothing.
    Blocks,
    /// No rotation in layers whose entry of `layer_rope_theta` is 0.
    ListedThetas,
    /// Layers that `sparse_attention_config` names choose blocks of keys.
    ChosenBlocks,
    /// Each layer that is stated is two.
    Halves,
    /// JetMoe: experts with heads of their own.
    RoutedHeads,
    /// Doge: keys have weights.
    MaskedKeys,
}

/// A gate on the output of attention.
#[derive(Clone, Copy)]
pub(crate) enum GateRule {
    Always(Gate),
    /// A switch and its default.
    Switch(&'static str, bool, Gate),
}

/// What the keys of the shape are called.
#[derive(Clone, Copy)]
pub(crate) struct KeyNames {
    pub(crate) hidden: Alternatives,
    pub(crate) layers: Alternatives,
    pub(crate) heads: Alternatives,
    pub(crate) kv_heads: Alternatives,
    pub(crate) width: Alternatives,
    pub(crate) positions: Alternatives,
    pub(crate) activation: Alternatives,
    pub(crate) tied: Alternatives,
    pub(crate) head_dim: Alternatives,
    pub(crate) vocabulary: Alternatives,
}

/// The shape where its keys are absent.
#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) hidden: u64,
    pub(crate) width: Width,
    pub(crate) layers: u64,
    pub(crate) heads: u64,
    pub(crate) vocabulary: u64,
    pub(crate) positions: u64,
    /// Whether an absent key is an error all the same: models of many shapes share the family, and all state theirs.
    pub(crate) required: bool,
}

/// The width of the feed-forward where its key is absent (or, for `FourTimes` and `Multiple`, null).
#[derive(Clone, Copy)]
pub(crate) enum Width {
    Of(u64),
    FourTimes,
    /// So many times the width of the model, by a key and its default.
    Multiple(&'static str, u64),
    /// Half of what the key states: it counts gate and up together.
    Half(u64),
}

/// Key/value heads where the key is absent. Null means as many as heads.
#[derive(Clone, Copy)]
pub(crate) enum KvHeads {
    AsHeads,
    Of(u64),
    /// By the switches `new_decoder_architecture` and `multi_query`.
    Falcon,
    /// One where the switch is on, which it is if absent; else as many as heads.
    OneIf(&'static str),
    /// As stated where the switch is on; else as many as heads.
    If(&'static str),
    /// By the word in `attn_type`.
    ByType,
}

/// What layers normalise.
#[derive(Clone, Copy)]
pub(crate) enum NormsRule {
    Always(NormPlaces),
    /// `One` where the switch is on, else `Inputs`.
    OneIf(&'static str),
    /// `Both` where the switch is on, which it is if absent, else `Inputs`.
    BothIf(&'static str),
    /// The inputs, and the output of experts.
    AfterExperts,
    /// By `new_decoder_architecture`, `parallel_attn` and `num_ln_in_parallel_attn`.
    Falcon,
    /// By `do_layer_norm_before`.
    Opt,
    /// The outputs of layers that attend, the inputs of recurrent ones.
    OutputsIfAttends,
}

/// Where a layer has norms.
#[derive(Clone, Copy)]
pub(crate) enum NormPlaces {
    /// Both inputs.
    Inputs,
    /// Both outputs.
    Outputs,
    /// Inputs and outputs.
    Both,
    /// One input for both, which run in parallel.
    One,
}

impl NormPlaces {
    pub(crate) fn norms(self, kind: Norm) -> Norms {
        let (before_mixer, after_mixer, before_feed_forward, after_feed_forward) = match self {
            NormPlaces::Inputs => (true, false, true, false),
            NormPlaces::Outputs => (false, true, false, true),
            NormPlaces::Both => (true, true, true, true),
            NormPlaces::One => (true, false, false, false),
        };
        Norms { kind, before_mixer, after_mixer, before_feed_forward, after_feed_forward }
    }
}

/// Biases of the attention projections.
#[derive(Clone, Copy)]
pub(crate) enum BiasRule {
    /// Whatever stands in `attention_bias`, which must not contradict.
    Always(Biases),
    /// A switch and its default.
    Switch(&'static str, bool, Biases),
    /// A switch for query, key and value and its default, and one for the output.
    Apart((&'static str, bool), (&'static str, bool)),
}

/// Biases of the feed-forward.
#[derive(Clone, Copy)]
pub(crate) enum MlpBias {
    Never,
    Always,
    /// A switch and its default.
    Switch(&'static str, bool),
}

/// Bias of the head.
#[derive(Clone, Copy)]
pub(crate) enum HeadBias {
    Never,
    Always,
    /// A switch, off where it is absent.
    Switch(&'static str),
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy)]
pub(crate) enum HeadNormRule {
    Always(HeadNorm),
    /// A switch and its default.
    Switch(&'static str, bool, HeadNorm),
}

/// The part of a head that is rotated.
#[derive(Clone, Copy)]
pub(crate) enum RotaryRule {
    /// All of it, in every layer.
    Whole,
    /// All of it, but for the layers that `no_rope_layers` or `no_rope_layer_interval` names.
    WholeExcept,
    /// A factor, and its default.
    Part(f64),
    /// All of it, in the layers that see a window, or in all where none does.
    Windowed,
    /// All of it, unless `alibi` is on.
    UnlessAlibi,
    /// All of it, if `position_embedding_type` is `rope`.
    IfStated,
    /// All of it, where the number of positions is stated.
    IfPositions,
    /// All of it, where a base is stated.
    IfBase,
    /// All of it, if this switch is on.
    IfOn(&'static str),
    /// Nothing.
    Nothing,
}

/// Which layers see a window only. The numbers are windows where `sliding_window` is absent; `layer_types` wins.
#[derive(Clone, Copy)]
pub(crate) enum WindowRule {
    Never,
    /// Every layer.
    Every(Option<u64>),
    /// The layers that `layer_types` names.
    Listed(u64),
    /// Every layer, if `use_sliding_window`.
    EveryIfUsed(u64),
    /// Layers from `max_window_layers` on, if `use_sliding_window`.
    Later(u64),
    /// Every other layer below `max_window_layers`, if `use_sliding_window`.
    EarlierAlternate(u64),
    /// Layers 0, 2, 4, …
    Alternate(u64),
    /// All but every `sliding_window_pattern`-th layer, or by another key for that.
    Period(u64, u64),
    /// All but every fourth layer, from the first on.
    FirstOfFour(u64),
    /// The layers that do not rotate, if `use_sliding_window`.
    Unrotated,
    /// No windows, but chunks of `attention_chunk_size` tokens, this many where it is absent, in layers that rotate.
    Chunks(u64),
    /// The layers that `attention_types` or `attention_layers` calls local; they see `window_size`.
    GptNeo,
}

/// Whether attention scores and logits are capped where the keys are absent; none: such keys are foreign here.
#[derive(Clone, Copy)]
pub(crate) enum Caps {
    Foreign,
    Absent(bool),
    /// Of logits only.
    Head(bool),
    /// Of logits only, by a key of its own; on if that is absent.
    HeadBy(&'static str),
}

/// How tokens are mixed.
#[derive(Clone, Copy)]
pub(crate) enum MixerRule {
    GroupedQuery {
        sinks: bool,
    },
    Latent(LatentRule),
    Compressed(CompressedRule),
    /// Recurrences, with attention in some layers, or beside them.
    Recurrent(RecurrentRule),
}

/// A mixture of experts: its keys, and their values where they are absent.
#[derive(Clone, Copy)]
pub(crate) struct MixtureRule {
    pub(crate) experts: (Alternatives, u64),
    /// None: must be there.
    pub(crate) used: (Alternatives, Option<u64>),
    /// None: the experts have the width of the family's feed-forward; so does a default of 0.
    pub(crate) width: Option<(&'static str, u64)>,
    pub(crate) shared: SharedRule,
    /// The key of the width at which routed experts work, where they may have one of their own.
    pub(crate) latent: Option<&'static str>,
    pub(crate) dense: DenseLayers,
    pub(crate) router_bias: bool,
    /// The key of the number of experts that compute nothing, where a router may choose such, and its default.
    pub(crate) idle: Option<(&'static str, u64)>,
    pub(crate) expert_bias: bool,
    /// Whether a bias is added behind the experts.
    pub(crate) output_bias: bool,
    /// The switch without which there are no experts, where there is one.
    pub(crate) switch: Option<&'static str>,
    /// Whether experts are single rows, found by two keys (Doge).
    pub(crate) rows: bool,
    pub(crate) correction: bool,
}

/// Experts that every token visits.
#[derive(Clone, Copy)]
pub(crate) enum SharedRule {
    None,
    /// So many, each of the width of a routed one.
    Count(Alternatives, u64),
    /// One of this width, behind a scalar gate.
    Gated(&'static str, u64),
    /// One of this width; the whole feed-forward where there are no experts.
    Plain(&'static str, u64),
    /// One of the width of a routed one.
    One,
    /// The family's dense feed-forward.
    Beside,
}

/// Which layers are dense all the same.
#[derive(Clone, Copy)]
pub(crate) enum DenseLayers {
    None,
    /// The first ones (`first_k_dense_replace`, its default), and by `moe_layer_freq`; `mlp_layer_types` wins.
    First(u64),
    /// All but every `moe_layer_interval`-th from `moe_layer_start_index` (its default) to `moe_layer_end_index`.
    Outside(u64),
    /// By `mlp_only_layers` and `decoder_sparse_step`.
    Listed,
    /// The first ones, by this key and its default.
    FirstOf(&'static str, u64),
    /// All but those that `moe_layers` lists, or every `interleave_moe_layer_step`-th.
    Interleaved,
    /// All but those of `expert_layer_period` and `expert_layer_offset`.
    Jamba,
    /// Every other one, from the second on.
    Odd,
}

/// The names that most families use.
pub(super) const USUAL: KeyNames = KeyNames {
    hidden: &["hidden_size"],
    layers: &["num_hidden_layers"],
    heads: &["num_attention_heads"],
    kv_heads: &["num_key_value_heads"],
    width: &["intermediate_size"],
    positions: &["max_position_embeddings"],
    activation: &["hidden_act"],
    tied: &["tie_word_embeddings"],
    head_dim: &["head_dim"],
    vocabulary: &["vocab_size"],
};

/// The decoder that most others vary: two root-mean-square norms, gated SiLU, grouped queries, whole heads rotated.
pub(super) const LLAMA: Facts = Facts {
    name: "llama",
    keys: USUAL,
    defaults: required(shape(4096, 11008, 32, 32, 32000, 2048)),
    kv_heads: KvHeads::AsHeads,
    head_dim: None,
    tied: false,
    norm: Norm::Rms,
    norms: NormsRule::Always(NormPlaces::Inputs),
    gated: true,
    activation: Activation::Silu,
    gate: GateRule::Always(Gate::None),
    inner_norms: false,
    attention_bias: BiasRule::Switch("attention_bias", false, Biases::All),
    mlp_bias: MlpBias::Switch("mlp_bias", false),
    head_norm: HeadNormRule::Always(HeadNorm::None),
    rotary: RotaryRule::Whole,
    window: WindowRule::Never,
    caps: Caps::Foreign,
    mixer: MixerRule::GroupedQuery { sinks: false },
    mixture: None,
    position_rows: None,
    head_bias: HeadBias::Never,
    embedding_norm: false,
    fused_attention: false,
    fused_gate: false,
    gguf: Some("llama"),
    gguf_aliases: &[],
    tensors: &[],
    harmless: &[],
    uncounted: &[],
    aliases: &[],
    fixed: &[],
    nested: &[],
    uniform: &[],
    two_rope_tables: false,
    per_layer: PerLayer::None,
};

/// As Llama, with feed-forwards that never have a bias.
pub(super) const NO_MLP_BIAS: Facts = Facts { mlp_bias: MlpBias::Never, ..LLAMA };

/// The sizes of DeepSeek-V2.
pub(super) const LATENT: LatentRule = LatentRule {
    query_rank: Some(1536),
    rank: 512,
    plain_dim: 128,
    rotary_dim: 64,
    value_dim: Some(128),
    latents_in_llama_cpp: true,
    gate: Gate::None,
    indexer: None,
};

pub(super) const fn shape(
    hidden: u64,
    width: u64,
    layers: u64,
    heads: u64,
    vocabulary: u64,
    positions: u64,
) -> Defaults {
    Defaults { hidden, width: Width::Of(width), layers, heads, vocabulary, positions, required: false }
}

pub(super) const fn required(defaults: Defaults) -> Defaults {
    Defaults { required: true, ..defaults }
}
