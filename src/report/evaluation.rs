//! Evaluations, read aloud: speeds first, then what was asked for, where that stands under the roof, and the decode step
//! operation by operation.

use super::{Cell, Report, Table, advice};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, OpResult, PhaseResult, RoofKind, Speed};
use crate::model::Phase;

/// How to read the first table.
const SPEED_NOTES: [&str; 4] = [
    "ms: of the prefill the time to first token, of decode the time per token at that context. tokens/s: taken in (prefill),",
    "given (decode), given from end to end (generation). at peak: by peak arithmetic and memory alone.",
    "bound: the resource that binds for most of the time. low, high: all ceilings at the ends of their 95 % intervals.",
    "Φ: distance to the ridge, below.",
];

/// What the speeds go by.
const fn roof_note(evaluation: &Evaluation) -> &'static str {
    match evaluation.roof {
        RoofKind::Peak if evaluation.quoted => {
            "Speeds by quoted peaks of arithmetic and memory, one operation after another: as good as their source."
        }
        RoofKind::Peak => {
            "Speeds by peak arithmetic and memory, one operation after another: upper bounds. Real engines reach less."
        }
        RoofKind::Achieved => {
            "Speeds by what this device's kernels were measured to do, one operation after another, starting them included."
        }
    }
}

/// How to read the second table.
const DEMAND_NOTES: [&str; 2] = [
    "MB = 10^6 bytes, all passes together. Weights are read once per pass, visible keys and values once per pass and",
    "sequence. FLOP/B counts weights and cache; activations are taken to stay in caches, and are counted in the last column.",
];

/// How to read the third table.
const POTENTIAL_NOTES: [&str; 3] = [
    "headroom: octaves up to the roof; reach: octaves of reuse to the ridge; area: what lies between, square octaves.",
    "Φ: distance to the ridge, 0 at best (arXiv 2602.11506): free of units, in octaves, and as printed in the paper.",
    "Compare Φ within one device and one regime only.",
];

/// Operations below this share of the decode step stay out of the table; the record has them all.
const SHARE_MIN: f64 = 0.001;

/// The report of `evaluations`; its record is `{"results": [...]}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(evaluations: &[Evaluation]) -> Result<Report> {
    let results = serde_json::to_value(evaluations)
        .map_err(|e| Error::failure(format!("the evaluation cannot be written as JSON: {e}")))?;
    let mut tables = vec![speeds(evaluations), demands(evaluations), potentials(evaluations)];
    for evaluation in evaluations {
        tables.extend(operations(evaluation));
        tables.extend(evaluation.advice.as_ref().map(|advice| advice::free(evaluation, advice)));
        tables.extend(evaluation.advice.as_ref().map(|advice| advice::formats(evaluation, advice)));
        tables.extend(explanations(evaluation));
    }
    Ok(Report { tables, flat: Some(flat(evaluations)), json: serde_json::json!({ "results": results }) })
}

fn each_phase(evaluations: &[Evaluation], row: impl Fn(&Evaluation, &PhaseResult) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    evaluations.iter().flat_map(|result| result.phases.iter().map(|phase| row(result, phase))).collect()
}

fn speeds(evaluations: &[Evaluation]) -> Table {
    let row = |result: &Evaluation, phase: &PhaseResult| {
        let [low, high] = ends(phase.speed.tokens_per_s_interval);
        vec![
            Cell::text(&result.model),
            Cell::text(&result.profile),
            Cell::text(phase.phase.name()),
            plain(phase.tokens),
            Cell::text(phase.speed.bound.name()),
            Cell::number(phase.speed.seconds * 1e3),
            Cell::number(phase.speed.tokens_per_s),
            low,
            high,
            under(phase, RoofKind::Peak).map_or(Cell::Empty, |speed| Cell::number(speed.tokens_per_s)),
            Cell::number(phase.potential.phi),
        ]
    };
    let mut notes: Vec<String> = Vec::new();
    for evaluation in evaluations {
        let note = roof_note(evaluation);
        if !notes.iter().any(|said| said == note) {
            notes.push(note.to_owned());
        }
    }
    notes.extend(SPEED_NOTES.map(str::to_owned));
    let names = ["model", "profile", "phase", "tokens", "bound", "ms", "tokens/s", "low", "high", "at peak", "Φ"];
    Table {
        title: "What the model can hope for".to_owned(),
        columns: columns(&names),
        rows: each_phase(evaluations, row),
        notes,
    }
}

/// The speed under that roof, where the profile has it.
fn under(phase: &PhaseResult, roof: RoofKind) -> Option<&Speed> {
    phase.roofs.iter().find(|speed| speed.roof == roof)
}

fn demands(evaluations: &[Evaluation]) -> Table {
    let row = |result: &Evaluation, phase: &PhaseResult| {
        vec![
            Cell::text(&result.model),
            Cell::text(phase.phase.name()),
            plain(phase.context),
            Cell::number(phase.flops.get("total").unwrap_or_default() as f64 / 1e9),
            Cell::number(phase.weight_bytes as f64 / 1e6),
            Cell::number((phase.kv_read_bytes + phase.kv_write_bytes) as f64 / 1e6),
            Cell::number(phase.oi),
            Cell::number(phase.oi_with_activations),
        ]
    };
    Table {
        title: "What it asks for".to_owned(),
        columns: columns(&["model", "phase", "context", "GFLOP", "weights MB", "KV MB", "FLOP/B", "with activations"]),
        rows: each_phase(evaluations, row),
        notes: DEMAND_NOTES.map(str::to_owned).to_vec(),
    }
}

fn potentials(evaluations: &[Evaluation]) -> Table {
    let row = |result: &Evaluation, phase: &PhaseResult| {
        vec![
            Cell::text(&result.model),
            Cell::text(phase.phase.name()),
            Cell::text(if phase.potential.above_roof { "above the roof" } else { phase.potential.regime.regime() }),
            Cell::number(phase.potential.headroom_log2),
            Cell::number(phase.potential.reach_log2),
            Cell::number(phase.potential.region_area),
            Cell::number(phase.potential.phi),
            Cell::number(phase.potential.phi_log2),
            Cell::number(phase.potential.phi_paper),
        ]
    };
    Table {
        title: "Where that stands under the roof".to_owned(),
        columns: columns(&["model", "phase", "regime", "headroom", "reach", "area", "Φ", "Φ log2", "Φ GFLOP/s"]),
        rows: each_phase(evaluations, row),
        notes: POTENTIAL_NOTES.map(str::to_owned).to_vec(),
    }
}

/// The decode step of one result: where the time of a token goes.
fn operations(result: &Evaluation) -> Option<Table> {
    let decode = result.phases.iter().find(|phase| phase.phase == Phase::Decode)?;
    let row = |op: &OpResult| {
        vec![
            Cell::text(named(op, &decode.ops)),
            Cell::text(op.class),
            Cell::text(format!("{}×{}×{}", op.m, op.n, op.k)),
            plain(op.repeat),
            Cell::maybe(op.oi),
            Cell::number(op.seconds * 1e3),
            Cell::number(op.share * 100.0),
            match op.bound {
                None => Cell::Empty,
                Some(_) if op.undecided => Cell::text("undecided"),
                Some(bound) => Cell::text(bound.name()),
            },
            op.ceiling.as_ref().map_or(Cell::Empty, Cell::text),
        ]
    };
    let telling = decode.ops.iter().filter(|op| op.share >= SHARE_MIN);
    let mut notes = vec![
        format!(
            "{} weights, {} cache, batch {}: {} of memory needed, {} there: {}.",
            result.weights,
            result.workload.kv,
            result.workload.batch,
            mib(result.memory_needed_bytes),
            result.memory_bytes.map_or("an unknown amount".to_owned(), mib),
            match result.fits {
                Some(true) => "fits",
                Some(false) => "does not fit",
                None => "may or may not fit",
            },
        ),
        "Operations below 0.1 % are left out. undecided: within the intervals of the ceilings either resource may bind.".to_owned(),
    ];
    notes.extend(result.no_achieved_roof.iter().map(|why| format!("No achieved roof: {why}.")));
    notes.extend(result.notes.iter().map(|note| format!("Note: {note}.")));
    Some(Table {
        title: format!(
            "{} on {}: one decode step at context {}",
            result.model,
            result.profile,
            result.workload.decode_context()
        ),
        columns: columns(&["operation", "class", "m×n×k", "repeat", "FLOP/B", "ms", "%", "bound", "ceiling"]),
        rows: telling.map(row).collect(),
        notes,
    })
}

/// The formulas of every operation, phase by phase, where they were asked for.
fn explanations(result: &Evaluation) -> Vec<Table> {
    let explained = result.phases.iter().filter(|phase| phase.ops.iter().any(|op| !op.explanation.is_empty()));
    let lines = |op: &OpResult| {
        let mut lines = op.explanation.clone();
        lines.iter_mut().skip(1).for_each(|line| line.insert_str(0, "    "));
        lines
    };
    explained
        .map(|phase| Table {
            title: format!("{} on {}, {}: every operation", result.model, result.profile, phase.phase.name()),
            notes: phase.ops.iter().flat_map(lines).collect(),
            ..Table::default()
        })
        .collect()
}

/// An operation's name, and how its tensor is stored where layers differ in that.
fn named(op: &OpResult, all: &[OpResult]) -> String {
    let differs = all.iter().any(|other| other.op == op.op && other.stored_as != op.stored_as);
    if differs { format!("{} ({})", op.op, op.stored_as) } else { op.op.to_owned() }
}

/// Everything but the operations, one row per phase, under the names of the record.
fn flat(evaluations: &[Evaluation]) -> Table {
    let names = [
        "model",
        "profile",
        "weights",
        "kv",
        "batch",
        "params_total",
        "memory_needed_bytes",
        "fits",
        "ridge_flop_per_byte",
        "phase",
        "tokens",
        "context",
        "forward_passes",
        "flops",
        "vector_flops",
        "weight_bytes",
        "kv_read_bytes",
        "kv_write_bytes",
        "act_bytes",
        "oi",
        "oi_with_activations",
        "bound",
        "bound_by",
        "memory_bound_share",
        "seconds",
        "seconds_optimistic",
        "tokens_per_s",
        "tokens_per_s_low",
        "tokens_per_s_high",
        "phi",
        "phi_log2",
        "phi_paper",
        "headroom_log2",
        "reach_log2",
        "region_area",
        "regime",
        "roof",
        "overhead_seconds",
        "undecided_share",
        "tokens_per_s_peak",
        "tokens_per_s_achieved",
    ];
    let row = |result: &Evaluation, phase: &PhaseResult| {
        let [low, high] = ends(phase.speed.tokens_per_s_interval);
        vec![
            Cell::text(&result.model),
            Cell::text(&result.profile),
            Cell::text(&result.weights),
            Cell::text(result.workload.kv.to_string()),
            plain(result.workload.batch),
            plain(result.params_total),
            plain(result.memory_needed_bytes),
            result.fits.map_or(Cell::Empty, |fits| Cell::text(fits.to_string())),
            Cell::number(result.ridge_flop_per_byte),
            Cell::text(phase.phase.name()),
            plain(phase.tokens),
            plain(phase.context),
            plain(phase.forward_passes),
            plain(phase.flops.get("total").unwrap_or_default()),
            plain(phase.vector_flops),
            plain(phase.weight_bytes),
            plain(phase.kv_read_bytes),
            plain(phase.kv_write_bytes),
            plain(phase.act_bytes),
            Cell::number(phase.oi),
            Cell::number(phase.oi_with_activations),
            Cell::text(phase.speed.bound.name()),
            phase.speed.bound_by.as_ref().map_or(Cell::Empty, Cell::text),
            Cell::number(phase.speed.memory_bound_share),
            Cell::number(phase.speed.seconds),
            Cell::maybe(under(phase, RoofKind::Peak).and_then(|speed| speed.seconds_optimistic)),
            Cell::number(phase.speed.tokens_per_s),
            low,
            high,
            Cell::number(phase.potential.phi),
            Cell::number(phase.potential.phi_log2),
            Cell::number(phase.potential.phi_paper),
            Cell::number(phase.potential.headroom_log2),
            Cell::number(phase.potential.reach_log2),
            Cell::number(phase.potential.region_area),
            Cell::text(phase.potential.regime.regime()),
            Cell::text(phase.speed.roof.name()),
            Cell::maybe(phase.speed.overhead_seconds),
            Cell::number(phase.speed.undecided_share),
            Cell::maybe(under(phase, RoofKind::Peak).map(|speed| speed.tokens_per_s)),
            Cell::maybe(under(phase, RoofKind::Achieved).map(|speed| speed.tokens_per_s)),
        ]
    };
    Table { columns: columns(&names), rows: each_phase(evaluations, row), ..Table::default() }
}

/// The ends of an interval; nothing where there is none.
fn ends(interval: Option<[f64; 2]>) -> [Cell; 2] {
    interval.map_or([Cell::Empty, Cell::Empty], |ends| ends.map(Cell::number))
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A small count: the same for people and programs.
fn plain(count: u64) -> Cell {
    Cell::Number { exact: count.to_string(), shown: count.to_string() }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
