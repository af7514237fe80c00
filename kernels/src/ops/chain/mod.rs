//! Chains: multiply-accumulate recurrences in registers, the compute peak of an instruction.
//!
//! ```text
//! each round:  acc[i] = start[i]                     for every accumulator vector i
//!              repeat STEPS times: acc[i] = step(acc[i], operands)
//!              sums[i] += bits(acc[i])               wrapping
//! ```
//!
//! A step depends on the step before it in every lane, and the values come from memory at run time, so nothing can be
//! folded or hoisted. Each round starts from the same values, so that `sums` after R rounds must be R times the
//! oracle's result, exactly: every timed operation is verified.

mod kernel;
pub(crate) mod recurrence;
mod shape;

pub(crate) use kernel::{ChainArguments, ChainEntry};
pub use kernel::{ChainKernel, ChainState};
pub use shape::{CONVERTED_ROWS, ChainShape, Halves, Recurrence, STEPS};
