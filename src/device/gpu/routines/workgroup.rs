//! Reads of workgroup memory.

use super::routine::{Dispatch, Routine, SharedBuffers, checksum, foreign, skipped, slots};
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
        /// How far a round begins from where the one before it began, in vectors.
        rotation: u32,
    }
}

/// Reads of workgroup memory.
const WORKGROUP: Shader = shader!("workgroup.wgsl", WorkgroupParams);
const BINDINGS: &[Access] = &[Access::Read, Access::Write];
/// Reads of an invocation in one round, at least.
const READS_MIN: u32 = 64;

/// The program that reads so many vectors of workgroup memory.
pub(super) fn program(workgroup_size: u32, vectors: u32) -> Program {
    let constants = vec![("SIZE", f64::from(workgroup_size)), ("VECTORS", f64::from(vectors))];
    Program { shader: WORKGROUP, lines: Vec::new(), entry: "read", constants, bindings: BINDINGS }
}

/// Invocations of a workgroup, workgroups, and the vectors that each reads: the footprint is one workgroup's memory.
fn extents(job: &Job) -> Result<[u32; 3], Refusal> {
    let Variant::WorkgroupRead(read) = &job.variant else { return Err(foreign(job)) };
    let vectors = u32::try_from(read.footprint_bytes / VECTOR_BYTES).unwrap_or(0);
    Ok([read.workgroup_size, read.workgroups, vectors])
}

/// A read of workgroup memory made ready.
pub(super) struct WorkgroupRead {
    dispatch: Dispatch,
    sums: wgpu::Buffer,
    invocations: u64,
    reads: u32,
    checksum: u32,
}

impl Routine for WorkgroupRead {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        let [size, _, vectors] = extents(job)?;
        Ok(vec![program(size, vectors)])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<WorkgroupRead> {
        let [size, groups, vectors] = extents(job)?;
        let groups = groups.min(context.limits.max_compute_workgroups_per_dimension);
        if !vectors.is_power_of_two() || !size.is_power_of_two() || vectors < size {
            let reason = "workgroup memory is read in a power of two of vectors, one per invocation or more";
            return Err(skipped(reason).into());
        }
        let pipeline = context.pipeline(&program(size, vectors))?;
        let mut random = Random::new(11);
        let values: Vec<u32> = (0..vectors * 4).map(|_| random.bits() as u32).collect();
        let input = context.filled(bytemuck::cast_slice(&values))?;
        let invocations = u64::from(size) * u64::from(groups);
        let sums = context.buffer(invocations * 4)?;
        // Every vector is read as often as every other one.
        let each = vectors / size;
        let reads = each * (READS_MIN / each).max(1);
        let rotation = size / 2 + 1;
        let slots = slots(FOLD_MAX, |rounds| WorkgroupParams { reads, rounds, rotation });
        let buffers = [&input, &sums].map(BufferSlice::whole);
        let dispatch = Dispatch::new(context, &pipeline, &slots, &buffers, [groups, 1, 1])?;
        let times = invocations * u64::from(reads) / u64::from(vectors);
        let checksum = checksum(values).wrapping_mul(times as u32);
        Ok(WorkgroupRead { dispatch, sums, invocations, reads, checksum })
    }

    fn work(&self) -> Work {
        let vectors = self.invocations * u64::from(self.reads);
        Work::of_kernel(Op::Read.cost(Shape::stream(vectors * 4)), Dtype::F32)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.dispatch.encode_folded(pass, repetitions, fold);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(&self.sums)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        let sum = checksum(context.words(&self.sums, self.invocations)?);
        Ok(sum == self.checksum.wrapping_mul(repetitions as u32))
    }
}
