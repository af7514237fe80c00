//! A job: one experiment that a device can be asked to time; and a sequence of operations, timed as one.

mod sequence;

pub use sequence::{Cache, Launch, Matrix, Routine, Sequence, Table};

use crate::profile::{CeilingId, Variant, VariantKeys};
use roofprobe_kernels::{Dtype, Op};
use std::fmt;

/// What to run, how, and for which ceiling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// The id of the ceiling that the answer belongs to.
    pub ceiling: CeilingId,
    /// The routine.
    pub op: Op,
    /// The type of its elements.
    pub dtype: Dtype,
    /// How it is done.
    pub variant: Variant,
}

impl fmt::Display for Job {
    /// A path-like name, such as `memory.dram.copy/avx2/nontemporal/huge/2t`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ceiling.as_str())?;
        write_variant(&self.variant.keys(), "/", f)
    }
}

impl fmt::Display for Variant {
    /// The words that distinguish one variant from another, such as `avx2 nontemporal huge 2t`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys().fmt(f)
    }
}

impl fmt::Display for VariantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = String::new();
        write_variant(self, " ", &mut words)?;
        f.pad(words.trim_start())
    }
}

fn write_variant(variant: &VariantKeys, separator: &str, out: &mut impl fmt::Write) -> fmt::Result {
    let shape = [variant.m, variant.n, variant.k].map(|extent| extent.map_or("-".to_owned(), |n| n.to_string()));
    let words = [
        variant.isa.as_ref().map(ToString::to_string),
        variant.arithmetic.as_ref().map(|dtype| format!("in-{dtype}")),
        variant.stores.map(|stores| stores.name().to_owned()),
        variant.checksum.map(|checksum| checksum.name().to_owned()),
        variant.tile.as_ref().map(ToString::to_string),
        variant.layout.map(|layout| layout.name().to_owned()),
        variant.vector.map(|elements| format!("vec{elements}")),
        variant.chains.map(|chains| format!("{chains}chains")),
        variant.recurrence.map(|recurrence| recurrence.name().to_owned()),
        variant.reduction.map(|reduction| format!("{}-sum", reduction.name())),
        variant.staged.map(|staged| (if staged { "staged" } else { "unstaged" }).to_owned()),
        variant.split_k.map(|parts| format!("split-k{parts}")),
        variant.matrix.as_ref().map(|shape| format!("matrices-{shape}")),
        variant.streams.map(|streams| format!("{streams}s")),
        variant.unroll.map(|vectors| format!("unroll{vectors}")),
        variant.prefetch_bytes.map(|bytes| format!("prefetch{bytes}")),
        variant.page_ahead_lines.map(|lines| format!("page-ahead{lines}")),
        variant.row_block.map(|rows| format!("rows{rows}")),
        variant.column_block.map(|columns| format!("columns{columns}")),
        variant.block_bytes.map(|bytes| format!("block{bytes}")),
        variant.packed.map(|packed| (if packed { "packed" } else { "unpacked" }).to_owned()),
        variant.span.map(|tokens| format!("span{tokens}")),
        variant.stride_bytes.map(|bytes| format!("stride{bytes}")),
        variant.window_bytes.map(|bytes| format!("window{bytes}")),
        variant.pages.map(|pages| pages.name().to_owned()),
        shape.iter().any(|extent| extent != "-").then(|| shape.join("x")),
        variant.heads.map(|heads| format!("{heads}heads")),
        variant.kv_heads.map(|heads| format!("{heads}kv")),
        variant.head_dim.map(|elements| format!("dim{elements}")),
        variant.value_dim.map(|elements| format!("values{elements}")),
        variant.context.map(|tokens| format!("context{tokens}")),
        variant.copies.map(|copies| format!("{copies}copies")),
        variant.workgroup_size.map(|size| format!("wg{size}")),
        variant.workgroups.map(|groups| format!("{groups}groups")),
        variant.threads.map(|threads| format!("{threads}t")),
    ];
    words.into_iter().flatten().try_for_each(|word| write!(out, "{separator}{word}"))
}
