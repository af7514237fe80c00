//! The ceilings of a profile: their columns, their order, and which of them people ask for first.

use super::cell::{Cell, significant};
use super::record::{self, Record, Recorded, merged};
use super::table::{Column, column};
use crate::profile::{
    AttentionExtents, AttentionPhase, Ceiling, CeilingId, DeviceKind, Family, IdKind, Means, MemoryLevel, Profile, Word,
};
use roofprobe_kernels::{Dtype, Op};

/// A ceiling and its variant, key by key as the profile has it.
pub(super) struct Row<'r> {
    pub(super) ceiling: &'r Ceiling,
    record: Record,
}

impl Recorded for Row<'_> {
    fn record(&self) -> &Record {
        &self.record
    }
}

/// The columns of CSV: the ceiling, then its variant.
const COLUMNS: &str = "ceiling value unit second_value second_unit ci95_low ci95_high median samples per_cycle clock_ghz relative_error isa threads cpus memory_node stores checksum streams unroll pages footprint_bytes window_bytes prefetch_bytes page_ahead_lines stride_bytes m n k copies \
     heads kv_heads head_dim value_dim context span arithmetic tile row_block column_block block_bytes packed workgroup_size workgroups layout vector chains recurrence reduction staged split_k matrix status reason";

/// The place of a GPU's ceiling in the order that people read them: from its memory inwards, then what it does with it, then
/// what reaching it costs.
fn gpu_place(id: &CeilingId) -> usize {
    use Family::{Attention, Compute, Latency, Matmul, Memory, Overhead, Transfer};
    const LEVELS: [MemoryLevel; 4] =
        [MemoryLevel::Vram, MemoryLevel::Dram, MemoryLevel::GpuCache, MemoryLevel::Workgroup];
    const FAMILIES: [Family; 7] = [Memory, Latency, Compute, Matmul, Attention, Overhead, Transfer];
    let of_level = id.level().filter(|_| id.family() == Memory);
    let level = LEVELS.iter().position(|level| Some(*level) == of_level);
    level.unwrap_or_else(|| LEVELS.len() + FAMILIES.iter().take_while(|family| **family != id.family()).count())
}

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
    pub(super) fn of(id: &CeilingId) -> Rank {
        use MemoryLevel::{Dram, Main, Vram};
        let main = matches!(id.level(), Some(Dram | Vram | Main));
        let dtype = id.dtype();
        match id.kind() {
            IdKind::Memory { access: Word::Known(access), sustained: false, .. } => match access {
                Op::Read | Op::Write if main => Rank::First,
                Op::Read => Rank::Summary,
                Op::Copy | Op::Triad if main => Rank::Main,
                _ => Rank::Rest,
            },
            IdKind::Compute { means: Means::Best, .. } => match dtype {
                Some(Dtype::F32 | Dtype::Bf16 | Dtype::I8) => Rank::First,
                _ => Rank::Summary,
            },
            IdKind::Compute { means: Means::CooperativeMatrix, .. } => Rank::Summary,
            // What one instruction set of several reaches is for those who write kernels.
            IdKind::Compute { .. } if id.isa().is_none() => Rank::Main,
            IdKind::Matmul { tokens: 1 | 512, .. } => match dtype {
                Some(Dtype::Q8_0 | Dtype::Q4K) => Rank::First,
                _ => Rank::Main,
            },
            IdKind::Attention { phase, extents: AttentionExtents::Usual, .. } => match phase {
                AttentionPhase::Decode if dtype == Some(Dtype::F16) => Rank::First,
                AttentionPhase::Decode | AttentionPhase::Prefill => Rank::Summary,
                AttentionPhase::Other(_) => Rank::Rest,
            },
            IdKind::Latency { .. } if main => Rank::Summary,
            IdKind::Latency { .. } | IdKind::Overhead { .. } | IdKind::Transfer { .. } => Rank::Main,
            IdKind::Other(Family::Latency | Family::Overhead | Family::Transfer) => Rank::Main,
            _ => Rank::Rest,
        }
    }
}

/// A reason without its numbers: no points taken off in front, no details behind.
pub(super) fn cause(reason: &str) -> &str {
    let reason = reason.split_once(": ").filter(|(points, _)| points.starts_with('−')).map_or(reason, |(_, rest)| rest);
    reason.split([':', ';']).next().unwrap_or(reason)
}

/// The ceilings in the order that they are shown in: a CPU's as they were measured, a GPU's by family.
pub(super) fn ordered(profile: &Profile) -> Vec<Row<'_>> {
    let mut ceilings: Vec<&Ceiling> = profile.ceiling.iter().collect();
    if profile.device.kind == DeviceKind::Gpu {
        ceilings.sort_by_key(|c| gpu_place(&c.id));
    }
    let record = |ceiling: &Ceiling| {
        let of_json = serde_json::to_value(ceiling).unwrap_or_default();
        merged([&of_json, &of_json["variant"]])
    };
    ceilings.into_iter().map(|ceiling| Row { ceiling, record: record(ceiling) }).collect()
}

/// The columns of the ceilings, one fact each, as CSV has them.
pub(super) fn columns<'r>() -> Vec<Column<Row<'r>>> {
    let own = [
        column("ceiling", "ceiling", |r: &Row| Cell::text(&r.ceiling.id)),
        column("value", "value", |r: &Row| Cell::maybe(r.ceiling.value().map(|(value, _)| value))),
        column("unit", "unit", |r: &Row| Cell::words(r.ceiling.value().map(|(_, unit)| unit.symbol()))),
        column("second_value", "", |r: &Row| Cell::maybe(r.ceiling.second().map(|(value, _)| value))),
        column("second_unit", "", |r: &Row| Cell::words(r.ceiling.second().map(|(_, unit)| unit.symbol()))),
        column("status", "status", |r: &Row| Cell::text(r.ceiling.status.name())),
    ];
    record::columns(COLUMNS, own)
}

/// The same, and columns for people alone, each of several facts.
pub(super) fn columns_for_people<'r>() -> Vec<Column<Row<'r>>> {
    let interval = |r: &Row| {
        Cell::words(r.ceiling.ci95.map(|[low, high]| format!("{} … {}", significant(low), significant(high))))
    };
    let weights = |r: &Row| {
        let second = r.ceiling.second().filter(|_| r.ceiling.id.family() == Family::Matmul);
        Cell::maybe(second.map(|(value, _)| value))
    };
    // Nothing is said of what was simply measured.
    let doubt = |r: &Row| match r.ceiling.status {
        crate::profile::Status::Measured => Cell::Empty,
        other => Cell::text(other.name()),
    };
    let people = [
        column("interval", "95 % interval", interval),
        column("weights", "weights GB/s", weights),
        column("watts", "W", |r: &Row| Cell::maybe(r.ceiling.watts)),
        column("doubt", "", doubt),
        column("variant", "variant", |r: &Row| Cell::text(r.words())),
    ];
    columns().into_iter().chain(people).collect()
}

impl Row<'_> {
    fn word(&self, key: &str, words: impl Fn(&str) -> String) -> Option<String> {
        self.record.get(key).map(|value| words(record::cell(value, 1.0).shown()))
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
            self.word("unroll", |n| format!("{n} vectors a turn")),
            self.word("prefetch_bytes", |bytes| format!("{bytes} B ahead")),
            self.word("stride_bytes", |bytes| format!("stride {bytes} B")),
            self.word("pages", |pages| format!("{pages} pages")),
            Some(division).filter(|words| !words.is_empty()),
            self.word("chains", |n| format!("{n} chains{vector}")),
            plain("recurrence"),
            self.word("reduction", |reduction| format!("{reduction} sums")),
            self.word("staged", |_| "staged".to_owned()).filter(|_| self.record["staged"] == true),
            Some(shape.join("×")).filter(|words| !words.is_empty()),
            heads,
            self.word("context", |tokens| format!("context {tokens}")),
            self.word("copies", |copies| format!("{copies} copies")),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
