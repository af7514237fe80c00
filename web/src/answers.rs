//! Answers to what the page asks: reports and predictions of opened profiles.

use roofprobe::compare::{Comparison, compare};
use roofprobe::error::{Error, Result};
use roofprobe::evaluate::{Evaluation, NamedProfile, Query, common_roof, evaluate};
use roofprobe::model::{self, Model, Weights, Workload};
use roofprobe::plot;
use roofprobe::profile::{self, Profile};
use roofprobe::report::html::{self, Content, Device, Prediction};
use roofprobe::report::{self, Format, Report, Shown};
use serde::Deserialize;

/// Profiles that were opened, and what is to be predicted of which models.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    profiles: Vec<Opened>,
    models: Vec<String>,
    /// How weights are stored.
    weights: Vec<String>,
    /// Tokens of prompts.
    prompts: Vec<u64>,
}

/// A profile that was opened.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    /// What it is called.
    name: String,
    /// Its file.
    toml: String,
}

/// A profile as JSON.
pub(crate) fn profile_json(toml: &str) -> Result<String> {
    json(&report::profile::report(&profile::parse(toml)?, Shown::Main)?)
}

fn json(report: &Report) -> Result<String> {
    let format = Format::named("json").ok_or_else(|| Error::failure("there is no format json"))?;
    report.render(format)
}

impl Request {
    /// Reads what the page asks.
    ///
    /// # Errors
    /// Failure where page and program do not fit together.
    pub(crate) fn read(request: &str) -> Result<Request> {
        serde_json::from_str(request).map_err(|e| Error::failure(format!("the page asks what is not understood: {e}")))
    }

    fn profiles(&self) -> Result<Vec<Profile>> {
        let read = |opened: &Opened| profile::parse(&opened.toml).map_err(|e| e.within(&opened.name));
        self.profiles.iter().map(read).collect()
    }

    fn models(&self) -> Result<Vec<Model>> {
        self.models.iter().map(|name| model::find(name)).collect()
    }

    fn weights(&self) -> Result<Vec<Weights>> {
        let read = |word: &String| word.parse().map_err(|e: Error| e.within("weights"));
        self.weights.iter().map(read).collect()
    }

    /// Profiles under names that a page has room for.
    fn named<'r>(&'r self, profiles: &'r [Profile]) -> Vec<NamedProfile<'r>> {
        self.profiles.iter().map(|opened| opened.name.as_str()).zip(profiles).collect()
    }

    /// A report: the body alone, or the whole file.
    ///
    /// # Errors
    /// Which profile or model cannot be read.
    pub(crate) fn report(&self, whole: bool) -> Result<String> {
        let profiles = self.profiles()?;
        let named = self.named(&profiles);
        let predictions = self.predictions(&named)?;
        let pictured: Vec<Vec<Evaluation>> =
            (0..named.len()).map(|device| pictured(device, named.len(), &predictions)).collect();
        let all = named.iter().zip(&self.profiles).zip(&pictured);
        let devices = all
            .map(|((&(name, profile), opened), evaluations)| Device {
                name,
                profile,
                toml: &opened.toml,
                evaluations,
                runs: &[],
            })
            .collect();
        let comparison = self.comparison(&named)?;
        let content = Content { devices, predictions, measured: None, comparison: comparison.as_ref() };
        if whole { html::page(&content) } else { html::body(&content) }
    }

    /// Every model in every format with every prompt on every device. All devices go by a roof that all of them have.
    fn predictions(&self, named: &[NamedProfile<'_>]) -> Result<Vec<Prediction>> {
        let (models, formats, roof) = (self.models()?, self.weights()?, common_roof(named));
        let mut all = Vec::new();
        for (device, (name, profile)) in named.iter().enumerate() {
            for model in &models {
                for weights in &formats {
                    for &context in &self.prompts {
                        let workload = Workload {
                            weights: Some(*weights),
                            prompt: context,
                            generate: None,
                            ..Workload::default()
                        };
                        let outcome = evaluate(model, &Query::from(workload).by(roof), profile, name);
                        all.push(Prediction {
                            device,
                            model: plot::short(model.name()),
                            weights: weights.to_string(),
                            context,
                            outcome: outcome.map_err(|e| plot::short(&e.to_string())),
                        });
                    }
                }
            }
        }
        Ok(all)
    }

    fn comparison(&self, named: &[NamedProfile<'_>]) -> Result<Option<Comparison>> {
        (named.len() > 1).then(|| compare(named, &[], &Query::default())).transpose()
    }

    /// What `roofprobe evaluate` says of the models, in the first format, with its usual prompt.
    ///
    /// # Errors
    /// Which profile or model cannot be read, or evaluated.
    pub(crate) fn evaluation_json(&self) -> Result<String> {
        let (profiles, models) = (self.profiles()?, self.models()?);
        let weights = self.weights()?.first().copied();
        let workload = Workload { weights, generate: None, ..Workload::default() };
        let query = Query { advise: true, ..Query::from(workload) };
        let mut evaluations = Vec::new();
        for (name, profile) in self.named(&profiles) {
            for model in &models {
                evaluations.push(evaluate(model, &query, profile, name)?);
            }
        }
        json(&report::evaluation::report(&evaluations, Shown::Main)?)
    }
}

/// For the picture of a device: the first answer of each model that every device has one of, as many as a picture has colours.
fn pictured(device: usize, devices: usize, predictions: &[Prediction]) -> Vec<Evaluation> {
    let answer = |device: usize, model: &str| {
        let mut of_model = predictions.iter().filter(|one| one.device == device && one.model == model);
        of_model.find_map(|one| one.outcome.as_ref().ok())
    };
    let models = report::unique(predictions.iter().map(|one| one.model.clone()));
    let everywhere = models.iter().filter(|model| (0..devices).all(|device| answer(device, model).is_some()));
    everywhere.take(plot::MODELS_MAX).filter_map(|model| answer(device, model).cloned()).collect()
}
