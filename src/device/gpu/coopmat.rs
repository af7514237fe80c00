//! Chains of cooperative matrices: the peak of a GPU's matrix units.

use super::context::{Bound, Context, Outcome, Part, Pipeline};
use super::params::params;
use super::routine::{Routine, folded, named};
use super::shader::{Access, Program, Shader, shader};
use crate::device::Refusal;
use crate::job::Job;
use crate::work::Work;
use roofprobe_kernels::reference::gpu_tiles::GpuTiles;
use roofprobe_kernels::{Dtype, Op, Shape};
use std::fmt::Write;

params! {
    /// `Params` of `coopmat.wgsl`.
    CoopmatParams {
        /// Rounds of all chains.
        rounds: u32,
        /// Subgroups of a workgroup that the sums have room for.
        subgroups: u32,
        unused_1: u32,
        unused_2: u32,
    }
}

/// The chains of matrices.
pub(super) const COOPMAT: Shader = shader!("coopmat.wgsl", CoopmatParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write, Access::Write];
/// Pairs of steps of a round, as in the shader.
const PAIRS: u64 = 32;
/// Chains that anybody may ask for: beyond, registers run out everywhere.
const CHAINS_MAX: u32 = 16;
/// Rounds within one dispatch, a power of two.
const FOLD_MAX: u32 = 1 << 12;
/// Workgroups whose sums are compared at a pass, once all have been. All sums may be 128 MiB.
const SAMPLE: u32 = 4;
/// A prime beyond any number of workgroups: its multiples come by each of them.
const SCATTER: u64 = 2_654_435_761;

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wanted {
    /// Rows of a square tile.
    side: u32,
    chains: u32,
    size: u32,
    groups: u32,
}

impl Wanted {
    fn of(job: &Job) -> Result<Wanted, Refusal> {
        let variant = &job.variant;
        let side = match variant.tile.as_deref() {
            Some("8x8x8") => 8,
            Some("16x16x16") => 16,
            other => {
                let tile = other.unwrap_or("no shape");
                return Err(Refusal::Unsupported(format!("there is no shader for matrices of {tile}")));
            }
        };
        let size = named(variant.workgroup_size, "workgroup size")?;
        let groups = named(variant.workgroups, "number of workgroups")?;
        let chains = named(variant.chains, "chains")?;
        if job.dtype != Dtype::F16 || chains > CHAINS_MAX {
            return Err(Refusal::Unsupported(format!(
                "there is no shader of {chains} chains of {} matrices",
                job.dtype
            )));
        }
        Ok(Wanted { side, chains, size, groups })
    }

    fn program(self) -> Program {
        let each = |line: &dyn Fn(u32, &mut String) -> std::fmt::Result| {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = (0..self.chains).try_for_each(|chain| line(chain, &mut text));
            text.trim_end().to_owned()
        };
        let mut lines = vec![
            ("const CHAINS: u32 = 1u;", format!("const CHAINS: u32 = {}u;", self.chains)),
            (
                "    let a0 = coopLoadT<left>(&lefts[0u * TILE * TILE], TILE);",
                each(&|n, to| writeln!(to, "    let a{n} = coopLoadT<left>(&lefts[{n}u * TILE * TILE], TILE);")),
            ),
            (
                "    var c0 = coopLoadT<result>(&sums[first + 0u * TILE * TILE], TILE);",
                each(&|n, to| {
                    writeln!(to, "    var c{n} = coopLoadT<result>(&sums[first + {n}u * TILE * TILE], TILE);")
                }),
            ),
            (
                "            c0 = coopMultiplyAdd(a0, there, c0);",
                each(&|n, to| writeln!(to, "            c{n} = coopMultiplyAdd(a{n}, there, c{n});")),
            ),
            (
                "            c0 = coopMultiplyAdd(a0, back, c0);",
                each(&|n, to| writeln!(to, "            c{n} = coopMultiplyAdd(a{n}, back, c{n});")),
            ),
            (
                "    coopStoreT(c0, &sums[first + 0u * TILE * TILE], TILE);",
                each(&|n, to| writeln!(to, "    coopStoreT(c{n}, &sums[first + {n}u * TILE * TILE], TILE);")),
            ),
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
        Program {
            shader: COOPMAT,
            lines,
            entry: "chain",
            constants: vec![("SIZE", f64::from(self.size))],
            bindings: BINDINGS,
        }
    }

    /// Elements of the sums of all chains of a subgroup.
    fn elements(self) -> u64 {
        u64::from(self.chains) * u64::from(self.side).pow(2)
    }
}

/// The programs that `job` runs.
///
/// # Errors
/// When there is none for it.
pub(super) fn programs(job: &Job) -> Result<Vec<Program>, Refusal> {
    Ok(vec![Wanted::of(job)?.program()])
}

/// What the chains leave behind.
struct Results {
    groups: u32,
    /// Of each workgroup.
    subgroups: u32,
    sums: wgpu::Buffer,
    /// How many subgroups each workgroup had.
    counts: wgpu::Buffer,
    bound: Bound,
}

impl Results {
    /// Room for `groups` workgroups of `subgroups`.
    fn new(
        context: &Context,
        pipeline: &Pipeline,
        operands: &[wgpu::Buffer; 2],
        bytes: u64,
        (groups, subgroups): (u32, u32),
    ) -> Outcome<Results> {
        // Behind them the tiles of subgroups that there is no room for.
        let sums = context.buffer((u64::from(groups) * u64::from(subgroups) + 1) * bytes)?;
        let counts = context.buffer(u64::from(groups) * 4)?;
        let slot = |slot: u32| CoopmatParams { rounds: 1 << slot, subgroups, ..CoopmatParams::default() };
        let slots: Vec<CoopmatParams> = (0..=FOLD_MAX.ilog2()).map(slot).collect();
        let parts = [&operands[0], &operands[1], &sums, &counts].map(Part::whole);
        let bound = context.bind(pipeline, &slots, &parts)?;
        Ok(Results { groups, subgroups, sums, counts, bound })
    }

    fn dispatch(&self, pass: &mut wgpu::ComputePass, slot: u32) {
        self.bound.set(pass, slot);
        pass.dispatch_workgroups(self.groups, 1, 1);
    }

    fn counts(&self, context: &Context) -> Outcome<Vec<u32>> {
        let bytes = context.download(&self.counts, u64::from(self.groups) * 4)?;
        Ok(bytemuck::cast_slice(&bytes).to_vec())
    }
}

/// A chain of matrices made ready.
pub(super) struct Coopmat {
    wanted: Wanted,
    pipeline: Pipeline,
    results: Results,
    tiles: GpuTiles,
    /// Workgroups compared since all of them were; `None` before.
    sampled: Option<u64>,
}

impl Coopmat {
    /// Makes `job` ready.
    ///
    /// # Errors
    /// When the adapter lists no such matrices, or lacks something else that it needs.
    pub(super) fn new(context: &mut Context, job: &Job) -> Outcome<Coopmat> {
        let wanted = Wanted::of(job)?;
        possible(context, wanted)?;
        let pipeline = context.pipeline(&programs(job)?[0])?;
        let tiles = GpuTiles::new(wanted.side as usize, wanted.chains as usize, 17);
        let lefts = context.filled(bytemuck::cast_slice(&tiles.lefts))?;
        let rights = context.filled(bytemuck::cast_slice(&tiles.rights))?;
        let operands = [lefts, rights];
        let bytes = wanted.elements() * 4;
        let subgroups = subgroups(context, &pipeline, &operands, wanted)?;
        // No more workgroups than a binding has room for.
        let room = (context.binding_bytes() / bytes).saturating_sub(1) / u64::from(subgroups);
        let most = context.limits.max_compute_workgroups_per_dimension;
        let groups = wanted.groups.min(most).min(room.clamp(1, u64::from(most)) as u32);
        let results = Results::new(context, &pipeline, &operands, bytes, (groups, subgroups))?;
        Ok(Coopmat { wanted, pipeline, results, tiles, sampled: None })
    }

    /// Elements of the sums of a workgroup.
    fn elements(&self) -> u64 {
        u64::from(self.results.subgroups) * self.wanted.elements()
    }

    /// Whether the sums of `count` workgroups from `first` on are right.
    fn agree(&self, context: &Context, first: u32, count: u32, pairs: u64) -> Outcome<bool> {
        let [offset, bytes] = [first, count].map(|groups| u64::from(groups) * self.elements() * 4);
        let mut right = true;
        context.look(&self.results.sums, offset, bytes, |at, part| {
            right &= self.tiles.agree((at / 4) as usize, bytemuck::cast_slice(part), pairs);
        })?;
        Ok(right)
    }
}

/// # Errors
/// When the adapter has no such matrices for such workgroups.
fn possible(context: &Context, wanted: Wanted) -> Result<(), Refusal> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let Wanted { side, size, .. } = wanted;
    let listed = context.matrices.iter().any(|listed| {
        [listed.m_size, listed.n_size, listed.k_size] == [side; 3] && (listed.ab_type, listed.cr_type) == (F16, F32)
    });
    if !listed {
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
fn subgroups(context: &Context, pipeline: &Pipeline, operands: &[wgpu::Buffer; 2], wanted: Wanted) -> Outcome<u32> {
    let most = (wanted.size / context.subgroup_min.max(1)).max(1);
    let one = Results::new(context, pipeline, operands, wanted.elements() * 4, (1, most))?;
    context.pass(|pass| {
        pass.set_pipeline(&pipeline.pipeline);
        one.dispatch(pass, 0);
    })?;
    match one.counts(context)?[..] {
        [count] if (1..=most).contains(&count) => Ok(count),
        ref other => {
            let reason = format!("a workgroup says that it has {other:?} subgroups, and at most {most} are possible");
            Err(Refusal::Unsupported(reason).into())
        }
    }
}

/// The `at`-th workgroup that is looked at. As many in a row as there are workgroups are all of them.
fn scattered(at: u64, groups: u32) -> u32 {
    (at.wrapping_mul(SCATTER) % u64::from(groups)) as u32
}

impl Routine for Coopmat {
    fn work(&self) -> Work {
        // Each element of a sum takes a row and a column.
        let width = u64::from(self.results.groups) * self.elements() * u64::from(self.wanted.side);
        Work::of_kernel(Op::Chain.cost(Shape::chain(width, 0, 2 * PAIRS)), Dtype::F16)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        pass.set_pipeline(&self.pipeline.pipeline);
        folded(repetitions, fold, |slot| self.results.dispatch(pass, slot));
    }

    fn prepare(&mut self, context: &Context) -> Outcome<()> {
        context.clear(&self.results.counts)?;
        context.clear(&self.results.sums)
    }

    /// All sums the first time, afterwards those of some workgroups, others at each pass.
    fn verify(&mut self, context: &Context, repetitions: u64) -> Outcome<bool> {
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

    fn verifies_at_once(&self) -> bool {
        true
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
