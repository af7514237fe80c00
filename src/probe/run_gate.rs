//! A gate over a whole measurement: what was disturbed most of the time says nothing of a GPU.

use crate::profile::{DeviceKind, Profile, Status};

/// With more than this share of the samples disturbed, no median is of the GPU alone.
const DISTURBED_SHARE_MAX: f64 = 0.5;

/// Calls the measured ceilings of a GPU suspect where most samples were disturbed: of a software adapter because other processes
/// used its cores, of hardware because its two clocks were apart. A CPU's samples are repeated, and its value is of the fastest.
pub fn judge_run(profile: &mut Profile) {
    let disturbed = profile.environment.as_ref().and_then(|environment| environment.disturbed_samples).unwrap_or(0);
    let samples = profile.samples();
    if profile.device.kind != DeviceKind::Gpu || f64::from(disturbed) <= DISTURBED_SHARE_MAX * samples as f64 {
        return;
    }
    for ceiling in profile.ceiling.iter_mut().filter(|ceiling| ceiling.status == Status::Measured) {
        ceiling.status = Status::Suspect;
        ceiling.reason = Some(format!(
            "{disturbed} of all {samples} samples of this measurement were disturbed; measure again on a quieter machine"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Ceiling, CeilingId, Curve, MemoryLevel};
    use roofprobe_kernels::Op;

    #[test]
    fn a_run_that_was_disturbed_most_of_the_time_is_suspect_on_a_gpu() {
        let status = |kind, disturbed: Option<u32>| {
            let mut profile = profile::parse(include_str!("../../profiles/amd-epyc-zen4-2c.toml")).unwrap();
            profile.device.kind = kind;
            profile.environment.as_mut().unwrap().disturbed_samples = disturbed;
            let id = CeilingId::memory(MemoryLevel::Vram, Op::Read);
            profile.ceiling = vec![Ceiling::with_value(id, Status::Measured, 10.0)];
            profile.ceiling[0].samples = Some(400);
            let mut curve = Curve::empty("memory.read.resident".parse().unwrap(), Status::Measured, None);
            curve.sample_values = vec![vec![1.0; 20], vec![1.0; 8]];
            profile.curve = vec![curve];
            judge_run(&mut profile);
            assert_eq!(profile.ceiling[0].status == Status::Suspect, profile.ceiling[0].reason.is_some());
            profile.ceiling[0].status
        };
        assert_eq!(status(DeviceKind::Gpu, Some(417)), Status::Suspect);
        assert_eq!(status(DeviceKind::Gpu, Some(215)), Status::Suspect);
        // Half of all, those of curves included.
        assert_eq!(status(DeviceKind::Gpu, Some(214)), Status::Measured);
        assert_eq!(status(DeviceKind::Gpu, None), Status::Measured);
        assert_eq!(status(DeviceKind::Cpu, Some(417)), Status::Measured);
    }
}
