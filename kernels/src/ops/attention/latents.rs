//! Attention to latents: all query heads share one cached row for each token, and its first elements are the value.
//!
//! Sixteen heads and more make it a product of matrices, bound by arithmetic. Rows lie one after another, as engines keep them:
//! a value is then a row of lanes as in any attention, and a score a sum over lanes, which is added up once for all its vectors.
//!
//! Where there are products of bfloat16, rows are rounded to it, once for all heads: as pairs of elements for the scores, and
//! as pairs of tokens for what the values add up to. Queries and weights are rounded as well, and sums are in f32.

use super::head::{DIM_STEP, TILE_ROWS};
use super::kernel::visible;
use super::partial::{Partial, TileState};
use super::ways::SPAN_MAX;
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::Shape;
use std::ops::Range;

/// The query heads of one sequence, and the latents that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentHead {
    /// Elements of a cached row, which all are the key: of the latent, and of the rotated key beside it. A multiple of [`DIM_STEP`].
    pub row: usize,
    /// Elements of the latent, which are the value: the first ones of a row. A multiple of [`DIM_STEP`].
    pub value_dim: usize,
    /// Query heads.
    pub group: usize,
    /// Cached tokens, those of the queries included.
    pub context: usize,
}

impl LatentHead {
    /// Halves of the cache: `rows[token][d]`.
    pub const fn row_elements(&self) -> usize {
        self.context * self.row
    }

    /// Query elements of `tokens` tokens: `queries[token][head][d]`.
    pub const fn query_elements(&self, tokens: usize) -> usize {
        tokens * self.group * self.row
    }

    /// Elements of their outputs: `out[token][head][d]`, of the value's width.
    pub const fn output_elements(&self, tokens: usize) -> usize {
        tokens * self.group * self.value_dim
    }

    /// The extent of attention by the last `tokens` tokens of the context, for its cost.
    pub const fn shape(&self, tokens: usize) -> Shape {
        let hidden = tokens * tokens.saturating_sub(1) / 2;
        let pairs = self.group * (tokens * self.context - hidden);
        let (queries, context) = ((tokens * self.group) as u64, self.context as u64);
        Shape::latent_attention(queries, context, self.row as u64, self.value_dim as u64, pairs as u64)
    }

    /// Scratch memory for so many query rows.
    pub fn partial(&self, rows: usize) -> Partial {
        Partial::of_widths(self.widths(), rows)
    }

    const fn widths(&self) -> [usize; 2] {
        [self.row, self.value_dim]
    }

    /// Whether `rows` holds the context; in products that cannot overflow, since memory safety hangs on them.
    fn check(&self, rows: &[u16]) {
        let LatentHead { row, value_dim, group, context } = *self;
        let whole = |width: usize| width > 0 && width.is_multiple_of(DIM_STEP);
        assert!(whole(row) && whole(value_dim), "{row}, {value_dim}: no multiples of {DIM_STEP}");
        assert!(value_dim <= row, "values of {value_dim} elements are longer than rows of {row}");
        assert!(group > 0 && context > 0, "latents without queries or tokens");
        let elements = context.checked_mul(row);
        assert!(elements.is_some_and(|elements| rows.len() >= elements), "latents are shorter than the context");
    }
}

/// Query rows and tokens of one turn.
pub(crate) struct LatentTile<'a> {
    pub(super) head: LatentHead,
    pub(super) span: usize,
    /// From the turn's first token on.
    pub(super) rows: &'a [u16],
    /// How many of the turn's tokens each row sees, not descending; at most a span.
    pub(super) visible: [usize; TILE_ROWS],
    pub(super) state: TileState<'a>,
}

pub(super) type LatentFn = unsafe fn(LatentTile<'_>);

/// How operands are rounded to pairs.
pub(crate) struct Pack {
    /// Query rows of so many elements, in place: a row's pairs come first.
    pub(super) queries: for<'a> unsafe fn((&'a mut [f32], usize)),
    /// A turn's rows, into memory for a span of them.
    pub(super) rows: for<'a> unsafe fn((&'a LatentHead, &'a [u16], &'a mut [f32])),
}

/// Words of 32 bits of a row's pairs as keys, for vectors of any width: sixteen lanes at most.
pub(super) const fn key_words(row: usize) -> usize {
    row.next_multiple_of(32) / 2
}

/// Words of the pairs of so many rows, as keys and as values.
const fn words(head: &LatentHead, span: usize) -> usize {
    span * key_words(head.row) + span / 2 * head.value_dim
}

/// The kernel in the table of an instruction set.
pub(crate) struct LatentEntry {
    pub(super) isa: Isa,
    /// The tile function for 1 to [`TILE_ROWS`] rows.
    pub(super) tiles: [LatentFn; TILE_ROWS],
    /// Where products are of bfloat16: how operands are rounded.
    pub(super) pack: Option<Pack>,
}

impl LatentEntry {
    /// The type of what it multiplies: f32, to which rows are widened, or bf16, to which everything is rounded.
    pub(crate) fn arithmetic(&self) -> Dtype {
        if self.pack.is_some() { Dtype::Bf16 } else { Dtype::F32 }
    }
}

/// A kernel for attention to latents that this CPU can run.
#[derive(Clone, Copy)]
pub struct LatentKernel {
    entry: &'static LatentEntry,
    span: usize,
}

impl LatentKernel {
    /// Tokens between two updates of the softmax, unless said otherwise.
    const SPAN: usize = 128;

    /// # Safety
    /// The entry's instruction set is available.
    pub(crate) unsafe fn new(entry: &'static LatentEntry) -> LatentKernel {
        LatentKernel { entry, span: LatentKernel::SPAN }
    }

    /// Whether so many tokens may lie between two updates of the softmax.
    pub fn takes(span: usize) -> bool {
        span.is_multiple_of(super::KEY_BLOCK) && (1..=SPAN_MAX).contains(&span)
    }

    /// The same kernel with another span; `None` where it cannot be.
    pub fn with_span(self, span: usize) -> Option<LatentKernel> {
        LatentKernel::takes(span).then_some(LatentKernel { span, ..self })
    }

    /// Tokens between two updates of the softmax.
    pub fn span(self) -> usize {
        self.span
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// The type of what it multiplies; sums are in f32.
    pub fn arithmetic(self) -> Dtype {
        self.entry.arithmetic()
    }

    /// One query token attends to the cached tokens in `range`; what it comes to is left in `partial`. `queries` is one row per
    /// head. Parts of a context are put together by [`Partial::merge`].
    ///
    /// # Panics
    /// When a length does not fit `head`, `partial` is none of its, or `range` leaves the context.
    pub fn decode(self, head: &LatentHead, queries: &[f32], rows: &[u16], range: Range<usize>, partial: &mut Partial) {
        head.check(rows);
        assert_eq!(queries.len(), head.query_elements(1), "queries do not fit the head");
        assert!(range.end <= head.context, "no such part of the context");
        self.start(head, queries, partial);
        self.attend(head, rows, range, head.context - 1, partial);
    }

    /// The last tokens of the context attend causally, each to all tokens up to itself; `partial` is scratch memory, of
    /// [`PREFILL_ROWS`](super::PREFILL_ROWS) rows at best.
    ///
    /// # Panics
    /// As [`LatentKernel::decode`].
    pub fn prefill(self, head: &LatentHead, queries: &[f32], rows: &[u16], partial: &mut Partial, out: &mut [f32]) {
        head.check(rows);
        let tokens = queries.len() / head.query_elements(1);
        assert!(queries.len() == head.query_elements(tokens) && tokens <= head.context, "queries do not fit the head");
        assert_eq!(out.len(), head.output_elements(tokens), "outputs do not fit the queries");
        let block = (partial.capacity() / head.group).max(1);
        let mut position = head.context - tokens;
        let of_block = queries.chunks(head.query_elements(block)).zip(out.chunks_mut(head.output_elements(block)));
        for (queries, out) in of_block {
            self.start(head, queries, partial);
            let end = position + queries.len() / head.query_elements(1);
            self.attend(head, rows, 0..end, position, partial);
            Partial::merge(&[partial], out);
            position = end;
        }
    }

    /// Begins with new query rows.
    fn start(self, head: &LatentHead, queries: &[f32], partial: &mut Partial) {
        let scaled = partial.start(queries, head.widths());
        if let Some(pack) = &self.entry.pack {
            // SAFETY: whoever made the kernel vouched for its instruction set.
            unsafe { (pack.queries)((scaled, head.row)) }
        }
    }

    /// The rows of `partial`, of tokens from `position` on, attend to what they see of `range`.
    fn attend(self, head: &LatentHead, rows: &[u16], range: Range<usize>, position: usize, partial: &mut Partial) {
        let LatentKernel { entry, span } = self;
        for start in range.clone().step_by(span) {
            let end = range.end.min(start + span);
            let rows = &rows[start * head.row..end * head.row];
            if let Some(pack) = &entry.pack {
                // SAFETY: whoever made the kernel vouched for its instruction set.
                unsafe { (pack.rows)((head, rows, partial.packed(words(head, span)))) }
            }
            partial.for_each_tile(|first, count, state| {
                let visible = visible(position, head.group, first..first + count, start..end);
                if visible[count - 1] > 0 {
                    let tile = LatentTile { head: *head, span, rows, visible, state };
                    // SAFETY: as above; `check` and `for_each_tile` have seen to the lengths, and no row sees beyond the turn.
                    unsafe { (entry.tiles[count - 1])(tile) }
                }
            });
        }
    }
}
