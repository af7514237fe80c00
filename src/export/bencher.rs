//! Bencher Metric Format (bencher.dev/docs/reference/bencher-metric-format): benchmark, then measure, then `value` with its bounds.
//!
//! Names have at most 1024 characters. The measures `latency` and `throughput` are taken there (ns, operations per second), so ours have names of
//! their own, and a name that ends in `-bencher-ignore` would be muted.

use super::{Draft, Subject, object};
use crate::error::Result;
use crate::profile::Unit;
use serde_json::{Map, Value, json};

/// Characters of a benchmark's name that the device may take.
const DEVICE_MAX: usize = 900;

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let device: String = of.name().chars().take(DEVICE_MAX).collect();
    let measure = |unit| match unit {
        Unit::GbPerS => "gigabytes-per-second",
        Unit::GflopPerS => "gigaflops",
        Unit::Ns => "load-nanoseconds",
        Unit::Us => "begin-microseconds",
    };
    let mut all = Map::new();
    for ceiling in of.ceilings() {
        let Some((value, unit)) = ceiling.value() else { continue };
        let end = |at: usize| ceiling.ci95.map(|ends| json!(ends[at]));
        let metric = object([("value", Some(json!(value))), ("lower_value", end(0)), ("upper_value", end(1))]);
        all.insert(format!("{device}/{}", ceiling.id), json!({ measure(unit): Value::Object(metric) }));
    }
    Ok(Draft::Json(Value::Object(all)))
}
