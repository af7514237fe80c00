//! Attention: softmax(Q·Kᵀ/√d)·V over a key/value cache of f16, for the query heads that share one key/value head.
//!
//! ```text
//! for each span of tokens, for each tile of up to 8 query rows:
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
//! by side in memory, tokens of a key block and dimensions of a value row; queries and weights are broadcast. In which order
//! memory is read is one of several [`Ways`].
//!
//! Of multi-head latent attention in its absorbed form (DeepSeek-V2, 2024) all query heads share one cached row, of which the first
//! elements are the value as well: see [`LatentHead`].

mod abreast;
mod beside;
mod columns;
mod halves;
mod head;
mod kernel;
mod latent_pairs;
mod latent_rows;
mod latents;
mod partial;
mod rows;
mod softmax;
mod table;
mod ways;

pub use head::{DIM_STEP, Head, KEY_BLOCK, PREFILL_ROWS};
pub(crate) use kernel::AttentionEntry;
pub use kernel::AttentionKernel;
pub(crate) use latents::LatentEntry;
pub use latents::{LatentHead, LatentKernel};
pub use partial::Partial;
pub(crate) use table::{attention, half_attention, latent_pairs, latents};
pub use ways::{SPAN_MAX, Ways};
