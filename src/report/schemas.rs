//! The JSON Schemas of what verbs write with `--format json`, from the types that are written.

use super::models::ListedModel;
use crate::calibrate::Calibration;
use crate::check::Checked;
use crate::compare::Comparison;
use crate::evaluate::{Evaluation, Speculation, Split};
use crate::measured::{Broken, MeasuredPoint};
use crate::profile::{DeviceInfo, Effort, Environment, Profile, Summary};
#[cfg(feature = "cli")]
use crate::replay::Replayed;
use crate::study::Study;
use crate::sweep::{Row, Values};
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A verb, what it writes, and the schema of that.
pub type VerbSchema = (&'static str, &'static str, fn() -> Value);

/// Every verb that has one; the first is the profile itself.
pub const SCHEMAS: &[VerbSchema] = &[
    ("profile", "A hardware profile, as TOML and as JSON", Profile::json_schema),
    ("measure", "The same", Profile::json_schema),
    ("show", "The same", Profile::json_schema),
    ("devices", "The devices that can be measured here", || schema_for!(ListedDevices).to_value()),
    #[cfg(feature = "cli")]
    ("doctor", "What stands in the way of good numbers", || schema_for!(crate::doctor::Examined).to_value()),
    ("evaluate", "Predictions, and measured runs under them", || schema_for!(Evaluated).to_value()),
    ("calibrate", "An engine's table and how well it fits", || schema_for!(Calibration).to_value()),
    ("sweep", "One line of a sweep", row),
    ("compare", "Profiles side by side", || schema_for!(Comparison).to_value()),
    ("fleet", "What `compare --fleet` writes", || schema_for!(crate::fleet::Fleet).to_value()),
    ("check", "The answer of the gate", || schema_for!(Checked).to_value()),
    ("study", "A study", || schema_for!(Study).to_value()),
    #[cfg(feature = "cli")]
    ("replay", "A replay", || schema_for!(Replayed).to_value()),
    ("models", "The models that are known by name", || schema_for!(ListedModels).to_value()),
    ("profiles", "The profiles that are known by name", || schema_for!(ListedProfiles).to_value()),
];

/// What `evaluate` writes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its parts are written by reports of their own")]
struct Evaluated {
    /// One for each model on each profile.
    results: Vec<Evaluation>,
    /// With `--draft`: decoding with a smaller model that goes ahead.
    #[schemars(default)]
    speculations: Vec<Speculation>,
    /// With `--split`: each model on two devices.
    #[schemars(default)]
    split: Vec<Split>,
    /// With `--measured`: the runs.
    #[schemars(default)]
    measured: Vec<MeasuredPoint>,
    /// With `--measured`: measurements of other models or devices.
    #[schemars(default)]
    measured_left_out: usize,
    /// With `--measured`: roofs that a run exceeded.
    #[schemars(default)]
    roofs_broken: Vec<Broken>,
}

/// What `models` writes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its rows are written by the report")]
struct ListedModels {
    models: Vec<ListedModel>,
}

/// What `profiles` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ListedProfiles {
    /// One for each.
    pub profiles: Vec<ListedProfile>,
}

/// A profile in the list of `profiles`.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ListedProfile {
    /// What to ask for it by.
    pub name: String,
    /// `shipped` or `kept`.
    pub from: &'static str,
    /// The device's name.
    pub device: String,
    /// The numbers that most readers want.
    pub summary: Summary,
    /// When it was measured.
    pub date: String,
    /// How much time it was given.
    pub effort: Option<Effort>,
    /// Whether all of it is quoted.
    pub quoted: bool,
    /// Whether every ceiling asked for has its answer.
    pub complete: bool,
}

/// What `devices` writes.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ListedDevices {
    /// The CPU, then every GPU.
    pub devices: Vec<ListedDevice>,
    /// What has to be said of them.
    pub notes: Vec<String>,
}

/// A device in the list of `devices`.
#[serde_with::skip_serializing_none]
#[derive(Debug, JsonSchema, Serialize)]
pub struct ListedDevice {
    /// How it is named on the command line.
    pub id: String,
    /// The CPU.
    pub device: Option<DeviceInfo>,
    /// Its circumstances.
    pub environment: Option<Environment>,
    /// A GPU, as its driver tells.
    pub adapter: Option<Map<String, Value>>,
}

/// The schema of a line of a sweep: its columns are the only type that it has.
fn row() -> Value {
    let property = |column: &crate::sweep::Column| {
        let word = match column.values {
            Values::Text(_) => "string",
            Values::Count(_) => "integer",
            Values::Number(_) => "number",
            Values::Truth(_) => "boolean",
        };
        (column.name.to_owned(), json!({ "type": [word, "null"] }))
    };
    let properties: Map<String, Value> = Row::COLUMNS.iter().map(property).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Row",
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}
