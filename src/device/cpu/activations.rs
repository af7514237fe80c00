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
const HUGE_PAGE_BYTES: usize = 2 << 20;

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
}

/// Tokens, `rows` × `k`, and the same as the kernel reads them.
pub(super) struct Activations {
    kind: RowsKind,
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
            let bytes = token_bytes(kernel, rows.len(), k, kind.apart);
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
        let bytes = token_bytes(kernel, grid.rows_of(i).len(), kind.k, kind.apart);
        let offset = part_offset(i) % HUGE_PAGE_BYTES;
        (bytes + offset).next_multiple_of(HUGE_PAGE_BYTES) as u128
    };
    (0..grid.down()).map(part).sum::<u128>() + 4 * grid.rows as u128 * kind.k as u128
}

/// Where the tokens of a row of tiles begin: at different lines of different pages.
fn part_offset(i: usize) -> usize {
    i * 3 * 4096 + i * 320
}

/// Bytes of the tokens of so many rows.
pub(super) fn token_bytes(kernel: MatmulKernel, rows: usize, k: usize, apart: bool) -> usize {
    if apart { kernel.token_bytes_apart(rows, k) } else { kernel.token_bytes(rows, k) }
}
