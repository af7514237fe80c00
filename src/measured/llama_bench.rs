//! What llama-bench writes: one record for each test, with the model's size and every repetition's rate.
//!
//! `-p P` takes in a prompt of P tokens, `-n G` gives G tokens, both behind `-d D` tokens that are in the cache already; they are
//! independent tests, so that `-n` alone starts from an empty context whatever `-p` says. `-pg P,G` is one after the other.

use super::Measured;
use super::fields::Record;
use super::passes::{Chunks, Passes};
use crate::error::Result;
use crate::model::{Runtime, TensorType, Weights};
use std::path::Path;

/// The key that only its records have.
pub(super) const RATE: &str = "avg_ts";

pub(super) const ENGINE: &str = "llama-bench";

pub(super) fn measured(records: Vec<Record>) -> Result<Vec<Measured>> {
    records.iter().map(one).collect()
}

fn one(record: &Record) -> Result<Measured> {
    if record.is_on("embeddings") {
        return Err(
            record.wrong("embeddings", "embeddings were computed, which is no use of a language model counted here")
        );
    }
    let passes = Passes {
        past: record.maybe_count("n_depth")?.unwrap_or(0),
        prompt: record.count("n_prompt")?,
        decode: record.count("n_gen")?,
        chunks: Some(chunks(record)?),
    };
    if passes.tokens() == 0 {
        return Err(record.wrong("n_prompt, n_gen", "nothing was run"));
    }
    let Some(tokens_per_s) = record.maybe_rate(RATE)? else { return Err(record.wrong(RATE, "is missing")) };
    let model_type = record.text("model_type")?;
    let weights_named = file_type(model_type).unwrap_or_default();
    Ok(Measured {
        record: record.place.clone(),
        label: None,
        device: None,
        ran_on: ran_on(record)?,
        engine: ENGINE.to_owned(),
        runtime: Runtime::LlamaCpp,
        model: stem(record.text("model_filename")?),
        parameters: Some(record.count("model_n_params")?),
        tensor_bytes: Some(record.count("model_size")?),
        weights: weights(weights_named),
        weights_named: weights_named.to_owned(),
        kv: cache(record)?,
        passes,
        tokens_per_s,
        tokens_per_s_range: range(&record.rates("samples_ts")?),
    })
}

fn chunks(record: &Record) -> Result<Chunks> {
    let chunks = Chunks { batch: record.count("n_batch")?, micro_batch: record.count("n_ubatch")? };
    if chunks.batch == 0 || chunks.micro_batch == 0 {
        return Err(record.wrong("n_batch, n_ubatch", "must be 1 or more"));
    }
    Ok(chunks)
}

fn cache(record: &Record) -> Result<TensorType> {
    let (keys, values) = (record.text("type_k")?, record.text("type_v")?);
    if keys != values {
        return Err(
            record.wrong("type_k, type_v", format!("keys in {keys} and values in {values} are not counted here"))
        );
    }
    TensorType::of_name(keys).ok_or_else(|| record.wrong("type_k", format!("unknown type \"{keys}\"")))
}

/// The graphics processors used; without any, the processor.
fn ran_on(record: &Record) -> Result<Option<String>> {
    for key in ["gpu_info", "cpu_info"] {
        if let Some(device) = record.maybe_text(key)?.map(str::trim).filter(|device| !device.is_empty()) {
            return Ok(Some(device.to_owned()));
        }
    }
    Ok(None)
}

fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(|| file.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The slowest and the fastest of several.
fn range(samples: &[f64]) -> Option<[f64; 2]> {
    let least = samples.iter().copied().reduce(f64::min)?;
    let most = samples.iter().copied().reduce(f64::max)?;
    (samples.len() > 1).then_some([least, most])
}

/// The last part of a model's description: `qwen2 1.5B Q4_K - Medium` has the architecture, the size, and the file type.
fn file_type(description: &str) -> Option<&str> {
    let (_, rest) = description.split_once(' ')?;
    let (_, kind) = rest.split_once(' ')?;
    Some(kind.strip_suffix(" (guessed)").unwrap_or(kind))
}

/// A file type as llama.cpp describes it, as the format that `--weights` calls it.
fn weights(kind: &str) -> Option<Weights> {
    let word = match kind.split_once(" - ") {
        Some(("IQ3_S mix", _)) => "IQ3_M".to_owned(),
        Some(("Q2_K", "Medium")) => "Q2_K".to_owned(),
        Some((base, size @ ("Small" | "Medium" | "Large"))) => format!("{base}_{}", &size[..1]),
        Some((base, _)) => base.to_owned(),
        None => match kind {
            "all F32" => "F32".to_owned(),
            "MXFP4 MoE" => "MXFP4".to_owned(),
            kind => kind.to_owned(),
        },
    };
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_become_formats() {
        for (description, format) in [
            ("qwen2 1.5B Q4_K - Medium", "q4_k_m"),
            ("llama ?B F16", "f16"),
            ("llama 8B all F32", "f32"),
            ("qwen3moe 30B.A3B Q2_K - Medium", "q2_k"),
            ("llama 1B Q3_K - Large", "q3_k_l"),
            ("llama 1B IQ4_XS - 4.25 bpw", "iq4_xs"),
            ("llama 1B IQ3_S mix - 3.66 bpw", "iq3_m"),
            ("llama 1B Q8_0 (guessed)", "q8_0"),
            ("gpt-oss 20B MXFP4 MoE", "mxfp4"),
        ] {
            let kind = file_type(description).unwrap();
            assert_eq!(weights(kind).unwrap().to_string(), format, "{description}");
        }
        assert_eq!(weights("Q9_Z"), None);
        assert_eq!(file_type("llama"), None);
    }
}
