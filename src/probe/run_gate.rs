//! A gate over a whole measurement: what was disturbed most of the time says nothing of a GPU.

use crate::profile::{Ceiling, DeviceInfo, DeviceKind, Environment, Status};

/// With more than this share of the samples disturbed, no median is of the GPU alone.
const DISTURBED_SHARE_MAX: f64 = 0.5;

/// Calls the measured ceilings of a GPU suspect where most samples were disturbed: of a software adapter because other processes
/// used its cores, of hardware because its two clocks were apart. A CPU's samples are repeated, and its value is of the fastest.
pub fn judge_run(ceilings: &mut [Ceiling], device: &DeviceInfo, environment: &Environment) {
    let disturbed = environment.disturbed_samples.unwrap_or(0);
    let samples: u64 = ceilings.iter().filter_map(|ceiling| ceiling.samples).map(u64::from).sum();
    if device.kind != DeviceKind::Gpu || f64::from(disturbed) <= DISTURBED_SHARE_MAX * samples as f64 {
        return;
    }
    for ceiling in ceilings.iter_mut().filter(|ceiling| ceiling.status == Status::Measured) {
        ceiling.status = Status::Suspect;
        ceiling.reason = Some(format!(
            "{disturbed} samples of this measurement were disturbed, of {samples} in all; measure again on a quieter machine"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::gpu::tests::machine;
    use crate::profile::{CeilingId, GpuClass, MemoryLevel};
    use roofprobe_kernels::Op;

    #[test]
    fn a_run_that_was_disturbed_most_of_the_time_is_suspect_on_a_gpu() {
        let status = |kind, disturbed: Option<u32>| {
            let mut machine = machine(GpuClass::Software);
            machine.device.kind = kind;
            machine.environment.disturbed_samples = disturbed;
            let id = CeilingId::memory(MemoryLevel::Vram, Op::Read);
            let mut all = [Ceiling::with_value(id, Status::Measured, 10.0)];
            all[0].samples = Some(428);
            judge_run(&mut all, &machine.device, &machine.environment);
            assert_eq!(all[0].status == Status::Suspect, all[0].reason.is_some());
            all[0].status
        };
        assert_eq!(status(DeviceKind::Gpu, Some(417)), Status::Suspect);
        assert_eq!(status(DeviceKind::Gpu, Some(214)), Status::Measured);
        assert_eq!(status(DeviceKind::Gpu, None), Status::Measured);
        assert_eq!(status(DeviceKind::Cpu, Some(417)), Status::Measured);
    }
}
