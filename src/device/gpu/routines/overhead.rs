//! Launches and submissions that do next to nothing.

use super::routine::{Dispatch, Routine, SharedBuffers};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::work::Work;
use roofprobe_kernels::Op;

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

/// Counting dispatches: one behind another, or each submitted alone and awaited.
pub(super) struct Launches {
    op: Op,
    dispatch: Dispatch,
    count: wgpu::Buffer,
}

impl Routine for Launches {
    fn programs(_: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Launches> {
        let pipeline = context.pipeline(&program())?;
        let count = context.buffer(4)?;
        let (params, buffers) = ([EmptyParams { step: STEP }], [BufferSlice::whole(&count)]);
        let dispatch = Dispatch::new(context, &pipeline, &params, &buffers, [1; 3])?;
        Ok(Launches { op: job.op, dispatch, count })
    }

    fn work(&self) -> Work {
        Work::default()
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        self.dispatch.encode_folded(pass, repetitions, 1);
    }

    /// The notice of a submission's end reaches only the host.
    fn is_timed_by_host(&self) -> bool {
        self.op == Op::Submit
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(&self.count)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        Ok(context.words(&self.count, 1)? == [STEP.wrapping_mul(repetitions as u32)])
    }
}
