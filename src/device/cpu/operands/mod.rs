//! Operands that the whole team reads: made up by all threads, each writing its share first.

mod caches;
mod weights;

pub(super) use caches::Pool;
pub(super) use weights::SharedWeights;
