//! The questions that a GPU is asked.
//!
//! What wins on hardware loses on software adapters, where the processor plays the GPU: neighbours side by side become gathers,
//! and a barrier costs more than what it saves. So each question has candidates of both kinds, and the expected winner of the
//! adapter's class comes first.

mod attention;
mod compute;
mod latency;
mod matmul;
mod memory;
mod overhead;
mod transfer;

use super::{CurveQuestion, PlanInputs, Probe};
use crate::profile::{Effort, GpuClass, GpuLimits, Machine};

/// The probe table.
pub(super) const PROBES: &[Probe] = &[
    memory::questions,
    latency::questions,
    compute::questions,
    matmul::questions,
    attention::questions,
    overhead::questions,
    transfer::questions,
];

/// Every curve of a GPU.
pub(super) fn curves(inputs: PlanInputs) -> Vec<CurveQuestion> {
    // Hardware has arrays of many times its caches in no time.
    let race = is_software(inputs.machine).then(|| memory::race(inputs));
    std::iter::once(memory::resident(inputs))
        .chain(race)
        .chain(memory::banks(inputs))
        .chain(latency::resident(inputs))
        .collect()
}

/// Whether the processor plays the GPU.
pub(super) fn is_software(machine: &Machine) -> bool {
    machine.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software)
}

/// Whether it is a card with a memory of its own.
fn is_discrete(machine: &Machine) -> bool {
    machine.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Discrete)
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

/// Whether the adapter has that feature.
fn has_feature(machine: &Machine, name: &str) -> bool {
    machine.device.gpu.as_ref().is_some_and(|gpu| gpu.features.iter().any(|feature| feature == name))
}

/// How many candidates of one question are tried; a quick look leaves it at two.
fn candidates_max(inputs: PlanInputs) -> usize {
    if is_quick(inputs) { 2 } else { usize::MAX }
}

/// Whether a quick look is enough.
fn is_quick(inputs: PlanInputs) -> bool {
    inputs.effort == Effort::Quick
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::probe::{plan, survey};
    use crate::profile::{DeviceKind, GpuInfo, Status};

    /// A GPU that nobody has.
    pub(crate) fn info(class: GpuClass) -> Option<GpuInfo> {
        Some(GpuInfo {
            class,
            pci_id: None,
            pci_bus: None,
            subgroup_min: Some(32),
            subgroup_max: Some(32),
            features: ["f16", "subgroups", "timestamps", "cooperative-matrix"].map(String::from).into(),
            cooperative_matrices: vec!["8x8x8 f16 f32".to_owned()],
            limits: GpuLimits {
                binding_bytes: 128 << 20,
                buffer_bytes: 2 << 30,
                workgroup_invocations: 1024,
                workgroup_size: [1024, 1024, 64],
                workgroup_memory_bytes: 32 << 10,
                workgroups_per_dimension: 65535,
                storage_buffers: 16,
            },
        })
    }

    pub(crate) fn machine(class: GpuClass) -> Machine {
        let mut machine = crate::probe::tests::machine();
        machine.device.kind = DeviceKind::Gpu;
        machine.device.isas.clear();
        machine.device.gpu = info(class);
        machine
    }

    const CLASSES: [GpuClass; 4] = [GpuClass::Discrete, GpuClass::Integrated, GpuClass::Software, GpuClass::Other];

    #[test]
    fn ids_are_unique_and_every_job_knows_its_question() {
        for class in CLASSES {
            for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
                let questions = plan(&machine(class), &[], effort);
                let mut ids: Vec<_> = questions.iter().map(|q| q.id.clone()).collect();
                ids.sort();
                ids.dedup();
                assert_eq!(ids.len(), questions.len());
                for question in questions {
                    assert!(question.candidates.iter().all(|job| job.ceiling == question.id));
                    let mut variants: Vec<_> = question.candidates.iter().map(|job| &job.variant).collect();
                    variants.dedup();
                    assert_eq!(variants.len(), question.candidates.len(), "{}: one of them twice", question.id);
                }
            }
        }
    }

    #[test]
    fn each_class_tries_both_kinds_of_layout_when_there_is_time() {
        use crate::profile::AccessLayout;
        for class in CLASSES {
            let questions = plan(&machine(class), &[], Effort::Standard);
            let read = questions.iter().find(|q| q.id == "memory.vram.read").unwrap();
            let layouts: Vec<_> = read.candidates.iter().filter_map(|job| job.variant.keys().layout).collect();
            assert!(
                layouts.contains(&AccessLayout::Strided) && layouts.contains(&AccessLayout::Blocked),
                "{layouts:?}"
            );
        }
    }

    #[test]
    fn arrays_exceed_the_cache_or_are_skipped() {
        let mut machine = machine(GpuClass::Discrete);
        let read = |machine: &Machine| {
            let questions = plan(machine, &[], Effort::Standard);
            let read = questions.into_iter().find(|q| q.id == "memory.vram.read").unwrap();
            (read.candidates.first().and_then(|job| job.variant.keys().footprint_bytes), read.otherwise)
        };
        assert!(read(&machine).0.unwrap() >= 4 * (32 << 20));
        if let Some(gpu) = &mut machine.device.gpu {
            gpu.limits.buffer_bytes = 64 << 20;
        }
        let (none, (status, reason)) = read(&machine);
        assert_eq!((none, status), (None, Status::Skipped));
        assert!(reason.contains("64 MiB") && reason.contains("128 MiB"), "{reason}");
    }

    #[test]
    fn should_hardware_run_out_of_memory_half_the_arrays_answer() {
        let copy = |class| {
            let questions = plan(&machine(class), &[], Effort::Quick);
            questions.into_iter().find(|q| q.id == "memory.vram.copy").unwrap()
        };
        let footprint = |job: &crate::job::Job| job.variant.keys().footprint_bytes.unwrap();
        let hardware = copy(GpuClass::Discrete);
        let (whole, half) = (footprint(&hardware.candidates[0]), footprint(&hardware.fallback[0]));
        assert_eq!((whole, half >= 2 * 4 * (32 << 20)), (half * 2, true));
        assert_eq!(copy(GpuClass::Software).fallback, [], "half would be read from the cache");
    }

    #[test]
    fn the_curve_ascends_well_beyond_the_cache() {
        for class in CLASSES {
            let curves = survey(&machine(class), &[], Effort::Standard);
            let sizes: Vec<_> = curves[0].points.iter().filter_map(|job| job.variant.keys().footprint_bytes).collect();
            assert!(sizes.len() > 8 && sizes.is_sorted_by(|a, b| a < b) && sizes.last() >= Some(&(100 << 20)));
        }
    }

    #[test]
    fn small_adapters_are_asked_for_small_workgroups() {
        let mut machine = machine(GpuClass::Discrete);
        if let Some(gpu) = &mut machine.device.gpu {
            gpu.limits.workgroup_invocations = 256;
            gpu.limits.workgroup_memory_bytes = 8 << 10;
        }
        let jobs = plan(&machine, &[], Effort::Thorough).into_iter().flat_map(|q| q.candidates);
        assert!(jobs.filter_map(|job| job.variant.keys().workgroup_size).all(|size| size <= 256));
    }
}
