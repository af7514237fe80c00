//! Chains of cooperative matrices: the peak of a GPU's matrix units.

use super::context::{Bound, Context, Outcome, Part, Pipeline};
use super::params::params;
use super::routine::{Routine, folded};
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
        /// Subgroups of a workgroup.
        subgroups: u32,
        unused_1: u32,
        unused_2: u32,
    }
}

/// The chains of matrices.
pub(super) const COOPMAT: Shader = shader!("coopmat.wgsl", CoopmatParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write];
/// Pairs of steps of a round, as in the shader.
const PAIRS: u64 = 32;
/// Chains that anybody may ask for: beyond, registers run out everywhere.
const CHAINS_MAX: u32 = 16;
/// Rounds within one dispatch, a power of two.
const FOLD_MAX: u32 = 1 << 12;

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
        let named = |value: Option<u32>, what: &str| {
            let missing = || Refusal::Skipped(format!("the job names no {what}"));
            value.filter(|&n| n > 0).ok_or_else(missing)
        };
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

/// A chain of matrices made ready.
pub(super) struct Coopmat {
    wanted: Wanted,
    /// Elements of all sums.
    elements: u64,
    pipeline: Pipeline,
    bound: Bound,
    sums: wgpu::Buffer,
    tiles: GpuTiles,
}

impl Coopmat {
    /// Makes `job` ready.
    ///
    /// # Errors
    /// When the adapter lists no such matrices, or lacks something else that it needs.
    pub(super) fn new(context: &mut Context, job: &Job) -> Outcome<Coopmat> {
        use wgpu::CooperativeScalarType::{F16, F32};
        let mut wanted = Wanted::of(job)?;
        wanted.groups = wanted.groups.min(context.limits.max_compute_workgroups_per_dimension);
        let listed = context.matrices.iter().any(|listed| {
            [listed.m_size, listed.n_size, listed.k_size] == [wanted.side; 3]
                && (listed.ab_type, listed.cr_type) == (F16, F32)
        });
        if !listed {
            let side = wanted.side;
            let reason = format!("this GPU lists no cooperative matrices of {side}x{side}x{side} f16 f32");
            return Err(Refusal::Unsupported(reason).into());
        }
        let subgroup = context.subgroup_max.max(1);
        if !wanted.size.is_multiple_of(subgroup) {
            let reason = format!("a workgroup of {} is no whole number of subgroups of {subgroup}", wanted.size);
            return Err(Refusal::Unsupported(reason).into());
        }
        let subgroups = wanted.size / subgroup;
        let elements = u64::from(wanted.groups) * u64::from(subgroups) * wanted.elements();
        let pipeline = context.pipeline(&programs(job)?[0])?;
        let tiles = GpuTiles::new(wanted.side as usize, wanted.chains as usize, 17);
        let lefts = context.filled(bytemuck::cast_slice(&tiles.lefts))?;
        let rights = context.filled(bytemuck::cast_slice(&tiles.rights))?;
        // Behind them the tiles of subgroups that do not count.
        let sums = context.buffer((elements + wanted.elements()) * 4)?;
        let slot = |slot: u32| CoopmatParams { rounds: 1 << slot, subgroups, ..CoopmatParams::default() };
        let slots: Vec<CoopmatParams> = (0..=FOLD_MAX.ilog2()).map(slot).collect();
        let bound =
            context.bind(&pipeline, &slots, &[Part::whole(&lefts), Part::whole(&rights), Part::whole(&sums)])?;
        Ok(Coopmat { wanted, elements, pipeline, bound, sums, tiles })
    }
}

impl Routine for Coopmat {
    fn work(&self) -> Work {
        // Each element of a sum takes a row and a column.
        let width = self.elements * u64::from(self.wanted.side);
        Work::of_kernel(Op::Chain.cost(Shape::chain(width, 0, 2 * PAIRS)), Dtype::F16)
    }

    fn fold_max(&self) -> u32 {
        FOLD_MAX
    }

    fn encode(&self, pass: &mut wgpu::ComputePass, repetitions: u64, fold: u32) {
        pass.set_pipeline(&self.pipeline.pipeline);
        folded(repetitions, fold, |slot| {
            self.bound.set(pass, slot);
            pass.dispatch_workgroups(self.wanted.groups, 1, 1);
        });
    }

    fn prepare(&mut self, context: &Context) -> Outcome<()> {
        context.clear(&self.sums)
    }

    fn verify(&mut self, context: &Context, repetitions: u64) -> Outcome<bool> {
        let pairs = repetitions * PAIRS;
        if pairs > self.tiles.pairs_max() {
            let reason = format!("after {repetitions} repetitions its sums are too large to be exact");
            return Err(Refusal::Skipped(reason).into());
        }
        let sums = context.download(&self.sums, self.elements * 4)?;
        let got: &[f32] = bytemuck::cast_slice(&sums);
        // Exact: below 2²⁴.
        let want = |change: &i32| (i64::from(*change) * pairs as i64) as f32;
        Ok(got.iter().zip(self.tiles.change.iter().cycle()).all(|(got, change)| *got == want(change)))
    }

    fn verifies_at_once(&self) -> bool {
        true
    }
}
