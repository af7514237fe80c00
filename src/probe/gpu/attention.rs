//! Attention achieved by a GPU: one query token over a long cache, and a prompt over itself.

use super::{candidates_max, has_feature, is_software};
use crate::probe::attention::{CORNERS, GROUP, HEAD_DIM, Heads, KV_HEADS, PROMPT_CORNER};
use crate::probe::{Operands, PlanInputs, Question};
use crate::profile::{
    AccessLayout, AttentionExtents, AttentionPhase, CeilingId, Effort, GpuAttention, GpuInfo, Reduction, Status, Tile,
};
use roofprobe_kernels::{Dtype, Op};

/// Cached tokens: tens of microseconds of reading on the fastest. Where the processor plays the GPU, fewer: it takes milliseconds for each
/// thousand.
const HARDWARE_CONTEXT: u64 = 16384;
const SOFTWARE_CONTEXT: u64 = 1024;
/// Bytes of all copies: several times what the caches of large GPUs hold, and of processors.
const HARDWARE_BYTES: u64 = 1 << 30;
const SOFTWARE_BYTES: u64 = 128 << 20;
/// No more than this share of the memory.
const MEMORY_SHARE: u64 = 8;
/// Copies that are worth a measurement: with fewer, a cache holds most of what is read.
const COPIES_MIN: u64 = 4;
/// Tokens of a prompt: enough workgroups for the largest GPUs, and milliseconds where the processor plays one.
const HARDWARE_PROMPT: u64 = 1024;
const SOFTWARE_PROMPT: u64 = 128;
/// Elements of a row that one invocation holds: one load, or more where a subgroup is small.
const VECTORS: [u32; 8] = [8, 16, 24, 32, 40, 48, 56, 64];
/// Of blocks of 32: halves of one or whole ones, whose scale is then read once.
const VECTORS_Q8_0: [u32; 2] = [16, 32];
/// Heads of a thorough look, beside those of every look.
const OTHER_HEADS: [Heads; 4] = [(4, 80), (4, 96), (4, 256), (16, 128)];

/// `attention.<cache>.decode` and `attention.<cache>.prefill`, with their corners.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let Some(gpu) = &inputs.machine.device.gpu else { return Vec::new() };
    let decode = |(cache, extents, heads)| {
        let id = CeilingId::attention(cache, AttentionPhase::Decode, extents);
        decode(inputs, gpu, id, cache, heads)
    };
    let prefill = |(cache, extents, heads)| {
        prefill(inputs, CeilingId::attention(cache, AttentionPhase::Prefill, extents), cache, heads)
    };
    let with_operands = |question: Question| {
        let job = question.candidates.first();
        let cache = |job: &crate::job::Job| Some((job.dtype, job.variant.keys().head_dim?));
        let operands = job.and_then(cache).map(|(cache, head_dim)| Operands::Cache { head_dim, cache });
        Question { operands, ..question }
    };
    let decodes = asked(inputs.effort, &CORNERS).into_iter().map(decode);
    let prefills = asked(inputs.effort, &[PROMPT_CORNER]).into_iter().map(prefill);
    decodes.chain(prefills).map(with_operands).collect()
}

/// What is asked: the usual heads, with time also `corners` and a quantised cache, with more time all heads.
fn asked(effort: Effort, corners: &[Heads]) -> Vec<(Dtype, AttentionExtents, Heads)> {
    let usual = (GROUP, HEAD_DIM);
    let corner =
        |&(group, head_dim): &Heads| (Dtype::F16, AttentionExtents::Heads { group, head_dim }, (group, head_dim));
    let mut all = vec![(Dtype::F16, AttentionExtents::Usual, usual)];
    if effort != Effort::Quick {
        all.extend(corners.iter().map(corner));
        all.push((Dtype::Q8_0, AttentionExtents::Usual, usual));
    }
    if effort == Effort::Thorough {
        all.extend(OTHER_HEADS.iter().map(corner));
    }
    all
}

/// One token over a long cache.
fn decode(inputs: PlanInputs, gpu: &GpuInfo, id: CeilingId, cache: Dtype, (group, head_dim): Heads) -> Question {
    let software = is_software(inputs.machine);
    let (context, bytes) =
        if software { (SOFTWARE_CONTEXT, SOFTWARE_BYTES) } else { (HARDWARE_CONTEXT, HARDWARE_BYTES) };
    let layer = layer_bytes(cache, head_dim, context);
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
        tile: None,
    };
    let ways = ways(software, subgroup, cache, head_dim).into_iter().take(candidates_max(inputs));
    Question::of(id, Op::Attention, cache, ways.map(variant))
}

/// Bytes of the keys and values of one layer.
fn layer_bytes(cache: Dtype, head_dim: u64, context: u64) -> u64 {
    let elements = 2 * KV_HEADS * context * head_dim;
    cache.bytes(u128::from(elements)).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(u64::MAX)
}

/// One way to read the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Way {
    layout: AccessLayout,
    vector: u32,
    size: u32,
    groups: u32,
}

/// Invocations that hold a row together: a power of two.
fn lanes(head_dim: u64, vector: u32) -> u32 {
    (head_dim as u32).div_ceil(vector).next_power_of_two()
}

/// The ways worth trying, the likely winner first; `subgroup` is the smallest subgroup, where there are any.
fn ways(software: bool, subgroup: Option<u32>, cache: Dtype, head_dim: u64) -> Vec<Way> {
    let vectors: &[u32] = if cache == Dtype::Q8_0 { &VECTORS_Q8_0 } else { &VECTORS };
    // The smallest vector that leaves no more lanes than that.
    let vector = |most: u32| vectors.iter().copied().find(|&vector| lanes(head_dim, vector) <= most);
    let strided = |size, groups| {
        let vector = vector(subgroup?.min(size))?;
        Some(Way { layout: AccessLayout::Strided, vector, size, groups })
    };
    let blocked = |size, groups| Some(Way { layout: AccessLayout::Contiguous, vector: vector(size)?, size, groups });
    // The same with more of a row in each invocation: of blocks, fewer words are read twice.
    let wider = |way: Option<Way>| {
        let way = way?;
        let vector = vectors.iter().copied().find(|&vector| vector > way.vector)?;
        Some(Way { vector, ..way })
    };
    let ways = if software {
        [strided(16, 64), blocked(64, 64), strided(64, 64), blocked(16, 16), wider(strided(16, 64))]
    } else {
        [strided(128, 2048), blocked(128, 1024), wider(strided(128, 2048)), strided(128, 512), strided(256, 1024)]
    };
    ways.into_iter().flatten().collect()
}

/// Tokens × keys of an invocation, and invocations of a workgroup: the likely winner first.
const HARDWARE_TILES: [(Tile, u32); 5] =
    [(Tile::of(4, 4), 128), (Tile::of(4, 2), 64), (Tile::of(4, 4), 64), (Tile::of(8, 4), 64), (Tile::of(2, 4), 256)];
const SOFTWARE_TILES: [(Tile, u32); 3] = [(Tile::of(4, 4), 32), (Tile::of(8, 4), 32), (Tile::of(4, 4), 128)];

/// A prompt over itself: its keys and values have just been written, and are read where they are.
fn prefill(inputs: PlanInputs, id: CeilingId, cache: Dtype, (group, head_dim): Heads) -> Question {
    let software = is_software(inputs.machine);
    let (tokens, tiles) =
        if software { (SOFTWARE_PROMPT, &SOFTWARE_TILES[..]) } else { (HARDWARE_PROMPT, &HARDWARE_TILES[..]) };
    let variant = |&(tile, size): &(Tile, u32)| GpuAttention {
        m: tokens,
        heads: group * KV_HEADS,
        kv_heads: KV_HEADS,
        head_dim,
        context: tokens,
        copies: 1,
        layout: AccessLayout::Blocked,
        reduction: Reduction::Workgroup,
        vector: 4,
        workgroup_size: size,
        // As many tokens as the rows of all invocations of a workgroup, eight side by side.
        workgroups: (group * KV_HEADS) as u32 * (tokens as u32).div_ceil(size / 8 * tile.rows),
        tile: Some(tile),
    };
    let most = super::limits(inputs.machine).workgroup_invocations;
    let allowed = tiles.iter().filter(|(_, size)| *size <= most).take(candidates_max(inputs));
    Question::of(id, Op::Attention, cache, allowed.map(variant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_shared_within_a_subgroup_or_not_by_one() {
        for (subgroup, head_dim, vector) in [
            (Some(32), 128, 8),
            (Some(8), 128, 16),
            (Some(4), 128, 32),
            (Some(4), 64, 16),
            (Some(32), 80, 8),
            (Some(4), 80, 24),
        ] {
            let ways = ways(true, subgroup, Dtype::F16, head_dim);
            let strided = ways.into_iter().find(|way| way.layout == AccessLayout::Strided).unwrap();
            assert_eq!(strided.vector, vector, "{subgroup:?} {head_dim}");
        }
        for subgroup in [None, Some(2)] {
            let ways = ways(false, subgroup, Dtype::F16, 256);
            assert!(!ways.is_empty() && ways.iter().all(|way| way.layout == AccessLayout::Contiguous));
        }
    }

    #[test]
    fn more_time_asks_for_more_heads_and_caches() {
        let ids = |effort| asked(effort, &CORNERS).len();
        assert_eq!(ids(Effort::Quick), 1);
        assert!(ids(Effort::Quick) < ids(Effort::Standard) && ids(Effort::Standard) < ids(Effort::Thorough));
    }
}
