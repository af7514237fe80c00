//! The ceilings of a profile: their columns, their order, and which of them people ask for first.

use super::cell::{Cell, significant};
use super::table::{Column, column};
use crate::profile::{Ceiling, DeviceKind, Profile};
use roofprobe_kernels::Isa;
use serde_json::{Map, Value};

/// A ceiling and its variant, key by key as the profile has it.
pub(super) struct Row<'r> {
    pub(super) ceiling: &'r Ceiling,
    variant: Map<String, Value>,
}

/// The keys of a variant in the order of CSV's columns.
const VARIANT: [&str; 25] = [
    "isa",
    "threads",
    "stores",
    "streams",
    "pages",
    "footprint_bytes",
    "window_bytes",
    "prefetch_bytes",
    "stride_bytes",
    "m",
    "n",
    "k",
    "copies",
    "heads",
    "kv_heads",
    "head_dim",
    "context",
    "tile",
    "workgroup_size",
    "workgroups",
    "layout",
    "vector",
    "chains",
    "reduction",
    "staged",
];

/// Families of a GPU's ceilings in the order that people read them: from its memory inwards, then what it does with it,
/// then what reaching it costs. Others follow.
const GPU_ORDER: [&str; 11] = [
    "memory.vram",
    "memory.dram",
    "memory.cache",
    "memory.workgroup",
    "memory",
    "latency",
    "compute",
    "matmul",
    "attention",
    "overhead",
    "transfer",
];

/// How many readers ask for a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Nearly all: some ten.
    First,
    /// Most of those who read a profile.
    Summary,
    /// Most of those who compare profiles.
    Main,
    /// Those who write kernels.
    Rest,
}

impl Rank {
    /// The rank of a ceiling, or of a quantity of a comparison.
    pub(super) fn of(id: &str) -> Rank {
        let main = |level: &str| ["dram", "vram", "main"].contains(&level);
        match id.split('.').collect::<Vec<_>>().as_slice() {
            ["memory", level, "read" | "write"] if main(level) => Rank::First,
            ["compute", "f32" | "bf16" | "i8"] => Rank::First,
            ["matmul", "q8_0" | "q4_k", "m1" | "m512"] => Rank::First,
            ["attention", "f16", "decode"] => Rank::First,
            ["memory", _, "read"] | ["compute", _] | ["attention", _, "decode" | "prefill"] => Rank::Summary,
            ["latency", level] if main(level) => Rank::Summary,
            ["compute", _, "coopmat"] => Rank::Summary,
            ["memory", level, "copy" | "triad"] if main(level) => Rank::Main,
            // What one instruction set of several reaches is for those who write kernels.
            ["compute", _, way, ..] if !Isa::ALL.iter().any(|isa| isa.name() == *way) => Rank::Main,
            ["matmul", _, "m1" | "m512"] | ["latency" | "overhead" | "transfer", ..] => Rank::Main,
            _ => Rank::Rest,
        }
    }
}

/// The ceilings in the order that they are shown in: a CPU's as they were measured, a GPU's by family.
pub(super) fn ordered(profile: &Profile) -> Vec<Row<'_>> {
    let mut ceilings: Vec<&Ceiling> = profile.ceiling.iter().collect();
    if profile.device.kind == DeviceKind::Gpu {
        let belongs = |id: &str, family: &str| {
            id.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let place = |id: &str| GPU_ORDER.iter().position(|family| belongs(id, family)).unwrap_or(GPU_ORDER.len());
        ceilings.sort_by_key(|c| place(&c.id));
    }
    let variant = |ceiling: &Ceiling| match serde_json::to_value(&ceiling.variant) {
        Ok(Value::Object(keys)) => keys,
        _ => Map::new(),
    };
    ceilings.into_iter().map(|ceiling| Row { ceiling, variant: variant(ceiling) }).collect()
}

/// The columns of the ceilings, one fact each, as CSV has them.
pub(super) fn columns<'r>() -> Vec<Column<Row<'r>>> {
    let mut columns = vec![
        column("ceiling", "ceiling", |r: &Row| Cell::text(&r.ceiling.id)),
        column("value", "value", |r: &Row| Cell::maybe(r.ceiling.value().map(|(value, _)| value))),
        column("unit", "unit", |r: &Row| Cell::words(r.ceiling.value().map(|(_, unit)| unit.symbol()))),
        column("second_value", "", |r: &Row| Cell::maybe(r.ceiling.second().map(|(value, _)| value))),
        column("second_unit", "", |r: &Row| Cell::words(r.ceiling.second().map(|(_, unit)| unit.symbol()))),
        column("ci95_low", "low", |r: &Row| Cell::maybe(r.ceiling.ci95.map(|[low, _]| low))),
        column("ci95_high", "high", |r: &Row| Cell::maybe(r.ceiling.ci95.map(|[_, high]| high))),
        column("median", "median", |r: &Row| Cell::maybe(r.ceiling.median)),
        column("samples", "samples", |r: &Row| Cell::small(r.ceiling.samples)),
        column("per_cycle", "per cycle", |r: &Row| Cell::maybe(r.ceiling.per_cycle)),
        column("clock_ghz", "GHz", |r: &Row| Cell::maybe(r.ceiling.clock_ghz)),
    ];
    columns.extend(VARIANT.map(|key| column(key, key, move |r: &Row| r.key(key))));
    columns.push(column("status", "status", |r: &Row| Cell::text(r.ceiling.status.name())));
    columns.push(column("reason", "", |r: &Row| Cell::words(r.ceiling.reason.as_ref())));
    columns
}

/// Columns for people alone, each of several facts.
pub(super) fn columns_for_people<'r>() -> [Column<Row<'r>>; 4] {
    let interval = |r: &Row| {
        Cell::words(r.ceiling.ci95.map(|[low, high]| format!("{} … {}", significant(low), significant(high))))
    };
    let weights = |r: &Row| {
        let second = r.ceiling.second().filter(|_| r.ceiling.id.to_string().starts_with("matmul."));
        Cell::maybe(second.map(|(value, _)| value))
    };
    // Nothing is said of what was simply measured.
    let doubt = |r: &Row| match r.ceiling.status {
        crate::profile::Status::Measured => Cell::Empty,
        other => Cell::text(other.name()),
    };
    [
        column("interval", "95 % interval", interval),
        column("weights", "weights GB/s", weights),
        column("doubt", "", doubt),
        column("variant", "variant", |r: &Row| Cell::text(r.words())),
    ]
}

impl Row<'_> {
    fn key(&self, key: &str) -> Cell {
        match self.variant.get(key) {
            Some(Value::Number(number)) => Cell::small(number.as_u64()),
            Some(Value::String(word)) => Cell::text(word),
            other => Cell::words(other),
        }
    }

    fn word(&self, key: &str, words: impl Fn(&str) -> String) -> Option<String> {
        Some(words(self.key(key).shown())).filter(|_| self.variant.contains_key(key))
    }

    /// The variant in few words. The threads stand above the table.
    fn words(&self) -> String {
        let plain = |key: &str| self.word(key, str::to_owned);
        let shape: Vec<String> = ["m", "n", "k"].into_iter().filter_map(plain).collect();
        let heads = self.word("heads", |heads| {
            let shared = self.word("kv_heads", |n| format!("/{n}")).unwrap_or_default();
            let width = self.word("head_dim", |n| format!(" of {n}")).unwrap_or_default();
            format!("{heads}{shared} heads{width}")
        });
        let division = [plain("workgroup_size"), self.word("workgroups", |n| format!("× {n}")), plain("layout")];
        let division = division.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let vector = self.word("vector", |n| format!(" of {n}")).filter(|words| words != " of 1").unwrap_or_default();
        let words = [
            plain("isa"),
            plain("stores"),
            self.word("tile", |tile| format!("tile {tile}")),
            self.word("streams", |n| format!("{n} streams")),
            self.word("prefetch_bytes", |bytes| format!("{bytes} B ahead")),
            self.word("stride_bytes", |bytes| format!("stride {bytes} B")),
            self.word("pages", |pages| format!("{pages} pages")),
            Some(division).filter(|words| !words.is_empty()),
            self.word("chains", |n| format!("{n} chains{vector}")),
            self.word("reduction", |reduction| format!("{reduction} sums")),
            self.word("staged", |_| "staged".to_owned()).filter(|_| self.variant["staged"] == true),
            Some(shape.join("×")).filter(|words| !words.is_empty()),
            heads,
            self.word("context", |tokens| format!("context {tokens}")),
            self.word("copies", |copies| format!("{copies} copies")),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
