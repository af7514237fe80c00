//! The vocabulary of units that multiply tiles: 16 rows of 16 words of 32 bits, in registers of their own.

/// Rows of a tile, and words in one of its rows.
pub(crate) const TILE_ROWS: usize = 16;
/// Columns of a panel of B: two tiles side by side.
pub(crate) const PANEL_COLUMNS: usize = 2 * TILE_ROWS;
/// From one word of k of a panel to the next, bytes: the word of each column.
pub(crate) const PANEL_STRIDE: usize = PANEL_COLUMNS * 4;

/// What tiles are in use, and how much of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileShape {
    /// Rows of A and C: up to 16 are one tile, up to 32 are two.
    pub(crate) rows: usize,
    /// Words of k in a step, up to 16.
    pub(crate) words: usize,
}

/// A block of C and what is multiplied into it: as many rows as the shape has, and the columns of one or two panels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileOperands {
    /// The first row of A, at its first word.
    pub(crate) a: *const u8,
    /// From one row of A to the next, bytes.
    pub(crate) a_stride: usize,
    /// From one word of B to the next, bytes: [`PANEL_STRIDE`] but for [`TileUnit::multiply_narrow`].
    pub(crate) b_stride: usize,
    /// A panel of B at its first word, and a second one, for up to 16 rows.
    pub(crate) b: (*const u8, Option<*const u8>),
    /// Steps of k, one at least.
    pub(crate) steps: usize,
    /// The block's first element of C.
    pub(crate) c: *mut u8,
    /// From one row of C to the next, bytes.
    pub(crate) c_stride: usize,
    /// Add to what C holds instead of replacing it.
    pub(crate) add: bool,
}

/// A unit that multiplies tiles, from its configuration until it is dropped in the hands of one thread.
pub(crate) trait TileUnit: Sized {
    /// Takes this thread's unit.
    ///
    /// # Safety
    /// The CPU has such a unit, the system lets this process use it, and nobody else in this thread has it.
    unsafe fn acquire() -> Self;

    /// Makes it ready for blocks of such a shape; costs nothing if it is.
    fn configure(&mut self, shape: TileShape);

    /// `C = A·B`, or `C += A·B`, for a block of the shape that it is configured for.
    ///
    /// # Safety
    /// The operands describe memory that is there: `steps` steps of every row of A and of every panel, and the block of C.
    unsafe fn multiply(&self, operands: &TileOperands);

    /// The same for up to 16 rows and the first 16 columns of a panel.
    ///
    /// # Safety
    /// As [`TileUnit::multiply`].
    unsafe fn multiply_narrow(&self, operands: &TileOperands);
}
