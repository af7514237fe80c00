//! Dispatches that do next to nothing, one behind another.

use super::context::{Bound, Context, Outcome, Part, Pipeline};
use super::params::params;
use super::routine::Routine;
use super::shader::{Access, Program, Shader, shader};
use crate::work::Work;

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

/// The program of a counting dispatch.
pub(super) fn program() -> Program {
    let bindings = &[Access::Write];
    Program { shader: EMPTY, lines: Vec::new(), entry: "dispatch", constants: Vec::new(), bindings }
}

/// Counting dispatches made ready.
pub(super) struct Dispatches {
    pipeline: Pipeline,
    bound: Bound,
    count: wgpu::Buffer,
}

impl Dispatches {
    pub(super) fn new(context: &mut Context) -> Outcome<Dispatches> {
        let pipeline = context.pipeline(&program())?;
        let count = context.buffer(4)?;
        let bound = context.bind(&pipeline, &[EmptyParams { step: STEP }], &[Part::whole(&count)])?;
        Ok(Dispatches { pipeline, bound, count })
    }
}

impl Routine for Dispatches {
    fn work(&self) -> Work {
        Work::default()
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        pass.set_pipeline(&self.pipeline.pipeline);
        for _ in 0..repetitions {
            self.bound.set(pass, 0);
            pass.dispatch_workgroups(1, 1, 1);
        }
    }

    fn prepare(&mut self, context: &Context) -> Outcome<()> {
        context.clear(&self.count)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> Outcome<bool> {
        let bytes = context.download(&self.count, 4)?;
        Ok(bytemuck::cast_slice::<u8, u32>(&bytes) == [STEP.wrapping_mul(repetitions as u32)])
    }

    fn verifies_at_once(&self) -> bool {
        true
    }
}
