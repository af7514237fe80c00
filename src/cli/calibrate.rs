//! `roofprobe calibrate`.

use super::workload::{find_profiles, read_model};
use crate::calibrate;
use crate::engine;
use crate::error::{Error, Result};
use crate::file;
use crate::measured;
use crate::model::Model;
use crate::report::{self, Format};
use crate::store;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  llama-bench -m m-q8_0.gguf -p 512 -n 64 -o json > a.json
  llama-bench -m m-q8_0.gguf -p 0 -n 64 -d 2048 -o json > b.json
  roofprobe calibrate a.json b.json --model m-q8_0.gguf        three runs of one model
  roofprobe evaluate another.gguf                              the new table is found by itself
  roofprobe evaluate another.gguf --engine engine.toml         one that -o named

One format of weights is enough: the others move with it from the engine's shipped defaults, and the table says which figures
rest on what. A run of each format that you use makes it better.";

/// Fit how much of this device's ceilings an engine reaches, from its runs: `evaluate` then predicts that engine's speed.
///
/// Each run is counted exactly and set under the device's measured kernels, part by part: products with weights of each type for
/// one token and for many, attention, elementwise work, and what starting an operation and a pass costs. Run engine and `measure`
/// on a quiet machine, close to each other.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Calibrate {
    /// What the engine wrote of its runs: every format that `evaluate --measured` reads.
    #[arg(required = true, value_name = "RUNS")]
    runs: Vec<PathBuf>,

    /// The models that were run: names that `roofprobe models` lists, GGUF files, or config.json files.
    #[arg(short, long = "model", value_name = "MODEL", required = true)]
    models: Vec<String>,

    /// The hardware profile of the device that they were run on. As a rule the best one of this machine.
    #[arg(short, long, value_name = "PROFILE")]
    profile: Option<String>,

    /// The engine's name. The defaults of one that is known (llama.cpp) are where the fit begins.
    #[arg(long, value_name = "NAME", default_value = "llama.cpp")]
    engine: String,

    /// The table to begin with, instead of the engine's defaults: a file, or the name of an engine with shipped defaults.
    #[arg(long, value_name = "FILE|NAME")]
    from: Option<String>,

    /// Where to write the table; as a rule beside the profile, where `evaluate` finds it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Calibrate {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let mut runs = Vec::new();
        for path in &self.runs {
            let name = path.display().to_string();
            runs.extend(measured::parse(&name, &file::read_text(path)?)?);
        }
        let models: Vec<Model> = self.models.iter().map(|name| read_model(name)).collect::<Result<_>>()?;
        let models: Vec<(&str, &Model)> = self.models.iter().map(String::as_str).zip(&models).collect();
        let named = find_profiles(self.profile.as_slice())?;
        let named = named.first().ok_or_else(|| Error::failure("no profile was found"))?;
        let default = match &self.from {
            Some(from) => Some(store::find_engine(from)?),
            None => engine::shipped(&self.engine)?,
        };
        let samples = calibrate::samples(&runs, &models, (&named.name, &named.profile), default.as_ref())?;
        let mut calibration = calibrate::calibrate(&self.engine, &samples, &named.profile, default)?;
        calibration.table.fitted = Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let files: Vec<String> =
            self.runs.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
        calibration.table.source = format!("{} runs in {} on {}", samples.len(), files.join(", "), named.name);
        let path = store::keep_engine(&calibration.table, self.output.as_deref())?;
        super::say(&format!("table written to {}", path.display()));
        super::print_report(&report::calibrate::report(&calibration, &named.name)?, format)
    }
}
