//! Streams, of whole and of awkward sizes, in every layout.

use super::*;
use crate::profile::Layout;

#[test]
fn streams_agree_with_the_oracle() {
    on_every_adapter(|worker| {
        for op in [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad] {
            for layout in [Layout::Strided, Layout::Blocked, Layout::Contiguous] {
                // One vector; awkward numbers of them; a whole division.
                for (vectors, size, groups) in [(1, 64, 4), (1003, 32, 5), (4096, 64, 4), (65_537, 256, 16)] {
                    let arrays = match op {
                        Op::Read | Op::Write => 1,
                        Op::Copy | Op::Scale => 2,
                        _ => 3,
                    };
                    let variant = Variant {
                        workgroup_size: Some(size),
                        workgroups: Some(groups),
                        layout: Some(layout),
                        footprint_bytes: Some(vectors * 16 * arrays),
                        ..Variant::default()
                    };
                    let job = job(&format!("memory.vram.{op}"), op, Dtype::F32, variant);
                    let pass = timed(worker, &job, 5).unwrap();
                    assert_eq!(pass.work.bytes.0, (vectors * 16 * arrays * pass.repetitions) as f64, "{job}");
                }
            }
        }
    });
}

#[test]
fn workgroup_memory_is_read_as_often_as_counted() {
    on_every_adapter(|worker| {
        for (size, bytes) in [(32, 4096), (64, 16384), (256, 16384)] {
            let variant = Variant {
                workgroup_size: Some(size),
                workgroups: Some(7),
                footprint_bytes: Some(bytes),
                ..Variant::default()
            };
            let job = job("memory.workgroup.read", Op::Read, Dtype::F32, variant);
            let pass = timed(worker, &job, 11).unwrap();
            assert!(pass.work.bytes.0 > 0.0);
        }
    });
}
