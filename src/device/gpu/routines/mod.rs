//! The routines: one file for each family of jobs.
//!
//! To add one: write its shader and its file with one implementation of [`Routine`], and add its two lines here.

mod attention;
mod chain;
mod coopmat;
mod matmul;
mod overhead;
mod routine;
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
pub(super) use routine::{Routine, SharedBuffers};

/// One implementation of [`Routine`], as the worker calls it.
pub(super) struct Entry {
    takes: fn(&Job) -> bool,
    #[cfg(test)]
    pub(super) programs: fn(&Job) -> Result<Vec<Program>, Refusal>,
    pub(super) make_room: fn(&mut SharedBuffers, &Job),
    pub(super) new: fn(&mut Context, &mut SharedBuffers, &Job) -> GpuResult<Box<dyn Routine>>,
}

const fn entry<R: Routine + 'static>() -> Entry {
    Entry {
        takes: R::takes,
        #[cfg(test)]
        programs: R::programs,
        make_room: R::make_room,
        new: |context, shared, job| Ok(Box::new(R::new(context, shared, job)?)),
    }
}

/// Every routine. The first one that takes a job does it.
const ROUTINES: &[Entry] = &[
    entry::<workgroup::WorkgroupRead>(),
    entry::<stream::Stream>(),
    entry::<chain::Chain>(),
    entry::<coopmat::Coopmat>(),
    entry::<matmul::Matmul>(),
    entry::<attention::AttentionRoutine>(),
    entry::<overhead::Dispatches>(),
    entry::<overhead::Submissions>(),
    entry::<transfer::Transfer>(),
];

/// The routine that does `job`.
///
/// # Errors
/// Unsupported when there is none.
pub(super) fn entry_of(job: &Job) -> Result<&'static Entry, Refusal> {
    let entry = ROUTINES.iter().find(|entry| (entry.takes)(job));
    entry.ok_or_else(|| Refusal::Unsupported(format!("there is no {} shader", job.op)))
}
