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
        for (id, op) in [("transfer.h2d", Op::Upload), ("transfer.d2h", Op::Download)] {
            for bytes in [8_u64, 1 << 20, (3 << 20) + 8] {
                let variant = Transfer { footprint_bytes: bytes };
                let pass = timed(worker, &job(id, op, Dtype::I8, variant), 3).unwrap();
                assert_eq!(pass.work.bytes.0, 3.0 * bytes as f64);
            }
        }
    });
}
