//! `roofprobe show`.

use crate::error::Result;
use crate::report::{self, Format};
use crate::store;
use clap::Args;

/// Read a profile aloud: its ceilings, their intervals, the machine and its circumstances.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A profile: a file, or the name of a shipped one (see `roofprobe profiles`).
    profile: String,
}

impl Show {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let named = store::find(&self.profile)?;
        super::print_report(&report::profile::report(&named.profile)?, format)
    }
}
