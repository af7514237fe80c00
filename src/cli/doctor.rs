//! `roofprobe doctor`.

use crate::device::cpu::Cpu;
use crate::doctor::examine;
use crate::error::Result;
use crate::report::{self, Format};
use clap::Args;
use std::path::Path;

/// Find what stands in the way of good numbers here, and the command that mends it. Needs no rights, and times nothing.
#[derive(Debug, Args)]
pub(super) struct Doctor {}

impl Doctor {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let examined = examine(Path::new("/"), &Cpu::describe()?);
        super::print_report(&report::doctor::report(&examined)?, format)
    }
}
