//! A replay: a model's own sequence of operations, run on this machine with weights that are made up.
//!
//! ```text
//! Model ─► steps, as the census counts them ─► Plan: a Sequence of launches ─► a device times it ─► Replayed
//!                                                ▲ ways: the winners of a profile     beside what the profile predicts
//! ```
//!
//! Planning is pure; only a device runs a [`Sequence`](crate::job::Sequence). Nothing is read from a file: weights are random
//! numbers in the layout and the number of the real ones. So what is timed is what this project's kernels do in their real
//! company: every layer has weights of its own, and each operation finds the caches as the one before it left them.

mod gpu_ways;
mod lay;
mod memory;
mod operands;
mod plan;
mod record;
mod ways;

pub use memory::{MemoryRead, memory_read};
pub use plan::{Plan, PlannedStep, plan};
pub use record::{Asked, GroupTime, Replayed, ReplayedPhase, StepTime, Time, Timed};

#[cfg(test)]
mod tests;
