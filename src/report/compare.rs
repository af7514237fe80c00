//! Devices side by side: who is compared, what they reach, and the predicted performance of models on them.

use super::ceilings::{Rank, cause};
use super::cell::{Cell, significant};
use super::evaluation::{day, folded, standing};
use super::record::{self, Record, list, merged};
use super::table::{Report, Shown, Table, column, grouped};
use crate::compare::{
    ComparedSpeed, Comparison, Entry, Extents, ModelComparison, PhaseComparison, Quantity, Ratio, Verdict,
};
use crate::error::Result;
use crate::evaluate::{Note, ProfileFacts};
use crate::model::Phase;
use crate::profile::{GpuClass, Status};
use serde_json::{Value, json};

/// How to read a ratio.
const RATIO_NOTE: &str =
    "P2/P1: how many times as fast as P1; above 1 is faster, for ns and µs too. low, high: what both intervals allow.";
/// The same where the interval has no columns.
const RATIO_NOTE_NARROW: &str = "P2/P1: how many times as fast as P1; above 1 is faster, for ns and µs too.";
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
    let json = record::json("the comparison", comparison)?;
    let mut tables = vec![profiles(comparison), quantities(comparison, shown)];
    tables.extend(comparison.models.iter().map(|one| model(one, shown)));
    Ok(Report { tables, flat: Some(flat(&json)), json })
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
            Cell::text(standing(profile)),
            profile.effort.map_or(Cell::Empty, |effort| Cell::text(effort.name())),
            Cell::text(day(profile)),
        ]);
        if !profile.complete {
            notes.push(format!("{} is incomplete: some of its quantities were not measured yet", label(place)));
        }
        if let Some(name) = &profile.simulated {
            notes.push(format!("{} was not measured: it is a simulation of {name}", label(place)));
        }
    }
    let columns = ["", "profile", "device", "grade", "effort", "measured"];
    Table::of("Devices side by side; P1 is the reference", columns, rows).with_notes(notes)
}

/// The device's name; where the host's cores play the GPU, nobody shall take it for one.
fn device(profile: &ProfileFacts) -> String {
    let warning = if profile.class == Some(GpuClass::Software) { ", software, no GPU" } else { "" };
    format!("{}{warning}", profile.device)
}

fn quantities(comparison: &Comparison, shown: Shown) -> Table {
    let main = |q: &&Quantity| Rank::of(&q.quantity) <= Rank::Main;
    // What only one profile has is compared with nothing.
    let shared = |q: &&Quantity| q.entries.iter().flatten().count() > 1;
    let any_shared = comparison.quantities.iter().filter(main).any(|q| shared(&q));
    let few = |q: &&Quantity| main(q) && (shared(q) || !any_shared);
    let chosen: Vec<&Quantity> = comparison.quantities.iter().filter(|q| shown == Shown::All || few(q)).collect();
    let row = |quantity: &&Quantity| {
        let head = vec![Cell::text(&quantity.quantity), quantity.unit.map_or(Cell::Empty, Cell::text)];
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
    notes.extend(reasons(&chosen, shown));
    let hidden = comparison.quantities.len() - chosen.len();
    if hidden > 0 {
        notes.push(format!("{hidden} more quantities: --all shows them"));
    }
    let columns = columns(&["quantity", "unit"], comparison.profiles.len());
    Table::of("Ceilings", columns, rows).with_keys(2).with_notes(notes)
}

/// Column heads: one of values per profile, one of ratios per profile but the first; with two profiles there is room for
/// the ratio's interval.
fn columns(first: &[&str], profiles: usize) -> Vec<String> {
    let mut columns: Vec<String> = first.iter().map(ToString::to_string).collect();
    for place in 0..profiles {
        columns.push(label(place));
        if place > 0 {
            columns.push(format!("{}/{}", label(place), label(0)));
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
        Some(value) => Cell::Number { exact: value.to_string(), shown: format!("{mark}{}", significant(value)) },
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
    let differing = quantities.iter().filter(|quantity| !quantity.same_extents);
    let groups = grouped(differing.map(|quantity| (differences(quantity), quantity.quantity.as_str())));
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
fn reasons(quantities: &[&Quantity], shown: Shown) -> Vec<String> {
    let entries = quantities.iter().flat_map(|quantity| {
        let entries = quantity.entries.iter().enumerate().filter_map(|(place, entry)| Some((place, entry.as_ref()?)));
        entries.map(move |(place, entry)| (place, entry, quantity.quantity.as_str()))
    });
    let doubtful = entries.filter(|(_, entry, _)| entry.status != Status::Measured);
    let mut groups = grouped(doubtful.map(|(place, entry, name)| {
        let reason = entry.reason.as_deref().or(entry.source.as_deref()).unwrap_or_default();
        // Each suspect has numbers of its own.
        let fold = entry.status == Status::Suspect && shown == Shown::Main;
        ((place, entry.status, if fold { cause(reason) } else { reason }), name)
    }));
    groups.sort_by_key(|((place, ..), _)| *place);
    let line = |((place, status, reason), names): ((usize, Status, &str), Vec<&str>)| {
        format!("{} {status}: {reason}: {}", label(place), names.join(", "))
    };
    groups.into_iter().map(line).collect()
}

fn model(model: &ModelComparison, shown: Shown) -> Table {
    let profiles = model.notes.len();
    let rows: Vec<Vec<Cell>> = model.phases.iter().flat_map(phase).collect();
    let marks: Vec<String> = legend(&rows).collect();
    let ModelComparison { model: name, weights, kv, batch, .. } = model;
    let roof = model.roof.name();
    let title = format!("Predicted performance of {name}: {weights} weights, {kv} cache, batch {batch}, {roof} roof");
    let table = Table::of(title, columns(&["phase", ""], profiles), rows).with_keys(2);
    table.with_notes(marks).with_notes(remarks(&model.notes, shown))
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
    let speed =
        |speed: &ComparedSpeed| (Cell::number(speed.tokens_per_s), speed.ratio.map(|ratio| (ratio, mark(ratio))));
    let bound = |speed: &ComparedSpeed| (Cell::text(speed.bound.name()), None);
    [beside(head, phase.entries.iter().map(speed)), beside(below, phase.entries.iter().map(bound))]
}

/// Remarks, each once, with the profiles that it is about.
fn remarks(notes: &[Vec<Note>], shown: Shown) -> Vec<String> {
    let each = notes.iter().map(|notes| folded(notes, shown)).enumerate();
    let all = each.flat_map(|(place, notes)| notes.into_iter().map(move |note| (note, label(place))));
    grouped(all).into_iter().map(|(note, labels)| format!("{}: {note}", labels.join(", "))).collect()
}

/// The columns of CSV: a quantity of one profile, or a phase of a model on it.
const COLUMNS: &str = "model quantity unit profile id status value ci95_low ci95_high second_value second_unit ratio ratio_low \
     ratio_high verdict bound bound_by reason same_extents m n k heads kv_heads head_dim context";

/// Every quantity of every profile, then every phase of every model on it.
fn flat(json: &Value) -> Table {
    let quantities = list(json, "quantities")
        .map(|quantity| (json!({ "quantity": quantity["quantity"], "unit": quantity["unit"] }), quantity));
    let phases = list(json, "models").flat_map(|model| {
        let named = |phase: &Value| json!({ "model": model["model"], "quantity": phase["phase"], "unit": "tokens/s" });
        list(model, "phases").map(move |phase| (named(phase), phase))
    });
    let mut lines: Vec<Record> = Vec::new();
    for (named, about) in quantities.chain(phases) {
        for (profile, entry) in list(json, "profiles").zip(list(about, "entries")) {
            let of_profile = json!({
                "profile": profile["profile"],
                "same_extents": about["same_extents"].as_bool().filter(|_| !entry.is_null()),
            });
            let mut line = merged([&named, &of_profile, entry, &entry["extents"]]);
            // A speed is the value of a phase.
            for (key, name) in [("tokens_per_s", "value"), ("tokens_per_s_interval", "ci95")] {
                line.remove(key).into_iter().for_each(|value| drop(line.insert(name.to_owned(), value)));
            }
            lines.push(line);
        }
    }
    let reason = |l: &Record| Cell::words(["reason", "source"].into_iter().find_map(|key| l.get(key)?.as_str()));
    let verdict = |l: &Record| Cell::words(l.get("ratio").and_then(|ratio| ratio["verdict"].as_str()));
    let own = [column("reason", "", reason), column("verdict", "", verdict)];
    Table::flat(&record::columns(COLUMNS, own), &lines)
}
