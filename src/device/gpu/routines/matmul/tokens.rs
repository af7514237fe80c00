//! What is done before and after the product itself: tokens made ready, and sums of several workgroups added.

use super::formats::Arithmetic;
use super::plan::Plan;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::routines::routine::Dispatch;
use crate::device::gpu::shader::{Access, Program, Shader, shader};

params! {
    /// `Params` of `matmul_tokens.wgsl`.
    TokenParams {
        /// Elements of all tokens with the zeros that follow them, or of C.
        elements: u32,
        /// Parts that each element of C is the sum of.
        parts: u32,
    }
}

const TOKENS: Shader = shader!("matmul_tokens.wgsl", TokenParams);
const BINDINGS: &[Access] = &[Access::Read, Access::Write, Access::Write];
/// Invocations of a workgroup, as in the shader.
const SIZE: u64 = 64;
/// A buffer that a program has a binding for and does not use.
const UNUSED_BYTES: u64 = 256;
/// Elements that have a scale.
const GROUP: u64 = 16;
/// A quantised element is off by at most this share of a step: one half, and what a GPU's division may be wrong by.
const STEP_SHARE_MAX: f64 = 0.502;

const HALVES: [(&str, &str); 3] = [
    ("// No extensions.", "enable f16;"),
    (
        "@group(0) @binding(2) var<storage, read_write> halves: array<vec4<f32>>;",
        "@group(0) @binding(2) var<storage, read_write> halves: array<vec4<f16>>;",
    ),
    ("        halves[i] = vec4<f32>(given[i]);", "        halves[i] = vec4<f16>(given[i]);"),
];

fn program(entry: &'static str) -> Program {
    let lines = match entry {
        "matmul_halve" => HALVES.map(|(line, other)| (line, other.to_owned())).into(),
        _ => Vec::new(),
    };
    Program { shader: TOKENS, lines, entry, constants: Vec::new(), bindings: BINDINGS }
}

/// The program that makes tokens ready, where products are not in f32.
pub(super) fn before(plan: &Plan) -> Option<Program> {
    match plan.arithmetic {
        Arithmetic::F32 => None,
        Arithmetic::F16 => Some(program("matmul_halve")),
        Arithmetic::I8 => Some(program("matmul_quantise")),
    }
}

/// The program that adds what several workgroups found.
pub(super) fn after(plan: &Plan) -> Option<Program> {
    (plan.split > 1).then(|| program("matmul_add"))
}

/// So many invocations, in workgroups of two dimensions.
fn groups(context: &Context, invocations: u64) -> [u32; 3] {
    let groups = invocations.div_ceil(SIZE);
    let x = groups.min(context.limits.max_compute_workgroups_per_dimension.into());
    [x as u32, groups.div_ceil(x) as u32, 1]
}

/// Tokens as a product takes them.
pub(super) struct Tokens {
    /// What the shader multiplies, and the scales of quantised ones.
    pub(super) buffers: [wgpu::Buffer; 2],
    /// What makes them from those given.
    pub(super) made: Option<Dispatch>,
    elements: u64,
}

impl Tokens {
    /// Tokens made of `given`: so many elements in f32, zeros included.
    pub(super) fn new(context: &mut Context, plan: &Plan, given: wgpu::Buffer, elements: u64) -> GpuResult<Tokens> {
        let Some(program) = before(plan) else {
            return Ok(Tokens { buffers: [given, context.buffer(UNUSED_BYTES)?], made: None, elements });
        };
        let pipeline = context.pipeline(&program)?;
        let (bytes, heads, each) = match plan.arithmetic {
            Arithmetic::I8 => (elements, elements / GROUP * 8, 2 * GROUP),
            _ => (2 * elements, UNUSED_BYTES, 4),
        };
        let buffers = [context.buffer(bytes)?, context.buffer(heads)?];
        let params = TokenParams { elements: elements as u32, parts: 1 };
        let slices = [&given, &buffers[0], &buffers[1]].map(BufferSlice::whole);
        let made = Dispatch::new(context, &pipeline, &[params], &slices, groups(context, elements / each))?;
        Ok(Tokens { buffers, made: Some(made), elements })
    }

    /// What the quantised tokens stand for, as they were found in memory after a product; `None` where one is no quantisation of
    /// `given`.
    pub(super) fn dequantised(&self, context: &Context, given: &[f32]) -> GpuResult<Option<Vec<f64>>> {
        let bytes = context.download(&self.buffers[0], self.elements)?;
        let heads: Vec<f32> = bytemuck::pod_collect_to_vec(&context.download(&self.buffers[1], self.elements / 2)?);
        let scale = |at: usize| f64::from(heads[at / GROUP as usize * 2]);
        let value = |(at, &byte): (usize, &u8)| f64::from(byte as i8) * scale(at);
        let values: Vec<f64> = bytes.iter().enumerate().map(value).collect();
        let near = |at: usize| (values[at] - f64::from(given[at])).abs() <= STEP_SHARE_MAX * scale(at);
        Ok((0..values.len()).all(near).then_some(values))
    }
}

/// The sum of the parts of C into `product`.
pub(super) fn added(
    context: &mut Context,
    plan: &Plan,
    parts: &wgpu::Buffer,
    product: &wgpu::Buffer,
) -> GpuResult<Option<Dispatch>> {
    let Some(program) = after(plan) else { return Ok(None) };
    let pipeline = context.pipeline(&program)?;
    let elements: u64 = plan.stored().into_iter().product();
    let params = TokenParams { elements: elements as u32, parts: plan.split };
    let unused = context.buffer(UNUSED_BYTES)?;
    let slices = [parts, product, &unused].map(BufferSlice::whole);
    Dispatch::new(context, &pipeline, &[params], &slices, groups(context, elements)).map(Some)
}
