//! An entry of GenZ's table: abhibambhaniya/GenZ-LLM-Analyzer, `Systems/system_configs.py` (genz-llm 0.0.16): `Flops` in TFLOP/s of 16 bits (int8 is
//! reckoned twice, f32 half as fast), `Memory_size` in GiB, `Memory_BW` and `ICN`, and `real_values`, without which it crashes.
//!
//! Its `GenZ/unit.py` multiplies bandwidths by 2^30, not by 10⁹: ours are divided accordingly.

use super::{Draft, Subject, gib, object, tera};
use crate::error::Result;
use crate::units::four_digits;
use roofprobe_kernels::Dtype;
use serde_json::{Map, Value, json};

/// GB/s in GiB/s.
const BINARY: f64 = 1e9 / (1u64 << 30) as f64;

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let (flops, read) = (of.products(Dtype::F16), of.read());
    for (key, known) in [("Flops", flops), ("Memory_BW", read)] {
        if known.is_none() {
            of.demanded(&format!("{}.{key}", of.slug()), "it was not measured");
        }
    }
    of.demanded(&format!("{}.ICN", of.slug()), "a profile is of one device, without links to others");
    let fields = object([
        ("Flops", flops.map(tera)),
        ("Memory_size", of.memory_bytes("Memory_size").map(gib)),
        ("Memory_BW", read.map(|gb_per_s| json!(four_digits(gb_per_s * BINARY)))),
        ("real_values", Some(json!(true))),
    ]);
    Ok(Draft::Json(Value::Object(Map::from_iter([(of.slug(), Value::Object(fields))]))))
}
