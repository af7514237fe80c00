//! What llama-bench writes: one record for each test, with the model's size and every repetition's rate (`-o json`, `jsonl`, `csv`,
//! `sql`), or a table for people (`-o md`, its default).
//!
//! `-p P` takes in a prompt of P tokens, `-n G` gives G tokens, both behind `-d D` tokens that are in the cache already; they are
//! independent tests, so that `-n` alone starts from an empty context whatever `-p` says. `-pg P,G` is one after the other.

use super::Format;
use super::case::Case;
use super::content::Content;
use super::record::Record;
use crate::error::{Result, shown};
use crate::measured::passes::{Chunks, LLAMA_BENCH, Passes};
use crate::measured::{Given, Measured};
use crate::model::{Runtime, TensorType, Weights};
use serde_json::{Map, Value};
use std::path::Path;

pub(super) const FORMAT: Format = Format { name: "llama-bench", is, read };

/// The key that only its records have.
const RATE: &str = "avg_ts";

pub(super) const ENGINE: &str = "llama-bench";

/// Columns of its table.
const TABLE: [&str; 4] = ["model", "params", "test", "t/s"];

/// How a line of `-o sql` begins that holds a record.
const SQL: &str = "INSERT INTO ";

fn is(content: &Content<'_>) -> bool {
    content.has_object(&[RATE])
        || content.has_columns(&[RATE])
        || content.has_row(&TABLE)
        || !inserted(content).is_empty()
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    if content.has_row(&TABLE) {
        return content.rows.iter().filter(|row| row.has("test")).map(|row| of_row(row, given)).collect();
    }
    let of_csv = || content.csv.as_ref().map_or(&[][..], Vec::as_slice);
    let inserted = inserted(content);
    let records = match (content.objects.as_slice(), inserted.as_slice()) {
        ([], []) => of_csv(),
        ([], inserted) => inserted,
        (objects, _) => objects,
    };
    records.iter().map(one).collect()
}

/// The records of `INSERT INTO table (keys) VALUES ('…', '…');`.
fn inserted(content: &Content<'_>) -> Vec<Record> {
    let record = |(place, line): (String, &str)| {
        let (keys, values) = line.strip_prefix(SQL)?.split_once('(')?.1.split_once(") VALUES (")?;
        let values = values.trim_end().strip_suffix(");")?;
        let values = values.strip_prefix('\'')?.strip_suffix('\'')?.split("', '");
        let text = |value: &str| Value::String(value.to_owned());
        let values: Map<String, Value> = keys.split(", ").map(str::to_owned).zip(values.map(text)).collect();
        values.contains_key(RATE).then_some(Record { place, values })
    };
    content.places().filter_map(record).collect()
}

fn one(record: &Record) -> Result<Measured> {
    if record.is_on("embeddings") {
        return Err(
            record.wrong("embeddings", "embeddings were computed, which is no use of a language model counted here")
        );
    }
    let passes = Passes {
        batch: 1,
        past: record.maybe_count("n_depth")?.unwrap_or(0),
        prompt: record.count("n_prompt")?,
        decode: record.count("n_gen")?,
        chunks: Some(chunks(record)?),
    };
    let tokens_per_s = record.rate(RATE)?;
    let range = range(&record.rates("samples_ts")?);
    check(record, &passes, tokens_per_s, range)?;
    let model_type = record.text("model_type")?;
    let weights_named = file_type(model_type).unwrap_or_default();
    Ok(Measured {
        record: record.place.clone(),
        label: None,
        device: None,
        ran_on: ran_on(record)?,
        backend: backend(record)?,
        threads: record.maybe_count("n_threads")?,
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
        tokens_per_s_range: range,
        notes: Vec::new(),
    })
}

/// That the mean lies among the samples, and is that of the time told beside it.
fn check(record: &Record, passes: &Passes, rate: f64, range: Option<[f64; 2]>) -> Result<()> {
    if passes.prompt.checked_add(passes.decode) == Some(0) {
        return Err(record.wrong("n_prompt, n_gen", "nothing was run"));
    }
    // Samples are printed with six digits.
    if let Some([least, most]) = range
        && !(least * 0.9999..=most * 1.0001).contains(&rate)
    {
        return Err(record.wrong(RATE, format!("{rate} is no mean of its samples, {least} to {most} tokens/s")));
    }
    // More tokens than any engine has are refused as such.
    let Some(ns) = record.maybe_quantity("avg_ns", "ns")?.filter(|_| passes.are_possible()) else { return Ok(()) };
    let tokens = passes.prompt.saturating_add(passes.decode) as f64;
    // A mean of rates is above the rate of the mean time, by much where repetitions are far apart.
    let counted = tokens / (ns * 1e-9);
    if !(0.25..=4.0).contains(&(rate / counted)) {
        let is = format!("{rate} tokens/s, and {tokens} tokens in avg_ns = {ns} ns are {counted:.2}: another unit");
        return Err(record.wrong(RATE, is));
    }
    Ok(())
}

/// A row of the table: options stand there only where they are not the usual ones.
fn of_row(row: &Record, given: &Given) -> Result<Measured> {
    let described = row.text("model")?;
    let test = row.text("test")?;
    let wrong = |what| row.wrong("test", format!("\"{}\" {what}", shown(test)));
    let [past, prompt, decode] =
        of_test(test).ok_or_else(|| wrong("is no test such as pp512, tg128 or tg128 @ d512"))?;
    let count = |key, usual| row.maybe_count(key).map(|count| count.unwrap_or(usual));
    let chunks = Chunks {
        batch: count("n_batch", LLAMA_BENCH.batch)?,
        micro_batch: count("n_ubatch", LLAMA_BENCH.micro_batch)?,
    };
    if prompt.checked_add(decode).is_none_or(|tokens| tokens == 0) || chunks.batch == 0 || chunks.micro_batch == 0 {
        return Err(wrong("runs nothing"));
    }
    let cell = row.text("t/s")?;
    let mean = cell.split_once('±').map_or(cell, |(mean, _)| mean).trim();
    let rate = mean.parse().ok().filter(|rate| (1e-9..=1e12).contains(rate));
    let rate = rate.ok_or_else(|| row.wrong("t/s", format!("\"{}\" must be a rate above 0", shown(cell))))?;
    let named = file_type(described).unwrap_or_default();
    let cache = |key| row.maybe_text(key).map(|kind| kind.map(str::to_owned).unwrap_or_else(|| "f16".to_owned()));
    let kv = cache_of(row, &cache("type_k")?, &cache("type_v")?)?;
    let case = Case::of(&Given { kv: Some(kv), ..given.clone() }, ENGINE, Runtime::LlamaCpp, &row.place)
        .model(Some(&of_size(row.text("params")?, given).unwrap_or_else(|| described.to_owned())))?
        .on(None, row.maybe_text("backend")?)?
        .threads(row.maybe_count("threads")?)
        .base;
    Ok(Measured {
        weights: weights(named).or(given.weights),
        weights_named: named.to_owned(),
        passes: Passes { batch: 1, past, prompt, decode, chunks: Some(chunks) },
        tokens_per_s: rate,
        ..case
    })
}

/// Tokens in the cache, of the prompt and generated, of `pp512`, `pp 512`, `tg128`, `pp512+tg128`, with ` @ d512` behind.
pub(super) fn of_test(test: &str) -> Option<[u64; 3]> {
    let (runs, depth) = match test.split_once('@') {
        Some((runs, depth)) => (runs, depth.trim().strip_prefix('d')?.parse().ok()?),
        None => (test, 0),
    };
    let mut tokens = [depth, 0, 0];
    for run in runs.split('+') {
        let run = run.trim();
        let (slot, count) = run.strip_prefix("pp").map(|n| (1, n)).or_else(|| Some((2, run.strip_prefix("tg")?)))?;
        tokens[slot] = count.trim().parse().ok()?;
    }
    Some(tokens)
}

/// The model that is asked about whose parameters are these, as the table rounds them: `8.03 B`, `494.03 M`.
fn of_size(parameters: &str, given: &Given) -> Option<String> {
    let (number, unit) = parameters.split_once(' ')?;
    let unit = match unit {
        "B" => 1e9,
        "M" => 1e6,
        _ => return None,
    };
    let told = number.parse::<f64>().ok()? * unit;
    let half_a_digit = 0.005 * unit * 1.001;
    let is = |count: u64| (count as f64 - told).abs() <= half_a_digit;
    given.models.iter().find(|model| model.parameters.is_some_and(is)).map(|model| model.name.clone())
}

fn chunks(record: &Record) -> Result<Chunks> {
    let chunks = Chunks { batch: record.count("n_batch")?, micro_batch: record.count("n_ubatch")? };
    if chunks.batch == 0 || chunks.micro_batch == 0 {
        return Err(record.wrong("n_batch, n_ubatch", "must be 1 or more"));
    }
    Ok(chunks)
}

fn cache(record: &Record) -> Result<TensorType> {
    cache_of(record, record.text("type_k")?, record.text("type_v")?)
}

fn cache_of(record: &Record, keys: &str, values: &str) -> Result<TensorType> {
    if keys != values {
        return Err(record.wrong(
            "type_k, type_v",
            format!("keys in {} and values in {} are not counted here", shown(keys), shown(values)),
        ));
    }
    TensorType::of_name(keys).ok_or_else(|| record.wrong("type_k", format!("unknown type \"{}\"", shown(keys))))
}

/// What computed.
fn backend(record: &Record) -> Result<Option<String>> {
    // "backends" are those that are loaded; one for graphics processors that finds none leaves the work to the processor.
    let blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
    let no_gpu = blank(record.maybe_text("gpu_info")?) && !blank(record.maybe_text("cpu_info")?);
    let loaded = record.maybe_text("backends")?;
    Ok(loaded.map(|loaded| if no_gpu { "CPU" } else { loaded }.to_owned()))
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
pub(super) fn weights(kind: &str) -> Option<Weights> {
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
