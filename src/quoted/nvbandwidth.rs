//! What nvbandwidth prints with `--json`, warnings before and behind it: copies between host and device in GB/s, by copy engines.
//!
//! The cells of a matrix are **text**; `sum` is of all devices, and is not taken.

use super::{Asked, Figure, Found, number};
use crate::error::{Error, Result, shown};
use crate::json;
use crate::profile::{CeilingId, DeviceKind};
use roofprobe_kernels::Op;
use serde_json::Value;

const TESTS: [(&str, Op); 2] = [("host_to_device_memcpy_ce", Op::Upload), ("device_to_host_memcpy_ce", Op::Download)];

/// Lines that begin as JSON and are none, before its document.
const BROKEN_MAX: usize = 16;

pub(super) fn is(text: &str) -> bool {
    text.contains("\"nvbandwidth\"")
}

pub(super) fn read(text: &str, _: &Asked) -> Result<Found> {
    let document = document(text)?;
    let root = &document["nvbandwidth"];
    let tests = root["testcases"].as_array().ok_or_else(|| Error::misuse("nvbandwidth.testcases: must be a list"))?;
    let mut figures = Vec::new();
    for (name, op) in TESTS {
        let test = tests.iter().find(|test| test["name"] == name && test["status"] == "Passed");
        if let Some(best) = test.map(|test| best(name, &test["bandwidth_matrix"])).transpose()?.flatten() {
            figures.push(Figure::new(CeilingId::transfer(op), best, format!("{name}, the best device")));
        }
    }
    let devices = root["GPU Device list"].as_array().map_or(&[][..], Vec::as_slice);
    // `0: NVIDIA H100 PCIe (00000000:41:00): (host)`
    let device = match devices {
        [Value::String(only)] => {
            only.split_once(": ").map(|(_, rest)| rest.split(" (").next().unwrap_or(rest).to_owned())
        }
        _ => None,
    };
    Ok(Found {
        tool: "nvbandwidth",
        version: root["version"].as_str().map(str::to_owned),
        device,
        kind: Some(DeviceKind::Gpu),
        figures,
        ..Found::default()
    })
}

fn document(text: &str) -> Result<Value> {
    let mut last = Error::misuse("no JSON of nvbandwidth");
    let begins = text.match_indices('{').filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    for (at, _) in begins.take(BROKEN_MAX) {
        match json::first(&text[at..]) {
            Ok((value, _)) if value.get("nvbandwidth").is_some() => return Ok(value),
            Ok(_) => {}
            Err(e) => last = Error::misuse(format!("no JSON of nvbandwidth: {e}")),
        }
    }
    Err(last)
}

/// The highest cell.
fn best(name: &str, matrix: &Value) -> Result<Option<f64>> {
    let mut best: Option<f64> = None;
    for cell in matrix.as_array().into_iter().flatten().filter_map(Value::as_array).flatten() {
        let rate = match cell {
            Value::String(text) if text == "N/A" => continue,
            Value::String(text) => number(name, text)?,
            Value::Number(told) => number(name, &told.to_string())?,
            other => return Err(Error::misuse(format!("{name}: \"{}\" is no rate", shown(&other.to_string())))),
        };
        best = Some(best.map_or(rate, |best| best.max(rate)));
    }
    Ok(best)
}
