//! Streams over arrays of f32.

use super::routine::{Dispatch, Routine, SharedBuffers, checksum, fold_of, folded, foreign, skipped, slots};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, number, shader};
use crate::job::Job;
use crate::profile::{AccessLayout, GpuStream, Variant};
use crate::work::Work;
use roofprobe_kernels::reference::{self, Random};
use roofprobe_kernels::{Dtype, Op, Shape};
use std::rc::Rc;

params! {
    /// `Params` of `stream.wgsl`.
    StreamParams {
        /// Vectors of this part of the arrays.
        n: u32,
        /// Workgroups that walk over all of it together.
        team: u32,
        /// How far a team is rotated against the one before it.
        ahead: u32,
        /// From one workgroup's first place to the next one's.
        step_group: u32,
        /// From one invocation's first place to its neighbour's.
        step_lane: u32,
        /// From one place of an invocation to its next one.
        step: u32,
        /// Places of an invocation.
        places: u32,
        /// Walks.
        rounds: u32,
        /// How far a walk is rotated against the one before it.
        rotation: u32,
        /// The scalar.
        s: f32,
    }
}

/// All streams.
const STREAM: Shader = shader!("stream.wgsl", StreamParams);

/// The line of the shader that selects what is written.
const VALUE: &str = "fn value(i: u32) -> vec4<f32> { return copy(i); }";
const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write, Access::Write];
/// Bytes of a vector of four.
pub(super) const VECTOR_BYTES: u64 = 16;
/// Places that an invocation has in flight: of a read, whose loads alone keep the memory busy, and of what writes, too.
const READS: u32 = 16;
const PLACES: u32 = 4;
/// Values that are made up one by one.
const STRETCH: usize = 1 << 20;
/// The scalar of scale and triad.
const SCALAR: f32 = 1.618_034;
/// Repetitions within one dispatch, a power of two.
pub(super) const FOLD_MAX: u32 = 1 << 15;

/// Three arrays, as large as the largest job so far asked for, and their values on the host.
pub(super) struct Arrays {
    x: Vec<f32>,
    y: Vec<f32>,
    buffers: [wgpu::Buffer; 3],
}

impl Arrays {
    fn new(context: &Context, elements: usize) -> GpuResult<Arrays> {
        let mut random = Random::new(7);
        let mut values = || random_values(&mut random, elements);
        let (x, y) = (values(), values());
        let buffers = [
            context.filled(bytemuck::cast_slice(&x))?,
            context.filled(bytemuck::cast_slice(&y))?,
            context.buffer(elements as u64 * 4)?,
        ];
        Ok(Arrays { x, y, buffers })
    }

    /// Whether `job` finds its arrays here.
    fn suffice(&self, job: &Job) -> bool {
        vectors(job).is_ok_and(|vectors| self.x.len() as u64 >= vectors * 4)
    }
}

/// Vectors of each array that `job` walks over.
fn vectors(job: &Job) -> Result<u64, Refusal> {
    let cost = job.op.cost(Shape::stream(1));
    let arrays = (cost.input_read + cost.output_written) as u64;
    let vectors = division(job)?.footprint_bytes / arrays / VECTOR_BYTES;
    if vectors == 0 { Err(skipped("the arrays are smaller than one vector")) } else { Ok(vectors) }
}

/// Random values in [-1, 1): a stretch of them, and others with the same exponents and other fractions, since making up all
/// of them one by one takes longer than the measurement.
fn random_values(random: &mut Random, elements: usize) -> Vec<f32> {
    const FRACTION: u32 = (1 << 23) - 1;
    let first: Vec<f32> = (0..elements.min(STRETCH)).map(|_| random.signed_unit() as f32).collect();
    let mut values = Vec::with_capacity(elements);
    values.extend_from_slice(&first);
    while values.len() < elements {
        let other = random.bits() as u32 & FRACTION;
        let left = (elements - values.len()).min(STRETCH);
        values.extend(first[..left].iter().map(|x| f32::from_bits(x.to_bits() ^ other)));
    }
    values
}

/// How `job` divides its arrays.
fn division(job: &Job) -> Result<&GpuStream, Refusal> {
    let Variant::GpuStream(stream) = &job.variant else { return Err(foreign(job)) };
    Ok(stream)
}

/// The parameters for `n` vectors of `op`, and the workgroups that they take: `most` or fewer.
fn divided(op: Op, stream: &GpuStream, n: u64, most: u32) -> (StreamParams, u32) {
    let size = u64::from(stream.workgroup_size);
    let asked = u64::from(stream.workgroups.min(most));
    let in_flight = u64::from(in_flight(op));
    // No more workgroups than there is work for. What is left of them reads the same again: all of the GPU is to read what a small
    // part of it would do for. Those that write would write the same words at once.
    let team = asked.min(n.div_ceil(size * in_flight)).max(1);
    let teams = if op == Op::Read { (asked / team).clamp(1, n) } else { 1 };
    let places = n.div_ceil(size * team).next_multiple_of(in_flight);
    let (step_group, step_lane, step) = match stream.layout {
        AccessLayout::Strided => (size, 1, size * team),
        AccessLayout::Blocked => (size * places, 1, size),
        AccessLayout::Contiguous => (size * places, places, 1),
    };
    let [n, team, ahead, step_group, step_lane, step, places, teams] =
        [n, team, n / teams, step_group, step_lane, step, places, teams].map(|x| x as u32);
    (StreamParams { n, team, ahead, step_group, step_lane, step, places, rounds: 1, rotation: 0, s: SCALAR }, teams)
}

fn in_flight(op: Op) -> u32 {
    if op == Op::Read { READS } else { PLACES }
}

/// The program of a stream. `whole`: every place of every invocation lies within the arrays.
pub(super) fn program(op: Op, workgroup_size: u32, whole: bool) -> Program {
    let mut lines = vec![number("const READS: u32 = 1u;", READS), number("const PLACES: u32 = 1u;", PLACES)];
    let entry = if op == Op::Read { "read" } else { "stream" };
    if op != Op::Read {
        lines.push((VALUE, VALUE.replace("copy", op.name())));
    }
    let constants = vec![("SIZE", f64::from(workgroup_size)), ("GUARD", f64::from(u8::from(!whole)))];
    Program { shader: STREAM, lines, entry, constants, bindings: BINDINGS }
}

/// How far a walk over `n` vectors is rotated against the one before it: by the golden section, which comes back to no place
/// soon.
fn rotation(n: u64) -> u32 {
    ((n as f64 * 0.618_034) as u32).min(n as u32 - 1)
}

/// A stream made ready.
pub(super) struct Stream {
    op: Op,
    arrays: Rc<Arrays>,
    /// Elements of each array that are walked over.
    elements: usize,
    /// One for each part of the arrays that fits a binding.
    dispatches: Vec<Dispatch>,
    sums: wgpu::Buffer,
    /// Words of the sums: one for each workgroup.
    words: u64,
    /// How often a repetition walks over the arrays.
    walks: u64,
    checksum: u32,
    fold_max: u32,
}

impl Routine for Stream {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        let size = division(job)?.workgroup_size;
        Ok([false, true].map(|whole| program(job.op, size, whole)).into())
    }

    fn make_room(shared: &mut SharedBuffers, job: &Job) {
        shared.arrays.keep_if(|arrays: &Arrays| arrays.suffice(job));
    }

    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Stream> {
        let division = division(job)?;
        let size = division.workgroup_size;
        let vectors = vectors(job)?;
        let elements = (vectors * 4) as usize;
        let arrays = shared.arrays.get_or_make(|| Arrays::new(context, elements))?;
        let per_binding = context.binding_bytes() / VECTOR_BYTES;
        let most = context.limits.max_compute_workgroups_per_dimension;
        let words = u64::from(division.workgroups.min(most));
        let sums = context.buffer(words * 4)?;
        // Walked again and again within a dispatch, whatever the size: one method along the whole curve. Where arrays take several
        // bindings, they take several dispatches.
        let folds = vectors <= per_binding;
        let places = divided(job.op, division, vectors.min(per_binding), most).0.places;
        let fold_max = if folds { FOLD_MAX.min(fold_of(places / in_flight(job.op))) } else { 1 };
        let (mut dispatches, mut walks) = (Vec::new(), 1);
        for begun in (0..vectors).step_by(per_binding as usize) {
            let n = per_binding.min(vectors - begun);
            let (mut params, mut teams) = divided(job.op, division, n, most);
            if !folds {
                // Parts of different sizes would be read a different number of times.
                (params.ahead, teams) = (0, 1);
            }
            let groups = params.team * teams;
            walks = u64::from(teams);
            let whole = u64::from(size) * u64::from(params.team) * u64::from(params.places) == n;
            let pipeline = context.pipeline(&program(job.op, size, whole))?;
            // Each walk begins elsewhere, so that nothing can be taken out of the loop over them, and what a core read in the
            // last one is not what it reads in the next.
            let rotation = if folds { rotation(n) } else { 0 };
            let slots = slots(fold_max, |rounds| StreamParams { rounds, rotation, ..params });
            let part = |buffer| BufferSlice { buffer, offset: begun * VECTOR_BYTES, size: Some(n * VECTOR_BYTES) };
            let [x, y, out] = arrays.buffers.each_ref().map(part);
            let buffers = [x, y, out, BufferSlice::whole(&sums)];
            dispatches.push(Dispatch::new(context, &pipeline, &slots, &buffers, [groups, 1, 1])?);
        }
        let checksum = checksum(arrays.x[..elements].iter().map(|x| x.to_bits()));
        Ok(Stream { op: job.op, arrays, elements, dispatches, sums, words, walks, checksum, fold_max })
    }

    fn is_current(&self, shared: &SharedBuffers) -> bool {
        shared.arrays.holds(&self.arrays)
    }

    fn work(&self) -> Work {
        Work::of_kernel(self.op.cost(Shape::stream(self.elements as u64 * self.walks)), Dtype::F32)
    }

    fn fold_max(&self) -> u32 {
        self.fold_max
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        folded(repetitions, fold, |slot| {
            for dispatch in &self.dispatches {
                dispatch.pipeline.set(pass);
                dispatch.encode(pass, slot);
            }
        });
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(if self.op == Op::Read { &self.sums } else { &self.arrays.buffers[2] })
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        if self.op == Op::Read {
            let sum = checksum(context.words(&self.sums, self.words)?);
            return Ok(sum == self.checksum.wrapping_mul((repetitions * self.walks) as u32));
        }
        let mut right = true;
        let (op, arrays) = (self.op, &self.arrays);
        context.look(&arrays.buffers[2], 0, self.elements as u64 * 4, |offset, bytes| {
            let from = (offset / 4) as usize;
            let got: &[f32] = bytemuck::cast_slice(bytes);
            let inputs = arrays.x[from..].iter().zip(&arrays.y[from..]);
            right &= got.iter().zip(inputs).all(|(&got, (&x, &y))| reference::stream_agrees_f32(op, got, x, y, SCALAR));
        })?;
        Ok(right)
    }

    fn verifies_every_pass(&self) -> bool {
        self.op == Op::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_finite_within_one_and_nowhere_the_same_again() {
        let values = random_values(&mut Random::new(3), 3 * STRETCH + 5);
        assert_eq!(values.len(), 3 * STRETCH + 5);
        assert!(values.iter().all(|x| x.is_finite() && x.abs() <= 1.0));
        let same = (0..STRETCH).filter(|&i| values[i] == values[i + STRETCH]).count();
        assert!(same < 10, "{same}");
    }
}
