//! Attention of one token to a cache of keys and values that lives in the GPU's memory.
//!
//! A copy of the cache stands for a layer: every repetition reads the next one, so that no cache of the GPU holds it.

use super::routine::{Dispatch, Routine, SharedBuffers, foreign, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::{BufferSlice, Pipeline};
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::profile::{AccessLayout, Variant};
use crate::work::Work;
use roofprobe_kernels::Op;
use roofprobe_kernels::ops::attention::Head;
use roofprobe_kernels::reference::{Random, attention as oracle};
use std::cell::Cell;
use std::rc::Rc;

params! {
    /// `Params` of `attention.wgsl`.
    AttentionParams {
        /// Cached tokens.
        context: u32,
        /// Tokens of a split.
        tokens: u32,
        splits: u32,
        /// What a dot product is multiplied by for a softmax in powers of two.
        scale: f32,
    }
}

/// Attention to a cache.
const ATTENTION: Shader = shader!("attention.wgsl", AttentionParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write, Access::Write];
/// Halves of a vector of four words.
const VECTOR_HALVES: u32 = 8;
/// Vectors that an invocation has in flight. Drivers unroll all of it, and take long to compile more.
const IN_FLIGHT: u32 = 4;
/// Halves that are made up for the cache; a prime number, so that no two rows are alike.
const STRETCH_HALVES: usize = 16_381;
/// Bytes of one buffer of caches at most, and what their places in it are multiples of.
const CHUNK_BYTES_MAX: u64 = 256 << 20;
const PLACE_BYTES: u64 = 256;
/// Queries are as large as that, so that some tokens weigh much more than others.
const QUERY_MAX: f64 = 4.0;
/// The oracle's answer and the shader's agree within this share of the largest value in the cache, which is 1.
const TOLERANCE: f64 = 1e-4;

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spec {
    head: Head,
    kv_heads: u64,
    copies: u64,
    layout: AccessLayout,
    /// Halves of a row that one invocation holds.
    vector: u32,
    size: u32,
    groups: u32,
}

impl Spec {
    fn of(job: &Job) -> Result<Spec, Refusal> {
        let Variant::GpuAttention(variant) = &job.variant else { return Err(foreign(job)) };
        let (heads, kv_heads) = (variant.heads, variant.kv_heads);
        let group = heads.checked_div(kv_heads).filter(|group| group * kv_heads == heads);
        let group = group
            .ok_or_else(|| skipped(&format!("{heads} query heads do not share {kv_heads} key/value heads evenly")))?;
        if variant.m != 1 {
            return Err(Refusal::Unsupported("there is no shader for the attention of several tokens".to_owned()));
        }
        let spec = Spec {
            head: Head {
                head_dim: variant.head_dim as usize,
                group: group as usize,
                context: variant.context as usize,
            },
            kv_heads,
            copies: u64::from(variant.copies.max(1)),
            layout: variant.layout,
            vector: variant.vector,
            size: variant.workgroup_size,
            groups: variant.workgroups,
        };
        let Spec { head, vector, size, layout, .. } = spec;
        let lanes = head.head_dim as u32 / vector.max(1);
        let whole = [64, 128, 256].contains(&head.head_dim)
            && [8, 16, 32].contains(&vector)
            && size.is_multiple_of(lanes)
            && (1..=16).contains(&head.group)
            && (1..=u32::MAX as usize).contains(&head.context)
            && layout != AccessLayout::Blocked;
        if !whole {
            let Head { head_dim, group, .. } = head;
            return Err(Refusal::Unsupported(format!(
                "there is no shader for {group} query heads of {head_dim}, {vector} halves held by each of {size} invocations"
            )));
        }
        Ok(spec)
    }

    /// Bytes of the keys of one copy, or of its values, up to the next one's place.
    fn layer_bytes(&self) -> u64 {
        let halves = self.kv_heads * self.head.context as u64 * self.head.head_dim as u64;
        (halves * 2).next_multiple_of(PLACE_BYTES)
    }

    /// Invocations that hold a row together.
    fn lanes(&self) -> u32 {
        self.head.head_dim as u32 / self.vector
    }

    fn heads(&self) -> u64 {
        self.kv_heads * self.head.group as u64
    }

    /// Tokens of a split, and how many splits there are: no more than that each has a few.
    fn splits(&self) -> (u32, u32) {
        let context = self.head.context as u32;
        let least = self.size / self.lanes();
        let spec = (self.groups / self.kv_heads as u32).clamp(1, context.div_ceil(least));
        let tokens = context.div_ceil(spec);
        (tokens, context.div_ceil(tokens))
    }

    fn programs(&self) -> Vec<Program> {
        let pieces = self.vector / VECTOR_HALVES;
        let mut lines = vec![
            ("const GROUP: u32 = 4u;", format!("const GROUP: u32 = {}u;", self.head.group)),
            ("const DIM: u32 = 128u;", format!("const DIM: u32 = {}u;", self.head.head_dim)),
            ("const PIECES: u32 = 1u;", format!("const PIECES: u32 = {pieces}u;")),
            ("const UNROLL: u32 = 4u;", format!("const UNROLL: u32 = {}u;", (IN_FLIGHT / pieces).max(1))),
        ];
        if self.layout == AccessLayout::Strided {
            lines.push(("    return x;", "    return subgroupShuffleXor(x, mask);".to_owned()));
        }
        let program = |entry, constants| Program {
            shader: ATTENTION,
            lines: lines.clone(),
            entry,
            constants,
            bindings: BINDINGS,
        };
        let entry = if self.layout == AccessLayout::Strided { "attention" } else { "attention_blocked" };
        let size = || vec![("SIZE", f64::from(self.size))];
        vec![program(entry, size()), program("attention_merge", size())]
    }
}

/// Keys and values of one cache after another: any stretch of them is a cache.
pub(super) struct CacheBuffers {
    /// Keys and values side by side.
    chunks: Vec<[wgpu::Buffer; 2]>,
    chunk_bytes: u64,
    /// What keys and values are made up of.
    stretches: [Vec<u16>; 2],
}

impl CacheBuffers {
    fn new(context: &Context, spec: &Spec) -> GpuResult<CacheBuffers> {
        let (layer, copies) = (spec.layer_bytes(), spec.copies);
        let most = context.binding_bytes();
        if layer > most {
            let reason = format!("{} MiB of keys exceed the adapter's limit of {} MiB", layer >> 20, most >> 20);
            return Err(skipped(&reason).into());
        }
        let each = (most.min(CHUNK_BYTES_MAX) / layer).clamp(1, copies);
        let chunk_bytes = each * layer;
        let mut random = Random::new(19);
        let mut stretch = || (0..STRETCH_HALVES).map(|_| oracle::random_half(&mut random)).collect::<Vec<u16>>();
        let stretches = [stretch(), stretch()];
        let filled = |which: usize, chunk: u64| {
            let from = first_half(chunk);
            let turned = [&stretches[which][from..], &stretches[which][..from]].concat();
            let mut halves = vec![0; chunk_bytes as usize / 2];
            for part in halves.chunks_mut(turned.len()) {
                part.copy_from_slice(&turned[..part.len()]);
            }
            context.filled(bytemuck::cast_slice(&halves))
        };
        let chunks: GpuResult<Vec<_>> =
            (0..copies.div_ceil(each)).map(|chunk| Ok([filled(0, chunk)?, filled(1, chunk)?])).collect();
        Ok(CacheBuffers { chunks: chunks?, chunk_bytes, stretches })
    }

    /// How many copies of `spec` there are.
    fn copies(&self, spec: &Spec) -> u64 {
        self.chunk_bytes / spec.layer_bytes() * self.chunks.len() as u64
    }

    /// Whether there is enough for `job`.
    fn suffice(&self, job: &Job) -> bool {
        Spec::of(job).is_ok_and(|spec| self.copies(&spec) >= spec.copies)
    }

    /// The chunk and the first byte of a copy.
    fn place(&self, spec: &Spec, copy: u64) -> (u64, u64) {
        let each = self.chunk_bytes / spec.layer_bytes();
        (copy / each, copy % each * spec.layer_bytes())
    }
}

/// Where in its stretch a chunk begins.
fn first_half(chunk: u64) -> usize {
    (chunk * 4799 % STRETCH_HALVES as u64) as usize
}

/// # Errors
/// When the adapter lacks the subgroups that `spec` needs.
fn possible(context: &Context, spec: &Spec) -> Result<(), Refusal> {
    if spec.layout != AccessLayout::Strided {
        return Ok(());
    }
    if !context.features.contains(wgpu::Features::SUBGROUP) {
        return Err(Refusal::Unsupported("this GPU has no subgroup operations".to_owned()));
    }
    let (lanes, subgroup) = (spec.lanes(), context.subgroup_min);
    if lanes > subgroup {
        let reason = format!("a row is shared by {lanes} invocations, and a subgroup may have {subgroup}");
        return Err(Refusal::Unsupported(reason));
    }
    Ok(())
}

/// Attention made ready.
pub(super) struct AttentionRoutine {
    spec: Spec,
    caches: Rc<CacheBuffers>,
    /// For each copy, what attends and what merges.
    dispatches: Vec<Vec<Dispatch>>,
    queries: Vec<f32>,
    out: wgpu::Buffer,
    /// The copy that the next repetition reads.
    next: Cell<u64>,
}

impl AttentionRoutine {
    /// The output of a query head that the last repetition must have written.
    fn oracle(&self, head: u64) -> Vec<f64> {
        let Head { head_dim, group, context } = self.spec.head;
        let copies = self.dispatches.len() as u64;
        let (chunk, offset) = self.caches.place(&self.spec, (self.next.get() + copies - 1) % copies);
        let kv = head as usize / group;
        let origin = first_half(chunk) + offset as usize / 2 + kv * context * head_dim;
        let half = |which: usize| {
            let stretch = &self.caches.stretches[which];
            move |token: usize, i: usize| stretch[(origin + token * head_dim + i) % STRETCH_HALVES]
        };
        let query = &self.queries[head as usize * head_dim..][..head_dim];
        oracle::attention_to(query, context, half(0), half(1))
    }
}

impl Routine for AttentionRoutine {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(Spec::of(job)?.programs())
    }

    fn make_room(shared: &mut SharedBuffers, job: &Job) {
        shared.operands.keep_if(|caches: &CacheBuffers| caches.suffice(job));
    }

    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<AttentionRoutine> {
        let spec = Spec::of(job)?;
        possible(context, &spec)?;
        let programs = Self::programs(job)?;
        let pipelines = programs.iter().map(|program| context.pipeline(program)).collect::<GpuResult<Vec<_>>>()?;
        let caches = shared.operands.get_or_make(|| CacheBuffers::new(context, &spec))?;
        let dim = spec.head.head_dim as u64;
        let mut random = Random::new(23);
        let queries: Vec<f32> = (0..spec.heads() * dim).map(|_| (QUERY_MAX * random.signed_unit()) as f32).collect();
        let asked = context.filled(bytemuck::cast_slice(&queries))?;
        let (tokens, splits) = spec.splits();
        let peaks = context.buffer(spec.heads() * u64::from(splits) * 8)?;
        let parts = context.buffer(spec.heads() * u64::from(splits) * dim * 4)?;
        let out = context.buffer(spec.heads() * dim * 4)?;
        let scale = (std::f64::consts::LOG2_E / (dim as f64).sqrt()) as f32;
        let params = AttentionParams { context: spec.head.context as u32, tokens, splits, scale };
        let groups = [spec.kv_heads as u32 * splits, spec.heads() as u32];
        let dispatches = |copy: u64| {
            let (chunk, offset) = caches.place(&spec, copy);
            let [keys, values] = &caches.chunks[chunk as usize];
            let layer = |buffer| BufferSlice { buffer, offset, size: Some(spec.layer_bytes()) };
            let [asked, peaks, parts, out] = [&asked, &peaks, &parts, &out].map(BufferSlice::whole);
            let all = [asked, layer(keys), layer(values), peaks, parts, out];
            let dispatch = |(pipeline, groups): (&Pipeline, u32)| {
                Dispatch::new(context, pipeline, &[params], &all, [groups, 1, 1])
            };
            pipelines.iter().zip(groups).map(dispatch).collect()
        };
        let dispatches = (0..spec.copies).map(dispatches).collect::<GpuResult<Vec<_>>>()?;
        Ok(AttentionRoutine { spec, dispatches, caches, queries, out, next: Cell::new(0) })
    }

    fn is_current(&self, shared: &SharedBuffers) -> bool {
        shared.operands.holds(&self.caches)
    }

    fn work(&self) -> Work {
        Work::of_attention(Op::Attention.cost(self.spec.head.shape(1))) * self.spec.kv_heads as f64
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        for _ in 0..repetitions {
            let copy = self.next.get();
            for dispatch in &self.dispatches[copy as usize] {
                dispatch.pipeline.set(pass);
                dispatch.encode(pass, 0);
            }
            self.next.set((copy + 1) % self.dispatches.len() as u64);
        }
    }

    fn seek(&self, copy: u64) {
        self.next.set(copy % self.dispatches.len() as u64);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.upload(&self.out, bytemuck::cast_slice(&vec![f32::NAN; self.queries.len()]))
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        let out = context.download(&self.out, self.queries.len() as u64 * 4)?;
        let got: &[f32] = bytemuck::cast_slice(&out);
        let dim = self.spec.head.head_dim;
        let heads = self.spec.heads();
        let group = self.spec.head.group as u64;
        // Every element was written, and all heads that share the first and the last keys are right.
        let mut right = got.iter().all(|value| value.is_finite());
        for head in (0..group).chain(heads - group..heads) {
            let answer = &got[head as usize * dim..][..dim];
            right &=
                answer.iter().zip(self.oracle(head)).all(|(&got, want)| (f64::from(got) - want).abs() <= TOLERANCE);
        }
        Ok(right)
    }

    fn verifies_every_pass(&self) -> bool {
        false
    }
}
