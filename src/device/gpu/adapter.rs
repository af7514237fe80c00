//! Adapters: which GPUs there are, each once, and how one is chosen.

use super::waiting;
use crate::profile::GpuClass;
use serde::{Deserialize, Serialize};
use wgpu::{Backend, Backends, DeviceType};

/// A GPU as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// Its place in the list.
    pub index: usize,
    /// Its place in the list of its backend: where no bus is reported, nothing else distinguishes equal cards.
    pub place: usize,
    /// The driver's name for it.
    pub name: String,
    /// How it is built in.
    pub class: GpuClass,
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Vendor and device, hexadecimal, such as `10de:2684`; none where the backend does not report them.
    pub pci_id: Option<String>,
    /// Its place on the bus, such as `0000:01:00.0`.
    pub pci_bus: Option<String>,
    /// The driver.
    pub driver: String,
    /// Its version, in its own words.
    pub driver_info: String,
    /// Bytes of memory of its own; none where the backend does not report it, or the memory is the host's.
    pub memory_bytes: Option<u64>,
}

impl Adapter {
    /// Hardware before software, and what has memory of its own before what borrows the host's.
    pub(super) fn rank(&self) -> usize {
        let classes = [GpuClass::Discrete, GpuClass::Integrated, GpuClass::Virtual, GpuClass::Other];
        classes.iter().position(|class| *class == self.class).unwrap_or(classes.len())
    }

    /// Whether `other` is this very GPU, listed at another time.
    pub(super) fn is(&self, other: &Adapter) -> bool {
        let identity = |adapter: &Adapter| {
            let Adapter { name, backend, driver, pci_id, pci_bus, .. } = adapter.clone();
            (name, backend, driver, pci_id, pci_bus)
        };
        identity(self) == identity(other)
    }

    /// Whether it is software: the processor runs the shaders.
    pub fn is_software(&self) -> bool {
        self.class == GpuClass::Software
    }
}

/// Those that run compute shaders, the better first.
const BACKENDS: [Backend; 5] = [Backend::Vulkan, Backend::Metal, Backend::Dx12, Backend::Gl, Backend::BrowserWebGpu];

/// The names of the backends that this build can ask, the better first.
pub(super) fn backends() -> Vec<&'static str> {
    let built = wgpu::Instance::enabled_backend_features();
    BACKENDS.into_iter().filter(|backend| built.contains(Backends::from(*backend))).map(Backend::to_str).collect()
}

/// Every adapter of one backend. The libraries of the others are not loaded: they may be what a process dies of.
pub(super) fn of(backend: &str) -> Vec<(Adapter, wgpu::Adapter)> {
    // Drivers are asked for nothing but what is needed: no debug output, no validation layers, no window.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    let asked = BACKENDS.into_iter().find(|listed| listed.to_str() == backend);
    descriptor.backends = asked.map_or(Backends::empty(), Backends::from);
    descriptor.flags = wgpu::InstanceFlags::empty();
    let backends = descriptor.backends;
    let instance = wgpu::Instance::new(descriptor);
    let found = waiting::block_on(found(&instance, backends));
    let described = |(place, adapter)| (Adapter { place, ..describe(&adapter) }, adapter);
    found.into_iter().enumerate().map(described).collect()
}

#[cfg(not(target_arch = "wasm32"))]
async fn found(instance: &wgpu::Instance, backends: Backends) -> Vec<wgpu::Adapter> {
    instance.enumerate_adapters(backends).await
}

/// A browser has one adapter for each power preference: that for speed.
#[cfg(target_arch = "wasm32")]
async fn found(instance: &wgpu::Instance, _: Backends) -> Vec<wgpu::Adapter> {
    let power_preference = wgpu::PowerPreference::HighPerformance;
    let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
    instance.request_adapter(&options).await.into_iter().collect()
}

/// Every adapter of every backend, each GPU once, for tests of the shaders in this process.
#[cfg(test)]
pub(super) fn all() -> Vec<(Adapter, wgpu::Adapter)> {
    each_once(backends().into_iter().flat_map(of).collect())
}

/// Of entries that stand for one GPU the first; hardware first, and numbered.
pub(super) fn each_once<T>(found: Vec<(Adapter, T)>) -> Vec<(Adapter, T)> {
    let mut listed: Vec<(Adapter, T)> = Vec::new();
    for (described, adapter) in found {
        if !listed.iter().any(|(earlier, _)| same(earlier, &described)) {
            listed.push((described, adapter));
        }
    }
    listed.sort_by_key(|(adapter, _)| adapter.rank());
    for (index, (adapter, _)) in listed.iter_mut().enumerate() {
        adapter.index = index;
    }
    listed
}

fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let info = adapter.get_info();
    let class = match info.device_type {
        DeviceType::DiscreteGpu => GpuClass::Discrete,
        DeviceType::IntegratedGpu => GpuClass::Integrated,
        DeviceType::VirtualGpu => GpuClass::Virtual,
        DeviceType::Cpu => GpuClass::Software,
        DeviceType::Other => GpuClass::Other,
    };
    let present = |text: &str| Some(line(text)).filter(|text| !text.is_empty());
    let memory = matches!(info.device_type, DeviceType::DiscreteGpu | DeviceType::VirtualGpu)
        .then(|| super::raw::device_memory_bytes(adapter))
        .flatten();
    Adapter {
        index: 0,
        place: 0,
        name: present(&info.name).unwrap_or_else(|| "a GPU without a name".to_owned()),
        class,
        backend: info.backend.to_str().to_owned(),
        // GL guesses the vendor by its name, and reports no device.
        pci_id: (info.vendor != 0 && info.backend != Backend::Gl)
            .then(|| format!("{:04x}:{:04x}", info.vendor, info.device)),
        // For DX12 wgpu looks for any card of that vendor and device: for two equal cards it reports the same place.
        pci_bus: present(&info.device_pci_bus_id).filter(|_| info.backend != Backend::Dx12),
        driver: line(&info.driver),
        driver_info: line(&info.driver_info),
        memory_bytes: memory,
    }
}

/// Whether two entries are the same GPU, seen by two backends, or by two drivers of one. Two equal cards stand in the list of
/// one backend, and stay two.
fn same(one: &Adapter, other: &Adapter) -> bool {
    if one.is_software() != other.is_software() {
        return false;
    }
    if let (Some(a), Some(b)) = (&one.pci_bus, &other.pci_bus) {
        return a == b;
    }
    if one.backend == other.backend {
        return false;
    }
    if let (Some(a), Some(b)) = (&one.pci_id, &other.pci_id) {
        return a == b;
    }
    // GL reports no numbers, and adds to the name that Vulkan reports.
    let [a, b] = [one, other].map(|adapter| plain_name(&adapter.name));
    !a.is_empty() && !b.is_empty() && (a.contains(&b) || b.contains(&a))
}

/// The name of the model, without what drivers add.
fn plain_name(name: &str) -> String {
    let name = name.to_lowercase().replace("(r)", "").replace("(tm)", "");
    name.split(['(', '/']).next().unwrap_or_default().trim().to_owned()
}

/// One line without control characters: profiles accept nothing else.
fn line(words: &str) -> String {
    let words = words.replace(char::is_control, " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TEXT_MAX).collect()
}

/// Characters of a text at most.
const TEXT_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(backend: &str, name: &str, pci_id: Option<&str>) -> Adapter {
        let class = if name.contains("llvmpipe") { GpuClass::Software } else { GpuClass::Discrete };
        Adapter {
            index: 0,
            place: 0,
            name: name.to_owned(),
            class,
            backend: backend.to_owned(),
            pci_id: pci_id.map(String::from),
            pci_bus: None,
            driver: String::new(),
            driver_info: String::new(),
            memory_bytes: None,
        }
    }

    fn listed(adapters: Vec<Adapter>) -> Vec<String> {
        let kept = each_once(adapters.into_iter().map(|adapter| (adapter, ())).collect());
        kept.into_iter()
            .map(|(adapter, ())| format!("{} {} {}", adapter.index, adapter.backend, adapter.name))
            .collect()
    }

    #[test]
    fn one_gpu_seen_by_two_backends_is_one() {
        for (vulkan, gl) in [
            ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090/PCIe/SSE2"),
            ("Intel(R) UHD Graphics 620 (KBL GT2)", "Mesa Intel(R) UHD Graphics 620 (KBL GT2)"),
            ("AMD Radeon RX 6800 (RADV NAVI21)", "AMD Radeon RX 6800 (radeonsi, navi21, LLVM 15.0.6)"),
            ("llvmpipe (LLVM 15.0.6, 256 bits)", "llvmpipe (LLVM 15.0.6, 256 bits)"),
        ] {
            let list = vec![adapter("vulkan", vulkan, Some("10de:2684")), adapter("gl", gl, None)];
            assert_eq!(listed(list), [format!("0 vulkan {vulkan}")]);
        }
        let windows = ["vulkan", "dx12"].map(|backend| adapter(backend, "A card", Some("10de:2684")));
        assert_eq!(listed(windows.to_vec()), ["0 vulkan A card"]);
    }

    #[test]
    fn two_gpus_stay_two() {
        let card = |backend| adapter(backend, "A card", Some("10de:2684"));
        let twice = vec![card("vulkan"), card("vulkan"), card("dx12"), card("dx12")];
        assert_eq!(listed(twice), ["0 vulkan A card", "1 vulkan A card"]);
        let others = vec![
            adapter("vulkan", "NVIDIA GeForce RTX 4090", Some("10de:2684")),
            adapter("gl", "NVIDIA GeForce GTX 580/PCIe/SSE2", None),
            adapter("gl", "", None),
            adapter("dx12", "NVIDIA GeForce RTX 4090 D", Some("10de:2685")),
            adapter("gl", "llvmpipe (LLVM 15.0.6, 256 bits)", None),
        ];
        let kept = listed(others);
        assert_eq!(kept.len(), 5, "{kept:?}");
        assert!(kept[4].contains("llvmpipe"), "software is last: {kept:?}");
    }

    #[test]
    fn a_place_on_the_bus_decides_where_it_is_known() {
        let at = |bus: &str, backend, name, pci_id| Adapter {
            pci_bus: Some(format!("0000:{bus}:00.0")),
            ..adapter(backend, name, Some(pci_id))
        };
        // Two Vulkan drivers for one card: the first found is kept, also when they call the card differently.
        let (radv, amdvlk) = ("AMD Radeon RX 6800 (RADV NAVI21)", "AMD Radeon RX 6800");
        let one = at("03", "vulkan", radv, "1002:73bf");
        let again = at("03", "vulkan", amdvlk, "1002:73bf");
        let gl = adapter("gl", "AMD Radeon RX 6800 (radeonsi, navi21)", None);
        assert_eq!(listed(vec![one.clone(), again.clone(), gl]), [format!("0 vulkan {radv}")]);
        assert_eq!(listed(vec![again.clone(), one.clone()]), [format!("0 vulkan {amdvlk}")]);
        // Each of two cards through each of two drivers.
        let (second, second_again) = (at("43", "vulkan", radv, "1002:73bf"), at("43", "vulkan", amdvlk, "1002:73bf"));
        let cards = listed(vec![one.clone(), second, again, second_again]);
        assert_eq!(cards, [format!("0 vulkan {radv}"), format!("1 vulkan {radv}")]);
        // Equal cards at different places are two, whichever backend reports them.
        assert_eq!(listed(vec![one.clone(), at("04", "metal", radv, "1002:73bf")]).len(), 2);
        // Where one of them has no place, the numbers decide.
        assert_eq!(listed(vec![one, adapter("dx12", amdvlk, Some("1002:73bf"))]).len(), 1);
    }

    #[test]
    fn a_backend_that_is_not_known_has_no_adapters() {
        assert!(!backends().is_empty());
        assert!(of("glide").is_empty());
    }

    #[test]
    fn a_driver_s_text_becomes_one_line() {
        assert_eq!(line(" a\u{7}driver\nof  two lines "), "a driver of two lines");
        assert_eq!(line(&"x".repeat(5000)).len(), TEXT_MAX);
    }
}
