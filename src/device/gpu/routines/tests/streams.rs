//! Streams, of whole and of awkward sizes, in every layout.

use super::*;
use crate::profile::{AccessLayout, GpuMatmul, GpuStream, Tile, WorkgroupRead};

#[test]
fn streams_agree_with_the_oracle() {
    on_every_adapter(|worker| {
        for op in [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad] {
            for layout in [AccessLayout::Strided, AccessLayout::Blocked, AccessLayout::Contiguous] {
                // One vector; awkward numbers of them; a whole division.
                for (vectors, size, groups) in [(1, 64, 4), (1003, 32, 5), (4096, 64, 4), (65_537, 256, 16)] {
                    let arrays = match op {
                        Op::Read | Op::Write => 1,
                        Op::Copy | Op::Scale => 2,
                        _ => 3,
                    };
                    let variant = GpuStream {
                        footprint_bytes: vectors * 16 * arrays,
                        workgroup_size: size,
                        workgroups: groups,
                        layout,
                    };
                    let job = job(&format!("memory.vram.{op}"), op, Dtype::F32, variant);
                    let pass = timed(worker, &job, 5).unwrap();
                    // Workgroups that a read has left over walk over the same again.
                    let team = u64::from(groups).min(vectors.div_ceil(u64::from(size) * 16));
                    let walks = if op == Op::Read { (u64::from(groups) / team).min(vectors) } else { 1 };
                    assert_eq!(pass.work.bytes.0, (vectors * 16 * arrays * walks * pass.repetitions) as f64, "{job}");
                }
            }
        }
    });
}

#[test]
fn workgroup_memory_is_read_as_often_as_counted() {
    on_every_adapter(|worker| {
        for (size, bytes) in [(32, 4096), (64, 16384), (256, 16384)] {
            let variant = WorkgroupRead { footprint_bytes: bytes, workgroup_size: size, workgroups: 7 };
            let job = job("memory.workgroup.read", Op::Read, Dtype::F32, variant);
            let pass = timed(worker, &job, 11).unwrap();
            assert_eq!(pass.work.bytes.0, f64::from(size * 7 * 64 * 16) * pass.repetitions as f64);
        }
        // More than llvmpipe lets loops turn, once it is known how little time a round takes.
        let variant = WorkgroupRead { footprint_bytes: 16384, workgroup_size: 8, workgroups: 1 };
        let job = job("memory.workgroup.read", Op::Read, Dtype::F32, variant);
        for repetitions in [11, 2000, 20_000] {
            timed(worker, &job, repetitions).unwrap();
        }
    });
}

#[test]
fn what_others_hold_goes_before_something_large_is_made_ready() {
    on_every_adapter(|worker| {
        let stream = |vectors: u64| GpuStream {
            footprint_bytes: vectors * 16,
            workgroup_size: 32,
            workgroups: 4,
            layout: AccessLayout::Strided,
        };
        let matmul =
            || GpuMatmul { n: 8, k: 64, layout: Some(AccessLayout::Contiguous), ..GpuMatmul::plain(Tile::of(1, 1), 8) };
        let held = |worker: &Worker| worker.prepared().map(|job| job.to_string()).collect::<Vec<_>>();
        let read = |vectors| job("memory.vram.read", Op::Read, Dtype::F32, stream(vectors));
        for vectors in [100, 50, 200] {
            timed(worker, &read(vectors), 1).unwrap();
        }
        assert_eq!(held(worker), [read(200).to_string()], "the smaller arrays went before the larger ones came");
        let [first, second] = [Dtype::Q8_0, Dtype::F16].map(|dtype| job("matmul.m1", Op::Matmul, dtype, matmul()));
        timed(worker, &first, 1).unwrap();
        timed(worker, &second, 1).unwrap();
        assert_eq!(worker.prepared().filter(|job| job.op == Op::Matmul).collect::<Vec<_>>(), [&second]);
        assert!(worker.prepared().any(|job| *job == read(200)), "streams are asked for between all others");
    });
}
