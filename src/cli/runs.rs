//! Files of measured runs: what the verbs that show them have in common.

use crate::calibrate;
use crate::engine::{self, EngineTable};
use crate::error::Result;
use crate::file;
use crate::measured::{self, Given, GivenModel, Joined};
use crate::model::Model;
use crate::store::Named;
use std::path::Path;

/// The measured rates of `path` that belong to these models, each with what it was asked for by, and to these profiles. What the
/// file leaves open is `given`.
/// Where time is lost is said by the engine's table; where none is named, by one fitted to these very runs.
pub(super) fn join(
    path: &Path,
    given: Given,
    models: &[(&str, &Model)],
    profiles: &[Named],
    engine: Option<&EngineTable>,
) -> Result<Joined> {
    let given = Given { models: models.iter().map(|(name, model)| given_model(name, model)).collect(), ..given };
    let name = path.display().to_string();
    let measured = measured::parse_with(&name, &file::read_text(path)?, &given)?;
    let mut tables = Vec::new();
    for named in profiles {
        let engine = calibrate::engine_of(&measured);
        let default = engine::shipped(engine)?;
        // Runs that cannot be counted are refused below, with their reason.
        let samples = calibrate::samples(&measured, models, (&named.name, &named.profile), default.as_ref());
        let fitted = samples.and_then(|samples| calibrate::calibrate(engine, &samples, &named.profile, None)).ok();
        tables.push(fitted.map(|calibration| calibration.table));
    }
    let profiles: Vec<_> = profiles
        .iter()
        .zip(&tables)
        .map(|(named, table)| (named.name.as_str(), &named.profile, engine.or(table.as_ref())))
        .collect();
    measured::join_engines(&measured, models, &profiles).map_err(|e| e.within(name))
}

fn given_model(name: &str, model: &Model) -> GivenModel {
    let parameters = match &model.storage.gguf {
        Some(stored) => Some(stored.params_total),
        None => model.parameters().ok(),
    };
    GivenModel { name: name.to_owned(), parameters }
}
