//! Chains of every type, vector and number.

use super::*;
use crate::device::gpu::routines::coopmat::Coopmat;
use crate::profile::{GpuChain, MatrixChain, Recurrence, Tile};

fn chain(dtype: Dtype, vector: u32, chains: u32, workgroup_size: u32, workgroups: u32) -> Job {
    let variant = GpuChain { vector, chains, workgroup_size, workgroups, recurrence: None };
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
fn pairs_turn_round_each_other_as_the_oracle_says() {
    on_every_adapter(|worker| {
        for (dtype, vector, chains) in [(Dtype::F32, 1, 2), (Dtype::F32, 4, 4), (Dtype::F32, 1, 12)] {
            let plain = chain(dtype, vector, chains, 32, 5);
            let variant =
                GpuChain { vector, chains, workgroup_size: 32, workgroups: 5, recurrence: Some(Recurrence::Rotation) };
            let job = Job { variant: variant.into(), ..plain };
            for repetitions in [1, 7] {
                let pass = timed(worker, &job, repetitions).unwrap();
                let macs = 32 * 5 * vector * chains * 128;
                assert_eq!(pass.work.flops.0, 2.0 * f64::from(macs) * pass.repetitions as f64, "{job}");
            }
        }
        let odd = GpuChain {
            vector: 1,
            chains: 3,
            workgroup_size: 32,
            workgroups: 1,
            recurrence: Some(Recurrence::Rotation),
        };
        let job = job("compute.f32", Op::Chain, Dtype::F32, odd);
        assert!(matches!(worker.time(&job, 1, 1.0), Err(GpuError::Refused(Refusal::Unsupported(_)))));
    });
}

/// Chains of matrices.
fn tiles(chains: u32, workgroup_size: u32, workgroups: u32) -> Job {
    let variant = MatrixChain { tile: Tile::cube(8), chains, workgroup_size, workgroups };
    job("compute.f16.coopmat", Op::Chain, Dtype::F16, variant)
}

#[test]
fn chains_of_matrices_come_to_what_the_oracle_says_where_there_are_such() {
    on_every_adapter(|worker| {
        for (chains, subgroups, groups) in [(1, 1, 1), (3, 1, 5), (4, 4, 2)] {
            let job = tiles(chains, subgroups * worker.context().subgroup_max, groups);
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
fn subgroups_smaller_than_listed_are_all_counted_and_verified() {
    on_every_adapter(|worker| {
        if worker.context().matrices.is_empty() {
            return;
        }
        // As Metal lists them: bounds that no subgroup has.
        let (real, listed) = (worker.context().subgroup_max, 4 * worker.context().subgroup_max);
        (worker.context_mut().subgroup_min, worker.context_mut().subgroup_max) = (1, listed);
        // Sampled too: more workgroups than are looked at in one pass.
        let (chains, groups) = (3, 11);
        let job = tiles(chains, 2 * listed, groups);
        for repetitions in [1, 5, 3] {
            let pass = timed(worker, &job, repetitions).unwrap();
            let flops = 2 * 64 * 8_u32.pow(3) * chains * (2 * listed / real) * groups;
            assert_eq!(pass.work.flops.0, f64::from(flops) * pass.repetitions as f64, "{job}");
        }
        assert!(matches!(
            worker.time(&tiles(chains, listed + real, groups), 1, 1.0),
            Err(GpuError::Refused(Refusal::Unsupported(_)))
        ));
    });
}

#[test]
fn there_are_no_more_workgroups_of_matrices_than_a_binding_has_room_for() {
    on_every_adapter(|worker| {
        if worker.context().matrices.is_empty() {
            return;
        }
        worker.context_mut().limits.max_storage_buffer_binding_size = 1 << 20;
        let pass = timed(worker, &tiles(4, 4 * worker.context().subgroup_max, 300), 2).unwrap();
        // A subgroup has 1 KiB of sums, and there is one that nobody reads.
        assert_eq!(pass.work.flops.0, f64::from(2 * 64 * 8_u32.pow(3) * 4 * 4 * 255) * pass.repetitions as f64);
    });
}

#[test]
fn wrong_sums_of_matrices_are_noticed_at_every_pass() {
    on_every_adapter(|worker| {
        if worker.context().matrices.is_empty() {
            return;
        }
        let job = tiles(2, worker.context().subgroup_max, 9);
        let context = worker.context_mut();
        let mut fresh = Coopmat::new(context, &mut SharedBuffers::default(), &job).unwrap();
        let run = |chains: &mut Coopmat, repetitions: u64| {
            chains.prepare(context).unwrap();
            context.pass(|pass| chains.encode(pass, 3, 1)).unwrap();
            chains.verify(context, repetitions)
        };
        // All sums, and as long as they were not right all again; then samples.
        assert_eq!([4, 3, 4, 3].map(|repetitions| run(&mut fresh, repetitions)), [false, true, false, true].map(Ok));
        fresh.prepare(context).unwrap();
        let refused = fresh.verify(context, 3);
        assert!(matches!(refused, Err(GpuError::Refused(Refusal::Unsupported(_)))), "nothing ran: {refused:?}");
    });
}

#[test]
fn what_shaders_cannot_compute_is_unsupported() {
    on_every_adapter(|worker| {
        for (dtype, vector) in [(Dtype::F64, 1), (Dtype::Bf16, 1), (Dtype::I8, 4), (Dtype::F32, 3)] {
            let refused = worker.time(&chain(dtype, vector, 4, 32, 1), 1, 1.0);
            assert!(matches!(refused, Err(GpuError::Refused(Refusal::Unsupported(_)))), "{refused:?}");
        }
    });
}
