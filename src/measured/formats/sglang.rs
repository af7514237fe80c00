//! What SGLang's `bench_one_batch` appends to its result file, one JSON object for each batch: throughputs over all sequences, the
//! latency of a decode step in seconds. (`bench_serving` writes as vLLM does.)

use super::Format;
use super::case::{Case, agree};
use super::content::Content;
use super::record::Record;
use crate::error::Result;
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "SGLang", is, read };

const KEYS: [&str; 4] = ["batch_size", "input_len", "output_len", "prefill_throughput"];

fn is(content: &Content<'_>) -> bool {
    content.has_object(&KEYS)
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for record in content.objects.iter().filter(|object| object.has(KEYS[3])) {
        one(record, given, &mut measured)?;
    }
    Ok(measured)
}

fn one(record: &Record, given: &Given, measured: &mut Vec<Measured>) -> Result<()> {
    let case = Case::of(given, "SGLang", Runtime::Vllm, &record.place).model(None)?;
    let [batch, prompt, generate] = ["batch_size", "input_len", "output_len"].map(|key| record.count(key));
    let (batch, prompt, generate) = (batch?, prompt?, generate?);
    let passes = Passes { batch, past: 0, prompt, decode: 0, chunks: None };
    let told = record.rate("prefill_throughput")?;
    agree(
        &case,
        "prefill_throughput",
        told,
        prompt.saturating_mul(batch),
        record.quantity("prefill_latency", "seconds")?,
    )?;
    measured.push(case.timed(passes, told));
    let (Some(seconds), Some(told)) =
        (record.maybe_quantity("median_decode_latency", "seconds")?, record.maybe_rate("median_decode_throughput")?)
    else {
        return Ok(());
    };
    agree(&case, "median_decode_throughput", told, batch, seconds)?;
    if generate > 1 {
        let passes = Passes { past: prompt, prompt: 0, decode: generate - 1, ..passes };
        measured.push(case.timed(passes, told));
    }
    Ok(())
}
