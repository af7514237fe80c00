//! Every shader against the oracle, on every adapter that is there. Where there is none, each test says so and passes, unless
//! `ROOFPROBE_REQUIRE_GPU` is set, as the project's own checks do.

mod attention;
mod chains;
mod latencies;
mod matmul;
mod overheads;
mod rows;
mod shaders;
mod streams;
mod textbook;

use super::routine::{Routine, SharedBuffers};
use crate::device::gpu::adapter;
use crate::device::gpu::context::GpuError;
use crate::device::gpu::hooks::Hooks;
use crate::device::gpu::worker::Worker;
use crate::device::{Refusal, Timing};
use crate::job::Job;
use crate::profile::Variant;
use roofprobe_kernels::{Dtype, Op};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs `test` on every adapter, with the run-time checks of shaders off, as they are measured, and on.
fn on_every_adapter(test: impl Fn(&mut Worker)) {
    let _alone = alone();
    let adapters = adapter::all();
    if adapters.is_empty() {
        assert!(std::env::var_os("ROOFPROBE_REQUIRE_GPU").is_none(), "a GPU is required, and there is no adapter");
        eprintln!("skipped: there is no adapter");
    }
    for (described, adapter) in adapters {
        for checked in [false, true] {
            eprintln!("on {} ({}), checks {checked}", described.name, described.backend);
            let hooks = Hooks { checked, ..Hooks::default() };
            test(&mut Worker::open(&adapter, hooks).unwrap());
        }
    }
}

/// Software drivers use every core: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn job(ceiling: &str, op: Op, dtype: Dtype, variant: impl Into<Variant>) -> Job {
    Job { ceiling: ceiling.parse().unwrap(), op, dtype, variant: variant.into() }
}

/// The pass; `None` where the adapter lacks something.
fn timed(worker: &mut Worker, job: &Job, repetitions: u64) -> Option<Timing> {
    match worker.time(job, repetitions, 1.0) {
        Ok(pass) => Some(pass),
        Err(GpuError::Refused(Refusal::Unsupported(reason))) => {
            eprintln!("unsupported: {job}: {reason}");
            None
        }
        Err(other) => panic!("{job}: {other:?}"),
    }
}
