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

pub(crate) mod lanes;
mod output;
mod pack;
pub(crate) mod plain;
pub(crate) mod quantised;

pub use output::{Grid, Output, Tile};

use crate::dtype::Dtype;
use crate::isa::Isa;
use plain::PlainTiles;

/// What a register tile is told.
pub(crate) struct TileArguments {
    /// The first strip, at its first group.
    pub(crate) weights: *const u8,
    /// From one vector's strip to the next (quantised formats).
    pub(crate) strip_bytes: usize,
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
    /// Where a packed tile prefetches from, one line per group.
    pub(crate) prefetch: *const u8,
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

pub(crate) enum Tiles {
    Plain(PlainTiles),
    Quantised { tiles: quantised::Tiles, quantise: QuantiseFn },
}

/// A matmul kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct MatmulKernel {
    entry: &'static MatmulEntry,
}

/// How the work is cut for the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// Bytes of a strip that stay in a cache while the panels of a tile pass by: half the second level is a good choice.
    pub strip_bytes: usize,
    /// Whether plain tokens are packed panel by panel before use, which pays off when their rows lie a power of two apart
    /// and many strips use them.
    pub packed: bool,
}

/// The tokens of some rows of A, as a kernel wants them.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Plain: row after row, each [`MatmulKernel::token_bytes`] long. Quantised: what [`MatmulKernel::quantise`] made.
    pub bytes: &'a [u8],
    /// Rows.
    pub rows: usize,
}

/// Memory that a thread lends to [`MatmulKernel::multiply`].
#[derive(Debug, Default)]
pub struct Scratch {
    packed: Vec<u32>,
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

    /// The type of one element of C.
    pub fn output_is_integer(self) -> bool {
        self.weights() == Dtype::I8
    }

    /// Rows of weights that lie interleaved in one strip; C's columns come in multiples of it.
    pub fn strip_rows(self) -> usize {
        self.entry.lanes * self.entry.vectors
    }

    /// Bytes of one strip of rows of `k` elements.
    pub fn strip_bytes(self, k: usize) -> usize {
        self.entry.vectors * self.vector_bytes(k)
    }

    /// Bytes of one vector of interleaved rows.
    fn vector_bytes(self, k: usize) -> usize {
        pack::vector_bytes(self.weights(), self.entry.lanes, k)
    }

    /// Bytes of `rows` tokens of `k` values as [`Tokens`] holds them.
    pub fn token_bytes(self, rows: usize, k: usize) -> usize {
        match self.weights() {
            Dtype::F32 | Dtype::F16 => rows * k * 4,
            Dtype::Bf16 => rows * k.next_multiple_of(2) * 2,
            Dtype::I8 => rows * k.next_multiple_of(4),
            Dtype::Q4K => rows * k.div_ceil(quantised::SUPER_BLOCK) * quantised::Q4_K_WORDS * 4,
            Dtype::Q6K => rows * k.div_ceil(quantised::SUPER_BLOCK) * quantised::Q6_K_WORDS * 4,
            _ => rows * k.div_ceil(quantised::BLOCK) * quantised::BLOCK_WORDS * 4,
        }
    }

    /// Interleaves rows of weights from their stored layout (rows one after another, ggml's blocks for the block formats)
    /// into strips; what a last strip has too many is zero.
    ///
    /// # Panics
    /// When `k` is not a whole number of blocks, or the lengths do not fit.
    pub fn pack(self, weights: &[u8], k: usize, strips: &mut [u8]) {
        pack::pack(self.weights(), self.entry.lanes, self.entry.vectors, weights, k, strips);
    }

    /// Quantises `rows` tokens of `k` f32 values, one after another, into panels.
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
        for panel in panels_of(rows, tiles.len()) {
            let at = self.token_bytes(panel.start, k);
            // SAFETY: the ISA is available, for the entry was handed out; lengths are checked above, and panels follow
            // one another in both.
            unsafe {
                quantise(tokens.as_ptr().add(panel.start * k), k, panel.len(), k, panels.as_mut_ptr().add(at));
            }
        }
    }

    /// Multiplies one tile of C: its rows are `tokens`, its columns the weights in `strips`.
    ///
    /// # Panics
    /// When the lengths do not fit the tile.
    pub fn multiply(
        self,
        k: usize,
        strips: &[u8],
        tokens: Tokens<'_>,
        tile: &mut Tile<'_>,
        blocking: Blocking,
        scratch: &mut Scratch,
    ) {
        let strip_bytes = self.strip_bytes(k);
        assert_eq!(strips.len(), tile.columns().div_ceil(self.strip_rows()) * strip_bytes, "strips");
        assert_eq!(tile.columns() % self.strip_rows(), 0, "columns");
        assert_eq!(tile.rows(), tokens.rows, "rows");
        assert_eq!(tokens.bytes.len(), self.token_bytes(tokens.rows, k), "tokens");
        if k == 0 || tokens.rows == 0 {
            return tile.clear();
        }
        match &self.entry.tiles {
            Tiles::Quantised { tiles, .. } => self.multiply_quantised(tiles, k, strips, tokens, tile),
            Tiles::Plain(tiles) => self.multiply_plain(tiles, k, strips, tokens, tile, blocking, scratch),
        }
    }

    fn multiply_quantised(
        self,
        tiles: &'static [TileFn],
        k: usize,
        strips: &[u8],
        tokens: Tokens<'_>,
        tile: &mut Tile<'_>,
    ) {
        let groups = k.div_ceil(if matches!(self.weights(), Dtype::Q4K | Dtype::Q6K) {
            quantised::SUPER_BLOCK
        } else {
            quantised::BLOCK
        });
        for (index, strip) in strips.chunks_exact(self.strip_bytes(k)).enumerate() {
            for panel in panels_of(tokens.rows, tiles.len()) {
                let panel_bytes = &tokens.bytes[self.token_bytes(panel.start, k)..self.token_bytes(panel.end, k)];
                let arguments = TileArguments {
                    weights: strip.as_ptr(),
                    strip_bytes: self.vector_bytes(k),
                    activations: panel_bytes.as_ptr(),
                    row_stride: 0,
                    groups,
                    out: tile.at(panel.start, index * self.strip_rows()),
                    out_stride: tile.stride_bytes(),
                    add: false,
                    prefetch: strip.as_ptr(),
                };
                // SAFETY: the ISA is available, for the entry was handed out. The strip and the panel hold `groups`
                // blocks (lengths checked by the caller and the slicing), the tile the panel's rows and the strip's columns.
                unsafe { tiles[panel.len() - 1](&arguments) }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one call, each with its own lifetime")]
    fn multiply_plain(
        self,
        tiles: &PlainTiles,
        k: usize,
        strips: &[u8],
        tokens: Tokens<'_>,
        tile: &mut Tile<'_>,
        blocking: Blocking,
        scratch: &mut Scratch,
    ) {
        let row_stride = self.token_bytes(1, k);
        let groups = row_stride / 4;
        let strip_bytes = self.strip_bytes(k);
        let group_bytes = strip_bytes / groups;
        let panels = || panels_of(tokens.rows, tiles.direct.len());
        let several = panels().count() > 1;
        // A single panel uses each weight once: no block of them has to stay anywhere.
        let block = if several { (blocking.strip_bytes / group_bytes).clamp(64, groups.max(64)) } else { groups };
        // Even blocks: a short last one would cost a pass over C like any other.
        let block = groups.div_ceil(groups.div_ceil(block));
        for first in (0..groups).step_by(block) {
            let count = block.min(groups - first);
            if blocking.packed {
                pack::panels(tokens.bytes, row_stride, first..first + count, panels(), &mut scratch.packed);
            }
            for (index, strip) in strips.chunks_exact(strip_bytes).enumerate() {
                for (turn, panel) in panels().enumerate() {
                    let activations = if blocking.packed {
                        scratch.packed[panel.start * count..panel.end * count].as_ptr().cast()
                    } else {
                        tokens.bytes[panel.start * row_stride + first * 4..].as_ptr()
                    };
                    let weights = strip[first * group_bytes..(first + count) * group_bytes].as_ptr();
                    let arguments = TileArguments {
                        weights,
                        strip_bytes,
                        activations,
                        row_stride,
                        groups: count,
                        out: tile.at(panel.start, index * self.strip_rows()),
                        out_stride: tile.stride_bytes(),
                        add: first > 0,
                        prefetch: match turn {
                            // Four panels fetch the next strip's block, a line per group.
                            0..4 => weights.wrapping_add(strip_bytes + turn * count * group_bytes / 4),
                            _ => weights,
                        },
                    };
                    let tiles = if blocking.packed { tiles.packed } else { tiles.direct };
                    // SAFETY: the ISA is available, for the entry was handed out. The strip's block and `count` groups of
                    // the panel's rows are there (slices checked), the tile has the panel's rows and the strip's columns;
                    // prefetching may name any address.
                    unsafe { tiles[panel.len() - 1](&arguments) }
                }
            }
        }
    }
}

/// Cuts `rows` into as few panels of at most `most` as there can be, as even as they can be.
fn panels_of(rows: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = rows.div_ceil(most);
    (0..count).map(move |index| rows * index / count..rows * (index + 1) / count)
}
