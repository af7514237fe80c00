//! Sampling: calibrate, warm, race the variants, then spread the passes over the run and over allocations.
//!
//! Asks a [`Device`](crate::device::Device) the questions of a plan and turns the passes into ceilings. In a first sweep each
//! question has its race and its first samples. Then samples go where they are needed: a question is visited again while its
//! best rises or its modes are not settled, on fresh memory in each sweep. Nothing is printed or saved here: a [`Watcher`] is
//! told, and asked whether to go on.

mod memory_mode;
mod pace;
mod passes;
mod question_state;
mod race;
mod schedule;
mod session;
mod survey;
mod sustained;

use crate::error::Result;
use crate::profile::{Ceiling, Curve, Unit};
use std::time::Duration;

pub use pace::{Pace, Until};
pub use schedule::{Begun, begin, go_on, measure};
pub use session::{Clock, Session};
pub use survey::{Surveyed, survey};
pub use sustained::{duration, sustain};

/// How far a measurement is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The share of the whole that is done, 0 to 1. It never falls.
    pub share: f64,
    /// The id of the ceiling or curve that is being measured.
    pub now: &'a str,
    /// Its value so far, with the unit.
    pub value: Option<(f64, Unit)>,
    /// How long the rest will take at most, where that is known.
    pub left: Option<Duration>,
}

/// Gets progress and answers, and decides whether to go on.
pub trait Watcher {
    /// How far it is.
    fn progress(&mut self, progress: &Progress);

    /// A ceiling has new evidence: everything known so far, in the order of the plan.
    ///
    /// # Errors
    /// Ends the measurement.
    fn save(&mut self, ceilings: &[Ceiling]) -> Result<()>;

    /// One more curve is whole: all of them so far.
    ///
    /// # Errors
    /// Ends the measurement.
    fn surveyed(&mut self, curves: &[Curve]) -> Result<()>;

    /// Whether to stop after the present pass.
    fn interrupted(&self) -> bool;
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// One per question, in order.
    pub ceilings: Vec<Ceiling>,
    /// False when it was interrupted.
    pub complete: bool,
    /// Samples that were kept although CPU time was taken away during each try.
    pub disturbed_samples: u32,
}
