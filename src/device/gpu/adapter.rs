//! Adapters: which GPUs there are, each once, and how one is chosen.

use serde::{Deserialize, Serialize};
use wgpu::{Backend, Backends, DeviceType};

/// A GPU as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// Its place in the list.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub class: String,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Vendor and device, hexadecimal, such as `10de:2684`; none where the backend does not tell.
    pub pci_id: Option<String>,
    /// Its place on the bus, such as `0000:01:00.0`.
    pub pci_bus: Option<String>,
    /// The driver.
    pub driver: String,
    /// Its version, in its own words.
    pub driver_info: String,
    /// Bytes of memory of its own; none where the backend does not tell, or the memory is the host's.
    pub memory_bytes: Option<u64>,
}

impl Adapter {
    /// Whether the processor plays the GPU.
    pub fn is_software(&self) -> bool {
        self.class == "software"
    }
}

/// Every adapter of every backend, the better backend first, each GPU once.
pub(super) fn all() -> Vec<(Adapter, wgpu::Adapter)> {
    // Drivers are asked for nothing but what is needed: no debug output, no validation layers, no window.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = Backends::VULKAN | Backends::METAL | Backends::DX12 | Backends::GL;
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(Backends::all()));
    found.sort_by_key(|adapter| rank(adapter.get_info().backend));
    let mut listed: Vec<(Adapter, wgpu::Adapter)> = Vec::new();
    for adapter in found {
        let described = describe(&adapter);
        if !listed.iter().any(|(known, _)| same(known, &described)) {
            listed.push((described, adapter));
        }
    }
    // Hardware comes before software, and what has memory of its own before what borrows the host's.
    listed.sort_by_key(|(adapter, _)| {
        ["discrete", "integrated", "virtual", "other", "software"].iter().position(|class| *class == adapter.class)
    });
    for (index, (adapter, _)) in listed.iter_mut().enumerate() {
        adapter.index = index;
    }
    listed
}

fn rank(backend: Backend) -> u32 {
    match backend {
        Backend::Vulkan | Backend::Metal => 0,
        Backend::Dx12 => 1,
        Backend::Gl => 2,
        Backend::BrowserWebGpu | Backend::Noop => 3,
    }
}

fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let info = adapter.get_info();
    let class = match info.device_type {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    };
    let known = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let memory = matches!(info.device_type, DeviceType::DiscreteGpu | DeviceType::VirtualGpu)
        .then(|| super::raw::device_memory_bytes(adapter))
        .flatten();
    Adapter {
        index: 0,
        name: info.name.trim().to_owned(),
        class: class.to_owned(),
        backend: info.backend.to_str().to_owned(),
        pci_id: (info.vendor != 0).then(|| format!("{:04x}:{:04x}", info.vendor, info.device)),
        pci_bus: known(&info.device_pci_bus_id),
        driver: info.driver.trim().to_owned(),
        driver_info: info.driver_info.trim().to_owned(),
        memory_bytes: memory,
    }
}

/// Whether two entries are the same GPU, seen by two backends. Two equal cards in one machine differ in their place on the
/// bus, or stand in the list of the same backend.
fn same(known: &Adapter, other: &Adapter) -> bool {
    if known.backend == other.backend {
        return false;
    }
    if let (Some(a), Some(b)) = (&known.pci_bus, &other.pci_bus) {
        return a == b;
    }
    match (&known.pci_id, &other.pci_id) {
        (Some(a), Some(b)) => a == b,
        // GL tells neither: it decorates the name that Vulkan gives.
        _ => {
            let [a, b] = [known, other].map(|adapter| adapter.name.to_lowercase());
            a.contains(&b) || b.contains(&a) || first_word(&a) == first_word(&b)
        }
    }
}

fn first_word(name: &str) -> &str {
    name.split([' ', '(', '/']).next().unwrap_or(name)
}
