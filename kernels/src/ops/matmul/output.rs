//! The matrix C, cut into tiles that several threads write at once.

use crate::buffer::{Buffer, Pages};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a matrix is cut: every tile has `rows × columns` elements but for the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// Rows of a tile.
    pub tile_rows: usize,
    /// Columns of a tile.
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
        (i * self.tile_rows).min(self.rows)..((i + 1) * self.tile_rows).min(self.rows)
    }

    /// The columns of the tiles in column `j` of the grid.
    pub fn columns_of(self, j: usize) -> std::ops::Range<usize> {
        (j * self.tile_columns).min(self.columns)..((j + 1) * self.tile_columns).min(self.columns)
    }
}

/// A row-major matrix of 32-bit elements (f32, or i32 for i8 weights).
#[derive(Debug)]
pub struct Output {
    buffer: Buffer,
    start: *mut u8,
    grid: Grid,
    busy: Vec<AtomicBool>,
}

// SAFETY: the memory is reached through `Tile`s, of which no two of the same place exist at a time, or through `&mut`.
unsafe impl Sync for Output {}
// SAFETY: the buffer is owned, and bound to no thread.
unsafe impl Send for Output {}

impl Output {
    /// A zeroed matrix.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub fn new(grid: Grid) -> io::Result<Output> {
        let elements = grid.rows * grid.columns;
        let mut buffer = Buffer::new(elements.div_ceil(2), Pages::Huge, 0)?;
        let start = buffer.as_mut_slice().as_mut_ptr().cast();
        let busy = (0..grid.down() * grid.across()).map(|_| AtomicBool::new(false)).collect();
        Ok(Output { buffer, start, grid, busy })
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
        let busy = &self.busy[i * self.grid.across() + j];
        if busy.swap(true, Ordering::Acquire) {
            return None;
        }
        let (rows, columns) = (self.grid.rows_of(i), self.grid.columns_of(j));
        // SAFETY: row and column lie in the matrix.
        let start = unsafe { self.start.add((rows.start * self.grid.columns + columns.start) * 4) };
        Some(Tile { start, rows: rows.len(), columns: columns.len(), stride: self.grid.columns * 4, busy })
    }

    /// Element `(row, column)` as its 32 bits.
    ///
    /// # Panics
    /// Outside the matrix.
    pub fn bits(&mut self, row: usize, column: usize) -> u32 {
        assert!(row < self.grid.rows && column < self.grid.columns, "element ({row}, {column})");
        let bits = self.buffer.as_slice()[(row * self.grid.columns + column) / 2].to_bits();
        let odd = (row * self.grid.columns + column) % 2 == 1;
        if odd == cfg!(target_endian = "little") { (bits >> 32) as u32 } else { bits as u32 }
    }

    /// Overwrites everything with a value that no kernel writes.
    pub fn spoil(&mut self) {
        self.buffer.as_mut_slice().fill(f64::from_bits(u64::MAX));
    }
}

/// One tile of an [`Output`], for one thread at a time.
#[derive(Debug)]
pub struct Tile<'a> {
    start: *mut u8,
    rows: usize,
    columns: usize,
    stride: usize,
    busy: &'a AtomicBool,
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
        for row in 0..self.rows {
            // SAFETY: `columns` elements of 4 bytes follow the first one of a row of the tile.
            unsafe { self.start.add(row * self.stride).write_bytes(0, self.columns * 4) }
        }
    }
}

impl Drop for Tile<'_> {
    fn drop(&mut self) {
        self.busy.store(false, Ordering::Release);
    }
}
