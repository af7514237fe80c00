//! Streams over arrays of f32, and reads of workgroup memory.

use super::context::{Bound, Context, Outcome, Part, Pipeline};
use super::params::params;
use super::routine::{Routine, folded, named};
use super::shader::{Access, Program, Shader, shader};
use crate::device::Refusal;
use crate::job::Job;
use crate::profile::Layout;
use crate::work::Work;
use roofprobe_kernels::reference::{self, Random};
use roofprobe_kernels::{Dtype, Op, Shape};
use std::rc::Rc;

params! {
    /// `Params` of `stream.wgsl`.
    StreamParams {
        /// Vectors of this part of the arrays.
        n: u32,
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
        /// How far a walk is turned against the one before it.
        turn: u32,
        /// The scalar.
        s: f32,
    }
}

params! {
    /// `Params` of `workgroup.wgsl`.
    WorkgroupParams {
        /// Reads of an invocation in one round.
        reads: u32,
        rounds: u32,
        turn: u32,
        unused: u32,
    }
}

/// The streams.
pub(super) const STREAM: Shader = shader!("stream.wgsl", StreamParams);
/// Reads of workgroup memory.
pub(super) const WORKGROUP: Shader = shader!("workgroup.wgsl", WorkgroupParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write, Access::Write];
const WORKGROUP_BINDINGS: &[Access] = &[Access::Read, Access::Write];
/// Bytes of a vector of four.
const VECTOR_BYTES: u64 = 16;
/// Places that an invocation has in flight.
const UNROLL: u64 = 4;
/// Values that are made up one by one.
const STRETCH: usize = 1 << 20;
/// The scalar of scale and triad.
const SCALAR: f32 = 1.618_034;
/// Repetitions within one dispatch, a power of two.
const FOLD_MAX: u32 = 1 << 15;
/// A walk of more than this is never folded: it lasts.
const FOLDED_BYTES_MAX: u64 = 64 << 20;

/// Three arrays, as large as the largest job so far asked for, and their values on the host.
pub(super) struct Arena {
    x: Vec<f32>,
    y: Vec<f32>,
    buffers: [wgpu::Buffer; 3],
}

impl Arena {
    fn new(context: &Context, elements: usize) -> Outcome<Arena> {
        let mut random = Random::new(7);
        let mut values = || random_values(&mut random, elements);
        let (x, y) = (values(), values());
        let buffers = [
            context.filled(bytemuck::cast_slice(&x))?,
            context.filled(bytemuck::cast_slice(&y))?,
            context.buffer(elements as u64 * 4)?,
        ];
        Ok(Arena { x, y, buffers })
    }

    /// `arena`, or a new one of `elements` elements of each array in its place.
    fn at_least(context: &Context, arena: &mut Option<Rc<Arena>>, elements: usize) -> Outcome<Rc<Arena>> {
        if let Some(there) = arena.as_ref().filter(|there| there.x.len() >= elements) {
            return Ok(there.clone());
        }
        let made = Rc::new(Arena::new(context, elements)?);
        *arena = Some(made.clone());
        Ok(made)
    }

    /// Whether `job` finds its arrays here.
    pub(super) fn suffices(&self, job: &Job) -> bool {
        vectors(job).is_ok_and(|vectors| self.x.len() as u64 >= vectors * 4)
    }
}

/// Vectors of each array that `job` walks over.
fn vectors(job: &Job) -> Result<u64, Refusal> {
    let cost = job.op.cost(Shape::stream(1));
    let arrays = (cost.input_read + cost.output_written) as u64;
    let footprint = job.variant.footprint_bytes.ok_or_else(|| skipped("the job names no footprint"))?;
    let vectors = footprint / arrays / VECTOR_BYTES;
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

/// How a job divides its arrays.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Division {
    size: u32,
    groups: u32,
    layout: Layout,
}

impl Division {
    fn of(job: &Job) -> Result<Division, Refusal> {
        let size = named(job.variant.workgroup_size, "workgroup size")?;
        let groups = named(job.variant.workgroups, "number of workgroups")?;
        Ok(Division { size, groups, layout: job.variant.layout.unwrap_or(Layout::Strided) })
    }

    /// The parameters for `n` vectors, and the workgroups that it takes.
    fn params(self, n: u64, most: u32) -> (StreamParams, u32) {
        let size = u64::from(self.size);
        // No more workgroups than there is work for.
        let groups = u64::from(self.groups.min(most)).min(n.div_ceil(size * UNROLL)).max(1);
        let places = n.div_ceil(size * groups).next_multiple_of(UNROLL);
        let (step_group, step_lane, step) = match self.layout {
            Layout::Strided => (size, 1, size * groups),
            Layout::Blocked => (size * places, 1, size),
            Layout::Contiguous => (size * places, places, 1),
        };
        let [n, step_group, step_lane, step, places] = [n, step_group, step_lane, step, places].map(|x| x as u32);
        (StreamParams { n, step_group, step_lane, step, places, rounds: 1, turn: 0, s: SCALAR }, groups as u32)
    }
}

/// The program of a stream. `whole`: every place of every invocation lies within the arrays.
pub(super) fn program(op: Op, workgroup_size: u32, whole: bool) -> Program {
    let entry = op.name();
    let constants = vec![("SIZE", f64::from(workgroup_size)), ("GUARD", f64::from(u8::from(!whole)))];
    Program { shader: STREAM, lines: Vec::new(), entry, constants, bindings: BINDINGS }
}

/// The program that reads workgroup memory of so many vectors.
pub(super) fn workgroup_program(workgroup_size: u32, vectors: u32) -> Program {
    let constants = vec![("SIZE", f64::from(workgroup_size)), ("VECTORS", f64::from(vectors))];
    Program { shader: WORKGROUP, lines: Vec::new(), entry: "read", constants, bindings: WORKGROUP_BINDINGS }
}

/// Both programs of a stream job.
#[cfg(test)]
pub(super) fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
    let Division { size, .. } = Division::of(job)?;
    Ok([false, true].map(|whole| program(job.op, size, whole)).into())
}

/// The program of a read of workgroup memory.
#[cfg(test)]
pub(super) fn workgroup_programs(job: &Job) -> Result<Vec<Program>, Refusal> {
    let Division { size, .. } = Division::of(job)?;
    let footprint = job.variant.footprint_bytes.unwrap_or(0);
    Ok(vec![workgroup_program(size, (footprint / VECTOR_BYTES) as u32)])
}

/// How far a walk over `n` vectors is turned against the one before it.
fn turn(n: u64) -> u32 {
    ((n as f64 * 0.618_034) as u32).min(n as u32 - 1)
}

/// One part of the arrays: what a binding holds.
struct Chunk {
    pipeline: Pipeline,
    bound: Bound,
    groups: u32,
}

/// A stream made ready.
pub(super) struct Stream {
    op: Op,
    arena: Rc<Arena>,
    /// Elements of each array that are walked over.
    elements: usize,
    chunks: Vec<Chunk>,
    sums: wgpu::Buffer,
    sums_bytes: u64,
    checksum: u32,
    folds: u32,
}

impl Stream {
    /// Makes `job` ready; `arena` is shared by all of them.
    pub(super) fn new(context: &mut Context, arena: &mut Option<Rc<Arena>>, job: &Job) -> Outcome<Stream> {
        let division = Division::of(job)?;
        let vectors = vectors(job)?;
        let arena = Arena::at_least(context, arena, (vectors * 4) as usize)?;
        let per_chunk = context.binding_bytes() / VECTOR_BYTES;
        let most = context.limits.max_compute_workgroups_per_dimension;
        let sums_bytes = u64::from(division.size) * u64::from(division.groups.min(most)) * 4;
        let sums = context.buffer(sums_bytes)?;
        // Small working sets are walked again and again within a dispatch.
        let folds =
            if vectors <= per_chunk && vectors * VECTOR_BYTES <= FOLDED_BYTES_MAX { FOLD_MAX.ilog2() + 1 } else { 1 };
        let mut chunks = Vec::new();
        let mut begun = 0;
        while begun < vectors {
            let n = per_chunk.min(vectors - begun);
            let (params, groups) = division.params(n, most);
            let whole = u64::from(division.size) * u64::from(groups) * u64::from(params.places) == n;
            let pipeline = context.pipeline(&program(job.op, division.size, whole))?;
            // Each walk begins elsewhere, so that nothing can be taken out of the loop over them, and what a core read in the
            // last one is not what it reads in the next: by the golden section, which comes back to no place soon.
            let turn = if folds > 1 { turn(n) } else { 0 };
            let slots: Vec<StreamParams> =
                (0..folds).map(|slot| StreamParams { rounds: 1 << slot, turn, ..params }).collect();
            let part = |buffer| Part { buffer, offset: begun * VECTOR_BYTES, size: Some(n * VECTOR_BYTES) };
            let [x, y, out] = &arena.buffers;
            let bound = context.bind(&pipeline, &slots, &[part(x), part(y), part(out), Part::whole(&sums)])?;
            chunks.push(Chunk { pipeline, bound, groups });
            begun += n;
        }
        let elements = (vectors * 4) as usize;
        let checksum = arena.x[..elements].iter().fold(0_u32, |sum, x| sum.wrapping_add(x.to_bits()));
        Ok(Stream { op: job.op, arena, elements, chunks, sums, sums_bytes, checksum, folds })
    }
}

impl Routine for Stream {
    fn work(&self) -> Work {
        Work::of_kernel(self.op.cost(Shape::stream(self.elements as u64)), Dtype::F32)
    }

    fn fold_max(&self) -> u32 {
        1 << (self.folds - 1)
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        folded(repetitions, fold, |slot| {
            for chunk in &self.chunks {
                pass.set_pipeline(&chunk.pipeline.pipeline);
                chunk.bound.set(pass, slot);
                pass.dispatch_workgroups(chunk.groups, 1, 1);
            }
        });
    }

    fn prepare(&mut self, context: &Context) -> Outcome<()> {
        context.clear(if self.op == Op::Read { &self.sums } else { &self.arena.buffers[2] })
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> Outcome<bool> {
        if self.op == Op::Read {
            let sums = context.download(&self.sums, self.sums_bytes)?;
            let words: &[u32] = bytemuck::cast_slice(&sums);
            let sum = words.iter().fold(0_u32, |sum, word| sum.wrapping_add(*word));
            return Ok(sum == self.checksum.wrapping_mul(repetitions as u32));
        }
        let mut right = true;
        let (op, arena) = (self.op, &self.arena);
        context.look(&arena.buffers[2], 0, self.elements as u64 * 4, |offset, bytes| {
            let from = (offset / 4) as usize;
            let got: &[f32] = bytemuck::cast_slice(bytes);
            let inputs = arena.x[from..].iter().zip(&arena.y[from..]);
            right &= got.iter().zip(inputs).all(|(&got, (&x, &y))| reference::stream_agrees_f32(op, got, x, y, SCALAR));
        })?;
        Ok(right)
    }

    fn verifies_at_once(&self) -> bool {
        self.op == Op::Read
    }
}

/// A read of workgroup memory made ready.
pub(super) struct WorkgroupRead {
    pipeline: Pipeline,
    bound: Bound,
    sums: wgpu::Buffer,
    size: u32,
    groups: u32,
    reads: u32,
    checksum: u32,
}

impl WorkgroupRead {
    /// Makes `job` ready: its footprint is the workgroup memory of one workgroup.
    pub(super) fn new(context: &mut Context, job: &Job) -> Outcome<WorkgroupRead> {
        let Division { size, groups, .. } = Division::of(job)?;
        let groups = groups.min(context.limits.max_compute_workgroups_per_dimension);
        let footprint = job.variant.footprint_bytes.ok_or_else(|| skipped("the job names no footprint"))?;
        let vectors = u32::try_from(footprint / VECTOR_BYTES).unwrap_or(0);
        if !vectors.is_power_of_two() || !size.is_power_of_two() || vectors < size {
            return Err(
                skipped("workgroup memory is read in a power of two of vectors, one per invocation or more").into()
            );
        }
        let pipeline = context.pipeline(&workgroup_program(size, vectors))?;
        let mut random = Random::new(11);
        let values: Vec<u32> = (0..vectors * 4).map(|_| random.bits() as u32).collect();
        let input = context.filled(bytemuck::cast_slice(&values))?;
        let sums = context.buffer(u64::from(size) * u64::from(groups) * 4)?;
        // Every vector as often as every other one, at least so many reads.
        let reads = (vectors / size).max(1) * (64 / (vectors / size).max(1)).max(1);
        let slot = |slot: u32| WorkgroupParams { reads, rounds: 1 << slot, turn: size / 2 + 1, unused: 0 };
        let slots: Vec<WorkgroupParams> = (0..=FOLD_MAX.ilog2()).map(slot).collect();
        let bound = context.bind(&pipeline, &slots, &[Part::whole(&input), Part::whole(&sums)])?;
        let once = values.iter().fold(0_u32, |sum, word| sum.wrapping_add(*word));
        let times = u64::from(size) * u64::from(reads) / u64::from(vectors) * u64::from(groups);
        let checksum = once.wrapping_mul(times as u32);
        Ok(WorkgroupRead { pipeline, bound, sums, size, groups, reads, checksum })
    }
}

impl Routine for WorkgroupRead {
    fn work(&self) -> Work {
        let vectors = u64::from(self.size) * u64::from(self.groups) * u64::from(self.reads);
        Work::of_kernel(Op::Read.cost(Shape::stream(vectors * 4)), Dtype::F32)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        pass.set_pipeline(&self.pipeline.pipeline);
        folded(repetitions, fold, |slot| {
            self.bound.set(pass, slot);
            pass.dispatch_workgroups(self.groups, 1, 1);
        });
    }

    fn prepare(&mut self, context: &Context) -> Outcome<()> {
        context.clear(&self.sums)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> Outcome<bool> {
        let sums = context.download(&self.sums, u64::from(self.size) * u64::from(self.groups) * 4)?;
        let words: &[u32] = bytemuck::cast_slice(&sums);
        let sum = words.iter().fold(0_u32, |sum, word| sum.wrapping_add(*word));
        Ok(sum == self.checksum.wrapping_mul(repetitions as u32))
    }

    fn verifies_at_once(&self) -> bool {
        true
    }
}

fn skipped(reason: &str) -> Refusal {
    Refusal::Skipped(reason.to_owned())
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
