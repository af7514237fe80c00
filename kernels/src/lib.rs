//! The measuring kernels of roofprobe.
//!
//! For whoever asks "what is being timed": every routine is written once, generically, in [`ops`]; an instruction set
//! only instantiates it in `arch`; each carries its exact cost on its label ([`op`], [`dtype`]); each is held against
//! the oracle in [`mod@reference`]. There is no clock, no I/O and no thread here.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod arch;
pub mod buffer;
pub mod dtype;
mod formula;
pub mod isa;
mod lanes;
mod named;
pub mod op;
pub mod ops;
pub mod reference;
mod vector;

pub use dtype::{Block, Dtype};
pub use formula::Formula;
pub use isa::Isa;
pub use named::UnknownName;
pub use op::{Cost, Op, Shape};
