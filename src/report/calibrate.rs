//! An engine's table, and how well it says what it was fitted to.

use super::cell::{Cell, digits};
use super::record::json;
use super::table::{Report, Table};
use crate::calibrate::Calibration;
use crate::engine::{Basis, Fixed};
use crate::error::Result;

/// How to read the table.
const NOTES: [&str; 2] = [
    "of our kernels: the engine's rate over that of the kernels measured on this device; above 1 the engine is faster.",
    "fitted: by these runs. shifted: the engine's default, moved by what like parts showed here. default: as on another machine.",
];

/// The table and its runs, on a profile called `profile`.
///
/// # Errors
/// Failure when the record cannot be expressed as JSON.
pub fn report(calibration: &Calibration, profile: &str) -> Result<Report> {
    let record = json("the calibration", calibration)?;
    let table = &calibration.table;
    let rows = table.efficiency.iter().map(|one| {
        vec![
            Cell::text(one.part.name()),
            Cell::words(one.stored.as_deref()),
            Cell::text(one.tokens.name()),
            Cell::number(one.value),
            Cell::number(one.ci95[0]),
            Cell::number(one.ci95[1]),
            Cell::text(one.basis.name()),
        ]
    });
    let heads = ["part", "stored", "tokens", "of our kernels", "low", "high", "rests on"];
    let mut parts = Table::of(format!("{} on {profile}", table.engine), heads, rows);
    let worst = calibration.runs.iter().map(|run| run.ratio.ln().abs()).fold(0.0, f64::max).exp();
    parts.lead = vec![
        format!(
            "{} runs, said again within {} % at most; starting an operation takes {}, a pass {} more.",
            table.runs,
            digits((worst - 1.0) * 100.0, 2),
            micros(&table.op),
            micros(&table.pass)
        ),
        match &calibration.default {
            Some(default) => format!("Defaults of {default}."),
            None => format!("No defaults of {} are known: what no run shows is a guess.", table.engine),
        },
    ];
    let rows = calibration.runs.iter().map(|run| {
        vec![
            Cell::text(run.run.clone()),
            Cell::number(run.seconds),
            Cell::number(run.predicted_seconds),
            Cell::number(run.ratio),
        ]
    });
    let runs = Table::of("Its runs", ["run", "measured s", "said again s", "ratio"], rows);
    Ok(Report { tables: vec![parts.with_notes(NOTES), runs], flat: None, json: record })
}

fn micros(fixed: &Fixed) -> String {
    let basis = if fixed.basis == Basis::Fitted { "" } else { " (default)" };
    format!("{} µs{basis}", digits(fixed.us, 2))
}
