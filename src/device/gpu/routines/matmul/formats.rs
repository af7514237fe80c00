//! Weight formats as the shader takes them.

use crate::device::Refusal;
use crate::device::gpu::params::params;
use crate::device::gpu::shader::{Shader, shader};
use roofprobe_kernels::Dtype;

params! {
    /// `Params` of `matmul.wgsl` and of `matmul_matrices.wgsl`.
    MatmulParams {
        /// Tokens.
        m: u32,
        /// Rows of weights.
        n: u32,
        /// Units of a row of weights.
        units: u32,
        /// Units that a workgroup sums up.
        share: u32,
        /// From one row of weights to the next, in bytes.
        row: u32,
        /// From one token to the next, in vectors of four.
        token: u32,
        /// Rows of C as it is stored.
        rows: u32,
        /// Columns of C as it is stored.
        columns: u32,
    }
}

/// In which arithmetic products are formed; sums are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    F32,
    /// Weights are decoded into halves.
    F16,
    /// Tokens are quantised by blocks of 32.
    I8,
}

const F32: Shader = shader!("matmul.wgsl", MatmulParams, "product.wgsl", "weights.wgsl", "f32.wgsl");
const F16: Shader =
    shader!("matmul.wgsl", MatmulParams, enable "enable f16;\n", "product.wgsl", "weights.wgsl", "f16.wgsl");
const I8: Shader = shader!("matmul.wgsl", MatmulParams, "product.wgsl", "weights.wgsl", "i8.wgsl");

impl Arithmetic {
    /// The shader of its products.
    pub(super) fn shader(self) -> Shader {
        match self {
            Arithmetic::F32 => F32,
            Arithmetic::F16 => F16,
            Arithmetic::I8 => I8,
        }
    }
}

/// A weight format as the shader takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    dtype: Dtype,
    /// Bytes that the place of everything in the weights is a multiple of: 16, 4 or 1.
    grain: u32,
    /// Whether an invocation takes a quarter of a unit: 32 bits for 128.
    quarters: bool,
}

impl Format {
    /// The format of rows of `k` weights.
    ///
    /// # Errors
    /// When there is no decoder.
    pub(super) fn of(dtype: Dtype, k: u64, quarters: bool) -> Result<Format, Refusal> {
        let bytes = match dtype {
            Dtype::F64 => return Err(Refusal::Unsupported(format!("there is no WGSL matmul of {dtype} weights"))),
            Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::I8 => k * dtype.block().bytes,
            _ => dtype.block().bytes,
        };
        let grain = [16, 4].into_iter().find(|&grain| bytes.is_multiple_of(grain)).unwrap_or(1) as u32;
        let format = Format { dtype, grain, quarters };
        if quarters && format.is_plain() {
            return Err(Refusal::Skipped(format!("{dtype} weights are read by vectors of eight")));
        }
        Ok(format)
    }

    /// Whether its weights are floats, not integers with scales.
    pub(super) fn is_plain(self) -> bool {
        matches!(self.dtype, Dtype::F32 | Dtype::F16 | Dtype::Bf16)
    }

    /// Whether halves hold its weights: those of f32 and bf16 may be beyond their range.
    pub(super) fn fits_halves(self) -> bool {
        !matches!(self.dtype, Dtype::F32 | Dtype::Bf16)
    }

    /// Units of a row of `k` weights. All quarters of a unit count, whatever the row has of it.
    pub(super) fn units(self, k: u64) -> u64 {
        match (self.is_plain(), self.quarters) {
            (true, _) => k.div_ceil(8),
            (false, false) => k.div_ceil(32),
            (false, true) => k.div_ceil(32) * 4,
        }
    }

    /// Steps of a unit, and vectors of four of a step.
    pub(super) fn steps(self, arithmetic: Arithmetic) -> [u32; 2] {
        match (arithmetic, self.is_plain(), self.quarters) {
            (Arithmetic::F16, true, _) => [1, 2],
            (Arithmetic::F16, false, false) => [2, 4],
            (Arithmetic::F32, false, false) => [8, 1],
            _ => [2, 1],
        }
    }

    /// Units that are staged at once: 32 elements, or 16 of plain f32, or 64 bytes.
    pub(super) fn stage(self, arithmetic: Arithmetic) -> u32 {
        let of_eight = self.is_plain() || self.quarters;
        match arithmetic {
            Arithmetic::F32 => 1 + u32::from(of_eight),
            Arithmetic::F16 => 1 + 3 * u32::from(of_eight),
            Arithmetic::I8 => 2 + 6 * u32::from(of_eight),
        }
    }

    /// The lines that decode it.
    pub(super) fn lines(self, arithmetic: Arithmetic) -> Vec<(&'static str, String)> {
        let mut lines = self.fetching();
        if let Dtype::Mxfp4 = self.dtype {
            lines.push((LEVELS, MXFP4_LEVELS.to_owned()));
        }
        lines.extend(if self.is_plain() { self.plain(arithmetic) } else { self.quantised(arithmetic) });
        lines
    }

    /// How 16 bytes are read, or four.
    fn fetching(self) -> Vec<(&'static str, String)> {
        let suffix = match self.grain {
            16 => "",
            4 => "_of_words",
            _ => "_of_bytes",
        };
        if self.is_plain() {
            return vec![(FETCH_PLAIN, FETCH_PLAIN.replace("quad(", &format!("quad{suffix}(")))];
        }
        let what = if self.quarters { "piece" } else { "quad" };
        vec![(FETCH, FETCH.replace("quad_of_bytes", &format!("{what}{suffix}")))]
    }

    fn plain(self, arithmetic: Arithmetic) -> Vec<(&'static str, String)> {
        let unit = UNIT.replace("unit_q8_0(base, at, 0u)", &format!("unit_{}(base, at)", self.dtype));
        let mut lines = vec![(ALIAS, "alias Unit = Floats;".to_owned()), (UNIT, unit)];
        lines.extend(match arithmetic {
            Arithmetic::F16 => [
                (LEFT_F16, returned(LEFT_F16, "lefts(row + 2u * at)")),
                (RIGHT_F16, "    b.x_q0 = vec4<f16>(u.x[0u/*q*/]);".to_owned()),
            ],
            _ => [
                (LEFT_F32, returned(LEFT_F32, "tokens[row + 2u * at + 0u/*v*/]")),
                (RIGHT_F32, returned(RIGHT_F32, "u.x[0u/*v*/]")),
            ],
        });
        lines
    }

    fn quantised(self, arithmetic: Arithmetic) -> Vec<(&'static str, String)> {
        let place = match self.dtype {
            Dtype::Q4K | Dtype::Q5K | Dtype::Q3K | Dtype::Q2K => "place_in_pairs",
            Dtype::Q6K => "place_in_fours",
            _ => "place_in_order",
        };
        let of = if self.quarters { "(base, at >> 2u, (at & 3u) * 4u)" } else { "(base, at, 0u)" };
        let unit = format!("unit_{}{of}", self.dtype);
        let mut lines = vec![
            (UNIT, UNIT.replace("unit_q8_0(base, at, 0u)", &unit)),
            (PLACE, PLACE.replace("place_in_order", place)),
        ];
        if !self.quarters {
            return lines;
        }
        lines.extend([
            ("alias Q = vec4<u32>;", "alias Q = u32;".to_owned()),
            (FIRST_BITS, returned(FIRST_BITS, "part")),
            (TABLE, returned(TABLE, "table(q)")),
        ]);
        let group = "place(at >> 2u)[0u/*v*/]";
        match arithmetic {
            Arithmetic::F32 => lines.extend([
                (LEFT_F32, returned(LEFT_F32, &format!("tokens[row + {group} * 4u + (at & 3u)]"))),
                (RIGHT_F32, returned(RIGHT_F32, "decoded(u.q[0u/*v*/], u.scale[0u/*v*/], u.least[0u/*v*/])")),
            ]),
            Arithmetic::F16 => lines.extend([
                (LEFT_F16, returned(LEFT_F16, &format!("lefts(row + {group} * 4u + (at & 3u))"))),
                (RIGHT_F16, RIGHT_F16.replace("[0u/*q*/]", "")),
            ]),
            Arithmetic::I8 => lines.extend([
                (LEFT_I8, returned(LEFT_I8, &format!("left(row, {group}, at & 3u)"))),
                (BYTES, FOUR_BYTES.to_owned()),
                (DOTS, returned(DOTS, "dot4I8Packed(a, b)")),
            ]),
        }
        lines
    }
}

/// The function that stands on `line`, returning something else.
fn returned(line: &str, what: &str) -> String {
    let head = line.split_once("return ").map_or(line, |(head, _)| head);
    format!("{head}return {what}; }}")
}

const ALIAS: &str = "alias Unit = Quants;";
const UNIT: &str = "fn unit(base: u32, at: u32) -> Unit { return unit_q8_0(base, at, 0u); }";
const PLACE: &str = "fn place(at: u32) -> vec2<u32> { return place_in_order(at); }";
const FETCH: &str = "fn fetch(at: u32) -> Q { return quad_of_bytes(at); }";
const FETCH_PLAIN: &str = "fn fetch_plain(at: u32) -> vec4<u32> { return quad(at); }";
const FIRST_BITS: &str = "fn first_bits(part: u32) -> Q { return vec4<u32>(0u, 4u, 8u, 12u); }";
const TABLE: &str = "fn through_table(q: Q) -> Q { return vec4<u32>(table(q.x), table(q.y), table(q.z), table(q.w)); }";
const LEVELS: &str = "const LEVELS: vec4<u32> = vec4<u32>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);";
const MXFP4_LEVELS: &str = "const LEVELS: vec4<u32> = vec4<u32>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);";
const LEFT_F32: &str =
    "fn left_v0(row: u32, at: u32) -> Left { return tokens[row + place(at)[0u/*v*/ / 4u] * 4u + 0u/*v*/ % 4u]; }";
const RIGHT_F32: &str = "fn right_v0(u: Unit) -> Right { return decoded(u.q[0u/*v*/ / 4u][0u/*v*/ % 4u], u.scale[0u/*v*/ / 4u], u.least[0u/*v*/ / 4u]); }";
const LEFT_F16: &str = "fn left_v0(row: u32, at: u32) -> Left { return lefts(row + place(at)[0u/*v*/] * 4u); }";
const RIGHT_F16: &str = "    b.x_q0 = halved(u.q[0u/*v*/][0u/*q*/], u.scale[0u/*v*/], u.least[0u/*v*/]);";
const LEFT_I8: &str = "fn left_v0(row: u32, at: u32) -> Left { return left(row, place(at)[0u/*v*/], 0u); }";
const DOTS: &str = "fn dots(a: Q, b: Q) -> i32 { return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w); }";
const BYTES: &str = "    return Left(tokens[i], head.x, head.y);";
const FOUR_BYTES: &str =
    "    return Left(tokens[i][word], head.x, head.x * f32(dot4I8Packed(tokens[i][word], 0x01010101u)));";
