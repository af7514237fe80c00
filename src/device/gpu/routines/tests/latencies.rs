//! Dependent loads and atomic additions come to what was laid out.

use super::*;
use crate::profile::{GpuAtomic, GpuChase, WorkgroupAtomic, WorkgroupChase, WorkgroupStride};

#[test]
fn a_chase_comes_to_its_place_after_any_number_of_loads() {
    on_every_adapter(|worker| {
        // One place; several windows and an awkward rest.
        for (footprint_bytes, window_bytes, stride_bytes) in
            [(256, 256, 256), (5 << 10, 1 << 10, 128), (1 << 20, 64 << 10, 256)]
        {
            let variant = GpuChase { footprint_bytes, window_bytes, stride_bytes, workgroup_size: 8 };
            let job = job("latency.vram", Op::Chase, Dtype::I8, variant);
            for repetitions in [1, 1000, 77_777] {
                assert!(timed(worker, &job, repetitions).unwrap().seconds.0 > 0.0);
            }
        }
        let shared = WorkgroupChase { footprint_bytes: 4 << 10, workgroup_size: 8 };
        let job = job("latency.workgroup", Op::Chase, Dtype::I8, shared);
        // More than llvmpipe lets a loop turn.
        for repetitions in [1, 5000, 300_000, 3_000_000] {
            assert!(timed(worker, &job, repetitions).unwrap().seconds.0 > 0.0);
        }
    });
}

#[test]
fn every_word_is_added_to_as_often_as_counted() {
    on_every_adapter(|worker| {
        for (size, groups, footprint_bytes) in [(8, 3, 256), (64, 5, 4096)] {
            let cached = GpuAtomic { footprint_bytes, workgroup_size: size, workgroups: groups };
            let shared = WorkgroupAtomic { footprint_bytes, workgroup_size: size, workgroups: groups };
            for (id, variant) in
                [("memory.cache.atomic", Variant::from(cached)), ("memory.workgroup.atomic", Variant::from(shared))]
            {
                let pass = timed(worker, &job(id, Op::Atomic, Dtype::F32, variant), 7).unwrap();
                let additions = (footprint_bytes as u32 / 4 / size).max(16) * size * groups;
                assert_eq!(pass.work.bytes.0, 8.0 * f64::from(additions) * pass.repetitions as f64);
            }
        }
    });
}

#[test]
fn words_at_any_distance_are_read_as_often_as_each_other() {
    on_every_adapter(|worker| {
        for words in [1, 2, 8, 32] {
            let variant =
                WorkgroupStride { footprint_bytes: 4096, stride_bytes: 4 * words, workgroup_size: 32, workgroups: 3 };
            let pass = timed(worker, &job("memory.read.stride", Op::Read, Dtype::F32, variant), 5).unwrap();
            assert_eq!(pass.work.bytes.0, f64::from(4 * 64 * 32 * 3) * pass.repetitions as f64, "stride {words}");
        }
    });
}
