//! `roofprobe show`.

use crate::error::Result;
use crate::report::{self, Format, Shown};
use crate::store;
use clap::Args;

/// Show a profile: what the device reaches, with intervals, and how far to trust it.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A profile: a file, or the name of a shipped one (see `roofprobe profiles`).
    profile: String,

    /// Show every ceiling with its variant and samples, the curves, the machine and its circumstances. JSON and CSV have
    /// every ceiling anyway.
    #[arg(long)]
    all: bool,
}

impl Show {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let named = store::find(&self.profile)?;
        let shown = if self.all { Shown::All } else { Shown::Main };
        super::print_report(&report::profile::report(&named.profile, shown)?, format)
    }
}
