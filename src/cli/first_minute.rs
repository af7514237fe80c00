//! No verb at all: the first minute of a new user is an answer, not a help text.

use super::measure::Measure;
use super::say;
use crate::error::{Error, Result};
use crate::evaluate::evaluate;
use crate::model::weights::recipe::Recipe;
use crate::model::{self, Weights, Workload};
use crate::report::{self, Format, Report};

/// A small language model that runs on nearly everything.
const MODEL: &str = "qwen2.5-0.5b";
/// Stored as people store it on small devices.
const WEIGHTS: Weights = Weights::Mixture(Recipe::Q8_0);

/// Measures this machine quickly and evaluates a small model on it.
pub(super) fn run(format: Format) -> Result<()> {
    let measured = Measure::quick().measure()?;
    let workload = Workload { weights: Some(WEIGHTS), ..Workload::default() };
    let roofline = report::profile::report(&measured.profile)?;
    let evaluation = match evaluate(&model::find(MODEL)?, &workload.into(), &measured.profile, "this machine") {
        Ok(evaluation) => evaluation,
        Err(error) => {
            // What was found is shown all the same; the ceilings' own reasons say why it was not enough.
            super::print_report(&roofline, format)?;
            return Err(Error::failure(format!("{MODEL} cannot be evaluated: {error}")));
        }
    };
    let hope = report::evaluation::report(&[evaluation])?;
    let json = serde_json::json!({ "profile": roofline.json, "evaluation": hope.json });
    // The machine's circumstances, the roofline's second table, are for `roofprobe show`.
    let tables = roofline.tables.into_iter().take(1).chain(hope.tables).collect();
    super::print_report(&Report { tables, flat: None, json }, format)?;
    say(&format!(
        "next: roofprobe measure (more effort), roofprobe evaluate MODEL (roofprobe models lists them), \
         roofprobe show {}",
        measured.place
    ));
    Ok(())
}
