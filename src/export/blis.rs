//! An entry of `hardware_config.json` of the BLIS simulator: inference-sim/inference-sim, `sim/model_hardware_config.go`, struct `HardwareCalib` (commit
//! f90a1e3): `TFlopsPeak` in TFLOP/s, `TFlopsFP8` (0 is "none"), `BwPeakTBs` in TB/s, the share of the peak that prefill and decode reach, `MemoryGiB`.
//!
//! Parsing is strict: keys of older versions are errors.

use super::{Draft, MANY_TOKENS, Subject, gib, object, tera};
use crate::error::Result;
use crate::profile::{CeilingId, Means};
use crate::units::four_digits;
use roofprobe_kernels::Dtype;
use serde_json::{Map, Value, json};

/// Sequences of a decode step, the first that was measured counts.
const DECODE_TOKENS: [u64; 4] = [32, 16, 8, 1];

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    // CPUs widen f16 to f32 before they multiply.
    let arithmetic = if of.is_gpu() { Dtype::F16 } else { Dtype::F16.usual_arithmetic() };
    let peak = of.value(&CeilingId::compute(arithmetic, Means::Best));
    let prefill = of.value(&CeilingId::matmul(Dtype::F16, MANY_TOKENS));
    let decode = DECODE_TOKENS.into_iter().find_map(|tokens| of.value(&CeilingId::matmul(Dtype::F16, tokens)));
    let share = |rate: Option<f64>| rate.zip(peak).map(|(rate, peak)| json!(four_digits(rate / peak)));
    let read = of.read();
    let (prefill, decode) = (share(prefill), share(decode));
    let known = [
        ("TFlopsPeak", peak.is_some()),
        ("BwPeakTBs", read.is_some()),
        ("mfuPrefill", prefill.is_some()),
        ("mfuDecode", decode.is_some()),
    ];
    for (key, _) in known.iter().filter(|(_, known)| !known) {
        of.demanded(&format!("{}.{key}", of.slug()), "it was not measured");
    }
    of.remark("TFlopsFP8 is 0, which means none there: roofprobe does not measure fp8");
    let fields = object([
        ("TFlopsPeak", peak.map(tera)),
        ("TFlopsFP8", Some(json!(0))),
        ("BwPeakTBs", read.map(tera)),
        ("mfuPrefill", prefill),
        ("mfuDecode", decode),
        ("MemoryGiB", of.memory_bytes("MemoryGiB").map(gib)),
    ]);
    Ok(Draft::Json(Value::Object(Map::from_iter([(of.slug(), Value::Object(fields))]))))
}
