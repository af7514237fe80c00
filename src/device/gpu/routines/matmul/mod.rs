//! Matmul: weights as they are stored, in the GPU's memory, times tokens in f32.
//!
//! Every repetition multiplies all tokens with one copy of the weights, and the next repetition takes the next copy, so that
//! no cache holds them. Where products are formed in another arithmetic, each repetition makes the tokens ready for it first.

mod formats;
mod plan;
mod tokens;
mod weights;

use super::coopmat::lists_matrices;
use super::routine::{Dispatch, Routine, SharedBuffers, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::Program;
use crate::job::Job;
use crate::work::Work;
use formats::Arithmetic;
use plan::{Plan, Way};
use roofprobe_kernels::ops::matmul::SPOILT;
use roofprobe_kernels::reference::{Random, matmul as oracle};
use roofprobe_kernels::{Dtype, Op, Shape};
use std::cell::Cell;
use std::rc::Rc;
use tokens::Tokens;
use weights::{SLACK_BYTES, WeightBuffers, row_bytes};

/// Elements of C that are held against the oracle; all of them must have been written.
const CHECKED: u64 = 256;
/// Invocations of a subgroup, where there is no adapter.
const SUBGROUP: u32 = 32;

/// A matmul made ready.
pub(super) struct Matmul {
    plan: Plan,
    weights: Rc<WeightBuffers>,
    /// As they are given, each followed by zeros.
    given: Vec<f32>,
    tokens: Tokens,
    /// One for each copy, with the row of the weights that it begins with.
    dispatches: Vec<(Dispatch, u64)>,
    /// What adds the parts of the product.
    added: Option<Dispatch>,
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
        let plan = Plan::of(job, SUBGROUP)?;
        Ok(tokens::before(&plan).into_iter().chain([plan.program()]).chain(tokens::after(&plan)).collect())
    }

    fn make_room(shared: &mut SharedBuffers, job: &Job) {
        // What it needs of the weights is the same whatever the subgroups.
        let suffice = |weights: &WeightBuffers| Plan::of(job, 1).is_ok_and(|plan| weights.suffice(&plan, job));
        shared.operands.keep_if(suffice);
    }

    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Matmul> {
        let plan = Plan::of(job, context.subgroup_max.max(1))?;
        let [m, n, k] = plan.extents;
        let [rows, columns] = plan.stored();
        possible(context, &plan)?;
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
        let given = padded(&oracle::tokens(m as usize, k as usize, 0x70c), k, plan.token_elements());
        let a = context.filled(bytemuck::cast_slice(&given))?;
        let tokens = Tokens::new(context, &plan, a, given.len() as u64)?;
        let product = context.buffer(rows * columns * 4)?;
        let parts = match plan.split {
            1 => product.clone(),
            split => context.buffer(rows * columns * 4 * u64::from(split))?,
        };
        let added = tokens::added(context, &plan, &parts, &product)?;
        let params = plan.params(row);
        let groups = plan.groups(context.limits.max_compute_workgroups_per_dimension);
        let slices = weights.slices(n);
        let dispatch = |copy: u64| {
            let first = copy % slices * n;
            let buffer = &weights.copies[(copy / slices) as usize];
            let part = BufferSlice { buffer, offset: first * row, size: Some(bytes) };
            let [a, heads] = tokens.buffers.each_ref().map(BufferSlice::whole);
            let buffers = [a, heads, part, BufferSlice::whole(&parts)];
            Ok((Dispatch::new(context, &pipeline, &[params], &buffers, groups)?, first))
        };
        let dispatches = (0..plan.copies).map(dispatch).collect::<GpuResult<Vec<_>>>()?;
        Ok(Matmul { plan, weights, given, tokens, dispatches, added, product, repetitions: Cell::new(0) })
    }

    fn is_current(&self, shared: &SharedBuffers) -> bool {
        shared.operands.holds(&self.weights)
    }

    fn work(&self) -> Work {
        let [m, n, k] = self.plan.extents;
        Work::of_matmul(Op::Matmul.cost(Shape::matmul(m, n, k)), self.weights.dtype)
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        for _ in 0..repetitions {
            let done = self.repetitions.get();
            let product = &self.dispatches[(done % self.dispatches.len() as u64) as usize].0;
            for dispatch in self.tokens.made.iter().chain([product]).chain(&self.added) {
                dispatch.pipeline.set(pass);
                dispatch.encode(pass, 0);
            }
            self.repetitions.set(done + 1);
        }
    }

    fn seek(&self, copy: u64) {
        self.repetitions.set(copy);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        let [rows, columns] = self.plan.stored();
        context.upload(&self.product, bytemuck::cast_slice(&vec![SPOILT; (rows * columns) as usize]))
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        let [m, n, k] = self.plan.extents;
        let [rows, columns] = self.plan.stored();
        let stored = context.words(&self.product, rows * columns)?;
        let got: Vec<u32> = stored
            .chunks_exact(columns as usize)
            .take(m as usize)
            .flat_map(|row| &row[..n as usize])
            .copied()
            .collect();
        let last = self.repetitions.get().saturating_sub(1) % self.dispatches.len() as u64;
        let first = self.dispatches[last as usize].1;
        let tokens = match self.plan.arithmetic {
            // Quantised tokens are taken as the GPU left them: what it rounds to which side is its own.
            Arithmetic::I8 => self.tokens.dequantised(context, &self.given)?,
            _ => Some(self.given.iter().map(|&x| x.into()).collect()),
        };
        let Some(tokens) = tokens else { return Ok(false) };
        let length = self.plan.token_elements() as usize;
        let agrees = |at: u64| {
            let (row, column) = (at / n, at % n);
            let weights = oracle::widened(self.weights.dtype, self.weights.stored_row(first + column));
            let element = oracle::element(&weights, &tokens[row as usize * length..][..k as usize]);
            match self.plan.arithmetic {
                Arithmetic::F16 => oracle::element_of_halves_agrees(got[at as usize], element, k as usize),
                _ => oracle::element_agrees(Dtype::F32, Dtype::F32, got[at as usize], element, k as usize),
            }
        };
        Ok(got.iter().all(|&bits| bits != SPOILT) && checked(m, n).into_iter().all(agrees))
    }

    fn verifies_every_pass(&self) -> bool {
        false
    }
}

/// # Errors
/// When the adapter lacks what `plan` needs.
fn possible(context: &Context, plan: &Plan) -> Result<(), Refusal> {
    let needed = [
        (plan.way == Way::Strided { subgroups: true }, wgpu::Features::SUBGROUP, "subgroup operations"),
        (plan.arithmetic == Arithmetic::F16, wgpu::Features::SHADER_F16, "f16 in shaders"),
    ];
    let missing = needed.into_iter().find(|&(asked, feature, _)| asked && !context.features.contains(feature));
    if let Some((_, _, what)) = missing {
        return Err(Refusal::Unsupported(format!("the adapter has no {what}")));
    }
    let Way::Matrices { side, .. } = plan.way else { return Ok(()) };
    if !lists_matrices(context, side) {
        let reason = format!("this GPU lists no cooperative matrices of {side}x{side}x{side} f16 f32");
        return Err(Refusal::Unsupported(reason));
    }
    Ok(())
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
