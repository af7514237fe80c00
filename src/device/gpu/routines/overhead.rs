//! Dispatches and submissions that do next to nothing.

use super::routine::{Dispatch, Routine, SharedBuffers};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::device::gpu::timer::{Elapsed, Timer};
use crate::job::Job;
use crate::work::Work;
use roofprobe_kernels::Op;
use std::time::Instant;

params! {
    /// `Params` of `empty.wgsl`.
    EmptyParams {
        /// What a dispatch adds.
        step: u32,
    }
}

/// A dispatch that counts itself.
pub(super) const EMPTY: Shader = shader!("empty.wgsl", EmptyParams);
/// What it adds; a stray write is unlikely to be a multiple.
const STEP: u32 = 0x9e37_79b1;

fn program() -> Program {
    let bindings = &[Access::Write];
    Program { shader: EMPTY, lines: Vec::new(), entry: "dispatch", constants: Vec::new(), bindings }
}

/// Counting dispatches, one behind another.
pub(super) struct Dispatches {
    dispatch: Dispatch,
    count: wgpu::Buffer,
}

impl Routine for Dispatches {
    fn takes(job: &Job) -> bool {
        job.op == Op::Dispatch
    }

    fn programs(_: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, _: &Job) -> GpuResult<Dispatches> {
        let pipeline = context.pipeline(&program())?;
        let count = context.buffer(4)?;
        let bindings = context.bind(&pipeline, &[EmptyParams { step: STEP }], &[BufferSlice::whole(&count)])?;
        Ok(Dispatches { dispatch: Dispatch { pipeline, bindings, groups: [1; 3] }, count })
    }

    fn work(&self) -> Work {
        Work::default()
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        self.dispatch.encode_folded(pass, repetitions, 1);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(&self.count)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        Ok(context.words(&self.count, 1)? == [STEP.wrapping_mul(repetitions as u32)])
    }

    fn verifies_every_pass(&self) -> bool {
        true
    }
}

/// Counting dispatches, each submitted alone and awaited. Only the host's clock sees their time.
pub(super) struct Submissions(Dispatches);

impl Routine for Submissions {
    fn takes(job: &Job) -> bool {
        job.op == Op::Submit
    }

    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Dispatches::programs(job)
    }

    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Submissions> {
        Dispatches::new(context, shared, job).map(Submissions)
    }

    fn work(&self) -> Work {
        self.0.work()
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.0.encode(pass, repetitions, fold);
    }

    fn time(&mut self, context: &Context, _: &mut Timer, repetitions: u64, _: f64) -> GpuResult<Elapsed> {
        let begun = Instant::now();
        for _ in 0..repetitions {
            context.pass(|pass| self.encode(pass, 1, 1))?;
        }
        Ok(Elapsed::on_host(begun, repetitions))
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        self.0.prepare(context)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        self.0.verify(context, repetitions)
    }

    fn verifies_every_pass(&self) -> bool {
        true
    }
}
