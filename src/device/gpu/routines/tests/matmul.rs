//! Matmul: every format in every way, of whole and of awkward extents.

use super::*;
use crate::device::gpu::routines::matmul::Matmul;
use crate::profile::{AccessLayout, GpuMatmul, Reduction};

const FORMATS: [Dtype; 5] = [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0, Dtype::Q4K];

fn variant(tile: &str, workgroup_size: u32) -> GpuMatmul {
    let tile = tile.parse().unwrap();
    let (m, n, k, copies, layout, reduction, staged) = (1, 1, 1, 1, None, None, None);
    GpuMatmul { m, n, k, copies, tile, workgroup_size, layout, reduction, staged }
}

/// Every way: alone, together, in tiles. Tiles are small, since drivers take long to compile large ones.
fn ways() -> Vec<GpuMatmul> {
    let row = |layout, reduction, tile, size| GpuMatmul {
        layout: Some(layout),
        reduction: Some(reduction),
        ..variant(tile, size)
    };
    let tiled = |staged, tile, size| GpuMatmul { staged: Some(staged), ..variant(tile, size) };
    vec![
        row(AccessLayout::Contiguous, Reduction::Invocation, "2x3", 8),
        row(AccessLayout::Strided, Reduction::Workgroup, "3x2", 24),
        row(AccessLayout::Strided, Reduction::Subgroup, "1x1", 8),
        row(AccessLayout::Strided, Reduction::Subgroup, "2x2", 96),
        tiled(false, "1x1", 64),
        tiled(false, "4x2", 64),
        tiled(true, "1x1", 256),
        tiled(true, "2x4", 64),
    ]
}

fn sized(dtype: Dtype, variant: GpuMatmul, [m, n, k]: [u64; 3], copies: u32) -> Job {
    let variant = GpuMatmul { m, n, k, copies, ..variant };
    job(&format!("matmul.{dtype}.m{m}"), Op::Matmul, dtype, variant)
}

#[test]
fn every_format_agrees_with_the_oracle_in_every_way() {
    on_every_adapter(|worker| {
        for dtype in FORMATS {
            for variant in ways() {
                for (m, n, blocks) in [(1, 1, 1), (3, 7, 3), (5, 67, 5), (17, 67, 8)] {
                    let job = sized(dtype, variant.clone(), [m, n, blocks * dtype.block().elements], 2);
                    // Only what needs subgroups may be missing, and only where there are none.
                    let may_lack = variant.reduction == Some(Reduction::Subgroup)
                        && !worker.context().features.contains(wgpu::Features::SUBGROUP);
                    let Some(pass) = timed(worker, &job, 3) else {
                        assert!(may_lack, "{job} is refused");
                        continue;
                    };
                    let flops = 2 * m * n * blocks * dtype.block().elements * pass.repetitions;
                    assert_eq!(pass.work.flops.0, flops as f64, "{job}");
                }
            }
        }
    });
}

#[test]
fn large_tiles_agree_with_the_oracle() {
    on_every_adapter(|worker| {
        for (dtype, staged) in [(Dtype::F32, true), (Dtype::Q4K, true), (Dtype::F16, false), (Dtype::Q8_0, false)] {
            let variant = GpuMatmul { staged: Some(staged), ..variant("8x8", 64) };
            timed(worker, &sized(dtype, variant, [65, 130, 256], 1), 1).unwrap();
        }
    });
}

#[test]
fn more_rows_than_workgroups_of_one_dimension_are_all_multiplied() {
    on_every_adapter(|worker| {
        let ways = GpuMatmul {
            layout: Some(AccessLayout::Strided),
            reduction: Some(Reduction::Workgroup),
            ..variant("1x1", 1)
        };
        timed(worker, &sized(Dtype::Q8_0, ways, [1, 70_001, 32], 1), 1).unwrap();
    });
}

#[test]
fn fewer_rows_are_slices_of_the_weights_that_are_there() {
    on_every_adapter(|worker| {
        let way = |rows| GpuMatmul { layout: Some(AccessLayout::Contiguous), ..variant(rows, 8) };
        timed(worker, &sized(Dtype::F32, way("1x1"), [2, 96, 64], 2), 3).unwrap();
        // Every copy but those of the first slices begins at another row, and the last one used is looked at.
        for repetitions in 1..=6 {
            let job = sized(Dtype::F32, way("2x1"), [repetitions, 32, 64], 6);
            timed(worker, &job, repetitions).unwrap();
        }
    });
}

#[test]
fn wrong_products_are_noticed() {
    on_every_adapter(|worker| {
        let way = GpuMatmul { layout: Some(AccessLayout::Contiguous), ..variant("1x1", 8) };
        let (context, mut shared) = (worker.context_mut(), SharedBuffers::default());
        let mut matmul = Matmul::new(context, &mut shared, &sized(Dtype::Q4_0, way, [2, 40, 64], 1)).unwrap();
        matmul.prepare(context).unwrap();
        assert!(!matmul.verify(context, 1).unwrap(), "nothing was written");
        context.time(|pass| matmul.encode(pass, 1, 1)).unwrap();
        assert!(matmul.verify(context, 1).unwrap());
    });
}

#[test]
fn what_is_no_matmul_is_refused_with_a_reason() {
    let of = |dtype, variant, k| Matmul::programs(&sized(dtype, variant, [2, 3, k], 1));
    let contiguous = |tile| GpuMatmul { layout: Some(AccessLayout::Contiguous), ..variant(tile, 8) };
    assert!(matches!(of(Dtype::Bf16, contiguous("1x1"), 32), Err(Refusal::Unsupported(_))));
    for (variant, k, word) in [
        (contiguous("1x1"), 33, "blocks"),
        (contiguous("1x17"), 32, "1x17"),
        (variant("1x1", 8), 32, "layout"),
        (GpuMatmul { staged: Some(true), ..variant("1x1", 32) }, 32, "squares"),
        (GpuMatmul { reduction: Some(Reduction::Subgroup), ..contiguous("1x1") }, 32, "reduction"),
    ] {
        let Err(Refusal::Skipped(reason)) = of(Dtype::Q8_0, variant, k) else { panic!("{word} is accepted") };
        assert!(reason.contains(word), "{reason}");
    }
}
