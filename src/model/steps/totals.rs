//! What a list of steps adds up to.

use super::class::Class;
use super::counted::Counted;
use super::step::Step;
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

    pub(crate) fn add(&mut self, class: Class, count: u128) {
        self.0[class as usize] += count;
    }

    fn set(&mut self, class: Class, count: u128) {
        self.0[class as usize] = count;
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
            totals.add(&Counted::of(step)?);
        }
        Ok(totals)
    }

    /// Adds one more.
    pub fn add(&mut self, counted: &Counted) {
        let Counted { step, cost, weight_bytes, .. } = counted;
        self.flops.add(step.class, cost.flops);
        self.vector_flops += cost.vector_flops;
        match step.class {
            // Summed with its fraction: an expectation has one.
            Class::Expert => {
                self.expert_elements += counted.expected_elements;
                self.weight_elements.set(Class::Expert, self.expert_elements.round() as u128);
            }
            class => self.weight_elements.add(class, cost.weights_read),
        }
        self.weight_bytes.add(step.class, weight_bytes.expected);
        self.weight_bytes_least += weight_bytes.least;
        self.weight_bytes_most += weight_bytes.most;
        self.kv_read_elements += cost.cache_read;
        self.kv_write_elements += cost.cache_written;
        self.kv_read_bytes += counted.kv_read_bytes;
        self.kv_write_bytes += counted.kv_write_bytes;
        self.state_read_bytes += counted.state_read_bytes;
        self.state_write_bytes += counted.state_write_bytes;
        self.act_elements += cost.input_read + cost.output_written;
    }

    /// Bytes that come from and go to memory: weights, cache and state, not activations.
    pub fn memory_bytes(&self) -> u128 {
        let state = self.state_read_bytes + self.state_write_bytes;
        self.weight_bytes.total() + self.kv_read_bytes + self.kv_write_bytes + state
    }
}
