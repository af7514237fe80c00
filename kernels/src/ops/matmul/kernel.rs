//! A matmul kernel: it packs weights, quantises tokens and multiplies tiles of C.

use super::format::Lane;
use super::output::Tile;
use super::register_tile::TileArguments;
use super::strips::{SET_MAX, SetArguments};
use super::tile::{MatmulEntry, QuantiseArguments, Shape, TileFn, WholeArguments, WholeFn};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::simd::scaled;
use std::ops::Range;

/// A matmul kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct MatmulKernel {
    entry: &'static MatmulEntry,
}

/// The tokens of some rows of A, as a kernel wants them.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Plain: what [`MatmulKernel::place`] has placed, the rows as far apart as their number says, and whole words. Quantised:
    /// what [`MatmulKernel::quantise`] made.
    pub bytes: &'a [u8],
    /// Rows.
    pub rows: usize,
}

/// How a matmul goes about its work: what a probe tries, one way beside another. All come to the same layout of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ways {
    /// Strips that are read side by side where a single panel of rows uses them, 1 to 16.
    pub streams: usize,
    /// How far ahead each of their lines is asked for by an instruction of its own; 0: the hardware alone prefetches.
    pub prefetch_bytes: usize,
    /// When a strip comes to a page, so many lines of the page after the next one are asked for.
    pub page_ahead_lines: usize,
    /// Where several panels of rows share plain weights, at most so many bytes of a strip are in use at a time, to stay in a
    /// cache meanwhile: half of the second level is a good choice.
    pub block_bytes: usize,
    /// Where several panels of rows share plain weights: the most rows and the columns of the register tiles, one of
    /// [`MatmulKernel::tiles`]; none: the usual ones, which take all columns of a strip.
    pub tile: Option<[usize; 2]>,
}

impl Ways {
    /// One strip after another, as the hardware prefetches them.
    pub const fn plain(block_bytes: usize) -> Ways {
        Ways { streams: 1, prefetch_bytes: 0, page_ahead_lines: 0, block_bytes, tile: None }
    }
}

impl MatmulKernel {
    /// # Safety
    /// The entry's instruction set is available.
    pub(crate) unsafe fn new(entry: &'static MatmulEntry) -> MatmulKernel {
        MatmulKernel { entry }
    }

    /// How the weights are stored.
    pub fn weights(self) -> Dtype {
        self.entry.format.weights
    }

    /// The type in which it multiplies: weights and tokens are rounded or quantised to it.
    pub fn arithmetic(self) -> Dtype {
        self.entry.format.arithmetic
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// Whether activations are quantised, rounded, or just laid out in panels, inside a call, as engines do for the block formats.
    pub fn quantises(self) -> bool {
        self.entry.quantise.is_some()
    }

    /// Rows of weights that lie interleaved in one strip; C's columns come in multiples of it.
    pub fn strip_rows(self) -> usize {
        scaled(self.entry.strip_rows, self.entry.scale)
    }

    /// Rows and columns of the register tiles that there are beside the usual ones.
    pub fn tiles(self) -> impl Iterator<Item = [usize; 2]> {
        self.entry.shapes.iter().map(Shape::extents)
    }

    /// Bytes of one strip of rows of `k` elements.
    pub fn strip_bytes(self, k: usize) -> usize {
        self.strip_rows() * self.entry.format.strip.bytes_of(k)
    }

    /// Bytes of `rows` tokens of `k` values as [`Tokens`] holds them.
    pub fn token_bytes(self, rows: usize, k: usize) -> usize {
        let bytes = self.entry.format.token_bytes(k);
        rows * if self.entry.whole.is_some() { odd_lines(bytes) } else { bytes }
    }

    /// The same where plain tokens are set apart, so that they do not meet in the same sets of a cache.
    pub fn token_bytes_apart(self, rows: usize, k: usize) -> usize {
        if self.quantises() { self.token_bytes(rows, k) } else { rows * odd_lines(self.token_bytes(1, k)) }
    }

    /// Puts plain tokens, as they are stored one after another, where the kernel reads them: as far apart as there is room.
    ///
    /// # Panics
    /// When the lengths do not fit, or the kernel quantises its tokens.
    pub fn place(self, stored: &[u8], k: usize, tokens: &mut [u8]) {
        assert!(!self.quantises(), "{} takes its tokens quantised", self.weights());
        let from = self.entry.format.token.bytes_of(k);
        assert!(from > 0 && stored.len().is_multiple_of(from), "stored tokens");
        let Some(to) = tokens.len().checked_div(stored.len() / from) else { return };
        assert!(to >= self.token_bytes(1, k) && tokens.len() == stored.len() / from * to, "tokens");
        tokens.fill(0);
        for (row, stored) in tokens.chunks_exact_mut(to).zip(stored.chunks_exact(from)) {
            row[..from].copy_from_slice(stored);
        }
    }

    /// Interleaves rows of weights from their stored layout (rows one after another, ggml's blocks for the block formats)
    /// into strips; what a last strip has too many is zero.
    ///
    /// # Panics
    /// When `k` is zero or not a whole number of blocks, or the lengths do not fit.
    pub fn pack(self, weights: &[u8], k: usize, strips: &mut [u8]) {
        let row_bytes = self.weights().bytes(k as u128).and_then(|bytes| usize::try_from(bytes).ok());
        let row_bytes = row_bytes.unwrap_or_else(|| panic!("{k} elements are no whole blocks of {}", self.weights()));
        assert!(k > 0 && weights.len().is_multiple_of(row_bytes), "rows");
        let (strip_rows, strip_bytes) = (self.strip_rows(), self.strip_bytes(k));
        let rows = weights.len() / row_bytes;
        assert_eq!(strips.len(), rows.div_ceil(strip_rows) * strip_bytes, "strips");
        strips.fill(self.entry.format.blank);
        for (index, row) in weights.chunks_exact(row_bytes).enumerate() {
            let strip = &mut strips[index / strip_rows * strip_bytes..][..strip_bytes];
            (self.entry.format.pack)(row, strip, Lane { index: index % strip_rows, of: strip_rows });
        }
    }

    /// Quantises `rows` tokens of `k` f32 values, one after another, into panels; or rounds them. Tokens are finite; what others come to
    /// differs between instruction sets.
    ///
    /// # Panics
    /// For plain weights, or when the lengths do not fit.
    pub fn quantise(self, tokens: &[f32], k: usize, panels: &mut [u8]) {
        let Some(quantise) = self.entry.quantise else {
            panic!("{} takes its tokens as they are", self.weights());
        };
        let rows = tokens.len().checked_div(k).unwrap_or(0);
        assert!(tokens.len() == rows * k && k.is_multiple_of(self.weights().block().elements as usize), "tokens");
        assert_eq!(panels.len(), self.token_bytes(rows, k), "panels");
        let most = if self.entry.whole.is_some() { rows } else { self.entry.tiles.len() };
        for rows in evenly(rows, most) {
            let tokens = &tokens[rows.start * k..rows.end * k];
            let panel = &mut panels[self.token_bytes(rows.start, k)..self.token_bytes(rows.end, k)];
            // SAFETY: whoever made the kernel vouched for its instruction set; lengths are checked above.
            unsafe { quantise(QuantiseArguments { tokens, rows: rows.len(), k, panel }) }
        }
    }

    /// Multiplies one tile of C: its rows are `tokens`, its columns the weights in `strips`.
    ///
    /// # Panics
    /// When `k` is beyond all memory, the tile's columns are no whole strips, the lengths do not fit the tile, or there are no such
    /// register tiles.
    pub fn multiply(self, k: usize, strips: &[u8], tokens: Tokens<'_>, tile: &mut Tile<'_>, ways: Ways) {
        // Memory safety hangs on these products: none may overflow. A strip has at most 192 rows (SVE of 2048 bits) of 4
        // bytes an element.
        assert!(k <= isize::MAX as usize / 1024, "k is beyond all memory");
        let strip_bytes = self.strip_bytes(k);
        assert_eq!(tile.columns() % self.strip_rows(), 0, "columns");
        assert_eq!((tile.columns() / self.strip_rows()).checked_mul(strip_bytes), Some(strips.len()), "strips");
        assert_eq!(tile.rows(), tokens.rows, "rows");
        let row_stride = tokens.bytes.len().checked_div(tokens.rows).unwrap_or(0);
        let fits =
            if self.quantises() { row_stride == self.token_bytes(1, k) } else { row_stride >= self.token_bytes(1, k) };
        assert!(tokens.rows == 0 || fits && tokens.bytes.len() == tokens.rows * row_stride, "tokens");
        if k == 0 || tokens.rows == 0 {
            return tile.clear();
        }
        if let Some(whole) = self.entry.whole {
            return self.whole(whole, k, strips, tokens, tile);
        }
        let groups = self.entry.format.token.units(k);
        // A single panel uses each weight once: nothing has to stay. Quantised blocks are never cut.
        let single = tokens.rows <= self.entry.tiles.len();
        if single && self.entry.has_ways() && ways != Ways::plain(ways.block_bytes) {
            return self.side_by_side(k, strips, tokens, tile, ways);
        }
        let most = if single || self.weights().block().elements > 1 {
            groups
        } else {
            (ways.block_bytes / (strip_bytes / groups)).max(GROUPS_MIN)
        };
        for groups in evenly(groups, most) {
            self.pass(groups, k, strips, tokens, tile, ways);
        }
    }

    /// Goes through all strips, several at a time, with the rows of one panel.
    fn side_by_side(self, k: usize, strips: &[u8], tokens: Tokens<'_>, tile: &mut Tile<'_>, ways: Ways) {
        let strip_bytes = self.strip_bytes(k);
        let multiply = self.entry.sets[tokens.rows - 1];
        for set in evenly(strips.len() / strip_bytes, ways.streams.clamp(1, SET_MAX)) {
            let arguments = SetArguments {
                tile: TileArguments {
                    weights: &strips[set.start * strip_bytes..set.end * strip_bytes],
                    activations: tokens.bytes,
                    row_stride: tokens.bytes.len() / tokens.rows,
                    groups: self.entry.format.token.units(k),
                    out: tile.at(0, set.start * self.strip_rows()),
                    out_stride: tile.stride_bytes(),
                    add: false,
                },
                strips: set.len(),
                strip_bytes,
                columns_bytes: self.strip_rows() * 4,
                prefetch_bytes: ways.prefetch_bytes,
                page_ahead_lines: ways.page_ahead_lines,
            };
            // SAFETY: whoever made the kernel vouched for its instruction set. The strips and the panel hold all groups
            // (lengths are checked by the caller and by slicing), the tile the panel's rows and the set's columns.
            unsafe { multiply(&arguments) }
        }
    }

    /// Multiplies all of the tile at once.
    fn whole(self, whole: WholeFn, k: usize, strips: &[u8], tokens: Tokens<'_>, tile: &mut Tile<'_>) {
        if tile.rows() == 0 || tile.columns() == 0 {
            return;
        }
        let arguments = WholeArguments {
            strips,
            strip_bytes: self.strip_bytes(k),
            tokens: tokens.bytes,
            row_stride: tokens.bytes.len() / tokens.rows,
            rows: tile.rows(),
            columns: tile.columns(),
            k,
            out: tile.at(0, 0),
            out_stride: tile.stride_bytes(),
        };
        // SAFETY: whoever made the kernel vouched for its instruction set. Strips and tokens have the lengths that the tile and
        // `k` ask for (checked by the caller), and the tile is there.
        unsafe { whole(&arguments) }
    }

    /// Goes through all strips and panels once, with some of the groups of k.
    fn pass(self, groups: Range<usize>, k: usize, strips: &[u8], tokens: Tokens<'_>, tile: &mut Tile<'_>, ways: Ways) {
        let (strip_bytes, row_stride) = (self.strip_bytes(k), tokens.bytes.len() / tokens.rows);
        let Tiling { tiles, rows, columns } = self.tiling(ways.tile);
        // Where the groups begin: those of plain tokens are words of 4 bytes, or lie in panels behind those of all rows.
        let of_strip = groups.start * (strip_bytes / self.entry.format.token.units(k));
        let parts = self.strip_rows() / columns;
        for index in 0..tile.columns() / columns {
            let strip = &strips[index / parts * strip_bytes..][..strip_bytes];
            let of_part = index % parts * columns * self.entry.format.strip.bytes;
            for panel in evenly(tokens.rows, rows) {
                let group = if self.quantises() { self.entry.format.token.bytes * panel.len() } else { 4 };
                let arguments = TileArguments {
                    weights: &strip[of_strip + of_part..],
                    activations: &tokens.bytes[panel.start * row_stride..panel.end * row_stride]
                        [groups.start * group..],
                    row_stride,
                    groups: groups.len(),
                    out: tile.at(panel.start, index * columns),
                    out_stride: tile.stride_bytes(),
                    add: groups.start > 0,
                };
                // SAFETY: whoever made the kernel vouched for its instruction set. The strip and the panel's rows hold the
                // groups (lengths are checked above and by slicing), the tile the panel's rows and its columns.
                unsafe {
                    if ways.prefetch_bytes > 0 && ways.tile.is_none() && self.entry.has_ways() {
                        let alone = SetArguments::of_one(arguments, strip_bytes, ways.prefetch_bytes);
                        self.entry.sets[panel.len() - 1](&alone);
                    } else {
                        tiles[panel.len() - 1](&arguments);
                    }
                }
            }
        }
    }

    /// The register tiles of those extents, or the usual ones.
    fn tiling(self, tile: Option<[usize; 2]>) -> Tiling {
        let usual = Tiling { tiles: self.entry.tiles, rows: self.entry.tiles.len(), columns: self.strip_rows() };
        let Some(extents) = tile else { return usual };
        let Some(shape) = self.entry.shapes.iter().find(|shape| shape.extents() == extents) else {
            panic!("{} on {} has no register tiles of {extents:?}", self.weights(), self.isa());
        };
        Tiling { tiles: shape.tiles, rows: shape.tiles.len(), columns: shape.columns }
    }
}

/// Register tiles and their extents.
struct Tiling {
    tiles: &'static [TileFn],
    rows: usize,
    columns: usize,
}

/// Fewer groups than this at a time would pay for going over C again and again.
const GROUPS_MIN: usize = 64;

/// So many bytes as an odd number of cache lines, if there are any: rows so far apart begin in all sets of a cache, one after
/// another.
const fn odd_lines(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes.div_ceil(64) | 1) * 64 }
}

/// Cuts `0..total` into as few ranges of at most `most` as there can be, as even as they can be.
fn evenly(total: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = total.div_ceil(most);
    // One division for all: a range may be a tile of a few thousand cycles.
    let (each, longer) = (total.checked_div(count).unwrap_or(0), total.checked_rem(count).unwrap_or(0));
    (0..count).map(move |index| {
        let start = index * each + index.min(longer);
        start..start + each + usize::from(index < longer)
    })
}
