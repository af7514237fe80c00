//! Evaluations: the answer first; then, where details are asked for, the work, its potential and its operations.

use super::ceilings::cause;
use super::cell::{Cell, digits, mib};
use super::table::{Column, Report, Shown, Table, column, grouped};
use super::{advice, operations};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Note, NoteKind, PhaseResult, ProfileFacts, RoofKind, Speed};
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
type Row<'r> = (&'r Evaluation, &'r PhaseResult);

/// The report of `evaluations`; its record is `{"results": [...]}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(evaluations: &[Evaluation], shown: Shown) -> Result<Report> {
    let results = serde_json::to_value(evaluations)
        .map_err(|e| Error::failure(format!("the evaluation cannot be written as JSON: {e}")))?;
    let columns = columns();
    let rows: Vec<Row> = evaluations.iter().flat_map(|e| e.phases.iter().map(move |phase| (e, phase))).collect();
    let mut tables = match evaluations {
        [one] => vec![answer(one, &columns, &rows, shown)],
        several => vec![answers(several, shown)],
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
    let flat = Some(Table::flat(&columns, &rows));
    Ok(Report { tables, flat, json: serde_json::json!({ "results": results }) })
}

/// One model on one profile: a headline, what it needs, and its phases.
fn answer<'r>(result: &Evaluation, columns: &[Column<Row<'r>>], rows: &[Row<'r>], shown: Shown) -> Table {
    let mut view = vec!["phase", "tokens", "context?", "seconds", "tokens_per_s"];
    if !result.quoted {
        view.extend(["tokens_per_s_low", "tokens_per_s_high"]);
    }
    view.push("bound");
    if result.roof == RoofKind::Achieved {
        view.push("tokens_per_s_peak?");
    }
    view.push("bound_by?");
    let mut table = Table::view(headline(result), columns, &view, rows);
    table.lead = vec![means(result), format!("{} {}", trust(&result.on), roof_note(result))];
    table
        .with_notes(result.advice.iter().flat_map(|advice| advice::lines(result, advice)))
        .with_notes(notes(std::slice::from_ref(result), shown))
}

/// The speed, in words: `about 35.2 tokens/s (34.1–36.0), first token of 512 after 1.28 s`.
pub(super) fn headline(result: &Evaluation) -> String {
    let decode = result.phase(Phase::Decode).map(|decode| {
        let ends = decode.speed.tokens_per_s_interval.map(|ends| ends.map(|rate| digits(rate, 3)));
        let range = ends.map_or_else(String::new, |[low, high]| format!(" ({low}–{high})"));
        let rate = digits(decode.speed.tokens_per_s, 3);
        match (result.quoted, result.roof) {
            (true, _) => format!("at most {rate} tokens/s by quoted figures"),
            (_, RoofKind::Peak) => format!("at most {rate} tokens/s{range}"),
            (_, RoofKind::Achieved) => format!("about {rate} tokens/s{range}"),
        }
    });
    let first = result
        .phase(Phase::Prefill)
        .map(|prefill| format!("first token of {} after {}", prefill.tokens, seconds(prefill.speed.seconds)));
    let whole = result
        .phase(Phase::Generation)
        .map(|whole| format!("{} tokens in {}", whole.tokens, seconds(whole.speed.seconds)));
    let parts: Vec<String> = [decode, first, whole].into_iter().flatten().collect();
    format!("{} on {}: {}", result.model, result.on.profile, parts.join(", "))
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
const fn roof_note(evaluation: &Evaluation) -> &'static str {
    match evaluation.roof {
        RoofKind::Peak if evaluation.quoted => {
            "Speeds are bounds by quoted peaks of arithmetic and memory: as good as their source."
        }
        RoofKind::Peak => "Speeds are bounds by peak arithmetic and memory: real engines reach less.",
        RoofKind::Achieved => "Speeds are those of the kernels measured on the device, starting them included.",
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
fn answers(results: &[Evaluation], shown: Shown) -> Table {
    let prefill = |(e, _): &Row| e.phase(Phase::Prefill).map_or(Cell::Empty, |prefill| rate(e, &prefill.speed));
    let mut columns = columns();
    columns.extend([
        column("grade", "grade", |(e, _): &Row| Cell::text(standing(&e.on))),
        column("measured", "measured", |(e, _): &Row| Cell::text(day(&e.on))),
        column("ttft", "first token ms", |(e, _): &Row| Cell::scaled(e.ttft_seconds, 1e3)),
        column("prefill", "prefill", prefill),
        column("needs", "MiB", |(e, _): &Row| Cell::plain(e.memory_needed_bytes.div_ceil(1 << 20))),
    ]);
    let view = ["model", "profile", "grade", "tokens_per_s", "tokens_per_s_low", "tokens_per_s_high", "bound", "fits"];
    let view = [&view[..], &["ttft?", "weights?", "needs?", "prefill?", "measured?"]].concat();
    let decode = |e| Some((e, Evaluation::phase(e, Phase::Decode)?));
    let rows: Vec<Row> = results.iter().filter_map(decode).collect();
    let mut table = Table::view("Predicted performance: decode", &columns, &view, &rows).with_keys(2);
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
fn columns<'r>() -> Vec<Column<Row<'r>>> {
    let total = |phase: &PhaseResult| phase.flops.get("total").unwrap_or_default();
    let regime = |(_, p): &Row| match p.potential.above_roof {
        true => Cell::phrase(p.potential.regime.regime(), "above the roof"),
        false => Cell::text(p.potential.regime.regime()),
    };
    let cache = |(_, p): &Row| Cell::Number {
        exact: p.kv_read_bytes.to_string(),
        shown: super::significant((p.kv_read_bytes + p.kv_write_bytes) as f64 / 1e6),
    };
    vec![
        column("model", "model", |(e, _): &Row| Cell::text(&e.model)),
        column("profile", "profile", |(e, _): &Row| Cell::text(&e.on.profile)),
        column("weights", "weights", |(e, _): &Row| Cell::text(&e.weights)),
        column("kv", "cache", |(e, _): &Row| Cell::words(Some(e.workload.kv))),
        column("batch", "batch", |(e, _): &Row| Cell::plain(e.workload.batch)),
        column("params_total", "", |(e, _): &Row| Cell::plain(e.params_total)),
        column("memory_needed_bytes", "", |(e, _): &Row| Cell::plain(e.memory_needed_bytes)),
        column("fits", "fits", |(e, _): &Row| Cell::yes_no(e.fits)),
        column("ridge_flop_per_byte", "", |(e, _): &Row| Cell::number(e.ridge_flop_per_byte)),
        column("phase", "phase", |(_, p): &Row| Cell::text(p.phase.name())),
        column("tokens", "tokens", |(_, p): &Row| Cell::plain(p.tokens)),
        column("context", "context", |(_, p): &Row| Cell::plain(p.context)),
        column("forward_passes", "passes", |(_, p): &Row| Cell::plain(p.forward_passes)),
        column("flops", "GFLOP", move |(_, p): &Row| Cell::amount(total(p), 1e9)),
        column("vector_flops", "", |(_, p): &Row| Cell::plain(p.vector_flops)),
        column("weight_bytes", "weights MB", |(_, p): &Row| Cell::amount(p.weight_bytes, 1e6)),
        column("kv_read_bytes", "KV MB", cache),
        column("kv_write_bytes", "", |(_, p): &Row| Cell::plain(p.kv_write_bytes)),
        column("act_bytes", "", |(_, p): &Row| Cell::plain(p.act_bytes)),
        column("oi", "FLOP/B", |(_, p): &Row| Cell::number(p.oi)),
        column("oi_with_activations", "with activations", |(_, p): &Row| Cell::number(p.oi_with_activations)),
        column("bound", "bound", |(_, p): &Row| Cell::text(p.speed.bound.name())),
        column("bound_by", "by ceiling", |(_, p): &Row| Cell::words(p.speed.bound_by.as_ref())),
        column("memory_bound_share", "", |(_, p): &Row| Cell::number(p.speed.memory_bound_share)),
        column("seconds", "ms", |(_, p): &Row| Cell::scaled(p.speed.seconds, 1e3)),
        column("seconds_optimistic", "", |(_, p): &Row| {
            Cell::maybe(under(p, RoofKind::Peak).and_then(|speed| speed.seconds_optimistic))
        }),
        column("tokens_per_s", "tokens/s", |(e, p): &Row| rate(e, &p.speed)),
        column("tokens_per_s_low", "low", |(_, p): &Row| Cell::low(p.speed.tokens_per_s_interval)),
        column("tokens_per_s_high", "high", |(_, p): &Row| Cell::high(p.speed.tokens_per_s_interval)),
        column("phi", "Φ", |(_, p): &Row| Cell::number(p.potential.phi)),
        column("phi_log2", "Φ log2", |(_, p): &Row| Cell::number(p.potential.phi_log2)),
        column("phi_paper", "Φ GFLOP/s", |(_, p): &Row| Cell::number(p.potential.phi_paper)),
        column("headroom_log2", "headroom", |(_, p): &Row| Cell::number(p.potential.headroom_log2)),
        column("reach_log2", "reach", |(_, p): &Row| Cell::number(p.potential.reach_log2)),
        column("region_area", "area", |(_, p): &Row| Cell::number(p.potential.region_area)),
        column("regime", "regime", regime),
        column("roof", "roof", |(_, p): &Row| Cell::text(p.speed.roof.name())),
        column("overhead_seconds", "", |(_, p): &Row| Cell::maybe(p.speed.overhead_seconds)),
        column("undecided_share", "", |(_, p): &Row| Cell::number(p.speed.undecided_share)),
        column("tokens_per_s_peak", "at peak", |(_, p): &Row| rate_under(p, RoofKind::Peak)),
        column("tokens_per_s_achieved", "", |(_, p): &Row| rate_under(p, RoofKind::Achieved)),
    ]
}
