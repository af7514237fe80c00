//! Studies: what was asked and reached, where that stands, where the ridges are, what comes of it all.

use super::cell::Cell;
use super::evaluation::POTENTIAL_NOTES;
use super::record::{self, Record, Recorded, list, merged};
use super::table::{Column, Report, Table, column, grouped, unique};
use crate::error::Result;
use crate::evaluate::RoofKind;
use crate::study::{AttentionKind, Finding, PartKind, PartResult, Regime, ScenarioResult, Study};
use serde_json::Value;

const SCENARIO_NOTE: &str = "A scenario is a prompt and an answer: SISO has short input and short output, LISO long input, SILO long output. FLOP/B: all matmul FLOPs over all bytes of weights and \
     cache. G steps: the same were the answer's first token decoded, too. tokens/s: of the answer, from end to end.";
const DEPTH_NOTE: &str =
    "FLOP/B of each scenario, and of its decode steps alone. The same on every profile; JSON and CSV have the speeds.";
const REGIME_NOTE: &str =
    "What binds there: memory left of the ridge, compute right of it; undecided within its interval.";
const UNDECIDED_NOTE: &str = "undecided: the interval of the ridge contains the point's FLOP/B.";

/// A part of a case under one roof.
struct Row<'r> {
    case: &'r ScenarioResult,
    part: &'r PartResult,
    record: Record,
}

impl Recorded for Row<'_> {
    fn record(&self) -> &Record {
        &self.record
    }
}

/// The report of a study; its record is the study.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(study: &Study) -> Result<Report> {
    let json = record::json("the study", study)?;
    let mut rows = Vec::new();
    for (case, of_case) in study.cases.iter().zip(list(&json, "cases")) {
        for (part, of_part) in case.parts.iter().zip(list(of_case, "parts")) {
            let record = |of_roof| merged([&json, of_case, of_part, of_roof]);
            rows.extend(list(of_part, "roofs").map(|of_roof| Row { case, part, record: record(of_roof) }));
        }
    }
    let flat = Some(Table::flat(&columns(), &rows));
    let mut tables = match study.study {
        "depth" => vec![depths(study)],
        "hardware" => vec![regimes(study)],
        _ => cases(study, &rows),
    };
    tables[0].notes.extend(study.notes.iter().map(|note| format!("Note: {note}.")));
    tables.push(ridges(study, &json));
    tables.push(findings(&study.findings));
    Ok(Report { tables, flat, json })
}

/// Each case as a whole: its speeds, and where it stands.
fn cases<'r>(study: &Study, rows: &[Row<'r>]) -> Vec<Table> {
    let whole = |row: &&Row| row.part.part == PartKind::Scenario && row.record["roof"] == study.roof.name();
    let rows: Vec<&Row> = rows.iter().filter(whole).collect();
    let mut columns = columns();
    columns.extend(at_peak());
    // What tells the cases of a study apart, beside model, profile and scenario.
    let variant = if study.study == "attention" { "attention" } else { "weights" };
    let first = ["model", "layers?", variant, "profile", "scenario"];
    let (both, gain) = (study.roof != RoofKind::Peak, study.study == "precision");
    let mut speeds =
        [&first[..], &["flops?", "bytes?", "kv_bytes?", "oi", "oi_g_steps?", "gflop_per_s", "tokens_per_s"]].concat();
    speeds.extend(gain.then_some("speedup"));
    speeds.extend(both.then_some(["peak_gflop_per_s?", "peak_tokens_per_s?"]).into_iter().flatten());
    speeds.extend((both && gain).then_some("peak_speedup?"));
    let standing =
        ["regime_decided", "oi", "ridge_flop_per_byte", "reach_log2?", "headroom_log2?", "region_area?", "phi"];
    let standing = [&first[..], &standing, &["phi_log2?", "phi_paper?"]].concat();
    vec![
        Table::view(title(study), &columns, &speeds, rows.iter().copied())
            .with_keys(first.len())
            .with_notes([SCENARIO_NOTE])
            .with_notes(gain.then_some("× first: times as many tokens/s as with the first format."))
            .with_notes([roof_note(study)]),
        Table::view("Potential", &columns, &standing, rows)
            .with_keys(first.len())
            .with_notes(POTENTIAL_NOTES)
            .with_notes([UNDECIDED_NOTE]),
    ]
}

fn title(study: &Study) -> String {
    format!("Study of {}, scenarios as of {}", study.study, study.engine.name())
}

const fn roof_note(study: &Study) -> &'static str {
    match study.roof {
        RoofKind::Peak => "Speeds by peak arithmetic and memory: upper bounds.",
        RoofKind::Engine => "Speeds by what an engine reaches of the devices' kernels.",
        RoofKind::Achieved => {
            "Speeds by what the devices' kernels were measured to do; at peak: by peak arithmetic and memory."
        }
    }
}

/// The side of the ridge, where it is decided.
fn regime(part: &PartResult) -> &'static str {
    match part.regime_decided {
        Some(Regime::Memory) => "memory-bound",
        Some(Regime::Compute) => "compute-bound",
        None => "undecided",
    }
}

/// What the cases are called, each once, in the order of the cases.
fn each_once(study: &Study, name: fn(&ScenarioResult) -> &str) -> Vec<&str> {
    unique(study.cases.iter().map(name))
}

/// One row for each depth of each model: OI knows no profile, so the first one's cases say all.
fn depths(study: &Study) -> Table {
    let scenarios = each_once(study, |case| &case.scenario);
    let profile = study.cases.first().map(|case| case.profile.as_str());
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let here: Vec<&ScenarioResult> = study.cases.iter().filter(|case| Some(case.profile.as_str()) == profile).collect();
    for cases in here.chunk_by(|a, b| (&a.model, a.layers) == (&b.model, b.layers)) {
        let first = cases[0];
        let mut row = vec![
            Cell::text(&first.model),
            Cell::plain(first.layers),
            Cell::number(first.params_total as f64 / 1e6),
            Cell::number(first.weight_bytes_total as f64 / 1e6),
        ];
        for part in [PartKind::Scenario, PartKind::Decode] {
            row.extend(cases.iter().map(|case| Cell::maybe(case.part(part).map(|part| part.oi))));
        }
        rows.push(row);
    }
    let decodes = scenarios.iter().map(|name| format!("{name} decode"));
    let first = ["model", "layers", "10^6 parameters", "MB"].into_iter().chain(scenarios.iter().copied());
    Table::of(title(study), first.map(str::to_owned).chain(decodes), rows).with_notes([DEPTH_NOTE])
}

/// One row for each part of each model's scenarios, one column for each profile.
fn regimes(study: &Study) -> Table {
    let profiles = each_once(study, |case| &case.profile);
    let first = profiles.first().copied();
    let mut rows = Vec::new();
    for case in study.cases.iter().filter(|case| Some(case.profile.as_str()) == first) {
        for part in &case.parts {
            let mut row = vec![
                Cell::text(&case.model),
                Cell::text(&case.scenario),
                Cell::text(part.part.name()),
                Cell::number(part.oi),
            ];
            let same = |other: &&ScenarioResult| (&other.model, &other.scenario) == (&case.model, &case.scenario);
            for profile in &profiles {
                let there = study.cases.iter().filter(same).find(|other| other.profile == *profile);
                let there = there.and_then(|other| other.part(part.part));
                row.push(there.map_or(Cell::Empty, |part| Cell::text(regime(part).trim_end_matches("-bound"))));
            }
            rows.push(row);
        }
    }
    // There is no room for the names of several profiles.
    let labels: Vec<String> = (1..=profiles.len()).map(|place| format!("P{place}")).collect();
    let names: Vec<String> = labels.iter().zip(&profiles).map(|(label, name)| format!("{label} {name}")).collect();
    let first = ["model", "scenario", "part", "FLOP/B"];
    Table::of(title(study), first.map(str::to_owned).into_iter().chain(labels), rows)
        .with_keys(first.len())
        .with_notes([format!("{}.", names.join(", "))])
        .with_notes([REGIME_NOTE])
}

fn ridges(study: &Study, json: &Value) -> Table {
    let ridges: Vec<Record> = list(json, "ridges").map(|ridge| merged([ridge])).collect();
    let names =
        "profile weights compute_ceiling gflop_per_s memory_ceiling gb_per_s ridge_flop_per_byte ridge_low ridge_high";
    let view = ["profile", "weights", "compute_ceiling?", "gflop_per_s", "memory_ceiling?", "gb_per_s"];
    let view = [&view[..], &["ridge_flop_per_byte", "ridge_low", "ridge_high"]].concat();
    // What holds for several profiles is said once.
    let notes = study.ridges.iter().flat_map(|r| r.notes.iter().map(move |note| (note, r.profile.as_str())));
    let notes = grouped(notes).into_iter().map(|(note, names)| format!("Note: {}: {note}.", names.join(", ")));
    Table::view("The ridges, in FLOP/B", &record::columns(names, []), &view, &ridges).with_notes(notes)
}

/// One line for each: sentences are too long for columns.
fn findings(findings: &[Finding]) -> Table {
    let line = |finding: &Finding| {
        format!(
            "{}: {} (for {}, against {}, undecided {} {}). {}.",
            finding.holds.name(),
            finding.claim,
            finding.cases_for,
            finding.cases_against,
            finding.cases_undecided,
            finding.of,
            finding.evidence,
        )
    };
    let none = "None: the models, profiles, scenarios and formats chosen leave nothing to compare.".to_owned();
    let lines = if findings.is_empty() { vec![none] } else { findings.iter().map(line).collect() };
    Table { title: "Findings".to_owned(), notes: lines, ..Table::default() }
}

/// What a case reaches under the peak roof, where it goes by another.
fn at_peak<'r>() -> [Column<Row<'r>>; 3] {
    let peak = |r: &Row<'r>| r.part.under(RoofKind::Peak);
    [
        column("peak_gflop_per_s", "GFLOP/s at peak", move |r| Cell::number(peak(r).gflop_per_s)),
        column("peak_tokens_per_s", "at peak", move |r| Cell::number(peak(r).tokens_per_s)),
        column("peak_speedup", "× at peak", move |r| Cell::maybe(peak(r).speedup)),
    ]
}

/// A part of a case under one roof, under the names of the record.
const COLUMNS: &str = "study engine model layers params_total attention profile device weights kv runtime batch scenario prompt \
     generate kv_elements_per_token weight_bytes_total ridge_flop_per_byte ridge_low ridge_high oi_g_steps part forward_passes \
     flops weight_bytes kv_bytes state_bytes bytes oi regime_decided roof seconds gflop_per_s gflop_per_s_low gflop_per_s_high \
     tokens_per_s tokens_per_s_low tokens_per_s_high bound regime above_roof reach_log2 headroom_log2 region_area phi phi_log2 \
     phi_paper speedup speedup_low speedup_high";

fn columns<'r>() -> Vec<Column<Row<'r>>> {
    let attention = |r: &Row| match r.case.attention {
        AttentionKind::Latent => Cell::phrase(r.case.attention.name(), format!("MLA, {}", r.case.runtime)),
        other => Cell::text(other.name()),
    };
    let own = [
        column("attention", "attention", attention),
        column("regime_decided", "regime", |r: &Row| Cell::text(regime(r.part))),
    ];
    record::columns(COLUMNS, own)
}
