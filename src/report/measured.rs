//! Measured runs under the roofs, read aloud: what they come to, what they break, how far they are.

use super::{Cell, Report, Table};
use crate::error::{Error, Result};
use crate::measured::{Broken, Joined, MeasuredPoint, broken};

const RATE_NOTES: [&str; 3] = [
    "FLOP and bytes are counted exactly for the passes that were timed; their rates are those over the measured time.",
    "% π: of the compute roof of the weights' arithmetic; % β: of the bandwidth roof. Above 100 the roof, or the count, is wrong.",
    "prompt, decode: tokens taken in, and passes of one token each, behind the tokens in the cache.",
];

const POTENTIAL_NOTES: [&str; 3] = [
    "headroom: octaves up to the roof, negative above it; reach: octaves of reuse to the ridge; area: what lies between.",
    "Φ: distance to the ridge, 0 at best (arXiv 2602.11506): free of units, in octaves, and as printed in the paper.",
    "Compare Φ within one device and one regime only.",
];

/// The tables of measured points, the most important first; their record is `{"measured": [...], …}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(joined: &Joined) -> Result<Report> {
    let record = serde_json::to_value(&joined.points)
        .map_err(|e| Error::failure(format!("the measured points cannot be written as JSON: {e}")))?;
    let broken = serde_json::to_value(broken(&joined.points))
        .map_err(|e| Error::failure(format!("the broken roofs cannot be written as JSON: {e}")))?;
    let json = serde_json::json!({
        "measured": record,
        "measured_left_out": joined.left_out,
        "roofs_broken": broken,
    });
    Ok(Report { tables: vec![rates(joined), potentials(&joined.points)], flat: Some(flat(&joined.points)), json })
}

fn names(point: &MeasuredPoint) -> Vec<Cell> {
    vec![
        Cell::text(&point.model),
        Cell::text(&point.weights),
        Cell::text(point.label.clone().unwrap_or_default()),
        Cell::text(point.phase),
    ]
}

fn rates(joined: &Joined) -> Table {
    let row = |point: &MeasuredPoint| {
        let mut cells = names(point);
        cells.extend([
            Cell::text(&point.profile),
            plain(point.cached),
            plain(point.prompt),
            plain(point.decode_passes),
            Cell::number(point.tokens_per_s),
            Cell::number(point.oi),
            Cell::number(point.gflop_per_s),
            Cell::number(point.compute.share * 100.0),
            Cell::number(point.gb_per_s),
            Cell::number(point.memory.share * 100.0),
        ]);
        cells
    };
    let columns = [
        "model", "weights", "case", "phase", "profile", "cached", "prompt", "decode", "tokens/s", "FLOP/B", "GFLOP/s",
        "% π", "GB/s", "% β",
    ];
    let mut notes = RATE_NOTES.map(str::to_owned).to_vec();
    notes.extend(broken(&joined.points).iter().map(above));
    let mut seen: Vec<String> = Vec::new();
    for note in joined.points.iter().flat_map(|point| &point.notes) {
        let note = format!("Note: {note}.");
        if !seen.contains(&note) {
            seen.push(note);
        }
    }
    notes.extend(seen);
    if joined.left_out > 0 {
        notes.push(format!("Note: {} more measurements are of other models or devices.", joined.left_out));
    }
    Table {
        title: "What was measured, under the roofs".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: joined.points.iter().map(row).collect(),
        notes,
    }
}

/// A roof that is broken, in words.
fn above(broken: &Broken) -> String {
    let (value, unit, verb) = match broken.gflop_per_s {
        Some(value) => (value, "GFLOP/s", "computes"),
        None => (broken.gb_per_s.unwrap_or_default(), "GB/s", "streams"),
    };
    let [least, most] = broken.shares;
    let range = |[low, high]: [String; 2]| if low == high { low } else { format!("{low} … {high}") };
    let reached = range([least, most].map(|share| format!("{:.1}", share * value)));
    let times = range([least, most].map(|share| format!("{share:.2}")));
    let Broken { profile, ceiling, status, phase, points, of, .. } = broken;
    let role = if broken.is_their_roof { "" } else { ", which is not the arithmetic of these weights" };
    format!(
        "above the roof: {phase} {verb} {reached} {unit} under {ceiling} {value} ({status}) of {profile}: {times} times, \
         {points} of {of} points{role}."
    )
}

fn potentials(points: &[MeasuredPoint]) -> Table {
    let row = |point: &MeasuredPoint| {
        let potential = &point.potential;
        let mut cells = names(point);
        cells.extend([
            Cell::text(&point.profile),
            Cell::text(potential.regime.regime()),
            Cell::text(if potential.above_roof { "above" } else { "under" }),
            Cell::number(potential.headroom_log2),
            Cell::number(potential.reach_log2),
            Cell::number(potential.region_area),
            Cell::number(potential.phi),
            Cell::number(potential.phi_log2),
            Cell::number(potential.phi_paper),
        ]);
        cells
    };
    let columns = [
        "model",
        "weights",
        "case",
        "phase",
        "profile",
        "regime",
        "roof",
        "headroom",
        "reach",
        "area",
        "Φ",
        "Φ log2",
        "Φ GFLOP/s",
    ];
    Table {
        title: "Where that stands, measured".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: points.iter().map(row).collect(),
        notes: POTENTIAL_NOTES.map(str::to_owned).to_vec(),
    }
}

/// One row per point, under the names of the record.
fn flat(points: &[MeasuredPoint]) -> Table {
    let columns = [
        "record",
        "label",
        "model",
        "measured_model",
        "profile",
        "device",
        "engine",
        "weights",
        "kv",
        "phase",
        "prompt",
        "decode_passes",
        "cached",
        "forward_passes",
        "tokens_per_s",
        "tokens_per_s_low",
        "tokens_per_s_high",
        "seconds",
        "flops",
        "weight_bytes",
        "kv_bytes",
        "state_bytes",
        "bytes",
        "oi",
        "gflop_per_s",
        "gb_per_s",
        "ridge_flop_per_byte",
        "memory_ceiling",
        "memory_share",
        "memory_broken",
        "compute_ceiling",
        "compute_share",
        "compute_broken",
        "exceeds",
        "regime",
        "above_roof",
        "headroom_log2",
        "reach_log2",
        "region_area",
        "phi",
        "phi_log2",
        "phi_paper",
    ];
    let row = |point: &MeasuredPoint| {
        let range = |at: usize| Cell::maybe(point.tokens_per_s_range.map(|range| range[at]));
        let potential = &point.potential;
        let exceeds: Vec<&str> = point.exceeds.iter().map(|other| other.ceiling.as_str()).collect();
        vec![
            Cell::text(&point.record),
            Cell::text(point.label.clone().unwrap_or_default()),
            Cell::text(&point.model),
            Cell::text(&point.measured_model),
            Cell::text(&point.profile),
            Cell::text(&point.device),
            Cell::text(&point.engine),
            Cell::text(&point.weights),
            Cell::text(&point.kv),
            Cell::text(point.phase),
            plain(point.prompt),
            plain(point.decode_passes),
            plain(point.cached),
            plain(point.forward_passes),
            Cell::number(point.tokens_per_s),
            range(0),
            range(1),
            Cell::number(point.seconds),
            plain(point.flops),
            plain(point.weight_bytes),
            plain(point.kv_bytes),
            plain(point.state_bytes),
            plain(point.bytes),
            Cell::number(point.oi),
            Cell::number(point.gflop_per_s),
            Cell::number(point.gb_per_s),
            Cell::number(point.ridge_flop_per_byte),
            Cell::text(&point.memory.ceiling),
            Cell::number(point.memory.share),
            Cell::text(point.memory.broken.to_string()),
            Cell::text(&point.compute.ceiling),
            Cell::number(point.compute.share),
            Cell::text(point.compute.broken.to_string()),
            Cell::text(exceeds.join(" ")),
            Cell::text(potential.regime.regime()),
            Cell::text(potential.above_roof.to_string()),
            Cell::number(potential.headroom_log2),
            Cell::number(potential.reach_log2),
            Cell::number(potential.region_area),
            Cell::number(potential.phi),
            Cell::number(potential.phi_log2),
            Cell::number(potential.phi_paper),
        ]
    };
    let rows = points.iter().map(row).collect();
    Table { columns: columns.map(str::to_owned).to_vec(), rows, ..Table::default() }
}

/// A small count: the same for people and programs.
fn plain(count: u64) -> Cell {
    Cell::Number { exact: count.to_string(), shown: count.to_string() }
}
