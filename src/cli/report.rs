//! `roofprobe report`.

use super::output::refuse_other;
use super::workload::{UsageOptions, find_profiles};
use super::{runs, say};
use crate::compare::{Comparison, compare};
use crate::engine::EngineTable;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, NamedProfile, Query, RoofKind, common_roof, evaluate_engine};
use crate::file::{self, Durability};
use crate::measured::{Joined, MeasuredPoint};
use crate::model::{Model, Weights, Workload};
use crate::plot;
use crate::report::Format;
use crate::report::html::{self, Content, Device, Prediction};
use crate::store::{self, Named};
use clap::Args;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  roofprobe report here.toml                                   this device, and four usual models
  roofprobe report here.toml -m llama-3.2-1b -m qwen3-8b --weights q4_k_m,q8_0 --context 512,8192
  roofprobe report cpu.toml gpu.toml -o both.html              side by side
  roofprobe report here.toml -m m.gguf --engine llama.cpp --measured llama-bench.json

The file opens from disk in any browser, asks no network for anything, and can be sent as it is: it holds
the pictures, the tables, and the profiles themselves.";

/// Models that are shown where none is named: of several sizes, and much used.
const MODELS: [&str; 4] = ["qwen2.5-0.5b", "llama-3.2-1b", "qwen3-4b", "llama-3.1-8b"];
/// Formats that are shown where none is named; pictures show the first.
const WEIGHTS: [&str; 6] = ["q4_k_m", "q4_0", "q6_k", "q8_0", "bf16", "f16"];
/// Prompts that are shown where none is named.
const CONTEXTS: [u64; 3] = [512, 4096, 16384];

/// Write a report as one HTML file: what the device is, how far to trust that, pictures, models, the profile itself.
///
/// The verdict comes first. Tables sort and filter, pointing at a picture shows its numbers. It is meant for people who
/// have no roofprobe.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Report {
    /// Hardware profiles: files, or names that `roofprobe profiles` lists. The first is the reference for the others.
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<String>,

    /// Models to predict: names, config.json files or GGUF files, as `evaluate` takes them. May be repeated; as a rule four of the
    /// usual ones.
    #[arg(short, long = "model", value_name = "MODEL")]
    models: Vec<String>,

    /// How weights are stored: one format, or several with commas between; pictures show the first. As a rule six, and a GGUF file
    /// as it is.
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    weights: Vec<Weights>,

    /// Tokens of the prompt, which is taken in at once; then tokens are given. One number, or several with commas between; as a rule
    /// 512, 4096 and 16384.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    context: Vec<u64>,

    #[command(flatten)]
    usage: UsageOptions,

    /// Predict the speed of an engine: its table, or its name for the shipped defaults, as for `evaluate`. Without it, a table that
    /// `calibrate` kept for these very profiles is taken, where each has one.
    #[arg(long, value_name = "FILE|NAME")]
    engine: Option<String>,

    /// Show the measured runs of this file, too: what `evaluate --measured` reads.
    #[arg(long, value_name = "FILE", requires = "models")]
    measured: Option<PathBuf>,

    /// Where to write the page; '-' is standard output. A report that roofprobe made is written over, nothing else.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: String,
}

impl Report {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        if format != Format::default() {
            return Err(Error::misuse("--format: a report is HTML; leave the option out"));
        }
        let (named, tomls) = self.profiles()?;
        let asked_for = self.engine.as_deref().map(store::find_engine).transpose()?;
        let kept = if asked_for.is_none() { self.kept(&named) } else { Vec::new() };
        let asked: Vec<String> =
            if self.models.is_empty() { MODELS.map(str::to_owned).to_vec() } else { self.models.clone() };
        let models: Vec<Model> = asked.iter().map(|name| self.usage.model(name)).collect::<Result<_>>()?;
        let models: Vec<(&str, &Model)> = asked.iter().map(String::as_str).zip(&models).collect();
        let joined = self.joined(&models, &named, asked_for.as_ref())?;
        let profiles: Vec<NamedProfile> = named.iter().map(|n| (n.name.as_str(), &n.profile)).collect();
        let engines = (0..named.len()).map(|device| asked_for.as_ref().or(kept.get(device))).collect();
        let questions = Questions { report: self, models: &models, profiles: &profiles, engines };
        let predictions = questions.predictions()?;
        let pictured: Vec<Vec<Evaluation>> =
            (0..named.len()).map(|device| questions.pictured(device, &predictions)).collect();
        let points = joined.as_ref().map_or(&[][..], |joined| &joined.points);
        let of = |named: &Named| points.iter().filter(|point| point.profile == named.name).cloned().collect();
        let runs: Vec<Vec<MeasuredPoint>> = named.iter().map(of).collect();
        let devices = named.iter().zip(&tomls).zip(pictured.iter().zip(&runs));
        let devices = devices
            .map(|((named, toml), (evaluations, runs))| Device {
                name: &named.name,
                profile: &named.profile,
                toml,
                evaluations,
                runs,
            })
            .collect();
        let comparison = questions.comparison()?;
        let content = Content { devices, predictions, measured: joined.as_ref(), comparison: comparison.as_ref() };
        self.write(&html::page(&content)?)
    }

    /// The profiles under names that a page has room for, each with its file, byte by byte.
    fn profiles(&self) -> Result<(Vec<Named>, Vec<String>)> {
        let mut all = (Vec::new(), Vec::new());
        for mut named in find_profiles(&self.profiles)? {
            all.1.push(store::toml(&named.name)?);
            named.name = plot::short(&named.name);
            named.profile.device.name = plot::short(&named.profile.device.name);
            all.0.push(named);
        }
        Ok(all)
    }

    /// The tables that were kept for these profiles, where no other roof is asked for and every one has one: devices go by the same roof.
    fn kept(&self, named: &[Named]) -> Vec<EngineTable> {
        if self.usage.roof().is_some() {
            return Vec::new();
        }
        let found: Vec<_> = named.iter().map(|one| store::engine_of(&one.profile)).collect();
        let all = found.iter().all(Option::is_some);
        for (path, table) in found.iter().flatten() {
            let (engine, path) = (&table.engine, path.display());
            say(&if all {
                format!("by {engine}'s table {path}; --roof achieved leaves it out")
            } else {
                format!("{engine}'s table {path} is left out: not every profile has one")
            });
        }
        if all { found.into_iter().flatten().map(|(_, table)| table).collect() } else { Vec::new() }
    }

    fn joined(
        &self,
        models: &[(&str, &Model)],
        named: &[Named],
        engine: Option<&EngineTable>,
    ) -> Result<Option<Joined>> {
        let join = |path: &PathBuf| runs::join(path, self.usage.given(), models, named, engine);
        self.measured.as_ref().map(join).transpose()
    }

    fn write(&self, page: &str) -> Result<()> {
        if self.output == "-" {
            return super::print(page);
        }
        let path = Path::new(&self.output);
        refuse_other(path, "a report that roofprobe made", |bytes| {
            std::str::from_utf8(bytes).is_ok_and(html::is_ours)
        })?;
        file::write_atomically(path, page, Durability::Synced)?;
        say(&format!("report written to {} ({} kB)", path.display(), page.len().div_ceil(1000)));
        Ok(())
    }
}

/// What is asked of which models on which devices.
struct Questions<'q> {
    report: &'q Report,
    models: &'q [(&'q str, &'q Model)],
    profiles: &'q [NamedProfile<'q>],
    /// A table for each device, or for none.
    engines: Vec<Option<&'q EngineTable>>,
}

impl Questions<'_> {
    /// The formats of a model: those asked for; else a file's own, or the usual ones.
    fn weights(&self, model: &Model) -> Result<Vec<Option<Weights>>> {
        if model.storage.gguf.is_some() {
            return Ok(vec![None]);
        }
        let asked: Vec<Option<Weights>> = self.report.weights.iter().copied().map(Some).collect();
        if !asked.is_empty() {
            return Ok(asked);
        }
        WEIGHTS.iter().map(|word| word.parse().map(Some)).collect()
    }

    fn contexts(&self) -> &[u64] {
        if self.report.context.is_empty() { &CONTEXTS } else { &self.report.context }
    }

    fn query(&self, weights: Option<Weights>, context: u64) -> Query {
        let query =
            self.report.usage.query(Workload { weights, prompt: context, generate: None, ..Workload::default() });
        // Where no roof is asked for, all devices go by one that all of them have.
        let by_engine = self.engines.iter().all(Option::is_some).then_some(RoofKind::Engine);
        let roof = query.roof.or(by_engine).unwrap_or_else(|| common_roof(self.profiles));
        query.by(roof)
    }

    fn predictions(&self) -> Result<Vec<Prediction>> {
        let mut all = Vec::new();
        for (device, (name, profile)) in self.profiles.iter().enumerate() {
            for (asked, model) in self.models {
                for weights in self.weights(model)? {
                    for &context in self.contexts() {
                        let query = self.query(weights, context);
                        query.workload.validate().map_err(|e| e.within(format!("--context {context}")))?;
                        let outcome = evaluate_engine(model, &query, profile, name, self.engines[device]);
                        let words = |answer: &Evaluation| answer.weights.clone();
                        let weights = weights
                            .map_or_else(|| outcome.as_ref().map_or_else(|_| String::new(), words), |w| w.to_string());
                        all.push(Prediction {
                            device,
                            model: plot::short(if model.name().is_empty() { asked } else { model.name() }),
                            weights,
                            context,
                            outcome: outcome.map_err(|e| plot::short(&e.to_string())),
                        });
                    }
                }
            }
        }
        Ok(all)
    }

    /// For the picture of a device: the first answer of each model that every device has one of, as many as a picture has colours.
    fn pictured(&self, device: usize, predictions: &[Prediction]) -> Vec<Evaluation> {
        let answer = |device: usize, model: &str| {
            let mut of_model = predictions.iter().filter(|one| one.device == device && one.model == model);
            of_model.find_map(|one| one.outcome.as_ref().ok())
        };
        let mut models: Vec<&str> = Vec::new();
        for one in predictions {
            let everywhere = (0..self.profiles.len()).all(|device| answer(device, &one.model).is_some());
            if everywhere && !models.contains(&one.model.as_str()) && models.len() < plot::MODELS_MAX {
                models.push(&one.model);
            }
        }
        models.into_iter().filter_map(|model| answer(device, model).cloned()).collect()
    }

    /// Several devices side by side; models have a table of their own.
    fn comparison(&self) -> Result<Option<Comparison>> {
        let several = self.profiles.len() > 1;
        several.then(|| compare(self.profiles, &[], &Query::default())).transpose()
    }
}
