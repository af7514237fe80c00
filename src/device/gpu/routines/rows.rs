//! Work on rows of activations, rows looked up in a table, and traffic alone: what a replay does beside matmul and attention.
//!
//! All of it reads the same two arrays and writes a third, as an engine's operations find the activations in a cache.

use super::routine::{Dispatch, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Op, Shape};

params! {
    /// `Params` of `rows.wgsl`.
    RowsParams {
        /// Rows.
        rows: u32,
        /// Elements of each.
        row: u32,
        /// Rows that the arrays have room for.
        whole: u32,
        /// The first element of the weights of a copy.
        weights: u32,
        /// Rows of weights.
        weight_rows: u32,
        /// Rows of a table.
        table_rows: u32,
        /// Words of each; or vectors that are read.
        words: u32,
        /// What rows of a table are chosen by.
        seed: u32,
    }
}

/// Work on rows.
const ROWS: Shader = shader!("rows.wgsl", RowsParams);
const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write];
/// The lines that stand for the operation.
const ELEMENT: &str = "fn element(at: u32, i: u32) -> f32 { return a[at] + b[at]; }";
const NORMED: &str = "fn normed(at: u32) -> f32 { return a[at]; }";
const CENTRED: &str = "const CENTRED: f32 = 0.0;";

/// Numbers that are made up; a prime number of them, so that no two rows are alike.
const STRETCH: usize = 4093;
/// Bytes of one buffer of a pool at most, and what places in it are multiples of.
const CHUNK_BYTES_MAX: u64 = 256 << 20;
const PLACE_BYTES: u64 = 256;
/// Passes that look other rows up, before the first ones come again.
const GATHERS: u64 = 16;
/// A sum of bytes is less.
const NO_BYTE: u32 = 256;

/// Numbers of either sign, none of them near zero.
pub(in crate::device::gpu) fn made_up(elements: u64, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let number = |x: f64| (x * 0.9 + 0.05_f64.copysign(x)) as f32;
    let stretch: Vec<f32> = (0..STRETCH).map(|_| number(random.signed_unit())).collect();
    stretch.iter().copied().cycle().take(elements as usize).collect()
}

/// The arrays that rows are read from and written to.
pub(in crate::device::gpu) struct Activations {
    a: wgpu::Buffer,
    b: wgpu::Buffer,
    pub(in crate::device::gpu) out: wgpu::Buffer,
    pub(in crate::device::gpu) elements: u64,
    /// Invocations of the workgroups that work on them.
    size: u32,
}

impl Activations {
    /// Seeds of the two arrays.
    pub(in crate::device::gpu) const SEEDS: [u64; 2] = [3, 5];

    /// Arrays of so many elements each.
    pub(in crate::device::gpu) fn new(context: &Context, elements: u64, size: u32) -> GpuResult<Activations> {
        let elements = elements.next_multiple_of(4).max(4);
        let [a, b] = Self::SEEDS.map(|seed| context.filled(bytemuck::cast_slice(&made_up(elements, seed))));
        Ok(Activations { a: a?, b: b?, out: context.buffer(elements * 4)?, elements, size })
    }
}

/// Memory in which each copy has a stretch of its own: what is read or kept layer by layer.
pub(in crate::device::gpu) struct Pool {
    chunks: Vec<wgpu::Buffer>,
    chunk_bytes: u64,
    /// Bytes of a copy, up to the next one's place.
    each: u64,
}

impl Pool {
    /// `copies` times `bytes`, filled.
    pub(in crate::device::gpu) fn new(context: &Context, bytes: u64, copies: u64) -> GpuResult<Pool> {
        let each = bytes.next_multiple_of(PLACE_BYTES).max(PLACE_BYTES);
        let most = context.binding_bytes().min(CHUNK_BYTES_MAX);
        let chunk_bytes = if each <= most { most / each * each } else { most };
        let (all, mut chunks, mut made) = (each * copies, Vec::new(), 0);
        let data = made_up(chunk_bytes.min(all) / 4, 7);
        while made < all {
            let part = chunk_bytes.min(all - made);
            chunks.push(context.filled(bytemuck::cast_slice(&data[..part as usize / 4]))?);
            made += part;
        }
        Ok(Pool { chunks, chunk_bytes, each })
    }

    /// All that it holds, word by word.
    #[cfg(test)]
    pub(super) fn words(&self, context: &Context) -> Vec<u32> {
        let of = |chunk: &wgpu::Buffer| context.words(chunk, chunk.size() / 4);
        self.chunks.iter().flat_map(of).flatten().collect()
    }

    /// Where the first `bytes` of a copy lie.
    fn slices(&self, copy: u64, bytes: u64) -> Vec<BufferSlice<'_>> {
        let (mut at, mut slices) = (copy * self.each, Vec::new());
        let end = at + bytes.min(self.each);
        while at < end {
            let offset = at % self.chunk_bytes;
            let size = (end - at).min(self.chunk_bytes - offset);
            slices.push(BufferSlice {
                buffer: &self.chunks[(at / self.chunk_bytes) as usize],
                offset,
                size: Some(size),
            });
            at += size;
        }
        slices
    }
}

/// One operation on rows, made ready: for each copy of its operands dispatches with their parameters.
pub(in crate::device::gpu) struct RowsRoutine {
    dispatches: Vec<Dispatch>,
    copies: Vec<Vec<(usize, u32)>>,
}

impl RowsRoutine {
    /// `op` on rows of activations; or, where no shader does it, its traffic.
    ///
    /// # Errors
    /// Skipped when there are more elements than 32 bits can number.
    pub(in crate::device::gpu) fn of(
        context: &mut Context,
        activations: &Activations,
        (op, shape): (Op, Shape),
        copies: u64,
    ) -> GpuResult<RowsRoutine> {
        let params = params_of(activations, shape)?;
        let cost = op.cost(shape);
        if op == Op::State {
            let bytes = cost.state_read as u64 * 4;
            let pool = Pool::new(context, bytes, copies)?;
            return RowsRoutine::kept(context, activations, &pool, bytes, copies);
        }
        let weights = cost.weights_read as u64;
        let (program, slots, source) = match program(op, activations.size) {
            Some(program) => {
                let of_copy = |copy: u64| RowsParams {
                    weights: (copy * weights) as u32,
                    weight_rows: weights.div_ceil(shape.n.max(1)) as u32,
                    ..params
                };
                let slots: Vec<RowsParams> = (0..copies).map(of_copy).collect();
                let source = match op {
                    Op::Fetch => context.filled(bytemuck::cast_slice(&halves(activations.elements)))?,
                    _ => context.filled(bytemuck::cast_slice(&made_up(weights * copies, 11)))?,
                };
                (program, slots, source)
            }
            None => {
                let read = (cost.input_read as u64 + weights).min(activations.elements);
                let slots = vec![RowsParams { words: (read / 4) as u32, seed: NO_BYTE, ..params }];
                (moved(activations.size), slots, activations.a.clone())
            }
        };
        let groups = groups(context, activations.size, &program, &slots[0]);
        let count = slots.len() as u64;
        let dispatch = dispatch(context, activations, &program, &slots, BufferSlice::whole(&source), groups)?;
        let copies = (0..copies).map(|copy| vec![(0, (copy % count) as u32)]).collect();
        Ok(RowsRoutine { dispatches: vec![dispatch], copies })
    }

    /// A state of so many bytes for each copy, read and written back where it lies in `pool`.
    ///
    /// # Errors
    /// Refused when the driver rejects it.
    pub(in crate::device::gpu) fn kept(
        context: &mut Context,
        activations: &Activations,
        pool: &Pool,
        bytes: u64,
        copies: u64,
    ) -> GpuResult<RowsRoutine> {
        let program = rows_program("rows_state", activations.size, Vec::new());
        let pipeline = context.pipeline(&program)?;
        let mut routine = RowsRoutine { dispatches: Vec::new(), copies: Vec::new() };
        for copy in 0..copies {
            let mut calls = Vec::new();
            for slice in pool.slices(copy, bytes) {
                let row = (slice.size.unwrap_or(0) / 4) as u32;
                let params = RowsParams { rows: 1, row, whole: 1, ..RowsParams::default() };
                let groups = groups(context, activations.size, &program, &params);
                let [a, b] = [&activations.a, &activations.b].map(BufferSlice::whole);
                calls.push((routine.dispatches.len(), 0));
                routine.dispatches.push(Dispatch::new(context, &pipeline, &[params], &[a, b, a, slice], groups)?);
            }
            routine.copies.push(calls);
        }
        Ok(routine)
    }

    /// `rows` rows of `row` elements, looked up in a table of so many rows of so many words.
    ///
    /// # Errors
    /// As [`RowsRoutine::of`].
    pub(in crate::device::gpu) fn gather(
        context: &mut Context,
        activations: &Activations,
        (table, table_rows, words): (&wgpu::Buffer, u64, u64),
        [rows, row]: [u64; 2],
    ) -> GpuResult<RowsRoutine> {
        let params = params_of(activations, Shape::rows(rows, row))?;
        let of = |turn: u64| RowsParams {
            table_rows: table_rows as u32,
            words: words as u32,
            seed: (turn * 7919 + 1) as u32,
            ..params
        };
        let slots: Vec<RowsParams> = (0..GATHERS).map(of).collect();
        let program = rows_program("rows_gather", activations.size, Vec::new());
        let groups = groups(context, activations.size, &program, &slots[0]);
        let dispatch = dispatch(context, activations, &program, &slots, BufferSlice::whole(table), groups)?;
        Ok(RowsRoutine {
            dispatches: vec![dispatch],
            copies: (0..GATHERS as u32).map(|slot| vec![(0, slot)]).collect(),
        })
    }

    /// The traffic of something else: `bytes` of a copy in `pool` read, `rows` rows of `row` elements written.
    ///
    /// # Errors
    /// As [`RowsRoutine::of`].
    pub(in crate::device::gpu) fn traffic(
        context: &mut Context,
        activations: &Activations,
        (pool, bytes): (&Pool, u64),
        [rows, row]: [u64; 2],
        copies: u64,
    ) -> GpuResult<RowsRoutine> {
        let params = params_of(activations, Shape::rows(rows, row))?;
        let program = moved(activations.size);
        let mut routine = RowsRoutine { dispatches: Vec::new(), copies: Vec::new() };
        for copy in 0..copies {
            let mut calls = Vec::new();
            for (part, slice) in pool.slices(copy, bytes).into_iter().enumerate() {
                // Rows are written once.
                let rows = if part == 0 { params.rows } else { 1 };
                let words = (slice.size.unwrap_or(0) / 16) as u32;
                let slots = [RowsParams { words, rows, seed: NO_BYTE, ..params }];
                let groups = groups(context, activations.size, &program, &slots[0]);
                calls.push((routine.dispatches.len(), 0));
                routine.dispatches.push(dispatch(context, activations, &program, &slots, slice, groups)?);
            }
            routine.copies.push(calls);
        }
        Ok(routine)
    }

    /// Encodes it with its copy of the operands.
    pub(in crate::device::gpu) fn encode(&self, pass: &mut wgpu::ComputePass, copy: u64) {
        for &(dispatch, slot) in &self.copies[(copy % self.copies.len() as u64) as usize] {
            let dispatch = &self.dispatches[dispatch];
            dispatch.pipeline.set(pass);
            dispatch.encode(pass, slot);
        }
    }
}

fn dispatch(
    context: &mut Context,
    activations: &Activations,
    program: &Program,
    slots: &[RowsParams],
    source: BufferSlice,
    groups: [u32; 3],
) -> GpuResult<Dispatch> {
    let pipeline = context.pipeline(program)?;
    let [a, b, out] = [&activations.a, &activations.b, &activations.out].map(BufferSlice::whole);
    Dispatch::new(context, &pipeline, slots, &[a, b, source, out], groups)
}

/// Halves, two to a word.
pub(in crate::device::gpu) fn halves(elements: u64) -> Vec<u32> {
    let half = |x: f32| u32::from(half_bits(x));
    made_up(elements, 13).chunks(2).map(|pair| half(pair[0]) | half(pair[pair.len() - 1]) << 16).collect()
}

/// The half whose sign, exponent and first digits are those of `x`, a number between 2⁻¹⁴ and 2¹⁶ in magnitude.
fn half_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rest = (bits & 0x7fff_ffff) >> 13;
    (bits >> 16 & 0x8000) as u16 | (rest - (112 << 10)) as u16
}

/// Rows and elements, within the arrays and 32 bits.
fn params_of(activations: &Activations, shape: Shape) -> Result<RowsParams, Refusal> {
    let (rows, row) = (shape.m.max(1), shape.n.max(1));
    if rows.saturating_mul(row) > u64::from(u32::MAX / 2) || row > activations.elements {
        return Err(skipped(&format!("{rows} rows of {row} elements are more than one buffer holds")));
    }
    let whole = rows.min(activations.elements / row);
    Ok(RowsParams { rows: rows as u32, row: row as u32, whole: whole as u32, ..RowsParams::default() })
}

/// Workgroups for the elements that are written and the vectors that are read, or one for each row that is summed.
fn groups(context: &Context, size: u32, program: &Program, params: &RowsParams) -> [u32; 3] {
    let most = context.limits.max_compute_workgroups_per_dimension;
    let groups = match program.entry {
        "rows_normalised" | "rows_softmax" => params.rows,
        "rows_moved" => (params.rows * params.row).max(params.words).div_ceil(size),
        _ => (params.rows * params.row).div_ceil(size),
    };
    [groups.clamp(1, most), 1, 1]
}

fn rows_program(entry: &'static str, size: u32, lines: Vec<(&'static str, String)>) -> Program {
    Program { shader: ROWS, lines, entry, constants: vec![("SIZE", size.into())], bindings: BINDINGS }
}

fn moved(size: u32) -> Program {
    rows_program("rows_moved", size, Vec::new())
}

/// The program of an operation on rows; `None` where only its traffic is known.
fn program(op: Op, size: u32) -> Option<Program> {
    let each = |formula: &str| {
        let line = format!("fn element(at: u32, i: u32) -> f32 {{ return {formula}; }}");
        rows_program("rows_each", size, vec![(ELEMENT, line)])
    };
    let norm = |formula: &str, centred: &str| {
        let normed = format!("fn normed(at: u32) -> f32 {{ return {formula}; }}");
        let lines = vec![(NORMED, normed), (CENTRED, format!("const CENTRED: f32 = {centred};"))];
        rows_program("rows_normalised", size, lines)
    };
    Some(match op {
        Op::RmsNorm => norm("a[at]", "0.0"),
        Op::LayerNorm => norm("a[at]", "1.0"),
        Op::GatedNorm => norm("a[at] * silu(b[at])", "0.0"),
        Op::Route => rows_program("rows_softmax", size, Vec::new()),
        Op::Rope => rows_program("rows_turned", size, Vec::new()),
        Op::Append => rows_program("rows_append", size, Vec::new()),
        Op::Fetch => rows_program("rows_fetch", size, Vec::new()),
        Op::Bias => each("a[at] + w[p.weights + i % p.row]"),
        Op::Residual => each("a[at] + b[at]"),
        Op::Gate => each("a[at] * b[at]"),
        Op::SwiGlu => each("silu(a[at]) * b[at]"),
        Op::GeGlu => each("gelu(a[at]) * b[at]"),
        Op::ReGlu => each("max(a[at], 0.0) * b[at]"),
        Op::Silu => each("silu(a[at])"),
        Op::Gelu => each("gelu(a[at])"),
        Op::Relu => each("max(a[at], 0.0)"),
        Op::ReluSquared => each("max(a[at], 0.0) * max(a[at], 0.0)"),
        Op::SoftCap => each("30.0 * tanh(a[at] / 30.0)"),
        _ => return None,
    })
}

/// Whether a shader does `op`; of what none does the bytes are moved.
pub(in crate::device::gpu) fn has_shader(op: Op) -> bool {
    op == Op::State || program(op, 1).is_some()
}

/// Every program of this file, for workgroups of that size.
#[cfg(test)]
pub(super) fn programs(size: u32) -> Vec<Program> {
    let others = ["rows_gather", "rows_state", "rows_moved"].map(|entry| rows_program(entry, size, Vec::new()));
    Op::ALL.into_iter().filter_map(|op| program(op, size)).chain(others).collect()
}
