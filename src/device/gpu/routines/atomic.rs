//! Atomic additions to words in a GPU's caches, and in workgroup memory.

use super::routine::{Dispatch, Routine, SharedBuffers, fold_of, foreign, skipped, slots};
use super::stream::FOLD_MAX;
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::profile::Variant;
use crate::work::Work;
use roofprobe_kernels::{Dtype, Op, Shape};

params! {
    /// `Params` of `atomic.wgsl`.
    AtomicParams {
        /// Additions of an invocation in one round.
        additions: u32,
        rounds: u32,
        /// What is added.
        addend: u32,
    }
}

/// Atomic additions.
const ATOMIC: Shader = shader!("atomic.wgsl", AtomicParams);
const BINDINGS: &[Access] = &[Access::Write];
/// Additions of an invocation in one round, at least.
const ADDITIONS_MIN: u32 = 16;
/// What is added: odd, so that every number of additions leaves another sum.
const ADDEND: u32 = 0x9e37_79b1;

/// What a job asks for: invocations of a workgroup, workgroups, words, and whether each workgroup has its own.
#[derive(Clone, Copy, Debug)]
struct Spec {
    size: u32,
    groups: u32,
    words: u32,
    shared: bool,
}

impl Spec {
    fn of(job: &Job) -> Result<Spec, Refusal> {
        let (bytes, size, groups, shared) = match &job.variant {
            Variant::GpuAtomic(v) => (v.footprint_bytes, v.workgroup_size, v.workgroups, false),
            Variant::WorkgroupAtomic(v) => (v.footprint_bytes, v.workgroup_size, v.workgroups, true),
            _ => return Err(foreign(job)),
        };
        let words = u32::try_from(bytes / 4).unwrap_or(0);
        let whole = words.is_power_of_two() && size.is_power_of_two() && words >= size;
        if !whole {
            return Err(skipped("words are added to in a power of two, one per invocation or more"));
        }
        Ok(Spec { size, groups, words, shared })
    }

    fn program(&self) -> Program {
        let entry = if self.shared { "atomic_workgroup" } else { "atomic_cache" };
        let constants = vec![("SIZE", f64::from(self.size)), ("WORDS", f64::from(self.words))];
        Program { shader: ATOMIC, lines: Vec::new(), entry, constants, bindings: BINDINGS }
    }

    /// Additions of an invocation in one round: whole walks of a workgroup over all words.
    fn additions(&self) -> u32 {
        (self.words / self.size).max(ADDITIONS_MIN)
    }

    /// Additions of all invocations in one round.
    fn all(&self) -> u64 {
        u64::from(self.size) * u64::from(self.groups) * u64::from(self.additions())
    }
}

/// Atomic additions made ready.
pub(super) struct Atomic {
    spec: Spec,
    dispatch: Dispatch,
    words: wgpu::Buffer,
}

impl Routine for Atomic {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![Spec::of(job)?.program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Atomic> {
        let mut spec = Spec::of(job)?;
        spec.groups = spec.groups.min(context.limits.max_compute_workgroups_per_dimension);
        let pipeline = context.pipeline(&spec.program())?;
        let words = context.buffer(u64::from(spec.words) * 4)?;
        let slots = slots(FOLD_MAX, |rounds| AtomicParams { additions: spec.additions(), rounds, addend: ADDEND });
        let dispatch = Dispatch::new(context, &pipeline, &slots, &[BufferSlice::whole(&words)], [spec.groups, 1, 1])?;
        Ok(Atomic { spec, dispatch, words })
    }

    fn work(&self) -> Work {
        Work::of_kernel(Op::Atomic.cost(Shape::stream(self.spec.all())), Dtype::F32)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX.min(fold_of(self.spec.additions()))
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.dispatch.encode_folded(pass, repetitions, fold);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(&self.words)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        let each = self.spec.all() / u64::from(self.spec.words) * repetitions;
        let want = ADDEND.wrapping_mul(each as u32);
        Ok(context.words(&self.words, self.spec.words.into())?.iter().all(|&sum| sum == want))
    }
}
