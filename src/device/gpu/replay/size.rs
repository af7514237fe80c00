//! How a sequence is cut for an adapter, and how much of its memory it takes.

use crate::job::{Matrix, Routine, Sequence, Table};
use crate::profile::{GpuLimits, Variant};
use roofprobe_kernels::{Op, Shape};

/// What decoders read beyond the last row of a matrix, and what bindings begin at multiples of.
const SLACK_BYTES: u64 = 256;
/// Rows of a matrix that stand in a part: a whole number of every tile's columns, as long as there are more.
const PART_ROWS: u64 = 256;
/// A shader's extents are less.
const EXTENT_MAX: u64 = 1 << 24;
/// What pipelines, parameters and copies to and from the host take.
const OVERHEAD_BYTES: u128 = 64 << 20;
/// Tokens of an expert that are multiplied at a time: each number of them is a program with buffers of its own.
const EXPERT_ROWS: [u64; 3] = [1, 4, 16];

/// Bytes of a row of weights.
fn row_bytes(matrix: &Matrix) -> u64 {
    matrix.dtype.bytes(matrix.k.into()).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(u64::MAX).max(1)
}

/// The most tokens that are multiplied with that matrix at a time.
fn tokens_max(sequence: &Sequence, place: usize) -> u64 {
    let of = |routine: &Routine| match routine {
        Routine::Matmul { matrix, variant } | Routine::Experts { matrix, variant, .. } if *matrix == place => {
            variant.keys().m.unwrap_or(1)
        }
        _ => 1,
    };
    sequence.routines.iter().map(of).max().unwrap_or(1)
}

/// The rows of each part of a matrix: as many as weights, results and 32-bit numbers of elements allow in one binding.
pub(super) fn parts(sequence: &Sequence, place: usize, binding_bytes: u64) -> Vec<u64> {
    let matrix = &sequence.matrices[place];
    let tokens = tokens_max(sequence, place);
    let most = [
        binding_bytes.saturating_sub(2 * SLACK_BYTES) / row_bytes(matrix),
        binding_bytes / (4 * tokens),
        u64::from(u32::MAX) / matrix.k.next_multiple_of(8).max(1),
        u64::from(u32::MAX) / tokens.max(1),
        EXTENT_MAX - 1,
    ];
    let most = most.into_iter().min().unwrap_or(1).max(1);
    if matrix.n <= most {
        return vec![matrix.n];
    }
    let count = matrix.n.div_ceil(most);
    let even = matrix.n.div_ceil(count);
    let each = if even.next_multiple_of(PART_ROWS) <= most { even.next_multiple_of(PART_ROWS) } else { even };
    (0..matrix.n).step_by(each as usize).map(|from| each.min(matrix.n - from)).collect()
}

/// The numbers of tokens of an expert for which there are programs, where it gets `most` at a time.
pub(super) fn expert_rows(most: u64) -> Vec<u64> {
    EXPERT_ROWS.into_iter().filter(|&rows| rows < most).chain([most]).collect()
}

/// Words of a row of a table.
pub(super) const fn words(table: &Table) -> u64 {
    table.row_bytes.div_ceil(4)
}

/// Rows of a table that one binding holds, of those that it has.
pub(super) fn table_rows(table: &Table, binding_bytes: u64) -> u64 {
    table.rows.min(binding_bytes / (4 * words(table)).max(1)).max(1)
}

/// Keys and values, bytes, that one launch of an attention reads; `window` tokens of each query at most.
pub(super) fn attention_bytes(
    sequence: &Sequence,
    (cache, tokens, context): (usize, u64, u64),
    window: Option<u64>,
) -> u64 {
    let cache = &sequence.caches[cache];
    let per_token = cache.kv_heads * cache.head_dim * if cache.shared { 2 } else { 4 };
    let most = window.map_or(u64::MAX, |window| window.saturating_add(tokens.saturating_sub(1)));
    per_token.saturating_mul(context.min(most))
}

/// Elements of the arrays that work on rows of activations goes by.
pub(super) fn activation_elements(sequence: &Sequence, binding_bytes: u64) -> u64 {
    let most = binding_bytes / 4;
    let whole = |shape: Shape| shape.m.max(1).saturating_mul(shape.n.max(1)).min(most).max(shape.n);
    let of = |routine: &Routine| match routine {
        Routine::Rows { op: Op::State, .. } => 0,
        Routine::Rows { op, shape, .. } => {
            let cost = op.cost(*shape);
            let read = u64::try_from(cost.input_read + cost.weights_read).unwrap_or(u64::MAX).min(most);
            let alone = matches!(op, Op::Conv | Op::Scan | Op::SelectiveScan | Op::DeltaRule);
            whole(*shape).max(if alone { read } else { 0 })
        }
        Routine::Gather { rows, row, .. } => whole(Shape::rows(*rows, *row)),
        Routine::Attention { variant, .. } => {
            let keys = variant.keys();
            whole(Shape::rows(keys.m.unwrap_or(1), keys.heads.unwrap_or(1) * keys.head_dim.unwrap_or(1)))
        }
        Routine::Matmul { .. } | Routine::Experts { .. } => 0,
    };
    sequence.routines.iter().map(of).max().unwrap_or(0).max(4)
}

/// Memory that a sequence takes, bytes; `None` where that is more than any machine has.
pub(super) fn bytes(sequence: &Sequence, limits: &GpuLimits) -> Option<u64> {
    let binding = limits.binding_bytes.min(limits.buffer_bytes);
    let mut all = OVERHEAD_BYTES;
    for (place, matrix) in sequence.matrices.iter().enumerate() {
        let row = u128::from(row_bytes(matrix));
        let parts = parts(sequence, place, binding).into_iter();
        let copy: u128 = parts.map(|rows| u128::from(rows) * row + 2 * u128::from(SLACK_BYTES)).sum();
        all = all.checked_add(copy.checked_mul(matrix.copies.into())?)?;
    }
    for cache in &sequence.caches {
        let row = u128::from(cache.kv_heads) * u128::from(cache.head_dim) * if cache.shared { 2 } else { 4 };
        all = all.checked_add(row.checked_mul(cache.tokens.into())?.checked_mul(cache.copies.into())?)?;
    }
    for table in &sequence.tables {
        all += 4 * u128::from(words(table)) * u128::from(table_rows(table, binding));
    }
    all += 12 * u128::from(activation_elements(sequence, binding));
    for routine in &sequence.routines {
        all = all.checked_add(routine_bytes(routine))?;
    }
    u64::try_from(all).ok()
}

/// Tokens, results and weights of rows of one operation.
fn routine_bytes(routine: &Routine) -> u128 {
    let product = |variant: &Variant, rows: &[u64]| {
        let keys = variant.keys();
        let each = u128::from(keys.n.unwrap_or(0)) + u128::from(keys.k.unwrap_or(0));
        4 * each * rows.iter().map(|&rows| u128::from(rows)).sum::<u128>()
    };
    match routine {
        Routine::Matmul { variant, .. } => product(variant, &[variant.keys().m.unwrap_or(1)]),
        Routine::Experts { variant, .. } => product(variant, &expert_rows(variant.keys().m.unwrap_or(1))),
        Routine::Attention { variant, .. } => {
            let keys = variant.keys();
            let queries = [keys.m, keys.heads, keys.head_dim].map(|extent| u128::from(extent.unwrap_or(1)));
            // Parts of a split context are joined: as many as workgroups, at most.
            4 * queries.iter().product::<u128>() * (2 + u128::from(keys.workgroups.unwrap_or(1)))
        }
        Routine::Gather { .. } => 0,
        Routine::Rows { op, shape, copies } => {
            let cost = op.cost(*shape);
            4 * (cost.weights_read + cost.state_read) * u128::from(*copies)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{GpuMatmul, Tile};
    use roofprobe_kernels::Dtype;
    use roofprobe_kernels::buffer::Pages;

    fn of(n: u64, k: u64, m: u64, dtype: Dtype) -> Sequence {
        let variant = GpuMatmul { m, n, k, ..GpuMatmul::plain(Tile::of(1, 1), 64) };
        let matrix = Matrix { dtype, isa: None, arithmetic: None, pages: Pages::Base, n, k, copies: 3 };
        let routine = Routine::Matmul { matrix: 0, variant: variant.into() };
        Sequence { matrices: vec![matrix], routines: vec![routine], ..Sequence::default() }
    }

    #[test]
    fn a_matrix_is_cut_where_a_binding_ends() {
        let whole = of(4096, 4096, 1, Dtype::Q4_0);
        assert_eq!(parts(&whole, 0, 128 << 20), [4096]);
        // 151 936 rows of 1792 bytes, and of 512 results each.
        let head = of(151_936, 896, 512, Dtype::F16);
        let cut = parts(&head, 0, 128 << 20);
        assert_eq!(cut.iter().sum::<u64>(), 151_936);
        assert!(
            cut.len() > 2 && cut.iter().all(|&rows| rows * 1792 < 128 << 20 && rows * 512 * 4 <= 128 << 20),
            "{cut:?}"
        );
        assert!(cut[..cut.len() - 1].iter().all(|rows| rows.is_multiple_of(PART_ROWS)));
        // A binding that holds three rows.
        assert_eq!(parts(&of(7, 1024, 1, Dtype::F32), 0, 3 * 4096 + 2 * SLACK_BYTES), [3, 3, 1]);
    }

    #[test]
    fn memory_is_that_of_all_copies() {
        let limits = GpuLimits {
            binding_bytes: 128 << 20,
            buffer_bytes: 1 << 30,
            workgroup_invocations: 256,
            workgroup_size: [256, 256, 64],
            workgroup_memory_bytes: 16 << 10,
            workgroups_per_dimension: 65535,
            storage_buffers: 8,
        };
        let sequence = of(4096, 4096, 1, Dtype::F32);
        let bytes = u128::from(bytes(&sequence, &limits).unwrap());
        assert!(bytes > 3 * (64 << 20) + OVERHEAD_BYTES && bytes < 3 * (64 << 20) + OVERHEAD_BYTES + (1 << 20));
    }

    #[test]
    fn few_numbers_of_tokens_have_a_program() {
        assert_eq!(expert_rows(1), [1]);
        assert_eq!(expert_rows(4), [1, 4]);
        assert_eq!(expert_rows(32), [1, 4, 16, 32]);
    }
}
