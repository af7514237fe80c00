//! The routines: one file for each family of jobs.
//!
//! To add one: write its shader and its file with one implementation of [`Routine`], and add its line to [`ROUTINES`].

mod attention;
mod chain;
mod coopmat;
mod matmul;
mod overhead;
mod stream;
#[cfg(test)]
mod tests;
mod transfer;
mod workgroup;

use super::context::{Context, GpuResult};
use super::pipeline::{Bindings, Pipeline};
use super::shader::Program;
use super::timer::{Elapsed, Timer};
use crate::device::Refusal;
use crate::job::Job;
use crate::work::Work;
use std::rc::Rc;

/// A job made ready: buffers filled, pipelines built. The functions without `self` select it and make it.
pub(super) trait Routine {
    /// Whether this routine does `job`.
    fn takes(job: &Job) -> bool
    where
        Self: Sized;

    /// Every program that `job` may run, whatever the adapter.
    ///
    /// # Errors
    /// When there is none for it.
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal>
    where
        Self: Sized;

    /// Gives up shared buffers that `job` cannot use, or has no memory beside.
    fn make_room(_shared: &mut SharedBuffers, _job: &Job)
    where
        Self: Sized,
    {
    }

    /// Makes `job` ready. Uses the shared buffers that are there, and makes those that are not.
    ///
    /// # Errors
    /// When the adapter lacks something that the job needs, or memory.
    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Self>
    where
        Self: Sized;

    /// Whether its shared buffers are still those of `shared`. If not, it is dropped with them.
    fn is_current(&self, _shared: &SharedBuffers) -> bool {
        true
    }

    /// The work of one repetition.
    fn work(&self) -> Work;

    /// How many repetitions one dispatch can do at most: a power of two. What takes much less time than a dispatch costs
    /// repeats within the shader.
    fn fold_max(&self) -> u32 {
        1
    }

    /// Encodes `repetitions`, at most `fold` of them in one dispatch; `fold` is a power of two up to [`Routine::fold_max`].
    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32);

    /// Times `repetitions`. The default times what [`Routine::encode`] encodes, in submissions of at most `limit` of the usual
    /// length.
    ///
    /// # Errors
    /// Those of the device.
    fn time(&mut self, context: &Context, timer: &mut Timer, repetitions: u64, limit: f64) -> GpuResult<Elapsed> {
        timer.time(context, self, repetitions, limit)
    }

    /// Overwrites earlier results, so that they cannot pass for new ones.
    ///
    /// # Errors
    /// Those of the device.
    fn prepare(&mut self, context: &Context) -> GpuResult<()>;

    /// Whether the results of all repetitions since [`Routine::prepare`] are those of the oracle.
    ///
    /// # Errors
    /// Those of the device.
    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool>;

    /// Whether every pass is verified, because it costs little. Otherwise only the first is, and each that repeats more within
    /// one dispatch than those before.
    fn verifies_every_pass(&self) -> bool {
        false
    }
}

/// Large buffers that all jobs of a family share.
#[derive(Default)]
pub(super) struct SharedBuffers {
    arrays: Option<Rc<stream::Arrays>>,
    caches: Option<Rc<attention::CacheBuffers>>,
    weights: Option<Rc<matmul::WeightBuffers>>,
}

/// Whether `held` is the buffer that is shared now.
fn is_shared<T>(shared: Option<&Rc<T>>, held: &Rc<T>) -> bool {
    shared.is_some_and(|shared| Rc::ptr_eq(shared, held))
}

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

/// A dispatch of one program, with the buffers bound that it works on.
struct Dispatch {
    pipeline: Pipeline,
    bindings: Bindings,
    groups: [u32; 3],
}

impl Dispatch {
    /// Encodes it with the parameters of `slot`, in a pass whose pipeline is set.
    fn encode(&self, pass: &mut wgpu::ComputePass, slot: u32) {
        let [x, y, z] = self.groups;
        self.bindings.set(pass, slot);
        pass.dispatch_workgroups(x, y, z);
    }

    /// Encodes `repetitions`, 2^slot of them in the dispatch of each slot, none above `fold`.
    fn encode_folded(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.pipeline.set(pass);
        folded(repetitions, fold, |slot| self.encode(pass, slot));
    }
}

/// A number that a job has to name, 1 or more.
///
/// # Errors
/// Skipped, when it does not.
fn named(value: Option<u32>, what: &str) -> Result<u32, Refusal> {
    value.filter(|&n| n > 0).ok_or_else(|| skipped(&format!("the job names no {what}")))
}

fn skipped(reason: &str) -> Refusal {
    Refusal::Skipped(reason.to_owned())
}

/// The parameters of each slot: slot `i` repeats 2^i times, up to `fold_max`.
fn slots<P>(fold_max: u32, params: impl Fn(u32) -> P) -> Vec<P> {
    (0..=fold_max.ilog2()).map(|slot| params(1 << slot)).collect()
}

/// Calls `dispatch` with slots such that the sum of their 2^slot is `repetitions`, none above `fold`.
fn folded(repetitions: u64, fold: u32, mut dispatch: impl FnMut(u32)) {
    let top = fold.max(1).ilog2();
    for _ in 0..repetitions >> top {
        dispatch(top);
    }
    for slot in (0..top).rev().filter(|slot| repetitions >> slot & 1 == 1) {
        dispatch(slot);
    }
}

/// The sum of words, modulo 2³²: the same in any order.
fn checksum(words: impl IntoIterator<Item = u32>) -> u32 {
    words.into_iter().fold(0, u32::wrapping_add)
}

#[test]
fn folds_add_up() {
    for (repetitions, fold) in [(1, 1), (7, 1), (7, 4), (1000, 256), (64, 64), (3, 1024)] {
        let (mut sum, mut most) = (0, 0);
        folded(repetitions, fold, |slot| {
            sum += 1_u64 << slot;
            most = most.max(1_u32 << slot);
        });
        assert_eq!(sum, repetitions);
        assert!(most <= fold);
    }
}
