//! What LocalScore sends: one file of a run, with a result for each pair of lengths; times in **milliseconds**, rates in tokens/s.
//!
//! Each result generates behind its own prompt, by llama-bench's code: as many passes as tokens.

use super::Format;
use super::case::Case;
use super::content::Content;
use super::llama_bench::weights;
use super::record::Record;
use crate::error::Result;
use crate::measured::passes::{LLAMA_BENCH, Passes};
use crate::measured::{Given, Measured};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "LocalScore", is, read };

fn is(content: &Content<'_>) -> bool {
    content.has_object(&["accelerator_info", "results"])
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for record in content.objects.iter().filter(|object| object.has("accelerator_info")) {
        let device = record.maybe_text("accelerator_info.name")?;
        let kind = record.maybe_text("accelerator_info.type")?;
        for result in record.list("results")? {
            one(&result, device, kind, given, &mut measured)?;
        }
    }
    Ok(measured)
}

fn one(
    result: &Record,
    device: Option<&str>,
    kind: Option<&str>,
    given: &Given,
    measured: &mut Vec<Measured>,
) -> Result<()> {
    let quantised = result.text("model_quant_str")?;
    let mut case = Case::of(given, "LocalScore", Runtime::LlamaCpp, &result.place)
        .model(Some(result.text("model_name")?))?
        .on(device, kind)?;
    case.base.weights = weights(quantised).or(given.weights);
    case.base.weights_named = quantised.to_owned();
    let [prompt, generate] = [result.count("n_prompt")?, result.count("n_gen")?];
    let none = Passes { batch: 1, past: 0, prompt: 0, decode: 0, chunks: Some(LLAMA_BENCH) };
    let mut seconds = 0.0;
    for (passes, key) in
        [(Passes { prompt, ..none }, "prompt_tps"), (Passes { past: prompt, decode: generate, ..none }, "gen_tps")]
    {
        let tokens = passes.prompt + passes.decode;
        if tokens > 0 {
            let rate = result.rate(key)?;
            seconds += tokens as f64 / rate;
            measured.push(case.timed(passes, rate));
        }
    }
    let told = result.quantity("avg_time_ms", "ms")?;
    // Means of rates and of times.
    if !(0.8..=1.25).contains(&(told / (seconds * 1e3))) {
        let counted = seconds * 1e3;
        return Err(result.wrong(
            "avg_time_ms",
            format!("{told} ms, and {prompt} + {generate} tokens at these rates take {counted:.1} ms: another unit"),
        ));
    }
    Ok(())
}
