//! Matmul by units that multiply tiles: a whole tile of C at a time.
//!
//! ```text
//! for 1 KiB of each token's k:                      its rows stay in the second-level cache
//!     for a panel of B, 32 columns of weights:      32 KiB, in the first-level cache; block formats: made there, in bf16
//!         for 32 rows of C:                         2 × 2 tiles of sums, from C and back
//!             for 64 bytes of k:                    two tiles of tokens times two of weights
//! ```
//!
//! Up to 32 rows have no second use for a panel: they take one panel after another with all of its k. Up to 16 rows are one
//! tile of tokens, which takes four of plain weights.

mod panels;
mod scaled;

use super::tile::WholeArguments;
use crate::simd::{PANEL_COLUMNS, PANEL_STRIDE, TILE_ROWS, TileOperands, TileShape, TileUnit};
use std::ops::Range;

pub(crate) use panels::plain_whole;
pub(super) use panels::{Dequantise, rounded_whole};
pub(super) use scaled::{SmallBlocks, scaled_whole};

/// Words of k in a panel: 1 KiB of each token.
const PANEL_WORDS: usize = 256;

/// Where panels of B come from.
trait Panels {
    /// Whether panels lie in memory all the time, whatever their length, so that two can be used at once.
    const IN_PLACE: bool;

    /// The panel of 32 columns with some words of k, valid until the next one is asked for, if not in place.
    fn panel(&mut self, column: usize, words: Range<usize>) -> *const u8;
}

/// Multiplies a tile of C: `words` words of k of every token, panel by panel.
///
/// # Safety
/// The arguments describe memory that is there, and so do the panels.
unsafe fn multiply<U: TileUnit, P: Panels>(unit: &mut U, mut panels: P, words: usize, arguments: &WholeArguments<'_>) {
    let once = arguments.rows <= 2 * TILE_ROWS;
    let most = if once && P::IN_PLACE { usize::MAX } else { PANEL_WORDS };
    let wide = P::IN_PLACE && arguments.rows <= TILE_ROWS;
    let mut product = |column: usize, words: Range<usize>| {
        let second = wide && column + PANEL_COLUMNS < arguments.columns;
        let b = panels.panel(column, words.clone());
        let b = (b, second.then(|| panels.panel(column + PANEL_COLUMNS, words.clone())));
        // SAFETY: by contract.
        unsafe { all_rows(unit, arguments, b, column, words) }
    };
    let columns = || (0..arguments.columns).step_by(if wide { 2 * PANEL_COLUMNS } else { PANEL_COLUMNS });
    if once {
        columns().for_each(|column| chunks(words, most).for_each(|words| product(column, words)));
    } else {
        chunks(words, most).for_each(|words| columns().for_each(|column| product(column, words.clone())));
    }
}

/// Multiplies one or two panels with all rows; a last one of 16 columns too.
///
/// # Safety
/// The arguments describe memory that is there, and the panels have these words.
unsafe fn all_rows<U: TileUnit>(
    unit: &mut U,
    arguments: &WholeArguments<'_>,
    b: (*const u8, Option<*const u8>),
    column: usize,
    words: Range<usize>,
) {
    // Whole steps, or one that is not.
    let (steps, step) = (words.len().div_ceil(TILE_ROWS), words.len().min(TILE_ROWS));
    let narrow = arguments.columns - column < PANEL_COLUMNS;
    let most = if narrow { TILE_ROWS } else { 2 * TILE_ROWS };
    for row in (0..arguments.rows).step_by(most) {
        unit.configure(TileShape { rows: (arguments.rows - row).min(most), words: step });
        // SAFETY: row and column lie in the tile, and the words in its tokens.
        unsafe {
            let operands = TileOperands {
                a: arguments.tokens.as_ptr().add(row * arguments.row_stride + words.start * 4),
                a_stride: arguments.row_stride,
                b,
                b_stride: PANEL_STRIDE,
                steps,
                c: arguments.out.add(row * arguments.out_stride + column * 4),
                c_stride: arguments.out_stride,
                add: words.start > 0,
            };
            if narrow { unit.multiply_narrow(&operands) } else { unit.multiply(&operands) }
        }
    }
}

/// Cuts `0..words` into ranges of at most `most` words in whole steps, and a last one of less than a step.
fn chunks(words: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let whole = words - words % TILE_ROWS;
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let end = if start < whole { whole.min(start.saturating_add(most)) } else { words };
        at = end;
        (start < end).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn words_are_cut_into_whole_steps_and_a_rest() {
        let cut = |words, most| chunks(words, most).map(|range| (range.start, range.end)).collect::<Vec<_>>();
        assert_eq!(cut(0, 256), []);
        assert_eq!(cut(7, 256), [(0, 7)]);
        assert_eq!(cut(16, usize::MAX), [(0, 16)]);
        assert_eq!(cut(530, 256), [(0, 256), (256, 512), (512, 528), (528, 530)]);
        assert_eq!(cut(530, usize::MAX), [(0, 528), (528, 530)]);
    }
}
