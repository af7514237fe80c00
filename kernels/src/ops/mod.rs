//! The algorithms, each written once and generic over the instruction set; and the table of those that an instruction set has.

pub mod attention;
pub mod chain;
pub mod chase;
pub mod clock;
pub mod matmul;
pub mod stream;
mod table;

pub(crate) use table::Kernels;
