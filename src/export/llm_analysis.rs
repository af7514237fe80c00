//! The GPU configuration of llm-analysis: cli99/llm-analysis, `llm_analysis/config.py`, class `GPUConfig` (llm-analysis 0.2.2). Memory in GB of 10⁹ bytes,
//! bandwidth in GB/s, peaks in TFLOP/s, latency in seconds.
//!
//! It invents int8 as twice and int4 as four times the peak of f16 where they are missing, so the measured ones are written. Its efficiencies have to be 1: these
//! figures are reached, not promised.

use super::{Draft, Subject, object, tera};
use crate::error::Result;
use crate::units::four_digits;
use roofprobe_kernels::Dtype;
use serde_json::{Value, json};

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let read = of.read();
    let [f16, i8_, i4] = [Dtype::F16, Dtype::I8, Dtype::Q4_0].map(|dtype| of.products(dtype));
    for (key, known) in [("hbm_bandwidth_in_GB_per_sec", read), ("peak_fp16_TFLOPS", f16)] {
        if known.is_none() {
            of.demanded(key, "it was not measured");
        }
    }
    for (key, known, times) in [("peak_i8_TFLOPS", i8_, "twice"), ("peak_i4_TFLOPS", i4, "four times")] {
        if known.is_none() {
            of.left_out(key, &format!("it was not measured, and the reader takes it as {times} f16"));
        }
    }
    for key in ["intra_node_bandwidth_in_GB_per_sec", "intra_node_min_message_latency"] {
        of.demanded(key, "a profile is of one device, without links to others");
    }
    of.remark(
        "set its efficiencies (flops_efficiency, hbm_memory_efficiency) to 1: these figures are reached, not promised",
    );
    let gigabytes = of.memory_bytes("mem_per_GPU_in_GB").map(|bytes| json!(four_digits(bytes as f64 / 1e9)));
    Ok(Draft::Json(Value::Object(object([
        ("name", Some(json!(of.slug()))),
        ("mem_per_GPU_in_GB", gigabytes),
        ("hbm_bandwidth_in_GB_per_sec", read.map(|gb_per_s| json!(gb_per_s))),
        ("peak_fp16_TFLOPS", f16.map(tera)),
        ("peak_i8_TFLOPS", i8_.map(tera)),
        ("peak_i4_TFLOPS", i4.map(tera)),
    ]))))
}
