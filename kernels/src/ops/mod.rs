//! The algorithms, each written once and generic over the instruction set.

pub mod attention;
pub mod chain;
pub mod chase;
pub mod clock;
pub mod matmul;
pub mod stream;
