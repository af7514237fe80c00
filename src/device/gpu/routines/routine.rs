//! What every routine has, and what they are made of.

use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::pipeline::{Bindings, BufferSlice, Pipeline};
use crate::device::gpu::shader::Program;
use crate::job::Job;
use crate::work::Work;
use std::any::Any;
use std::rc::Rc;

/// A job made ready: buffers filled, pipelines built. The functions without `self` select it and make it.
pub(in crate::device::gpu) trait Routine {
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

    /// Whether the buffers that it shares are still those of `shared`. If not, it is dropped with them.
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

    /// Chooses the copy of the operands that the next repetition reads.
    fn seek(&self, _copy: u64) {}

    /// Whether only the host's clock sees its time: that of [`Routine::execute`].
    fn is_timed_by_host(&self) -> bool {
        false
    }

    /// Does one repetition and waits for its end.
    ///
    /// # Errors
    /// Those of the device.
    fn execute(&mut self, context: &Context) -> GpuResult<()> {
        context.pass(|pass| self.encode(pass, 1, 1))
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
        true
    }
}

/// The large buffers that jobs of one family share.
#[derive(Default)]
pub(in crate::device::gpu) struct SharedBuffers {
    /// The arrays of streams, which are measured between all others.
    pub(super) arrays: Slot,
    /// The weights of matmuls, or the caches of attention: memory does not suffice for both.
    pub(super) operands: Slot,
}

/// Room for one kind of shared buffers at a time.
#[derive(Default)]
pub(super) struct Slot(Option<Rc<dyn Any>>);

impl Slot {
    fn get<T: Any>(&self) -> Option<Rc<T>> {
        self.0.clone()?.downcast().ok()
    }

    /// Gives up what is there, unless it is a `T` that suffices.
    pub(super) fn keep_if<T: Any>(&mut self, suffices: impl FnOnce(&T) -> bool) {
        if !self.get().is_some_and(|there| suffices(&there)) {
            self.0 = None;
        }
    }

    /// The `T` that is there, or the one that `make` makes.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn get_or_make<T: Any>(&mut self, make: impl FnOnce() -> GpuResult<T>) -> GpuResult<Rc<T>> {
        if let Some(there) = self.get() {
            return Ok(there);
        }
        let made = Rc::new(make()?);
        self.0 = Some(made.clone());
        Ok(made)
    }

    /// Whether `held` is what is there now.
    pub(super) fn holds<T: Any>(&self, held: &Rc<T>) -> bool {
        self.get().is_some_and(|there: Rc<T>| Rc::ptr_eq(&there, held))
    }
}

/// A dispatch of one program, with the buffers bound that it works on.
pub(super) struct Dispatch {
    pub(super) pipeline: Pipeline,
    pub(super) bindings: Bindings,
    pub(super) groups: [u32; 3],
}

impl Dispatch {
    /// A dispatch of `groups` workgroups, with one set of parameters for each of `slots`, and `buffers` in the order of the
    /// program's bindings.
    ///
    /// # Errors
    /// Refused when the driver rejects it.
    pub(super) fn new<P: bytemuck::Pod>(
        context: &Context,
        pipeline: &Pipeline,
        slots: &[P],
        buffers: &[BufferSlice],
        groups: [u32; 3],
    ) -> GpuResult<Dispatch> {
        let align = context.limits.min_uniform_buffer_offset_alignment.max(16) as usize;
        let order = context.order.as_ref().map(BufferSlice::whole);
        let buffers: Vec<BufferSlice> = buffers.iter().copied().chain(order).collect();
        let bindings = context.scoped(|| Bindings::new(&context.device, pipeline, slots, align, &buffers))?;
        Ok(Dispatch { pipeline: pipeline.clone(), bindings, groups })
    }

    /// Encodes it with the parameters of `slot`, in a pass whose pipeline is set.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass, slot: u32) {
        let [x, y, z] = self.groups;
        self.bindings.set(pass, slot);
        pass.dispatch_workgroups(x, y, z);
    }

    /// Encodes `repetitions`, 2^slot of them in the dispatch of each slot, none above `fold`.
    pub(super) fn encode_folded(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.pipeline.set(pass);
        folded(repetitions, fold, |slot| self.encode(pass, slot));
    }
}

/// The refusal of a job that is done in a way that its routine does not know.
pub(super) fn foreign(job: &Job) -> Refusal {
    Refusal::Unsupported(format!("{} on a GPU is not done as {}", job.op, job.variant.family()))
}

pub(super) fn skipped(reason: &str) -> Refusal {
    Refusal::Skipped(reason.to_owned())
}

/// The parameters of each slot: slot `i` repeats 2^i times, up to `fold_max`.
pub(super) fn slots<P>(fold_max: u32, params: impl Fn(u32) -> P) -> Vec<P> {
    (0..=fold_max.ilog2()).map(|slot| params(1 << slot)).collect()
}

/// How often a dispatch may repeat a round of so many turns of loops, a power of two: llvmpipe ends all loops of a shader after 65535
/// turns, whatever they were to do.
pub(super) fn fold_of(turns: u32) -> u32 {
    // What comes before and behind the rounds has the rest.
    const TURNS_MAX: u32 = 60_000;
    1 << (TURNS_MAX / (turns + 1)).max(1).ilog2()
}

/// Calls `dispatch` with slots such that the sum of their 2^slot is `repetitions`, none above `fold`.
pub(super) fn folded(repetitions: u64, fold: u32, mut dispatch: impl FnMut(u32)) {
    let top = fold.max(1).ilog2();
    for _ in 0..repetitions >> top {
        dispatch(top);
    }
    for slot in (0..top).rev().filter(|slot| repetitions >> slot & 1 == 1) {
        dispatch(slot);
    }
}

/// The sum of words, modulo 2³²: the same in every order.
pub(super) fn checksum(words: impl IntoIterator<Item = u32>) -> u32 {
    words.into_iter().fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
