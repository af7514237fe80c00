//! A sequence: the operations of forward passes of a model, one after another, as a device is asked to run them.
//!
//! Operands are named apart from operations: layers have weights and caches of their own, and do the same with them. A sequence
//! can be written down, because a GPU runs it in another process.

use crate::profile::Variant;
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::{Dtype, Isa, Op, Shape};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

/// The operations of one or several forward passes, and what they read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Weights.
    pub matrices: Vec<Matrix>,
    /// Keys and values.
    pub caches: Vec<Cache>,
    /// What rows are looked up in.
    pub tables: Vec<Table>,
    /// Different operations.
    pub routines: Vec<Routine>,
    /// In which order they are done.
    pub launches: Vec<Launch>,
    /// Steps that times are summed by: one more than the largest [`Launch::step`].
    pub steps: usize,
}

/// Weights of one shape and type: a copy for each layer, and for each of its experts.
#[serde_as]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// How they are stored.
    #[serde_as(as = "DisplayFromStr")]
    pub dtype: Dtype,
    /// Whose layout they are in; none where they lie as they are stored, as on GPUs.
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub isa: Option<Isa>,
    /// The type that they are multiplied in, where it is not the usual one.
    #[serde_as(as = "Option<DisplayFromStr>")]
    pub arithmetic: Option<Dtype>,
    /// The page size asked for.
    #[serde_as(as = "DisplayFromStr")]
    pub pages: Pages,
    /// Output features.
    pub n: u64,
    /// Input features.
    pub k: u64,
    /// Copies.
    pub copies: u64,
}

/// Keys and values in f16: a copy for each layer.
#[serde_as]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// Elements of a key, and of a value.
    pub head_dim: u64,
    /// Key/value heads of all sequences together.
    pub kv_heads: u64,
    /// Tokens of each sequence at most.
    pub tokens: u64,
    /// Copies.
    pub copies: u64,
    /// Whether a row is key and value.
    pub shared: bool,
    /// The page size asked for.
    #[serde_as(as = "DisplayFromStr")]
    pub pages: Pages,
}

/// Rows that are looked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// How many there are.
    pub rows: u64,
    /// Bytes of one.
    pub row_bytes: u64,
}

/// One operation, done again and again with other copies of its operands.
#[serde_as]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Routine {
    /// A product with weights.
    Matmul {
        /// The weights, by their place.
        matrix: usize,
        /// How it is done: a product of the device's own family.
        #[serde(with = "written")]
        variant: Variant,
    },
    /// Products with the weights of experts that are drawn for each token, each expert as likely as another.
    Experts {
        /// The weights, by their place: an expert's copies stand beside those of the others of its layer.
        matrix: usize,
        /// How each product is done; `m` is the most tokens at a time.
        #[serde(with = "written")]
        variant: Variant,
        /// Tokens.
        tokens: u64,
        /// Experts.
        experts: u64,
        /// Of which each token visits so many.
        used: u64,
    },
    /// Attention over a cache.
    Attention {
        /// The cache, by its place.
        cache: usize,
        /// How it is done: attention of the device's own family.
        #[serde(with = "written")]
        variant: Variant,
        /// Keys that a token sees at most, where not all of them.
        window: Option<u64>,
    },
    /// Rows looked up in a table.
    Gather {
        /// The table, by its place.
        table: usize,
        /// Rows.
        rows: u64,
        /// Elements of one.
        row: u64,
    },
    /// Work on rows of activations, element by element.
    Rows {
        /// What is done.
        #[serde_as(as = "DisplayFromStr")]
        op: Op,
        /// Extents, as [`Op::cost`] takes them.
        #[serde(with = "extents")]
        shape: Shape,
        /// Copies of its weights, or of the state that it keeps.
        copies: u64,
    },
}

/// One execution of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(usize, u64, usize)", into = "(usize, u64, usize)")]
pub struct Launch {
    /// The routine, by its place.
    pub routine: usize,
    /// Which copy of its operands it reads: the layer, counted among those that have them.
    pub copy: u64,
    /// What its time is summed with.
    pub step: usize,
}

impl From<(usize, u64, usize)> for Launch {
    fn from((routine, copy, step): (usize, u64, usize)) -> Launch {
        Launch { routine, copy, step }
    }
}

impl From<Launch> for (usize, u64, usize) {
    fn from(launch: Launch) -> (usize, u64, usize) {
        (launch.routine, launch.copy, launch.step)
    }
}

/// A variant as its family and its keys.
mod written {
    use crate::profile::{Variant, VariantKeys};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(variant: &Variant, serializer: S) -> Result<S::Ok, S::Error> {
        (variant.family(), variant.keys()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Variant, D::Error> {
        let (family, keys) = <(String, VariantKeys)>::deserialize(deserializer)?;
        Variant::of_family(&family, &keys).ok_or_else(|| D::Error::custom(format!("{keys} is no variant of {family}")))
    }
}

/// A shape as its five extents.
mod extents {
    use roofprobe_kernels::Shape;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(shape: &Shape, serializer: S) -> Result<S::Ok, S::Error> {
        [shape.m, shape.n, shape.k, shape.pairs, shape.shared].serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        let [m, n, k, pairs, shared] = Deserialize::deserialize(deserializer)?;
        Ok(Shape { m, n, k, pairs, shared })
    }
}
