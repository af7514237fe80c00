//! `roofprobe schema`.

use crate::error::{Error, Result};
use crate::profile::Profile;
use clap::Args;

/// Print the JSON Schema of a hardware profile, for tools that read or write one.
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(&self) -> Result<()> {
        let schema = serde_json::to_string_pretty(&Profile::json_schema())
            .map_err(|e| Error::failure(format!("the schema cannot be written as JSON: {e}")))?;
        super::print(&(schema + "\n"))
    }
}
