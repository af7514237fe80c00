//! The state of a softmax that has seen part of a context, and the scratch memory of the kernels.

use super::head::TILE_ROWS;
use super::ways::SPAN_MAX;
use std::ops::Range;

/// The softmax over part of a context for a number of query rows, all memory included that the kernels need.
#[derive(Clone, Debug)]
pub struct Partial {
    /// Elements of a query, and of what a row comes to.
    query_dim: usize,
    value_dim: usize,
    capacity: usize,
    rows: usize,
    rows_per_tile: usize,
    queries: Vec<Line>,
    accumulators: Vec<Line>,
    scores: Vec<Line>,
    softmax: Vec<Softmax>,
    /// A turn's latents rounded to pairs, where a kernel multiplies such.
    packed: Vec<Line>,
}

/// A cache line of lanes: vectors of every width start at one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Running maximum (of scores in powers of two) and sum of weights of a tile's rows; filled up to the widest vector.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Softmax {
    pub(crate) max: [f32; 16],
    pub(crate) sum: [f32; 16],
}

impl Softmax {
    /// Finite, so that differences of maxima are numbers: 2^(MIN − any score) is 0.
    const EMPTY: Softmax = Softmax { max: [f32::MIN; 16], sum: [0.0; 16] };
}

/// One tile's part of a [`Partial`].
pub(crate) struct TileState<'a> {
    /// `[row][d]`, times the scale of the scores; pairs of halves where the arithmetic is binary16.
    pub(crate) queries: &'a [f32],
    /// `[row][d]`, of the values' width
    pub(crate) accumulators: &'a mut [f32],
    /// `[row][token]`, as many tokens a row as a span has; of no tile in particular.
    pub(crate) scores: &'a mut [f32],
    pub(crate) softmax: &'a mut Softmax,
    /// A turn's latents as pairs, where there are such.
    pub(crate) packed: &'a [f32],
}

impl Partial {
    /// Room for `rows` query rows of `head_dim` elements.
    pub fn new(head_dim: usize, rows: usize) -> Partial {
        Partial::of_widths([head_dim; 2], rows)
    }

    /// Room for `rows` query rows of so many elements, that come to rows of so many.
    pub(super) fn of_widths([query_dim, value_dim]: [usize; 2], rows: usize) -> Partial {
        let tiles = rows.div_ceil(TILE_ROWS);
        let lines = |elements: usize| vec![Line([0.0; 16]); elements.div_ceil(16)];
        Partial {
            query_dim,
            value_dim,
            capacity: rows,
            rows: 0,
            rows_per_tile: 1,
            queries: lines(tiles * TILE_ROWS * query_dim),
            accumulators: lines(tiles * TILE_ROWS * value_dim),
            scores: lines(TILE_ROWS * SPAN_MAX),
            softmax: vec![Softmax::EMPTY; tiles],
            packed: Vec::new(),
        }
    }

    /// Query rows for which there is room.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Begins with new query rows that have seen nothing yet. Returns them times the scale of the scores, whole cache lines of them.
    ///
    /// # Panics
    /// When it is not for rows of such widths, or has no room for so many.
    pub(super) fn start(&mut self, queries: &[f32], widths: [usize; 2]) -> &mut [f32] {
        let [d, _] = widths;
        let rows = queries.len() / d;
        let fits = [self.query_dim, self.value_dim] == widths && rows <= self.capacity;
        assert!(fits, "the partial softmax has no room for {rows} rows of {d}");
        self.rows = rows;
        // Tiles as equal as can be: nine rows are five and four, since a tile of one row would leave pipes idle.
        self.rows_per_tile = rows.div_ceil(rows.div_ceil(TILE_ROWS).max(1)).max(1);
        self.softmax.fill(Softmax::EMPTY);
        flat_mut(&mut self.accumulators).fill(0.0);
        // The weights are powers of two: e^(q·k/√d) = 2^(q·k · log₂e/√d).
        let scale = std::f32::consts::LOG2_E / (d as f32).sqrt();
        let tiles = flat_mut(&mut self.queries).chunks_exact_mut(TILE_ROWS * d);
        for (tile, queries) in tiles.zip(queries.chunks(self.rows_per_tile * d)) {
            tile.iter_mut().zip(queries).for_each(|(to, query)| *to = query * scale);
        }
        flat_mut(&mut self.queries)
    }

    /// Memory for the pairs of a turn, of at least so many words of 32 bits.
    pub(super) fn packed(&mut self, words: usize) -> &mut [f32] {
        let lines = words.div_ceil(16);
        if self.packed.len() < lines {
            self.packed.resize(lines, Line([0.0; 16]));
        }
        flat_mut(&mut self.packed)
    }

    /// Visits the tiles: their first row, how many rows, and their state.
    pub(super) fn for_each_tile(&mut self, mut visit: impl FnMut(usize, usize, TileState)) {
        let per_tile = self.rows_per_tile;
        let queries = flat(&self.queries).chunks_exact(TILE_ROWS * self.query_dim);
        let accumulators = flat_mut(&mut self.accumulators).chunks_exact_mut(TILE_ROWS * self.value_dim);
        let (scores, packed) = (flat_mut(&mut self.scores), flat(&self.packed));
        for (tile, ((queries, accumulators), softmax)) in queries.zip(accumulators).zip(&mut self.softmax).enumerate() {
            let first = tile * per_tile;
            if first >= self.rows {
                break;
            }
            let rows = per_tile.min(self.rows - first);
            visit(first, rows, TileState { queries, accumulators, scores, softmax, packed });
        }
    }

    /// What a row has come to: maximum, sum of weights, weighted sum of values.
    fn row(&self, row: usize) -> (f32, f32, &[f32]) {
        let (tile, row) = (row / self.rows_per_tile, row % self.rows_per_tile);
        let at = (tile * TILE_ROWS + row) * self.value_dim;
        let softmax = &self.softmax[tile];
        (softmax.max[row], softmax.sum[row], &flat(&self.accumulators)[at..][..self.value_dim])
    }

    /// Puts together what the same query rows made of the parts of a context, and writes the attention's output.
    ///
    /// # Panics
    /// When there is no part, none has seen a token, or they differ in their rows or do not fit `out`.
    pub fn merge(parts: &[&Partial], out: &mut [f32]) {
        let rows = parts.first().map_or(0, |part| part.rows);
        Partial::merge_rows(parts, 0..rows, out);
    }

    /// The same of some of the rows, whose outputs `out` is.
    ///
    /// # Panics
    /// As [`Partial::merge`], and when there are no such rows.
    pub fn merge_rows(parts: &[&Partial], rows: Range<usize>, out: &mut [f32]) {
        assert!(!parts.is_empty(), "no parts to merge");
        let (d, all) = (parts[0].value_dim, parts[0].rows);
        assert!(parts.iter().all(|part| part.value_dim == d && part.rows == all), "parts of different queries");
        assert!(rows.end <= all && out.len() == rows.len() * d, "outputs do not fit the queries");
        for (row, out) in rows.zip(out.chunks_exact_mut(d)) {
            let largest = parts.iter().map(|part| part.row(row).0).fold(f32::MIN, f32::max);
            // 2⁰ is spared: a prompt's outputs have one part each, and there are many of them.
            let weight = |part: &Partial| match part.row(row).0 {
                max if max == largest => 1.0,
                max => (max - largest).exp2(),
            };
            let total: f32 = parts.iter().map(|part| weight(part) * part.row(row).1).sum();
            assert!(total != 0.0, "no part has seen a token");
            // The first part writes and the others add: most outputs have one part.
            for (i, part) in parts.iter().enumerate() {
                let (factor, values) = (weight(part) / total, part.row(row).2);
                let of_part = out.iter_mut().zip(values);
                match i {
                    0 => of_part.for_each(|(out, value)| *out = factor * value),
                    _ => of_part.for_each(|(out, value)| *out += factor * value),
                }
            }
        }
    }
}

fn flat(lines: &[Line]) -> &[f32] {
    // SAFETY: a line is sixteen f32 without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}

fn flat_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as above, and borrowed alone.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 16) }
}
