//! The root package's only `unsafe`: what wgpu offers no safe call for.
//!
//! Shaders without run-time checks, since a ceiling is not to be lowered by checks that no engine's shaders carry; the
//! token without which wgpu refuses experimental features; and the sizes of a Vulkan device's memory heaps.
#![allow(unsafe_code, reason = "wgpu offers no safe call for it")]

use wgpu::{Adapter, Device, ExperimentalFeatures, ShaderModule, ShaderModuleDescriptor, ShaderRuntimeChecks};

/// A shader module without bounds checks and without loop bounding.
pub(super) fn unchecked_module(device: &Device, descriptor: ShaderModuleDescriptor) -> ShaderModule {
    // SAFETY: only roofprobe's own shaders come here. Their indices stay within the buffers that their routines bind, for
    // every variant that a routine accepts, and their loops end: the tests run each of them with the checks on and off, on
    // awkward sizes, and compare every element with the oracle.
    unsafe { device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked()) }
}

/// The token for features that wgpu calls experimental: cooperative matrices.
pub(super) fn experimental_features() -> ExperimentalFeatures {
    // SAFETY: of the experimental features only cooperative matrices are used, in shapes that the adapter lists, in a
    // process of its own, and every result is compared with the oracle.
    unsafe { ExperimentalFeatures::enabled() }
}

/// Bytes of the largest device-local heap; `None` where the backend does not report it.
pub(super) fn device_memory_bytes(adapter: &Adapter) -> Option<u64> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`.
    #[cfg(not(any(target_vendor = "apple", target_arch = "wasm32")))]
    const DEVICE_LOCAL: u32 = 1;
    #[cfg(not(any(target_vendor = "apple", target_arch = "wasm32")))]
    {
        // SAFETY: the physical device is only asked for its properties, and lives as long as the instance behind `adapter`.
        let heaps = unsafe {
            let vulkan = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
            let instance = vulkan.shared_instance().raw_instance();
            instance.get_physical_device_memory_properties(vulkan.raw_physical_device())
        };
        let heaps = heaps.memory_heaps.iter().take(heaps.memory_heap_count as usize);
        heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
    }
    #[cfg(any(target_vendor = "apple", target_arch = "wasm32"))]
    {
        let _ = adapter;
        None
    }
}
