//! `roofprobe study`.

use super::choice;
use super::workload::{UsageOptions, find_profiles};
use crate::error::{Error, Result};
use crate::evaluate::{NamedProfile, common_roof};
use crate::model::{MOBILE_TIER, Model, Runtime, Weights, Workload};
use crate::report::{self, Format};
use crate::store::{self, Named};
use crate::study::{self, Engine, PAPER_MODELS, Scenario, Setting};
use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  roofprobe study sequence -p here.toml                     the paper's models, on a profile of yours
  roofprobe study depth qwen2.5-1.5b --layers 1..8,16,32    where OI is greatest
  roofprobe study precision llama-3.2-1b --weights f16,q8_0,q4_0 -p here.toml
  roofprobe study attention -p apple-m1-pro-datasheet -p nvidia-rtx-3070-ti-laptop-datasheet
  roofprobe study hardware --format csv                     on the paper's devices

A study ends with findings: claims, most of them the paper's, with whether they hold for what was chosen,
and the numbers that decide it. docs/paper.md has what comes of the paper's own choice.";

/// Ask what the RooflineBench paper (arXiv 2602.11506) asks, of any model and device: how lengths, depth, precision,
/// attention and hardware move a model under the roofline.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Study {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Short and long prompts and answers: SISO, LISO, SILO, LILO.
    Sequence(Plain),
    /// The same model cut or repeated to other numbers of layers.
    Depth(Depth),
    /// The same model in several formats of weights.
    Precision(Precision),
    /// Multi-head, grouped-query and latent attention, the latter as each runtime does it.
    Attention(Plain),
    /// The same models on several devices: on which side of the ridge they fall.
    Hardware(Plain),
}

/// What all studies can be asked.
#[derive(Debug, Args)]
struct Common {
    /// Models: names that `roofprobe models` lists, or paths as for `evaluate`; by default the paper's.
    #[arg(value_name = "MODEL")]
    models: Vec<String>,

    /// Hardware profiles: files or shipped names; by default the best one of this machine (the best grade of the last 30 days,
    /// then the newest), and for `hardware` the data sheets of the paper's five devices.
    #[arg(short, long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,

    /// A scenario: SISO, LISO, SILO, LILO, or two numbers of tokens, PROMPT/GENERATE. May be repeated; by default those four.
    #[arg(long = "scenario", value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,

    /// How a scenario is run: definition (the answer follows the prompt) or llama-bench (two tests; decoding begins with an
    /// empty context).
    #[arg(long, value_parser = choice(ENGINES), value_name = "NAME", default_value = ENGINES[0].0)]
    engine: Engine,

    #[command(flatten)]
    usage: UsageOptions,
}

/// A study of one format of weights.
#[derive(Debug, Args)]
struct Plain {
    #[command(flatten)]
    common: Common,

    /// How weights are stored, as for `evaluate`; as a rule f16.
    #[arg(long, value_name = "FORMAT")]
    weights: Option<Weights>,
}

#[derive(Debug, Args)]
struct Depth {
    #[command(flatten)]
    plain: Plain,

    /// Numbers of layers, rising; A..B is all from A to B.
    #[arg(long, value_name = "N,…", default_value = "2,3,4,5,6,8,12,16,24,32,48,64")]
    layers: String,
}

#[derive(Debug, Args)]
struct Precision {
    #[command(flatten)]
    common: Common,

    /// Formats of weights, as for `evaluate`; the first is the reference.
    #[arg(long, value_name = "FORMAT,…", value_delimiter = ',', default_value = "f16,q8_0,q4_k_m")]
    weights: Vec<Weights>,
}

/// The words of `--engine`.
const ENGINES: [(&str, &str, Engine); 2] =
    [("definition", "", Engine::Definition), ("llama-bench", "", Engine::LlamaBench)];

/// The paper's five devices.
const DEVICES: [&str; 5] = [
    "nvidia-rtx-3090-datasheet",
    "nvidia-rtx-3070-ti-laptop-datasheet",
    "apple-m1-pro-datasheet",
    "nvidia-jetson-orin-nano-super-datasheet",
    "raspberry-pi-5-datasheet",
];

impl Study {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let (common, weights) = self.which.asked();
        let models = self.which.models()?;
        let named = self.which.profiles()?;
        let profiles: Vec<NamedProfile> = named.iter().map(|n| (n.name.as_str(), &n.profile)).collect();
        let setting = common.setting(weights, &profiles);
        let study = match &self.which {
            Which::Sequence(_) => study::sequence(&models, &profiles, &setting),
            Which::Depth(depth) => study::depth(&models, &profiles, &setting, &numbers(&depth.layers)?),
            Which::Precision(precision) => study::precision(&models, &profiles, &setting, &precision.weights),
            Which::Attention(_) => study::attention(&models, &profiles, &setting),
            Which::Hardware(_) => study::hardware(&models, &profiles, &setting),
        }?;
        super::print_report(&report::study::report(&study)?, format)
    }
}

impl Which {
    fn asked(&self) -> (&Common, Option<Weights>) {
        match self {
            Which::Sequence(plain) | Which::Attention(plain) | Which::Hardware(plain) => (&plain.common, plain.weights),
            Which::Depth(depth) => (&depth.plain.common, depth.plain.weights),
            Which::Precision(precision) => (&precision.common, None),
        }
    }

    fn models(&self) -> Result<Vec<Model>> {
        let common = self.asked().0;
        let find = |name| common.usage.model(name);
        match (common.models.as_slice(), self) {
            ([], Which::Attention(_)) => {
                PAPER_MODELS.iter().map(|&(name, layers)| find(name)?.with_layers(layers)).collect()
            }
            ([], _) => MOBILE_TIER.iter().map(|name| find(name)).collect(),
            (names, _) => names.iter().map(|name| find(name)).collect(),
        }
    }

    fn profiles(&self) -> Result<Vec<Named>> {
        let named = self.asked().0.profiles.as_slice();
        match (named, self) {
            ([], Which::Hardware(_)) => DEVICES.iter().map(|name| store::find(name)).collect(),
            (names, _) => find_profiles(names),
        }
    }
}

impl Common {
    fn setting(&self, weights: Option<Weights>, profiles: &[NamedProfile]) -> Setting {
        let scenarios = if self.scenarios.is_empty() { Scenario::all() } else { self.scenarios.clone() };
        let workload = Workload { weights, runtime: Runtime::LlamaCpp, ..Workload::default() };
        let query = self.usage.query(workload);
        Setting { scenarios, engine: self.engine, query: query.by(query.roof.unwrap_or_else(|| common_roof(profiles))) }
    }
}

/// `2,4,8..16` as numbers.
fn numbers(list: &str) -> Result<Vec<u64>> {
    let wrong = || Error::misuse(format!("--layers {list}: must be numbers such as 2,4,8 or ranges such as 2..64"));
    let mut numbers = Vec::new();
    for word in list.split(',') {
        let number = |word: &str| word.trim().parse::<u64>().map_err(|_| wrong());
        match word.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                // Deeper than any model: the study itself refuses it.
                numbers.extend(first..=last.min(first.saturating_add(1 << 13)));
            }
            None => numbers.push(number(word)?),
        }
    }
    Ok(numbers)
}
