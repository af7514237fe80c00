//! How a model is named and used: what the verbs that evaluate models have in common.

use crate::error::{Error, Result};
use crate::model::{self, Architecture, Runtime, Workload};
use clap::Args;
use roofprobe_kernels::Dtype;
use std::path::Path;

/// How a model is used. The verb's argument `models` says which.
#[derive(Debug, Args)]
pub(super) struct WorkloadOptions {
    /// Tokens of the prompt: the prefill takes them in at once, with logits for the last one.
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

    /// How weights are stored: f32, f16, bf16, q8_0 or q4_0.
    #[arg(long, value_name = "TYPE", default_value_t = Dtype::F16, requires = "models")]
    weights: Dtype,

    /// How the key/value cache is stored: f32, f16, bf16, q8_0 or q4_0.
    #[arg(long, value_name = "TYPE", default_value_t = Dtype::F16, requires = "models")]
    kv: Dtype,

    /// How multi-head latent attention is done: llama.cpp, vllm or hf (Hugging Face transformers).
    #[arg(long, value_name = "NAME", default_value_t = Runtime::default(), requires = "models")]
    runtime: Runtime,
}

impl WorkloadOptions {
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
        };
        workload.validate()?;
        Ok(workload)
    }
}

/// A model by name or by path.
pub(super) fn find_model(name: &str) -> Result<Architecture> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) {
        return Err(Error::misuse(format!(
            "{name}: GGUF files are not read yet; name its config.json or a known model"
        )));
    }
    if path.is_dir() {
        return model::read_config(&path.join("config.json"));
    }
    let looks_like_a_path = path.components().count() > 1 || path.extension().is_some_and(|e| e == "json");
    if looks_like_a_path || path.is_file() {
        return model::read_config(path);
    }
    model::find(name)
}
