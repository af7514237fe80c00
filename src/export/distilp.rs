//! The device profile of distilp and dnet: firstbatchxyz/distilp, `src/distilp/common/device.py`, class `DeviceProfile` (commit 43eda2e).
//!
//! FLOP/s per type of weights and number of tokens (`b_1`), B/s, and seconds for 1 MiB. Its solver divides by `T_cpu` and `s_disk`. A type
//! that is missing from a table costs nothing there without a word, so it is said. It knows no Q4_0 and no int8.

use super::{Draft, Subject, object, whole};
use crate::error::Result;
use crate::profile::{CeilingId, GpuClass, IdKind, MemoryLevel};
use crate::units::four_digits;
use roofprobe_kernels::{Dtype, Op};
use serde_json::{Map, Value, json};

/// Its types, and ours.
const TYPES: [(&str, Dtype); 7] = [
    ("Q4_K", Dtype::Q4K),
    ("Q5_K", Dtype::Q5K),
    ("Q6_K", Dtype::Q6K),
    ("Q8_0", Dtype::Q8_0),
    ("BF16", Dtype::Bf16),
    ("F16", Dtype::F16),
    ("F32", Dtype::F32),
];
const MIB: f64 = 1_048_576.0;

pub(super) fn write(of: &mut Subject) -> Result<Draft> {
    let table = table(of);
    let read = of.read();
    let device = &of.profile.device;
    let vendor = device.vendor.to_lowercase();
    let metal = of.is_gpu() && vendor.contains("apple");
    let cuda = of.is_gpu() && vendor.contains("nvidia");
    let unified = device.gpu.as_ref().map(|gpu| gpu.class == GpuClass::Integrated);
    let available = of.profile.environment.as_ref().map(|environment| environment.memory_available_bytes);
    let mut fields = object([
        ("name", Some(json!(of.name()))),
        ("is_head", Some(json!(true))),
        ("is_unified_mem", unified.map(|unified| json!(unified))),
        ("has_cuda", Some(json!(cuda))),
        ("has_metal", Some(json!(metal))),
    ]);
    match of.profile.environment.as_ref().map(|environment| environment.os.as_str()) {
        Some("macos") => drop(fields.insert("os_type".into(), json!(if metal { "mac_metal" } else { "mac_no_metal" }))),
        Some(os @ ("linux" | "android")) => drop(fields.insert("os_type".into(), json!(os))),
        _ => of.left_out("os_type", "it knows Linux, Android and macOS"),
    }
    let seconds = |rate: Option<f64>| rate.map(|gb_per_s| json!(four_digits(MIB / (gb_per_s * 1e9))));
    let [up, down] = [Op::Upload, Op::Download].map(|op| of.value(&CeilingId::transfer(op)));
    let host = of.value(&CeilingId::memory(MemoryLevel::Dram, Op::Read));
    let (tables, rate, memory) = match (of.is_gpu(), metal) {
        (false, _) => ("scpu", "T_cpu", "d_avail_ram"),
        (true, true) => ("sgpu_metal", "T_metal", "d_avail_metal"),
        (true, false) => ("sgpu_cuda", "T_cuda", "d_avail_cuda"),
    };
    let bytes = if of.is_gpu() { of.memory_bytes(memory) } else { available };
    fields.extend(object([
        (tables, Some(Value::Object(table))),
        (rate, read.map(whole)),
        (memory, bytes.map(|bytes| json!(bytes))),
        ("t_ram2vram", seconds(up)),
        ("t_vram2ram", seconds(down)),
    ]));
    if of.is_gpu() && host.is_none() {
        of.demanded("T_cpu", "this profile is of a GPU, and the solver divides by the host's memory");
    }
    if of.is_gpu() && !metal && !cuda {
        of.remark("the GPU is neither NVIDIA's nor Apple's: its figures stand where it has CUDA's");
    }
    of.demanded("s_disk", "roofprobe does not measure disks, and the solver divides by it");
    of.left_out("t_comm", "a profile is of one device");
    Ok(Draft::Json(Value::Object(fields)))
}

/// FLOP/s of products: type, then tokens.
fn table(of: &mut Subject) -> Map<String, Value> {
    let mut table = Map::new();
    let ceilings = of.ceilings();
    for (name, dtype) in TYPES {
        let of_type = ceilings.iter().filter_map(|ceiling| match ceiling.id.kind() {
            IdKind::Matmul { tokens, .. } if ceiling.id.dtype() == Some(dtype) => {
                Some((format!("b_{tokens}"), whole(ceiling.gflop_per_s?)))
            }
            _ => None,
        });
        let rates: Map<String, Value> = of_type.collect();
        if rates.is_empty() {
            of.left_out(name, "no products were measured, and a type that is missing there costs nothing");
        } else {
            table.insert(name.to_owned(), Value::Object(rates));
        }
    }
    table
}
