//! Matmul: `C[m×n] = A[m×k] · B[n×k]ᵀ`, B being weights in a stored format, A the activations of m tokens.
//!
//! ```text
//! once:            weights in their stored layout → strips (rows of weights interleaved, see `plain` and `formats`)
//! for each call:   tokens → panels, quantised          (block formats; plain tokens where an instruction set wants them so)
//!                  for each tile of C, by any thread:  for each block of k, strip, and panel of rows: a register tile
//! ```
//!
//! One layout of the weights serves one token and a thousand. A tile of C is a [`Tile`] of an [`Output`], which is how
//! several threads write one matrix; who works on which is the caller's business.

mod activations;
mod arrange;
mod format;
mod formats;
mod halves;
mod kernel;
mod lanes;
mod output;
mod pairs;
mod panel;
mod plain;
mod register_tile;
mod strips;
mod tile;
mod whole;

pub(crate) use formats::{BlockFormats, UnitFormats, of_small_blocks};
pub(crate) use halves::{halves, laned_halves};
pub use kernel::{MatmulKernel, Tokens, Ways};
pub(crate) use lanes::{LanedBf16, LanedF16, LanedF32, LanedI8, laned};
pub use output::{Grid, Output, SPOILT, Tile};
pub(crate) use pairs::{PairedBf16, PairedI8, paired};
pub(crate) use plain::{BF16, Bf16, F16, F16_FORMAT, F32, F32_FORMAT, I8, I8_FORMAT, plain, tall};
pub(crate) use register_tile::TileArguments;
pub(crate) use tile::{MatmulEntry, Shape, TileFn, WholeArguments};
pub(crate) use whole::plain_whole;
