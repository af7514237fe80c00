//! Devices that run sequences: operations one after another, timed as one pass.

use super::{Attempt, Refusal};
use crate::job::{Job, Sequence};
use crate::profile::Machine;
use serde::{Deserialize, Serialize};

/// One pass over a sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SequencePass {
    /// From the start of the first operation to the end of the last one, seconds.
    pub seconds: f64,
    /// Of each step, where they were asked for.
    pub steps: Vec<f64>,
    /// The device was taken away meanwhile, or its clocks disagree.
    pub disturbed: bool,
    /// Whether it went to its end.
    pub complete: bool,
}

/// Something that can run a sequence. It holds one at a time.
pub trait Replayer {
    /// What it is, and its circumstances as far as they are known now.
    fn machine(&self) -> Machine;

    /// Memory that a sequence takes, bytes.
    ///
    /// # Errors
    /// Unsupported when there is no such kernel here; out of memory when no machine has so much.
    fn sequence_bytes(&self, sequence: &Sequence) -> Attempt<u64>;

    /// Makes a sequence ready, in the place of an earlier one: its operands and its operations. `shown` is told the share that is
    /// done, and says whether to go on. Returns what is done otherwise than the sequence says.
    ///
    /// # Errors
    /// Unsupported when there is no such kernel here, skipped when there is too little memory or somebody wants it to end.
    fn make_ready(&mut self, sequence: &Sequence, shown: &mut dyn FnMut(f64) -> bool) -> Attempt<Vec<String>>;

    /// Overwrites the results of all operations, so that what is not written is found.
    ///
    /// # Errors
    /// Skipped when the device is lost.
    fn spoil(&mut self) -> Attempt<()>;

    /// Times one pass; with `timers` each step by itself, too. `stop` is asked now and then whether to end before the end.
    ///
    /// # Errors
    /// Skipped when the device, or a thread of it, is lost.
    fn pass(&mut self, timers: bool, stop: fn() -> bool) -> Attempt<SequencePass>;

    /// Times one execution of a measuring job between passes.
    ///
    /// # Errors
    /// Unsupported where it cannot be done beside a sequence; else as [`Device::time`](super::Device::time).
    fn time(&mut self, job: &Job) -> Attempt {
        Err(Refusal::Unsupported(format!("{job}: not beside a sequence")))
    }

    /// Whether all results of the last pass were written, and a sample of them is what the oracle gives.
    ///
    /// # Errors
    /// Skipped when the device is lost.
    fn verified(&mut self) -> Attempt<bool>;
}
