//! What a product multiplies with its weights: tokens, and where they lie as its kernel reads them.
//!
//! Products of one sequence that take in the same kind of rows share them, as in a model they do: queries, keys and values are made
//! of the same rows, which are in a cache after the first of them.

use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel};
use roofprobe_kernels::reference::matmul as oracle;
use roofprobe_kernels::{Dtype, Isa};
use std::sync::{Arc, RwLock};

/// What lies on a huge page takes it whole.
pub(super) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// What two products must have in common to share rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowsKind {
    of_kernel: (Isa, Dtype, Dtype),
    /// Rows, and rows of a tile.
    rows: [usize; 2],
    k: usize,
    /// Whether plain tokens are set apart.
    apart: bool,
}

impl RowsKind {
    pub(super) fn new(kernel: MatmulKernel, grid: Grid, k: usize, apart: bool) -> RowsKind {
        let of_kernel = (kernel.isa(), kernel.weights(), kernel.arithmetic());
        RowsKind { of_kernel, rows: [grid.rows, grid.tile_rows], k, apart }
    }

    /// Bytes of so many of them, as `kernel` reads them.
    pub(super) fn bytes(self, kernel: MatmulKernel, rows: usize) -> usize {
        if self.apart { kernel.token_bytes_apart(rows, self.k) } else { kernel.token_bytes(rows, self.k) }
    }
}

/// Tokens, `rows` × `k`, and the same as the kernel reads them.
pub(super) struct Activations {
    pub(super) kind: RowsKind,
    pub(super) tokens: Vec<f32>,
    /// The tokens of each row of tiles, as the kernel reads them.
    pub(super) parts: Vec<RwLock<Buffer>>,
}

impl Activations {
    fn new(kernel: MatmulKernel, grid: Grid, kind: RowsKind, pages: Pages) -> std::io::Result<Activations> {
        let k = kind.k;
        let tokens = oracle::tokens(grid.rows, k, 0x70c);
        let part = |i: usize| {
            let rows = grid.rows_of(i);
            let bytes = kind.bytes(kernel, rows.len());
            let mut buffer = Buffer::new(bytes.div_ceil(8), pages, part_offset(i))?;
            if !kernel.quantises() {
                let values = &tokens[rows.start * k..rows.end * k];
                let stored = oracle::stored_tokens(kernel.arithmetic(), values, k);
                kernel.place(&stored, k, &mut buffer.as_mut_bytes()[..bytes]);
            }
            Ok::<RwLock<Buffer>, std::io::Error>(RwLock::new(buffer))
        };
        let parts = (0..grid.down()).map(part).collect::<std::io::Result<_>>()?;
        Ok(Activations { kind, tokens, parts })
    }

    /// Those of this kind that were `made` before; else new ones, which are kept there.
    pub(super) fn shared(
        kernel: MatmulKernel,
        grid: Grid,
        kind: RowsKind,
        pages: Pages,
        made: &mut Vec<Arc<Activations>>,
    ) -> std::io::Result<Arc<Activations>> {
        if let Some(known) = made.iter().find(|known| known.kind == kind) {
            return Ok(Arc::clone(known));
        }
        let new = Arc::new(Activations::new(kernel, grid, kind, pages)?);
        made.push(Arc::clone(&new));
        Ok(new)
    }
}

/// Memory that such rows take, bytes.
pub(super) fn bytes(kernel: MatmulKernel, grid: Grid, kind: RowsKind) -> u128 {
    let part = |i: usize| {
        let bytes = kind.bytes(kernel, grid.rows_of(i).len());
        let offset = part_offset(i) % HUGE_PAGE_BYTES;
        (bytes + offset).next_multiple_of(HUGE_PAGE_BYTES) as u128
    };
    (0..grid.down()).map(part).sum::<u128>() + 4 * grid.rows as u128 * kind.k as u128
}

/// Where the tokens of a row of tiles begin: at different lines of different pages.
fn part_offset(i: usize) -> usize {
    i * 3 * 4096 + i * 320
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_one_kind_share_their_rows_and_others_do_not() {
        let kernel = |weights: Dtype| MatmulKernel::find(weights, Isa::Portable, None).unwrap();
        let grid = |rows: usize, columns: usize| Grid { rows, columns, tile_rows: rows.min(4), tile_columns: 16 };
        let mut made = Vec::new();
        let mut of = |weights: Dtype, grid: Grid, k: usize, apart: bool| {
            let kind = RowsKind::new(kernel(weights), grid, k, apart);
            let rows = Activations::shared(kernel(weights), grid, kind, Pages::Base, &mut made).unwrap();
            assert_eq!((rows.tokens.len(), rows.parts.len()), (grid.rows * k, grid.down()));
            rows
        };
        let first = of(Dtype::Q8_0, grid(9, 32), 64, false);
        // However many columns there are.
        assert!(Arc::ptr_eq(&first, &of(Dtype::Q8_0, grid(9, 96), 64, false)));
        let others = [
            of(Dtype::Q4_0, grid(9, 32), 64, false),
            of(Dtype::Q8_0, grid(8, 32), 64, false),
            of(Dtype::Q8_0, Grid { tile_rows: 3, ..grid(9, 32) }, 64, false),
            of(Dtype::Q8_0, grid(9, 32), 96, false),
            of(Dtype::Q8_0, grid(9, 32), 64, true),
        ];
        assert!(others.iter().all(|other| !Arc::ptr_eq(&first, other)));
        assert_eq!(made.len(), 6);
    }
}
