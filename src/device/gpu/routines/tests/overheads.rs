//! Dispatches, submissions and transfers do what they are counted for.

use super::*;
use crate::profile::{Launch, Transfer};

#[test]
fn dispatches_and_submissions_are_counted() {
    on_every_adapter(|worker| {
        for op in [Op::Dispatch, Op::Submit] {
            let job = job(&format!("overhead.{op}"), op, Dtype::I8, Launch {});
            for repetitions in [1, 50] {
                let pass = timed(worker, &job, repetitions).unwrap();
                assert!(pass.seconds.0 > 0.0 && pass.work.bytes.0 == 0.0);
            }
        }
    });
}

#[test]
fn what_is_transferred_arrives() {
    on_every_adapter(|worker| {
        for (id, op) in [
            ("transfer.h2d", Op::Upload),
            ("transfer.d2h", Op::Download),
            ("transfer.h2d_mapped", Op::UploadMapped),
            ("transfer.d2h_mapped", Op::DownloadMapped),
            ("transfer.d2d", Op::Copy),
        ] {
            // Whole, and in parts with an awkward rest.
            for (bytes, part) in [(8_u64, None), (1 << 20, Some(1 << 18)), ((3 << 20) + 8, Some(1 << 20))] {
                let variant = Transfer { footprint_bytes: bytes, window_bytes: part };
                let pass = timed(worker, &job(id, op, Dtype::I8, variant), 3).unwrap();
                // The device's own copies are several, and that within it reads and writes.
                let each = match op {
                    Op::Upload | Op::Download => 1,
                    Op::Copy => 16,
                    _ => 8,
                };
                assert_eq!(pass.work.bytes.0, 3.0 * (each * bytes) as f64, "{id}");
            }
        }
    });
}
