//! `roofprobe schema`.

use super::choice;
use crate::error::{Error, Result};
use crate::report::Format;
use crate::report::schemas::SCHEMAS;
use clap::Args;
use serde_json::Value;

/// Print the JSON Schema of what a verb writes with `--format json`; as a rule that of a hardware profile.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// The verb.
    #[arg(value_name = "VERB", default_value = SCHEMAS[0].0, value_parser = choice(SCHEMAS.iter().map(|&(verb, what, schema)| (verb, what, schema))))]
    verb: fn() -> Value,
}

impl Schema {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        if ![Format::default().name(), "json"].contains(&format.name()) {
            return Err(Error::misuse("--format: a schema is JSON; leave the option out"));
        }
        let schema = serde_json::to_string_pretty(&(self.verb)())
            .map_err(|e| Error::failure(format!("the schema cannot be written as JSON: {e}")))?;
        super::print(&(schema + "\n"))
    }
}
