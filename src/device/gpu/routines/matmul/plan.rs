//! How the shader does a matmul: programs, parameters and workgroups of a job.

use super::formats::{Arithmetic, Format, MatmulParams};
use crate::device::Refusal;
use crate::device::gpu::routines::routine::{foreign, skipped};
use crate::device::gpu::shader::{Access, Program, Shader, number, shader};
use crate::job::Job;
use crate::profile::{AccessLayout, GpuMatmul, Reduction, Tile, Variant};
use roofprobe_kernels::Dtype;

/// Matmul by cooperative matrices.
const MATRICES: Shader = shader!("matmul_matrices.wgsl", MatmulParams, "product.wgsl", "weights.wgsl", "f16.wgsl");

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write];
/// Rows and columns of a tile at most: more than any register file holds.
const TILE_SIDE_MAX: u32 = 16;
/// Workgroups that share a sum at most.
const SPLIT_MAX: u32 = 64;
/// Rows of tokens are filled up to so many elements: whole units of every format, and whole blocks where they are quantised.
const TOKEN_GRAIN: u64 = 32;

/// How the shader goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each invocation for itself.
    Direct,
    /// A workgroup shares the sums.
    Strided { subgroups: bool },
    /// A workgroup shares operands.
    Staged,
    /// The subgroups of a workgroup multiply square matrices with so many rows.
    Matrices { side: u32, subgroups: u32 },
}

/// A job as the shader takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) format: Format,
    pub(super) way: Way,
    pub(super) arithmetic: Arithmetic,
    /// Invocations of a workgroup, along columns and along rows of C.
    workgroup: [u32; 2],
    /// Rows and columns of C of an invocation; those of matrices of a subgroup.
    tile: [u32; 2],
    /// Workgroups that share a sum.
    pub(super) split: u32,
    /// Tokens, rows of weights, elements of each.
    pub(super) extents: [u64; 3],
    /// Copies of the weights that are read one after another.
    pub(super) copies: u64,
}

impl Plan {
    /// The plan of `job` on an adapter whose subgroups have so many invocations.
    ///
    /// # Errors
    /// When there is no such product.
    pub(super) fn of(job: &Job, subgroup: u32) -> Result<Plan, Refusal> {
        let Variant::GpuMatmul(variant) = &job.variant else { return Err(foreign(job)) };
        let extents @ [m, n, k] = [variant.m, variant.n, variant.k];
        // Places in operands are 32-bit numbers, with room for what lies beyond the last row.
        if !extents.iter().all(|extent| (1..1 << 24).contains(extent)) {
            return Err(skipped("the extents of a matmul lie between 1 and 2²⁴"));
        }
        let format = Format::of(job.dtype, k, variant.vector == Some(1))?;
        let Some(row) = job.dtype.bytes(k.into()) else {
            return Err(skipped(&format!("{k} elements are no whole blocks of {}", job.dtype)));
        };
        let split = variant.split_k.unwrap_or(1);
        if u128::from(n) * row + 512 >= 1 << 32 || (m + 256) * (n + 1024).max(k) * u64::from(split) >= 1 << 32 {
            return Err(skipped("an operand has more bytes or elements than 32 bits can number"));
        }
        let (way, workgroup) = way(variant, subgroup)?;
        if !(1..=SPLIT_MAX).contains(&split) || split > 1 && matches!(way, Way::Strided { .. }) {
            return Err(skipped("a sum is split between 2 and 64 workgroups, which do not share it already"));
        }
        let arithmetic = arithmetic(variant, format)?;
        let copies = u64::from(variant.copies.max(1));
        Ok(Plan { format, way, arithmetic, workgroup, tile: tile(variant.tile)?, split, extents, copies })
    }

    pub(super) fn program(&self) -> Program {
        let [rows, columns] = self.tile;
        let [steps, fours] = self.format.steps(self.arithmetic);
        let stage = self.format.stage(self.arithmetic);
        let constants = CONSTANTS.into_iter().zip([rows, columns, steps, fours, stage]);
        let mut lines: Vec<_> = constants.map(|(line, value)| number(line, value)).collect();
        lines.extend(self.format.lines(self.arithmetic));
        let matrices = matches!(self.way, Way::Matrices { .. });
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
            Way::Matrices { side, subgroups } => {
                lines.extend(
                    MATRIX_LINES
                        .map(|(line, usual)| (line, line.replace(usual, &usual.replace('8', &side.to_string())))),
                );
                ("matmul_matrices", vec![("SIZE", width), ("SUBGROUPS", subgroups.into())])
            }
        };
        let shader = if matrices { MATRICES } else { self.arithmetic.shader() };
        Program { shader, lines, entry, constants, bindings: BINDINGS }
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
                [across.div_ceil(width) as u32, down.div_ceil(height) as u32, self.split]
            }
            Way::Matrices { .. } => {
                let [rows, columns] = self.band();
                [n.div_ceil(columns) as u32, m.div_ceil(rows) as u32, self.split]
            }
        }
    }

    /// Rows and columns of C of a workgroup of matrices.
    fn band(&self) -> [u64; 2] {
        let Way::Matrices { side, subgroups } = self.way else { return [1, 1] };
        [self.tile[0] * side, self.tile[1] * side * subgroups].map(u64::from)
    }

    /// Rows and columns of C as it is stored: matrices write whole ones.
    pub(super) fn stored(&self) -> [u64; 2] {
        let [rows, columns] = self.band();
        [self.extents[0].next_multiple_of(rows), self.extents[1].next_multiple_of(columns)]
    }

    /// The parameters for rows of weights of `row` bytes.
    pub(super) fn params(&self, row: u64) -> MatmulParams {
        let [m, n, k] = self.extents;
        let units = self.format.units(k);
        let share = units.div_ceil(self.split.into());
        let [rows, columns] = self.stored();
        let [m, n, units, share, row, token, rows, columns] =
            [m, n, units, share, row, self.token_elements() / 4, rows, columns].map(|extent| extent as u32);
        MatmulParams { m, n, units, share, row, token, rows, columns }
    }

    /// Elements of a token with the zeros that follow it.
    pub(super) fn token_elements(&self) -> u64 {
        self.extents[2].next_multiple_of(TOKEN_GRAIN)
    }
}

/// The lines of the program that say how large its tiles, units and stages are.
const CONSTANTS: [&str; 5] = [
    "const ROWS: u32 = 1u;",
    "const COLUMNS: u32 = 1u;",
    "const STEPS: u32 = 1u;",
    "const FOURS: u32 = 1u;",
    "const STAGE: u32 = 1u;",
];

/// The lines of matrices, and what of them says how large they are.
const MATRIX_LINES: [(&str, &str); 4] = [
    ("alias factor_a = coop_mat8x8<f16, A>;", "8x8"),
    ("alias factor_b = coop_mat8x8<f16, B>;", "8x8"),
    ("alias result = coop_mat8x8<f32, C>;", "8x8"),
    ("const SIDE: u32 = 8u;", "8u"),
];

/// How `variant` goes about it on subgroups of so many invocations, and the sides of its workgroups.
fn way(variant: &GpuMatmul, subgroup: u32) -> Result<(Way, [u32; 2]), Refusal> {
    let size = variant.workgroup_size;
    if let Some(matrix) = variant.matrix {
        let side = [8, 16].into_iter().find(|&side| matrix == Tile::cube(side));
        let side = side.ok_or_else(|| skipped(&format!("there is no shader for matrices of {matrix}")))?;
        if !size.is_multiple_of(subgroup) || variant.arithmetic != Some(Dtype::F16) {
            return Err(skipped(&format!("matrices are multiplied in f16 by whole subgroups of {subgroup}")));
        }
        return Ok((Way::Matrices { side, subgroups: size / subgroup }, [size, 1]));
    }
    Ok(match variant.staged {
        Some(staged) => {
            let side = size.isqrt();
            if side * side != size || staged && !side.is_multiple_of(8) {
                return Err(skipped("workgroups that share tiles are squares of 8 or 16 invocations a side"));
            }
            (if staged { Way::Staged } else { Way::Direct }, [side, side])
        }
        None => match (variant.layout, variant.reduction) {
            (Some(AccessLayout::Contiguous), None | Some(Reduction::Invocation)) => (Way::Direct, [size, 1]),
            (Some(AccessLayout::Strided), Some(Reduction::Subgroup)) => (Way::Strided { subgroups: true }, [size, 1]),
            (Some(AccessLayout::Strided), None | Some(Reduction::Workgroup)) => {
                (Way::Strided { subgroups: false }, [size, 1])
            }
            _ => return Err(skipped("there is no matmul of that layout and reduction")),
        },
    })
}

/// What products are formed in.
fn arithmetic(variant: &GpuMatmul, format: Format) -> Result<Arithmetic, Refusal> {
    match variant.arithmetic {
        None | Some(Dtype::F32) => Ok(Arithmetic::F32),
        Some(Dtype::F16) if format.fits_halves() => Ok(Arithmetic::F16),
        Some(Dtype::I8) if !format.is_plain() => Ok(Arithmetic::I8),
        Some(other) => Err(skipped(&format!("such weights are not multiplied in {other}"))),
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
