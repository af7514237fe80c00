//! The time of passes by their parts: what an engine's efficiencies are fitted to, and where time is lost.

use super::{Evaluator, Figures};
use crate::engine::Part;
use crate::error::Result;
use crate::model::{Forward, Pass};
use crate::units::Seconds;

/// One part of some passes: all of its operations together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartTime {
    /// Which part.
    pub part: Part,
    /// What the measured kernels take, without starting them; where none was measured, the bound under the peak roofs and,
    /// of elementwise work, its activations at the bandwidth of memory.
    pub kernels: Seconds,
    /// How often something is started.
    pub launches: f64,
    /// What the engine takes, starting included, where a table was given.
    pub engine: Option<Seconds>,
}

impl<'a> Evaluator<'a> {
    /// Any passes, added up, and by their parts, in the order of their first operations.
    ///
    /// # Errors
    /// As [`Evaluator::figures_of`].
    pub fn parts_of(&self, passes: impl IntoIterator<Item = (Pass, Forward)>) -> Result<(Figures<'a>, Vec<PartTime>)> {
        let (mut figures, mut parts) = (Figures::default(), Vec::<PartTime>::new());
        for (pass, forward) in passes {
            self.add(pass, &forward, &mut figures, |step| {
                let part = Part::of(&step.counted.step, pass, &step.task);
                let peak = Seconds(step.peak.seconds().0 + step.peak.activations[1]);
                let kernels = step.achieved.map_or(peak, |bound| Seconds(bound.seconds.0 - bound.overhead.0));
                let place = parts.iter().position(|other| other.part == part).unwrap_or_else(|| {
                    parts.push(PartTime { part, kernels: Seconds(0.0), launches: 0.0, engine: None });
                    parts.len() - 1
                });
                let sum = &mut parts[place];
                sum.kernels = sum.kernels + kernels;
                sum.launches += step.task.launches;
                if let Some(engine) = step.engine {
                    sum.engine = Some(sum.engine.unwrap_or_default() + engine.seconds);
                }
            })?;
        }
        Ok((figures, parts))
    }
}
