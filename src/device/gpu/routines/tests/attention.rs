//! Attention to caches of every shape, read by all ways, in one part and in many.

use super::*;
use crate::profile::{AccessLayout, GpuAttention, Reduction};

#[derive(Clone, Copy)]
struct Shape {
    kv_heads: u64,
    group: u64,
    head_dim: u64,
    context: u64,
}

fn attention(shape: Shape, layout: AccessLayout, vector: u32, size: u32, groups: u32) -> Job {
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
    };
    job("attention.f16.decode", Op::Attention, Dtype::F16, variant)
}

#[test]
fn attention_agrees_with_the_oracle() {
    on_every_adapter(|worker| {
        let (subgroup, has) =
            (worker.context().subgroup_min, worker.context().features.contains(wgpu::Features::SUBGROUP));
        // Every group and size of heads; one token, less than a block, and many uneven splits.
        for (group, head_dim, size) in [(1, 64, 16), (4, 64, 32), (8, 64, 64), (1, 128, 64), (4, 128, 16), (8, 128, 32)]
        {
            for (layout, vector) in
                [(AccessLayout::Contiguous, 8), (AccessLayout::Strided, 8), (AccessLayout::Strided, 16)]
            {
                for (context, groups) in [(1, 1), (7, 9), (100, 2), (1003, 16)] {
                    let shape = Shape { kv_heads: 3, group, head_dim, context };
                    let job = attention(shape, layout, vector, size, groups);
                    let narrow = layout == AccessLayout::Strided && (!has || head_dim as u32 / vector > subgroup);
                    let Some(pass) = timed(worker, &job, 2) else {
                        assert!(narrow, "{job}");
                        continue;
                    };
                    assert!(!narrow);
                    let halves = 2 * 3 * context * head_dim;
                    assert_eq!(pass.work.bytes.0, (2 * halves * pass.repetitions) as f64, "{job}");
                    assert_eq!(pass.work.flops.0, (2 * halves * group * pass.repetitions) as f64, "{job}");
                }
            }
        }
    });
}
