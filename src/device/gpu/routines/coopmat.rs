//! Chains of cooperative matrices: the peak of a GPU's matrix units.

use super::routine::{Dispatch, Routine, SharedBuffers, foreign, slots};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::params::params;
use crate::device::gpu::pipeline::{BufferSlice, Pipeline};
use crate::device::gpu::shader::{Access, Program, Shader, each_chain, shader};
use crate::job::Job;
use crate::profile::{MatrixChain, Tile, Variant};
use crate::work::Work;
use roofprobe_kernels::reference::gpu_tiles::GpuTiles;
use roofprobe_kernels::{Dtype, Op, Shape};

params! {
    /// `Params` of `coopmat.wgsl`.
    CoopmatParams {
        /// Rounds of all chains.
        rounds: u32,
        /// Subgroups of a workgroup that the sums have room for.
        subgroups: u32,
    }
}

/// Chains of matrices.
const COOPMAT: Shader = shader!("coopmat.wgsl", CoopmatParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write, Access::Write];
/// Pairs of steps of a round, as in the shader.
const PAIRS: u64 = 32;
/// Chains that anybody may ask for: beyond, registers run out everywhere.
const CHAINS_MAX: u32 = 16;
/// Rounds within one dispatch, a power of two: 33 turns of loops each, and llvmpipe ends them after 65535.
const FOLD_MAX: u32 = 1 << 10;
/// Workgroups whose sums are compared at a pass, once all have been. All sums may be 128 MiB.
const SAMPLE: u32 = 4;
/// A prime beyond any number of workgroups: its multiples come by each of them.
const SCATTER: u64 = 2_654_435_761;

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spec {
    /// Rows of a square tile.
    side: u32,
    chains: u32,
    size: u32,
    groups: u32,
}

impl Spec {
    fn of(job: &Job) -> Result<Spec, Refusal> {
        let Variant::MatrixChain(MatrixChain { tile, workgroup_size: size, workgroups: groups, chains }) = job.variant
        else {
            return Err(foreign(job));
        };
        let side = [8, 16].into_iter().find(|&side| tile == Tile::cube(side));
        let side = side.ok_or_else(|| Refusal::Unsupported(format!("there is no shader for matrices of {tile}")))?;
        if job.dtype != Dtype::F16 || !(1..=CHAINS_MAX).contains(&chains) {
            return Err(Refusal::Unsupported(format!(
                "there is no shader of {chains} chains of {} matrices",
                job.dtype
            )));
        }
        Ok(Spec { side, chains, size, groups })
    }

    fn program(self) -> Program {
        let each = |line: &'static str| (line, each_chain(self.chains, &|n| line.replace('0', &n.to_string())));
        let mut lines = vec![
            ("const CHAINS: u32 = 1u;", format!("const CHAINS: u32 = {}u;", self.chains)),
            each("    let a0 = coopLoadT<left>(&lefts[0u * TILE * TILE], TILE);"),
            each("    var c0 = coopLoadT<result>(&sums[first + 0u * TILE * TILE], TILE);"),
            each("            c0 = coopMultiplyAdd(a0, there, c0);"),
            each("            c0 = coopMultiplyAdd(a0, back, c0);"),
            each("    coopStoreT(c0, &sums[first + 0u * TILE * TILE], TILE);"),
        ];
        if self.side != 8 {
            let side = self.side;
            lines.extend([
                ("alias left = coop_mat8x8<f16, A>;", format!("alias left = coop_mat{side}x{side}<f16, A>;")),
                ("alias right = coop_mat8x8<f16, B>;", format!("alias right = coop_mat{side}x{side}<f16, B>;")),
                ("alias result = coop_mat8x8<f32, C>;", format!("alias result = coop_mat{side}x{side}<f32, C>;")),
                ("const TILE: u32 = 8u;", format!("const TILE: u32 = {side}u;")),
            ]);
        }
        let constants = vec![("SIZE", f64::from(self.size))];
        Program { shader: COOPMAT, lines, entry: "chain", constants, bindings: BINDINGS }
    }

    /// Elements of the sums of all chains of a subgroup.
    fn elements(self) -> u64 {
        u64::from(self.chains) * u64::from(self.side).pow(2)
    }
}

/// What the chains leave behind.
struct Results {
    groups: u32,
    /// Of each workgroup.
    subgroups: u32,
    sums: wgpu::Buffer,
    /// How many subgroups each workgroup had.
    counts: wgpu::Buffer,
    dispatch: Dispatch,
}

impl Results {
    /// Room for `groups` workgroups of `subgroups`.
    fn new(
        context: &Context,
        pipeline: &Pipeline,
        operands: &[wgpu::Buffer; 2],
        bytes: u64,
        (groups, subgroups): (u32, u32),
    ) -> GpuResult<Results> {
        // Behind them the tiles of subgroups that there is no room for.
        let sums = context.buffer((u64::from(groups) * u64::from(subgroups) + 1) * bytes)?;
        let counts = context.buffer(u64::from(groups) * 4)?;
        let slots = slots(FOLD_MAX, |rounds| CoopmatParams { rounds, subgroups });
        let buffers = [&operands[0], &operands[1], &sums, &counts].map(BufferSlice::whole);
        let dispatch = Dispatch::new(context, pipeline, &slots, &buffers, [groups, 1, 1])?;
        Ok(Results { groups, subgroups, sums, counts, dispatch })
    }

    fn counts(&self, context: &Context) -> GpuResult<Vec<u32>> {
        context.words(&self.counts, self.groups.into())
    }
}

/// A chain of matrices made ready.
pub(super) struct Coopmat {
    spec: Spec,
    results: Results,
    tiles: GpuTiles,
    /// Workgroups compared since all of them were; `None` before.
    sampled: Option<u64>,
}

impl Coopmat {
    /// Elements of the sums of a workgroup.
    fn elements(&self) -> u64 {
        u64::from(self.results.subgroups) * self.spec.elements()
    }

    /// Whether the sums of `count` workgroups from `first` on are right.
    fn agree(&self, context: &Context, first: u32, count: u32, pairs: u64) -> GpuResult<bool> {
        let [offset, bytes] = [first, count].map(|groups| u64::from(groups) * self.elements() * 4);
        let mut right = true;
        context.look(&self.results.sums, offset, bytes, |at, part| {
            right &= self.tiles.agree((at / 4) as usize, bytemuck::cast_slice(part), pairs);
        })?;
        Ok(right)
    }
}

/// Whether the adapter lists square matrices with so many rows, of f16 factors and f32 sums.
pub(super) fn lists_matrices(context: &Context, side: u32) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let wanted = ([side; 3], (F16, F32));
    let listed = |of: &wgpu::CooperativeMatrixProperties| ([of.m_size, of.n_size, of.k_size], (of.ab_type, of.cr_type));
    context.matrices.iter().any(|of| listed(of) == wanted)
}

/// # Errors
/// When the adapter has no such matrices for such workgroups.
fn possible(context: &Context, spec: Spec) -> Result<(), Refusal> {
    let Spec { side, size, .. } = spec;
    if !lists_matrices(context, side) {
        let reason = format!("this GPU lists no cooperative matrices of {side}x{side}x{side} f16 f32");
        return Err(Refusal::Unsupported(reason));
    }
    let subgroup = context.subgroup_max.max(1);
    if !size.is_multiple_of(subgroup) {
        let reason = format!("a workgroup of {size} is no whole number of subgroups of {subgroup}");
        return Err(Refusal::Unsupported(reason));
    }
    Ok(())
}

/// How many subgroups the driver makes of a workgroup: what it lists are bounds, and it may choose anew for each pipeline.
fn subgroups(context: &Context, pipeline: &Pipeline, operands: &[wgpu::Buffer; 2], spec: Spec) -> GpuResult<u32> {
    let most = (spec.size / context.subgroup_min.max(1)).max(1);
    let one = Results::new(context, pipeline, operands, spec.elements() * 4, (1, most))?;
    context.pass(|pass| one.dispatch.encode_folded(pass, 1, 1))?;
    match one.counts(context)?[..] {
        [count] if (1..=most).contains(&count) => Ok(count),
        ref other => {
            let reason = format!("a workgroup reports {other:?} subgroups, and at most {most} are possible");
            Err(Refusal::Unsupported(reason).into())
        }
    }
}

/// The `at`-th workgroup that is looked at. As many in a row as there are workgroups are all of them.
fn scattered(at: u64, groups: u32) -> u32 {
    (at.wrapping_mul(SCATTER) % u64::from(groups)) as u32
}

impl Routine for Coopmat {
    fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(vec![Spec::of(job)?.program()])
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Coopmat> {
        let spec = Spec::of(job)?;
        possible(context, spec)?;
        let pipeline = context.pipeline(&Self::programs(job)?[0])?;
        let tiles = GpuTiles::new(spec.side as usize, spec.chains as usize, 17);
        let lefts = context.filled(bytemuck::cast_slice(&tiles.lefts))?;
        let rights = context.filled(bytemuck::cast_slice(&tiles.rights))?;
        let operands = [lefts, rights];
        let bytes = spec.elements() * 4;
        let subgroups = subgroups(context, &pipeline, &operands, spec)?;
        // No more workgroups than a binding has room for.
        let room = (context.binding_bytes() / bytes).saturating_sub(1) / u64::from(subgroups);
        let most = context.limits.max_compute_workgroups_per_dimension;
        let groups = spec.groups.min(most).min(room.clamp(1, u64::from(most)) as u32);
        let results = Results::new(context, &pipeline, &operands, bytes, (groups, subgroups))?;
        Ok(Coopmat { spec, results, tiles, sampled: None })
    }

    fn work(&self) -> Work {
        // Each element of a sum takes a row and a column.
        let width = u64::from(self.results.groups) * self.elements() * u64::from(self.spec.side);
        Work::of_kernel(Op::Chain.cost(Shape::chain(width, 0, 2 * PAIRS)), Dtype::F16)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        self.results.dispatch.encode_folded(pass, repetitions, fold);
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        context.clear(&self.results.counts)?;
        context.clear(&self.results.sums)
    }

    /// All sums the first time, afterwards those of some workgroups, others at each pass.
    fn verify(&mut self, context: &Context, repetitions: u64) -> GpuResult<bool> {
        let pairs = repetitions * PAIRS;
        if pairs > self.tiles.pairs_max() {
            let reason = format!("after {repetitions} repetitions its sums are too large to be exact");
            return Err(Refusal::Skipped(reason).into());
        }
        let Results { groups, subgroups, .. } = self.results;
        if let Some(other) = self.results.counts(context)?.into_iter().find(|&count| count != subgroups) {
            let reason = format!("a workgroup has {other} subgroups now and had {subgroups} before");
            return Err(Refusal::Unsupported(reason).into());
        }
        let Some(begin) = self.sampled else {
            let right = self.agree(context, 0, groups, pairs)?;
            self.sampled = right.then_some(0);
            return Ok(right);
        };
        let end = begin + u64::from(SAMPLE.min(groups));
        self.sampled = Some(end);
        for at in begin..end {
            if !self.agree(context, scattered(at, groups), 1, pairs)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_by_every_workgroup_and_are_far_apart() {
        for groups in [1, 5, 64, 4096, 65535] {
            for begin in [0, 3, 1 << 40] {
                let mut seen: Vec<u32> = (begin..begin + u64::from(groups)).map(|at| scattered(at, groups)).collect();
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..groups), "{groups} from {begin} on");
            }
        }
        assert!((0..100).all(|at| scattered(at, 4096).abs_diff(scattered(at + 1, 4096)) > 100));
    }
}
