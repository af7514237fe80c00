//! What `mistralrs bench` prints: a box with `TTFT (512 input tokens)` and `Decode (128 tokens @ d512)`, the model above it; and what
//! the older mistralrs-bench did, a table like llama-bench's.
//!
//! The decode rate of the box is of the intervals between tokens: one pass less than tokens.

use super::Format;
use super::case::Case;
use super::content::Content;
use super::llama_bench::of_test;
use super::record::Record;
use crate::error::{Result, shown};
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "mistralrs bench", is, read };

const BOX: [&str; 3] = ["Test", "T/s", "Latency"];
const TABLE: [&str; 4] = ["model", "test", "t/s", "ms/t"];

fn is(content: &Content<'_>) -> bool {
    content.has_row(&BOX) || content.has_row(&TABLE)
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let named = content.lines.iter().find_map(|line| line.trim().strip_prefix("Model: "));
    let mut measured = Vec::new();
    for row in content.rows.iter().filter(|row| row.has("T/s") || row.has("ms/t")) {
        let is_box = row.has("T/s");
        let (model, keys) = if is_box {
            (named, ["Test", "T/s", "Latency"])
        } else {
            (row.maybe_text("model")?, ["test", "t/s", "ms/t"])
        };
        let case = Case::of(given, "mistral.rs", Runtime::Vllm, &row.place)
            .model(model.map(str::trim))?
            .on(None, row.maybe_text("backend")?)?;
        let test = row.text(keys[0])?;
        let passes = if is_box { of_box(test) } else { of_table(test, row)? };
        let passes = passes.ok_or_else(|| {
            row.wrong(keys[0], format!("\"{}\" is no test such as Decode (128 tokens @ d512)", shown(test)))
        })?;
        let rate = checked(row, keys, &passes)?;
        measured.push(case.timed(passes, rate));
    }
    Ok(measured)
}

/// `TTFT (512 input tokens)`, `Prefill (512 tokens)`, `Decode (128 tokens @ d512)`.
fn of_box(test: &str) -> Option<Passes> {
    let (kind, rest) = test.strip_suffix(')')?.split_once(" (")?;
    let (tokens, rest) = rest.split_once(' ')?;
    let tokens: u64 = tokens.parse().ok()?;
    let depth = match rest.split_once("@ d") {
        Some((_, depth)) => depth.parse().ok()?,
        None => 0,
    };
    let none = Passes { batch: 1, past: depth, prompt: 0, decode: 0, chunks: None };
    match kind {
        "TTFT" | "Prefill" => (tokens > 0).then_some(Passes { prompt: tokens, ..none }),
        "Decode" => (tokens > 1).then(|| Passes { decode: tokens - 1, ..none }),
        _ => None,
    }
}

fn of_table(test: &str, row: &Record) -> Result<Option<Passes>> {
    let batch = row.maybe_count("concurrency")?.unwrap_or(1);
    Ok(of_test(test)
        .filter(|[_, prompt, decode]| (*prompt > 0) != (*decode > 0))
        .map(|[past, prompt, decode]| Passes { batch, past, prompt, decode, chunks: None }))
}

/// The mean of `71.2 ± 0.4`, which must be that of the latency beside it: ms for a token, or for all of a prompt.
fn checked(row: &Record, [_, rate, latency]: [&str; 3], passes: &Passes) -> Result<f64> {
    let mean = |key: &str| -> Result<f64> {
        let cell = row.text(key)?;
        let number = cell.split_once('±').map_or(cell, |(mean, _)| mean).trim();
        let number = number.split_once(" ms").map_or(number, |(ms, _)| ms);
        let number = number.parse().ok().filter(|number| (1e-9..=1e12).contains(number));
        number.ok_or_else(|| row.wrong(key, format!("\"{}\" must be a number above 0", shown(cell))))
    };
    let (told, ms) = (mean(rate)?, mean(latency)?);
    let of_all = row.text(latency)?.ends_with("TTFT");
    let tokens = if of_all { passes.prompt as f64 } else { 1.0 };
    let counted = tokens * 1000.0 / ms;
    // Means of rates and of times, the latter with two decimals.
    if (told / counted - 1.0).abs() > 0.1 + 0.006 / ms {
        return Err(
            row.wrong(rate, format!("{told} tokens/s, and {ms} ms are {counted:.2}: another unit, or another count"))
        );
    }
    Ok(told)
}
