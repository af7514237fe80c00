//! Evaluations: the answer first; then, where details are asked for, the work, its potential and its operations.

use super::ceilings::cause;
use super::cell::{Cell, digits, mib};
use super::record::{self, Record, Recorded, merged};
use super::table::{Column, Report, Shown, Table, column, grouped};
use super::{advice, operations, stored};
use crate::error::Result;
use crate::evaluate::{Energy, Evaluation, Note, NoteKind, PhaseResult, ProfileFacts, RoofKind, Speed};
use crate::model::Phase;

/// How to read the table of speeds.
const SPEED_NOTES: [&str; 2] = [
    "ms: of the prefill the time to first token, of decode the time per token at that context. tokens/s: taken in \
     (prefill), given (decode), given from end to end (generation). at peak: by peak arithmetic and memory alone.",
    "bound: the resource that binds for most of the time. low, high: all ceilings at the ends of their 95 % intervals.",
];

/// How to read the table of work.
const DEMAND_NOTE: &str = "MB = 10^6 bytes, all passes together. Weights are read once per pass, visible keys and values \
     once per pass and sequence. FLOP/B counts weights and cache; activations are taken to stay in caches, and are counted \
     in the last column.";

/// How to read the table of potential.
pub(super) const POTENTIAL_NOTES: [&str; 2] = [
    "headroom: how far the roof is above, as a power of two; reach: how much more reuse of bytes leads to the ridge, as a \
     power of two; area: what lies between, their product at most.",
    "Φ: distance to the ridge, 0 at best (arXiv 2602.11506): free of units, in octaves, and as printed in the paper. \
     Compare Φ within one device and one regime only.",
];

/// A phase of an evaluation.
struct Row<'r> {
    result: &'r Evaluation,
    phase: &'r PhaseResult,
    record: Record,
}

impl Recorded for Row<'_> {
    fn record(&self) -> &Record {
        &self.record
    }
}

/// The report of `evaluations`; its record is `{"results": [...]}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(evaluations: &[Evaluation], shown: Shown) -> Result<Report> {
    let results = record::json("the evaluation", &evaluations)?;
    let flat = columns();
    let columns: Vec<_> = columns().into_iter().chain(columns_for_people()).collect();
    let phases = evaluations.iter().enumerate().flat_map(|(at, result)| {
        result.phases.iter().enumerate().map(move |(place, phase)| (at, place, result, phase))
    });
    let record = |at: usize, place: usize| merged([&results[at], &results[at]["phases"][place]]);
    let rows: Vec<Row> =
        phases.map(|(at, place, result, phase)| Row { result, phase, record: record(at, place) }).collect();
    let mut tables = match evaluations {
        [one] => vec![answer(one, &columns, &rows, shown)],
        several => vec![answers(several, &columns, &rows, shown)],
    };
    if shown == Shown::All {
        tables.extend(details(evaluations, &columns, &rows));
    } else {
        let hidden: usize =
            evaluations.iter().map(|e| e.notes.iter().filter(|note| !note.kind.matters()).count()).sum();
        let notes = match hidden {
            0 => String::new(),
            1 => ", one more note".to_owned(),
            several => format!(", {several} more notes"),
        };
        tables[0]
            .notes
            .push(format!("--details: work, potential, operations and formats{notes}. --explain: formulas."));
    }
    tables.extend(evaluations.iter().flat_map(operations::explanations));
    let flat = Some(Table::flat(&flat, &rows));
    Ok(Report { tables, flat, json: serde_json::json!({ "results": results }) })
}

/// One model on one profile: a headline, what it needs, and its phases.
fn answer<'r>(result: &Evaluation, columns: &[Column<Row<'r>>], rows: &[Row<'r>], shown: Shown) -> Table {
    let mut view = vec!["phase", "tokens", "context?", "seconds", "tokens_per_s", "low", "high", "bound"];
    if result.roof == RoofKind::Engine {
        view.push("tokens_per_s_achieved?");
    }
    if result.roof != RoofKind::Peak {
        view.push("tokens_per_s_peak?");
    }
    view.push("bound_by?");
    let mut table = Table::view(headline(result), columns, &view, rows);
    table.lead = vec![means(result), format!("{} {}", trust(&result.on), roof_note(result))];
    table.lead.extend(energy(result));
    table
        .with_notes(result.advice.iter().flat_map(|advice| advice::lines(result, advice)))
        .with_notes(notes(std::slice::from_ref(result), shown))
}

/// The model, the profile and the speed.
pub(super) fn headline(result: &Evaluation) -> String {
    format!("{} on {}: {}", result.model, result.on.profile, speed(result))
}

/// The speed, in words: `about 35.2 tokens/s (34.1–36.0), first token of 512 after 1.28 s`.
pub(super) fn speed(result: &Evaluation) -> String {
    let decode = result.phase(Phase::Decode).map(|decode| {
        let range = range(decode.speed.tokens_per_s_interval);
        let rate = digits(decode.speed.tokens_per_s, 3);
        match (result.quoted, result.roof) {
            (true, _) => format!("at most {rate} tokens/s by quoted figures"),
            (_, RoofKind::Peak) => format!("at most {rate} tokens/s{range}"),
            (_, RoofKind::Achieved) => format!("about {rate} tokens/s{range}"),
            (_, RoofKind::Engine) => {
                let engine = result.engine.as_ref().map_or("the engine", |engine| engine.name.as_str());
                format!("about {rate} tokens/s{range} in {engine}")
            }
        }
    });
    let first = result
        .phase(Phase::Prefill)
        .map(|prefill| format!("first token of {} after {}", prefill.tokens, seconds(prefill.speed.seconds)));
    let whole = result
        .phase(Phase::Generation)
        .map(|whole| format!("{} tokens in {}", whole.tokens, seconds(whole.speed.seconds)));
    let parts: Vec<String> = [decode, first, whole].into_iter().flatten().collect();
    parts.join(", ")
}

/// The ends of a rate's interval, in brackets.
fn range(ends: Option<[f64; 2]>) -> String {
    let ends = ends.map(|ends| ends.map(|rate| digits(rate, 3)));
    ends.map_or_else(String::new, |[low, high]| format!(" ({low}–{high})"))
}

/// A rate with its interval: `about 35.2 tokens/s (34.1–36.0)`.
pub(super) fn rate_range(rate: f64, ends: Option<[f64; 2]>) -> String {
    format!("about {} tokens/s{}", digits(rate, 3), range(ends))
}

/// A time in the unit that people use.
fn seconds(seconds: f64) -> String {
    if seconds < 0.1 { format!("{} ms", digits(seconds * 1e3, 3)) } else { format!("{} s", digits(seconds, 3)) }
}

/// What is asked for, and whether the device has room for it.
fn means(result: &Evaluation) -> String {
    let room = match (result.fits, result.memory_bytes) {
        (Some(fits), Some(has)) => {
            format!("the device has {}: {}", mib(has), if fits { "fits" } else { "does not fit" })
        }
        _ => "how much the device has is unknown".to_owned(),
    };
    format!(
        "{} weights, {} cache, batch {}: needs {}; {room}.",
        result.weights,
        result.workload.kv,
        result.workload.batch,
        mib(result.memory_needed_bytes)
    )
}

/// What a token takes in electric energy, where the profile has power.
fn energy(result: &Evaluation) -> Option<String> {
    let known = result.phases.iter().filter_map(|phase| Some((phase.phase, phase.energy.as_ref()?)));
    let words = |(phase, energy): (Phase, &Energy)| {
        let [joules, tokens, watts] =
            [energy.joules_per_token, energy.tokens_per_joule, energy.watts].map(|value| digits(value, 3));
        format!("{phase} {joules} J/token ({tokens} tokens/J at {watts} W)")
    };
    let source = result.phases.iter().find_map(|phase| phase.energy.as_ref())?.source.clone();
    Some(format!("Energy: {}. Power by {source}.", known.map(words).collect::<Vec<_>>().join(", ")))
}

/// How far to trust the profile, and how old it is.
fn trust(on: &ProfileFacts) -> String {
    let effort = on.effort.map_or_else(String::new, |effort| format!(", {} effort", effort.name()));
    let simulated = on.simulated.as_ref().map_or_else(String::new, |name| format!(", a simulation of {name}"));
    let complete = if on.complete { "" } else { ", incomplete" };
    let grade = match standing(on).as_str() {
        "quoted" => "quoted figures".to_owned(),
        "none" => "no grade".to_owned(),
        grade => format!("grade {grade}"),
    };
    format!("Profile: {grade}, {}{effort}{complete}{simulated}.", day(on))
}

/// The grade, or why there is none.
pub(super) fn standing(on: &ProfileFacts) -> String {
    // A measurement always has an effort.
    let none = if on.effort.is_some() { "none" } else { "quoted" };
    on.grade.map_or(none.to_owned(), |grade| grade.to_string())
}

/// The day is enough for people.
pub(super) fn day(on: &ProfileFacts) -> &str {
    on.date.split('T').next().unwrap_or_default()
}

/// What the speeds go by.
pub(super) const fn roof_note(evaluation: &Evaluation) -> &'static str {
    match evaluation.roof {
        RoofKind::Peak if evaluation.quoted => {
            "Speeds are bounds by quoted peaks of arithmetic and memory: as good as their source."
        }
        RoofKind::Peak => "Speeds are bounds by peak arithmetic and memory: real engines reach less.",
        RoofKind::Achieved => "Speeds are those of the kernels measured on the device, starting them included.",
        RoofKind::Engine => "Speeds are what the engine reaches of those kernels, by a table fitted from its runs.",
    }
}

/// What has to be said about results, details only where all is shown; what holds for several is said once, with their profiles.
fn notes(results: &[Evaluation], shown: Shown) -> Vec<String> {
    let all = results.iter().flat_map(|result| {
        let roofs = result.no_achieved_roof.iter().filter(|_| !result.quoted || shown == Shown::All);
        let roofs = roofs.map(|why| format!("no achieved roof: {why}"));
        let notes = folded(&result.notes, shown).into_iter().map(|note| note.to_string());
        roofs.chain(notes).map(move |note| (note, result.on.profile.as_str()))
    });
    let line = |(note, profiles): (String, Vec<&str>)| match results {
        [_] => format!("Note: {note}."),
        _ => format!("Note: {}: {note}.", profiles.join(", ")),
    };
    grouped(all).into_iter().map(line).collect()
}

/// The notes that are shown: all of them, or those that matter, with suspects of one cause in one.
pub(super) fn folded(notes: &[Note], shown: Shown) -> Vec<Note> {
    if shown == Shown::All {
        return notes.to_vec();
    }
    let short = |note: &Note| match note.kind {
        NoteKind::Suspect => Note { text: cause(&note.text).to_owned(), ..note.clone() },
        _ => note.clone(),
    };
    Note::folded(&notes.iter().filter(|note| note.kind.matters()).map(short).collect::<Vec<_>>())
}

/// Several models or profiles: a line each, of their decode steps.
fn answers<'r>(results: &[Evaluation], columns: &[Column<Row<'r>>], rows: &[Row<'r>], shown: Shown) -> Table {
    let view = ["model", "profile", "grade", "tokens_per_s", "low", "high", "bound", "fits"];
    let view = [&view[..], &["ttft?", "weights?", "needs?", "prefill?", "measured?"]].concat();
    let rows: Vec<&Row> = rows.iter().filter(|row| row.phase.phase == Phase::Decode).collect();
    let mut table = Table::view("Predicted performance: decode", columns, &view, rows).with_keys(2);
    table.lead =
        grouped(results.iter().map(|e| (roof_note(e), ()))).iter().map(|(note, _)| (*note).to_owned()).collect();
    let read = "low, high: all ceilings at the ends of their 95 % intervals. ≤: by quoted figures. MiB: weights, cache and \
                activations. prefill: tokens/s taken in.";
    table.with_notes([read]).with_notes(notes(results, shown))
}

/// A rate; of quoted ceilings only a bound.
fn rate(result: &Evaluation, speed: &Speed) -> Cell {
    match Cell::number(speed.tokens_per_s) {
        Cell::Number { exact, shown } if result.quoted => Cell::Number { exact, shown: format!("≤ {shown}") },
        cell => cell,
    }
}

/// The tables behind the answer.
fn details<'r>(evaluations: &[Evaluation], columns: &[Column<Row<'r>>], rows: &[Row<'r>]) -> Vec<Table> {
    let names = |view: &[&'static str]| -> Vec<&'static str> {
        // Where several profiles meet, each row names its own.
        let several = evaluations.iter().any(|other| other.on.profile != evaluations[0].on.profile);
        let first = if several { vec!["model", "profile"] } else { vec!["model"] };
        first.into_iter().chain(view.iter().copied()).collect()
    };
    let speeds = ["phase", "tokens", "bound", "seconds", "tokens_per_s", "tokens_per_s_low", "tokens_per_s_high"];
    let speeds = [&speeds[..], &["tokens_per_s_peak?"]].concat();
    let demands = ["phase", "context", "flops", "weight_bytes", "kv_read_bytes", "oi", "oi_with_activations"];
    let standing = ["phase", "regime", "headroom_log2", "reach_log2", "region_area", "phi", "phi_log2", "phi_paper"];
    let table = |title: &str, view: &[&'static str]| Table::view(title, columns, &names(view), rows);
    let mut tables = vec![
        table("Speeds", &speeds).with_notes(SPEED_NOTES),
        table("Work", &demands).with_notes([DEMAND_NOTE]),
        table("Potential under the roof", &standing).with_notes(POTENTIAL_NOTES),
    ];
    for evaluation in evaluations {
        tables.extend(stored::table(evaluation));
        tables.extend(operations::decode_step(evaluation));
        tables.extend(evaluation.advice.iter().flat_map(|advice| advice::tables(evaluation, advice)));
    }
    tables
}

/// The speed under that roof, where the profile has it.
fn under(phase: &PhaseResult, roof: RoofKind) -> Option<&Speed> {
    phase.roofs.iter().find(|speed| speed.roof == roof)
}

fn rate_under(phase: &PhaseResult, roof: RoofKind) -> Cell {
    Cell::maybe(under(phase, roof).map(|speed| speed.tokens_per_s))
}

/// Everything but the operations, under the names of the record.
const COLUMNS: &str = "model profile weights kv batch params_total memory_needed_bytes fits ridge_flop_per_byte phase tokens \
     context forward_passes flops vector_flops weight_bytes kv_read_bytes kv_write_bytes act_bytes oi oi_with_activations bound \
     bound_by memory_bound_share seconds seconds_optimistic tokens_per_s tokens_per_s_low tokens_per_s_high phi phi_log2 \
     phi_paper headroom_log2 reach_log2 region_area regime roof overhead_seconds undecided_share tokens_per_s_peak \
     tokens_per_s_achieved";

fn columns<'r>() -> Vec<Column<Row<'r>>> {
    let total = |r: &Row| Cell::amount(r.phase.flops.get("total").unwrap_or_default(), 1e9);
    let regime = |r: &Row| match r.phase.potential.above_roof {
        true => Cell::phrase(r.phase.potential.regime.regime(), "above the roof"),
        false => Cell::text(r.phase.potential.regime.regime()),
    };
    let cache = |Row { phase, .. }: &Row| Cell::Number {
        exact: phase.kv_read_bytes.to_string(),
        shown: super::significant((phase.kv_read_bytes + phase.kv_write_bytes) as f64 / 1e6),
    };
    let optimistic = |r: &Row| Cell::maybe(under(r.phase, RoofKind::Peak).and_then(|speed| speed.seconds_optimistic));
    let own = [
        column("fits", "fits", |r: &Row| Cell::yes_no(r.result.fits)),
        column("flops", "GFLOP", total),
        column("kv_read_bytes", "KV MB", cache),
        column("seconds_optimistic", "", optimistic),
        column("tokens_per_s", "tokens/s", |r: &Row| rate(r.result, &r.phase.speed)),
        column("regime", "regime", regime),
        column("tokens_per_s_peak", "at peak", |r: &Row| rate_under(r.phase, RoofKind::Peak)),
        column("tokens_per_s_achieved", "kernels reach", |r: &Row| rate_under(r.phase, RoofKind::Achieved)),
    ];
    record::columns(COLUMNS, own)
}

/// Columns for people alone.
fn columns_for_people<'r>() -> Vec<Column<Row<'r>>> {
    let prefill =
        |r: &Row| r.result.phase(Phase::Prefill).map_or(Cell::Empty, |prefill| rate(r.result, &prefill.speed));
    // What bounds by quoted figures vary by is not known.
    let ends = |r: &Row| r.phase.speed.tokens_per_s_interval.filter(|_| !r.result.quoted);
    vec![
        column("low", "low", move |r: &Row| Cell::maybe(ends(r).map(|[low, _]| low))),
        column("high", "high", move |r: &Row| Cell::maybe(ends(r).map(|[_, high]| high))),
        column("grade", "grade", |r: &Row| Cell::text(standing(&r.result.on))),
        column("measured", "measured", |r: &Row| Cell::text(day(&r.result.on))),
        column("ttft", "first token ms", |r: &Row| Cell::scaled(r.result.ttft_seconds, 1e3)),
        column("prefill", "prefill", prefill),
        column("needs", "MiB", |r: &Row| Cell::plain(r.result.memory_needed_bytes.div_ceil(1 << 20))),
    ]
}
