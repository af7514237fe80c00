//! github-action-benchmark (benchmark-action/github-action-benchmark, README: `customBiggerIsBetter` and `customSmallerIsBetter`): `name`, `unit`, `value`, a
//! `range` for people and `extra`. More and less being better are two files.
//!
//! Its alert threshold is 200 % unless one says otherwise, which is a halving.

use super::{Draft, Subject, object};
use crate::error::Result;
use crate::units::four_digits;
use serde_json::{Value, json};

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    list(of, true)
}

pub(super) fn write_times(of: &mut Subject) -> Result<Draft> {
    list(of, false)
}

fn list(of: &mut Subject, rates: bool) -> Result<Draft> {
    let device = of.name();
    let entry = |ceiling: crate::profile::Ceiling| {
        let (value, unit) = ceiling.value().filter(|(_, unit)| unit.is_rate() == rates)?;
        let range = ceiling.ci95.map(|[low, high]| json!(format!("± {}", four_digits((high - low) / 2.0))));
        Some(Value::Object(object([
            ("name", Some(json!(ceiling.id.as_str()))),
            ("unit", Some(json!(unit.symbol()))),
            ("value", Some(json!(value))),
            ("range", range),
            ("extra", Some(json!(device))),
        ])))
    };
    let entries: Vec<Value> = of.ceilings().into_iter().filter_map(entry).collect();
    of.remark("set alert-threshold: the default of 200 % hears of nothing before a halving");
    Ok(Draft::Json(Value::Array(entries)))
}
