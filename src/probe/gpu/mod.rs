//! The questions that a GPU is asked.
//!
//! What wins on hardware loses on software adapters, where the processor plays the GPU: neighbours side by side become gathers,
//! and a barrier costs more than what it saves. So each question has candidates of both kinds, and the expected winner of the
//! adapter's class comes first.

mod memory;
mod overhead;
mod transfer;

use super::{CurveQuestion, Known, Probe};
use crate::profile::{Effort, GpuClass, GpuLimits, Machine};

/// The probe table.
pub(super) const PROBES: &[Probe] = &[memory::questions, overhead::questions, transfer::questions];

/// Every curve of a GPU.
pub(super) fn curves(machine: &Machine, effort: Effort) -> Vec<CurveQuestion> {
    vec![memory::resident(machine, effort)]
}

/// Whether the processor plays the GPU.
pub(super) fn is_software(machine: &Machine) -> bool {
    machine.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software)
}

/// What the adapter allows; without its word, what every WebGPU adapter must.
fn limits(machine: &Machine) -> GpuLimits {
    const LEAST: GpuLimits = GpuLimits {
        binding_bytes: 128 << 20,
        buffer_bytes: 256 << 20,
        workgroup_invocations: 256,
        workgroup_size: [256, 256, 64],
        workgroup_memory_bytes: 16 << 10,
        workgroups_per_dimension: 65535,
        storage_buffers: 8,
    };
    machine.device.gpu.as_ref().map_or(LEAST, |gpu| gpu.limits)
}

/// Whether a quick look is enough.
fn is_quick(known: Known) -> bool {
    known.effort == Effort::Quick
}
