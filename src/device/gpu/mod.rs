//! GPUs through wgpu: WGSL compute shaders, timed by timestamps that are compared with the wall clock.
//!
//! A driver's fault kills its process without a message. So everything that touches a driver runs in a process of its own, the
//! worker. In the measuring process: `supervisor`, which asks the worker, notices when it crashes or hangs, and starts another
//! one. In the worker: `serve`, `worker`, and below them `routines` (what is timed), `timer` (how) and `context` (on what).
//! `protocol` is what the two processes exchange. `replay` has both sides of a model's sequence of operations.
//!
//! In a web page the browser is that other process: `browser` is the device there, and the worker and all below it are the same.
#![cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "a page has one adapter and no process to talk to"))]

mod adapter;
#[cfg(target_arch = "wasm32")]
mod browser;
mod buffers;
mod choose;
mod contention;
mod context;
mod hooks;
mod params;
mod pipeline;
mod protocol;
mod raw;
mod replay;
mod routines;
mod scopes;
mod serve;
mod shader;
#[cfg(not(target_arch = "wasm32"))]
mod supervised;
#[cfg(not(target_arch = "wasm32"))]
mod supervisor;
mod timer;
mod timestamps;
mod unroll;
mod waiting;
mod worker;

pub use adapter::Adapter;
#[cfg(target_arch = "wasm32")]
pub use browser::{Browser, Host, Suspension};
pub use choose::{Chosen, again, best, hardware, named, no_hardware};
#[cfg(not(target_arch = "wasm32"))]
pub use replay::GpuReplayer;
pub use serve::serve;
#[cfg(not(target_arch = "wasm32"))]
pub use supervised::Gpu;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use supervisor::VERB;
#[cfg(not(target_arch = "wasm32"))]
pub use supervisor::{AdapterList, adapters};

use crate::profile::{DeviceInfo, DeviceKind, GpuClass, GpuInfo};

/// A GPU as profiles describe it; `host` is the processor beside it, where it is known.
fn device_info(adapter: &Adapter, gpu: &GpuInfo, host: Option<&DeviceInfo>) -> DeviceInfo {
    let of_host = matches!(gpu.class, GpuClass::Software | GpuClass::Integrated);
    // A GPU in the processor's own chip is known by that chip.
    let chip = host.filter(|_| gpu.class == GpuClass::Integrated);
    DeviceInfo {
        name: adapter.name.clone(),
        kind: DeviceKind::Gpu,
        vendor: vendor(adapter.pci_id.as_deref(), &adapter.name).to_owned(),
        model: adapter.name.clone(),
        microarchitecture: None,
        board: chip.and_then(|host| host.board.clone()),
        soc: chip.and_then(|host| host.soc.clone()),
        architecture: "gpu".to_owned(),
        isas: Vec::new(),
        isas_unused: Vec::new(),
        sve_bits: None,
        sme_bits: None,
        logical_cpus: None,
        cores: None,
        memory_bytes: adapter.memory_bytes.or(host.filter(|_| of_host).and_then(|host| host.memory_bytes)),
        // A software adapter uses the processor's caches. No backend reports those of a GPU.
        caches: host.filter(|_| gpu.class == GpuClass::Software).map_or_else(Vec::new, |host| host.caches.clone()),
        core_classes: Vec::new(),
        gpu: Some(gpu.clone()),
    }
}

/// The maker, by its PCI number, else by the adapter's name.
fn vendor(pci_id: Option<&str>, name: &str) -> &'static str {
    const MAKERS: [(&str, &str); 11] = [
        ("10de", "NVIDIA"),
        ("1002", "AMD"),
        ("8086", "Intel"),
        ("106b", "Apple"),
        ("13b5", "Arm"),
        ("5143", "Qualcomm"),
        ("1010", "Imagination"),
        ("14e4", "Broadcom"),
        ("10005", "Mesa"),
        ("1ae0", "Google"),
        ("1414", "Microsoft"),
    ];
    let number = pci_id.and_then(|id| id.split(':').next());
    let by_number = MAKERS.iter().find(|(id, _)| number == Some(*id));
    let says = |maker: &str| name.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case(maker));
    by_number.or_else(|| MAKERS.iter().find(|(_, maker)| says(maker))).map_or("unknown", |(_, maker)| maker)
}
