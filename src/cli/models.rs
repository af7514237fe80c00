//! `roofprobe models`.

use crate::error::Result;
use crate::report::Format;
use clap::Args;

/// List the language models that are known by name.
#[derive(Debug, Args)]
pub(super) struct Models {}

impl Models {
    pub(super) fn run(&self, _format: Format) -> Result<()> {
        Ok(())
    }
}
