//! Studies, read aloud: what was asked and reached, where that stands, where the ridges are, what it all says.

use super::{Cell, Report, Table};
use crate::error::{Error, Result};
use crate::evaluate::RoofKind;
use crate::roofline::Note;
use crate::study::{Attention, Case, Finding, Part, PartKind, Regime, RidgePoint, Standing, Study};

/// The report of a study; its record is the study.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(study: &Study) -> Result<Report> {
    let json =
        serde_json::to_value(study).map_err(|e| Error::failure(format!("the study cannot be written as JSON: {e}")))?;
    let mut tables = match study.study {
        "depth" => vec![depths(study)],
        "hardware" => vec![regimes(study)],
        _ => vec![speeds(study), standings(study)],
    };
    tables[0].notes.extend(study.notes.iter().map(|note| format!("Note: {note}.")));
    tables.push(ridges(study));
    tables.push(findings(&study.findings));
    Ok(Report { tables, flat: Some(flat(study)), json })
}

/// What tells the cases of a study apart, beside model, profile and scenario.
fn variant(study: &Study) -> (&'static str, fn(&Case) -> Cell) {
    match study.study {
        "attention" => ("attention", |case: &Case| match case.attention {
            Attention::Latent => Cell::text(format!("MLA, {}", case.runtime)),
            other => Cell::text(other.name()),
        }),
        _ => ("weights", |case: &Case| Cell::text(&case.weights)),
    }
}

fn head(case: &Case, variant: fn(&Case) -> Cell) -> Vec<Cell> {
    vec![
        Cell::text(&case.model),
        plain(case.layers),
        variant(case),
        Cell::text(&case.profile),
        Cell::text(&case.scenario),
    ]
}

fn names(variant: &str, more: &[&str]) -> Vec<String> {
    ["model", "layers", variant, "profile", "scenario"].iter().chain(more).map(|&name| name.to_owned()).collect()
}

fn speeds(study: &Study) -> Table {
    let (name, variant) = variant(study);
    let both = study.roof != RoofKind::Peak;
    let gain = study.study == "precision";
    let row = |case: &Case| {
        let (mut cells, whole) = (head(case, variant), case.whole());
        let (here, peak) = (whole.under(study.roof), whole.under(RoofKind::Peak));
        cells.extend([
            Cell::number(whole.flops as f64 / 1e9),
            Cell::number(whole.bytes as f64 / 1e9),
            Cell::number(whole.kv_bytes as f64 / 1e9),
            Cell::number(whole.oi),
            Cell::number(case.oi_g_steps),
            Cell::number(here.gflop_per_s),
            Cell::number(here.tokens_per_s),
        ]);
        cells.extend(gain.then(|| Cell::maybe(here.speedup)));
        if both {
            cells.extend([Cell::number(peak.gflop_per_s), Cell::number(peak.tokens_per_s)]);
            cells.extend(gain.then(|| Cell::maybe(peak.speedup)));
        }
        cells
    };
    let mut more = vec!["GFLOP", "GB", "KV GB", "FLOP/B", "G steps", "GFLOP/s", "tokens/s"];
    more.extend(gain.then_some("× first"));
    if both {
        more.extend(["GFLOP/s at peak", "at peak"]);
        more.extend(gain.then_some("× at peak"));
    }
    let mut notes = vec![
        "A scenario is its prompt and its answer. FLOP/B: all matmul FLOPs over all bytes of weights and cache. G steps: the same".to_owned(),
        "were the answer's first token decoded, too. tokens/s: of the answer, from end to end.".to_owned(),
    ];
    notes.extend(gain.then(|| "× first: times as many tokens/s as with the first format.".to_owned()));
    notes.push(roof_note(study));
    Table { title: title(study), columns: names(name, &more), rows: study.cases.iter().map(row).collect(), notes }
}

fn title(study: &Study) -> String {
    format!("Study of {}, scenarios as of {}", study.study, study.engine.name())
}

fn roof_note(study: &Study) -> String {
    match study.roof {
        RoofKind::Peak => "Speeds by peak arithmetic and memory: upper bounds.".to_owned(),
        RoofKind::Achieved => {
            "Speeds by what the devices' kernels were measured to do; at peak: by peak arithmetic and memory."
                .to_owned()
        }
    }
}

fn standings(study: &Study) -> Table {
    let (name, variant) = variant(study);
    let row = |case: &Case| {
        let (mut cells, whole) = (head(case, variant), case.whole());
        let potential = &whole.under(study.roof).potential;
        cells.extend([
            Cell::text(regime(whole)),
            Cell::number(whole.oi),
            Cell::number(case.ridge_flop_per_byte),
            Cell::number(potential.reach_log2),
            Cell::number(potential.headroom_log2),
            Cell::number(potential.region_area),
            Cell::number(potential.phi),
            Cell::number(potential.phi_log2),
            Cell::number(potential.phi_paper),
        ]);
        cells
    };
    let more = ["regime", "FLOP/B", "ridge", "reach", "headroom", "area", "Φ", "Φ log2", "Φ GFLOP/s"];
    Table {
        title: "Where that stands".to_owned(),
        columns: names(name, &more),
        rows: study.cases.iter().map(row).collect(),
        notes: vec![
            "reach: octaves of reuse to the ridge; headroom: octaves up to the roof; area: what lies between, square octaves.".to_owned(),
            "Φ: distance to the ridge, 0 at best: free of units, in octaves, and as printed in the paper. Compare Φ within one device and".to_owned(),
            "one regime only. undecided: the interval of the ridge contains the point's FLOP/B.".to_owned(),
        ],
    }
}

/// The side of the ridge, where it is decided.
fn regime(part: &Part) -> &'static str {
    match part.regime_decided {
        Some(Regime::Memory) => "memory-bound",
        Some(Regime::Compute) => "compute-bound",
        None => "undecided",
    }
}

/// What the cases are called, each once, in the order of the cases.
fn each_once(study: &Study, name: fn(&Case) -> &str) -> Vec<&str> {
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
    let here: Vec<&Case> = study.cases.iter().filter(|case| Some(case.profile.as_str()) == profile).collect();
    for cases in here.chunk_by(|a, b| (&a.model, a.layers) == (&b.model, b.layers)) {
        let first = cases[0];
        let mut row = vec![
            Cell::text(&first.model),
            plain(first.layers),
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
            let same = |other: &&Case| (&other.model, &other.scenario) == (&case.model, &case.scenario);
            for profile in &profiles {
                let there = study.cases.iter().filter(same).find(|other| other.profile == *profile);
                let there = there.and_then(|other| other.part(part.part));
                row.push(there.map_or(Cell::Empty, |part| Cell::text(regime(part).trim_end_matches("-bound"))));
            }
            rows.push(row);
        }
    }
    let mut columns: Vec<String> = ["model", "scenario", "part", "FLOP/B"].map(str::to_owned).to_vec();
    columns.extend(profiles.iter().map(|&name| name.to_owned()));
    Table {
        title: title(study),
        columns,
        rows,
        notes: vec![
            "What binds there: memory left of the ridge, compute right of it; undecided within its interval."
                .to_owned(),
        ],
    }
}

fn ridges(study: &Study) -> Table {
    let row = |ridge: &RidgePoint| {
        let [low, high] = ridge.ridge_interval;
        vec![
            Cell::text(&ridge.profile),
            Cell::text(&ridge.weights),
            Cell::text(&ridge.compute_ceiling),
            Cell::number(ridge.gflop_per_s),
            Cell::text(&ridge.memory_ceiling),
            Cell::number(ridge.gb_per_s),
            Cell::number(ridge.ridge_flop_per_byte),
            Cell::number(low),
            Cell::number(high),
        ]
    };
    let columns = ["profile", "weights", "π", "GFLOP/s", "β", "GB/s", "ridge FLOP/B", "low", "high"];
    // What holds for several profiles is said once.
    let mut said: Vec<(&Note, Vec<&str>)> = Vec::new();
    for (ridge, note) in study.ridges.iter().flat_map(|ridge| ridge.notes.iter().map(move |note| (ridge, note))) {
        match said.iter_mut().find(|(known, _)| *known == note) {
            Some((_, profiles)) if profiles.contains(&ridge.profile.as_str()) => {}
            Some((_, profiles)) => profiles.push(&ridge.profile),
            None => said.push((note, vec![&ridge.profile])),
        }
    }
    let notes = said.iter().map(|(note, profiles)| format!("Note: {}: {note}.", profiles.join(", "))).collect();
    Table {
        title: "The ridges".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: study.ridges.iter().map(row).collect(),
        notes,
    }
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

/// One row for each part of each case, under the names of the record.
fn flat(study: &Study) -> Table {
    let columns = [
        "study",
        "engine",
        "model",
        "layers",
        "params_total",
        "attention",
        "profile",
        "device",
        "weights",
        "kv",
        "runtime",
        "batch",
        "scenario",
        "prompt",
        "generate",
        "kv_elements_per_token",
        "weight_bytes_total",
        "ridge_flop_per_byte",
        "ridge_low",
        "ridge_high",
        "oi_g_steps",
        "part",
        "forward_passes",
        "flops",
        "weight_bytes",
        "kv_bytes",
        "state_bytes",
        "bytes",
        "oi",
        "regime_decided",
        "roof",
        "seconds",
        "gflop_per_s",
        "gflop_per_s_low",
        "gflop_per_s_high",
        "tokens_per_s",
        "tokens_per_s_low",
        "tokens_per_s_high",
        "bound",
        "regime",
        "above_roof",
        "reach_log2",
        "headroom_log2",
        "region_area",
        "phi",
        "phi_log2",
        "phi_paper",
        "speedup",
        "speedup_low",
        "speedup_high",
    ];
    let mut rows = Vec::new();
    for case in &study.cases {
        for part in &case.parts {
            rows.extend(part.roofs.iter().map(|standing| flat_row(study, case, part, standing)));
        }
    }
    Table { columns: columns.map(str::to_owned).to_vec(), rows, ..Table::default() }
}

fn flat_row(study: &Study, case: &Case, part: &Part, standing: &Standing) -> Vec<Cell> {
    let potential = &standing.potential;
    let speedup = |at: usize| Cell::maybe(standing.speedup_interval.map(|interval| interval[at]));
    vec![
        Cell::text(study.study),
        Cell::text(study.engine.name()),
        Cell::text(&case.model),
        plain(case.layers),
        plain(case.params_total),
        Cell::text(case.attention.name()),
        Cell::text(&case.profile),
        Cell::text(&case.device),
        Cell::text(&case.weights),
        Cell::text(&case.kv),
        Cell::text(case.runtime.name()),
        plain(case.batch),
        Cell::text(&case.scenario),
        plain(case.prompt),
        plain(case.generate),
        plain(case.kv_elements_per_token),
        plain(case.weight_bytes_total),
        Cell::number(case.ridge_flop_per_byte),
        Cell::number(case.ridge_interval[0]),
        Cell::number(case.ridge_interval[1]),
        Cell::number(case.oi_g_steps),
        Cell::text(part.part.name()),
        plain(part.forward_passes),
        plain(part.flops),
        plain(part.weight_bytes),
        plain(part.kv_bytes),
        plain(part.state_bytes),
        plain(part.bytes),
        Cell::number(part.oi),
        Cell::text(regime(part)),
        Cell::text(standing.roof.name()),
        Cell::number(standing.seconds),
        Cell::number(standing.gflop_per_s),
        Cell::number(standing.gflop_per_s_interval[0]),
        Cell::number(standing.gflop_per_s_interval[1]),
        Cell::number(standing.tokens_per_s),
        Cell::number(standing.tokens_per_s_interval[0]),
        Cell::number(standing.tokens_per_s_interval[1]),
        Cell::text(standing.bound.name()),
        Cell::text(potential.regime.regime()),
        Cell::text(potential.above_roof.to_string()),
        Cell::number(potential.reach_log2),
        Cell::number(potential.headroom_log2),
        Cell::number(potential.region_area),
        Cell::number(potential.phi),
        Cell::number(potential.phi_log2),
        Cell::number(potential.phi_paper),
        Cell::maybe(standing.speedup),
        speedup(0),
        speedup(1),
    ]
}

/// A small count: the same for people and programs.
fn plain(count: u64) -> Cell {
    Cell::Number { exact: count.to_string(), shown: count.to_string() }
}
