//! Compute peaks of a GPU: multiply-accumulate chains in registers, of scalars, of vectors and of matrices.

use super::{candidates_max, has_feature, is_software};
use crate::probe::{PlanInputs, Question};
use crate::profile::Recurrence::{self, Rotation, Square};
use crate::profile::{CeilingId, GpuChain, GpuInfo, MatrixChain, Means, Status, Tile};
use roofprobe_kernels::{Dtype, Op};

/// Invocations in flight: workgroups, and of how many. Hardware hides latencies by numbers.
const HARDWARE: (u32, u32) = (8192, 256);
/// Where the processor plays the GPU, a few for each core.
const SOFTWARE: (u32, u32) = (256, 8);
/// Workgroups of cooperative matrices, and how many of the largest subgroups each has; of smaller ones it has more.
const HARDWARE_TILES: (u32, u32) = (4096, 4);
const SOFTWARE_TILES: (u32, u32) = (64, 1);

/// Elements of a vector, chains, and what a step does. Some units take an addend only from where the sum goes to.
type Way = (u32, u32, Recurrence);

/// The likely winner first. What a processor has 16 registers for, twelve accumulators and their
/// products fill; hardware has room for more, and other ways to hide latencies.
const HARDWARE_F32: &[Way] =
    &[(1, 8, Square), (1, 16, Rotation), (4, 4, Square), (4, 4, Rotation), (1, 16, Square), (4, 8, Rotation)];
const SOFTWARE_F32: &[Way] =
    &[(4, 3, Square), (1, 12, Square), (1, 13, Square), (4, 8, Square), (1, 8, Square), (1, 12, Rotation)];
/// Halves come in pairs.
const HARDWARE_F16: &[Way] = &[(4, 4, Square), (4, 8, Square), (1, 16, Square), (1, 8, Square)];
const SOFTWARE_F16: &[Way] = &[(4, 3, Square), (1, 16, Square), (4, 4, Square), (1, 12, Square)];
/// Bytes are packed in words.
const I8: &[Way] = &[(1, 12, Square), (1, 8, Square), (1, 16, Square)];
/// Chains of matrices.
const TILES: [u32; 3] = [4, 8, 2];

/// `compute.f32`, `compute.f16`, `compute.i8`, `compute.f16.coopmat`, and that there is no more.
pub(super) fn questions(inputs: PlanInputs) -> Vec<Question> {
    let none = |dtype: Dtype| {
        let reason = format!("shaders (WGSL) have no {dtype} arithmetic");
        Question::unasked(CeilingId::compute(dtype, Means::Best), Status::Unsupported, reason)
    };
    let Some(gpu) = &inputs.machine.device.gpu else { return Vec::new() };
    let software = is_software(inputs.machine);
    let pick = |hardware: &'static [Way], other: &'static [Way]| if software { other } else { hardware };
    let mut f16 = chains(inputs, Dtype::F16, software, pick(HARDWARE_F16, SOFTWARE_F16));
    if !has_feature(inputs.machine, "f16") {
        f16.candidates.clear();
        f16.otherwise = (Status::Unsupported, "this GPU computes no f16 in shaders".to_owned());
    }
    vec![
        none(Dtype::F64),
        chains(inputs, Dtype::F32, software, pick(HARDWARE_F32, SOFTWARE_F32)),
        f16,
        none(Dtype::Bf16),
        chains(inputs, Dtype::I8, software, I8),
        matrices(inputs, gpu, software),
    ]
}

fn chains(inputs: PlanInputs, dtype: Dtype, software: bool, ways: &[Way]) -> Question {
    let (groups, size) = if software { SOFTWARE } else { HARDWARE };
    let way = |&(vector, chains, recurrence): &Way| GpuChain {
        vector,
        chains,
        workgroup_size: size,
        workgroups: groups,
        // A square is what it is as a rule.
        recurrence: Some(recurrence).filter(|&recurrence| recurrence != Square),
    };
    let variants = ways.iter().map(way).take(candidates_max(inputs));
    Question::of(CeilingId::compute(dtype, Means::Best), Op::Chain, dtype, variants)
}

/// Of every listed shape of f16 factors and f32 sums that there is a shader for.
fn matrices(inputs: PlanInputs, gpu: &GpuInfo, software: bool) -> Question {
    let id = CeilingId::compute(Dtype::F16, Means::CooperativeMatrix);
    let listed = |tile: &Tile| gpu.cooperative_matrices.contains(&format!("{tile} f16 f32"));
    let tiles: Vec<Tile> = [16, 8].map(Tile::cube).into_iter().filter(listed).collect();
    if tiles.is_empty() {
        let reason = "this GPU lists no cooperative matrices of 16x16x16 or 8x8x8 f16 f32";
        return Question::unasked(id, Status::Unsupported, reason);
    }
    let (groups, subgroups) = if software { SOFTWARE_TILES } else { HARDWARE_TILES };
    let size = gpu.subgroup_max.unwrap_or(32) * subgroups;
    let ways = TILES.iter().flat_map(|&chains| tiles.iter().map(move |tile| (chains, tile)));
    let way = |(chains, &tile): (u32, &Tile)| MatrixChain { tile, chains, workgroup_size: size, workgroups: groups };
    Question::of(id, Op::Chain, Dtype::F16, ways.map(way).take(candidates_max(inputs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Effort, GpuClass, GpuLimits};

    fn gpu(features: &[&str], matrices: &[&str]) -> crate::profile::Machine {
        let mut machine = crate::probe::tests::machine();
        machine.device.gpu = Some(GpuInfo {
            class: GpuClass::Discrete,
            pci_id: None,
            pci_bus: None,
            subgroup_min: Some(32),
            subgroup_max: Some(32),
            features: features.iter().map(|name| (*name).to_owned()).collect(),
            cooperative_matrices: matrices.iter().map(|name| (*name).to_owned()).collect(),
            limits: GpuLimits {
                binding_bytes: 1 << 30,
                buffer_bytes: 1 << 30,
                workgroup_invocations: 1024,
                workgroup_size: [1024; 3],
                workgroup_memory_bytes: 32768,
                workgroups_per_dimension: 65535,
                storage_buffers: 8,
            },
        });
        machine
    }

    #[test]
    fn what_a_gpu_lacks_is_asked_and_has_a_reason() {
        let poor = gpu(&[], &["8x8x8 f16 f16"]);
        let inputs = PlanInputs::new(&poor, &[], Effort::Standard);
        for question in questions(inputs) {
            let can = ["compute.f32", "compute.i8"].contains(&question.id.as_str());
            assert_eq!(question.candidates.is_empty(), !can, "{}", question.id);
            assert_eq!(question.otherwise.0, Status::Unsupported);
        }
        let rich = gpu(&["f16"], &["8x8x8 f16 f32"]);
        for effort in [Effort::Quick, Effort::Standard] {
            let asked = questions(PlanInputs::new(&rich, &[], effort));
            let possible: Vec<_> = asked.iter().filter(|question| !question.candidates.is_empty()).collect();
            assert_eq!(possible.len(), 4);
            assert!(effort != Effort::Quick || possible.iter().all(|question| question.candidates.len() <= 2));
            assert!(possible.iter().all(|question| question.candidates.iter().all(|job| job.ceiling == question.id)));
        }
    }
}
