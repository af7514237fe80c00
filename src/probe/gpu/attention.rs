//! Attention achieved by a GPU: one query token over a long cache.

use super::{candidates_max, has_feature, is_software};
use crate::probe::attention::{self, Heads, KV_HEADS, layer_bytes};
use crate::probe::{PlanInputs, Question};
use crate::profile::{AccessLayout, CeilingId, GpuAttention, GpuInfo, Reduction, Status};
use roofprobe_kernels::{Dtype, Op};

/// Cached tokens: tens of microseconds of reading on the fastest. Where the processor plays the GPU, fewer: it takes milliseconds for each thousand.
const HARDWARE_CONTEXT: u64 = 16384;
const SOFTWARE_CONTEXT: u64 = 1024;
/// Bytes of all copies: several times what the caches of large GPUs hold, and of processors.
const HARDWARE_BYTES: u64 = 1 << 30;
const SOFTWARE_BYTES: u64 = 128 << 20;
/// No more than this share of the memory.
const MEMORY_SHARE: u64 = 8;
/// Copies that are worth a measurement: with fewer, a cache holds most of what is read.
const COPIES_MIN: u64 = 4;
/// Halves of a row that one invocation holds: one load, or more where a subgroup is small.
const VECTORS: [u32; 3] = [8, 16, 32];

/// `attention.f16.decode`, its corners, and `attention.f16.prefill`, which no shader does.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let Some(gpu) = &inputs.machine.device.gpu else { return Vec::new() };
    let ask = |id, heads| Question { operands: attention::operands(heads), ..question(inputs, gpu, id, heads) };
    let none = "there is no WGSL prefill attention yet";
    let prefill = Question::unasked(attention::prefill(), Status::Unsupported, none);
    attention::decodes(inputs.effort, ask).into_iter().chain([prefill]).collect()
}

fn question(inputs: PlanInputs, gpu: &GpuInfo, id: CeilingId, (group, head_dim): Heads) -> Question {
    let software = is_software(inputs.machine);
    let (context, bytes) =
        if software { (SOFTWARE_CONTEXT, SOFTWARE_BYTES) } else { (HARDWARE_CONTEXT, HARDWARE_BYTES) };
    let layer = layer_bytes(head_dim, context);
    let memory = inputs.machine.environment.memory_available_bytes;
    let copies = bytes.min(memory / MEMORY_SHARE) / layer;
    let short = if copies < COPIES_MIN {
        Some(format!("too little memory: {COPIES_MIN} caches of {} MiB do not fit", layer >> 20))
    } else if layer / 2 > gpu.limits.binding_bytes {
        let [keys, most] = [layer / 2, gpu.limits.binding_bytes].map(|bytes| bytes >> 20);
        Some(format!("the keys of one cache are {keys} MiB, and the adapter binds no more than {most} MiB at once"))
    } else {
        None
    };
    if let Some(reason) = short {
        return Question::unasked(id, Status::Skipped, reason);
    }
    let subgroup = gpu.subgroup_min.filter(|_| has_feature(inputs.machine, "subgroups"));
    let variant = |way: Way| GpuAttention {
        m: 1,
        heads: group * KV_HEADS,
        kv_heads: KV_HEADS,
        head_dim,
        context,
        copies: copies as u32,
        layout: way.layout,
        reduction: if way.layout == AccessLayout::Strided { Reduction::Subgroup } else { Reduction::Workgroup },
        vector: way.vector,
        workgroup_size: way.size,
        workgroups: way.groups,
    };
    let variants = ways(software, subgroup, head_dim).into_iter().take(candidates_max(inputs)).map(variant);
    Question::of(id, Op::Attention, Dtype::F16, variants)
}

/// One way to read the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Way {
    layout: AccessLayout,
    vector: u32,
    size: u32,
    groups: u32,
}

/// The ways worth trying, the likely winner first; `subgroup` is the smallest subgroup, where there are any.
fn ways(software: bool, subgroup: Option<u32>, head_dim: u64) -> Vec<Way> {
    let holds = |vector: &u32| subgroup.is_some_and(|size| head_dim as u32 / vector <= size);
    let vector = VECTORS.into_iter().find(holds);
    let strided = |size, groups| vector.map(|vector| Way { layout: AccessLayout::Strided, vector, size, groups });
    let blocked = |size, groups| Some(Way { layout: AccessLayout::Contiguous, vector: VECTORS[0], size, groups });
    let ways = if software {
        [strided(16, 64), blocked(64, 64), strided(64, 64), blocked(16, 16)]
    } else {
        [strided(128, 512), blocked(128, 512), strided(128, 2048), strided(256, 1024)]
    };
    ways.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_shared_within_a_subgroup_or_not_by_one() {
        for (subgroup, head_dim, vector) in
            [(Some(32), 128, 8), (Some(8), 128, 16), (Some(4), 128, 32), (Some(4), 64, 16)]
        {
            let strided =
                ways(true, subgroup, head_dim).into_iter().find(|way| way.layout == AccessLayout::Strided).unwrap();
            assert_eq!(strided.vector, vector);
        }
        for subgroup in [None, Some(2)] {
            let ways = ways(false, subgroup, 128);
            assert!(!ways.is_empty() && ways.iter().all(|way| way.layout == AccessLayout::Contiguous));
        }
    }
}
