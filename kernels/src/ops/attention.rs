//! Attention: softmax(Q·Kᵀ/√d)·V over a key/value cache of f16, for the query heads that share one key/value head.
//!
//! ```text
//! for each turn of SPAN tokens, for each tile of up to 8 query rows:
//!   scores[r][t]  = Σ_d queries[r][d] · keys[d][t]           queries carry log₂e/√d; hidden (r, t): −∞
//!   largest       = max(max[r], max_t scores[r][t])
//!   rescale[r]    = 2^(max[r] − largest);  max[r] = largest
//!   weights[r][t] = 2^(scores[r][t] − max[r])
//!   sum[r]        = sum[r]·rescale[r] + Σ_t weights[r][t]
//!   acc[r][d]     = acc[r][d]·rescale[r] + Σ_t weights[r][t]·values[t][d]
//! out[r][d] = acc[r][d] / sum[r]
//! ```
//!
//! The softmax is a streaming one (Milakov, Gimelshein 2018), so that the cache is read once and `max, sum, acc` of
//! parts of a context can be [merged](Partial::merge) (flash-decoding). In both products the lanes are what lies side
//! by side in memory, tokens of a key block and dimensions of a value row; queries and weights are broadcast.

mod partial;
mod tile;

use crate::isa::Isa;
use crate::op::Shape;
use std::ops::Range;

pub use partial::Partial;
pub(crate) use tile::{Tile, TileFn, exp2_lanes, tile};

/// Tokens whose keys lie in one block, dimension by dimension.
pub const KEY_BLOCK: usize = 64;

/// What a head's dimension must be a multiple of: the lanes of the widest vector.
pub const DIM_STEP: usize = 16;

/// Query rows that share one reading of keys and values.
pub(crate) const TILE_ROWS: usize = 8;

/// Tokens between two updates of the softmax: enough to make the updates cheap, few enough that their keys and values
/// stay in the first two levels of cache.
pub(crate) const SPAN: usize = 2 * KEY_BLOCK;

/// Query rows for which [`AttentionKernel::prefill`] is best given a [`Partial`]: each reading of the cache serves so
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

/// What an instruction set file says of its kernel.
pub(crate) struct AttentionEntry {
    pub(crate) isa: Isa,
    /// The tile function for 1 to [`TILE_ROWS`] rows.
    pub(crate) tiles: [TileFn; TILE_ROWS],
    pub(crate) exp2: unsafe fn(&mut [f32; 16]),
}

/// An attention kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct AttentionKernel {
    entry: &'static AttentionEntry,
}

/// A cache to read: halves as [`Head`] lays them out. Reading is fastest if both start at a cache line.
#[derive(Clone, Copy)]
struct Cache<'a> {
    keys: &'a [u16],
    values: &'a [u16],
}

impl AttentionKernel {
    /// Every attention kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = AttentionKernel> {
        crate::arch::attentions().filter(|entry| entry.isa.available()).map(|entry| AttentionKernel { entry })
    }

    /// The kernel for `isa`, if there is one and this CPU can run it.
    pub fn find(isa: Isa) -> Option<AttentionKernel> {
        AttentionKernel::all().find(|kernel| kernel.isa() == isa)
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// 2^x for each x ≤ 0, as the softmax takes it.
    pub fn exp2(self, x: &mut [f32; 16]) {
        // SAFETY: the entry was handed out only because the CPU has its ISA.
        unsafe { (self.entry.exp2)(x) }
    }

    /// One query token attends to the cached tokens in `range`; what it comes to is left in `partial`. `queries` is one
    /// row per query head of the group. Parts of a context are put together by [`Partial::merge`].
    ///
    /// # Panics
    /// When a length does not fit `head`, `partial` is too small, or `range` leaves the context or does not start at
    /// a block of keys.
    pub fn decode(
        self,
        head: &Head,
        queries: &[f32],
        keys: &[u16],
        values: &[u16],
        range: Range<usize>,
        partial: &mut Partial,
    ) {
        check(head, keys, values);
        assert_eq!(queries.len(), head.query_elements(1), "queries do not fit the head");
        assert!(range.end <= head.context && range.start.is_multiple_of(KEY_BLOCK), "no such part of the context");
        partial.start(queries, head);
        // All rows see the whole range: they are of a token that comes after it.
        self.attend(head, Cache { keys, values }, range, head.context - 1, partial);
    }

    /// The last tokens of the context attend causally, each to all tokens up to itself. `queries` and `out` hold them as
    /// [`Head::query_elements`] says; `partial` is scratch memory, of [`PREFILL_ROWS`] rows at best.
    ///
    /// # Panics
    /// When a length does not fit `head`.
    pub fn prefill(
        self,
        head: &Head,
        queries: &[f32],
        keys: &[u16],
        values: &[u16],
        partial: &mut Partial,
        out: &mut [f32],
    ) {
        check(head, keys, values);
        let per_token = head.query_elements(1);
        let tokens = queries.len() / per_token;
        assert!(queries.len() == tokens * per_token && tokens <= head.context, "queries do not fit the head");
        assert_eq!(out.len(), queries.len(), "outputs do not fit the queries");
        // Whole tokens, so that every block of rows starts with the first head of a group.
        let block = (partial.capacity() / head.group).max(1) * per_token;
        let mut position = head.context - tokens;
        for (queries, out) in queries.chunks(block).zip(out.chunks_mut(block)) {
            partial.start(queries, head);
            let end = position + queries.len() / per_token;
            self.attend(head, Cache { keys, values }, 0..end, position, partial);
            Partial::merge(&[partial], out);
            position = end;
        }
    }

    /// The rows of `partial`, of tokens from `position` on, attend to what they see of `range`.
    fn attend(self, head: &Head, cache: Cache, range: Range<usize>, position: usize, partial: &mut Partial) {
        for start in range.clone().step_by(SPAN) {
            let keys = &cache.keys[head.key_index(start, 0)..];
            let values = &cache.values[start * head.head_dim..];
            partial.for_each_tile(|first_row, rows, state| {
                let visible = std::array::from_fn(|row| {
                    let own = position + (first_row + row.min(rows - 1)) / head.group;
                    (own + 1).min(range.end).min(start + SPAN).saturating_sub(start)
                });
                if visible[rows - 1] > 0 {
                    let mut tile = Tile { head_dim: head.head_dim, keys, values, visible, state };
                    // SAFETY: the entry was handed out only because the CPU has its ISA; `check` and `for_each_tile`
                    // have seen to the lengths, and no row sees beyond the context.
                    unsafe { (self.entry.tiles[rows - 1])(&mut tile) }
                }
            });
        }
    }
}

/// Whether the cache holds the context; in products that cannot overflow, since memory safety hangs on them.
fn check(head: &Head, keys: &[u16], values: &[u16]) {
    assert!(head.head_dim > 0 && head.head_dim.is_multiple_of(DIM_STEP), "head_dim is no multiple of {DIM_STEP}");
    assert!(head.group > 0 && head.context > 0, "a head without queries or tokens");
    let padded = head.context.checked_next_multiple_of(KEY_BLOCK);
    let elements = padded.and_then(|tokens| tokens.checked_mul(head.head_dim));
    assert!(elements.is_some_and(|elements| keys.len() >= elements), "keys are shorter than the context");
    assert!(values.len() >= head.value_elements(), "values are shorter than the context");
}

/// Instantiates the tile functions for one vector type with its target features, and names their entry.
macro_rules! attention_entry {
    ($name:ident, $isa:expr, $vector:ty $(, #[$features:meta])?) => {
        pub(in crate::arch) const $name: AttentionEntry = {
            /// # Safety
            /// The instruction set is available; the tile as `tile` asks.
            $(#[$features])?
            unsafe fn rows<const ROWS: usize>(tile: &mut $crate::ops::attention::Tile) {
                // SAFETY: passed on from the caller.
                unsafe { $crate::ops::attention::tile::<$vector, ROWS>(tile) }
            }
            /// # Safety
            /// The instruction set is available.
            $(#[$features])?
            unsafe fn exp2(x: &mut [f32; 16]) {
                // SAFETY: passed on from the caller.
                unsafe { $crate::ops::attention::exp2_lanes::<$vector>(x) }
            }
            AttentionEntry {
                isa: $isa,
                tiles: [rows::<1>, rows::<2>, rows::<3>, rows::<4>, rows::<5>, rows::<6>, rows::<7>, rows::<8>],
                exp2,
            }
        };
    };
}
pub(crate) use attention_entry;
