//! `roofprobe completions`.

use super::Arguments;
use crate::error::{Error, Result};
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Print the completion script of a shell, or the manual pages.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell; man is the manual page in roff.
    #[arg(value_enum)]
    target: Target,

    /// With man: the folder that gets a page for every verb. Without it the main page is printed.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
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
        if self.output.is_some() && self.target != Target::Man {
            return Err(Error::misuse("-o: is for the manual pages; a completion script is printed"));
        }
        let shell = match self.target {
            Target::Bash => Shell::Bash,
            Target::Zsh => Shell::Zsh,
            Target::Fish => Shell::Fish,
            Target::Elvish => Shell::Elvish,
            Target::PowerShell => Shell::PowerShell,
            Target::Man => return self.manual(),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), env!("CARGO_PKG_NAME"), &mut script);
        super::print(&String::from_utf8_lossy(&script))
    }

    fn manual(&self) -> Result<()> {
        let unwritten = |e: std::io::Error| Error::failure(format!("the manual pages cannot be written: {e}"));
        if let Some(folder) = &self.output {
            std::fs::create_dir_all(folder).map_err(unwritten)?;
            return clap_mangen::generate_to(Arguments::command(), folder).map_err(unwritten);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page).map_err(unwritten)?;
        super::print(&String::from_utf8_lossy(&page))
    }
}
