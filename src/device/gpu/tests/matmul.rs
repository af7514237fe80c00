//! Matmul: every format in every way, of whole and of awkward extents.

use super::*;
use crate::profile::{Layout, Reduction};

const FORMATS: [Dtype; 5] = [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0, Dtype::Q4K];

fn variant(tile: &str, workgroup_size: u32) -> Variant {
    Variant { tile: Some(tile.to_owned()), workgroup_size: Some(workgroup_size), ..Variant::default() }
}

/// Ways for few tokens.
fn few() -> Vec<Variant> {
    let of = |layout, reduction, tile, size| Variant {
        layout: Some(layout),
        reduction: Some(reduction),
        ..variant(tile, size)
    };
    vec![
        of(Layout::Contiguous, Reduction::Invocation, "1x1", 32),
        of(Layout::Contiguous, Reduction::Invocation, "2x4", 8),
        of(Layout::Strided, Reduction::Workgroup, "1x1", 64),
        of(Layout::Strided, Reduction::Workgroup, "8x2", 24),
        of(Layout::Strided, Reduction::Subgroup, "1x1", 8),
        of(Layout::Strided, Reduction::Subgroup, "1x2", 256),
        of(Layout::Strided, Reduction::Subgroup, "4x1", 32),
    ]
}

/// Ways for many.
fn many() -> Vec<Variant> {
    let of = |staged, tile, size| Variant { staged: Some(staged), ..variant(tile, size) };
    vec![
        of(false, "1x1", 64),
        of(false, "4x8", 64),
        of(false, "8x8", 64),
        of(true, "1x1", 64),
        of(true, "4x4", 256),
        of(true, "8x8", 64),
    ]
}

fn sized(dtype: Dtype, variant: Variant, [m, n, k]: [u64; 3], copies: u32) -> Job {
    let variant = Variant { m: Some(m), n: Some(n), k: Some(k), copies: Some(copies), ..variant };
    job(&format!("matmul.{dtype}.m{m}"), Op::Matmul, dtype, variant)
}

#[test]
fn every_format_agrees_with_the_oracle_in_every_way() {
    on_every_adapter(|worker| {
        for dtype in FORMATS {
            for variant in few().into_iter().chain(many()) {
                for (m, n, blocks) in [(1, 1, 1), (3, 7, 3), (5, 67, 5), (17, 67, 8)] {
                    let job = sized(dtype, variant.clone(), [m, n, blocks * dtype.block().elements], 2);
                    let Some(pass) = timed(worker, &job, 3) else { continue };
                    let flops = 2 * m * n * blocks * dtype.block().elements * pass.repetitions;
                    assert_eq!(pass.work.flops.0, flops as f64, "{job}");
                }
            }
        }
    });
}
