//! What `vllm bench` saves as JSON: `serve`, `latency` and `throughput`. SGLang's `bench_serving` writes the first one, too.
//!
//! Only a server that has one request at a time is told completely: else how many sequences were together is known by nobody, and
//! `max_concurrency` is a limit. The rate of `throughput` counts the tokens of **prompts and answers**.

use super::Format;
use super::case::{Case, rate};
use super::content::Content;
use super::record::Record;
use crate::error::Result;
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "vllm bench", is, read };

const SERVE: [&str; 3] = ["completed", "total_input_tokens", "total_output_tokens"];
const LATENCY: [&str; 2] = ["avg_latency", "latencies"];
const THROUGHPUT: [&str; 3] = ["elapsed_time", "num_requests", "total_num_tokens"];

fn is(content: &Content<'_>) -> bool {
    content.has_object(&SERVE) || content.has_object(&LATENCY) || content.has_object(&THROUGHPUT)
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for record in &content.objects {
        let has = |keys: &[&str]| keys.iter().all(|key| record.has(key));
        match () {
            () if has(&SERVE) => serve(record, given, &mut measured)?,
            () if has(&LATENCY) => measured.push(latency(record, given)?),
            () if has(&THROUGHPUT) => measured.push(throughput(record, given)?),
            () => {}
        }
    }
    Ok(measured)
}

/// Mean lengths, times of the median request.
fn serve(record: &Record, given: &Given, measured: &mut Vec<Measured>) -> Result<()> {
    // SGLang names the server; what it does not name is vLLM's own file.
    let engine =
        if record.maybe_text("backend")?.is_some_and(|name| name.starts_with("sglang")) { "SGLang" } else { "vLLM" };
    let mut case = Case::of(given, engine, Runtime::Vllm, &record.place).model(record.maybe_text("model_id")?)?;
    let completed = record.count("completed")?;
    if completed == 0 {
        return Err(record.wrong("completed", "no request was answered"));
    }
    let mean = |key| record.count(key).map(|total| (total as f64 / completed as f64).round() as u64);
    let (prompt, generate) = (mean("total_input_tokens")?, mean("total_output_tokens")?);
    let alone = record.maybe_count("max_concurrency")?.filter(|limit| *limit == 1);
    let batch = case.need("how many sequences were processed together", alone, given.batch, "batch")?;
    let cached = case.cached();
    let tpot = record.maybe_quantity("median_tpot_ms", "ms")?.or(record.maybe_quantity("mean_tpot_ms", "ms")?);
    let ttft = record.maybe_quantity("median_ttft_ms", "ms")?.or(record.maybe_quantity("mean_ttft_ms", "ms")?);
    if let Some(ms) = ttft.filter(|_| batch == 1 && prompt > 0) {
        let passes = Passes { batch, past: cached, prompt, decode: 0, chunks: None };
        let waited = "time to the first token stands for the prompt's: what the server needs besides is in it";
        measured.push(case.clone().note(waited).timed(passes, rate(&passes, ms * 1e-3)));
    }
    if let Some(ms) = tpot.filter(|_| generate > 1) {
        let passes =
            Passes { batch, past: cached.saturating_add(prompt), prompt: 0, decode: generate - 1, chunks: None };
        measured.push(case.timed(passes, batch as f64 / (ms * 1e-3)));
    }
    Ok(())
}

/// Whole generations: one pass for the prompts, which gives the first tokens, and one for each further token.
fn whole(case: &Case<'_>) -> Result<Passes> {
    let given = case.given;
    let prompt = case.need("the prompt's tokens", None, given.prompt, "prompt")?;
    let generate = case.need("how many tokens were generated", None, given.generate, "generate")?;
    let batch = case.need("how many sequences were processed together", None, given.batch, "batch")?;
    Ok(Passes { batch, past: 0, prompt, decode: generate.saturating_sub(1), chunks: None })
}

fn latency(record: &Record, given: &Given) -> Result<Measured> {
    let case = Case::of(given, "vLLM", Runtime::Vllm, &record.place).model(None)?;
    let seconds = record.quantity("avg_latency", "seconds")?;
    let times = record.rates("latencies")?;
    let [least, most] = [times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(0.0, f64::max)];
    if !times.is_empty() && !(least * 0.9999..=most * 1.0001).contains(&seconds) {
        return Err(record.wrong("avg_latency", format!("{seconds} s is no mean of its samples, {least} to {most} s")));
    }
    let passes = whole(&case)?;
    Ok(case.timed(passes, rate(&passes, seconds)))
}

fn throughput(record: &Record, given: &Given) -> Result<Measured> {
    let case = Case::of(given, "vLLM", Runtime::Vllm, &record.place).model(None)?;
    let (seconds, requests) = (record.quantity("elapsed_time", "seconds")?, record.count("num_requests")?);
    let total = record.count("total_num_tokens")?;
    let passes = whole(&case)?;
    let each = passes.prompt.saturating_add(passes.decode).saturating_add(1);
    let counted = requests.saturating_mul(each);
    if requests == 0 || (total as f64 / counted as f64 - 1.0).abs() > 0.01 {
        return Err(record.wrong(
            "total_num_tokens",
            format!(
                "{total} tokens, prompts and answers together, are not {requests} requests of {} + {} = {counted}; \
                 say what they had with --prompt and --generate",
                passes.prompt,
                passes.decode.saturating_add(1)
            ),
        ));
    }
    let together = passes.batch as f64 / requests as f64;
    Ok(case.timed(passes, rate(&passes, seconds * together)))
}
