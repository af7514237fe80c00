//! No verb at all: the first minute of a new user is an answer, not a help text.

use super::measure::Measure;
use crate::error::{Error, Result};
use crate::evaluate::{Query, evaluate};
use crate::model::weights::recipe::Recipe;
use crate::model::{self, Weights, Workload};
use crate::report::{self, Format};

/// A small language model that runs on nearly everything.
const MODEL: &str = "qwen2.5-0.5b";
/// Stored as people store it on small devices.
const WEIGHTS: Weights = Weights::Mixture(Recipe::Q8_0);

/// Measures this machine quickly and evaluates a small model on it.
pub(super) fn run(format: Format) -> Result<()> {
    let measured = Measure::quick().measure()?;
    let workload = Workload { weights: Some(WEIGHTS), ..Workload::default() };
    let model = model::find(MODEL)?;
    let query = Query { advise: true, ..workload.into() };
    let (evaluation, failed) = match evaluate(&model, &query, &measured.profile, "this machine") {
        Ok(evaluation) => (Some(evaluation), None),
        // What was found is shown all the same; the ceilings' own reasons say why it was not enough.
        Err(error) => (None, Some(Error::failure(format!("{MODEL} cannot be evaluated: {error}")))),
    };
    super::print_report(&report::first_minute::report(&measured.profile, evaluation, &measured.place)?, format)?;
    failed.map_or(Ok(()), Err)
}
