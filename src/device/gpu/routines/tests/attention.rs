//! Attention to caches of every shape, read by all ways, in one part and in many, and of prompts.

use super::*;
use crate::profile::{AccessLayout, GpuAttention, Reduction, Tile};

#[derive(Clone, Copy)]
struct Shape {
    kv_heads: u64,
    group: u64,
    head_dim: u64,
    context: u64,
}

fn attention(cache: Dtype, shape: Shape, layout: AccessLayout, vector: u32, size: u32, groups: u32) -> Job {
    let variant = GpuAttention {
        m: 1,
        heads: shape.group * shape.kv_heads,
        kv_heads: shape.kv_heads,
        head_dim: shape.head_dim,
        context: shape.context,
        copies: 3,
        layout,
        reduction: Reduction::Workgroup,
        vector,
        workgroup_size: size,
        workgroups: groups,
        tile: None,
    };
    job(&format!("attention.{cache}.decode"), Op::Attention, cache, variant)
}

/// Times it, unless the adapter's subgroups are too narrow for it, and holds what was counted.
fn check(worker: &mut Worker, job: &Job, shape: Shape) {
    let (subgroup, has) = (worker.context().subgroup_min, worker.context().features.contains(wgpu::Features::SUBGROUP));
    let keys = job.variant.keys();
    let lanes = (shape.head_dim as u32).div_ceil(keys.vector.unwrap()).next_power_of_two();
    let narrow = keys.layout == Some(AccessLayout::Strided) && (!has || lanes > subgroup);
    let Some(pass) = timed(worker, job, 2) else {
        assert!(narrow, "{job}");
        return;
    };
    assert!(!narrow);
    let elements = 2 * shape.kv_heads * shape.context * shape.head_dim * pass.repetitions;
    let bytes = job.dtype.bytes(elements.into()).unwrap() as f64;
    assert_eq!(pass.work.bytes.0, bytes, "{job}");
    assert_eq!(pass.work.flops.0, (2 * elements * shape.group) as f64, "{job}");
}

#[test]
fn attention_agrees_with_the_oracle() {
    on_every_adapter(|worker| {
        // Every group and size of heads; one token, less than a block, and many uneven splits.
        for (group, head_dim, size) in
            [(1, 64, 16), (4, 80, 32), (8, 64, 64), (3, 96, 64), (4, 128, 16), (16, 128, 32), (2, 256, 64)]
        {
            let (contiguous, strided) = (AccessLayout::Contiguous, AccessLayout::Strided);
            for (layout, vector) in [(contiguous, 16), (strided, 8), (strided, 24)] {
                for (context, groups) in [(1, 1), (100, 2), (1003, 16)] {
                    let shape = Shape { kv_heads: 3, group, head_dim, context };
                    check(worker, &attention(Dtype::F16, shape, layout, vector, size, groups), shape);
                }
            }
        }
    });
}

#[test]
fn quantised_caches_are_read_as_they_are_stored() {
    on_every_adapter(|worker| {
        for (group, head_dim, vector) in [(4, 128, 16), (1, 96, 32), (2, 64, 8), (4, 128, 32)] {
            for layout in [AccessLayout::Contiguous, AccessLayout::Strided] {
                for (context, groups) in [(1, 1), (517, 9)] {
                    let shape = Shape { kv_heads: 2, group, head_dim, context };
                    check(worker, &attention(Dtype::Q8_0, shape, layout, vector, 32, groups), shape);
                }
            }
        }
        let shape = Shape { kv_heads: 1, group: 1, head_dim: 80, context: 7 };
        let ragged = attention(Dtype::Q8_0, shape, AccessLayout::Contiguous, 16, 32, 1);
        assert!(timed(worker, &ragged, 1).is_none(), "a row of 80 is no whole number of blocks");
    });
}

#[test]
fn prompts_agree_with_the_oracle() {
    on_every_adapter(|worker| {
        for (cache, group, head_dim, tile, size) in [
            (Dtype::F16, 4, 128, Tile::of(4, 4), 32),
            (Dtype::F16, 1, 64, Tile::of(8, 2), 16),
            (Dtype::F16, 2, 80, Tile::of(2, 4), 64),
            (Dtype::F16, 3, 96, Tile::of(1, 1), 8),
            (Dtype::F16, 1, 256, Tile::of(2, 2), 32),
            (Dtype::Q8_0, 2, 128, Tile::of(4, 2), 32),
        ] {
            // One token, a block and a token more, and a prompt behind an older context.
            for (tokens, context) in [(2, 2), (33, 33), (61, 100)] {
                let variant = GpuAttention {
                    m: tokens,
                    heads: 2 * group,
                    kv_heads: 2,
                    head_dim,
                    context,
                    copies: 1,
                    layout: AccessLayout::Blocked,
                    reduction: Reduction::Workgroup,
                    vector: 4,
                    workgroup_size: size,
                    workgroups: 1,
                    tile: Some(tile),
                };
                let job = job(&format!("attention.{cache}.prefill"), Op::Attention, cache, variant);
                let pass = timed(worker, &job, 2).unwrap();
                let pairs = tokens * context - tokens * (tokens - 1) / 2;
                let flops = 4 * pairs * head_dim * 2 * group * pass.repetitions;
                assert_eq!(pass.work.flops.0, flops as f64, "{job}");
            }
        }
    });
}
