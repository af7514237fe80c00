//! Attention to a cache of keys and values that lives in the GPU's memory: of one token, and of a prompt.
//!
//! A copy of the cache stands for a layer: every repetition reads the next one, so that no cache of the GPU holds it.

mod caches;
mod spec;
mod stored;

use super::routine::{Dispatch, Routine, SharedBuffers};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::pipeline::{BufferSlice, Pipeline};
use crate::device::gpu::shader::Program;
use crate::job::Job;
use crate::work::Work;
use caches::{CacheBuffers, layer_bytes};
use roofprobe_kernels::Op;
use roofprobe_kernels::ops::attention::Head;
use roofprobe_kernels::reference::{Random, attention as oracle};
use spec::{AttentionParams, PrefillParams, Spec, Way};
use std::cell::Cell;
use std::rc::Rc;

/// Queries are as large as that, so that some tokens weigh much more than others.
const QUERY_MAX: f64 = 4.0;
/// The oracle's answer and the shader's agree within this share of the largest value in the cache, which is 1.
const TOLERANCE: f64 = 1e-4;
/// Tokens of a prompt that are looked at, of each head that is: the first, the last, and those between at even distances.
const TOKENS_LOOKED_AT: usize = 9;

/// Attention made ready.
pub(super) struct AttentionRoutine {
    spec: Spec,
    caches: Rc<CacheBuffers>,
    /// For each copy, what is dispatched one after another.
    dispatches: Vec<Vec<Dispatch>>,
    /// `[head][token][element]`.
    queries: Vec<f32>,
    out: wgpu::Buffer,
    /// The copy that the next repetition reads.
    next: Cell<u64>,
}

impl AttentionRoutine {
    /// What the last repetition must have written of a token of a query head.
    fn oracle(&self, head: u64, token: usize) -> Vec<f64> {
        let Head { head_dim, group, context } = self.spec.head;
        let copies = self.dispatches.len() as u64;
        let copy = (self.next.get() + copies - 1) % copies;
        let [key, value] = self.caches.rows(&self.spec, copy, head / group as u64);
        let row = head as usize * self.spec.tokens + token;
        let query = &self.queries[row * head_dim..][..head_dim];
        oracle::attention_to(query, context - self.spec.tokens + token + 1, key, value)
    }
}

/// What is bound beside keys and values.
struct Small {
    queries: wgpu::Buffer,
    peaks: wgpu::Buffer,
    parts: wgpu::Buffer,
    out: wgpu::Buffer,
}

impl Small {
    fn new(context: &Context, spec: &Spec, queries: &[f32]) -> GpuResult<Small> {
        let rows = spec.heads() * u64::from(spec.splits().1);
        Ok(Small {
            queries: context.filled(bytemuck::cast_slice(queries))?,
            peaks: context.buffer(rows * 8)?,
            parts: context.buffer(rows * spec.head.head_dim as u64 * 4)?,
            out: context.buffer(queries.len() as u64 * 4)?,
        })
    }
}

/// What one repetition dispatches over the cache of a copy.
fn dispatches(
    context: &Context,
    spec: &Spec,
    pipelines: &[Pipeline],
    small: &Small,
    [keys, values]: [BufferSlice; 2],
) -> GpuResult<Vec<Dispatch>> {
    let scale = (std::f64::consts::LOG2_E / (spec.head.head_dim as f64).sqrt()) as f32;
    let cached = spec.head.context as u32;
    let [queries, peaks, parts, out] = [&small.queries, &small.peaks, &small.parts, &small.out].map(BufferSlice::whole);
    let dispatch = |(pipeline, groups): (&Pipeline, u32)| match spec.way {
        Way::Decode { .. } => {
            let (tokens, splits) = spec.splits();
            let params = AttentionParams { context: cached, tokens, splits, scale };
            let buffers = [queries, keys, values, peaks, parts, out];
            Dispatch::new(context, pipeline, &[params], &buffers, [groups, 1, 1])
        }
        Way::Prefill { .. } => {
            let params = PrefillParams { tokens: spec.tokens as u32, context: cached, blocks: spec.blocks(), scale };
            Dispatch::new(context, pipeline, &[params], &[queries, keys, values, out], [groups, 1, 1])
        }
    };
    pipelines.iter().zip(spec.groups()).map(dispatch).collect()
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
        spec.possible(context)?;
        let pipelines =
            spec.programs().iter().map(|program| context.pipeline(program)).collect::<GpuResult<Vec<_>>>()?;
        let caches = shared.operands.get_or_make(|| CacheBuffers::new(context, &spec))?;
        let elements = spec.heads() * (spec.tokens * spec.head.head_dim) as u64;
        let mut random = Random::new(23);
        let queries: Vec<f32> = (0..elements).map(|_| (QUERY_MAX * random.signed_unit()) as f32).collect();
        let small = Small::new(context, &spec, &queries)?;
        let of_copy = |copy: u64| {
            let (chunk, offset) = caches.place(&spec, copy);
            let layer = |buffer| BufferSlice { buffer, offset, size: Some(layer_bytes(&spec)) };
            dispatches(context, &spec, &pipelines, &small, caches.chunks[chunk as usize].each_ref().map(layer))
        };
        let dispatches = (0..spec.copies).map(of_copy).collect::<GpuResult<Vec<_>>>()?;
        Ok(AttentionRoutine { spec, dispatches, caches, queries, out: small.out, next: Cell::new(0) })
    }

    fn is_current(&self, shared: &SharedBuffers) -> bool {
        shared.operands.holds(&self.caches)
    }

    fn work(&self) -> Work {
        let cost = Op::Attention.cost(self.spec.head.shape(self.spec.tokens));
        Work::of_attention(cost, self.spec.stored.dtype()) * self.spec.kv_heads as f64
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
        let (dim, tokens, heads) = (self.spec.head.head_dim, self.spec.tokens, self.spec.heads());
        // Every element was written, and all heads that share the first and the last keys are right: of one token, and of some tokens of
        // a prompt the first and the last of them.
        let mut right = got.iter().all(|value| value.is_finite());
        let group = if tokens > 1 { 1 } else { self.spec.head.group as u64 };
        let looked_at = tokens.min(TOKENS_LOOKED_AT);
        for head in (0..group).chain(heads - group..heads) {
            for token in (0..looked_at).map(|i| i * (tokens - 1) / looked_at.saturating_sub(1).max(1)) {
                let answer = &got[(head as usize * tokens + token) * dim..][..dim];
                let want = self.oracle(head, token);
                right &= answer.iter().zip(want).all(|(&got, want)| (f64::from(got) - want).abs() <= TOLERANCE);
            }
        }
        Ok(right)
    }

    fn verifies_every_pass(&self) -> bool {
        false
    }
}
