//! Rules for recurrent layers, and for attention to latents.

use super::super::layer::Gate;

/// Recurrent layers: of which kind, and which layers attend instead.
#[derive(Clone, Copy)]
pub(crate) struct RecurrentRule {
    pub(crate) recurrence: Recurrence,
    pub(crate) attends: Attends,
    /// Attention to latents, where it is that.
    pub(crate) latent: Option<LatentRule>,
}

/// Kinds of recurrences.
#[derive(Clone, Copy)]
pub(crate) enum Recurrence {
    ShortConvolution,
    /// Mamba; with norms of its own where that is true.
    Mamba1(&'static MambaKeys, bool),
    Mamba2(&'static MambaKeys),
    /// Gated DeltaNet; write strengths and decays from one matrix where that is true.
    GatedDelta(bool),
    /// The same with heads as many as attention has, where their number is not stated (OLMo Hybrid).
    OlmoDelta,
    KimiDelta,
    /// The same with gates of full rank, and heads as attention has (Ling 3).
    LingDelta,
    Lightning,
    /// The real-gated linear recurrent unit (Griffin).
    GatedLinearUnit,
    /// RWKV-4: its mixing of time, and what its feed-forward has beside two matrices.
    Rwkv4,
}

/// The keys of Mamba and Mamba-2 layers, with their values where they are absent.
#[derive(Clone, Copy)]
pub(crate) struct MambaKeys {
    pub(crate) heads: (&'static str, u64),
    /// None: channels over heads.
    pub(crate) head_dim: (&'static str, Option<u64>),
    pub(crate) inner: Inner,
    pub(crate) states: (&'static str, u64),
    pub(crate) groups: (&'static str, u64),
    pub(crate) taps: (&'static str, u64),
    /// Elements from which step sizes are expanded; a sixteenth of the width where it is absent.
    pub(crate) rank: &'static str,
    pub(crate) bias: &'static str,
    pub(crate) conv_bias: &'static str,
    /// A switch of the norm before the output, off where it is absent; none: always there.
    pub(crate) norm: Option<&'static str>,
}

/// Channels of all heads of a Mamba layer together.
#[derive(Clone, Copy)]
pub(crate) enum Inner {
    /// The width times this factor.
    Expanded(&'static str),
    /// What this key states, or else the width times 2.
    Stated(&'static str),
    /// Heads times their size.
    Heads,
}

/// Which layers attend; the others are recurrent. `layer_types` wins.
#[derive(Clone, Copy)]
pub(crate) enum Attends {
    /// None: the recurrence is the whole layer.
    Never,
    /// None, and each layer feeds forward, too.
    Nowhere,
    /// All, beside their recurrence.
    Beside,
    /// Those that `layer_types` names.
    Typed,
    /// Every so many, by this key.
    Every(&'static str, u64),
    /// Those that this key lists, else none.
    Listed(&'static str),
    /// Every fourth; the last one of fewer than four.
    Fourth,
    /// As `block_types` says, again and again; they see a window of so many tokens.
    Blocks(u64),
    /// Within blocks that layers share; those of Zamba 2 where that is true.
    Zamba(bool),
    /// Those that `full_attn_idxs` lists, else all.
    Lfm2,
    /// By `attn_layer_period` and `attn_layer_offset`.
    Jamba,
    /// By `linear_attn_config`, else every fourth but the first.
    Kimi,
    /// By `attn_type_list`, else every other from the first on.
    MiniMax,
    /// By `hybrid_override_pattern`: layers mix or feed forward.
    Nemotron,
}

/// Multi-head latent attention: sizes where their keys are absent.
#[derive(Clone, Copy)]
pub(crate) struct LatentRule {
    pub(crate) query_rank: Option<u64>,
    pub(crate) rank: u64,
    pub(crate) plain_dim: u64,
    pub(crate) rotary_dim: u64,
    /// None: `hidden_size` over heads.
    pub(crate) value_dim: Option<u64>,
    pub(crate) latents_in_llama_cpp: bool,
    pub(crate) gate: Gate,
    /// Heads of the indexer, their size, and how many keys it chooses.
    pub(crate) indexer: Option<[u64; 3]>,
}

/// Attention to compressed keys: sizes where their keys are absent.
#[derive(Clone, Copy)]
pub(crate) struct CompressedRule {
    pub(crate) head_dim: u64,
    pub(crate) query_rank: u64,
    pub(crate) rotary: u64,
    pub(crate) groups: u64,
    pub(crate) output_rank: u64,
    pub(crate) window: u64,
    /// Heads of the indexer, their size, and how many keys it chooses.
    pub(crate) indexer: [u64; 3],
}
