//! What operations belong to.

use roofprobe_kernels::named_enum;

named_enum! {
    /// What an operation belongs to. FLOPs and bytes are summed by class.
    pub enum Class: "class" {
        /// Projections into and out of the mixer.
        AttnProj = "attn_proj",
        /// Scores, softmax and weighted values; rotary embedding; the cache.
        AttnCore = "attn_core",
        /// Dense feed-forward layers.
        Ffn = "ffn",
        /// Choice of experts, and the gate of shared ones.
        Router = "router",
        /// Routed experts.
        Expert = "expert",
        /// Experts that every token visits.
        Shared = "shared",
        /// Hidden state to vocabulary.
        LmHead = "lm_head",
        /// What recurrent layers do besides their projections: convolutions, scans, their state.
        Ssm = "ssm",
        /// Token to hidden state.
        Embed = "embed",
        /// Norms, biases, learned positions and residual additions.
        Norm = "norm",
    }
}

impl Class {
    /// Whether its operations have matmul FLOPs.
    pub const fn computes(self) -> bool {
        !matches!(self, Class::Embed | Class::Norm)
    }

    /// Whether its operations have weights.
    pub const fn weighs(self) -> bool {
        !matches!(self, Class::AttnCore)
    }
}
