//! Studies: what was asked and reached, where that stands, where the ridges are, what comes of it all.

use super::cell::Cell;
use super::evaluation::POTENTIAL_NOTES;
use super::table::{Column, Report, Table, column, grouped};
use crate::error::{Error, Result};
use crate::evaluate::RoofKind;
use crate::study::{AttentionKind, Finding, PartKind, PartResult, Regime, RidgePoint, ScenarioResult, Standing, Study};

const SCENARIO_NOTE: &str = "A scenario is a prompt and an answer: SISO has short input and short output, LISO long input, SILO long output. FLOP/B: all matmul FLOPs over all bytes of weights and \
     cache. G steps: the same were the answer's first token decoded, too. tokens/s: of the answer, from end to end.";
const UNDECIDED_NOTE: &str = "undecided: the interval of the ridge contains the point's FLOP/B.";

/// A part of a case under one roof.
struct Row<'r> {
    study: &'r Study,
    case: &'r ScenarioResult,
    part: &'r PartResult,
    standing: &'r Standing,
}

/// The report of a study; its record is the study.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(study: &Study) -> Result<Report> {
    let json =
        serde_json::to_value(study).map_err(|e| Error::failure(format!("the study cannot be written as JSON: {e}")))?;
    let parts = study.cases.iter().flat_map(|case| case.parts.iter().map(move |part| (case, part)));
    let row = |(case, part, standing)| Row { study, case, part, standing };
    let rows = parts.flat_map(|(case, part)| part.roofs.iter().map(move |standing| (case, part, standing)));
    let rows: Vec<Row> = rows.map(row).collect();
    let flat = Some(Table::flat(&columns(), &rows));
    let mut tables = match study.study {
        "depth" => vec![depths(study)],
        "hardware" => vec![regimes(study)],
        _ => cases(study),
    };
    tables[0].notes.extend(study.notes.iter().map(|note| format!("Note: {note}.")));
    tables.push(ridges(study));
    tables.push(findings(&study.findings));
    Ok(Report { tables, flat, json })
}

/// Each case as a whole: its speeds, and where it stands.
fn cases(study: &Study) -> Vec<Table> {
    let row = |case| {
        let part = ScenarioResult::whole(case);
        Row { study, case, part, standing: part.under(study.roof) }
    };
    let rows: Vec<Row> = study.cases.iter().map(row).collect();
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
        Table::view(title(study), &columns, &speeds, &rows)
            .with_keys(first.len())
            .with_notes([SCENARIO_NOTE])
            .with_notes(gain.then_some("× first: times as many tokens/s as with the first format."))
            .with_notes([roof_note(study)]),
        Table::view("Potential", &columns, &standing, &rows)
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
    let mut names: Vec<&str> = Vec::new();
    for name in study.cases.iter().map(name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
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
    let mut columns: Vec<String> = ["model", "layers", "10^6 parameters", "MB"].map(str::to_owned).to_vec();
    columns.extend(scenarios.iter().map(|&name| name.to_owned()));
    columns.extend(scenarios.iter().map(|name| format!("{name} decode")));
    Table {
        title: title(study),
        columns,
        rows,
        notes: vec![
            "FLOP/B of each scenario, and of its decode steps alone. The same on every profile; JSON and CSV have the speeds."
                .to_owned(),
        ],
        ..Table::default()
    }
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
    let mut columns: Vec<String> = ["model", "scenario", "part", "FLOP/B"].map(str::to_owned).to_vec();
    // There is no room for the names of several profiles.
    let labels = profiles.iter().enumerate().map(|(place, name)| (format!("P{}", place + 1), *name));
    columns.extend(labels.clone().map(|(label, _)| label));
    let names: Vec<String> = labels.map(|(label, name)| format!("{label} {name}")).collect();
    Table {
        title: title(study),
        columns,
        rows,
        notes: vec![
            format!("{}.", names.join(", ")),
            "What binds there: memory left of the ridge, compute right of it; undecided within its interval."
                .to_owned(),
        ],
        keys: 4,
        ..Table::default()
    }
}

fn ridges(study: &Study) -> Table {
    let columns: [Column<RidgePoint>; 9] = [
        column("profile", "profile", |r: &RidgePoint| Cell::text(&r.profile)),
        column("weights", "weights", |r: &RidgePoint| Cell::text(&r.weights)),
        column("compute_ceiling", "π", |r: &RidgePoint| Cell::text(&r.compute_ceiling)),
        column("gflop_per_s", "GFLOP/s", |r: &RidgePoint| Cell::number(r.gflop_per_s)),
        column("memory_ceiling", "β", |r: &RidgePoint| Cell::text(&r.memory_ceiling)),
        column("gb_per_s", "GB/s", |r: &RidgePoint| Cell::number(r.gb_per_s)),
        column("ridge", "ridge FLOP/B", |r: &RidgePoint| Cell::number(r.ridge_flop_per_byte)),
        column("low", "low", |r: &RidgePoint| Cell::number(r.ridge_interval[0])),
        column("high", "high", |r: &RidgePoint| Cell::number(r.ridge_interval[1])),
    ];
    let view = [
        "profile",
        "weights",
        "compute_ceiling?",
        "gflop_per_s",
        "memory_ceiling?",
        "gb_per_s",
        "ridge",
        "low",
        "high",
    ];
    // What holds for several profiles is said once.
    let notes = study.ridges.iter().flat_map(|r| r.notes.iter().map(move |note| (note, r.profile.as_str())));
    let notes = grouped(notes).into_iter().map(|(note, names)| format!("Note: {}: {note}.", names.join(", ")));
    Table::view("The ridges", &columns, &view, &study.ridges).with_notes(notes)
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
fn columns<'r>() -> Vec<Column<Row<'r>>> {
    let attention = |r: &Row| match r.case.attention {
        AttentionKind::Latent => Cell::phrase(r.case.attention.name(), format!("MLA, {}", r.case.runtime)),
        other => Cell::text(other.name()),
    };
    vec![
        column("study", "", |r: &Row| Cell::text(r.study.study)),
        column("engine", "", |r: &Row| Cell::text(r.study.engine.name())),
        column("model", "model", |r: &Row| Cell::text(&r.case.model)),
        column("layers", "layers", |r: &Row| Cell::plain(r.case.layers)),
        column("params_total", "10^6 parameters", |r: &Row| Cell::amount(r.case.params_total, 1e6)),
        column("attention", "attention", attention),
        column("profile", "profile", |r: &Row| Cell::text(&r.case.profile)),
        column("device", "", |r: &Row| Cell::text(&r.case.device)),
        column("weights", "weights", |r: &Row| Cell::text(&r.case.weights)),
        column("kv", "", |r: &Row| Cell::text(&r.case.kv)),
        column("runtime", "", |r: &Row| Cell::text(r.case.runtime.name())),
        column("batch", "", |r: &Row| Cell::plain(r.case.batch)),
        column("scenario", "scenario", |r: &Row| Cell::text(&r.case.scenario)),
        column("prompt", "", |r: &Row| Cell::plain(r.case.prompt)),
        column("generate", "", |r: &Row| Cell::plain(r.case.generate)),
        column("kv_elements_per_token", "", |r: &Row| Cell::plain(r.case.kv_elements_per_token)),
        column("weight_bytes_total", "MB", |r: &Row| Cell::amount(r.case.weight_bytes_total, 1e6)),
        column("ridge_flop_per_byte", "ridge", |r: &Row| Cell::number(r.case.ridge_flop_per_byte)),
        column("ridge_low", "", |r: &Row| Cell::number(r.case.ridge_interval[0])),
        column("ridge_high", "", |r: &Row| Cell::number(r.case.ridge_interval[1])),
        column("oi_g_steps", "G steps", |r: &Row| Cell::number(r.case.oi_g_steps)),
        column("part", "part", |r: &Row| Cell::text(r.part.part.name())),
        column("forward_passes", "", |r: &Row| Cell::plain(r.part.forward_passes)),
        column("flops", "GFLOP", |r: &Row| Cell::amount(r.part.flops, 1e9)),
        column("weight_bytes", "", |r: &Row| Cell::plain(r.part.weight_bytes)),
        column("kv_bytes", "KV GB", |r: &Row| Cell::amount(r.part.kv_bytes, 1e9)),
        column("state_bytes", "", |r: &Row| Cell::plain(r.part.state_bytes)),
        column("bytes", "GB", |r: &Row| Cell::amount(r.part.bytes, 1e9)),
        column("oi", "FLOP/B", |r: &Row| Cell::number(r.part.oi)),
        column("regime_decided", "regime", |r: &Row| Cell::text(regime(r.part))),
        column("roof", "", |r: &Row| Cell::text(r.standing.roof.name())),
        column("seconds", "", |r: &Row| Cell::number(r.standing.seconds)),
        column("gflop_per_s", "GFLOP/s", |r: &Row| Cell::number(r.standing.gflop_per_s)),
        column("gflop_per_s_low", "", |r: &Row| Cell::number(r.standing.gflop_per_s_interval[0])),
        column("gflop_per_s_high", "", |r: &Row| Cell::number(r.standing.gflop_per_s_interval[1])),
        column("tokens_per_s", "tokens/s", |r: &Row| Cell::number(r.standing.tokens_per_s)),
        column("tokens_per_s_low", "", |r: &Row| Cell::number(r.standing.tokens_per_s_interval[0])),
        column("tokens_per_s_high", "", |r: &Row| Cell::number(r.standing.tokens_per_s_interval[1])),
        column("bound", "", |r: &Row| Cell::text(r.standing.bound.name())),
        column("regime", "", |r: &Row| Cell::text(r.standing.potential.regime.regime())),
        column("above_roof", "", |r: &Row| Cell::text(r.standing.potential.above_roof.to_string())),
        column("reach_log2", "reach", |r: &Row| Cell::number(r.standing.potential.reach_log2)),
        column("headroom_log2", "headroom", |r: &Row| Cell::number(r.standing.potential.headroom_log2)),
        column("region_area", "area", |r: &Row| Cell::number(r.standing.potential.region_area)),
        column("phi", "Φ", |r: &Row| Cell::number(r.standing.potential.phi)),
        column("phi_log2", "Φ log2", |r: &Row| Cell::number(r.standing.potential.phi_log2)),
        column("phi_paper", "Φ GFLOP/s", |r: &Row| Cell::number(r.standing.potential.phi_paper)),
        column("speedup", "× first", |r: &Row| Cell::maybe(r.standing.speedup)),
        column("speedup_low", "", |r: &Row| Cell::low(r.standing.speedup_interval)),
        column("speedup_high", "", |r: &Row| Cell::high(r.standing.speedup_interval)),
    ]
}
