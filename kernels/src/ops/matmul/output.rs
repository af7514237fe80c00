//! The matrix C, cut into tiles that several threads write at once.

use crate::buffer::{Buffer, Pages};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a matrix is cut: every tile has `tile_rows × tile_columns` elements but for the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// Rows of a tile, at least one.
    pub tile_rows: usize,
    /// Columns of a tile, at least one.
    pub tile_columns: usize,
}

impl Grid {
    /// Tiles one below another.
    pub fn down(self) -> usize {
        self.rows.div_ceil(self.tile_rows)
    }

    /// Tiles side by side.
    pub fn across(self) -> usize {
        self.columns.div_ceil(self.tile_columns)
    }

    /// The rows of the tiles in row `i` of the grid.
    pub fn rows_of(self, i: usize) -> std::ops::Range<usize> {
        let start = i.saturating_mul(self.tile_rows).min(self.rows);
        start..start.saturating_add(self.tile_rows).min(self.rows)
    }

    /// The columns of the tiles in column `j` of the grid.
    pub fn columns_of(self, j: usize) -> std::ops::Range<usize> {
        let start = j.saturating_mul(self.tile_columns).min(self.columns);
        start..start.saturating_add(self.tile_columns).min(self.columns)
    }
}

/// The bits of an element that no kernel has written: as an integer beyond every sum of fewer than 2¹⁶ − 1 products of bytes,
/// as an f32 smaller than any rounding error.
pub const SPOILT: u32 = u32::from_ne_bytes([SPOILT_BYTE; 4]);
const SPOILT_BYTE: u8 = 0x80;

/// A row-major matrix of 32-bit elements (f32, or i32 for i8 weights).
#[derive(Debug)]
pub struct Output {
    /// Keeps the memory.
    _buffer: Buffer,
    start: *mut u8,
    grid: Grid,
    busy: Vec<Busy>,
}

/// Whether somebody has a tile, on a line of its own: threads that take neighbouring tiles would wait for each other's line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Busy(AtomicBool);

// SAFETY: the memory is reached through `Tile`s only, of which no two of the same place exist at a time.
unsafe impl Sync for Output {}
// SAFETY: the buffer is owned, and bound to no thread.
unsafe impl Send for Output {}

impl Output {
    /// A zeroed matrix.
    ///
    /// # Errors
    /// When the system gives no memory.
    ///
    /// # Panics
    /// When a tile has no rows or no columns.
    pub fn new(grid: Grid) -> io::Result<Output> {
        assert!(grid.tile_rows > 0 && grid.tile_columns > 0, "a tile has rows and columns");
        let elements = grid.rows.saturating_mul(grid.columns);
        let mut buffer = Buffer::new(elements.div_ceil(2), Pages::Huge, 0)?;
        let start = buffer.as_mut_slice().as_mut_ptr().cast();
        let busy = (0..grid.down() * grid.across()).map(|_| Busy::default()).collect();
        Ok(Output { _buffer: buffer, start, grid, busy })
    }

    /// How it is cut.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The tile in row `i` and column `j` of the grid, to write; none while somebody else has it, or outside the grid.
    pub fn tile(&self, i: usize, j: usize) -> Option<Tile<'_>> {
        if i >= self.grid.down() || j >= self.grid.across() {
            return None;
        }
        let Busy(busy) = &self.busy[i * self.grid.across() + j];
        if busy.swap(true, Ordering::Acquire) {
            return None;
        }
        let (rows, columns) = (self.grid.rows_of(i), self.grid.columns_of(j));
        // SAFETY: row and column lie in the matrix.
        let start = unsafe { self.start.add((rows.start * self.grid.columns + columns.start) * 4) };
        Some(Tile { start, rows: rows.len(), columns: columns.len(), stride: self.grid.columns * 4, busy: Some(busy) })
    }
}

/// One tile of an [`Output`], for one thread at a time.
#[derive(Debug)]
pub struct Tile<'a> {
    start: *mut u8,
    rows: usize,
    columns: usize,
    stride: usize,
    /// What the tile gives back; nothing if it is a part of one.
    busy: Option<&'a AtomicBool>,
}

impl Tile<'_> {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Some of its columns, while they are borrowed.
    ///
    /// # Panics
    /// When it has no such columns.
    pub fn part(&mut self, columns: std::ops::Range<usize>) -> Tile<'_> {
        assert!(columns.start <= columns.end && columns.end <= self.columns, "columns {columns:?} of a tile");
        // SAFETY: the column lies in the tile, or one behind its last one.
        let start = unsafe { self.start.add(columns.start * 4) };
        Tile { start, rows: self.rows, columns: columns.len(), stride: self.stride, busy: None }
    }

    /// Its first rows, while they are borrowed.
    ///
    /// # Panics
    /// When it has not so many.
    pub fn first_rows(&mut self, rows: usize) -> Tile<'_> {
        assert!(rows <= self.rows, "{rows} rows of a tile");
        Tile { start: self.start, rows, columns: self.columns, stride: self.stride, busy: None }
    }

    /// Element `(row, column)` of the tile as its 32 bits.
    ///
    /// # Panics
    /// Outside the tile.
    pub fn bits(&mut self, row: usize, column: usize) -> u32 {
        // SAFETY: `at` points to an element of the tile, which this owner alone has.
        unsafe { self.at(row, column).cast::<u32>().read() }
    }

    /// Overwrites every element with [`SPOILT`].
    pub fn spoil(&mut self) {
        self.fill(SPOILT_BYTE);
    }

    pub(super) fn stride_bytes(&self) -> usize {
        self.stride
    }

    /// Where element `(row, column)` of the tile stands.
    pub(super) fn at(&mut self, row: usize, column: usize) -> *mut u8 {
        assert!(row < self.rows && column < self.columns, "element ({row}, {column}) of a tile");
        // SAFETY: the element lies in the tile, and the tile in the matrix.
        unsafe { self.start.add(row * self.stride + column * 4) }
    }

    /// Sets every element to zero.
    pub(super) fn clear(&mut self) {
        self.fill(0);
    }

    fn fill(&mut self, byte: u8) {
        for row in 0..self.rows {
            // SAFETY: `columns` elements of 4 bytes follow the first one of a row of the tile.
            unsafe { self.start.add(row * self.stride).write_bytes(byte, self.columns * 4) }
        }
    }
}

impl Drop for Tile<'_> {
    fn drop(&mut self) {
        if let Some(busy) = self.busy {
            busy.store(false, Ordering::Release);
        }
    }
}
