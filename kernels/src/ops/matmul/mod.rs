//! Matmul: `C[m×n] = A[m×k] · B[n×k]ᵀ`, B being weights in a stored format, A the activations of m tokens.
//!
//! ```text
//! once:            weights in their stored layout → strips (rows of weights interleaved, see `plain` and `quantised`)
//! for each call:   tokens → panels, quantised          (block formats only; plain tokens are used as they are)
//!                  for each tile of C, by any thread:  for each block of k, strip, and panel of rows: a register tile
//! ```
//!
//! One layout of the weights serves one token and a thousand. A tile of C is a [`Tile`] of an [`Output`], which is how
//! several threads write one matrix; who works on which is the caller's business.

pub(crate) mod activations;
pub(crate) mod lanes;
mod output;
mod pack;
pub(crate) mod plain;
pub(crate) mod quantised;

pub use output::{Grid, Output, SPOILT, Tile};

use crate::dtype::Dtype;
use crate::isa::Isa;

/// What a register tile is told.
pub(crate) struct TileArguments {
    /// The first strip, at its first group.
    pub(crate) weights: *const u8,
    /// The first token's first group, or the panel.
    pub(crate) activations: *const u8,
    /// From one token to the next where they are read in place, bytes.
    pub(crate) row_stride: usize,
    /// k groups (plain) or blocks (quantised) to go through.
    pub(crate) groups: usize,
    /// The tile's first element of C.
    pub(crate) out: *mut u8,
    /// From one row of C to the next, bytes.
    pub(crate) out_stride: usize,
    /// Add to what C holds instead of replacing it (plain).
    pub(crate) add: bool,
}

pub(crate) type TileFn = unsafe fn(&TileArguments);
pub(crate) type QuantiseFn = unsafe fn(*const f32, usize, usize, usize, *mut u8);

/// What an instruction set file says of one kernel.
pub(crate) struct MatmulEntry {
    pub(crate) isa: Isa,
    pub(crate) weights: Dtype,
    /// Lanes of a vector.
    pub(crate) lanes: usize,
    /// Vectors of one strip.
    pub(crate) vectors: usize,
    pub(crate) tiles: Tiles,
}

/// Register tiles, from one row up: `tiles[r - 1]` multiplies `r` tokens.
pub(crate) enum Tiles {
    Plain(&'static [TileFn]),
    Quantised { tiles: &'static [TileFn], quantise: QuantiseFn },
}

/// A matmul kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct MatmulKernel {
    entry: &'static MatmulEntry,
}

/// The tokens of some rows of A, as a kernel wants them.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Plain: row after row, each [`MatmulKernel::token_bytes`] long. Quantised: what [`MatmulKernel::quantise`] made.
    pub bytes: &'a [u8],
    /// Rows.
    pub rows: usize,
}

impl MatmulKernel {
    /// Every matmul kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = MatmulKernel> {
        crate::arch::matmuls().filter(|entry| entry.isa.available()).map(|entry| MatmulKernel { entry })
    }

    /// The kernel for weights stored as `weights` on `isa`, if there is one and this CPU can run it.
    pub fn find(weights: Dtype, isa: Isa) -> Option<MatmulKernel> {
        MatmulKernel::all().find(|kernel| kernel.weights() == weights && kernel.isa() == isa)
    }

    /// How the weights are stored.
    pub fn weights(self) -> Dtype {
        self.entry.weights
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// Whether activations are quantised inside a call, as engines do for the block formats.
    pub fn quantises(self) -> bool {
        matches!(self.entry.tiles, Tiles::Quantised { .. })
    }

    /// Rows of weights that lie interleaved in one strip; C's columns come in multiples of it.
    pub fn strip_rows(self) -> usize {
        self.entry.lanes * self.entry.vectors
    }

    /// Bytes of one strip of rows of `k` elements.
    pub fn strip_bytes(self, k: usize) -> usize {
        self.entry.vectors * pack::vector_bytes(self.weights(), self.entry.lanes, k)
    }

    /// Bytes of `rows` tokens of `k` values as [`Tokens`] holds them.
    pub fn token_bytes(self, rows: usize, k: usize) -> usize {
        match self.weights() {
            Dtype::F32 | Dtype::F16 => rows * k * 4,
            Dtype::Bf16 => rows * k.next_multiple_of(2) * 2,
            Dtype::I8 => rows * k.next_multiple_of(4),
            Dtype::Q4K => rows * k.div_ceil(quantised::SUPER_BLOCK) * quantised::Q4_K_WORDS * 4,
            Dtype::Q6K => rows * k.div_ceil(quantised::SUPER_BLOCK) * quantised::Q6_K_WORDS * 4,
            Dtype::Q8_0 | Dtype::Q4_0 => rows * k.div_ceil(quantised::BLOCK) * quantised::BLOCK_WORDS * 4,
            Dtype::F64 => rows * k * 8,
        }
    }

    /// Interleaves rows of weights from their stored layout (rows one after another, ggml's blocks for the block formats)
    /// into strips; what a last strip has too many is zero.
    ///
    /// # Panics
    /// When `k` is zero or not a whole number of blocks, or the lengths do not fit.
    pub fn pack(self, weights: &[u8], k: usize, strips: &mut [u8]) {
        pack::pack(self.weights(), self.entry.lanes, self.entry.vectors, weights, k, strips);
    }

    /// Quantises `rows` tokens of `k` f32 values, one after another, into panels. Tokens are finite; what others come to
    /// differs between instruction sets.
    ///
    /// # Panics
    /// For plain weights, or when the lengths do not fit.
    pub fn quantise(self, tokens: &[f32], k: usize, panels: &mut [u8]) {
        let Tiles::Quantised { tiles, quantise } = self.entry.tiles else {
            panic!("{} takes its tokens as they are", self.weights());
        };
        let rows = tokens.len().checked_div(k).unwrap_or(0);
        assert!(tokens.len() == rows * k && k.is_multiple_of(self.weights().block().elements as usize), "tokens");
        assert_eq!(panels.len(), self.token_bytes(rows, k), "panels");
        for panel in evenly(rows, tiles.len()) {
            let at = self.token_bytes(panel.start, k);
            // SAFETY: the ISA is available, for the entry was handed out; lengths are checked above, and panels follow
            // one another in both.
            unsafe {
                quantise(tokens.as_ptr().add(panel.start * k), k, panel.len(), k, panels.as_mut_ptr().add(at));
            }
        }
    }

    /// Multiplies one tile of C: its rows are `tokens`, its columns the weights in `strips`. Where several panels of rows
    /// share plain weights, at most `block_bytes` of a strip are in use at a time, to stay in a cache meanwhile: half of the
    /// second level is a good choice.
    ///
    /// # Panics
    /// When `k` is beyond all memory, the tile's columns are no whole strips, or the lengths do not fit the tile.
    pub fn multiply(self, k: usize, strips: &[u8], tokens: Tokens<'_>, tile: &mut Tile<'_>, block_bytes: usize) {
        // Memory safety hangs on these products: none may overflow. A strip has at most 64 rows of 4 bytes an element.
        assert!(k <= isize::MAX as usize / 1024, "k is beyond all memory");
        let strip_bytes = self.strip_bytes(k);
        assert_eq!(tile.columns() % self.strip_rows(), 0, "columns");
        assert_eq!((tile.columns() / self.strip_rows()).checked_mul(strip_bytes), Some(strips.len()), "strips");
        assert_eq!(tile.rows(), tokens.rows, "rows");
        assert_eq!(tokens.rows.checked_mul(self.token_bytes(1, k)), Some(tokens.bytes.len()), "tokens");
        if k == 0 {
            return tile.clear();
        }
        match self.entry.tiles {
            Tiles::Quantised { tiles, .. } => {
                let groups = k.div_ceil(self.weights().block().elements as usize);
                let cut = Cut { tiles, groups: 0..groups, group_bytes: 0, strip_bytes, row_stride: 0 };
                self.pass(&cut, k, strips, tokens, tile);
            }
            Tiles::Plain(tiles) => {
                let row_stride = self.token_bytes(1, k);
                let groups = row_stride / 4;
                let group_bytes = strip_bytes / groups;
                // A single panel uses each weight once: nothing has to stay.
                let alone = tokens.rows <= tiles.len();
                let most = if alone { groups } else { (block_bytes / group_bytes).max(GROUPS_MIN) };
                for groups in evenly(groups, most) {
                    let cut = Cut { tiles, groups, group_bytes, strip_bytes, row_stride };
                    self.pass(&cut, k, strips, tokens, tile);
                }
            }
        }
    }

    /// Goes through all strips and panels once, with the groups of `cut`.
    fn pass(self, cut: &Cut, k: usize, strips: &[u8], tokens: Tokens<'_>, tile: &mut Tile<'_>) {
        let token_bytes = self.token_bytes(1, k);
        for (index, strip) in strips.chunks_exact(cut.strip_bytes).enumerate() {
            for panel in evenly(tokens.rows, cut.tiles.len()) {
                let panel_bytes = &tokens.bytes[panel.start * token_bytes..panel.end * token_bytes];
                let arguments = TileArguments {
                    weights: strip[cut.groups.start * cut.group_bytes..].as_ptr(),
                    // Groups of plain tokens are words of 4 bytes; quantised ones are never cut.
                    activations: panel_bytes[cut.groups.start * 4..].as_ptr(),
                    row_stride: cut.row_stride,
                    groups: cut.groups.len(),
                    out: tile.at(panel.start, index * self.strip_rows()),
                    out_stride: tile.stride_bytes(),
                    add: cut.groups.start > 0,
                };
                // SAFETY: the ISA is available, for the entry was handed out. The strip and the panel's rows hold the
                // groups (lengths are checked above and by slicing), the tile the panel's rows and the strip's columns.
                unsafe { cut.tiles[panel.len() - 1](&arguments) }
            }
        }
    }
}

/// Fewer groups than this at a time would pay for going over C again and again.
const GROUPS_MIN: usize = 64;

/// The part of k that one pass over a tile of C works on.
struct Cut {
    tiles: &'static [TileFn],
    groups: std::ops::Range<usize>,
    /// Bytes of one group in a strip (plain).
    group_bytes: usize,
    strip_bytes: usize,
    /// Bytes from one token to the next (plain).
    row_stride: usize,
}

/// Cuts `0..total` into as few ranges of at most `most` as there can be, as even as they can be.
fn evenly(total: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = total.div_ceil(most);
    // One division for all: a range may be a tile of a few thousand cycles.
    let (each, longer) = (total.checked_div(count).unwrap_or(0), total.checked_rem(count).unwrap_or(0));
    (0..count).map(move |index| {
        let start = index * each + index.min(longer);
        start..start + each + usize::from(index < longer)
    })
}
