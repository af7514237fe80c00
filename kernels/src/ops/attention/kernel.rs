//! An attention kernel: it goes through a cache turn by turn, tile by tile.

use super::head::{DIM_STEP, Head, KEY_BLOCK, TILE_ROWS};
use super::partial::{Partial, TileState};
use super::ways::Ways;
use crate::dtype::Dtype;
use crate::isa::Isa;
use std::ops::Range;

/// Query rows and tokens of one turn.
pub(crate) struct Tile<'a> {
    pub(super) head_dim: usize,
    pub(super) ways: Ways,
    /// From the turn's first token on; whole blocks.
    pub(super) keys: &'a [u16],
    /// From the turn's first token on.
    pub(super) values: &'a [u16],
    /// How many of the turn's tokens each row sees, not descending; at most [`Ways::turn`].
    pub(super) visible: [usize; TILE_ROWS],
    pub(super) state: TileState<'a>,
}

pub(super) type TileFn = unsafe fn(Tile<'_>);

/// The kernel in the table of an instruction set. Of each pair of functions the second one asks for lines ahead.
pub(crate) struct AttentionEntry {
    pub(super) isa: Isa,
    /// The tile function for 1 to [`TILE_ROWS`] rows, of one stream.
    pub(super) tiles: [[TileFn; TILE_ROWS]; 2],
    /// For one row: that of two streams, and that of four, where there are registers enough.
    pub(super) beside: Option<[TileFn; 2]>,
    pub(super) abreast: Option<[TileFn; 2]>,
    /// Whether the second functions do what they say.
    pub(super) prefetches: bool,
    pub(super) exp2: unsafe fn(&mut [f32; 16]),
    /// Where products are in binary16: rounds queries to it, in place.
    pub(super) halve: Option<unsafe fn(&mut [f32])>,
}

impl AttentionEntry {
    /// The type of what it multiplies: f32, to which keys and values are widened, or f16, to which queries and weights are rounded.
    pub(crate) fn arithmetic(&self) -> Dtype {
        if self.halve.is_some() { Dtype::F16 } else { Dtype::F32 }
    }

    /// Where the machine code for so many rows begins.
    pub(crate) fn code(&self, rows: usize) -> Option<usize> {
        self.tiles[0].get(rows.checked_sub(1)?).map(|&tile| tile as usize)
    }

    /// Whether it can go about its work in such ways.
    pub(crate) fn works(&self, ways: Ways) -> bool {
        let there = match ways.streams {
            1 => true,
            2 => self.beside.is_some(),
            4 => self.abreast.is_some(),
            _ => false,
        };
        there && ways.possible() && (self.prefetches || ways.prefetch_bytes == 0)
    }
}

/// An attention kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct AttentionKernel {
    entry: &'static AttentionEntry,
    ways: Ways,
}

/// A cache to read: halves as [`Head`] lays them out. Reading is fastest if both start at a cache line.
#[derive(Clone, Copy)]
struct Cache<'a> {
    keys: &'a [u16],
    values: &'a [u16],
}

impl AttentionKernel {
    /// # Safety
    /// The entry's instruction set is available.
    pub(crate) unsafe fn new(entry: &'static AttentionEntry) -> AttentionKernel {
        AttentionKernel { entry, ways: Ways::PLAIN }
    }

    /// The same kernel, going about its work in such ways; `None` where it cannot.
    pub fn working(self, ways: Ways) -> Option<AttentionKernel> {
        self.entry.works(ways).then_some(AttentionKernel { ways, ..self })
    }

    /// How it goes about its work.
    pub fn ways(self) -> Ways {
        self.ways
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// The type of what it multiplies; sums are in f32, those in f16 between two widenings apart.
    pub fn arithmetic(self) -> Dtype {
        self.entry.arithmetic()
    }

    /// 2^x for each x ≤ 0, as the softmax takes it.
    pub fn exp2(self, x: &mut [f32; 16]) {
        // SAFETY: whoever made the kernel vouched for its instruction set.
        unsafe { (self.entry.exp2)(x) }
    }

    /// One query token attends to the cached tokens in `range`; what it comes to is left in `partial`. `queries` is one
    /// row per query head of the group. Parts of a context are put together by [`Partial::merge`].
    ///
    /// # Panics
    /// When a length does not fit `head`, `partial` is too small, or `range` leaves the context or does not start at
    /// a block of keys; when several streams are to serve a group of several heads.
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
        assert!(self.ways.streams == 1 || head.group == 1, "several streams serve a single query row");
        assert!(range.end <= head.context && range.start.is_multiple_of(KEY_BLOCK), "no such part of the context");
        self.start(queries, head, partial);
        // All rows see the whole range: they are of a token that comes after it.
        self.attend(head, Cache { keys, values }, range, head.context - 1, partial);
    }

    /// The last tokens of the context attend causally, each to all tokens up to itself. `queries` and `out` hold them as
    /// [`Head::query_elements`] says; `partial` is scratch memory, of [`PREFILL_ROWS`](super::PREFILL_ROWS) rows at best.
    ///
    /// # Panics
    /// When a length does not fit `head`; when the kernel reads several streams.
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
        assert_eq!(self.ways.streams, 1, "several streams serve a single query row");
        let per_token = head.query_elements(1);
        let tokens = queries.len() / per_token;
        assert!(queries.len() == tokens * per_token && tokens <= head.context, "queries do not fit the head");
        assert_eq!(out.len(), queries.len(), "outputs do not fit the queries");
        // Whole tokens, so that every block of rows starts with the first head of a group.
        let block = (partial.capacity() / head.group).max(1) * per_token;
        let mut position = head.context - tokens;
        for (queries, out) in queries.chunks(block).zip(out.chunks_mut(block)) {
            self.start(queries, head, partial);
            let end = position + queries.len() / per_token;
            self.attend(head, Cache { keys, values }, 0..end, position, partial);
            Partial::merge(&[partial], out);
            position = end;
        }
    }

    /// Begins with new query rows.
    fn start(self, queries: &[f32], head: &Head, partial: &mut Partial) {
        let scaled = partial.start(queries, [head.head_dim; 2]);
        if let Some(halve) = self.entry.halve {
            // SAFETY: whoever made the kernel vouched for its instruction set.
            unsafe { halve(scaled) }
        }
    }

    /// The rows of `partial`, of tokens from `position` on, attend to what they see of `range`.
    fn attend(self, head: &Head, cache: Cache, range: Range<usize>, position: usize, partial: &mut Partial) {
        let turn = self.ways.turn().min(range.len().max(1));
        for start in range.clone().step_by(turn) {
            let keys = &cache.keys[head.key_index(start, 0)..];
            let values = &cache.values[start * head.head_dim..];
            partial.for_each_tile(|first_row, rows, state| {
                let end = range.end.min(start + turn);
                let visible = visible(position, head.group, first_row..first_row + rows, start..end);
                if visible[rows - 1] > 0 {
                    let tile = Tile { head_dim: head.head_dim, ways: self.ways, keys, values, visible, state };
                    // SAFETY: whoever made the kernel vouched for its instruction set; `check` and `for_each_tile` have seen
                    // to the lengths, and no row sees beyond the context.
                    unsafe { (self.tile(rows))(tile) }
                }
            });
        }
    }

    /// The function for a tile of so many rows.
    fn tile(self, rows: usize) -> TileFn {
        let AttentionEntry { tiles, beside, abreast, .. } = self.entry;
        let prefetch = usize::from(self.ways.prefetch_bytes > 0);
        match (self.ways.streams, beside, abreast) {
            (2, Some(beside), _) => beside[prefetch],
            (4, _, Some(abreast)) => abreast[prefetch],
            _ => tiles[prefetch][rows - 1],
        }
    }
}

/// How many tokens of a turn each row of a tile sees: itself and what is before it, `group` rows being of one token and the first
/// row of all of the token at `position`.
pub(super) fn visible(position: usize, group: usize, rows: Range<usize>, turn: Range<usize>) -> [usize; TILE_ROWS] {
    std::array::from_fn(|row| {
        let own = position + (rows.start + row).min(rows.end - 1) / group;
        (own + 1).min(turn.end).saturating_sub(turn.start)
    })
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
