//! The system file of aiconfigurator: ai-dynamo/aiconfigurator, `aic-core/src/aiconfigurator_core/systems/*.yaml`, read by its `SystemSpec`.
//!
//! Plain SI units, no prefixes. Its own files derate bandwidth by 0.8; ours is measured, so the factor is 1. A type without a peak is left
//! out, as 0 is an error on use. Without its tables of kernels in `data_dir` it estimates by the speed of light alone.

use super::{Draft, Subject, object, whole};
use crate::error::Result;
use crate::profile::CeilingId;
use roofprobe_kernels::{Dtype, Op};
use serde_json::json;

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let read = of.read();
    if read.is_none() {
        of.demanded("gpu.mem_bw", "the read of memory was not measured");
    }
    let [bf16, i8_] = [Dtype::Bf16, Dtype::I8].map(|dtype| of.products(dtype));
    for (key, known) in [("gpu.bfloat16_tc_flops", bf16), ("gpu.int8_tc_flops", i8_)] {
        if known.is_none() {
            of.left_out(key, "this arithmetic was not measured");
        }
    }
    of.left_out("gpu.fp8_tc_flops", "roofprobe does not measure fp8");
    let gpu = object([
        ("mem_bw", read.map(whole)),
        ("mem_bw_empirical_scaling_factor", read.map(|_| json!(1.0))),
        ("mem_empirical_constant_latency", of.dispatch().map(|seconds| json!(seconds))),
        ("mem_capacity", of.memory_bytes("gpu.mem_capacity").map(|bytes| json!(bytes))),
        ("bfloat16_tc_flops", bf16.map(whole)),
        ("int8_tc_flops", i8_.map(whole)),
    ]);
    for key in ["node.inter_node_bw", "node.intra_node_bw"] {
        of.demanded(key, "a profile is of one device");
    }
    let upload = of.value(&CeilingId::transfer(Op::Upload));
    let node = object([("num_gpus_per_node", Some(json!(1))), ("pcie_bw", upload.map(whole))]);
    Ok(Draft::Yaml(json!({ "data_dir": format!("data/{}", of.slug()), "gpu": gpu, "node": node })))
}
