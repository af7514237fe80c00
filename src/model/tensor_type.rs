//! How tensors are stored: the types of ggml with their exact blocks, and the layouts of quantised checkpoints.
//!
//! A [`TensorType`] counts bytes; a [`Dtype`] is what a kernel computes with. Every type names the [`Dtype`] whose
//! arithmetic is nearest to what engines do with it, so that a ceiling can be looked up for it.

mod scaled;

pub use scaled::Scaled;

use roofprobe_kernels::{Block, Dtype, named_enum};
use std::fmt;

macro_rules! ggml_types {
    ($($(#[$doc:meta])* $variant:ident = $id:literal $name:literal $elements:literal $bytes:literal
       $($nearest:ident)?,)*) => {
        /// How a tensor is stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TensorType {
            $($(#[$doc])* $variant,)*
            /// 8-bit floating point, one byte per element: e4m3 or e5m2, which cost the same.
            Fp8,
            /// A layout of a quantised checkpoint, whose scales belong to whole matrices.
            Grouped(Grouped),
            /// A layout of a quantised checkpoint by its parts.
            Scaled(Scaled),
            /// As many bytes as its file has, whatever the layout.
            Packed(Packed),
        }

        impl TensorType {
            /// The types that a GGUF file can hold, by their number there.
            pub const GGML: &[(u32, TensorType)] = &[$(($id, TensorType::$variant),)*];

            const fn row(self) -> Option<(&'static str, Block, [Dtype; 2])> {
                Some(match self {
                    $(TensorType::$variant => {
                        const NEAREST: [Dtype; 2] = nearest($name, &[$(Dtype::$nearest)?]);
                        ($name, Block { elements: $elements, bytes: $bytes }, NEAREST)
                    })*
                    TensorType::Fp8 => ("fp8", Block { elements: 1, bytes: 1 }, [Dtype::F16; 2]),
                    TensorType::Grouped(_) | TensorType::Scaled(_) | TensorType::Packed(_) => return None,
                })
            }
        }
    };
}

/// The kernels' type of that name, and the one that stands in for it; where either is missing, the other one twice.
const fn nearest(name: &str, stand_in: &[Dtype]) -> [Dtype; 2] {
    let mut at = 0;
    while at < Dtype::ALL.len() {
        let (own, mut same) = (Dtype::ALL[at].name().as_bytes(), 0);
        while same < own.len() && same < name.len() && own[same] == name.as_bytes()[same] {
            same += 1;
        }
        if same == own.len() && same == name.len() {
            return [Dtype::ALL[at], if stand_in.is_empty() { Dtype::ALL[at] } else { stand_in[0] }];
        }
        at += 1;
    }
    [stand_in[0]; 2]
}

// Number, name, elements and bytes of a block, and the type that stands in where there is no `Dtype` of that name, or none that was
// measured. Sizes are those of ggml's own structures (version 0.27), which differ from its Python package for q8_1 (40 there).
ggml_types! {
    /// IEEE 754 binary32.
    F32 = 0 "f32" 1 4,
    /// IEEE 754 binary16.
    F16 = 1 "f16" 1 2,
    /// 4 bits and an f16 scale per 32.
    Q4_0 = 2 "q4_0" 32 18,
    /// 4 bits, an f16 scale and minimum per 32.
    Q4_1 = 3 "q4_1" 32 20 Q4_0,
    /// 5 bits and an f16 scale per 32.
    Q5_0 = 6 "q5_0" 32 22 Q4_0,
    /// 5 bits, an f16 scale and minimum per 32.
    Q5_1 = 7 "q5_1" 32 24 Q4_0,
    /// 8 bits and an f16 scale per 32.
    Q8_0 = 8 "q8_0" 32 34,
    /// 8 bits, an f16 scale and sum per 32: for activations.
    Q8_1 = 9 "q8_1" 32 36 Q8_0,
    /// 2 bits, scales and minima of 16 in super-blocks of 256.
    Q2K = 10 "q2_k" 256 84 Q4K,
    /// 3 bits, scales of 16 in super-blocks of 256.
    Q3K = 11 "q3_k" 256 110 Q4K,
    /// 4 bits, scales and minima of 32 in super-blocks of 256.
    Q4K = 12 "q4_k" 256 144,
    /// 5 bits, scales and minima of 32 in super-blocks of 256.
    Q5K = 13 "q5_k" 256 176 Q4K,
    /// 6 bits, scales of 16 in super-blocks of 256.
    Q6K = 14 "q6_k" 256 210,
    /// 8 bits in super-blocks of 256: for activations.
    Q8K = 15 "q8_k" 256 292 Q8_0,
    /// Codebook, 2.06 bits.
    Iq2Xxs = 16 "iq2_xxs" 256 66 Q4K,
    /// Codebook, 2.31 bits.
    Iq2Xs = 17 "iq2_xs" 256 74 Q4K,
    /// Codebook, 3.06 bits.
    Iq3Xxs = 18 "iq3_xxs" 256 98 Q4K,
    /// Codebook, 1.56 bits.
    Iq1S = 19 "iq1_s" 256 50 Q4K,
    /// 16 levels that are not evenly spaced, an f16 scale per 32.
    Iq4Nl = 20 "iq4_nl" 32 18 Q4_0,
    /// Codebook, 3.44 bits.
    Iq3S = 21 "iq3_s" 256 110 Q4K,
    /// Codebook, 2.56 bits.
    Iq2S = 22 "iq2_s" 256 82 Q4K,
    /// The levels of `iq4_nl` in super-blocks of 256.
    Iq4Xs = 23 "iq4_xs" 256 136 Q4K,
    /// Signed 8-bit integers.
    I8 = 24 "i8" 1 1,
    /// Signed 16-bit integers.
    I16 = 25 "i16" 1 2 F32,
    /// Signed 32-bit integers.
    I32 = 26 "i32" 1 4 F32,
    /// Signed 64-bit integers.
    I64 = 27 "i64" 1 8 F64,
    /// IEEE 754 binary64.
    F64 = 28 "f64" 1 8,
    /// Codebook, 1.75 bits.
    Iq1M = 29 "iq1_m" 256 56 Q4K,
    /// bfloat16.
    Bf16 = 30 "bf16" 1 2,
    /// Ternary, five to a byte.
    Tq1_0 = 34 "tq1_0" 256 54 Q4K,
    /// Ternary, 2 bits.
    Tq2_0 = 35 "tq2_0" 256 66 Q4K,
    /// 4-bit floating point and a power-of-two scale per 32 (OCP microscaling).
    Mxfp4 = 39 "mxfp4" 32 17 Q4_0,
    /// 4-bit floating point and an 8-bit one as scale per 16.
    Nvfp4 = 40 "nvfp4" 64 36 Q4_0,
    /// One bit and an f16 scale per 128.
    Q1_0 = 41 "q1_0" 128 18 Q4_0,
    /// Two bits and an f16 scale per 64.
    Q2_0 = 42 "q2_0" 64 18 Q4_0,
}

/// Numbers of ggml types that were taken away, for a better message.
const REMOVED: [u32; 8] = [4, 5, 31, 32, 33, 36, 37, 38];

impl TensorType {
    /// The type of a number in a GGUF file; for a number that stands for none, why.
    pub fn of_ggml(id: u32) -> Result<TensorType, &'static str> {
        let found = TensorType::GGML.iter().find(|(number, _)| *number == id);
        found.map(|(_, kind)| *kind).ok_or(if REMOVED.contains(&id) {
            "was removed from ggml; convert the model again with a current tool"
        } else {
            "is unknown; the file is damaged, or newer than this program"
        })
    }

    /// The ggml type of that name, or `fp8`.
    pub fn of_name(name: &str) -> Option<TensorType> {
        let lower = name.to_ascii_lowercase();
        let named = |kind: &TensorType| kind.row().is_some_and(|(name, ..)| name == lower);
        TensorType::GGML.iter().map(|(_, kind)| *kind).chain([TensorType::Fp8]).find(named)
    }

    /// The smallest unit of a row that is stored as a whole; none where scales belong to the matrix.
    pub const fn block(self) -> Option<Block> {
        match self.row() {
            Some((_, block, _)) => Some(block),
            None => None,
        }
    }

    /// The data type whose arithmetic, and whose measured ceilings, are nearest to what engines do with it: its own where
    /// there is one, else blocks of 32 as `q4_0` or `q8_0`, super-blocks as `q4_k`, checkpoints' layouts as f16, to which they are
    /// expanded.
    pub const fn nearest(self) -> Dtype {
        match self.row() {
            Some((.., [nearest, _])) => nearest,
            None => Dtype::F16,
        }
    }

    /// The data type that stands in for [`TensorType::nearest`] where that was not measured, or a device has no kernel of it; itself,
    /// where it needs none.
    pub const fn stand_in(self) -> Dtype {
        match self.row() {
            Some((.., [_, stand_in])) => stand_in,
            None => Dtype::F16,
        }
    }

    /// Exact bytes of a matrix of `rows` rows of `row` elements; none when a row is no whole number of blocks.
    pub fn matrix_bytes(self, rows: u64, row: u64) -> Option<u128> {
        match (self, self.block()) {
            (_, Some(block)) => {
                let blocks = row.is_multiple_of(block.elements).then(|| row / block.elements)?;
                Some(u128::from(rows) * u128::from(blocks) * u128::from(block.bytes))
            }
            (TensorType::Grouped(grouped), None) => Some(grouped.matrix_bytes(rows, row)),
            (TensorType::Scaled(scaled), None) => Some(scaled.matrix_bytes(rows, row)),
            (TensorType::Packed(packed), None) => Some(packed.matrix_bytes(rows, row)),
            (_, None) => None,
        }
    }

    /// Exact bytes of `elements` elements of matrices of `rows` rows of `row` elements: of blocks in any number, of whole
    /// matrices where scales belong to them.
    pub fn bytes(self, elements: u128, rows: u64, row: u64) -> Option<u128> {
        if let Some(block) = self.block() {
            let each = u128::from(block.elements);
            return elements.is_multiple_of(each).then(|| elements / each * u128::from(block.bytes));
        }
        let matrix = u128::from(rows) * u128::from(row);
        if matrix == 0 {
            return (elements == 0).then_some(0);
        }
        let whole = elements.is_multiple_of(matrix).then(|| elements / matrix)?;
        whole.checked_mul(self.matrix_bytes(rows, row)?)
    }
}

impl From<Dtype> for TensorType {
    fn from(dtype: Dtype) -> TensorType {
        TensorType::of_name(dtype.name()).expect("every type with matmul kernels is stored under its own name")
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.row()) {
            (TensorType::Grouped(grouped), _) => grouped.fmt(f),
            (TensorType::Scaled(scaled), _) => scaled.fmt(f),
            (TensorType::Packed(packed), _) => packed.fmt(f),
            (_, Some((name, ..))) => f.pad(name),
            (_, None) => Ok(()),
        }
    }
}

/// A tensor of a file, of which no more is known than its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packed {
    /// Bytes of the whole tensor, of all experts together.
    pub bytes: u64,
    /// Elements that they stand for.
    pub elements: u64,
}

impl Packed {
    /// The share of a matrix in the whole tensor, rounded up.
    fn matrix_bytes(self, rows: u64, row: u64) -> u128 {
        let (elements, all) = (u128::from(rows) * u128::from(row), u128::from(self.elements.max(1)));
        if elements == all { u128::from(self.bytes) } else { (u128::from(self.bytes) * elements).div_ceil(all) }
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packed-{:.2}bit", 8.0 * self.bytes as f64 / self.elements.max(1) as f64)
    }
}

/// A layout of quantised checkpoints. Matrices are `rows` output features of `row` input features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grouped {
    /// Whose layout.
    pub scheme: Scheme,
    /// Bits of a weight.
    pub bits: u8,
    /// Weights that share a scale.
    pub group: u32,
}

named_enum! {
    /// Whose layout of scales and zero points.
    pub enum Scheme: "layout of checkpoints" {
        /// AWQ: weights and zero points packed along the output in 32-bit words, f16 scales.
        Awq = "awq",
        /// GPTQ: as AWQ, packed along the input, and a 32-bit group index for every input feature.
        Gptq = "gptq",
        /// MLX affine: f16 scale and bias.
        Mlx = "mlx",
        /// bitsandbytes: 4 bits of the normal distribution's quantiles, f32 maxima. Its tables are not counted.
        Nf4 = "nf4",
        /// The same with maxima of 8 bits, which share an f32 each 256.
        Nf4Double = "nf4-double",
        /// 8-bit floating point, one f32 scale per matrix.
        Fp8Matrix = "fp8",
        /// 8-bit floating point, one f32 scale for every square of `group` × `group`.
        Fp8Square = "fp8-block",
        /// 4-bit floating point with an 8-bit scale per 16, and an f32 scale per matrix.
        Nvfp4 = "nvfp4",
        /// bitsandbytes: 8-bit integers, an f32 maximum per output feature.
        Int8 = "int8",
    }
}

impl Grouped {
    /// The group of a layout with one scale for a row, however long.
    pub const WHOLE_ROW: u32 = u32::MAX;

    fn matrix_bytes(self, rows: u64, row: u64) -> u128 {
        let (bits, group) = (u128::from(self.bits), u128::from(self.group.max(1)));
        let (rows, row) = (u128::from(rows), u128::from(row));
        let words = |values: u128| (values * bits).div_ceil(32) * 4;
        let groups = row.div_ceil(group);
        let maxima = (rows * row).div_ceil(group);
        match self.scheme {
            Scheme::Awq => row * words(rows) + groups * (2 * rows + words(rows)),
            Scheme::Gptq => words(row) * rows + groups * (2 * rows + words(rows)) + 4 * row,
            Scheme::Mlx => rows * (words(row) + 4 * groups),
            Scheme::Nf4 => (rows * row).div_ceil(2) + 4 * maxima,
            Scheme::Nf4Double => (rows * row).div_ceil(2) + maxima + 4 * maxima.div_ceil(256),
            Scheme::Fp8Matrix => rows * row + 4,
            Scheme::Fp8Square => rows * row + 4 * rows.div_ceil(group) * groups,
            Scheme::Nvfp4 => rows * row.div_ceil(2) + rows * groups + 4,
            Scheme::Int8 => rows * row + 4 * rows,
        }
    }
}

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Grouped { scheme, bits, group } = self;
        match (*scheme, *group) {
            (Scheme::Awq | Scheme::Gptq | Scheme::Mlx, Grouped::WHOLE_ROW) => write!(f, "{scheme}-{bits}bit-channel"),
            (Scheme::Awq | Scheme::Gptq | Scheme::Mlx, group) => write!(f, "{scheme}-{bits}bit-g{group}"),
            (scheme, _) => f.write_str(scheme.name()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn bits_per_weight(scheme: Scheme, bits: u8, group: u32) -> f64 {
        let bytes = TensorType::Grouped(Grouped { scheme, bits, group }).matrix_bytes(4096, 4096).unwrap();
        bytes as f64 * 8.0 / (4096.0 * 4096.0)
    }

    #[test]
    fn kernels_types_keep_their_size() {
        for dtype in Dtype::ALL {
            let kind = TensorType::from(dtype);
            assert_eq!(kind.block(), Some(dtype.block()), "{dtype}");
            assert_eq!(kind.nearest(), dtype, "{dtype}");
            assert_eq!(kind.to_string(), dtype.name());
        }
    }

    #[test]
    fn numbers_and_names_are_told_apart() {
        let mut numbers: Vec<u32> = TensorType::GGML.iter().map(|(id, _)| *id).collect();
        for (id, kind) in TensorType::GGML {
            assert_eq!(TensorType::of_ggml(*id), Ok(*kind));
            assert_eq!(TensorType::of_name(&kind.to_string().to_uppercase()), Some(*kind));
        }
        numbers.dedup();
        assert_eq!(numbers.len(), 35);
        assert!(TensorType::of_ggml(4).unwrap_err().contains("removed"));
        assert!(TensorType::of_ggml(43).unwrap_err().contains("unknown"));
        assert_eq!(TensorType::of_name("q9_9"), None);
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(TensorType::Q6K.matrix_bytes(3, 512), Some(3 * 2 * 210));
        assert_eq!(TensorType::Q6K.matrix_bytes(3, 896), None);
        assert_eq!(TensorType::Iq4Nl.matrix_bytes(3, 896), Some(3 * 28 * 18));
        assert_eq!(TensorType::Q4_0.bytes(64, 0, 0), Some(36));
        assert_eq!(TensorType::Q4_0.bytes(33, 0, 0), None);
    }

    /// Bits per weight as the makers of the layouts state them, for a square matrix of 4096.
    #[test]
    fn layouts_of_checkpoints_carry_their_scales() {
        assert_eq!(bits_per_weight(Scheme::Awq, 4, 128), 4.0 + 20.0 / 128.0);
        assert_eq!(bits_per_weight(Scheme::Gptq, 4, 128), 4.0 + 20.0 / 128.0 + 32.0 / 4096.0);
        assert_eq!(bits_per_weight(Scheme::Gptq, 3, 128), 3.0 + 19.0 / 128.0 + 32.0 / 4096.0);
        assert_eq!(bits_per_weight(Scheme::Mlx, 4, 64), 4.5);
        assert_eq!(bits_per_weight(Scheme::Mlx, 8, 64), 8.5);
        assert_eq!(bits_per_weight(Scheme::Nf4, 4, 64), 4.5);
        assert_eq!(bits_per_weight(Scheme::Nf4Double, 4, 64), 4.0 + 8.0 / 64.0 + 32.0 / (64.0 * 256.0));
        assert_eq!(bits_per_weight(Scheme::Fp8Square, 8, 128), 8.0 + 32.0 / 16384.0);
        // Whole matrices only: half of one has no size of its own.
        let awq = TensorType::Grouped(Grouped { scheme: Scheme::Awq, bits: 4, group: 128 });
        assert_eq!(awq.bytes(3 * 64 * 128, 64, 128), awq.matrix_bytes(64, 128).map(|bytes| 3 * bytes));
        assert_eq!(awq.bytes(64, 64, 128), None);
    }
}
