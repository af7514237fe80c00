//! A plain table of rates: what papers and notebooks have. One row for each model, format and scenario.
//!
//! Columns, in any order: `device` (the name of a profile's device), `label`, `engine`, `model`, `weights`, `kv`, `prompt`, `generate`,
//! `cached`, `prefill_tokens_per_s`, `decode_tokens_per_s`. A row needs a model, and a rate with its number of tokens. Decoding
//! follows the prompt, whose logits give the first token, so that `generate` tokens take one pass less; with the engine
//! `llama-bench` it is a test of its own behind `cached` tokens, with as many passes as tokens.

use super::content::Content;
use super::record::Record;
use super::{Format, llama_bench};
use crate::error::{Error, Result, shown};
use crate::measured::passes::{LLAMA_BENCH, Passes};
use crate::measured::{Given, Measured};
use crate::model::{Runtime, TensorType};

pub(super) const FORMAT: Format = Format { name: "a table of rates", is, read };

const COLUMNS: &str = "device, label, engine, model, weights, kv, prompt, generate, cached, prefill_tokens_per_s, \
                       decode_tokens_per_s";

/// A table that has any column of this one: what else it has is refused by name.
fn is(content: &Content<'_>) -> bool {
    COLUMNS.split(", ").any(|column| content.has_columns(&[column]))
}

fn read(content: &Content<'_>, _: &Given) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for record in content.csv.as_ref().map_err(Clone::clone)? {
        row(record, &mut measured)?;
    }
    Ok(measured)
}

fn row(record: &Record, measured: &mut Vec<Measured>) -> Result<()> {
    if let Some(unknown) = record.keys().find(|key| COLUMNS.split(", ").all(|column| column != *key)) {
        return Err(record.wrong(&shown(unknown), format!("no column of this table; known: {COLUMNS}")));
    }
    let [prefill, decode] = [record.maybe_rate("prefill_tokens_per_s")?, record.maybe_rate("decode_tokens_per_s")?];
    if prefill.is_none() && decode.is_none() {
        return Err(record.wrong("prefill_tokens_per_s, decode_tokens_per_s", "one of them is needed"));
    }
    let (prompt, cached) = (record.maybe_count("prompt")?, record.maybe_count("cached")?.unwrap_or(0));
    let shared = shared(record)?;
    let of_its_own = shared.engine == llama_bench::ENGINE;
    let none = Passes { batch: 1, past: cached, prompt: 0, decode: 0, chunks: of_its_own.then_some(LLAMA_BENCH) };
    if let Some(rate) = prefill {
        let prompt = some(record, "prompt", prompt, 1)?;
        measured.push(Measured { passes: Passes { prompt, ..none }, tokens_per_s: rate, ..shared.clone() });
    }
    if let Some(rate) = decode {
        let generate = some(record, "generate", record.maybe_count("generate")?, if of_its_own { 1 } else { 2 })?;
        let passes = if of_its_own {
            Passes { decode: generate, ..none }
        } else {
            Passes { past: cached.saturating_add(prompt.unwrap_or(0)), decode: generate - 1, ..none }
        };
        measured.push(Measured { passes, tokens_per_s: rate, ..shared });
    }
    Ok(())
}

/// A count that its rate cannot do without.
fn some(record: &Record, key: &str, count: Option<u64>, least: u64) -> Result<u64> {
    match count {
        Some(count) if count >= least => Ok(count),
        Some(count) => Err(record.wrong(key, format!("must be {least} or more for a rate, is {count}"))),
        None => Err(record.wrong(key, "is missing; the rate needs it")),
    }
}

/// What both rates of a row have in common.
fn shared(record: &Record) -> Result<Measured> {
    let (engine, runtime) = engine(record)?;
    let weights_named = record.maybe_text("weights")?.unwrap_or_default();
    let format = |word: &str| word.parse().map_err(|e: Error| record.wrong("weights", e));
    let cache =
        |word: &str| TensorType::of_name(word).ok_or_else(|| record.wrong("kv", format!("unknown type \"{word}\"")));
    let text = |key: &str| Ok(record.maybe_text(key)?.map(str::to_owned));
    Ok(Measured {
        record: record.place.clone(),
        label: text("label")?,
        device: text("device")?,
        ran_on: None,
        backend: None,
        threads: None,
        engine,
        runtime,
        model: record.text("model")?.to_owned(),
        parameters: None,
        tensor_bytes: None,
        weights: Some(weights_named).filter(|word| !word.is_empty()).map(format).transpose()?,
        weights_named: weights_named.to_owned(),
        kv: record.maybe_text("kv")?.map_or(Ok(TensorType::F16), cache)?,
        passes: Passes { batch: 1, past: 0, prompt: 0, decode: 0, chunks: None },
        tokens_per_s: 0.0,
        tokens_per_s_range: None,
        notes: Vec::new(),
    })
}

fn engine(record: &Record) -> Result<(String, Runtime)> {
    let named = record.maybe_text("engine")?;
    let runtime = match named {
        None => Runtime::default(),
        Some(llama_bench::ENGINE) => Runtime::LlamaCpp,
        Some(name) => name.parse().map_err(|e| record.wrong("engine", format!("{e}, {}", llama_bench::ENGINE)))?,
    };
    Ok((named.unwrap_or("not told").to_owned(), runtime))
}
