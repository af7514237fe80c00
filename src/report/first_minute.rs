//! The first minute: this machine, a small language model on it, and what to do next.

use super::ceilings::Rank;
use super::table::{Report, Shown, Table};
use super::{evaluation, profile};
use crate::error::Result;
use crate::evaluate::Evaluation;
use crate::profile::Profile;

/// What the machine is and reaches, what the small model does on it, and the next steps. `place` is where the profile is
/// kept. Without an evaluation the machine alone.
///
/// # Errors
/// Failure when a record cannot be expressed as JSON.
pub fn report(measured: &Profile, evaluation: Option<Evaluation>, place: &str) -> Result<Report> {
    let machine = profile::report(measured, Shown::Main)?;
    let mut report =
        Report { tables: vec![profile::summary(measured, Rank::First)], flat: machine.flat, json: machine.json };
    if let Some(evaluation) = evaluation {
        let mut model = evaluation::report(&[evaluation], Shown::Main)?;
        // Options of another command say nothing here, and how far to trust the profile stands above.
        model.tables[0].notes.pop();
        model.tables[0].lead.truncate(1);
        report.tables.extend(model.tables);
        report.json = serde_json::json!({ "profile": report.json, "evaluation": model.json });
    }
    report.tables.push(next(place));
    Ok(report)
}

fn next(place: &str) -> Table {
    Table {
        title: "Next".to_owned(),
        notes: [
            "roofprobe measure               more time, for numbers to rely on".to_owned(),
            "roofprobe evaluate MODEL        another model; `roofprobe models` lists those known by name".to_owned(),
            format!("roofprobe show {place}"),
        ]
        .into(),
        ..Table::default()
    }
}
