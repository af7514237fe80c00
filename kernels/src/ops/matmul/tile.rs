//! The entry of a matmul in the table of an instruction set, and the tables of register tiles.

use super::format::Format;
use super::register_tile::{RegisterTile, TileArguments};
use super::strips::{OneStrip, SetArguments, SideBySide};
use crate::isa::Isa;
use crate::simd::{Kernel, Scale, Token};
use std::marker::PhantomData;

/// What a kernel works on that multiplies a whole tile of C by itself.
pub(crate) struct WholeArguments<'a> {
    /// All strips of the tile, one after another.
    pub(crate) strips: &'a [u8],
    /// From one strip to the next, bytes.
    pub(crate) strip_bytes: usize,
    /// Tokens, row after row.
    pub(crate) tokens: &'a [u8],
    /// From one token to the next, bytes.
    pub(crate) row_stride: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Elements of a row, one at least.
    pub(crate) k: usize,
    /// The tile's first element of C.
    pub(crate) out: *mut u8,
    /// From one row of C to the next, bytes.
    pub(crate) out_stride: usize,
}

/// Tokens to be quantised into one panel.
pub(crate) struct QuantiseArguments<'a> {
    /// Row after row.
    pub(super) tokens: &'a [f32],
    pub(super) rows: usize,
    /// Elements of a row, whole blocks.
    pub(super) k: usize,
    pub(super) panel: &'a mut [u8],
}

pub(crate) type WholeFn = for<'a> unsafe fn(&'a WholeArguments<'a>);
pub(crate) type TileFn = for<'a> unsafe fn(&'a TileArguments<'a>);
pub(super) type SetFn = for<'a> unsafe fn(&'a SetArguments<'a>);

/// One kernel in the table of an instruction set.
pub(crate) struct MatmulEntry {
    pub(super) isa: Isa,
    pub(crate) format: &'static Format,
    /// Rows of weights in a strip.
    pub(super) strip_rows: usize,
    /// What the rows are to be multiplied by.
    pub(super) scale: Scale,
    /// Register tiles, from one row up: `tiles[r - 1]` multiplies `r` tokens.
    pub(super) tiles: &'static [TileFn],
    /// The same with strips side by side, and with lines asked for ahead of their use.
    pub(super) sets: &'static [SetFn],
    /// Tiles of other extents, for products of many tokens.
    pub(crate) shapes: &'static [Shape],
    /// Instead of register tiles, of which there are none then: multiplies all of a tile of C from row-major tokens.
    pub(super) whole: Option<WholeFn>,
    /// For the block formats, and others that take tokens so: into panels for the register tiles, or row-major.
    pub(crate) quantise: Option<unsafe fn(QuantiseArguments<'_>)>,
}

/// Register tiles that take a part of a strip's columns, and more rows.
pub(crate) struct Shape {
    /// Columns, a whole fraction of a strip's.
    pub(super) columns: usize,
    /// From one row up, as [`MatmulEntry::tiles`].
    pub(super) tiles: &'static [TileFn],
}

impl Shape {
    /// The most rows, and the columns.
    pub(crate) const fn extents(&self) -> [usize; 2] {
        [self.tiles.len(), self.columns]
    }
}

impl MatmulEntry {
    /// A kernel with register tiles of an instruction set's own, which read strips one after another.
    pub(crate) const fn of_tiles(
        isa: Isa,
        format: &'static Format,
        strip_rows: usize,
        scale: Scale,
        tiles: &'static [TileFn],
    ) -> MatmulEntry {
        MatmulEntry { isa, format, strip_rows, scale, tiles, sets: &[], shapes: &[], whole: None, quantise: None }
    }

    /// A kernel of plain weights that multiplies a whole tile of C.
    pub(crate) const fn of_whole(
        isa: Isa,
        format: &'static Format,
        strip_rows: usize,
        scale: Scale,
        whole: WholeFn,
    ) -> MatmulEntry {
        MatmulEntry {
            isa,
            format,
            strip_rows,
            scale,
            tiles: &[],
            sets: &[],
            shapes: &[],
            whole: Some(whole),
            quantise: None,
        }
    }

    /// Where the code of the largest register tile begins, of the usual ones or of the shape of those extents.
    pub(crate) fn code(&self, tile: Option<[usize; 2]>) -> Option<usize> {
        let tiles = match tile {
            None => Some(self.tiles),
            Some(extents) => self.shapes.iter().find(|shape| shape.extents() == extents).map(|shape| shape.tiles),
        };
        tiles?.last().map(|&tile| tile as usize)
    }

    /// Whether it has register tiles, which read strips in several ways.
    pub(crate) fn has_ways(&self) -> bool {
        !self.sets.is_empty()
    }
}

/// A register tile of `ROWS` rows. Those of more than `MOST` stand in no table, and there is no code for them.
struct Rows<T, const ROWS: usize, const MOST: usize>(PhantomData<T>);

impl<S: Token, T: RegisterTile<S>, const ROWS: usize, const MOST: usize> Kernel<S> for Rows<T, ROWS, MOST> {
    type Input<'a> = &'a TileArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, arguments: &TileArguments<'_>) {
        if ROWS <= MOST {
            // SAFETY: who calls a tile describes memory that is there.
            unsafe { OneStrip::<T, ROWS>::run(token, arguments) }
        }
    }
}

/// The same with strips side by side.
struct RowsOfSets<T, const ROWS: usize, const MOST: usize>(PhantomData<T>);

impl<S: Token, T: RegisterTile<S>, const ROWS: usize, const MOST: usize> Kernel<S> for RowsOfSets<T, ROWS, MOST> {
    type Input<'a> = &'a SetArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, arguments: &SetArguments<'_>) {
        if ROWS <= MOST {
            // SAFETY: who calls a tile describes memory that is there.
            unsafe { SideBySide::<T, ROWS>::run(token, arguments) }
        }
    }
}

/// The tiles of one to `MOST` rows.
pub(super) struct Tiles<S, T, const MOST: usize>(PhantomData<(S, T)>);

impl<S: Token, T: RegisterTile<S>, const MOST: usize> Tiles<S, T, MOST> {
    const ALL: [TileFn; 12] = [
        S::run::<Rows<T, 1, MOST>>,
        S::run::<Rows<T, 2, MOST>>,
        S::run::<Rows<T, 3, MOST>>,
        S::run::<Rows<T, 4, MOST>>,
        S::run::<Rows<T, 5, MOST>>,
        S::run::<Rows<T, 6, MOST>>,
        S::run::<Rows<T, 7, MOST>>,
        S::run::<Rows<T, 8, MOST>>,
        S::run::<Rows<T, 9, MOST>>,
        S::run::<Rows<T, 10, MOST>>,
        S::run::<Rows<T, 11, MOST>>,
        S::run::<Rows<T, 12, MOST>>,
    ];
    pub(super) const TABLE: &'static [TileFn] = Self::ALL.split_at(MOST).0;

    const ALL_SETS: [SetFn; 8] = [
        S::run::<RowsOfSets<T, 1, MOST>>,
        S::run::<RowsOfSets<T, 2, MOST>>,
        S::run::<RowsOfSets<T, 3, MOST>>,
        S::run::<RowsOfSets<T, 4, MOST>>,
        S::run::<RowsOfSets<T, 5, MOST>>,
        S::run::<RowsOfSets<T, 6, MOST>>,
        S::run::<RowsOfSets<T, 7, MOST>>,
        S::run::<RowsOfSets<T, 8, MOST>>,
    ];
    pub(super) const SETS: &'static [SetFn] = Self::ALL_SETS.split_at(MOST).0;
}
