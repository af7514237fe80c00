//! Forward passes: how many tokens, sequences and passes.

use super::super::layer::Latents;
use super::super::limits;
use crate::error::{Error, Result};

/// Like forward passes in a row: `tokens` new tokens for each of `batch` sequences, `passes` times.
///
/// The first pass finds `past` tokens in the cache of each sequence, every later one finds what the one before left. A
/// prefill is one pass of many tokens, or several where it is done in chunks; a decode step is one pass of one token, a
/// generation many passes of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// New tokens per sequence and pass.
    pub tokens: u64,
    /// Tokens in the cache of each sequence before the first pass.
    pub past: u64,
    /// Passes.
    pub passes: u64,
    /// Sequences.
    pub batch: u64,
    /// Rows of logits per sequence and pass: 1 to go on from the last token, `tokens` to judge all of them, 0 in a chunk
    /// that others follow: then there is no head.
    pub logits: u64,
    /// Whether the last layer, behind its mixer, goes on with the rows whose logits are needed.
    pub pruned: bool,
    /// How latent attention is done.
    pub latents: Latents,
}

impl Forward {
    /// One token into an empty cache: reads each weight of a dense model once.
    pub const ONE_TOKEN: Forward =
        Forward { tokens: 1, past: 0, passes: 1, batch: 1, logits: 1, pruned: false, latents: Latents::Naive };

    /// With these limits and those of [`ModelShape`](super::super::ModelShape), no sum of costs leaves 128 bits.
    pub(super) fn validate(&self) -> Result<()> {
        let all = self.tokens.saturating_mul(self.passes);
        let fits = [(self.tokens, limits::TOKENS), (all, limits::TOKENS), (self.batch, limits::BATCH_MAX)]
            .into_iter()
            .all(|(count, most)| (1..=most).contains(&count));
        if fits && self.past <= 2 * limits::TOKENS && self.logits <= self.tokens { Ok(()) } else { Err(too_large()) }
    }

    /// Whether rows are left out in the last layer.
    pub(crate) fn prunes(&self) -> bool {
        self.pruned && self.logits < self.tokens
    }
}

/// Which of the layers of a kind a step stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// All of them.
    All,
    /// All but the model's last layer.
    Earlier,
    /// The model's last layer.
    Last,
}

pub(super) fn too_large() -> Error {
    Error::misuse("the workload counts beyond 64 bits; lower --prompt, --context, --generate or --batch")
}
