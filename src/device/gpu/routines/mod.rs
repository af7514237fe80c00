//! The routines: one file for each family of jobs.
//!
//! To add one: write its shader and its file with one implementation of [`Routine`], and add its lines here.

mod atomic;
mod attention;
mod chain;
mod chase;
mod coopmat;
mod matmul;
mod overhead;
mod routine;
pub(super) mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod transfer;
mod workgroup;

use super::context::{Context, GpuResult};
#[cfg(test)]
use super::shader::Program;
use crate::device::Refusal;
use crate::job::Job;
use crate::profile::Variant;
use roofprobe_kernels::Op;
use roofprobe_kernels::ops::stream::OPS;
use routine::skipped;
pub(super) use routine::{Routine, SharedBuffers};

/// One implementation of [`Routine`], as the worker calls it.
pub(super) struct Entry {
    #[cfg(test)]
    pub(super) programs: fn(&Job) -> Result<Vec<Program>, Refusal>,
    pub(super) make_room: fn(&mut SharedBuffers, &Job),
    pub(super) new: fn(&mut Context, &mut SharedBuffers, &Job) -> GpuResult<Box<dyn Routine>>,
}

fn entry<R: Routine + 'static>() -> Entry {
    Entry {
        #[cfg(test)]
        programs: R::programs,
        make_room: R::make_room,
        new: |context, shared, job| Ok(Box::new(R::new(context, shared, job)?)),
    }
}

/// The routine that does `job`.
///
/// # Errors
/// Unsupported when there is none; skipped when the job has no workgroups.
pub(super) fn entry_of(job: &Job) -> Result<Entry, Refusal> {
    let keys = job.variant.keys();
    if [keys.workgroup_size, keys.workgroups].contains(&Some(0)) {
        return Err(skipped("the job names no workgroups"));
    }
    Ok(match (&job.variant, job.op) {
        (Variant::GpuChase(_) | Variant::WorkgroupChase(_), Op::Chase) => entry::<chase::Chase>(),
        (Variant::GpuAtomic(_) | Variant::WorkgroupAtomic(_), Op::Atomic) => entry::<atomic::Atomic>(),
        (Variant::WorkgroupRead(_) | Variant::WorkgroupStride(_), Op::Read) => entry::<workgroup::WorkgroupRead>(),
        (Variant::GpuStream(_), op) if OPS.contains(&op) => entry::<stream::Stream>(),
        (Variant::GpuChain(_), Op::Chain) => entry::<chain::Chain>(),
        (Variant::MatrixChain(_), Op::Chain) => entry::<coopmat::Coopmat>(),
        (Variant::GpuMatmul(_), Op::Matmul) => entry::<matmul::Matmul>(),
        (Variant::GpuAttention(_), Op::Attention) => entry::<attention::AttentionRoutine>(),
        (Variant::Launch(_), Op::Dispatch | Op::Submit) => entry::<overhead::Launches>(),
        (Variant::Transfer(_), Op::Upload | Op::Download | Op::UploadMapped | Op::DownloadMapped | Op::Copy) => {
            entry::<transfer::Transfer>()
        }
        _ => return Err(Refusal::Unsupported(format!("there is no {} shader", job.op))),
    })
}
