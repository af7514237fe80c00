//! The measuring kernels of roofprobe.
//!
//! For whoever asks "what is being timed": every routine is written once, generically, in [`ops`]; an instruction set
//! only instantiates it in [`arch`]; each carries its exact cost on its label ([`op`], [`dtype`]); each is held against
//! the oracle in [`mod@reference`]. There is no clock, no I/O and no thread here.

pub mod dtype;
pub mod op;

pub use dtype::Dtype;
pub use op::{Cost, Op, Shape};
