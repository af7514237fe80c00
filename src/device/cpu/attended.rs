//! What attention attends to: a head with keys and values of its own, or latents, which all heads of a sequence share.

use super::team_job::extent;
use super::{skipped, unsupported};
use crate::device::Refusal;
use crate::profile::Attention;
use roofprobe_kernels::ops::attention::{
    AttentionKernel, DIM_STEP, Head, KEY_BLOCK, LatentHead, LatentKernel, PREFILL_ROWS, Partial, Ways,
};
use roofprobe_kernels::reference::attention as oracle;
use roofprobe_kernels::{Dtype, Shape};
use std::ops::Range;

/// Tokens of a part of a context at least: merging parts costs as much as some tokens.
const PART_TOKENS_MIN: usize = 256;
/// Of a part of latents, of which a token is so much more work.
const LATENT_PART_TOKENS_MIN: usize = KEY_BLOCK;
/// Query rows of latents that one thread merges: there are many to a cache.
const MERGED_ROWS: usize = 8;
/// Of the query rows of latents every so many are held against the oracle, and the last one; a prime number, so that all heads have a turn.
const LOOKED_AT: usize = 61;

/// Tokens of a span where the variant does not say in which way the kernel works; a prefetch then runs a span ahead.
const USUAL_SPAN: usize = 4 * KEY_BLOCK;

/// One key/value head of a layer with the query heads that share it, or one sequence's latents; and the kernel for it.
#[derive(Clone, Copy)]
pub(super) enum Attended {
    /// Keys and values.
    Heads(AttentionKernel, Head),
    /// Rows that are key and value.
    Latents(LatentKernel, LatentHead),
}

/// Keys and values as they lie in memory; latents twice.
pub(super) type Cached<'a> = (&'a [u16], &'a [u16]);

impl Attended {
    /// What the variant names, and how many of them there are.
    pub(super) fn of(variant: &Attention) -> Result<(Attended, usize), Refusal> {
        let (heads, kv_heads) = (extent(variant.heads, "heads")?, extent(variant.kv_heads, "kv_heads")?);
        let (head_dim, context) = (extent(variant.head_dim, "head_dim")?, extent(variant.context, "context")?);
        let group = heads / kv_heads;
        if group * kv_heads != heads {
            return Err(skipped(&format!("{heads} query heads do not share {kv_heads} key/value heads evenly")));
        }
        let Some(value_dim) = variant.value_dim else {
            return Ok((Attended::Heads(kernel_of(variant)?, Head { head_dim, group, context }), kv_heads));
        };
        let (row, value_dim) = (head_dim, extent(value_dim, "value_dim")?);
        if value_dim > row || !row.is_multiple_of(DIM_STEP) || !value_dim.is_multiple_of(DIM_STEP) {
            return Err(skipped(&format!(
                "rows of {row} elements, {value_dim} of them values, are no multiples of {DIM_STEP}"
            )));
        }
        let head = LatentHead { row, value_dim, group, context };
        Ok((Attended::Latents(latent_kernel_of(variant)?, head), kv_heads))
    }

    /// The same with another context.
    pub(super) fn with_context(self, context: usize) -> Attended {
        match self {
            Attended::Heads(kernel, head) => Attended::Heads(kernel, Head { context, ..head }),
            Attended::Latents(kernel, head) => Attended::Latents(kernel, LatentHead { context, ..head }),
        }
    }

    /// A head with rows as long and as many: how memory is laid out for it, and how far its answers may be off.
    pub(super) fn as_head(self) -> Head {
        match self {
            Attended::Heads(_, head) => head,
            Attended::Latents(_, LatentHead { row, group, context, .. }) => Head { head_dim: row, group, context },
        }
    }

    /// The type of what its kernel multiplies.
    pub(super) fn arithmetic(self) -> Dtype {
        match self {
            Attended::Heads(kernel, _) => kernel.arithmetic(),
            Attended::Latents(kernel, _) => kernel.arithmetic(),
        }
    }

    /// Whether a row is key and value.
    pub(super) fn is_latent(self) -> bool {
        matches!(self, Attended::Latents(..))
    }

    /// Query heads.
    pub(super) fn group(self) -> usize {
        self.as_head().group
    }

    /// Cached tokens.
    pub(super) fn context(self) -> usize {
        self.as_head().context
    }

    /// Elements of the queries of so many tokens.
    pub(super) fn query_elements(self, tokens: usize) -> usize {
        self.as_head().query_elements(tokens)
    }

    /// Elements of what they come to.
    pub(super) fn output_elements(self, tokens: usize) -> usize {
        match self {
            Attended::Heads(_, head) => head.query_elements(tokens),
            Attended::Latents(_, head) => head.output_elements(tokens),
        }
    }

    /// The extent of attention by the last tokens, for its cost.
    pub(super) fn shape(self, tokens: usize) -> Shape {
        match self {
            Attended::Heads(_, head) => head.shape(tokens),
            Attended::Latents(_, head) => head.shape(tokens),
        }
    }

    /// Tokens of a part of the context at least.
    pub(super) fn part_tokens_min(self) -> usize {
        if self.is_latent() { LATENT_PART_TOKENS_MIN } else { PART_TOKENS_MIN }
    }

    /// Query rows of one item's scratch memory.
    pub(super) fn scratch_rows(self, decode: bool) -> usize {
        if decode { self.group() } else { PREFILL_ROWS.max(self.group()) }
    }

    /// Words of 32 bits that scratch memory has besides, where rows are rounded to pairs.
    pub(super) fn packed_words(self) -> usize {
        match self {
            Attended::Latents(kernel, head) if kernel.arithmetic() == Dtype::Bf16 => kernel.span() * head.row,
            _ => 0,
        }
    }

    /// Scratch memory for so many query rows.
    pub(super) fn partial(self, rows: usize) -> Partial {
        match self {
            Attended::Heads(_, head) => Partial::new(head.head_dim, rows),
            Attended::Latents(_, head) => head.partial(rows),
        }
    }

    /// The query rows of a token that one thread merges the parts of.
    pub(super) fn answers(self) -> impl Iterator<Item = Range<usize>> {
        let (rows, group) = (if self.is_latent() { MERGED_ROWS } else { self.group() }, self.group());
        (0..group).step_by(rows).map(move |first| first..(first + rows).min(group))
    }

    /// One token attends to part of the context.
    pub(super) fn decode(self, queries: &[f32], (keys, values): Cached, part: Range<usize>, partial: &mut Partial) {
        match self {
            Attended::Heads(kernel, head) => kernel.decode(&head, queries, keys, values, part, partial),
            Attended::Latents(kernel, head) => kernel.decode(&head, queries, rows(&head, keys), part, partial),
        }
    }

    /// The last tokens attend.
    pub(super) fn prefill(self, queries: &[f32], (keys, values): Cached, partial: &mut Partial, out: &mut [f32]) {
        match self {
            Attended::Heads(kernel, head) => kernel.prefill(&head, queries, keys, values, partial, out),
            Attended::Latents(kernel, head) => kernel.prefill(&head, queries, rows(&head, keys), partial, out),
        }
    }

    /// What was got, and what the oracle makes of it: all of it, or some rows where there are many.
    pub(super) fn beside_oracle(self, queries: &[f32], (keys, values): Cached, got: Vec<f32>) -> (Vec<f32>, Vec<f64>) {
        let head = match self {
            Attended::Heads(_, head) => return (got, oracle::attention(&head, queries, keys, values)),
            Attended::Latents(_, head) => head,
        };
        let all = queries.len() / head.row;
        let tokens = all / head.group;
        let looked_at = (0..all).step_by(LOOKED_AT).chain([all - 1]);
        let (mut some, mut want) = (Vec::new(), Vec::new());
        for row in looked_at {
            some.extend_from_slice(&got[row * head.value_dim..][..head.value_dim]);
            let one = LatentHead { group: 1, context: head.context - tokens + row / head.group + 1, ..head };
            want.extend(oracle::latent_attention(&one, &queries[row * head.row..][..head.row], rows(&head, keys)));
        }
        (some, want)
    }
}

/// The latents, which lie where a head's values would.
fn rows<'a>(head: &LatentHead, cached: &'a [u16]) -> &'a [u16] {
    &cached[..head.row_elements()]
}

/// The kernel that the variant names; in its usual way where it does not say in which.
fn kernel_of(variant: &Attention) -> Result<AttentionKernel, Refusal> {
    let arithmetic = variant.arithmetic.unwrap_or(Dtype::F32);
    let kernel = AttentionKernel::find(variant.isa).filter(|kernel| kernel.arithmetic() == arithmetic);
    let kernel = kernel.ok_or_else(|| unsupported(variant.isa))?;
    if (variant.streams, variant.span, variant.prefetch_bytes) == (None, None, None) {
        let prefetch_bytes =
            USUAL_SPAN.saturating_mul(extent(variant.head_dim, "head_dim")?).saturating_mul(size_of::<u16>());
        let usual = Ways { span: USUAL_SPAN, prefetch_bytes, ..Ways::PLAIN };
        return Ok(kernel.working(usual).unwrap_or(kernel));
    }
    let Ways { streams, span, prefetch_bytes } = Ways::PLAIN;
    let ways = Ways {
        streams: variant.streams.map_or(streams, |streams| streams as usize),
        span: variant.span.map_or(Some(span), |span| usize::try_from(span).ok()).unwrap_or(0),
        prefetch_bytes: variant.prefetch_bytes.map_or(prefetch_bytes, |bytes| bytes as usize),
    };
    if ways.streams > 1 && (variant.heads, variant.m) != (variant.kv_heads, 1) {
        return Err(Refusal::Unsupported("several streams side by side serve a single query".to_owned()));
    }
    let reason = || Refusal::Unsupported(format!("the attention kernel of {} does not work so: {ways:?}", variant.isa));
    kernel.working(ways).ok_or_else(reason)
}

/// The same for latents: in one stream, without a prefetch.
fn latent_kernel_of(variant: &Attention) -> Result<LatentKernel, Refusal> {
    let arithmetic = variant.arithmetic.unwrap_or(Dtype::F32);
    let kernel = LatentKernel::find(variant.isa).filter(|kernel| kernel.arithmetic() == arithmetic);
    let kernel = kernel.ok_or_else(|| unsupported(variant.isa))?;
    let span = variant.span.map_or(Some(kernel.span()), |span| usize::try_from(span).ok());
    let plain = variant.streams.unwrap_or(1) == 1 && variant.prefetch_bytes.unwrap_or(0) == 0;
    let kernel = span.filter(|_| plain).and_then(|span| kernel.with_span(span));
    kernel.ok_or_else(|| Refusal::Unsupported(format!("no kernel of {} attends to latents so", variant.isa)))
}
