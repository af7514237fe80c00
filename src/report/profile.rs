//! A profile, read aloud.

use super::{Cell, Report, Table, significant};
use crate::error::{Error, Result};
use crate::profile::{
    Ceiling, CeilingId, Curve, DeviceKind, Family, Flag, GpuClass, MemoryLevel, Profile, Status, Variant,
};

/// The whole profile: ceilings, then machine, then how to read them.
///
/// # Errors
/// Failure when the profile cannot be written as JSON.
pub fn report(profile: &Profile) -> Result<Report> {
    let json = serde_json::to_value(profile)
        .map_err(|e| Error::failure(format!("the profile cannot be written as JSON: {e}")))?;
    Ok(Report { tables: vec![ceilings(profile), super::machine::table(profile)], flat: Some(flat(profile)), json })
}

/// The second figure stands right of the value's unit.
const SECOND_COLUMN: usize = 3;

/// The place of a GPU's ceiling in the order that people read them: from its memory inwards, then what it does with it, then
/// what reaching it costs.
fn gpu_place(id: &CeilingId) -> usize {
    const LEVELS: [MemoryLevel; 4] =
        [MemoryLevel::Vram, MemoryLevel::Dram, MemoryLevel::GpuCache, MemoryLevel::Workgroup];
    const FAMILIES: [Family; 7] = [
        Family::Memory,
        Family::Latency,
        Family::Compute,
        Family::Matmul,
        Family::Attention,
        Family::Overhead,
        Family::Transfer,
    ];
    let of_level = id.level().filter(|_| id.family() == Family::Memory);
    let level = LEVELS.iter().position(|level| Some(*level) == of_level);
    level.unwrap_or_else(|| LEVELS.len() + FAMILIES.iter().take_while(|family| **family != id.family()).count())
}

/// The ceilings in the order that they are shown in: a CPU's as they were measured, a GPU's by family.
fn ordered(profile: &Profile) -> Vec<&Ceiling> {
    let mut ceilings: Vec<&Ceiling> = profile.ceiling.iter().collect();
    if profile.device.kind == DeviceKind::Gpu {
        ceilings.sort_by_key(|c| gpu_place(&c.id));
    }
    ceilings
}

fn ceilings(profile: &Profile) -> Table {
    let ordered = ordered(profile);
    let mut columns =
        vec!["ceiling", "value", "unit", "95 % interval", "median", "samples", "per cycle", "variant", "status"];
    let mut rows: Vec<Vec<Cell>> = ordered.iter().map(|ceiling| row(ceiling)).collect();
    // Only where some ceiling carries two figures is there a column for the second.
    if ordered.iter().any(|c| c.second().is_some()) {
        columns.insert(SECOND_COLUMN, "that is");
        for (row, ceiling) in rows.iter_mut().zip(&ordered) {
            let second = ceiling.second().map(|(v, unit)| Cell::text(format!("{} {}", significant(v), unit.symbol())));
            row.insert(SECOND_COLUMN, second.unwrap_or(Cell::Empty));
        }
    }
    Table {
        title: format!("Roofline of {}{}", profile.device.name, means(profile)),
        columns: columns.into_iter().map(String::from).collect(),
        rows,
        notes: notes(profile, &ordered),
    }
}

/// What the numbers were measured with: the rest of the title.
fn means(profile: &Profile) -> String {
    match profile.device.kind {
        DeviceKind::Cpu => {
            let threads = profile.environment.as_ref().map(|environment| environment.threads);
            threads.map_or_else(String::new, |threads| {
                format!(", measured with {threads} thread{}", if threads == 1 { "" } else { "s" })
            })
        }
        DeviceKind::Gpu => {
            let class = profile.device.gpu.as_ref().map(|gpu| gpu.class);
            let warning = if class == Some(GpuClass::Software) { " (software adapter, no GPU)" } else { "" };
            let backend = profile.provenance.gpu.as_ref().map(|gpu| format!(", measured through {}", gpu.backend));
            format!("{warning}{}", backend.unwrap_or_default())
        }
    }
}

fn row(ceiling: &Ceiling) -> Vec<Cell> {
    let (value, unit) = match ceiling.value() {
        Some((value, unit)) => (Cell::number(value), Cell::text(unit.symbol())),
        None => (Cell::Empty, Cell::Empty),
    };
    let interval = ceiling.ci95.map(|[low, high]| Cell::text(format!("{} … {}", significant(low), significant(high))));
    vec![
        Cell::text(ceiling.id.clone()),
        value,
        unit,
        interval.unwrap_or(Cell::Empty),
        Cell::maybe(ceiling.median),
        ceiling.samples.map_or(Cell::Empty, |n| Cell::count(u128::from(n))),
        Cell::maybe(ceiling.per_cycle),
        ceiling.variant.as_ref().map_or(Cell::Empty, |v| Cell::text(words(v))),
        Cell::text(ceiling.status.name()),
    ]
}

/// The ceilings for CSV, one fact per column.
fn flat(profile: &Profile) -> Table {
    let columns = [
        "ceiling",
        "value",
        "unit",
        "second_value",
        "second_unit",
        "ci95_low",
        "ci95_high",
        "median",
        "samples",
        "per_cycle",
        "clock_ghz",
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
        "status",
        "reason",
    ];
    let row = |ceiling: &Ceiling| {
        let (value, second) = (ceiling.value(), ceiling.second());
        let variant = ceiling.variant.clone().unwrap_or_default();
        let text = |words: Option<String>| words.map_or(Cell::Empty, Cell::Text);
        let count = |n: Option<u64>| n.map_or(Cell::Empty, |n| Cell::count(u128::from(n)));
        vec![
            Cell::text(ceiling.id.as_str()),
            Cell::maybe(value.map(|(value, _)| value)),
            text(value.map(|(_, unit)| unit.symbol().to_owned())),
            Cell::maybe(second.map(|(value, _)| value)),
            text(second.map(|(_, unit)| unit.symbol().to_owned())),
            Cell::maybe(ceiling.ci95.map(|ci| ci[0])),
            Cell::maybe(ceiling.ci95.map(|ci| ci[1])),
            Cell::maybe(ceiling.median),
            count(ceiling.samples.map(u64::from)),
            Cell::maybe(ceiling.per_cycle),
            Cell::maybe(ceiling.clock_ghz),
            text(variant.isa),
            count(variant.threads.map(u64::from)),
            text(variant.stores.map(|stores| stores.name().to_owned())),
            count(variant.streams.map(u64::from)),
            text(variant.pages.map(|pages| pages.name().to_owned())),
            count(variant.footprint_bytes),
            count(variant.window_bytes),
            count(variant.prefetch_bytes.map(u64::from)),
            count(variant.stride_bytes.map(u64::from)),
            count(variant.m),
            count(variant.n),
            count(variant.k),
            count(variant.copies.map(u64::from)),
            count(variant.heads),
            count(variant.kv_heads),
            count(variant.head_dim),
            count(variant.context),
            text(variant.tile),
            count(variant.workgroup_size.map(u64::from)),
            count(variant.workgroups.map(u64::from)),
            text(variant.layout.map(|layout| layout.name().to_owned())),
            count(variant.vector.map(u64::from)),
            count(variant.chains.map(u64::from)),
            text(variant.reduction.map(|reduction| reduction.name().to_owned())),
            text(variant.staged.map(|staged| staged.to_string())),
            Cell::text(ceiling.status.name()),
            text(ceiling.reason.clone()),
        ]
    };
    Table {
        columns: columns.map(String::from).to_vec(),
        rows: ordered(profile).into_iter().map(row).collect(),
        ..Table::default()
    }
}

/// What only a GPU's variant says: `8 × 128 blocked, 8 chains of 4`.
fn of_gpu(variant: &Variant) -> Vec<String> {
    let (size, groups) = (variant.workgroup_size, variant.workgroups);
    let division =
        [size.map(|n| n.to_string()), groups.map(|n| format!("× {n}")), variant.layout.map(|l| l.name().into())];
    let division = division.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let width = variant.vector.filter(|&n| n > 1).map_or(String::new(), |n| format!(" of {n}"));
    let mut words: Vec<String> = Some(division).filter(|words| !words.is_empty()).into_iter().collect();
    words.extend(variant.chains.map(|n| format!("{n} chains{width}")));
    words.extend(variant.reduction.map(|reduction| format!("{} sums", reduction.name())));
    words.extend(variant.staged.filter(|&staged| staged).map(|_| "staged".to_owned()));
    words
}

/// A variant in few words. The threads stand in the title.
fn words(variant: &Variant) -> String {
    let mut words: Vec<String> = variant.isa.iter().cloned().collect();
    words.extend(variant.stores.map(|stores| stores.name().to_owned()));
    words.extend(variant.tile.as_ref().map(|tile| format!("tile {tile}")));
    words.extend(variant.streams.map(|n| format!("{n} streams")));
    words.extend(variant.prefetch_bytes.map(|bytes| format!("{bytes} B ahead")));
    words.extend(variant.stride_bytes.map(|bytes| format!("stride {bytes} B")));
    words.extend(variant.pages.map(|pages| format!("{} pages", pages.name())));
    words.extend(of_gpu(variant));
    let shape: Vec<String> = [variant.m, variant.n, variant.k].iter().flatten().map(u64::to_string).collect();
    words.extend((!shape.is_empty()).then(|| shape.join("×")));
    if let Some(heads) = variant.heads {
        let shared = variant.kv_heads.map_or(String::new(), |kv_heads| format!("/{kv_heads}"));
        let width = variant.head_dim.map_or(String::new(), |elements| format!(" of {elements}"));
        words.push(format!("{heads}{shared} heads{width}"));
    }
    words.extend(variant.context.map(|tokens| format!("context {tokens}")));
    words.extend(variant.copies.map(|copies| format!("{copies} copies")));
    words.join(", ")
}

fn notes(profile: &Profile, ceilings: &[&Ceiling]) -> Vec<String> {
    let mut notes = reasons(ceilings);
    for ceiling in ceilings {
        if ceiling.modes.len() > 1 {
            let modes = ceiling.modes.iter().map(|m| format!("{} ({:.0} %)", significant(m.value), m.share * 100.0));
            let list = modes.collect::<Vec<_>>().join(", ");
            notes.push(format!("{}: modes {list} of the samples; the value is of the fastest one", ceiling.id));
        }
    }
    notes.extend(flags(ceilings));
    notes.extend(profile.curve.iter().map(curve));
    let summary = &profile.summary;
    // As the summary has it.
    let memory = if summary.dram_read_gb_per_s.is_some() { DeviceKind::Cpu } else { DeviceKind::Gpu };
    let memory = memory.main_memory().to_string().to_uppercase();
    for (dtype, ridge) in [
        ("f32", summary.ridge_f32_flop_per_byte),
        ("f16", summary.ridge_f16_flop_per_byte),
        ("bf16", summary.ridge_bf16_flop_per_byte),
        ("i8", summary.ridge_i8_flop_per_byte),
    ] {
        if let Some(ridge) = ridge {
            let ridge = significant(ridge);
            notes.push(format!(
                "ridge point {dtype}: {ridge} FLOP per byte of {memory} read; work of lower intensity is bound by memory"
            ));
        }
    }
    if !profile.provenance.complete {
        notes.push("this profile is incomplete; `roofprobe measure --resume -o FILE` completes it".to_owned());
    }
    if let Some(name) = &profile.provenance.simulated {
        notes.push(format!("nothing was measured: this is a simulation of {name}"));
    }
    notes
}

/// Remarks of ceilings; those of one kind on one line. Modes have a line of their own.
fn flags(ceilings: &[&Ceiling]) -> Vec<String> {
    let mut groups: Vec<(&Flag, Vec<&str>)> = Vec::new();
    for ceiling in ceilings {
        for flag in ceiling.flags.iter().filter(|flag| **flag != Flag::Modes) {
            match groups.iter_mut().find(|(known, _)| *known == flag) {
                Some((_, ids)) => ids.push(ceiling.id.as_str()),
                None => groups.push((flag, vec![ceiling.id.as_str()])),
            }
        }
    }
    groups.into_iter().map(|(flag, ids)| format!("{}: {flag}", ids.join(", "))).collect()
}

/// A curve in one line: how many points, and what it comes to from where to where.
fn curve(curve: &Curve) -> String {
    let Some(((values, unit), (axis, places))) = curve.values().zip(curve.axis()) else {
        return format!("{}: {}: {}", curve.id, curve.status, curve.reason.as_deref().unwrap_or_default());
    };
    let name = axis.name();
    let place = |&x: &u64| if name.ends_with("_bytes") { binary(x) } else { x.to_string() };
    let flags: String = curve.flags.iter().map(|flag| format!("; {flag}")).collect();
    format!(
        "{}: {} points, {} {} for {} {}{flags}",
        curve.id,
        values.len(),
        ends(values, |&value| significant(value)),
        unit.symbol(),
        name.trim_end_matches("_bytes"),
        ends(places, place),
    )
}

/// The first and the last of a list.
fn ends<T>(all: &[T], shown: impl Fn(&T) -> String) -> String {
    [all.first(), all.last()].into_iter().flatten().map(shown).collect::<Vec<_>>().join(" … ")
}

/// Bytes in the largest binary unit that divides them.
fn binary(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    whole.map_or(format!("{bytes} B"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}

/// Why some ceilings are not simply measured; those of one reason on one line.
fn reasons(ceilings: &[&Ceiling]) -> Vec<String> {
    let mut groups: Vec<(Status, &str, Vec<&str>)> = Vec::new();
    for ceiling in ceilings.iter().filter(|c| c.status != Status::Measured) {
        let reason = ceiling.reason.as_deref().or(ceiling.source.as_deref()).unwrap_or_default();
        match groups.iter_mut().find(|(status, known, _)| (*status, *known) == (ceiling.status, reason)) {
            Some((.., ids)) => ids.push(ceiling.id.as_str()),
            None => groups.push((ceiling.status, reason, vec![ceiling.id.as_str()])),
        }
    }
    groups.into_iter().map(|(status, reason, ids)| format!("{}: {status}: {reason}", ids.join(", "))).collect()
}
