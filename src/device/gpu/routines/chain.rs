//! Multiply-accumulate chains in registers: the peaks of a GPU's arithmetic.

use super::routine::{Dispatch, Routine, SharedBuffers, folded, foreign, slots};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::BufferSlice;
use crate::device::gpu::shader::{Access, Program, Shader, each_chain, number, shader};
use crate::job::Job;
use crate::profile::{GpuChain, Recurrence, Variant};
use crate::work::Work;
use roofprobe_kernels::reference::gpu_chain::{CONSTANTS, GpuChains, LANES, Rounding};
use roofprobe_kernels::{Dtype, Op, Shape};
use std::cell::Cell;

params! {
    /// `Params` of `chain.wgsl`.
    ChainParams {
        /// Rounds of all chains.
        rounds: u32,
        /// How far the next round's constant lies from this one's.
        rotation: u32,
    }
}

/// The chains.
const CHAIN: Shader = shader!("chain.wgsl", ChainParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write];
/// Steps of a round, and of one iteration of its loop. Longer iterations gain little and take drivers long to compile.
const STEPS: u32 = 128;
const UNROLL: u32 = 16;
/// Chains that anybody may ask for: beyond, registers run out everywhere.
const CHAINS_MAX: u32 = 64;
/// Odd, so that every constant is used.
const ROTATION: u32 = 3;
/// Rounds within one dispatch, a power of two: nine turns of loops each, and llvmpipe ends them after 65535.
const FOLD_MAX: u32 = 1 << 12;

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spec {
    dtype: Dtype,
    vector: u32,
    chains: u32,
    size: u32,
    groups: u32,
    recurrence: Recurrence,
}

impl Spec {
    fn of(job: &Job) -> Result<Spec, Refusal> {
        let Variant::GpuChain(GpuChain { workgroup_size: size, workgroups: groups, vector, chains, recurrence }) =
            job.variant
        else {
            return Err(foreign(job));
        };
        let recurrence = recurrence.unwrap_or(Recurrence::Square);
        let dtype = job.dtype;
        let possible: &[u32] = match dtype {
            Dtype::F32 | Dtype::F16 => &[1, 4],
            Dtype::I8 => &[1],
            other => return Err(Refusal::Unsupported(format!("WGSL has no {other} arithmetic"))),
        };
        if !possible.contains(&vector) || !(1..=CHAINS_MAX).contains(&chains) {
            return Err(Refusal::Unsupported(format!("there is no {dtype} shader of {chains} chains of vec{vector}")));
        }
        // Pairs turn round each other. A dot product of bytes is added to what is written as it is.
        if recurrence == Recurrence::Rotation && (dtype != Dtype::F32 || !chains.is_multiple_of(2)) {
            return Err(Refusal::Unsupported(format!("there is no {dtype} shader of {chains} chains in pairs")));
        }
        Ok(Spec { dtype, vector, chains, size, groups, recurrence })
    }

    /// Invocations of all workgroups.
    fn invocations(self) -> u64 {
        u64::from(self.size) * u64::from(self.groups)
    }

    /// Elements of all chains of an invocation.
    fn elements(self) -> u32 {
        self.vector * self.chains
    }

    fn program(self) -> Program {
        let mut lines = vec![number("const UNROLL: u32 = 1u;", UNROLL)];
        lines.extend(self.chain_lines());
        lines.extend(self.type_lines());
        let constants = vec![("SIZE", f64::from(self.size))];
        Program { shader: CHAIN, lines, entry: "chain", constants, bindings: BINDINGS }
    }

    /// One line for each chain, and for each step of an iteration: named variables stay in registers, arrays need not.
    fn chain_lines(self) -> [(&'static str, String); 4] {
        let each = |line: &dyn Fn(u32) -> String| each_chain(self.chains, line);
        let vector = self.vector;
        // The chains side by side, step after step: a processor sees no further than some hundred instructions.
        let step = |n: u32| match self.recurrence {
            Recurrence::Square => format!("            x{n} = next(x{n}, c);"),
            Recurrence::Rotation if n.is_multiple_of(2) => format!("            x{n} = turned(x{}, c, x{n});", n + 1),
            Recurrence::Rotation => format!("            x{n} = turned(x{}, -c, x{n});", n - 1),
        };
        // All first ones of the pairs, then all second ones: each waits for its partner alone.
        let order = match self.recurrence {
            Recurrence::Square => (0..self.chains).collect::<Vec<u32>>(),
            Recurrence::Rotation => (0..self.chains).step_by(2).chain((1..self.chains).step_by(2)).collect(),
        };
        let steps = order.into_iter().map(step).collect::<Vec<_>>().join("\n");
        let steps = vec![steps; UNROLL as usize].join("\n");
        [
            (
                "    let start0 = start(lane, 0u);",
                each(&|n| format!("    let start{n} = start(lane, {}u);", n * vector)),
            ),
            ("        var x0 = start0;", each(&|n| format!("        var x{n} = start{n};"))),
            ("            x0 = next(x0, c);", steps),
            ("        sum += bits(x0);", each(&|n| format!("        sum += bits(x{n});"))),
        ]
    }

    fn type_lines(self) -> Vec<(&'static str, String)> {
        let mut lines: Vec<(&str, &str)> = Vec::new();
        match self.dtype {
            Dtype::F16 => lines.extend([
                ("alias real = f32;", "enable f16; alias real = f16;"),
                ("    return bitcast<f32>(word);", "    return f16(unpack2x16float(word).x);"),
            ]),
            Dtype::I8 => lines.extend([
                ("alias real = f32;", "alias real = u32;"),
                ("    return bitcast<f32>(word);", "    return word;"),
                ("    return fma(x, x, value(c));", "    return x + bitcast<u32>(dot4I8Packed(x, c));"),
                ("    return fma(value(c), y, x);", "    return x + bitcast<u32>(dot4I8Packed(y, c));"),
                ("    return bitcast<u32>(x);", "    return x;"),
            ]),
            _ => {}
        }
        if self.vector == 4 {
            lines.extend([
                ("alias value = real;", "alias value = vec4<real>;"),
                ("    return element(starts[first * LANES + lane]);", START_OF_FOUR),
            ]);
        }
        match (self.dtype, self.vector) {
            (Dtype::F16, 1) => lines.push(("    return bitcast<u32>(x);", BITS_OF_HALF)),
            (Dtype::F16, _) => lines.push(("    return bitcast<u32>(x);", BITS_OF_FOUR_HALVES)),
            (Dtype::F32, 4) => lines.push(("    return bitcast<u32>(x);", BITS_OF_FOUR)),
            _ => {}
        }
        lines.into_iter().map(|(line, other)| (line, other.to_owned())).collect()
    }
}

const START_OF_FOUR: &str = "    let at = first * LANES + lane;
    let low = vec2<real>(element(starts[at]), element(starts[at + LANES]));
    return value(low, element(starts[at + 2u * LANES]), element(starts[at + 3u * LANES]));";
const BITS_OF_FOUR: &str = "    let b = bitcast<vec4<u32>>(x);
    return (b.x + b.y) + (b.z + b.w);";
// A driver may flush subnormal halves to zero: as zero they all count.
const BITS_OF_HALF: &str = "    let b = pack2x16float(vec2<f32>(f32(x), 0.0));
    return select(b, 0u, (b & 0x7c00u) == 0u);";
const BITS_OF_FOUR_HALVES: &str =
    "    let two = vec2<u32>(pack2x16float(vec2<f32>(x.xy)), pack2x16float(vec2<f32>(x.zw)));
    let b = vec4<u32>(two & vec2<u32>(0xffffu), two >> vec2<u32>(16u));
    let c = select(b, vec4<u32>(), (b & vec4<u32>(0x7c00u)) == vec4<u32>());
    return (c.x + c.y) + (c.z + c.w);";

/// A chain job made ready.
pub(super) struct Chain {
    spec: Spec,
    dispatch: Dispatch,
    sums: wgpu::Buffer,
    inputs: GpuChains,
    /// For each lawful rounding, what one round adds to the sums of each lane with each constant; made when first needed.
    lawful: Vec<(Rounding, Vec<[u32; CONSTANTS]>)>,
    /// Rounds encoded with each constant since the sums were cleared.
    rounds: Cell<[u32; CONSTANTS]>,
}

impl Chain {
    fn count(&self, slot: u32) {
        let mut rounds = self.rounds.get();
        match slot {
            0 => rounds[0] = rounds[0].wrapping_add(1),
            1 => {
                (rounds[0], rounds[ROTATION as usize]) =
                    (rounds[0].wrapping_add(1), rounds[ROTATION as usize].wrapping_add(1))
            }
            _ => rounds = rounds.map(|times| times.wrapping_add((1 << slot) / CONSTANTS as u32)),
        }
        self.rounds.set(rounds);
    }
}

impl Routine for Chain {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![Spec::of(job)?.program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Chain> {
        let mut spec = Spec::of(job)?;
        spec.groups = spec.groups.min(context.limits.max_compute_workgroups_per_dimension);
        if spec.dtype == Dtype::F16 && !context.features.contains(wgpu::Features::SHADER_F16) {
            return Err(Refusal::Unsupported("this GPU computes no f16 in shaders".to_owned()).into());
        }
        let none = || Refusal::Unsupported(format!("there is no {} chain", spec.dtype));
        let inputs = GpuChains::new(spec.dtype, spec.elements() as usize, 13).ok_or_else(none)?;
        let pipeline = context.pipeline(&Self::programs(job)?[0])?;
        let starts = context.filled(bytemuck::cast_slice(&inputs.starts))?;
        let constants = context.filled(bytemuck::cast_slice(&inputs.constants))?;
        let sums = context.buffer(spec.invocations() * 4)?;
        let slots = slots(FOLD_MAX, |rounds| ChainParams { rounds, rotation: ROTATION });
        let buffers = [&starts, &constants, &sums].map(BufferSlice::whole);
        let dispatch = Dispatch::new(context, &pipeline, &slots, &buffers, [spec.groups, 1, 1])?;
        Ok(Chain { spec, dispatch, sums, inputs, lawful: Vec::new(), rounds: Cell::default() })
    }

    fn work(&self) -> Work {
        // A dot product of bytes is four multiply-accumulates.
        let each = if self.spec.dtype == Dtype::I8 { 4 } else { 1 };
        let width = self.spec.invocations() * u64::from(self.spec.elements()) * each;
        Work::of_kernel(Op::Chain.cost(Shape::chain(width, 0, STEPS.into())), self.spec.dtype)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.dispatch.pipeline.set(pass);
        folded(repetitions, fold, |slot| {
            self.dispatch.encode(pass, slot);
            self.count(slot);
        });
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        self.rounds.set([0; CONSTANTS]);
        context.clear(&self.sums)
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        if self.lawful.is_empty() {
            let sums = |rounding| match self.spec.recurrence {
                Recurrence::Square => self.inputs.sums(STEPS, rounding),
                Recurrence::Rotation => self.inputs.sums_of_pairs(STEPS, rounding, self.spec.vector as usize),
            };
            let of = |&rounding| (rounding, sums(rounding));
            self.lawful = Rounding::lawful(self.spec.dtype).iter().map(of).collect();
        }
        let rounds = self.rounds.get();
        let got = context.words(&self.sums, self.spec.invocations())?;
        let whole = |once: &[u32; CONSTANTS]| {
            once.iter().zip(rounds).fold(0_u32, |sum, (once, times)| sum.wrapping_add(once.wrapping_mul(times)))
        };
        // A driver that matches one rounding everywhere has done every step.
        self.lawful.retain(|(_, once)| {
            let want: Vec<u32> = once.iter().map(whole).collect();
            got.iter().zip((0..LANES).cycle()).all(|(&got, lane)| got == want[lane])
        });
        Ok(!self.lawful.is_empty())
    }
}
