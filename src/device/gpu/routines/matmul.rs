//! Matmul: weights as they are stored, in the GPU's memory, times tokens in f32.
//!
//! Every repetition multiplies all tokens with one copy of the weights, and the next repetition takes the next copy, so that
//! no cache holds them.

use super::routine::{Dispatch, Routine, SharedBuffers, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::profile::{AccessLayout, Reduction};
use crate::units::{Bytes, Flops};
use crate::work::Work;
use roofprobe_kernels::ops::matmul::SPOILT;
use roofprobe_kernels::reference::{Random, matmul as oracle};
use roofprobe_kernels::{Dtype, Op, Shape};
use std::cell::Cell;
use std::rc::Rc;

params! {
    /// `Params` of `matmul.wgsl`.
    MatmulParams {
        /// Tokens.
        m: u32,
        /// Rows of weights.
        n: u32,
        /// Units of a row of weights.
        units: u32,
        /// From one row of weights to the next, in halves of words.
        row: u32,
        /// From one token to the next, in vectors of four.
        token: u32,
        unused_1: u32,
        unused_2: u32,
        unused_3: u32,
    }
}

/// Matmul with every weight format.
const MATMUL: Shader = shader!("matmul.wgsl", MatmulParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write];
/// Rows and columns of a tile at most: more than any register file holds.
const TILE_SIDE_MAX: u32 = 16;
/// Weights that are made up; the rest repeats them at other addresses.
const MADE_UP_BYTES: usize = 4 << 20;
/// What follows the last row of a copy: decoders read words, and whole units, beyond its end.
const SLACK_BYTES: u64 = 256;
/// Elements of C that are held against the oracle; all of them must have been written.
const CHECKED: u64 = 256;

/// A weight format as the shader takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Format {
    /// Its decoder.
    unit: &'static str,
    /// Vectors of four in a unit.
    vectors: u32,
    /// Units of a row that are staged at once.
    step: u32,
}

impl Format {
    /// The format of rows of `k` weights.
    fn of(dtype: Dtype, k: u64) -> Result<Format, Refusal> {
        let (unit, vectors, step) = match dtype {
            Dtype::F32 if k.is_multiple_of(4) => ("unit_f32", 1, 4),
            Dtype::F32 => ("unit_f32_ragged", 1, 4),
            Dtype::F16 if k.is_multiple_of(8) => ("unit_f16", 2, 2),
            Dtype::F16 => ("unit_f16_ragged", 2, 2),
            Dtype::Q8_0 => ("unit_q8_0", 4, 1),
            Dtype::Q4_0 => ("unit_q4_0", 8, 1),
            Dtype::Q4K => ("unit_q4_k", 8, 1),
            _ => return Err(Refusal::Unsupported(format!("there is no WGSL matmul of {dtype} weights yet"))),
        };
        Ok(Format { unit, vectors, step })
    }

    /// Elements of a unit.
    fn elements(self) -> u64 {
        4 * u64::from(self.vectors)
    }
}

/// How the shader goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each invocation for itself.
    Direct,
    /// A workgroup shares the sums.
    Strided { subgroups: bool },
    /// A workgroup shares operands.
    Staged,
}

/// A job as the shader takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    format: Format,
    way: Way,
    /// Invocations of a workgroup, along columns and along rows of C.
    workgroup: [u32; 2],
    /// Rows and columns of C of an invocation.
    tile: [u32; 2],
    /// Tokens, rows of weights, elements of each.
    extents: [u64; 3],
}

impl Plan {
    fn of(job: &Job) -> Result<Plan, Refusal> {
        let variant = &job.variant;
        let extent = |value: Option<u64>, name: &str| {
            // Places in operands are 32-bit numbers, with room for what lies beyond the last row.
            let value = value.filter(|value| (1..1 << 24).contains(value));
            value.ok_or_else(|| skipped(&format!("the job names no {name} between 1 and 2²⁴")))
        };
        let extents = [extent(variant.m, "m")?, extent(variant.n, "n")?, extent(variant.k, "k")?];
        let [m, n, k] = extents;
        let format = Format::of(job.dtype, k)?;
        if job.dtype.bytes(k.into()).is_none() {
            return Err(skipped(&format!("{k} elements are no whole blocks of {}", job.dtype)));
        }
        if n * k.next_multiple_of(8) >= 1 << 32 || m * n.max(k) >= 1 << 32 {
            return Err(skipped("an operand has more elements than 32 bits can number"));
        }
        let size = variant.workgroup_size.filter(|size| (1..=1 << 16).contains(size));
        let size = size.ok_or_else(|| skipped("the job names no workgroup size"))?;
        let tile = variant.tile.as_deref().map_or(Ok([1, 1]), tile)?;
        let (way, workgroup) = match variant.staged {
            Some(staged) => {
                let side = size.isqrt();
                if side * side != size || staged && !side.is_multiple_of(8) {
                    return Err(skipped("workgroups that share tiles are squares of 8 or 16 invocations a side"));
                }
                (if staged { Way::Staged } else { Way::Direct }, [side, side])
            }
            None => match (variant.layout, variant.reduction) {
                (Some(AccessLayout::Contiguous), None | Some(Reduction::Invocation)) => (Way::Direct, [size, 1]),
                (Some(AccessLayout::Strided), Some(Reduction::Subgroup)) => {
                    (Way::Strided { subgroups: true }, [size, 1])
                }
                (Some(AccessLayout::Strided), None | Some(Reduction::Workgroup)) => {
                    (Way::Strided { subgroups: false }, [size, 1])
                }
                _ => return Err(skipped("there is no matmul of that layout and reduction")),
            },
        };
        Ok(Plan { format, way, workgroup, tile, extents })
    }

    fn program(&self) -> Program {
        let Format { unit, vectors, step } = self.format;
        let [rows, columns] = self.tile;
        let mut lines = vec![
            ("const ROWS: u32 = 1u;", format!("const ROWS: u32 = {rows}u;")),
            ("const COLUMNS: u32 = 1u;", format!("const COLUMNS: u32 = {columns}u;")),
            ("const VECTORS: u32 = 1u;", format!("const VECTORS: u32 = {vectors}u;")),
            ("const STEP: u32 = 1u;", format!("const STEP: u32 = {step}u;")),
            (
                "fn unit(row: u32, at: u32) -> array<vec4<f32>, VECTORS> { return unit_f32(row, at); }",
                format!("fn unit(row: u32, at: u32) -> array<vec4<f32>, VECTORS> {{ return {unit}(row, at); }}"),
            ),
        ];
        if unit == "unit_q4_k" {
            lines.push((
                "fn place(at: u32, v: u32) -> u32 { return at * VECTORS + v; }",
                "fn place(at: u32, v: u32) -> u32 { return place_q4_k(at, v); }".to_owned(),
            ));
        }
        let [width, height] = self.workgroup.map(f64::from);
        let (entry, constants) = match self.way {
            Way::Direct => ("matmul_direct", vec![("WIDTH", width), ("HEIGHT", height)]),
            Way::Staged => ("matmul_staged", vec![("WIDTH", width), ("HEIGHT", height)]),
            Way::Strided { subgroups: false } => ("matmul_strided", vec![("WIDTH", width)]),
            Way::Strided { subgroups: true } => {
                lines.extend(SUBGROUP_LINES.map(|(line, other)| (line, other.to_owned())));
                // A subgroup has two invocations or more.
                ("matmul_strided", vec![("WIDTH", width), ("PARTS", f64::from(self.workgroup[0].div_ceil(2)))])
            }
        };
        Program { shader: MATMUL, lines, entry, constants, bindings: BINDINGS }
    }

    /// Workgroups of a dispatch, of which an adapter allows `most` along each dimension.
    fn groups(&self, most: u32) -> [u32; 3] {
        let [m, n, _] = self.extents;
        let [across, down] = [(n, self.tile[1]), (m, self.tile[0])].map(|(extent, tile)| extent.div_ceil(tile.into()));
        match self.way {
            Way::Strided { .. } => {
                let x = across.min(most.into());
                [x, down, across.div_ceil(x)].map(|groups| groups as u32)
            }
            Way::Direct | Way::Staged => {
                let [width, height] = self.workgroup.map(u64::from);
                [across.div_ceil(width) as u32, down.div_ceil(height) as u32, 1]
            }
        }
    }

    /// The parameters for rows of weights of `row` bytes.
    fn params(&self, row: u64) -> MatmulParams {
        let [m, n, _] = self.extents;
        let token = self.token_elements();
        let [m, n, units, row, token] =
            [m, n, token / self.format.elements(), row / 2, token / 4].map(|extent| extent as u32);
        MatmulParams { m, n, units, row, token, ..MatmulParams::default() }
    }

    /// Elements of a token with the zeros that follow it.
    fn token_elements(&self) -> u64 {
        self.extents[2].next_multiple_of(self.format.elements())
    }
}

/// The lines of the program with subgroups. A shader that names them is valid only on an adapter that has them.
const SUBGROUP_LINES: [(&str, &str); 5] = [
    (
        "struct Lane { @builtin(local_invocation_index) index: u32 }",
        "struct Lane { @builtin(local_invocation_index) index: u32, @builtin(subgroup_id) subgroup: u32, \
         @builtin(subgroup_invocation_id) within: u32, @builtin(num_subgroups) subgroups: u32 }",
    ),
    ("fn part(lane: Lane) -> u32 { return lane.index; }", "fn part(lane: Lane) -> u32 { return lane.subgroup; }"),
    ("fn parts(lane: Lane) -> u32 { return WIDTH; }", "fn parts(lane: Lane) -> u32 { return lane.subgroups; }"),
    ("fn leads(lane: Lane) -> bool { return true; }", "fn leads(lane: Lane) -> bool { return lane.within == 0u; }"),
    ("fn together(sum: f32) -> f32 { return sum; }", "fn together(sum: f32) -> f32 { return subgroupAdd(sum); }"),
];

fn tile(text: &str) -> Result<[u32; 2], Refusal> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=TILE_SIDE_MAX).contains(side));
    let sides = text.split_once('x').and_then(|(rows, columns)| Some([side(rows)?, side(columns)?]));
    sides.ok_or_else(|| skipped(&format!("\"{text}\" is no tile of rows × columns up to {TILE_SIDE_MAX}")))
}

/// Weights in the GPU's memory: copies of `rows` rows, each in a buffer of its own.
pub(super) struct WeightBuffers {
    dtype: Dtype,
    k: u64,
    rows: u64,
    /// The rows that were made up; row `i` of a copy repeats row `i` modulo their number.
    stored: Vec<u8>,
    copies: Vec<wgpu::Buffer>,
}

impl WeightBuffers {
    fn new(context: &Context, dtype: Dtype, [n, k]: [u64; 2], copies: u64) -> GpuResult<WeightBuffers> {
        let row = row_bytes(dtype, k);
        let made_up = (MADE_UP_BYTES / row as usize).clamp(1, n as usize);
        let stored = oracle::weights(dtype, made_up, k as usize, 0x3e1);
        let bytes = n * row;
        let data: Vec<u8> = stored.iter().copied().cycle().take(bytes as usize).collect();
        let copy = |_| {
            let buffer = context.buffer(bytes.next_multiple_of(SLACK_BYTES) + SLACK_BYTES)?;
            context.upload(&buffer, &data)?;
            Ok(buffer)
        };
        let copies = (0..copies).map(copy).collect::<GpuResult<_>>()?;
        Ok(WeightBuffers { dtype, k, rows: n, stored, copies })
    }

    /// Whether `plan` finds its weights here.
    fn suffice(&self, plan: &Plan, job: &Job) -> bool {
        let [_, n, k] = plan.extents;
        (self.dtype, self.k) == (job.dtype, k) && self.slices(n) * self.copies.len() as u64 >= copies(job)
    }

    /// How often `n` rows can be had from one copy: each time from another place, where bindings may begin there.
    fn slices(&self, n: u64) -> u64 {
        let aligned = (n * row_bytes(self.dtype, self.k)).is_multiple_of(SLACK_BYTES);
        if aligned { self.rows / n } else { u64::from(self.rows >= n) }
    }

    /// The stored bytes of one row of a copy.
    fn stored_row(&self, row: u64) -> &[u8] {
        let bytes = row_bytes(self.dtype, self.k) as usize;
        let made_up = self.stored.len() / bytes;
        &self.stored[row as usize % made_up * bytes..][..bytes]
    }
}

/// Bytes of a row of whole blocks.
fn row_bytes(dtype: Dtype, k: u64) -> u64 {
    let block = dtype.block();
    k / block.elements * block.bytes
}

/// A matmul made ready.
pub(super) struct Matmul {
    plan: Plan,
    weights: Rc<WeightBuffers>,
    tokens: Vec<f32>,
    /// One for each copy, with the row of the weights that it begins with.
    dispatches: Vec<(Dispatch, u64)>,
    product: wgpu::Buffer,
    /// Repetitions so far.
    repetitions: Cell<u64>,
}

/// Copies of the weights that `job` reads one after another.
fn copies(job: &Job) -> u64 {
    u64::from(job.variant.copies.unwrap_or(1).max(1))
}

/// Each token followed by zeros up to `elements`.
fn padded(tokens: &[f32], k: u64, elements: u64) -> Vec<f32> {
    let zeros = (elements - k) as usize;
    tokens.chunks_exact(k as usize).flat_map(|token| token.iter().copied().chain((0..zeros).map(|_| 0.0))).collect()
}

impl Routine for Matmul {
    fn takes(job: &Job) -> bool {
        job.op == Op::Matmul
    }

    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Plan::of(job).map(|plan| vec![plan.program()])
    }

    fn make_room(shared: &mut SharedBuffers, job: &Job) {
        let suffice = |weights: &WeightBuffers| Plan::of(job).is_ok_and(|plan| weights.suffice(&plan, job));
        shared.operands.keep_if(suffice);
    }

    fn new(context: &mut Context, shared: &mut SharedBuffers, job: &Job) -> GpuResult<Matmul> {
        let plan = Plan::of(job)?;
        let [m, n, k] = plan.extents;
        if plan.way == (Way::Strided { subgroups: true }) && !context.features.contains(wgpu::Features::SUBGROUP) {
            return Err(Refusal::Unsupported("the adapter has no subgroup operations".to_owned()).into());
        }
        let pipeline = context.pipeline(&plan.program())?;
        let row = row_bytes(job.dtype, k);
        // Whole words and more beyond the last row, within the slack of the buffer.
        let bytes = (n * row).next_multiple_of(SLACK_BYTES) + SLACK_BYTES;
        if bytes > context.binding_bytes() {
            let most = context.binding_bytes() >> 20;
            return Err(skipped(&format!("{} MiB of weights exceed a binding of {most} MiB", bytes >> 20)).into());
        }
        let make = || WeightBuffers::new(context, job.dtype, [n, k], copies(job));
        let weights = shared.operands.get_or_make(make)?;
        let tokens = oracle::tokens(m as usize, k as usize, 0x70c);
        let a = context.filled(bytemuck::cast_slice(&padded(&tokens, k, plan.token_elements())))?;
        let product = context.buffer(m * n * 4)?;
        let params = plan.params(row);
        let groups = plan.groups(context.limits.max_compute_workgroups_per_dimension);
        let slices = weights.slices(n);
        let dispatch = |copy: u64| {
            let first = copy % slices * n;
            let buffer = &weights.copies[(copy / slices) as usize];
            let part = BufferSlice { buffer, offset: first * row, size: Some(bytes) };
            let [a, product] = [&a, &product].map(BufferSlice::whole);
            let bindings = context.bind(&pipeline, &[params], &[a, part, product])?;
            Ok((Dispatch { pipeline: pipeline.clone(), bindings, groups }, first))
        };
        let dispatches = (0..copies(job)).map(dispatch).collect::<GpuResult<Vec<_>>>()?;
        Ok(Matmul { plan, weights, tokens, dispatches, product, repetitions: Cell::new(0) })
    }

    fn is_current(&self, shared: &SharedBuffers) -> bool {
        shared.operands.holds(&self.weights)
    }

    /// The arithmetic, and the bytes of the weights as they are stored.
    fn work(&self) -> Work {
        let [m, n, k] = self.plan.extents;
        let cost = Op::Matmul.cost(Shape::matmul(m, n, k));
        let bits = self.weights.dtype.bits_per_element();
        Work { flops: Flops(cost.flops as f64), bytes: Bytes(cost.weights_read as f64 * bits / 8.0) }
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, _: u32) {
        self.dispatches[0].0.pipeline.set(pass);
        for _ in 0..repetitions {
            let done = self.repetitions.get();
            self.dispatches[(done % self.dispatches.len() as u64) as usize].0.encode(pass, 0);
            self.repetitions.set(done + 1);
        }
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        let [m, n, _] = self.plan.extents;
        context.upload(&self.product, bytemuck::cast_slice(&vec![SPOILT; (m * n) as usize]))
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        let [m, n, k] = self.plan.extents;
        let got = context.words(&self.product, m * n)?;
        let last = self.repetitions.get().saturating_sub(1) % self.dispatches.len() as u64;
        let first = self.dispatches[last as usize].1;
        let agrees = |at: u64| {
            let (row, column) = (at / n, at % n);
            let weights = oracle::widened(self.weights.dtype, self.weights.stored_row(first + column));
            let token: Vec<f64> = self.tokens[(row * k) as usize..][..k as usize].iter().map(|&x| x.into()).collect();
            // Tokens are neither rounded nor quantised here, so that the bound of f32 sums holds for every format.
            oracle::element_agrees(Dtype::F32, got[at as usize], oracle::element(&weights, &token), k as usize)
        };
        Ok(got.iter().all(|&bits| bits != SPOILT) && checked(m, n).into_iter().all(agrees))
    }
}

/// The elements of C that are looked at: its corners and others all over it, or all of a small one.
fn checked(m: u64, n: u64) -> Vec<u64> {
    let all = m * n;
    if all <= CHECKED {
        return (0..all).collect();
    }
    let mut random = Random::new(all);
    let corners = [0, n - 1, all - n, all - 1];
    corners.into_iter().chain((0..CHECKED).map(|_| random.bits() % all)).collect()
}
