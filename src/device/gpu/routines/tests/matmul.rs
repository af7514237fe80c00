//! Matmul: every format in every way, of whole and of awkward extents.

use super::*;
use crate::device::gpu::routines::matmul::Matmul;
use crate::profile::{AccessLayout, GpuMatmul, Reduction, Tile};

fn formats() -> impl Iterator<Item = Dtype> {
    Dtype::ALL.into_iter().filter(|&dtype| dtype != Dtype::F64)
}

fn is_plain(dtype: Dtype) -> bool {
    [Dtype::F32, Dtype::F16, Dtype::Bf16].contains(&dtype)
}

fn variant(tile: &str, workgroup_size: u32) -> GpuMatmul {
    GpuMatmul::plain(tile.parse().unwrap(), workgroup_size)
}

fn row(layout: AccessLayout, reduction: Reduction, tile: &str, size: u32) -> GpuMatmul {
    GpuMatmul { layout: Some(layout), reduction: Some(reduction), ..variant(tile, size) }
}

fn alone(tile: &str) -> GpuMatmul {
    row(AccessLayout::Contiguous, Reduction::Invocation, tile, 8)
}

fn in_type(arithmetic: Dtype, way: GpuMatmul) -> GpuMatmul {
    GpuMatmul { arithmetic: Some(arithmetic), ..way }
}

fn by_words(way: GpuMatmul) -> GpuMatmul {
    GpuMatmul { vector: Some(1), ..way }
}

/// Ways for `dtype`: of some formats all, of the others what decodes them by 16 bytes and by four. Tiles are small, since drivers take
/// long to compile large ones.
fn ways(dtype: Dtype) -> Vec<GpuMatmul> {
    let tiled = |staged, tile, size| GpuMatmul { staged: Some(staged), ..variant(tile, size) };
    let split = |way| GpuMatmul { split_k: Some(3), ..way };
    let mut ways = vec![alone("2x3")];
    if !is_plain(dtype) {
        ways.push(in_type(Dtype::I8, by_words(alone("1x2"))));
    }
    if ![Dtype::F16, Dtype::Q4_0, Dtype::Q6K].contains(&dtype) {
        return ways;
    }
    ways.extend([
        row(AccessLayout::Strided, Reduction::Workgroup, "3x2", 24),
        row(AccessLayout::Strided, Reduction::Subgroup, "2x2", 96),
        split(tiled(false, "4x2", 64)),
        tiled(true, "2x4", 64),
        in_type(Dtype::F16, row(AccessLayout::Strided, Reduction::Workgroup, "2x1", 16)),
        in_type(Dtype::F16, split(tiled(true, "1x2", 64))),
    ]);
    if !is_plain(dtype) {
        ways.extend([
            by_words(alone("2x2")),
            in_type(Dtype::F16, by_words(alone("1x2"))),
            in_type(Dtype::I8, row(AccessLayout::Strided, Reduction::Workgroup, "2x1", 16)),
            in_type(Dtype::I8, tiled(true, "1x2", 64)),
        ]);
    }
    ways
}

fn sized(dtype: Dtype, variant: GpuMatmul, [m, n, k]: [u64; 3], copies: u32) -> Job {
    let variant = GpuMatmul { m, n, k, copies, ..variant };
    job(&format!("matmul.{dtype}.m{m}"), Op::Matmul, dtype, variant)
}

#[test]
fn every_format_agrees_with_the_oracle_in_every_way() {
    on_every_adapter(|worker| {
        for dtype in formats() {
            for variant in ways(dtype) {
                for (m, n, blocks) in [(1, 1, 1), (17, 67, 5)] {
                    let job = sized(dtype, variant.clone(), [m, n, blocks * dtype.block().elements], 2);
                    // Only what needs subgroups or halves may be missing, and only where there are none.
                    let lacks = |feature| !worker.context().features.contains(feature);
                    let may_lack = variant.reduction == Some(Reduction::Subgroup) && lacks(wgpu::Features::SUBGROUP)
                        || variant.arithmetic == Some(Dtype::F16) && lacks(wgpu::Features::SHADER_F16);
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
fn cooperative_matrices_agree_with_the_oracle() {
    on_every_adapter(|worker| {
        let subgroup = worker.context().subgroup_max.max(1);
        let listed = worker.context().matrices.clone();
        for side in [8, 16] {
            let is_listed =
                listed.iter().any(|shape| shape.m_size == side && shape.cr_type == wgpu::CooperativeScalarType::F32);
            for (dtype, split) in [(Dtype::Q4K, None), (Dtype::Q8_0, Some(2)), (Dtype::F16, None), (Dtype::Q6K, None)] {
                let way = GpuMatmul {
                    matrix: Some(Tile::cube(side)),
                    arithmetic: Some(Dtype::F16),
                    split_k: split,
                    ..variant("2x1", 2 * subgroup)
                };
                let pass = timed(worker, &sized(dtype, way, [37, 41, 512], 2), 2);
                assert_eq!(pass.is_some(), is_listed && worker.context().subgroup_max > 0, "{dtype} {side}");
            }
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
    assert!(matches!(of(Dtype::F64, contiguous("1x1"), 32), Err(Refusal::Unsupported(_))));
    let in_halves = GpuMatmul { arithmetic: Some(Dtype::F16), ..contiguous("1x1") };
    assert!(matches!(of(Dtype::Bf16, in_halves, 32), Err(Refusal::Skipped(_))));
    for (variant, k, word) in [
        (contiguous("1x1"), 33, "blocks"),
        (contiguous("1x17"), 32, "1x17"),
        (variant("1x1", 8), 32, "layout"),
        (GpuMatmul { staged: Some(true), ..variant("1x1", 32) }, 32, "squares"),
        (GpuMatmul { reduction: Some(Reduction::Subgroup), ..contiguous("1x1") }, 32, "reduction"),
        (GpuMatmul { split_k: Some(65), ..contiguous("1x1") }, 32, "split"),
    ] {
        let Err(Refusal::Skipped(reason)) = of(Dtype::Q8_0, variant, k) else { panic!("{word} is accepted") };
        assert!(reason.contains(word), "{reason}");
    }
}
