//! `roofprobe canary`: what roofprobe starts itself with, to learn whether an instruction set kills.

use crate::device::cpu::{ALIVE, Cpu};
use crate::error::{Error, Result};
use clap::Args;
use roofprobe_kernels::Isa;

/// Run one verified round of every chain of an instruction set.
#[derive(Debug, Args)]
pub(super) struct Canary {
    /// The instruction set's name.
    isa: String,
}

impl Canary {
    pub(super) fn run(&self) -> Result<()> {
        let isa = Isa::ALL.iter().copied().find(|isa| isa.name() == self.isa);
        let isa = isa.ok_or_else(|| Error::misuse(format!("\"{}\" is no instruction set known here", self.isa)))?;
        Cpu::try_instruction_set(isa)?;
        super::print(&format!("{ALIVE}\n"))
    }
}
