//! Dependent loads: the latency of a GPU's memory, caches and workgroup memory.

use super::routine::{Dispatch, Routine, SharedBuffers, foreign, skipped, slots};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::profile::Variant;
use crate::work::Work;
use roofprobe_kernels::ops::chase::cycle;
use roofprobe_kernels::reference::Random;

params! {
    /// `Params` of `chase.wgsl`.
    ChaseParams {
        /// Loads of a dispatch.
        steps: u32,
    }
}

/// Dependent loads.
const CHASE: Shader = shader!("chase.wgsl", ChaseParams);
const BINDINGS: &[Access] = &[Access::Read, Access::Write];
/// Loads within one dispatch, a power of two: milliseconds even in the nearest memory.
const FOLD_MAX: u32 = 1 << 20;
const WORD_BYTES: u64 = 4;

/// The line of `chase.wgsl` for so much workgroup memory.
fn program(entry: &'static str, size: u32, words: u32) -> Program {
    let constants = vec![("SIZE", f64::from(size)), ("WORDS", f64::from(words))];
    Program { shader: CHASE, lines: Vec::new(), entry, constants, bindings: BINDINGS }
}

/// What a job asks for.
#[derive(Clone, Copy, Debug)]
struct Spec {
    /// Places of the cycle, words from one to the next, and places within which it goes round before it leaves them.
    places: u32,
    stride: u32,
    window: usize,
    size: u32,
    /// Whether the words lie in workgroup memory.
    shared: bool,
}

impl Spec {
    fn of(job: &Job) -> Result<Spec, Refusal> {
        let (bytes, window, stride, size, shared) = match &job.variant {
            Variant::GpuChase(v) => (v.footprint_bytes, v.window_bytes, v.stride_bytes, v.workgroup_size, false),
            Variant::WorkgroupChase(v) => {
                (v.footprint_bytes, v.footprint_bytes, WORD_BYTES as u32, v.workgroup_size, true)
            }
            _ => return Err(foreign(job)),
        };
        let whole = stride > 0 && u64::from(stride).is_multiple_of(WORD_BYTES);
        let places = bytes.checked_div(stride.into()).filter(|&places| whole && places > 0);
        let places =
            places.and_then(|places| u32::try_from(places).ok().filter(|_| bytes / WORD_BYTES <= u32::MAX.into()));
        let places = places.ok_or_else(|| skipped("a chase needs whole words, and no more than a word can count"))?;
        let window = (window / u64::from(stride)).max(1) as usize;
        Ok(Spec { places, stride: stride / WORD_BYTES as u32, window, size, shared })
    }

    fn words(&self) -> u32 {
        self.places * self.stride
    }

    fn program(&self) -> Program {
        match self.shared {
            true => program("chase_workgroup", self.size, self.words()),
            false => program("chase", self.size, 1),
        }
    }
}

/// A chase made ready.
pub(super) struct Chase {
    spec: Spec,
    dispatch: Dispatch,
    at: wgpu::Buffer,
    /// Places in the order of the visit.
    order: Vec<usize>,
}

impl Routine for Chase {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![Spec::of(job)?.program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Chase> {
        let spec = Spec::of(job)?;
        if u64::from(spec.words()) * WORD_BYTES > context.binding_bytes() {
            let most = context.binding_bytes() >> 20;
            return Err(skipped(&format!("the adapter binds no more than {most} MiB at once")).into());
        }
        let pipeline = context.pipeline(&spec.program())?;
        let order = cycle(spec.places as usize, spec.window, &mut Random::new(29));
        let mut following = vec![0_u32; spec.words() as usize];
        let stride = spec.stride as usize;
        for (rank, &place) in order.iter().enumerate() {
            following[place * stride] = (order[(rank + 1) % order.len()] * stride) as u32;
        }
        let words = context.filled(bytemuck::cast_slice(&following))?;
        let at = context.buffer(u64::from(spec.size) * WORD_BYTES)?;
        let slots = slots(FOLD_MAX, |steps| ChaseParams { steps });
        let buffers = [&words, &at].map(BufferSlice::whole);
        let dispatch = Dispatch::new(context, &pipeline, &slots, &buffers, [1, 1, 1])?;
        Ok(Chase { spec, dispatch, at, order })
    }

    fn work(&self) -> Work {
        Work::default()
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.dispatch.encode_folded(pass, repetitions, fold);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        let first = (self.order[0] * self.spec.stride as usize) as u32;
        context.upload(&self.at, bytemuck::cast_slice(&vec![first; self.spec.size as usize]))
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        let come_to = self.order[(repetitions % self.order.len() as u64) as usize] * self.spec.stride as usize;
        let at = context.words(&self.at, self.spec.size.into())?;
        Ok(at.iter().all(|&at| at as usize == come_to))
    }
}
