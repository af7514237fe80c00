//! The operations of a forward pass, each with its exact shape.
//!
//! Formulas are those of the layers as published (Vaswani et al. 2017 for the transformer, Kaplan et al. 2020 for
//! counting 2 FLOP per weight and token), with the causal mask and the window counted exactly
//! ([`visible_pairs`](super::visible_pairs)). Names of steps that read a tensor are the names of GGUF tensors. Each kind
//! of layer has its file here.

mod attention;
mod class;
mod compressed;
mod counted;
mod feed_forward;
mod forms;
mod forward;
mod gemma;
mod latent;
mod plan;
mod recurrent;
mod shared_block;
mod step;
mod streams;
mod totals;
mod unit;

pub use class::Class;
pub use counted::Counted;
pub use forward::{Among, Forward};
pub(crate) use latent::INDEXER;
pub use step::{Reads, Step, WeightBytes};
pub use totals::{ByClass, Totals};
pub(super) use unit::Unit;
