//! `roofprobe compare`.

use super::filter::globs;
use super::fleet;
use super::workload::QueryOptions;
use crate::compare::{Comparison, compare};
use crate::error::Result;
use crate::evaluate::NamedProfile;
use crate::report::{self, Format, Shown};
use crate::store::{self, Named};
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  roofprobe compare there.toml here.toml                       what differs, and is that decided
  roofprobe compare cpu.toml gpu.toml -m qwen2.5-0.5b -m llama-3.2-1b --weights q8_0
  roofprobe compare a.toml b.toml c.toml --only 'matmul.q4_*'  some quantities
  roofprobe compare before.toml after.toml --format csv        every quantity, numbers in full
  roofprobe compare --fleet profiles/ --rows fleet.parquet     a thousand machines: which are slow?

How to read it: the first profile, P1, is the reference. A ratio is always one of speeds: above 1
is faster, also where less is better (latencies, overheads). Where the intervals overlap, a
difference is undecided, and its ratio is marked; so is one of matmuls or attentions that were
asked at different extents, which has no verdict.";

/// Set devices side by side: what each reaches, how many times as fast as the first, whether that is decided.
///
/// Main memory of a CPU (memory.dram) and of a GPU (memory.vram) is one quantity, memory.main; all else is compared by
/// the ceiling's id. What a profile does not have stays empty.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, mut_group("LengthOptions", |group| group.requires("models")))]
#[command(mut_group("UsageOptions", |group| group.requires("models")))]
pub(super) struct Compare {
    /// Two or more hardware profiles: files, or shipped names that `roofprobe profiles` lists. The first is the reference.
    #[arg(required_unless_present = "fleet", value_name = "PROFILE")]
    profiles: Vec<String>,

    /// Compare the predicted performance of this model, too: a name that `roofprobe models` lists, or the path of a Hugging Face
    /// config.json (or of its folder) or of a GGUF file. May be repeated.
    #[arg(short, long = "model", value_name = "MODEL")]
    models: Vec<String>,

    #[command(flatten)]
    query: QueryOptions,

    /// Instead: machines of a fleet, hundreds or thousands of them; a folder, which means every .toml file below it, or a glob in quotes. May be
    /// repeated.
    #[arg(long, value_name = "DIR|GLOB", conflicts_with_all = ["profiles", "models", "only"])]
    fleet: Vec<String>,

    /// With --fleet: write every value of every machine to this file, too, by its ending .parquet or .csv.
    #[arg(long, value_name = "FILE", requires = "fleet")]
    rows: Option<String>,

    /// Show every quantity, not only those that people ask for first. JSON and CSV have every one anyway.
    #[arg(long)]
    all: bool,

    /// Compare only the quantities whose name or id matches, such as 'compute.*'. May be repeated.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
}

impl Compare {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        if !self.fleet.is_empty() {
            let shown = if self.all { Shown::All } else { Shown::Main };
            return fleet::run(&self.fleet, self.rows.as_deref(), shown, format);
        }
        let query = self.query.query()?;
        let named: Vec<Named> = self.profiles.iter().map(|name| store::find(name)).collect::<Result<_>>()?;
        let models = self.query.models(&self.models)?;
        let profiles: Vec<NamedProfile> = named.iter().map(|n| (n.name.as_str(), &n.profile)).collect();
        let mut comparison = compare(&profiles, &models, &query)?;
        self.restrict(&mut comparison)?;
        // What was asked for by name is shown, whoever else would want it.
        let shown = if self.all || !self.only.is_empty() { Shown::All } else { Shown::Main };
        super::print_report(&report::compare::report(&comparison, shown)?, format)
    }

    fn restrict(&self, comparison: &mut Comparison) -> Result<()> {
        let quantities = &comparison.quantities;
        let names: Vec<&str> = quantities.iter().flat_map(|q| q.names()).collect();
        let listed: Vec<&str> = quantities.iter().map(|q| q.quantity.as_str()).collect();
        let only = globs(&self.only, &names, "quantity of these profiles", &listed)?;
        comparison.quantities.retain(|q| self.only.is_empty() || q.names().any(|name| only.is_match(name)));
        Ok(())
    }
}
