//! Measured runs under the roofs: what they come to, what they break, how far they are.

use super::cell::Cell;
use super::evaluation::POTENTIAL_NOTES;
use super::table::{Column, Report, Shown, Table, column};
use crate::error::{Error, Result};
use crate::measured::{Broken, Joined, MeasuredPoint, broken};

const RATE_NOTES: [&str; 3] = [
    "FLOP and bytes are counted exactly for the passes that were timed; their rates are those over the measured time.",
    "% π: of the compute roof of the weights' arithmetic; % β: of the bandwidth roof. Above 100 the roof, or the count, is \
     wrong.",
    "prompt, decode: tokens taken in, and passes of one token each, behind the tokens in the cache.",
];

/// The tables of measured points, their potential only where all is shown; their record is `{"measured": [...], …}`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(joined: &Joined, shown: Shown) -> Result<Report> {
    let record = serde_json::to_value(&joined.points)
        .map_err(|e| Error::failure(format!("the measured points cannot be written as JSON: {e}")))?;
    let broken = broken(&joined.points);
    let json = serde_json::json!({
        "measured": record,
        "measured_left_out": joined.left_out,
        "roofs_broken": broken,
    });
    let (columns, points) = (columns(), joined.points.as_slice());
    let cases = ["model", "weights", "label", "phase", "profile"];
    let rates = ["cached?", "prompt", "decode_passes", "tokens_per_s", "oi?", "gflop_per_s?", "compute_share"];
    let rates = [&cases[..], &rates, &["gb_per_s?", "memory_share"]].concat();
    let standing =
        ["regime", "above_roof", "headroom_log2", "reach_log2?", "region_area?", "phi", "phi_log2?", "phi_paper?"];
    let standing = [&cases[..], &standing].concat();
    let mut notes: Vec<String> = Vec::new();
    for note in points.iter().flat_map(|point| &point.notes).map(|note| format!("Note: {note}.")) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    if joined.left_out > 0 {
        notes.push(format!("Note: {} more measurements are of other models or devices.", joined.left_out));
    }
    let mut tables = vec![
        Table::view("What was measured, under the roofs", &columns, &rates, points)
            .with_keys(cases.len())
            .with_notes(RATE_NOTES)
            .with_notes(broken.iter().map(above))
            .with_notes(notes),
    ];
    if shown == Shown::All {
        tables.push(
            Table::view("Potential, measured", &columns, &standing, points)
                .with_keys(cases.len())
                .with_notes(POTENTIAL_NOTES),
        );
    }
    Ok(Report { tables, flat: Some(Table::flat(&columns, points)), json })
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

/// One row per point, under the names of the record.
fn columns() -> Vec<Column<MeasuredPoint>> {
    vec![
        column("record", "", |p: &MeasuredPoint| Cell::text(&p.record)),
        column("label", "case", |p: &MeasuredPoint| Cell::text(p.label.as_deref().unwrap_or_default())),
        column("model", "model", |p: &MeasuredPoint| Cell::text(&p.model)),
        column("measured_model", "", |p: &MeasuredPoint| Cell::text(&p.measured_model)),
        column("profile", "profile", |p: &MeasuredPoint| Cell::text(&p.profile)),
        column("device", "", |p: &MeasuredPoint| Cell::text(&p.device)),
        column("engine", "", |p: &MeasuredPoint| Cell::text(&p.engine)),
        column("weights", "weights", |p: &MeasuredPoint| Cell::text(&p.weights)),
        column("kv", "", |p: &MeasuredPoint| Cell::text(&p.kv)),
        column("phase", "phase", |p: &MeasuredPoint| Cell::text(p.phase)),
        column("prompt", "prompt", |p: &MeasuredPoint| Cell::plain(p.prompt)),
        column("decode_passes", "decode", |p: &MeasuredPoint| Cell::plain(p.decode_passes)),
        column("cached", "cached", |p: &MeasuredPoint| Cell::plain(p.cached)),
        column("forward_passes", "", |p: &MeasuredPoint| Cell::plain(p.forward_passes)),
        column("tokens_per_s", "tokens/s", |p: &MeasuredPoint| Cell::number(p.tokens_per_s)),
        column("tokens_per_s_low", "", |p: &MeasuredPoint| Cell::low(p.tokens_per_s_range)),
        column("tokens_per_s_high", "", |p: &MeasuredPoint| Cell::high(p.tokens_per_s_range)),
        column("seconds", "", |p: &MeasuredPoint| Cell::number(p.seconds)),
        column("flops", "", |p: &MeasuredPoint| Cell::plain(p.flops)),
        column("weight_bytes", "", |p: &MeasuredPoint| Cell::plain(p.weight_bytes)),
        column("kv_bytes", "", |p: &MeasuredPoint| Cell::plain(p.kv_bytes)),
        column("state_bytes", "", |p: &MeasuredPoint| Cell::plain(p.state_bytes)),
        column("bytes", "", |p: &MeasuredPoint| Cell::plain(p.bytes)),
        column("oi", "FLOP/B", |p: &MeasuredPoint| Cell::number(p.oi)),
        column("gflop_per_s", "GFLOP/s", |p: &MeasuredPoint| Cell::number(p.gflop_per_s)),
        column("gb_per_s", "GB/s", |p: &MeasuredPoint| Cell::number(p.gb_per_s)),
        column("ridge_flop_per_byte", "", |p: &MeasuredPoint| Cell::number(p.ridge_flop_per_byte)),
        column("memory_ceiling", "", |p: &MeasuredPoint| Cell::text(&p.memory.ceiling)),
        column("memory_share", "% β", |p: &MeasuredPoint| Cell::scaled(p.memory.share, 100.0)),
        column("memory_broken", "", |p: &MeasuredPoint| Cell::text(p.memory.broken.to_string())),
        column("compute_ceiling", "", |p: &MeasuredPoint| Cell::text(&p.compute.ceiling)),
        column("compute_share", "% π", |p: &MeasuredPoint| Cell::scaled(p.compute.share, 100.0)),
        column("compute_broken", "", |p: &MeasuredPoint| Cell::text(p.compute.broken.to_string())),
        column("exceeds", "", |p: &MeasuredPoint| {
            let exceeds: Vec<&str> = p.exceeds.iter().map(|other| other.ceiling.as_str()).collect();
            Cell::text(exceeds.join(" "))
        }),
        column("regime", "regime", |p: &MeasuredPoint| Cell::text(p.potential.regime.regime())),
        column("above_roof", "roof", |p: &MeasuredPoint| match p.potential.above_roof {
            true => Cell::phrase("true", "above"),
            false => Cell::phrase("false", "under"),
        }),
        column("headroom_log2", "headroom", |p: &MeasuredPoint| Cell::number(p.potential.headroom_log2)),
        column("reach_log2", "reach", |p: &MeasuredPoint| Cell::number(p.potential.reach_log2)),
        column("region_area", "area", |p: &MeasuredPoint| Cell::number(p.potential.region_area)),
        column("phi", "Φ", |p: &MeasuredPoint| Cell::number(p.potential.phi)),
        column("phi_log2", "Φ log2", |p: &MeasuredPoint| Cell::number(p.potential.phi_log2)),
        column("phi_paper", "Φ GFLOP/s", |p: &MeasuredPoint| Cell::number(p.potential.phi_paper)),
    ]
}
