//! Columns that come from the JSON record of a row: CSV, tables and JSON have one source.

use super::cell::{Cell, significant};
use super::table::{Column, column};
use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};

/// What is known of a row, by key.
pub(super) type Record = Map<String, Value>;

/// A row that has a record.
pub(super) trait Recorded {
    /// Its record.
    fn record(&self) -> &Record;
}

impl Recorded for Record {
    fn record(&self) -> &Record {
        self
    }
}

/// Columns that people see under another heading or in another unit: key, heading with its unit, and how many of the
/// record's units the heading's unit has.
const HEADINGS: [(&str, &str, f64); 40] = [
    ("achieved_share", "% of kernels", 0.01),
    ("standing", "verdict", 1.0),
    ("lost", "lost most in", 1.0),
    ("label", "case", 1.0),
    ("decode_passes", "decode", 1.0),
    ("flops", "GFLOP", 1e9),
    ("bytes", "GB", 1e9),
    ("weight_bytes", "weights MB", 1e6),
    ("bytes_per_token", "MB per token", 1e6),
    ("kv_bytes", "KV GB", 1e9),
    ("memory_needed_bytes", "MiB needed", 1_048_576.0),
    ("oi", "FLOP/B", 1.0),
    ("oi_with_activations", "with activations", 1.0),
    ("oi_g_steps", "G steps", 1.0),
    ("ridge_flop_per_byte", "ridge", 1.0),
    ("ridge_low", "low", 1.0),
    ("ridge_high", "high", 1.0),
    ("compute_ceiling", "π", 1.0),
    ("compute_share", "% π", 0.01),
    ("gflop_per_s", "GFLOP/s", 1.0),
    ("memory_ceiling", "β", 1.0),
    ("memory_share", "% β", 0.01),
    ("gb_per_s", "GB/s", 1.0),
    ("bound_by", "by ceiling", 1.0),
    ("seconds", "ms", 1e-3),
    ("tokens_per_s", "tokens/s", 1.0),
    ("tokens_per_s_low", "low", 1.0),
    ("tokens_per_s_high", "high", 1.0),
    ("decode_tokens_per_s", "decode tokens/s", 1.0),
    ("prefill_tokens_per_s", "prefill tokens/s", 1.0),
    ("speedup", "× first", 1.0),
    ("headroom_log2", "headroom", 1.0),
    ("reach_log2", "reach", 1.0),
    ("region_area", "area", 1.0),
    ("phi", "Φ", 1.0),
    ("phi_log2", "Φ log2", 1.0),
    ("phi_paper", "Φ GFLOP/s", 1.0),
    ("per_cycle", "per cycle", 1.0),
    ("clock_ghz", "GHz", 1.0),
    ("relative_error", "error", 1.0),
];

/// `record` as JSON; `what` names it in the message.
///
/// # Errors
/// Failure when it cannot be expressed as JSON.
pub fn json(what: &str, record: &impl Serialize) -> Result<Value> {
    serde_json::to_value(record).map_err(|e| Error::failure(format!("{what} cannot be written as JSON: {e}")))
}

/// The list under `key` of a record.
pub(super) fn list<'r>(record: &'r Value, key: &str) -> impl Iterator<Item = &'r Value> + use<'r> {
    record[key].as_array().into_iter().flatten()
}

/// The keys of all `objects` in one record: of a key that several have, the last value. Lists of records stay out.
pub(super) fn merged<'v>(objects: impl IntoIterator<Item = &'v Value>) -> Record {
    let keys = objects.into_iter().filter_map(Value::as_object).flatten();
    let small = |value: &Value| value.as_array().is_none_or(|list| list.len() < 3 && list.iter().all(Value::is_number));
    keys.filter(|(_, value)| small(value)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The columns of these names, in that order: those of `own`, the others from the record.
pub(super) fn columns<R: Recorded>(names: &'static str, own: impl IntoIterator<Item = Column<R>>) -> Vec<Column<R>> {
    let mut own: Vec<Option<Column<R>>> = own.into_iter().map(Some).collect();
    let mut one = |name: &'static str| {
        let place = own.iter().position(|column| column.as_ref().is_some_and(|column| column.name == name));
        place.and_then(|place| own[place].take()).unwrap_or_else(|| recorded(name))
    };
    names.split_whitespace().map(&mut one).collect()
}

fn recorded<R: Recorded>(name: &'static str) -> Column<R> {
    let heading = HEADINGS.iter().find(|(key, ..)| *key == name);
    let &(_, head, unit) = heading.unwrap_or(&(name, name, 1.0));
    column(name, head, move |row: &R| find(row.record(), name).map_or(Cell::Empty, |value| cell(value, unit)))
}

/// The value under `name`: `a_b` is also b of the record a, and `a_low` and `a_high` are the ends of `a`, `a_interval` or
/// `a_range`.
fn find<'r>(record: &'r Record, name: &str) -> Option<&'r Value> {
    if let Some(value) = record.get(name) {
        return Some(value.get("value").unwrap_or(value));
    }
    for (ending, end) in [("_low", 0), ("_high", 1)] {
        if let Some(stem) = name.strip_suffix(ending) {
            let lists = ["", "_interval", "_range"].map(|kind| find(record, &format!("{stem}{kind}")));
            return lists.into_iter().flatten().find_map(|list| list.get(end));
        }
    }
    name.match_indices('_').find_map(|(at, _)| record.get(&name[..at])?.get(&name[at + 1..]))
}

/// A value of a record for programs, and in a heading's unit for people.
pub(super) fn cell(value: &Value, unit: f64) -> Cell {
    match value {
        Value::Number(number) => {
            let (count, value) = (number.as_u64(), number.as_f64().unwrap_or_default());
            // Factors are whole numbers, so that nothing is rounded twice.
            let shown = if unit < 1.0 { value * (1.0 / unit).round() } else { value / unit };
            match count {
                Some(count) if unit == 1.0 => Cell::plain(count),
                Some(count) => Cell::Number { exact: count.to_string(), shown: significant(shown) },
                None => Cell::Number { exact: value.to_string(), shown: significant(shown) },
            }
        }
        Value::String(words) => Cell::text(words),
        Value::Bool(answer) => Cell::text(answer.to_string()),
        _ => Cell::Empty,
    }
}
