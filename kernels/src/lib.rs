//! The measuring kernels of roofprobe.
//!
//! For whoever asks "what is being timed": every routine is written once, in [`ops`], over the vocabulary in `simd`. An
//! instruction set in `arch` implements the vocabulary and lists the routines that it has; `registry` looks them up for each
//! instruction set. Each routine carries its exact cost on its label ([`op`], [`dtype`]), and each is held against the oracle in
//! [`mod@reference`]. There is no clock, no I/O and no thread here.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod arch;
pub mod buffer;
pub mod dtype;
mod formula;
pub mod isa;
mod named;
pub mod op;
pub mod ops;
mod random;
pub mod reference;
mod registry;
pub mod service;
mod simd;
mod vectorised;

pub use dtype::{Block, Dtype};
pub use formula::Formula;
pub use isa::Isa;
pub use named::UnknownName;
pub use op::{Cost, Op, Shape};
pub use vectorised::{Loops, vectorised};
