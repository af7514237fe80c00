//! The passes that were timed, under the roofs: part by part.

use super::Measured;
use crate::engine::EngineTable;
use crate::error::Result;
use crate::evaluate::{Evaluator, Figures, PartTime, Query};
use crate::model::{Forward, Model, Workload};
use crate::profile::Profile;
use crate::units::Seconds;

/// The passes of one run, by what this device's kernels take for them.
#[derive(Clone, Debug)]
pub struct Timed<'a> {
    /// All of them, added up.
    pub figures: Figures<'a>,
    /// Their parts.
    pub parts: Vec<PartTime>,
    /// What they took when they were run.
    pub seconds: Seconds,
    /// Whether the profile has an achieved roof: else parts are bounds under the peak roofs.
    pub achieved: bool,
}

impl Measured {
    /// The passes of this run of `model`, under the roofs of `profile`, which is called `name`; with an engine's table by that,
    /// too.
    ///
    /// # Errors
    /// Misuse: as [`join`](super::join).
    pub fn timed<'a>(
        &self,
        model: &'a Model,
        profile: &'a Profile,
        name: &'a str,
        engine: Option<&'a EngineTable>,
    ) -> Result<Timed<'a>> {
        let workload = Workload { weights: self.format(model)?, kv: self.kv, ..Workload::default() };
        let evaluator = Evaluator::of_engine(model, &Query::from(workload), profile, name, engine)
            .map_err(|e| e.within(&self.record))?;
        let forwards = self.passes.forwards().into_iter();
        let forwards =
            forwards.map(|(pass, forward)| (pass, Forward { latents: self.runtime.latents(model, pass), ..forward }));
        let (figures, parts) = evaluator.parts_of(forwards).map_err(|e| e.within(&self.record))?;
        let seconds = Seconds(self.passes.tokens() as f64 / self.tokens_per_s);
        Ok(Timed { figures, parts, seconds, achieved: evaluator.has_achieved() })
    }
}
