//! The options of speculative decoding.

use super::workload::{QueryOptions, read_model};
use crate::engine::EngineTable;
use crate::error::{Error, Result};
use crate::evaluate::{DraftQuery, Evaluator, Query, Speculation, speculate};
use crate::model::{Model, Weights, Workload};
use crate::store::Named;
use clap::Args;

/// The word for a model's own layers for multi-token prediction.
const OWN: &str = "mtp";

#[derive(Debug, Args)]
pub(super) struct DraftOptions {
    /// Speculative decoding: a smaller model of the same tokenizer that drafts tokens, or mtp for the model's own layers for
    /// multi-token prediction. Adds a table, of all lengths with --details; JSON has them as "speculations", and CSV has nothing else.
    #[arg(long, value_name = "MODEL|mtp", requires = "accept")]
    draft: Option<String>,

    /// The chance that a drafted token is accepted, 0 to 1; engines report it.
    #[arg(long, value_name = "SHARE", requires = "draft")]
    accept: Option<f64>,

    /// Tokens of each draft; as a rule the number that is fastest.
    #[arg(long, value_name = "N", requires = "draft")]
    draft_length: Option<u64>,

    /// How the draft's weights are stored; as a rule as those of the model, and in a GGUF file as they are.
    #[arg(long, value_name = "FORMAT", requires = "draft")]
    draft_weights: Option<Weights>,
}

/// A draft that is asked for.
pub(super) struct Drafts {
    /// None for the model's own layers.
    model: Option<Model>,
    weights: Option<Weights>,
    query: DraftQuery,
}

impl DraftOptions {
    /// What is asked; none without a draft.
    ///
    /// # Errors
    /// Misuse for numbers beyond their limits, and for a draft that cannot be read.
    pub(super) fn drafts(&self, options: &QueryOptions) -> Result<Option<Drafts>> {
        let Some((name, accept)) = self.draft.as_ref().zip(self.accept) else { return Ok(None) };
        let query = DraftQuery { accept, length: self.draft_length };
        query.validate()?;
        let model = if name == OWN { None } else { Some(read_model(name).map_err(|e| e.within("--draft"))?) };
        let in_file = model.as_ref().is_some_and(|model| model.storage.gguf.is_some());
        let usual = options.query()?.workload.weights.filter(|_| !in_file);
        Ok(Some(Drafts { model, weights: self.draft_weights.or(usual), query }))
    }
}

impl Drafts {
    /// The pair on a profile.
    ///
    /// # Errors
    /// Misuse for a model without layers of its own to draft with, and as [`speculate`].
    pub(super) fn of(
        &self,
        model: &Model,
        query: &Query,
        named: &Named,
        engine: Option<&EngineTable>,
    ) -> Result<Speculation> {
        let own = if self.model.is_none() { model.predictor() } else { None };
        let Some(draft) = self.model.as_ref().or(own.as_ref()) else {
            return Err(Error::misuse(format!(
                "--draft mtp: {} has no layers for multi-token prediction; name a smaller model",
                model.name()
            )));
        };
        let evaluator = |model, query: &Query| Evaluator::of_engine(model, query, &named.profile, &named.name, engine);
        let target = evaluator(model, query)?;
        let query = query.with(Workload { weights: self.weights, ..query.workload }).by(target.roof());
        let draft = evaluator(draft, &query).map_err(|e| e.within("--draft"))?;
        speculate(&target, &draft, &self.query)
    }
}
