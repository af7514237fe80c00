//! Forms of attention beside the usual one, in which projections belong to each layer and see the residual stream.

use super::dense::Dense;

/// How attention is made, beside its heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The layer's own projections, of the residual stream.
    Usual,
    /// Within a transformer block that several layers share.
    Shared(SharedBlock),
    /// With queries and outputs by experts.
    Routed(RoutedHeads),
    /// With a weight for each key, made of its value, by which keys are kept or masked (Doge, 2025).
    Masked,
}

/// Experts that have queries and outputs of their own, as many heads each as there are keys (JetMoe: Shen et al. 2024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedHeads {
    /// Experts.
    pub experts: u64,
    /// Of which each token visits so many.
    pub used: u64,
}

/// A transformer block that several layers share (Zamba: Glorioso et al. 2024): attention over the residual stream and the
/// embedding side by side, a feed-forward, and a matrix of the layer's own, in front of its recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedBlock {
    /// Which of the model's blocks, counted from 0.
    pub block: u64,
    /// Whether it is stored with this layer; later ones read it again.
    pub owned: bool,
    /// The feed-forward.
    pub dense: Dense,
    /// The rank of the layer's own additions to queries, keys and values, where it has some.
    pub attention_rank: Option<u64>,
    /// The rank of the layer's own additions to gate and up, where it has some.
    pub feed_forward_rank: Option<u64>,
}
