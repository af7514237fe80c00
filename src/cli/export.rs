//! `roofprobe export`.

use super::output::refuse_profile;
use super::{choice, print, say};
use crate::error::{Error, Result};
use crate::export::{self, Asked, FORMATS};
use crate::file::{self, Durability};
use crate::store;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::Value;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  roofprobe export here.toml --to openmetrics -o /var/lib/node_exporter/roofprobe.prom
  roofprobe export gpu.toml --to llm-viewer --with my-gpu.onchip_buffer=6144000 --name my-gpu
  roofprobe export here.toml --to bencher > results.json

What a profile does not know is left out, and said on standard error; so are suspect values.";

/// Write a profile as other tools read it: planners, simulators, monitors and gates.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Export {
    /// The hardware profile: a file, or a name that `roofprobe profiles` lists.
    #[arg(value_name = "PROFILE")]
    profile: String,

    /// The format.
    #[arg(long, value_name = "FORMAT", required = true, value_parser = choice(FORMATS.map(|format| (format.name, format.about, format.name))))]
    to: &'static str,

    /// Where to write it; as a rule standard output. What is there is written over, unless it is a profile.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,

    /// What the device is called there; as a rule its name.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,

    /// Fill in a field that no profile knows, such as node.intra_node_bw=12000000000. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = field)]
    with: Vec<(String, Value)>,

    /// Export suspect values, too.
    #[arg(long)]
    suspects: bool,
}

/// A field and its value: JSON, or else a word.
fn field(text: &str) -> std::result::Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    if key.split('.').any(str::is_empty) {
        return Err("must be KEY=VALUE".to_owned());
    }
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

impl Export {
    pub(super) fn run(&self, format: super::Format) -> Result<()> {
        if format != super::Format::default() {
            return Err(Error::misuse("--format: --to names the format; leave the option out"));
        }
        let named = store::find(&self.profile)?;
        let asked = Asked { name: self.name.clone(), with: self.with.clone(), suspects: self.suspects };
        let exported = export::export(&named.profile, self.to, &asked).map_err(|e| e.within(&named.name))?;
        exported.remarks.iter().for_each(|remark| say(remark));
        if self.output == "-" {
            return print(&exported.text);
        }
        let path = Path::new(&self.output);
        refuse_profile(path, "-o")?;
        file::write_atomically(path, &exported.text, Durability::Synced)
    }
}
