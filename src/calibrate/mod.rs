//! An engine's table, fitted from its runs.
//!
//! A run's passes are taken apart into [`Part`]s, each with the time that this device's kernels take for it. The engine takes
//! `Σ kernels / efficiency + op_us · launches + pass_us · passes`. The unknowns are found together, as the most probable ones (the
//! maximum a posteriori): runs say what they can, and the engine's defaults the rest. The logarithm of an efficiency is
//!
//! ```text
//! its default + what like parts have in common on this device + its own
//! ```
//!
//! with normal priors for the last two, so that a run in one format also moves the others of like parts.
//!
//! Pure: runs in, a table out.

mod fit;
mod solve;

use crate::engine::{EngineTable, Part, shipped};
use crate::error::{Error, Result};
use crate::evaluate::NamedProfile;
use crate::measured::{Measured, Timed};
use crate::model::{Model, Runtime};
use crate::profile::Profile;
use schemars::JsonSchema;
use serde::Serialize;

pub use fit::fit;

/// One run, as the fit sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is called: model, format and phase.
    pub label: String,
    /// The seconds that measured kernels take, by part.
    pub parts: Vec<(Part, f64)>,
    /// Operations started.
    pub launches: f64,
    /// Forward passes.
    pub passes: f64,
    /// The seconds that the engine took.
    pub seconds: f64,
}

/// A run beside what the table says of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fitted {
    /// Model, format and phase.
    pub run: String,
    /// Measured seconds.
    pub seconds: f64,
    /// Predicted seconds.
    pub predicted_seconds: f64,
    /// Predicted over measured time.
    pub ratio: f64,
}

/// A table, and how well it says what it was fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Calibration {
    /// The table.
    pub table: EngineTable,
    /// Its runs.
    pub runs: Vec<Fitted>,
    /// The engine whose defaults it began with, and their source; none where there are none.
    pub default: Option<String>,
}

impl Sample {
    /// The sample of a run whose passes are known part by part.
    pub fn of(label: String, timed: &Timed) -> Sample {
        Sample {
            label,
            parts: timed.parts.iter().map(|part| (part.part, part.engine_kernels.0)).collect(),
            launches: timed.parts.iter().map(|part| part.launches).sum(),
            passes: timed.figures.passes as f64,
            seconds: timed.seconds.0,
        }
    }
}

/// The samples of all runs of these models (each with the name that it was asked for by) on `profile`, which is called `name`. How the
/// engine does attention is in `default`.
///
/// # Errors
/// Misuse when a run cannot be counted, or none is of these models.
pub fn samples(
    measured: &[Measured],
    models: &[(&str, &Model)],
    (name, profile): NamedProfile,
    default: Option<&EngineTable>,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for run in measured {
        let mut of_it = Vec::new();
        for (asked, model) in models {
            if run.is_of(model, asked)? {
                of_it.push(*model);
            }
        }
        // Several files of one model have other bytes, or at least another format.
        let same = of_it.iter().find(|model| run.is_of_file(model));
        let Some(model) = same.or(of_it.first()) else { continue };
        let timed = run.timed(model, profile, name, default)?;
        if !timed.achieved {
            return Err(Error::misuse(format!(
                "{name}: no kernel was measured there, so nothing says what an engine reaches of them; measure one with \
                 `roofprobe measure`"
            )));
        }
        let weights = if run.weights_named.is_empty() { "as stored" } else { &run.weights_named };
        samples.push(Sample::of(format!("{} {weights} {}", model.name(), words(run)), &timed));
    }
    if samples.is_empty() {
        return Err(Error::misuse("no run there is of these models"));
    }
    Ok(samples)
}

/// `prefill 512`, `decode 64 at 2048`.
fn words(run: &Measured) -> String {
    let passes = run.passes;
    let depth = if passes.past > 0 { format!(" at {}", passes.past) } else { String::new() };
    match (passes.prompt, passes.decode) {
        (prompt, 0) => format!("prefill {prompt}{depth}"),
        (0, decode) => format!("decode {decode}{depth}"),
        (prompt, decode) => format!("prefill {prompt} + decode {decode}{depth}"),
    }
}

/// The engine that all of these runs are of: llama.cpp where its way of doing latent attention is theirs.
pub fn engine_of(runs: &[Measured]) -> &str {
    match runs.first() {
        Some(first) if first.runtime != Runtime::LlamaCpp => &first.engine,
        _ => "llama.cpp",
    }
}

/// Fits the table of `engine` on the device of `profile` to `samples`: from `default`, or the engine's shipped one where there is
/// one.
///
/// # Errors
/// Misuse without samples.
pub fn calibrate(
    engine: &str,
    samples: &[Sample],
    profile: &Profile,
    default: Option<EngineTable>,
) -> Result<Calibration> {
    let default = if default.is_some() { default } else { shipped(engine)? };
    let mut table = fit(samples, default.as_ref())?;
    engine.clone_into(&mut table.engine);
    profile.device.name.clone_into(&mut table.device);
    table.profile_measured = Some(profile.provenance.date.clone());
    table.validate()?;
    let runs = samples
        .iter()
        .map(|sample| {
            let predicted = fit::predicted(&table, sample);
            Fitted {
                run: sample.label.clone(),
                seconds: sample.seconds,
                predicted_seconds: predicted,
                ratio: predicted / sample.seconds,
            }
        })
        .collect();
    Ok(Calibration { table, runs, default: default.map(|default| format!("{}: {}", default.engine, default.source)) })
}
