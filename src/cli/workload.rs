//! How a model is named and used: what the verbs that evaluate models have in common.

use super::{choice, say};
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::evaluate::{Query, RoofKind};
use crate::measured::Given;
use crate::model::{self, Model, Runtime, Strictness, TensorType, Weights, Workload};
use crate::store::{self, Named};
use clap::Args;
use std::path::Path;

/// What is asked of models. The verb's argument `models` says of which.
#[derive(Debug, Args)]
pub(super) struct QueryOptions {
    #[command(flatten)]
    lengths: LengthOptions,

    #[command(flatten)]
    usage: UsageOptions,
}

/// What studies have options of their own for.
#[derive(Debug, Args)]
struct LengthOptions {
    /// Tokens of the prompt, as a rule 512: the prefill gives logits for the last one.
    #[arg(long, value_name = "N")]
    prompt: Option<u64>,

    /// Tokens to generate; adds the phase "generation", end to end.
    #[arg(long, value_name = "N")]
    generate: Option<u64>,

    /// Keys that the decode step sees, itself included; as a rule one more than the prompt. The prefill takes in the prompt all
    /// the same.
    #[arg(long, value_name = "N")]
    context: Option<u64>,

    /// Tokens in the cache of each sequence before the prompt comes; as a rule none.
    #[arg(long, value_name = "N")]
    cached: Option<u64>,

    /// How weights are stored; as a rule f16, and in a GGUF file as they are. f32, f16, bf16; a file type of
    /// llama-quantize (q4_k_m, q4_0, q8_0 …) with its mixture, pure:q4_k for one type throughout; a checkpoint's
    /// layout (awq, gptq-3bit-g64, mlx, nf4, fp8, mxfp4 …).
    #[arg(long, value_name = "FORMAT")]
    weights: Option<Weights>,
}

/// What studies can be asked, too.
#[derive(Debug, Args)]
pub(super) struct UsageOptions {
    /// Sequences processed together; as a rule 1.
    #[arg(long, value_name = "N")]
    batch: Option<u64>,

    /// How the key/value cache is stored, as a rule f16: f32, f16, bf16, fp8, q8_0, q4_0 …
    #[arg(long, value_name = "TYPE", value_parser = cache_type)]
    kv: Option<TensorType>,

    /// How multi-head latent attention is done: llama.cpp, vllm or hf (Hugging Face transformers). As a rule vllm, and in
    /// studies llama.cpp.
    #[arg(long, value_name = "NAME")]
    runtime: Option<Runtime>,

    /// Tokens that a prefill takes in at once, all sequences together; as a rule the whole prompt, and 512 is llama.cpp's
    /// habit. Each such pass reads all weights again.
    #[arg(long, value_name = "N")]
    micro_batch: Option<u64>,

    /// Behind the last layer's attention, a prefill goes on with the rows whose logits are needed, as llama.cpp does.
    #[arg(long)]
    prune_last_layer: bool,

    /// The ceilings that speeds go by; as a rule achieved, where every profile has measured matmuls.
    #[arg(long, value_parser = choice(ROOFS), value_name = "ROOF")]
    roof: Option<RoofKind>,

    /// Refuse a config.json with a key that is not understood and may change a count; as a rule a note names it.
    #[arg(long)]
    strict: bool,
}

impl QueryOptions {
    /// The models of these names and paths.
    pub(super) fn models(&self, names: &[String]) -> Result<Vec<Model>> {
        names.iter().map(|name| self.usage.model(name)).collect()
    }

    /// What is asked.
    ///
    /// # Errors
    /// Misuse for a workload beyond its limits.
    pub(super) fn query(&self) -> Result<Query> {
        let &LengthOptions { prompt, generate, context, cached, weights } = &self.lengths;
        let usual = Workload::default();
        let (prompt, cached) = (prompt.unwrap_or(usual.prompt), cached.unwrap_or(usual.cached));
        let workload = Workload { prompt, context, generate, weights, cached, ..usual };
        let query = self.usage.query(workload);
        query.workload.validate()?;
        Ok(query)
    }
}

impl QueryOptions {
    /// What these options say of runs whose file leaves it open: what was typed, and no usual value.
    pub(super) fn given(&self) -> Given {
        let &LengthOptions { prompt, generate, cached, weights, .. } = &self.lengths;
        Given { prompt, generate, cached, weights, ..self.usage.given() }
    }
}

impl UsageOptions {
    /// What these options say of runs whose file leaves it open.
    pub(super) fn given(&self) -> Given {
        let &UsageOptions { batch, kv, .. } = self;
        Given { batch, kv, ..Given::default() }
    }

    /// The ceilings that were asked for.
    pub(super) fn roof(&self) -> Option<RoofKind> {
        self.roof
    }

    /// A model by name or by path. What is no path that exists, and is not written as one, is a name:
    /// `meta-llama/Llama-3.2-1B` is one.
    pub(super) fn model(&self, name: &str) -> Result<Model> {
        find_model(name, if self.strict { Strictness::Strict } else { Strictness::Lenient })
    }

    /// What is asked, of the lengths, the weights and the usual runtime of `workload`.
    pub(super) fn query(&self, workload: Workload) -> Query {
        let workload = Workload {
            batch: self.batch.unwrap_or(workload.batch),
            kv: self.kv.unwrap_or(workload.kv),
            runtime: self.runtime.unwrap_or(workload.runtime),
            micro_batch: self.micro_batch,
            prune_last_layer: self.prune_last_layer,
            ..workload
        };
        Query { roof: self.roof, ..workload.into() }
    }
}

fn cache_type(word: &str) -> std::result::Result<TensorType, String> {
    let choices = || Workload::CACHES.map(|kind| kind.to_string()).join(", ");
    TensorType::of_name(word).ok_or_else(|| format!("unknown type {word:?}; known: {}", choices()))
}

/// The words of `--roof`.
const ROOFS: [(&str, &str, RoofKind); 2] = [
    ("peak", "Peak arithmetic and main memory, max(F/π, Q/β) for each operation: an upper bound", RoofKind::Peak),
    (
        "achieved",
        "What kernels were measured to do with such tensors and so many tokens, and what starting them costs",
        RoofKind::Achieved,
    ),
];

/// A model by name or by path, read leniently.
pub(super) fn read_model(name: &str) -> Result<Model> {
    find_model(name, Strictness::Lenient)
}

fn find_model(name: &str, strictness: Strictness) -> Result<Model> {
    let path = Path::new(name);
    let ending = |known: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(known));
    let written_as_path = ["json", "gguf", "safetensors"].into_iter().any(ending)
        || name.starts_with(['.', '/'])
        || path.components().count() > 2;
    if written_as_path || path.exists() {
        return model::read_model(path, strictness);
    }
    model::find(name)
}

/// Profiles by name or by path; where none is named, the best one of this machine.
pub(super) fn find_profiles(names: &[String]) -> Result<Vec<Named>> {
    match names {
        [] => Ok(vec![best_here()?]),
        names => names.iter().map(|name| store::find(name)).collect(),
    }
}

/// The best profile measured on this machine.
fn best_here() -> Result<Named> {
    best_of(&Cpu::describe()?.device.name, "roofprobe measure")
}

/// The best profile of the device of that name, which `measure` measures.
pub(super) fn best_of(device: &str, measure: &str) -> Result<Named> {
    let Some(chosen) = store::best(store::complete(device)) else {
        return Err(Error::misuse(format!(
            "no complete profile of {device} in {}; measure it with `{measure}`, or name one with -p (`roofprobe profiles` \
             lists them)",
            store::folder().display()
        )));
    };
    let grade = chosen.grade().map_or_else(|| "no grade".to_owned(), |grade| format!("grade {grade}"));
    let age = match chosen.age_days {
        Some(0) => ", today".to_owned(),
        Some(1) => ", 1 day ago".to_owned(),
        Some(days) if days > 1 => format!(", {days} days ago"),
        _ => String::new(),
    };
    let path = &chosen.path;
    say(&format!("using {}: {grade}, measured {}{age}", path.display(), chosen.day()));
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Named { name, profile: chosen.profile })
}
