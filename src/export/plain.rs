//! Every ceiling with its interval and status, for whoever reads tables.

use super::{Draft, Subject};
use crate::error::{Error, Result, obeyed};
use crate::profile::Ceiling;
use serde_json::{Value, json};
use std::fmt::Display;

const COLUMNS: [&str; 9] = ["device", "ceiling", "status", "value", "unit", "low", "high", "samples", "date"];

pub(super) fn write_csv(of: &mut Subject) -> Result<Draft> {
    let (device, date) = (cell(&of.name()), cell(&of.profile.provenance.date));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(unwritten)?;
    for ceiling in of.ceilings() {
        let Some((value, unit)) = ceiling.value() else { continue };
        let end = |at: usize| ceiling.ci95.map(|ends| ends[at].to_string()).unwrap_or_default();
        let samples = ceiling.samples.map(|count| count.to_string()).unwrap_or_default();
        let status = ceiling.status.name();
        let (value, unit) = (value.to_string(), unit.symbol());
        let row = [&device, ceiling.id.as_str(), status, &value, unit, &end(0), &end(1), &samples, &date];
        writer.write_record(row).map_err(unwritten)?;
    }
    let bytes = writer.into_inner().map_err(unwritten)?;
    String::from_utf8(bytes).map(Draft::Text).map_err(unwritten)
}

/// Words for a table that a spreadsheet may open: it would obey what begins like a formula (OWASP, "CSV Injection"), so an apostrophe stands before
/// that; control characters are no words.
fn cell(words: &str) -> String {
    let plain: String = words.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect();
    if plain.starts_with(['=', '+', '-', '@']) { format!("'{plain}") } else { plain }
}

fn unwritten(error: impl Display) -> Error {
    Error::failure(format!("the ceilings cannot be written as CSV: {error}"))
}

pub(super) fn write_json(of: &mut Subject) -> Result<Draft> {
    record(of).map(Draft::Json)
}

pub(super) fn write_yaml(of: &mut Subject) -> Result<Draft> {
    record(of).map(Draft::Yaml)
}

fn record(of: &mut Subject) -> Result<Value> {
    let one = |ceiling: Ceiling| {
        let (value, unit) = ceiling.value()?;
        Some(json!({
            "ceiling": ceiling.id,
            "status": ceiling.status,
            "value": value,
            "unit": unit.symbol(),
            "interval": ceiling.ci95,
            "samples": ceiling.samples,
        }))
    };
    let ceilings: Vec<Value> = of.ceilings().into_iter().filter_map(one).collect();
    let (device, provenance) = (&of.profile.device, &of.profile.provenance);
    Ok(json!({
        "device": of.name(),
        "kind": device.kind,
        "vendor": device.vendor,
        "model": device.model,
        "memory_bytes": device.memory_bytes,
        "grade": of.profile.environment.as_ref().and_then(|environment| environment.grade),
        "date": provenance.date,
        "tool": format!("{} {}", provenance.tool, provenance.version),
        "ceilings": ceilings,
    }))
}
