//! `roofprobe evaluate`.

use super::draft::DraftOptions;
use super::runs;
use super::workload::{QueryOptions, find_profiles};
use crate::engine::EngineTable;
use crate::error::{Error, Result};
use crate::evaluate::{Query, Split, evaluate_engine};
use crate::measured::Given;
use crate::model::Model;
use crate::report::{self, Format, Report, Shown};
use crate::store::{self, Named};
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  roofprobe evaluate qwen2.5-0.5b                                  on this machine's best profile
  roofprobe evaluate qwen3-0.6b llama-3.2-1b -p a.toml -p b.toml   two models on two devices
  roofprobe evaluate config.json --prompt 4096 --generate 256 --weights q4_k_m --format csv
  roofprobe evaluate model-Q4_K_M.gguf                             a file's own tensor types
  llama-bench -m m.gguf -o json > m.json; roofprobe evaluate m.gguf --measured m.json
                                                                   where a real run stands

How to read it: FLOP/B is the work per byte that memory must deliver. Below the device's ridge point
memory binds, and tokens per second are bandwidth over bytes; beyond it compute binds.";

/// Predict how fast models run on a device: tokens per second, time to first token, memory, what binds.
///
/// The work is counted exactly from the architecture. Speeds go by what this device's kernels were measured to do, where
/// its profile has that, and beside that by peak arithmetic and memory alone, which nothing exceeds. It also shows how many
/// sequences, or tokens of a draft, come almost free, and which weights are fastest here.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Evaluate {
    /// Models: names that `roofprobe models` lists, or paths: of Hugging Face config.json files; of folders with one, where the
    /// headers of .safetensors files say how each tensor is stored; of such a file, or of the index of several; of GGUF
    /// files (of the first part of several).
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,

    /// Hardware profiles: files, or names that `roofprobe profiles` lists. As a rule the best one of this machine: of the last
    /// 30 days the one with the best grade, of equals the newest.
    #[arg(short, long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,

    /// Measured rates to set under the roofs: what llama-bench, ollama, vLLM, MLX and other engines wrote (docs/guide.md lists the
    /// formats), or a table of rates. What FILE leaves open is said with --weights, --prompt, --generate, --batch, --cached, --kv.
    /// Adds a table, and with --details more; JSON has them as "measured", and CSV has nothing else.
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,

    /// Predict the speed of an engine: its table, as `roofprobe calibrate` writes one, or its name for the shipped defaults
    /// (llama.cpp). As a rule the table that was kept for the profile, where there is one.
    #[arg(long, value_name = "FILE|NAME")]
    engine: Option<String>,

    /// Threads of the runs in FILE, where it does not tell.
    #[arg(long, value_name = "N", requires = "measured")]
    threads: Option<u64>,

    /// A second device's profile, such as that of a GPU beside the CPU of --profile: how many of the layers, or all but the experts,
    /// are better held there, and what that brings. Adds a table; JSON has it as "split", and CSV has nothing else.
    #[arg(long, value_name = "PROFILE", conflicts_with = "measured")]
    split: Option<String>,

    /// GB/s between the two devices of --split, each way. As a rule what the profile has as transfer.h2d and transfer.d2h.
    #[arg(long, value_name = "GB/S", requires = "split", value_parser = positive)]
    link: Option<f64>,

    #[command(flatten)]
    query: QueryOptions,

    #[command(flatten)]
    draft: DraftOptions,

    /// Print the tables behind the answer, too: work, potential, operations, formats. JSON has all of it anyway.
    #[arg(long)]
    details: bool,

    /// Print the formulas of every operation with their values.
    #[arg(long)]
    explain: bool,
}

impl Evaluate {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let query = Query { explain: self.explain, advise: true, ..self.query.query()? };
        let models = self.query.models(&self.models)?;
        let profiles = find_profiles(&self.profiles)?;
        let asked_for = self.engine.as_deref().map(store::find_engine).transpose()?;
        let drafts = self.draft.drafts(&self.query)?;
        let (mut evaluations, mut pairs) = (Vec::new(), Vec::new());
        for named in &profiles {
            let kept = if asked_for.is_none() { self.kept(named, &query) } else { None };
            let engine = asked_for.as_ref().or(kept.as_ref());
            for (model, asked) in models.iter().zip(&self.models) {
                let evaluation = evaluate_engine(model, &query, &named.profile, &named.name, engine);
                evaluations.push(evaluation.map_err(|e| e.within(asked))?);
                if let Some(drafts) = &drafts {
                    pairs.push(drafts.of(model, &query, named, engine)?);
                }
            }
        }
        let mut report = report::evaluation::report(&evaluations, self.shown())?;
        if !pairs.is_empty() {
            report.append(report::draft::report(&pairs, self.shown())?);
        }
        if let Some(path) = &self.measured {
            let given = Given { threads: self.threads, ..self.query.given() };
            let asked: Vec<_> = self.models.iter().map(String::as_str).zip(&models).collect();
            let joined = runs::join(path, given, &asked, &profiles, asked_for.as_ref())?;
            report.append(report::measured::report(&joined, self.shown())?);
        }
        if let Some(second) = &self.split {
            report.append(self.shared_out(&models, &query, &profiles, second)?);
        }
        super::print_report(&report, format)
    }

    /// The models on the first device and on a second one.
    fn shared_out(&self, models: &[Model], query: &Query, profiles: &[Named], second: &str) -> Result<Report> {
        let [first] = profiles else {
            return Err(Error::misuse("--split: takes one --profile, and the name of the second device's"));
        };
        let second = store::find(second)?;
        let (host, device) = ((first.name.as_str(), &first.profile), (second.name.as_str(), &second.profile));
        let of = |(model, asked): (&Model, &String)| {
            Split::of(model, query, host, device, self.link).map_err(|e| e.within(asked))
        };
        report::split::report(&models.iter().zip(&self.models).map(of).collect::<Result<Vec<_>>>()?)
    }

    /// The table that was kept for this profile, where no other roof is asked for.
    fn kept(&self, named: &Named, query: &Query) -> Option<EngineTable> {
        if query.roof.is_some() {
            return None;
        }
        let (path, table) = store::engine_of(&named.profile)?;
        super::say(&format!("by {}'s table {}; --roof achieved leaves it out", table.engine, path.display()));
        Some(table)
    }

    fn shown(&self) -> Shown {
        if self.details { Shown::All } else { Shown::Main }
    }
}

/// A rate above nothing.
fn positive(text: &str) -> std::result::Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("must be above 0".to_owned()) }
}
