//! `roofprobe models`.

use crate::error::Result;
use crate::model;
use crate::report::{self, Format};
use clap::Args;

/// List the language models that are known by name.
#[derive(Debug, Args)]
pub(super) struct Models {}

impl Models {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        super::print_report(&report::models::report(&model::zoo()?)?, format)
    }
}
