//! Our shaders beside those of a textbook: one invocation for each element of C, a loop over k, one load for each factor.

use super::*;
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::routines::routine::Dispatch;
use crate::device::gpu::shader::{Access, Program, Shader};
use crate::profile::{AccessLayout, GpuMatmul, Reduction};
use roofprobe_kernels::reference::matmul as oracle;

params! {
    /// `Params` of the textbook's shader.
    TextbookParams {
        /// Tokens.
        m: u32,
        /// Rows of weights.
        n: u32,
        /// Elements of a row.
        k: u32,
    }
}

const TEXTBOOK: Shader = Shader { name: "textbook", text: TEXT, params: TextbookParams::FIELDS };
const TEXT: &str = "
struct Params { m: u32, n: u32, k: u32 }
override WIDTH: u32 = 8u;
override HEIGHT: u32 = 8u;
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
fn byte(at: u32) -> u32 { return (weights[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu; }
fn weight_q4_0(row: u32, i: u32) -> f32 {
    let block = (row * p.k + i) / 32u * 18u;
    let scale = unpack2x16float(byte(block) | (byte(block + 1u) << 8u)).x;
    let two = byte(block + 2u + (i & 15u));
    return scale * (f32(select(two & 15u, two >> 4u, (i & 16u) != 0u)) - 8.0);
}
fn weight_f32(row: u32, i: u32) -> f32 { return bitcast<f32>(weights[row * p.k + i]); }
fn weight(row: u32, i: u32) -> f32 { return weight_f32(row, i); }
@compute @workgroup_size(WIDTH, HEIGHT)
fn textbook(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= p.n || id.y >= p.m {
        return;
    }
    var sum = 0.0;
    for (var i = 0u; i < p.k; i++) {
        sum += tokens[id.y * p.k + i] * weight(id.x, i);
    }
    c[id.y * p.n + id.x] = sum;
}";

/// What is measured of a textbook's product.
struct Textbook {
    dispatch: Dispatch,
    flops: f64,
}

impl Textbook {
    /// Made ready, and held against the oracle.
    fn new(worker: &mut Worker, dtype: Dtype, [m, n, k]: [u64; 3]) -> Textbook {
        let line = "fn weight(row: u32, i: u32) -> f32 { return weight_f32(row, i); }";
        let side = if m == 1 { [64.0, 1.0] } else { [8.0, 8.0] };
        let program = Program {
            shader: TEXTBOOK,
            lines: vec![(line, line.replace("f32(", &format!("{dtype}(")))],
            entry: "textbook",
            constants: vec![("WIDTH", side[0]), ("HEIGHT", side[1])],
            bindings: &[Access::Read, Access::Read, Access::Write],
        };
        let context = worker.context_mut();
        let pipeline = context.pipeline(&program).unwrap();
        let tokens = oracle::tokens(m as usize, k as usize, 1);
        let weights = oracle::weights(dtype, n as usize, k as usize, 2);
        let buffers = [
            context.filled(bytemuck::cast_slice(&tokens)).unwrap(),
            context.filled(&weights).unwrap(),
            context.buffer(m * n * 4).unwrap(),
        ];
        let params = TextbookParams { m: m as u32, n: n as u32, k: k as u32 };
        let groups = [n.div_ceil(side[0] as u64) as u32, m.div_ceil(side[1] as u64) as u32, 1];
        let slices = buffers.each_ref().map(BufferSlice::whole);
        let dispatch = Dispatch::new(context, &pipeline, &[params], &slices, groups).unwrap();
        let textbook = Textbook { dispatch, flops: (2 * m * n * k) as f64 };
        textbook.gflop_per_s(worker, 1);
        let got = worker.context().words(&buffers[2], m * n).unwrap();
        for at in [0, n - 1, m * n / 2, m * n - 1].map(|at| at as usize) {
            let (row, column) = (at / n as usize, at % n as usize);
            let row_bytes = weights.len() / n as usize;
            let token: Vec<f64> = tokens[row * k as usize..][..k as usize].iter().map(|&x| x.into()).collect();
            let element = oracle::element(&oracle::widened(dtype, &weights[column * row_bytes..][..row_bytes]), &token);
            assert!(oracle::element_agrees(Dtype::F32, Dtype::F32, got[at], element, k as usize), "{dtype} {at}");
        }
        textbook
    }

    fn gflop_per_s(&self, worker: &Worker, repetitions: u64) -> f64 {
        let clocks = worker.context().time(|pass| self.dispatch.encode_folded(pass, repetitions, 1)).unwrap();
        self.flops * repetitions as f64 / clocks.wall / 1e9
    }
}

/// The ways that win on software, of one token and of 512.
fn ways(dtype: Dtype, m: u64) -> Vec<GpuMatmul> {
    let way = |tile: &str, size| GpuMatmul::plain(tile.parse().unwrap(), size);
    let f32 = if m == 1 {
        ["1x4", "1x2"].map(|tile| GpuMatmul {
            layout: Some(AccessLayout::Contiguous),
            reduction: Some(Reduction::Invocation),
            ..way(tile, 8)
        })
    } else {
        ["8x8", "4x4"].map(|tile| GpuMatmul { staged: Some(false), ..way(tile, 64) })
    };
    let bytes = f32.clone().map(|way| GpuMatmul { arithmetic: Some(Dtype::I8), ..way });
    f32.into_iter().chain(bytes.into_iter().filter(|_| dtype != Dtype::F32)).collect()
}

#[test]
#[ignore = "it measures: by hand, with --nocapture, on a quiet machine"]
fn ours_beside_those_of_a_textbook() {
    let _alone = alone();
    for (described, adapter) in adapter::all() {
        let mut worker = Worker::open(&adapter, Hooks::default()).unwrap();
        for (dtype, [m, n, k]) in [Dtype::F32, Dtype::Q4_0]
            .into_iter()
            .flat_map(|dtype| [[512, 512, 512], [1, 4096, 2048]].map(|extents| (dtype, extents)))
        {
            let textbook = Textbook::new(&mut worker, dtype, [m, n, k]);
            let copies = if m == 1 { 4 } else { 1 };
            let jobs = ways(dtype, m).into_iter().map(|way| {
                let variant = GpuMatmul { m, n, k, copies, ..way };
                job(&format!("matmul.{dtype}.m{m}"), Op::Matmul, dtype, variant)
            });
            let jobs: Vec<Job> = jobs.collect();
            let repetitions = if m == 1 { 16 } else { 2 };
            let (mut ours, mut theirs) = (vec![0.0_f64; jobs.len()], 0.0_f64);
            for _ in 0..4 {
                theirs = theirs.max(textbook.gflop_per_s(&worker, repetitions));
                for (job, best) in jobs.iter().zip(&mut ours) {
                    let pass = timed(&mut worker, job, repetitions).unwrap();
                    *best = best.max((pass.work.flops / pass.seconds).giga());
                }
            }
            let best = ours.iter().copied().fold(0.0, f64::max);
            let name = &described.name;
            println!("{name}: {dtype} m{m}: ours {ours:.2?} GFLOP/s, textbook {theirs:.2}: {:.2}", best / theirs);
        }
    }
}
