//! The algorithms, each written once and generic over the instruction set.

pub mod chain;
pub mod chase;
pub mod clock;
pub mod stream;
