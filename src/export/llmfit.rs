//! The hardware profile of llmfit, and the attributes of its Kubernetes driver.
//!
//! AlexsJones/llmfit, `llmfit-core/data/hardware/README.md`: `schema_version` 1, `name` as the file is called; `gbps` are giga**bytes** per second. Its default
//! efficiency of 0.55 would derate what is measured, so it is 1. It has no field for a card's own memory.
//!
//! sympozium-ai/llmfit-dra, `internal/publisher/publisher.go`: attributes of the domain llmfit.ai, each under its type; whole GB/s and TFLOP/s; strings of at most
//! 64 bytes. Nothing imports them: the driver publishes what it finds itself, and this is the same of a measurement.

use super::{Draft, Subject, gib, object, tera};
use crate::error::Result;
use crate::profile::{CeilingId, GpuClass, MemoryLevel};
use roofprobe_kernels::{Dtype, Op};
use serde_json::{Map, Value, json};

/// Bytes of a string in a Kubernetes device attribute.
const STRING_MAX: usize = 64;

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let gpu = of.is_gpu();
    let dram = of.value(&CeilingId::memory(MemoryLevel::Dram, Op::Read));
    let vram = of.value(&CeilingId::memory(MemoryLevel::Vram, Op::Read));
    let f16 = gpu.then(|| of.products(Dtype::F16)).flatten();
    let ram = if gpu { None } else { of.memory_bytes("hardware.total_ram_gb") };
    if ram.is_none() {
        of.demanded("hardware.total_ram_gb", "the profile does not know the host's memory");
    }
    let unified = of.profile.device.gpu.as_ref().map(|gpu| gpu.class == GpuClass::Integrated);
    if gpu {
        of.remark("there is no field for a card's own memory");
    }
    let hardware = object([
        ("total_ram_gb", ram.map(gib)),
        ("unified_memory", Some(json!(unified.unwrap_or(false)))),
        ("gpu_memory_bandwidth_gbps", vram.map(|rate| json!(rate))),
        ("ddr_bandwidth_gbps", dram.map(|rate| json!(rate))),
        ("gpu_compute_tflops_fp16", f16.map(tera)),
    ]);
    let matched = gpu.then(|| json!({ "gpu_name_contains": of.profile.device.model }));
    Ok(Draft::Json(Value::Object(object([
        ("schema_version", Some(json!(1))),
        ("name", Some(json!(of.slug()))),
        ("match", matched),
        ("hardware", Some(Value::Object(hardware))),
        ("estimation", Some(json!({ "efficiency": 1.0 }))),
    ]))))
}

pub(super) fn write_dra(of: &mut Subject) -> Result<Draft> {
    let (read, f16) = (of.read(), of.products(Dtype::F16));
    let device = of.profile.device.clone();
    let text = |text: &str| json!({ "string": cut(text) });
    let whole = |value: Option<f64>| value.map(|value| json!({ "int": value.round() as u64 }));
    let memory = of.memory_bytes("memory");
    let bus = device.gpu.as_ref().and_then(|gpu| gpu.pci_bus.as_deref());
    for (key, known) in [("memoryBandwidthGBs", read), ("computeTFLOPS", f16)] {
        if known.is_none() {
            of.left_out(key, "it was not measured");
        }
    }
    let attributes = object([
        ("kind", Some(text(if of.is_gpu() { "gpu" } else { "cpu" }))),
        ("vendor", Some(text(&device.vendor))),
        ("model", Some(text(&device.model))),
        ("pciAddress", bus.map(text)),
        ("source", Some(text("roofprobe"))),
        ("backend", of.profile.provenance.gpu.as_ref().map(|gpu| text(&gpu.backend))),
        ("driver", of.profile.provenance.gpu.as_ref().map(|gpu| text(&gpu.driver))),
        ("unifiedMemory", device.gpu.as_ref().map(|gpu| json!({ "bool": gpu.class == GpuClass::Integrated }))),
        ("memoryBandwidthGBs", whole(read)),
        ("computeTFLOPS", whole(f16.map(|gflops| gflops / 1000.0))),
    ]);
    let in_domain: Map<String, Value> =
        attributes.into_iter().map(|(key, value)| (format!("llmfit.ai/{key}"), value)).collect();
    let capacity = object([("memory", memory.map(|bytes| json!({ "value": bytes.to_string() })))]);
    Ok(Draft::Json(json!({ "name": of.slug(), "attributes": in_domain, "capacity": capacity })))
}

/// As much of a text as an attribute takes.
fn cut(text: &str) -> &str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= STRING_MAX).last();
    &text[..end.unwrap_or(0)]
}
