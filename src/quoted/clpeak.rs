//! What clpeak 3 writes with `-o`: devices, their tests, and the readings of each (its `docs/format-v3.md`).
//!
//! A reading times its `scale` is in FLOP/s, op/s, B/s or s. Files from September 2026 on have no scale: their units are those. A unit
//! with a prefix and without a scale is refused.

use super::{Asked, Figure, Found};
use crate::error::{Error, Result, shown};
use crate::json;
use crate::profile::{CeilingId, DeviceKind, Means, MemoryLevel, Unit};
use roofprobe_kernels::{Dtype, Op};
use serde_json::Value;

/// Which readings of a test count.
enum Readings {
    /// The best of all.
    Best,
    /// The best of those whose name ends so.
    Ending(&'static str),
    /// The one of this name.
    Named(&'static str),
}

use Readings::{Best, Ending, Named};

/// What a test's readings are.
type Rule = (&'static str, Readings, fn() -> CeilingId);

/// Both read main memory by the same name.
const MEMORY: &str = "global_memory_bandwidth";

const OF_GPU: [Rule; 13] = [
    (MEMORY, Best, || CeilingId::memory(MemoryLevel::Vram, Op::Read)),
    ("double_precision_compute", Best, || CeilingId::compute(Dtype::F64, Means::Best)),
    ("single_precision_compute", Best, || CeilingId::compute(Dtype::F32, Means::Best)),
    ("half_precision_compute", Best, || CeilingId::compute(Dtype::F16, Means::Best)),
    ("bfloat16_compute", Best, || CeilingId::compute(Dtype::Bf16, Means::Best)),
    ("integer_compute_int8_dp", Best, || CeilingId::compute(Dtype::I8, Means::Best)),
    ("wmma", Named("fp16"), cooperative),
    ("coopmat", Named("fp16"), cooperative),
    ("simdgroup_matrix", Named("fp16"), cooperative),
    ("joint_matrix", Named("fp16"), cooperative),
    ("transfer_bandwidth", Named("h2d_pinned"), || CeilingId::transfer(Op::Upload)),
    ("transfer_bandwidth", Named("d2h_pinned"), || CeilingId::transfer(Op::Download)),
    ("kernel_launch_latency", Named("roundtrip"), || CeilingId::overhead(Op::Submit)),
];

const OF_CPU: [Rule; 16] = [
    (MEMORY, Named("read"), || CeilingId::memory(MemoryLevel::Dram, Op::Read)),
    (MEMORY, Named("copy"), || CeilingId::memory(MemoryLevel::Dram, Op::Copy)),
    (MEMORY, Named("triad"), || CeilingId::memory(MemoryLevel::Dram, Op::Triad)),
    ("cache_bandwidth", Named("L1 MT"), || CeilingId::memory(MemoryLevel::Cache(1), Op::Read)),
    ("cache_bandwidth", Named("L2 MT"), || CeilingId::memory(MemoryLevel::Cache(2), Op::Read)),
    ("cache_bandwidth", Named("L3 MT"), || CeilingId::memory(MemoryLevel::Cache(3), Op::Read)),
    ("memory_latency", Named("L1"), || CeilingId::latency(MemoryLevel::Cache(1))),
    ("memory_latency", Named("L2"), || CeilingId::latency(MemoryLevel::Cache(2))),
    ("memory_latency", Named("L3"), || CeilingId::latency(MemoryLevel::Cache(3))),
    ("memory_latency", Named("DRAM"), || CeilingId::latency(MemoryLevel::Dram)),
    ("double_precision_compute", Ending(" MT"), || CeilingId::compute(Dtype::F64, Means::Best)),
    ("single_precision_compute", Ending(" MT"), || CeilingId::compute(Dtype::F32, Means::Best)),
    ("single_precision_compute", Ending(" ST"), || CeilingId::compute(Dtype::F32, Means::Single)),
    ("half_precision_compute", Ending(" MT"), || CeilingId::compute(Dtype::F16, Means::Best)),
    ("bfloat16_compute", Ending(" MT"), || CeilingId::compute(Dtype::Bf16, Means::Best)),
    ("integer_dot_product", Named("int8_dp MT"), || CeilingId::compute(Dtype::I8, Means::Best)),
];

fn cooperative() -> CeilingId {
    CeilingId::compute(Dtype::F16, Means::CooperativeMatrix)
}

pub(super) fn is(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains("\"clpeak/run\"")
}

pub(super) fn read(text: &str, asked: &Asked) -> Result<Found> {
    let (run, _) = json::first(text.trim_start()).map_err(|e| Error::misuse(format!("no JSON of clpeak: {e}")))?;
    if run["schema"] != "clpeak/run" || run["format_version"] != 3 {
        return Err(Error::misuse(format!(
            "format_version: must be 3, is {}",
            shown(&run["format_version"].to_string())
        )));
    }
    let devices = run["devices"].as_array().ok_or_else(|| Error::misuse("devices: must be a list"))?;
    let known: Vec<(&str, DeviceKind, &Value)> =
        devices.iter().filter_map(|one| Some((name(one)?, kind(one)?, one))).collect();
    let is = |(name, kind, _): &&(&str, DeviceKind, &Value)| {
        asked.device.as_ref().is_none_or(|asked| asked.eq_ignore_ascii_case(name))
            && asked.kind.is_none_or(|asked| asked == *kind)
    };
    let chosen: Vec<_> = known.iter().filter(is).collect();
    let Some((device, device_kind, _)) = chosen.first() else { return Err(choose(&known, "no such device")) };
    // The same device may be there through several backends: the best of all counts.
    if chosen.iter().any(|(name, kind, _)| name != device || kind != device_kind) {
        return Err(choose(&known, "several devices"));
    }
    let mut figures = Vec::new();
    for (.., one) in &chosen {
        figures_of(one, *device_kind, run["cancelled"] == true, &mut figures)?;
    }
    let host = &run["host"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Found {
        tool: "clpeak",
        version: text(&run["clpeak_version"]),
        date: text(&run["generated_at"]),
        device: Some((*device).to_owned()),
        kind: Some(*device_kind),
        architecture: host["arch"].as_str().map(|arch| if arch == "arm64" { "aarch64" } else { arch }.to_owned()),
        logical_cpus: host["logical_cores"].as_u64().and_then(|cpus| cpus.try_into().ok()),
        memory_bytes: host["memory_bytes"].as_u64(),
        figures,
    })
}

fn name(device: &Value) -> Option<&str> {
    device["name"].as_str()
}

fn kind(device: &Value) -> Option<DeviceKind> {
    match (device["backend"].as_str()?, device["type"].as_str()) {
        ("CPU", _) => Some(DeviceKind::Cpu),
        // Other ways to a processor are no device of its own.
        (_, Some("gpu")) => Some(DeviceKind::Gpu),
        _ => None,
    }
}

fn choose(known: &[(&str, DeviceKind, &Value)], what: &str) -> Error {
    let word = |kind: &DeviceKind| if *kind == DeviceKind::Cpu { "cpu" } else { "gpu" };
    let mut names: Vec<String> =
        known.iter().map(|(name, kind, _)| format!("--device \"{}\" --kind {}", shown(name), word(kind))).collect();
    names.sort();
    names.dedup();
    Error::misuse(format!("{what}: choose {}", names.join(", or ")))
}

fn figures_of(device: &Value, kind: DeviceKind, cancelled: bool, figures: &mut Vec<Figure>) -> Result<()> {
    let rules: &[Rule] = if kind == DeviceKind::Cpu { &OF_CPU } else { &OF_GPU };
    let backend = device["backend"].as_str().unwrap_or_default();
    for test in device["tests"].as_array().into_iter().flatten() {
        let id = test["id"].as_str().unwrap_or_default();
        for (_, readings, ceiling) in rules.iter().filter(|(of, ..)| *of == id) {
            let metrics = test["metrics"].as_array().map_or(&[][..], Vec::as_slice);
            for metric in metrics.iter().filter(|metric| readings.take(metric["id"].as_str().unwrap_or_default())) {
                // What failed has a status and no value.
                if metric.get("value").is_none() {
                    continue;
                }
                let ceiling = ceiling();
                let value = value(test, metric, ceiling.unit()).map_err(|e| e.within(shown(id)))?;
                let reading = metric["id"].as_str().unwrap_or_default();
                let flag = cancelled.then(|| "the run was stopped before its end".to_owned());
                figures.push(Figure { flag, ..Figure::new(ceiling, value, format!("{backend}, {id}, {reading}")) });
            }
        }
    }
    Ok(())
}

impl Readings {
    fn take(&self, name: &str) -> bool {
        match self {
            Best => true,
            Ending(end) => name.ends_with(end),
            Named(only) => name == *only,
        }
    }
}

/// A reading in the unit of its ceiling.
fn value(test: &Value, metric: &Value, wanted: Unit) -> Result<f64> {
    let told = |key: &str| metric.get(key).or_else(|| test.get(key));
    let unit = told("unit").and_then(Value::as_str).unwrap_or_default();
    let of_base = ["FLOPS", "OPS", "B/s", "s"].contains(&unit);
    let scale = match told("scale").map(Value::as_f64) {
        Some(Some(scale)) => scale,
        None if of_base => 1.0,
        _ => return Err(Error::misuse(format!("unit: \"{}\" without a scale says nothing", shown(unit)))),
    };
    let (quantities, per_unit): (&[&str], f64) = match wanted {
        Unit::GbPerS => (&["bytes_per_second"], 1e-9),
        Unit::GflopPerS => (&["flops", "ops"], 1e-9),
        Unit::Ns => (&["seconds"], 1e9),
        Unit::Us => (&["seconds"], 1e6),
    };
    let quantity = told("quantity").and_then(Value::as_str).unwrap_or_default();
    if !quantities.contains(&quantity) {
        return Err(Error::misuse(format!(
            "quantity: must be {}, is \"{}\"",
            quantities.join(" or "),
            shown(quantity)
        )));
    }
    let value = metric["value"].as_f64().ok_or_else(|| Error::misuse("value: must be a number"))?;
    Ok(value * scale * per_unit)
}
