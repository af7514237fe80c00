//! What `benchmark_e2e.py` of onnxruntime-genai saves: JSON, or the same with dots in the columns of a CSV.
//!
//! Throughputs are multiplied by the batch already; latencies are of one token (of a prompt: the mean over its tokens). Keys whose value
//! is 0 or empty are left out by it.

use super::Format;
use super::case::Case;
use super::content::Content;
use super::record::Record;
use crate::error::Result;
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "onnxruntime-genai", is, read };

const KEY: &str = "metrics.token_generation_throughput_tps";

fn is(content: &Content<'_>) -> bool {
    content.has_object(&[KEY]) || content.has_columns(&[KEY])
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let records =
        if content.objects.is_empty() { content.csv.as_ref().map_err(Clone::clone)? } else { &content.objects };
    let mut measured = Vec::new();
    for record in records {
        one(record, given, &mut measured)?;
    }
    Ok(measured)
}

fn one(record: &Record, given: &Given, measured: &mut Vec<Measured>) -> Result<()> {
    let case = Case::of(given, "onnxruntime-genai", Runtime::HuggingFace, &record.place)
        .model(record.maybe_text("config.model_info.full_name")?)?
        .weights(record.maybe_text("config.precision")?)?
        .on(None, record.maybe_text("metadata.device")?)?;
    let count = |key: &str| record.maybe_count(key);
    let batch =
        case.need("how many sequences were processed together", count("config.batch_size")?, given.batch, "batch")?;
    let prompt = case.need("the prompt's tokens", count("config.prompt_length")?, given.prompt, "prompt")?;
    let generate =
        case.need("how many tokens were generated", count("config.tokens_generated")?, given.generate, "generate")?;
    let passes = Passes { batch, past: 0, prompt, decode: 0, chunks: None };
    if let Some(rate) = checked(record, "prompt_processing", batch)? {
        measured.push(case.timed(passes, rate));
    }
    if let Some(rate) = checked(record, "token_generation", batch)?.filter(|_| generate > 1) {
        let passes = Passes { past: prompt, prompt: 0, decode: generate - 1, ..passes };
        measured.push(case.timed(passes, rate));
    }
    Ok(())
}

/// A throughput, which must be that of the batch at the latency beside it.
fn checked(record: &Record, what: &str, batch: u64) -> Result<Option<f64>> {
    let (rate, latency) = (format!("metrics.{what}_throughput_tps"), format!("metrics.{what}_latency_ms"));
    let Some(told) = record.maybe_rate(&rate)? else { return Ok(None) };
    if let Some(ms) = record.maybe_quantity(&latency, "ms")? {
        let counted = batch as f64 * 1000.0 / ms;
        if (told / counted - 1.0).abs() > 0.02 {
            return Err(record.wrong(
                &rate,
                format!("{told} tokens/s, and {batch} sequences at {ms} ms for a token are {counted:.2}: another unit"),
            ));
        }
    }
    Ok(Some(told))
}
