//! Reads of workgroup memory.

use super::routine::{Dispatch, Routine, SharedBuffers, checksum, fold_of, foreign, skipped, slots};
use super::stream::{FOLD_MAX, VECTOR_BYTES};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::profile::Variant;
use crate::work::Work;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Op, Shape};

params! {
    /// `Params` of `workgroup.wgsl`.
    WorkgroupParams {
        /// Reads of an invocation in one round.
        reads: u32,
        rounds: u32,
        /// How far a round begins from where the one before it began, in vectors (words).
        rotation: u32,
    }
}

/// Reads of workgroup memory.
const WORKGROUP: Shader = shader!("workgroup.wgsl", WorkgroupParams);
const BINDINGS: &[Access] = &[Access::Read, Access::Write];
const WORD_BYTES: u32 = 4;
/// Reads of an invocation in one round, at least.
const READS_MIN: u32 = 64;

/// The program that reads so many vectors of workgroup memory.
pub(super) fn program(workgroup_size: u32, vectors: u32) -> Program {
    let constants = vec![("SIZE", f64::from(workgroup_size)), ("VECTORS", f64::from(vectors))];
    Program { shader: WORKGROUP, lines: Vec::new(), entry: "read", constants, bindings: BINDINGS }
}

/// What a job asks for: the footprint is one workgroup's memory.
#[derive(Clone, Copy, Debug)]
struct Spec {
    size: u32,
    groups: u32,
    vectors: u32,
    /// Words from one invocation's to its neighbour's; without it, whole vectors side by side.
    stride: Option<u32>,
}

impl Spec {
    fn of(job: &Job) -> Result<Spec, Refusal> {
        let (bytes, size, groups, stride) = match &job.variant {
            Variant::WorkgroupRead(v) => (v.footprint_bytes, v.workgroup_size, v.workgroups, None),
            Variant::WorkgroupStride(v) => {
                (v.footprint_bytes, v.workgroup_size, v.workgroups, Some(v.stride_bytes / WORD_BYTES))
            }
            _ => return Err(foreign(job)),
        };
        let vectors = u32::try_from(bytes / VECTOR_BYTES).unwrap_or(0);
        let whole = vectors.is_power_of_two() && size.is_power_of_two() && vectors >= size;
        if !whole || stride.is_some_and(|stride| !stride.is_power_of_two()) {
            let reason = "workgroup memory is read in a power of two of vectors, one per invocation or more";
            return Err(skipped(reason));
        }
        Ok(Spec { size, groups, vectors, stride })
    }

    fn program(&self) -> Program {
        let vectors = program(self.size, self.vectors);
        let Some(stride) = self.stride else { return vectors };
        let mut constants = vectors.constants;
        constants.extend([("STRIDE", f64::from(stride)), ("STRIDE_LOG", f64::from(stride.ilog2()))]);
        Program { entry: "read_strided", constants, ..vectors }
    }

    /// Words of one read.
    fn width(&self) -> u32 {
        if self.stride.is_some() { 1 } else { 4 }
    }

    /// Reads of an invocation in one round: every word is read as often as every other one.
    fn reads(&self) -> u32 {
        let each = (4 * self.vectors / self.width() / self.size).max(self.stride.unwrap_or(1));
        each * (READS_MIN / each).max(1)
    }

    /// Words that all invocations read in one round.
    fn words(&self) -> u64 {
        u64::from(self.size) * u64::from(self.groups) * u64::from(self.reads() * self.width())
    }
}

/// A read of workgroup memory made ready.
pub(super) struct WorkgroupRead {
    spec: Spec,
    dispatch: Dispatch,
    sums: wgpu::Buffer,
    checksum: u32,
}

impl Routine for WorkgroupRead {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![Spec::of(job)?.program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<WorkgroupRead> {
        let mut spec = Spec::of(job)?;
        spec.groups = spec.groups.min(context.limits.max_compute_workgroups_per_dimension);
        let pipeline = context.pipeline(&spec.program())?;
        let mut random = Random::new(11);
        let values: Vec<u32> = (0..spec.vectors * 4).map(|_| random.bits() as u32).collect();
        let input = context.filled(bytemuck::cast_slice(&values))?;
        let sums = context.buffer(u64::from(spec.size) * u64::from(spec.groups) * 4)?;
        let rotation = spec.size / 2 + 1;
        let slots = slots(FOLD_MAX, |rounds| WorkgroupParams { reads: spec.reads(), rounds, rotation });
        let buffers = [&input, &sums].map(BufferSlice::whole);
        let dispatch = Dispatch::new(context, &pipeline, &slots, &buffers, [spec.groups, 1, 1])?;
        let times = spec.words() / u64::from(spec.vectors * 4);
        let checksum = checksum(values).wrapping_mul(times as u32);
        Ok(WorkgroupRead { spec, dispatch, sums, checksum })
    }

    fn work(&self) -> Work {
        Work::of_kernel(Op::Read.cost(Shape::stream(self.spec.words())), Dtype::F32)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX.min(fold_of(self.spec.reads() / self.spec.width()))
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.dispatch.encode_folded(pass, repetitions, fold);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(&self.sums)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        let sum = checksum(context.words(&self.sums, u64::from(self.spec.size) * u64::from(self.spec.groups))?);
        Ok(sum == self.checksum.wrapping_mul(repetitions as u32))
    }
}
