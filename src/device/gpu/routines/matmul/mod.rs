//! Matmul: weights as they are stored, in the GPU's memory, times tokens in f32.
//!
//! Every repetition multiplies all tokens with one copy of the weights, and the next repetition takes the next copy, so that
//! no cache holds them.

mod plan;
mod weights;

use super::routine::{Dispatch, Routine, SharedBuffers, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::Program;
use crate::job::Job;
use crate::work::Work;
use plan::{Plan, Way};
use roofprobe_kernels::ops::matmul::SPOILT;
use roofprobe_kernels::reference::{Random, matmul as oracle};
use roofprobe_kernels::{Dtype, Op, Shape};
use std::cell::Cell;
use std::rc::Rc;
use weights::{SLACK_BYTES, WeightBuffers, row_bytes};

/// Elements of C that are held against the oracle; all of them must have been written.
const CHECKED: u64 = 256;

/// A matmul made ready.
pub(super) struct Matmul {
    plan: Plan,
    weights: Rc<WeightBuffers>,
    tokens: Vec<f32>,
    /// One for each copy, with the row of the weights that it begins with.
    dispatches: Vec<(Dispatch, u64)>,
    product: wgpu::Buffer,
    /// Repetitions so far.
    repetitions: Cell<u64>,
}

/// Each token followed by zeros up to `elements`.
fn padded(tokens: &[f32], k: u64, elements: u64) -> Vec<f32> {
    let zeros = (elements - k) as usize;
    tokens.chunks_exact(k as usize).flat_map(|token| token.iter().copied().chain((0..zeros).map(|_| 0.0))).collect()
}

impl Routine for Matmul {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Plan::of(job).map(|plan| vec![plan.program()])
    }

    fn make_room(shared: &mut SharedBuffers, job: &Job) {
        let suffice = |weights: &WeightBuffers| Plan::of(job).is_ok_and(|plan| weights.suffice(&plan, job));
        shared.operands.keep_if(suffice);
    }

    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Matmul> {
        let plan = Plan::of(job)?;
        let [m, n, k] = plan.extents;
        if plan.way == (Way::Strided { subgroups: true }) && !context.features.contains(wgpu::Features::SUBGROUP) {
            return Err(Refusal::Unsupported("the adapter has no subgroup operations".to_owned()).into());
        }
        let pipeline = context.pipeline(&plan.program())?;
        let row = row_bytes(job.dtype, k);
        // Whole words and more beyond the last row, within the slack of the buffer.
        let bytes = (n * row).next_multiple_of(SLACK_BYTES) + SLACK_BYTES;
        if bytes > context.binding_bytes() {
            let most = context.binding_bytes() >> 20;
            return Err(skipped(&format!("{} MiB of weights exceed a binding of {most} MiB", bytes >> 20)).into());
        }
        let make = || WeightBuffers::new(context, job.dtype, [n, k], plan.copies);
        let weights = shared.operands.get_or_make(make)?;
        let tokens = oracle::tokens(m as usize, k as usize, 0x70c);
        let a = context.filled(bytemuck::cast_slice(&padded(&tokens, k, plan.token_elements())))?;
        let product = context.buffer(m * n * 4)?;
        let params = plan.params(row);
        let groups = plan.groups(context.limits.max_compute_workgroups_per_dimension);
        let slices = weights.slices(n);
        let dispatch = |copy: u64| {
            let first = copy % slices * n;
            let buffer = &weights.copies[(copy / slices) as usize];
            let part = BufferSlice { buffer, offset: first * row, size: Some(bytes) };
            let [a, product] = [&a, &product].map(BufferSlice::whole);
            Ok((Dispatch::new(context, &pipeline, &[params], &[a, part, product], groups)?, first))
        };
        let dispatches = (0..plan.copies).map(dispatch).collect::<GpuResult<Vec<_>>>()?;
        Ok(Matmul { plan, weights, tokens, dispatches, product, repetitions: Cell::new(0) })
    }

    fn is_current(&self, shared: &SharedBuffers) -> bool {
        shared.operands.holds(&self.weights)
    }

    fn work(&self) -> Work {
        let [m, n, k] = self.plan.extents;
        Work::of_matmul(Op::Matmul.cost(Shape::matmul(m, n, k)), self.weights.dtype)
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        self.dispatches[0].0.pipeline.set(pass);
        for _ in 0..repetitions {
            let done = self.repetitions.get();
            self.dispatches[(done % self.dispatches.len() as u64) as usize].0.encode(pass, 0);
            self.repetitions.set(done + 1);
        }
    }

    fn seek(&self, copy: u64) {
        self.repetitions.set(copy);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        let [m, n, _] = self.plan.extents;
        context.upload(&self.product, bytemuck::cast_slice(&vec![SPOILT; (m * n) as usize]))
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        let [m, n, k] = self.plan.extents;
        let got = context.words(&self.product, m * n)?;
        let last = self.repetitions.get().saturating_sub(1) % self.dispatches.len() as u64;
        let first = self.dispatches[last as usize].1;
        let agrees = |at: u64| {
            let (row, column) = (at / n, at % n);
            let weights = oracle::widened(self.weights.dtype, self.weights.stored_row(first + column));
            let token: Vec<f64> = self.tokens[(row * k) as usize..][..k as usize].iter().map(|&x| x.into()).collect();
            // Tokens are neither rounded nor quantised here, so that the bound of f32 sums holds for every format.
            oracle::element_agrees(
                Dtype::F32,
                Dtype::F32,
                got[at as usize],
                oracle::element(&weights, &token),
                k as usize,
            )
        };
        Ok(got.iter().all(|&bits| bits != SPOILT) && checked(m, n).into_iter().all(agrees))
    }

    fn verifies_every_pass(&self) -> bool {
        false
    }
}

/// The elements of C that are looked at: its corners and others all over it, or all of a small one.
fn checked(m: u64, n: u64) -> Vec<u64> {
    let all = m * n;
    if all <= CHECKED {
        return (0..all).collect();
    }
    let mut random = Random::new(all);
    let corners = [0, n - 1, all - n, all - 1];
    corners.into_iter().chain((0..CHECKED).map(|_| random.bits() % all)).collect()
}
