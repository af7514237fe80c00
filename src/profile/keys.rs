//! The keys of a variant, flat as a profile has them.

use super::{CpuList, Word};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::ops::stream::{Checksum, Stores};
use roofprobe_kernels::{Dtype, Isa, named_enum};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::fmt;
use std::str::FromStr;

/// How a job was done, key by key as a profile has it. What does not apply, or is not known, is absent.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantKeys {
    /// Instruction set of the kernel.
    #[schemars(with = "Option<String>")]
    pub isa: Option<Word<Isa>>,
    /// Threads, one per core.
    pub threads: Option<u32>,
    /// The CPUs that may be used: the first ones, as many as there are threads. Absent where that is every CPU that threads are pinned to.
    pub cpus: Option<CpuList>,
    /// The NUMA node whose memory is used, where it is not that of the threads.
    pub memory_node: Option<u32>,
    /// Store instructions.
    #[serde(default, with = "named")]
    #[schemars(schema_with = "stores_schema")]
    pub stores: Option<Stores>,
    /// What a read makes of the bit patterns that it reads, where it is not their sum.
    #[serde(default, with = "named")]
    #[schemars(schema_with = "checksum_schema")]
    pub checksum: Option<Checksum>,
    /// Sequential streams that one thread reads side by side, where there is more than one.
    pub streams: Option<u32>,
    /// Vectors in one turn of a stream's loop, where it is not the usual number.
    pub unroll: Option<u32>,
    /// Page size asked for.
    #[serde(default, with = "named")]
    #[schemars(schema_with = "pages_schema")]
    pub pages: Option<Pages>,
    /// Bytes that one repetition walks over, all arrays and threads together.
    pub footprint_bytes: Option<u64>,
    /// Bytes read at one place of the footprint before the next place, all threads together.
    pub window_bytes: Option<u64>,
    /// Bytes that a software prefetch runs ahead; 0 is none.
    pub prefetch_bytes: Option<u32>,
    /// Lines of the page after the next one that a software prefetch asks for, once for each page.
    pub page_ahead_lines: Option<u32>,
    /// Distance of the places that a chase visits, bytes.
    pub stride_bytes: Option<u32>,
    /// Matmul: tokens, the rows of the activations.
    pub m: Option<u64>,
    /// Matmul: output features, the rows of the weights.
    pub n: Option<u64>,
    /// Matmul: input features, the inner extent.
    pub k: Option<u64>,
    /// Copies of the operands that take turns, so that no cache holds them.
    pub copies: Option<u32>,
    /// Attention: query heads.
    pub heads: Option<u64>,
    /// Attention: key/value heads.
    pub kv_heads: Option<u64>,
    /// Attention: elements of one head.
    pub head_dim: Option<u64>,
    /// Attention to latents: of the elements of a row those that are the value as well.
    pub value_dim: Option<u64>,
    /// Attention: cached tokens.
    pub context: Option<u64>,
    /// Attention: cached tokens between two updates of the softmax.
    pub span: Option<u64>,
    /// The type of the numbers that are multiplied, where it is not that of the operands as they are stored. `bf16` beside
    /// weights in `q4_0` says that they are widened to bf16 first.
    #[schemars(with = "Option<String>")]
    pub arithmetic: Option<Word<Dtype>>,
    /// Rows × columns that a matmul kernel keeps in registers, such as `6x16`; on a GPU those of one invocation.
    #[schemars(with = "Option<String>")]
    pub tile: Option<Word<Tile>>,
    /// Matmul: rows of the result that one thread takes at a time.
    pub row_block: Option<u32>,
    /// Matmul: columns of the result that one thread takes at a time.
    pub column_block: Option<u32>,
    /// Matmul: bytes of weights that are in use at a time, to stay in a cache meanwhile.
    pub block_bytes: Option<u64>,
    /// Matmul: whether the tokens are laid out for the kernel, rows an odd number of cache lines apart, and not one after another.
    pub packed: Option<bool>,
    /// GPU: invocations of a workgroup.
    pub workgroup_size: Option<u32>,
    /// GPU: workgroups of a dispatch.
    pub workgroups: Option<u32>,
    /// GPU: which places the invocations walk over.
    pub layout: Option<AccessLayout>,
    /// GPU: elements of one vector in registers; of a matmul 1, where weights in blocks are read by words of 32 bits and not by vectors of
    /// four of them.
    pub vector: Option<u32>,
    /// Independent chains: of one thread where it is not the usual number, or of an invocation of a GPU.
    pub chains: Option<u32>,
    /// GPU: what one step of a chain makes of the one before, where it is not its square and a constant.
    pub recurrence: Option<Recurrence>,
    /// GPU: how the partial sums of invocations come together.
    pub reduction: Option<Reduction>,
    /// GPU: whether operands are staged in workgroup memory.
    pub staged: Option<bool>,
    /// GPU: parts of the inner extent of a matmul, summed by different workgroups and added afterwards; where it is more than one.
    pub split_k: Option<u32>,
    /// GPU: the shape of the cooperative matrices that a matmul is put together from; `tile` counts those of one subgroup.
    #[schemars(with = "Option<String>")]
    pub matrix: Option<Word<Tile>>,
}

/// Rows × columns of a matrix, with the extent between where there is one: `6x16`, `16x16x16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
    /// The inner extent, of products of matrices.
    pub inner: Option<u32>,
}

impl Tile {
    /// Without an inner extent.
    pub const fn of(rows: u32, columns: u32) -> Tile {
        Tile { rows, columns, inner: None }
    }

    /// A product of square matrices.
    pub const fn cube(side: u32) -> Tile {
        Tile { rows: side, columns: side, inner: Some(side) }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)?;
        self.inner.map_or(Ok(()), |inner| write!(f, "x{inner}"))
    }
}

impl FromStr for Tile {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Tile, Self::Err> {
        let (rows, rest) = text.split_once('x').unwrap_or((text, ""));
        let (columns, inner) = rest.split_once('x').map_or((rest, None), |(columns, inner)| (columns, Some(inner)));
        let inner = inner.map(str::parse).transpose()?;
        Ok(Tile { rows: rows.parse()?, columns: columns.parse()?, inner })
    }
}

named_enum! {
    /// Which places the invocations of a GPU walk over.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum AccessLayout: "layout" {
        /// Neighbours side by side, all workgroups together, from one end to the other.
        Strided = "strided",
        /// Each workgroup its own stretch, neighbours side by side within.
        Blocked = "blocked",
        /// Each invocation its own stretch.
        Contiguous = "contiguous",
    }
}

named_enum! {
    /// What one step of a chain of multiply-accumulates makes of the one before.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Recurrence: "recurrence" {
        /// `x ← x·x + c`.
        Square = "square",
        /// `x ← c·y + x`, `y ← -c·x + y`: what is added to is what is written.
        Rotation = "rotation",
    }
}

named_enum! {
    /// How the partial sums of a GPU's invocations come together.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Reduction: "reduction" {
        /// Not at all: an invocation does the whole sum.
        Invocation = "invocation",
        /// By subgroup operations, and workgroup memory between subgroups.
        Subgroup = "subgroup",
        /// By workgroup memory.
        Workgroup = "workgroup",
    }
}

fn stores_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Stores::ALL.map(Stores::name) })
}

fn checksum_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Checksum::ALL.map(Checksum::name) })
}

fn pages_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Pages::ALL.map(Pages::name) })
}

/// Types of the kernels by their names.
mod named {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display> + Display,
    {
        let text = String::deserialize(from)?;
        let value: T = text.parse().map_err(D::Error::custom)?;
        if value.to_string() == text { Ok(Some(value)) } else { Err(D::Error::custom(format!("write {value}"))) }
    }
}
