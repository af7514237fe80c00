//! A key/value head with its cache: how keys, values and queries lie in memory, and what attention to them costs.

use crate::op::Shape;

/// Tokens whose keys lie in one block, dimension by dimension.
pub const KEY_BLOCK: usize = 64;

/// What a head's dimension must be a multiple of: the lanes of the widest vector.
pub const DIM_STEP: usize = 16;

/// Query rows that share one reading of keys and values.
pub(crate) const TILE_ROWS: usize = 8;

/// Query rows for which [`AttentionKernel::prefill`](super::AttentionKernel::prefill) is best given a [`Partial`](super::Partial): each reading of the cache serves so
/// many rows, and their accumulators still fit the second level of cache.
pub const PREFILL_ROWS: usize = 64;

/// One key/value head with the query heads that share it, and its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Elements of one key, value or query; a multiple of [`DIM_STEP`].
    pub head_dim: usize,
    /// Query heads that share the key/value head.
    pub group: usize,
    /// Cached tokens, those of the queries included.
    pub context: usize,
}

impl Head {
    /// Halves of the key cache: [`KEY_BLOCK`] tokens a block, the last one padded. In a block, all tokens' first elements
    /// come first, then their second ones: `keys[block][d][token in block]`. What the padding holds does not matter.
    pub const fn key_elements(&self) -> usize {
        self.context.next_multiple_of(KEY_BLOCK) * self.head_dim
    }

    /// Halves of the value cache: `values[token][d]`.
    pub const fn value_elements(&self) -> usize {
        self.context * self.head_dim
    }

    /// Query elements of `tokens` tokens: `queries[token][head of the group][d]`; outputs alike.
    pub const fn query_elements(&self, tokens: usize) -> usize {
        tokens * self.group * self.head_dim
    }

    /// Where element `d` of a token's key lies in the key cache.
    pub const fn key_index(&self, token: usize, d: usize) -> usize {
        (token / KEY_BLOCK * self.head_dim + d) * KEY_BLOCK + token % KEY_BLOCK
    }

    /// The extent of attention by the last `tokens` tokens of the context, for its cost.
    pub const fn shape(&self, tokens: usize) -> Shape {
        let hidden = tokens * tokens.saturating_sub(1) / 2;
        let pairs = self.group * (tokens * self.context - hidden);
        Shape::attention((tokens * self.group) as u64, self.context as u64, 2 * self.head_dim as u64, pairs as u64)
    }
}
