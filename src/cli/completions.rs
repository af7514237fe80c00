//! `roofprobe completions`.

use super::Arguments;
use crate::error::{Error, Result};
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

/// Print the completion script of a shell, or the manual page.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell; man is the manual page in roff.
    #[arg(value_enum)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
    Elvish,
    #[value(name = "powershell")]
    PowerShell,
    Man,
}

impl Completions {
    pub(super) fn run(&self) -> Result<()> {
        let shell = match self.target {
            Target::Bash => Shell::Bash,
            Target::Zsh => Shell::Zsh,
            Target::Fish => Shell::Fish,
            Target::Elvish => Shell::Elvish,
            Target::PowerShell => Shell::PowerShell,
            Target::Man => return super::print(&manual()?),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), env!("CARGO_PKG_NAME"), &mut script);
        super::print(&String::from_utf8_lossy(&script))
    }
}

fn manual() -> Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut page)
        .map_err(|e| Error::failure(format!("the manual page cannot be written: {e}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
