//! A step with what it costs, counted once.

use super::step::{Step, WeightBytes, expected};
use crate::error::Result;
use crate::units::float;
use roofprobe_kernels::Cost;

/// A step, and what all its executions together cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// The step.
    pub step: Step,
    /// Its cost. Weights of routed experts are read as often as expected, rounded.
    pub cost: Cost,
    /// Weight elements that are expected to be read, with their fraction.
    pub expected_elements: f64,
    /// Weight bytes read.
    pub weight_bytes: WeightBytes,
    /// Cache bytes read.
    pub kv_read_bytes: u128,
    /// Cache bytes written.
    pub kv_write_bytes: u128,
    /// Bytes read of what recurrent layers keep.
    pub state_read_bytes: u128,
    /// Bytes written of it.
    pub state_write_bytes: u128,
}

impl Counted {
    /// Counts.
    ///
    /// # Errors
    /// As [`Step::bytes`].
    // Most of what is counted goes unused by most callers: inlined, it is not even computed.
    #[inline(always)]
    pub fn of(step: &Step) -> Result<Counted> {
        let once = step.op.cost(step.shape);
        let cost = step.all(&once);
        let bytes = |elements: u128| if elements == 0 { Ok(0) } else { step.bytes(elements) };
        let weights = bytes(once.weights_read)?;
        let [least, most] = [step.reads.least, step.reads.most].map(|times| weights * u128::from(times));
        let (kv_read_bytes, kv_write_bytes) = (bytes(cost.cache_read)?, bytes(cost.cache_written)?);
        let (state_read_bytes, state_write_bytes) = (bytes(cost.state_read)?, bytes(cost.state_written)?);
        let weight_bytes = WeightBytes { least, expected: expected(weights, step.reads), most };
        Ok(Counted {
            step: *step,
            cost,
            expected_elements: float(once.weights_read) * step.reads.expected,
            weight_bytes,
            kv_read_bytes,
            kv_write_bytes,
            state_read_bytes,
            state_write_bytes,
        })
    }

    /// Bytes read from memory: weights, cache and state.
    #[inline(always)]
    pub fn read_bytes(&self) -> u128 {
        self.weight_bytes.expected + self.kv_read_bytes + self.state_read_bytes
    }

    /// Bytes written to memory: cache and state.
    #[inline(always)]
    pub fn written_bytes(&self) -> u128 {
        self.kv_write_bytes + self.state_write_bytes
    }
}
