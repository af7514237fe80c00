//! `roofprobe isa-self-test`: what roofprobe starts itself with, to learn whether an instruction set ends the process.

use crate::device::cpu::{Cpu, PASSED};
use crate::error::{Error, Result};
use clap::Args;
use roofprobe_kernels::Isa;

/// Run one verified round of every chain of an instruction set.
#[derive(Debug, Args)]
pub(super) struct IsaSelfTest {
    /// The instruction set's name.
    isa: String,
}

impl IsaSelfTest {
    pub(super) fn run(&self) -> Result<()> {
        let isa: Isa = self.isa.parse().map_err(|error| Error::misuse(format!("{error}")))?;
        Cpu::try_instruction_set(isa)?;
        super::print(&format!("{PASSED}\n"))
    }
}
