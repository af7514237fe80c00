//! How the shader does a matmul: program, parameters and workgroups of a job.

use crate::device::Refusal;
use crate::device::gpu::params::params;
use crate::device::gpu::routines::routine::{foreign, skipped};
use crate::device::gpu::shader::{Access, Program, Shader, shader};
use crate::job::Job;
use crate::profile::{AccessLayout, Reduction, Tile, Variant};
use roofprobe_kernels::Dtype;

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
    }
}

/// Matmul with every weight format.
const MATMUL: Shader = shader!("matmul.wgsl", MatmulParams);

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Write];
/// Rows and columns of a tile at most: more than any register file holds.
const TILE_SIDE_MAX: u32 = 16;

/// A weight format as the shader takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
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
pub(super) enum Way {
    /// Each invocation for itself.
    Direct,
    /// A workgroup shares the sums.
    Strided { subgroups: bool },
    /// A workgroup shares operands.
    Staged,
}

/// A job as the shader takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) format: Format,
    pub(super) way: Way,
    /// Invocations of a workgroup, along columns and along rows of C.
    workgroup: [u32; 2],
    /// Rows and columns of C of an invocation.
    tile: [u32; 2],
    /// Tokens, rows of weights, elements of each.
    pub(super) extents: [u64; 3],
    /// Copies of the weights that are read one after another.
    pub(super) copies: u64,
}

impl Plan {
    pub(super) fn of(job: &Job) -> Result<Plan, Refusal> {
        let Variant::GpuMatmul(variant) = &job.variant else { return Err(foreign(job)) };
        let extents @ [m, n, k] = [variant.m, variant.n, variant.k];
        // Places in operands are 32-bit numbers, with room for what lies beyond the last row.
        if !extents.iter().all(|extent| (1..1 << 24).contains(extent)) {
            return Err(skipped("the extents of a matmul lie between 1 and 2²⁴"));
        }
        let format = Format::of(job.dtype, k)?;
        if job.dtype.bytes(k.into()).is_none() {
            return Err(skipped(&format!("{k} elements are no whole blocks of {}", job.dtype)));
        }
        if n * k.next_multiple_of(8) >= 1 << 32 || m * n.max(k) >= 1 << 32 {
            return Err(skipped("an operand has more elements than 32 bits can number"));
        }
        let size = variant.workgroup_size;
        let tile = tile(variant.tile)?;
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
        Ok(Plan { format, way, workgroup, tile, extents, copies: u64::from(variant.copies.max(1)) })
    }

    pub(super) fn program(&self) -> Program {
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
    pub(super) fn groups(&self, most: u32) -> [u32; 3] {
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
    pub(super) fn params(&self, row: u64) -> MatmulParams {
        let [m, n, _] = self.extents;
        let token = self.token_elements();
        let [m, n, units, row, token] =
            [m, n, token / self.format.elements(), row / 2, token / 4].map(|extent| extent as u32);
        MatmulParams { m, n, units, row, token }
    }

    /// Elements of a token with the zeros that follow it.
    pub(super) fn token_elements(&self) -> u64 {
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

fn tile(tile: Tile) -> Result<[u32; 2], Refusal> {
    let sides = [tile.rows, tile.columns];
    let fits = tile.inner.is_none() && sides.iter().all(|side| (1..=TILE_SIDE_MAX).contains(side));
    fits.then_some(sides)
        .ok_or_else(|| skipped(&format!("\"{tile}\" is no tile of rows × columns up to {TILE_SIDE_MAX}")))
}
