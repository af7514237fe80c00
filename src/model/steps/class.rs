//! What operations belong to.

/// What an operation belongs to. FLOPs and bytes are summed by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Projections into and out of the mixer.
    AttnProj,
    /// Scores, softmax and weighted values; rotary embedding; the cache.
    AttnCore,
    /// Dense feed-forward layers.
    Ffn,
    /// Choice of experts, and the gate of shared ones.
    Router,
    /// Routed experts.
    Expert,
    /// Experts that every token visits.
    Shared,
    /// Hidden state to vocabulary.
    LmHead,
    /// What recurrent layers do besides their projections: convolutions, scans, their state.
    Ssm,
    /// Token to hidden state.
    Embed,
    /// Norms, biases, learned positions and residual additions.
    Norm,
}

impl Class {
    /// Every class, in the order in which they are reported.
    pub const ALL: [Class; 10] = [
        Class::AttnProj,
        Class::AttnCore,
        Class::Ffn,
        Class::Router,
        Class::Expert,
        Class::Shared,
        Class::LmHead,
        Class::Ssm,
        Class::Embed,
        Class::Norm,
    ];

    /// The name in reports and records.
    pub const fn name(self) -> &'static str {
        match self {
            Class::AttnProj => "attn_proj",
            Class::AttnCore => "attn_core",
            Class::Ffn => "ffn",
            Class::Router => "router",
            Class::Expert => "expert",
            Class::Shared => "shared",
            Class::LmHead => "lm_head",
            Class::Ssm => "ssm",
            Class::Embed => "embed",
            Class::Norm => "norm",
        }
    }

    /// Whether its operations have matmul FLOPs.
    pub const fn computes(self) -> bool {
        !matches!(self, Class::Embed | Class::Norm)
    }

    /// Whether its operations have weights.
    pub const fn weighs(self) -> bool {
        !matches!(self, Class::AttnCore)
    }
}
