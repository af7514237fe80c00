//! Devices side by side, read aloud: who is compared, what they reach, and what each model can hope for on them.

use super::{Cell, Report, Table};
use crate::compare::{
    Compared, Comparison, Entry, Extents, ModelComparison, PhaseComparison, Quantity, Ratio, Speed, Verdict,
};
use crate::error::{Error, Result};
use crate::model::Phase;
use crate::profile::{
    AttentionExtents, AttentionPhase, CeilingId, Family, GpuClass, IdKind, MemoryLevel, Status, Word,
};
use roofprobe_kernels::Op;

/// Which quantities people are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Those that most readers ask for first.
    Main,
    /// Every one.
    All,
}

/// How to read a ratio.
const RATIO_NOTE: &str =
    "× P1: times as fast as P1; above 1 is faster, for ns and µs too. low, high: what both intervals allow.";
/// The same where the interval has no columns.
const RATIO_NOTE_NARROW: &str = "× P1: times as fast as P1; above 1 is faster, for ns and µs too.";
/// What stands before a value that was not simply measured, before a ratio that is not decided, and what it means.
const MARKS: [(&str, &str); 5] = [
    (SUSPECT, "suspect: a gate did not believe this value"),
    (QUOTED, "quoted, not measured"),
    (NO_VALUE, "no value; the reason is below"),
    (UNDECIDED, "undecided: the intervals overlap"),
    (UNKNOWN, "not to be decided: an interval is missing"),
];
const SUSPECT: &str = "!";
const QUOTED: &str = "†";
const NO_VALUE: &str = "–";
const UNDECIDED: &str = "≈";
const UNKNOWN: &str = "?";
/// Before a ratio between different extents; the note that explains it names them.
const DIFFERENT: &str = "≠";

/// The report of a comparison; its record is the comparison.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(comparison: &Comparison, shown: Shown) -> Result<Report> {
    let json = serde_json::to_value(comparison)
        .map_err(|e| Error::failure(format!("the comparison cannot be written as JSON: {e}")))?;
    let mut tables = vec![profiles(comparison), quantities(comparison, shown)];
    tables.extend(comparison.models.iter().map(model));
    Ok(Report { tables, flat: Some(flat(comparison)), json })
}

/// The short name of a profile in column heads: there is no room for its own.
fn label(place: usize) -> String {
    format!("P{}", place + 1)
}

fn profiles(comparison: &Comparison) -> Table {
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for (place, profile) in comparison.profiles.iter().enumerate() {
        rows.push(vec![
            Cell::text(label(place)),
            Cell::text(&profile.profile),
            Cell::text(device(profile)),
            Cell::text(profile.grade.map_or("none".to_owned(), |grade| grade.to_string())),
            profile.effort.map_or(Cell::Empty, |effort| Cell::text(effort.name())),
            // The day is enough for people.
            Cell::text(profile.date.split('T').next().unwrap_or_default()),
        ]);
        if !profile.complete {
            notes.push(format!("{} is incomplete: some of its quantities were not measured yet", label(place)));
        }
        if let Some(name) = &profile.simulated {
            notes.push(format!("{} was not measured: it is a simulation of {name}", label(place)));
        }
    }
    let columns = ["", "profile", "device", "grade", "effort", "measured"].map(String::from).to_vec();
    Table { title: "Devices side by side; P1 is the reference".to_owned(), columns, rows, notes }
}

/// The device's name; where the host's cores play the GPU, nobody shall take it for one.
fn device(profile: &Compared) -> String {
    let warning = if profile.class == Some(GpuClass::Software) { ", software, no GPU" } else { "" };
    format!("{}{warning}", profile.device)
}

/// Whether most readers would ask for this quantity.
fn is_main(quantity: &CeilingId) -> bool {
    match quantity.kind() {
        IdKind::Memory { level: Word::Known(MemoryLevel::Main), access, sustained: false } => {
            [Op::Read, Op::Copy, Op::Triad].map(Some).contains(&access.known())
        }
        IdKind::Memory { access: Word::Known(Op::Read), sustained: false, .. } => true,
        IdKind::Matmul { tokens, .. } => [1, 512].contains(tokens),
        // What one instruction set of several reaches is for those who write kernels.
        IdKind::Compute { .. } => quantity.isa().is_none(),
        IdKind::Attention { phase, extents: AttentionExtents::Usual, .. } => !matches!(phase, AttentionPhase::Other(_)),
        IdKind::Latency { .. } | IdKind::Overhead { .. } | IdKind::Transfer { .. } => true,
        IdKind::Other(family) => [Family::Latency, Family::Overhead, Family::Transfer].contains(family),
        _ => false,
    }
}

fn quantities(comparison: &Comparison, shown: Shown) -> Table {
    let chosen: Vec<&Quantity> =
        comparison.quantities.iter().filter(|q| shown == Shown::All || is_main(&q.quantity)).collect();
    let row = |quantity: &&Quantity| {
        let head = vec![Cell::text(quantity.quantity.as_str()), quantity.unit.map_or(Cell::Empty, Cell::text)];
        let extents = quantity.entries[0].as_ref().map(|first| first.extents);
        let ratio = |entry: &Entry| {
            let differs = extents.is_some_and(|first| first != entry.extents);
            entry.ratio.map(|ratio| (ratio, if differs { DIFFERENT } else { mark(ratio) }))
        };
        let cell = |entry: &Option<Entry>| entry.as_ref().map_or((Cell::Empty, None), |e| (value(e), ratio(e)));
        beside(head, quantity.entries.iter().map(cell))
    };
    let rows: Vec<Vec<Cell>> = chosen.iter().map(row).collect();
    let mut notes = vec![if comparison.profiles.len() == 2 { RATIO_NOTE } else { RATIO_NOTE_NARROW }.to_owned()];
    notes.extend(legend(&rows));
    notes.extend(different_extents(&chosen));
    notes.extend(reasons(&chosen));
    let hidden = comparison.quantities.len() - chosen.len();
    if hidden > 0 {
        notes.push(format!("{hidden} more quantities: --all shows them"));
    }
    let columns = columns(&["quantity", "unit"], comparison.profiles.len());
    Table { title: "What they reach".to_owned(), columns, rows, notes }
}

/// Column heads: one of values per profile, one of ratios per profile but the first; with two profiles there is room for
/// the ratio's interval.
fn columns(first: &[&str], profiles: usize) -> Vec<String> {
    let mut columns: Vec<String> = first.iter().map(ToString::to_string).collect();
    for place in 0..profiles {
        columns.push(label(place));
        if place > 0 {
            columns.push("× P1".to_owned());
        }
    }
    if profiles == 2 {
        columns.extend(["low", "high"].map(String::from));
    }
    columns
}

/// A row under [`columns`], of values, and ratios with their marks.
fn beside(
    mut row: Vec<Cell>,
    cells: impl ExactSizeIterator<Item = (Cell, Option<(Ratio, &'static str)>)>,
) -> Vec<Cell> {
    let narrow = cells.len() != 2;
    for (place, (value, of_speed)) in cells.enumerate() {
        row.push(value);
        if place > 0 {
            row.push(of_speed.map_or(Cell::Empty, |(ratio, mark)| times(mark, ratio.value)));
            if !narrow {
                let interval = of_speed.and_then(|(ratio, _)| ratio.interval);
                row.extend([0, 1].map(|end| interval.map_or(Cell::Empty, |ends| times("", ends[end]))));
            }
        }
    }
    row
}

fn value(entry: &Entry) -> Cell {
    let mark = match entry.status {
        Status::Suspect => SUSPECT,
        Status::Quoted => QUOTED,
        _ => "",
    };
    match entry.value {
        Some(value) => Cell::Number { exact: value.to_string(), shown: format!("{mark}{}", super::significant(value)) },
        None => Cell::text(NO_VALUE),
    }
}

/// The mark of a ratio between the same extents.
fn mark(ratio: Ratio) -> &'static str {
    match ratio.verdict {
        Some(Verdict::Decided) => "",
        Some(Verdict::Undecided) => UNDECIDED,
        None => UNKNOWN,
    }
}

/// A ratio: three significant digits for people, more would be read as certainty.
fn times(mark: &str, value: f64) -> Cell {
    let decimals = (2 - value.log10().floor() as i32).clamp(0, 8) as usize;
    Cell::Number { exact: value.to_string(), shown: format!("{mark}{value:.decimals$}") }
}

/// What those marks mean that occur.
fn legend(rows: &[Vec<Cell>]) -> impl Iterator<Item = String> {
    let occurs = |mark: &str| rows.iter().flatten().any(|cell| cell.shown().starts_with(mark));
    MARKS.iter().filter(move |(mark, _)| occurs(mark)).map(|(mark, meaning)| format!("{mark} {meaning}"))
}

/// Which rows were asked at different extents, and what differs; rows alike together.
fn different_extents(quantities: &[&Quantity]) -> Option<String> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for quantity in quantities.iter().filter(|quantity| !quantity.same_extents) {
        let what = differences(quantity);
        match groups.iter_mut().find(|(known, _)| *known == what) {
            Some((_, names)) => names.push(quantity.quantity.as_str()),
            None => groups.push((what, vec![quantity.quantity.as_str()])),
        }
    }
    let words: Vec<String> = groups.iter().map(|(what, names)| format!("{} ({what})", names.join(", "))).collect();
    let note =
        || format!("{DIFFERENT} asked at different or unknown extents, so there is no verdict: {}", words.join("; "));
    (!words.is_empty()).then(note)
}

/// The extents in which the values of one row differ, such as `P1 n 4096 k 1024, P2 n 12288 k 4096`.
fn differences(quantity: &Quantity) -> String {
    let entries = quantity.entries.iter().enumerate().filter_map(|(place, entry)| Some((place, entry.as_ref()?)));
    let valued = entries.filter(|(_, entry)| entry.value.is_some());
    let all: Vec<(usize, [Option<u64>; 7])> =
        valued.map(|(place, entry)| (place, entry.extents.unwrap_or_default().values())).collect();
    let differs = |at: usize| all.iter().any(|(_, values)| values[at] != all[0].1[at]);
    let words = |values: &[Option<u64>; 7]| -> Vec<String> {
        let named = Extents::NAMES.iter().zip(values).enumerate().filter(|(at, _)| differs(*at));
        named.filter_map(|(_, (name, value))| Some(format!("{name} {}", (*value)?))).collect()
    };
    let line = |(place, values): &(usize, [Option<u64>; 7])| match words(values) {
        words if words.is_empty() => format!("{} unknown", label(*place)),
        words => format!("{} {}", label(*place), words.join(" ")),
    };
    all.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// Why some values are not simply measured; those of one profile and reason on one line.
fn reasons(quantities: &[&Quantity]) -> Vec<String> {
    let mut groups: Vec<(usize, Status, &str, Vec<&str>)> = Vec::new();
    for quantity in quantities {
        for (place, entry) in quantity.entries.iter().enumerate() {
            let Some(entry) = entry.as_ref().filter(|entry| entry.status != Status::Measured) else { continue };
            let reason = entry.reason.as_deref().or(entry.source.as_deref()).unwrap_or_default();
            match groups.iter_mut().find(|(p, status, known, _)| (*p, *status, *known) == (place, entry.status, reason))
            {
                Some((.., names)) => names.push(quantity.quantity.as_str()),
                None => groups.push((place, entry.status, reason, vec![quantity.quantity.as_str()])),
            }
        }
    }
    groups.sort_by_key(|(place, ..)| *place);
    let line = |(place, status, reason, names): (usize, Status, &str, Vec<&str>)| {
        format!("{} {}: {status}: {reason}", label(place), names.join(", "))
    };
    groups.into_iter().map(line).collect()
}

fn model(model: &ModelComparison) -> Table {
    let profiles = model.notes.len();
    let rows: Vec<Vec<Cell>> = model.phases.iter().flat_map(phase).collect();
    let mut notes: Vec<String> = legend(&rows).collect();
    notes.extend(remarks(&model.notes));
    Table {
        title: format!(
            "What {} can hope for: {} weights, {} cache, batch {}, {} roof",
            model.model,
            model.weights,
            model.kv,
            model.batch,
            model.roof.name()
        ),
        columns: columns(&["phase", ""], profiles),
        rows,
        notes,
    }
}

/// Two rows: the speeds, and what binds them.
fn phase(phase: &PhaseComparison) -> [Vec<Cell>; 2] {
    let name = phase.phase.name();
    let name = match phase.phase {
        Phase::Decode => format!("{name} at {}", phase.context),
        Phase::Prefill | Phase::Generation => format!("{name} of {}", phase.tokens),
    };
    let head = vec![Cell::text(name), Cell::text("tokens/s")];
    let below = vec![Cell::Empty, Cell::text("bound by")];
    let speed = |speed: &Speed| (Cell::number(speed.tokens_per_s), speed.ratio.map(|ratio| (ratio, mark(ratio))));
    let bound = |speed: &Speed| (Cell::text(speed.bound.name()), None);
    [beside(head, phase.entries.iter().map(speed)), beside(below, phase.entries.iter().map(bound))]
}

/// Remarks, each once, with the profiles that it is about.
fn remarks(notes: &[Vec<String>]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (place, notes) in notes.iter().enumerate() {
        for note in notes {
            match groups.iter_mut().find(|(known, _)| known == note) {
                Some((_, labels)) => labels.push(label(place)),
                None => groups.push((note, vec![label(place)])),
            }
        }
    }
    groups.into_iter().map(|(note, labels)| format!("{}: {note}", labels.join(", "))).collect()
}

/// Everything for CSV, one line per quantity and profile, then per model, phase and profile.
fn flat(comparison: &Comparison) -> Table {
    let mut columns = vec![
        "model",
        "quantity",
        "unit",
        "profile",
        "id",
        "status",
        "value",
        "ci95_low",
        "ci95_high",
        "second_value",
        "second_unit",
        "ratio",
        "ratio_low",
        "ratio_high",
        "verdict",
        "bound",
        "bound_by",
        "reason",
        "same_extents",
    ];
    columns.extend(Extents::NAMES);
    let mut rows = Vec::new();
    for quantity in &comparison.quantities {
        for (profile, entry) in comparison.profiles.iter().zip(&quantity.entries) {
            let unit = quantity.unit.map_or(Cell::Empty, Cell::text);
            let mut row = vec![Cell::Empty, Cell::text(quantity.quantity.as_str()), unit, Cell::text(&profile.profile)];
            row.extend(entry.as_ref().map(|entry| flat_entry(entry, quantity.same_extents)).unwrap_or_default());
            row.resize(columns.len(), Cell::Empty);
            rows.push(row);
        }
    }
    for model in &comparison.models {
        for phase in &model.phases {
            for (profile, speed) in comparison.profiles.iter().zip(&phase.entries) {
                let head = [model.model.as_str(), phase.phase.name(), "tokens/s", profile.profile.as_str()];
                let mut row: Vec<Cell> = head.into_iter().map(Cell::text).chain(flat_speed(speed)).collect();
                row.resize(columns.len(), Cell::Empty);
                rows.push(row);
            }
        }
    }
    Table { columns: columns.into_iter().map(String::from).collect(), rows, ..Table::default() }
}

fn flat_entry(entry: &Entry, same_extents: bool) -> Vec<Cell> {
    let text = |words: Option<&str>| words.map_or(Cell::Empty, Cell::text);
    let mut cells = vec![Cell::text(entry.id.as_str()), Cell::text(entry.status.name()), Cell::maybe(entry.value)];
    cells.extend(ends(entry.ci95));
    cells.extend([Cell::maybe(entry.second_value), text(entry.second_unit)]);
    cells.extend(flat_ratio(entry.ratio));
    cells.extend([Cell::Empty, Cell::Empty, text(entry.reason.as_deref().or(entry.source.as_deref()))]);
    cells.push(Cell::text(same_extents.to_string()));
    let extents = entry.extents.unwrap_or_default().values();
    cells.extend(extents.map(|extent| extent.map_or(Cell::Empty, |n| Cell::count(u128::from(n)))));
    cells
}

fn flat_speed(speed: &Speed) -> Vec<Cell> {
    let mut cells = vec![Cell::Empty, Cell::Empty, Cell::number(speed.tokens_per_s)];
    cells.extend(ends(speed.tokens_per_s_interval));
    cells.extend([Cell::Empty, Cell::Empty]);
    cells.extend(flat_ratio(speed.ratio));
    cells.extend([Cell::text(speed.bound.name()), speed.bound_by.as_ref().map_or(Cell::Empty, Cell::text)]);
    cells
}

fn flat_ratio(ratio: Option<Ratio>) -> Vec<Cell> {
    let mut cells = vec![Cell::maybe(ratio.map(|r| r.value))];
    cells.extend(ends(ratio.and_then(|r| r.interval)));
    cells.push(ratio.and_then(|r| r.verdict).map_or(Cell::Empty, |verdict| Cell::text(verdict.name())));
    cells
}

fn ends(interval: Option<[f64; 2]>) -> [Cell; 2] {
    [Cell::maybe(interval.map(|ends| ends[0])), Cell::maybe(interval.map(|ends| ends[1]))]
}
