//! Devices: who can run a job and measure how long it took.
//!
//! A device knows nothing of ceilings, statistics or effort; [`crate::sample`] asks, and [`crate::probe`] decides what.

#[cfg(feature = "cli")]
mod child;
#[cfg(feature = "cli")]
pub mod cpu;
#[cfg(any(feature = "gpu", all(feature = "browser", target_arch = "wasm32")))]
pub mod gpu;
#[cfg(feature = "cli")]
pub mod power;
mod routing;
mod sequence;

use routing::Routing;
#[cfg(feature = "cli")]
use routing::Visit;
pub use sequence::{Replayer, SequencePass};

use crate::job::Job;
use crate::profile::Machine;
use crate::units::Seconds;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// What a pass is for. Hardware does not care; a simulated device answers each from its own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To find the number of repetitions, and to let clocks and caches settle.
    Warm,
    /// To choose among variants.
    Trial,
    /// To be kept.
    Sample,
}

/// One timed run: `repetitions` executions of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// From the first thread's start to the last thread's end.
    pub seconds: Seconds,
    /// Executions timed.
    pub repetitions: u64,
    /// The work of all of them, as the kernel's label gives it.
    pub work: Work,
    /// The clock measured in the threads right around the pass, Hz.
    pub clock_hz: Option<f64>,
    /// The share of the arrays on huge pages, where there are arrays and the system reports it.
    pub huge_share: Option<f64>,
    /// Of the results: root mean square of the differences from exact ones, relative to that of the exact ones.
    pub relative_error: Option<f64>,
    /// Mean electric power meanwhile, W, where it can be read.
    pub watts: Option<f64>,
    /// The hypervisor or the quota took the CPU away during the pass.
    pub disturbed: bool,
    /// A remark for the ceiling.
    pub note: Option<String>,
}

/// Why there is no pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The device cannot do this.
    Unsupported(String),
    /// The result was wrong.
    Rejected(String),
    /// Something needed is not there (a permission, a thread).
    Skipped(String),
    /// There is too little memory on the device: less may do.
    OutOfMemory(String),
    /// There is nothing more to be had: a simulated device has replayed its record.
    Exhausted,
}

/// What comes of a try: as a rule a pass.
pub type Attempt<T = Timing> = Result<T, Refusal>;

/// Something that can time a job.
pub trait Device {
    /// What it is, and its circumstances as far as they are known now.
    fn machine(&self) -> Machine;

    /// Times `repetitions` executions of `job`, and verifies their result.
    ///
    /// # Errors
    /// A refusal with its reason; the device stays usable.
    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> Attempt;

    /// Gives up all memory, so that the next pass gets other pages: placement is one of the things that vary.
    fn renew(&mut self);
}
