//! A model's sequence of operations on a GPU. In the measuring process: [`GpuReplayer`], which asks the worker. In the worker:
//! `ready`, which makes operands and operations, and `run`, which runs and times them. `size` is known to both: how matrices are cut
//! for an adapter's bindings, and how much memory all of it takes.
//!
//! Operations are the routines of the measuring jobs, on operands of which each layer has its own, and `rows` for what stands between.
//! Each dispatch waits for the one before it.

mod ready;
#[cfg(not(target_arch = "wasm32"))]
mod replayer;
mod run;
mod size;

#[cfg(not(target_arch = "wasm32"))]
pub use replayer::GpuReplayer;
pub(super) use run::{PreparedSequence, Ran, Run};
