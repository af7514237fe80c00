//! Chains of every type, vector and number.

use super::*;

fn chain(dtype: Dtype, vector: u32, chains: u32, size: u32, groups: u32) -> Job {
    let variant = Variant {
        vector: Some(vector),
        chains: Some(chains),
        workgroup_size: Some(size),
        workgroups: Some(groups),
        ..Variant::default()
    };
    job(&format!("compute.{dtype}"), Op::Chain, dtype, variant)
}

#[test]
fn chains_come_to_what_the_oracle_says_in_every_invocation() {
    on_every_adapter(|worker| {
        for (dtype, vector, chains) in [
            (Dtype::F32, 1, 8),
            (Dtype::F32, 1, 12),
            (Dtype::F32, 4, 3),
            (Dtype::F16, 1, 5),
            (Dtype::F16, 4, 4),
            (Dtype::I8, 1, 8),
        ] {
            // Less than one set of lanes; more, and no multiple of it.
            for (size, groups) in [(8, 3), (64, 7)] {
                let job = chain(dtype, vector, chains, size, groups);
                // Several folds, the sums of two passes in one process apart.
                for repetitions in [1, 7, 300] {
                    let Some(pass) = timed(worker, &job, repetitions) else {
                        let has_f16 = worker.context().features.contains(wgpu::Features::SHADER_F16);
                        assert!(dtype == Dtype::F16 && !has_f16, "{job}");
                        break;
                    };
                    let macs = size * groups * vector * chains * 128 * if dtype == Dtype::I8 { 4 } else { 1 };
                    assert_eq!(pass.work.flops.0, 2.0 * f64::from(macs) * pass.repetitions as f64, "{job}");
                }
            }
        }
    });
}

#[test]
fn chains_of_matrices_come_to_what_the_oracle_says_where_there_are_such() {
    on_every_adapter(|worker| {
        for (chains, subgroups, groups) in [(1, 1, 1), (3, 1, 5), (4, 4, 2)] {
            let mut job = chain(Dtype::F16, 1, chains, subgroups * worker.context().subgroup_max, groups);
            job.variant.vector = None;
            job.variant.tile = Some("8x8x8".to_owned());
            for repetitions in [1, 5] {
                let Some(pass) = timed(worker, &job, repetitions) else {
                    assert!(worker.context().matrices.is_empty());
                    break;
                };
                let flops = 2 * 64 * 8_u32.pow(3) * chains * subgroups * groups;
                assert_eq!(pass.work.flops.0, f64::from(flops) * pass.repetitions as f64, "{job}");
            }
        }
    });
}

#[test]
fn what_shaders_cannot_compute_is_unsupported() {
    on_every_adapter(|worker| {
        for (dtype, vector) in [(Dtype::F64, 1), (Dtype::Bf16, 1), (Dtype::I8, 4), (Dtype::F32, 3)] {
            let refused = worker.time(&chain(dtype, vector, 4, 32, 1), 1, 1.0);
            assert!(matches!(refused, Err(Trouble::Refused(Refusal::Unsupported(_)))), "{refused:?}");
        }
    });
}
