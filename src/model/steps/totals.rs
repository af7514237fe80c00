//! What a list of steps adds up to.

use super::{Class, Step};
use crate::error::Result;

/// An exact count for each [`Class`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByClass([u128; Class::ALL.len()]);

impl ByClass {
    /// The count of one class.
    pub fn get(&self, class: Class) -> u128 {
        self.0[class as usize]
    }

    /// All classes together.
    pub fn total(&self) -> u128 {
        self.0.iter().sum()
    }

    fn add(&mut self, class: Class, count: u128) {
        self.0[class as usize] += count;
    }
}

/// What a list of steps adds up to, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Matmul FLOPs.
    pub flops: ByClass,
    /// Elementwise FLOPs.
    pub vector_flops: u128,
    /// Weight elements read; those of routed experts are an expectation, rounded.
    pub weight_elements: ByClass,
    /// Weight elements of routed experts that are expected to be read.
    pub expert_elements: f64,
    /// Weight bytes read, those of routed experts as expected.
    pub weight_bytes: ByClass,
    /// Weight bytes read if all tokens chose the same experts.
    pub weight_bytes_least: u128,
    /// Weight bytes read if no two tokens chose the same one while others are left.
    pub weight_bytes_most: u128,
    /// Cache elements read.
    pub kv_read_elements: u128,
    /// Cache elements written.
    pub kv_write_elements: u128,
    /// Cache bytes read.
    pub kv_read_bytes: u128,
    /// Cache bytes written.
    pub kv_write_bytes: u128,
    /// Bytes read of what recurrent layers keep.
    pub state_read_bytes: u128,
    /// Bytes written of it.
    pub state_write_bytes: u128,
    /// Activation elements read and written between routines.
    pub act_elements: u128,
}

impl Totals {
    /// Adds up.
    ///
    /// # Errors
    /// As [`Step::bytes`].
    pub fn of<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Result<Totals> {
        let mut totals = Totals::default();
        for step in steps {
            let cost = step.total();
            totals.flops.add(step.class, cost.flops);
            totals.vector_flops += cost.vector_flops;
            match step.class {
                // Summed with its fraction: an expectation has one.
                Class::Expert => totals.expert_elements += step.expected_elements(),
                class => totals.weight_elements.add(class, cost.weights_read),
            }
            let bytes = step.weight_bytes()?;
            totals.weight_bytes.add(step.class, bytes.expected);
            totals.weight_bytes_least += bytes.least;
            totals.weight_bytes_most += bytes.most;
            totals.kv_read_elements += cost.cache_read;
            totals.kv_write_elements += cost.cache_written;
            totals.kv_read_bytes += step.bytes(cost.cache_read)?;
            totals.kv_write_bytes += step.bytes(cost.cache_written)?;
            totals.state_read_bytes += step.bytes(cost.state_read)?;
            totals.state_write_bytes += step.bytes(cost.state_written)?;
            totals.act_elements += cost.input_read + cost.output_written;
        }
        totals.weight_elements.add(Class::Expert, totals.expert_elements.round() as u128);
        Ok(totals)
    }

    /// Bytes that come from and go to memory: weights, cache and state, not activations.
    pub fn memory_bytes(&self) -> u128 {
        let state = self.state_read_bytes + self.state_write_bytes;
        self.weight_bytes.total() + self.kv_read_bytes + self.kv_write_bytes + state
    }
}
