//! How a model is named and used: what the verbs that evaluate models have in common.

use super::say;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::evaluate::RoofKind;
use crate::model::{self, Model, Runtime, Strictness, TensorType, Weights, Workload};
use crate::profile::Profile;
use crate::store::{self, Named};
use clap::{Args, ValueEnum};
use std::path::Path;

/// How a model is used. The verb's argument `models` says which.
#[derive(Debug, Args)]
pub(super) struct WorkloadOptions {
    /// Tokens of the prompt: the prefill gives logits for the last one.
    #[arg(long, value_name = "N", default_value_t = 512, requires = "models")]
    prompt: u64,

    /// Tokens to generate; adds the phase "generation", end to end.
    #[arg(long, value_name = "N", requires = "models")]
    generate: Option<u64>,

    /// Keys that the decode step sees, itself included; as a rule one more than the prompt.
    #[arg(long, value_name = "N", requires = "models")]
    context: Option<u64>,

    /// Tokens in the cache of each sequence before the prompt comes.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "models")]
    cached: u64,

    /// Sequences processed together.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "models")]
    batch: u64,

    /// How weights are stored; as a rule f16, and in a GGUF file as they are. f32, f16, bf16; a file type of
    /// llama-quantize (q4_k_m, q4_0, q8_0 …) with its mixture, pure:q4_k for one type throughout; a checkpoint's
    /// layout (awq, gptq-3bit-g64, mlx, nf4, fp8, mxfp4 …).
    #[arg(long, value_name = "FORMAT", requires = "models")]
    weights: Option<Weights>,

    /// How the key/value cache is stored: f32, f16, bf16, fp8, q8_0, q4_0 …
    #[arg(long, value_name = "TYPE", default_value_t = TensorType::F16, value_parser = cache_type, requires = "models")]
    kv: TensorType,

    /// How multi-head latent attention is done: llama.cpp, vllm or hf (Hugging Face transformers).
    #[arg(long, value_name = "NAME", default_value_t = Runtime::default(), requires = "models")]
    runtime: Runtime,

    /// Tokens that a prefill takes in at once, all sequences together; as a rule the whole prompt, and 512 is llama.cpp's
    /// habit. Each such pass reads all weights again.
    #[arg(long, value_name = "N", requires = "models")]
    micro_batch: Option<u64>,

    /// Behind the last layer's attention, a prefill goes on with the rows whose logits are needed, as llama.cpp does.
    #[arg(long, requires = "models")]
    prune_last_layer: bool,

    #[command(flatten)]
    reading: ReadingOption,
}

/// How models are read.
#[derive(Debug, Args)]
pub(super) struct ReadingOption {
    /// Refuse a config.json with a key that is not understood and may change a count; as a rule a note names it.
    #[arg(long, requires = "models")]
    strict: bool,
}

impl ReadingOption {
    /// A model by name or by path. What is no path that exists, and none by its ending, is a name:
    /// `meta-llama/Llama-3.2-1B` is one.
    pub(super) fn find(&self, name: &str) -> Result<Model> {
        let path = Path::new(name);
        let ending = |known: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(known));
        let written_as_path =
            ending("json") || ending("gguf") || name.starts_with(['.', '/']) || path.components().count() > 2;
        if written_as_path || path.exists() {
            let strictness = if self.strict { Strictness::Strict } else { Strictness::Lenient };
            return model::read_model(path, strictness);
        }
        model::find(name)
    }
}

impl WorkloadOptions {
    /// A model by name or by path, read as asked.
    pub(super) fn find_model(&self, name: &str) -> Result<Model> {
        self.reading.find(name)
    }

    /// The workload asked for.
    ///
    /// # Errors
    /// Misuse for one beyond its limits.
    pub(super) fn workload(&self) -> Result<Workload> {
        let workload = Workload {
            prompt: self.prompt,
            context: self.context,
            generate: self.generate,
            batch: self.batch,
            weights: self.weights,
            kv: self.kv,
            cached: self.cached,
            runtime: self.runtime,
            micro_batch: self.micro_batch,
            prune_last_layer: self.prune_last_layer,
        };
        workload.validate()?;
        Ok(workload)
    }
}

pub(super) fn cache_type(word: &str) -> std::result::Result<TensorType, String> {
    let known = || Workload::CACHES.map(|kind| kind.to_string()).join(", ");
    TensorType::of_name(word).ok_or_else(|| format!("unknown type {word:?}; known: {}", known()))
}

/// Which ceilings predictions go by.
#[derive(Debug, Args)]
pub(super) struct RoofOption {
    /// The ceilings that speeds go by; as a rule achieved, where every profile has measured matmuls.
    #[arg(long, value_enum, value_name = "ROOF", requires = "models")]
    roof: Option<RoofName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoofName {
    /// Peak arithmetic and main memory, max(F/π, Q/β) for each operation: an upper bound.
    Peak,
    /// What kernels were measured to do with such tensors and so many tokens, and what starting them costs.
    Achieved,
}

impl RoofOption {
    /// The roof asked for.
    pub(super) fn kind(&self) -> Option<RoofKind> {
        self.roof.map(RoofName::kind)
    }
}

impl RoofName {
    /// The roof that it names.
    pub(super) fn kind(self) -> RoofKind {
        match self {
            RoofName::Peak => RoofKind::Peak,
            RoofName::Achieved => RoofKind::Achieved,
        }
    }
}

/// Profiles by name or by path; where none is named, the newest one of this machine.
pub(super) fn find_profiles(names: &[String]) -> Result<Vec<Named>> {
    match names {
        [] => Ok(vec![newest_here()?]),
        names => names.iter().map(|name| store::find(name)).collect(),
    }
}

/// The newest profile measured on this machine.
fn newest_here() -> Result<Named> {
    let device = Cpu::describe()?.device.name;
    let whole = |profile: &Profile| profile.provenance.complete && profile.provenance.only.is_empty();
    let Some((path, profile)) = store::newest(&device, whole) else {
        return Err(Error::misuse(format!(
            "no complete profile of this machine ({device}) in {}; measure it with `roofprobe measure`, or name one with -p \
             (`roofprobe profiles` lists them)",
            store::folder().display()
        )));
    };
    say(&format!("using the newest profile of this machine, {}", path.display()));
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Named { name, profile })
}
