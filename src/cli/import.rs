//! `roofprobe import`.

use super::target::Target;
use super::{choice, print, say};
use crate::error::Result;
use crate::file::{self, Durability};
use crate::profile::{self, DeviceKind};
use crate::quoted::{self, Asked};
use clap::Args;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  roofprobe import stream.txt --device 'Ryzen 7 7800X3D' -o quoted.toml
  roofprobe import clpeak.json --device 'Apple M1 Pro' --kind gpu -o m1.toml
  roofprobe import clpeak.json nvbandwidth.json --kind gpu -o gpu.toml   both of one device
  roofprobe evaluate llama-3.2-1b -p quoted.toml

Runs of language models are no ceilings: `roofprobe evaluate MODEL --measured FILE` reads them.";

/// Make a quoted profile out of what clpeak 3, STREAM, likwid-bench, BabelStream or nvbandwidth measured.
///
/// What a file holds decides which tool wrote it. Each ceiling is quoted, with tool, version, date and file name as its source;
/// `show`, `evaluate`, `compare` and the others take the profile.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Import {
    /// What the tools printed or saved, all of one device. Of two values for one ceiling the better one is kept.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The device's name, where the files do not tell it; of a file of several devices, which one.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Whether that is a CPU or a GPU, where the files do not tell.
    #[arg(long, value_parser = choice(KINDS), value_name = "KIND")]
    kind: Option<DeviceKind>,

    /// When it was measured, where the files do not tell.
    #[arg(long, value_name = "DATE")]
    date: Option<String>,

    /// Where the profile goes; as a rule standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,

    /// Replace another device's profile.
    #[arg(long)]
    replace: bool,
}

/// The words of `--kind`.
const KINDS: [(&str, &str, DeviceKind); 2] =
    [("cpu", "The processor cores of the host", DeviceKind::Cpu), ("gpu", "A graphics processor", DeviceKind::Gpu)];

impl Import {
    pub(super) fn run(&self) -> Result<()> {
        let mut files = Vec::new();
        for path in &self.files {
            files.push((path.display().to_string(), file::read_text(path)?));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let asked = Asked { device: self.device.clone(), kind: self.kind, date: self.date.clone() };
        let profile = quoted::profile_of(&files, &asked)?;
        if self.output == "-" {
            return print(&profile::to_toml(&profile)?);
        }
        let target = Target::named(Path::new(&self.output), &profile.device, self.replace)?;
        target.write(&profile, Durability::Synced)?;
        say(&format!("{}: {} ceilings of {}", target.name(true), profile.ceiling.len(), profile.device.name));
        Ok(())
    }
}
