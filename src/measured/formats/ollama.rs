//! What ollama tells of a run: the last object of its API's answer, with durations in **nanoseconds**, or the lines of `--verbose`.
//!
//! The prompt gives the first token, so that `eval_count` tokens take one pass less. A tag may end in the format of the weights.

use super::Format;
use super::case::{Case, rate};
use super::content::Content;
use super::record::Record;
use crate::error::{Result, shown};
use crate::measured::{Given, Measured, Passes};
use crate::model::{Runtime, Weights};
use serde_json::{Map, Value};

pub(super) const FORMAT: Format = Format { name: "ollama", is, read };

/// The lines of `--verbose`, by the keys of the API.
const LINES: [(&str, &str); 4] = [
    ("prompt eval count:", "prompt_eval_count"),
    ("prompt eval duration:", "prompt_eval_duration"),
    ("eval count:", "eval_count"),
    ("eval duration:", LAST),
];
/// The last one of a run.
const LAST: &str = "eval_duration";

fn is(content: &Content<'_>) -> bool {
    content.has_object(&["eval_count", LAST]) || content.places().any(|(_, line)| said(line).is_some())
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let of_verbose = verbose(content)?;
    let of_api = content.objects.iter().filter(|object| object.has(LAST));
    let mut measured = Vec::new();
    for record in of_api.chain(&of_verbose) {
        one(record, given, &mut measured)?;
    }
    Ok(measured)
}

fn one(record: &Record, given: &Given, measured: &mut Vec<Measured>) -> Result<()> {
    let model = record.maybe_text("model")?;
    let tagged = model.and_then(|model| model.split_once(':')).and_then(|(_, tag)| of_tag(tag));
    let mut case = Case::of(given, "ollama", Runtime::LlamaCpp, &record.place).model(model)?.weights(tagged)?;
    let cached = case.cached();
    let prompt = record.maybe_count("prompt_eval_count")?.filter(|count| *count > 0);
    if let (Some(prompt), Some(ns)) = (prompt, record.maybe_quantity("prompt_eval_duration", "ns")?) {
        let passes = Passes { batch: 1, past: cached, prompt, decode: 0, chunks: None };
        measured.push(case.timed(passes, rate(&passes, ns * 1e-9)));
    }
    let seconds = record.quantity(LAST, "ns")? * 1e-9;
    if let Some(decode) = record.count("eval_count")?.checked_sub(1).filter(|passes| *passes > 0) {
        let prompt = case.need("the prompt's tokens", prompt, given.prompt, "prompt")?;
        let passes = Passes { batch: 1, past: cached.saturating_add(prompt), prompt: 0, decode, chunks: None };
        measured.push(case.timed(passes, rate(&passes, seconds)));
    }
    Ok(())
}

/// The format at the end of a tag: `2.7b-v2.6-q8_0`, `8b-instruct-q4_K_M`.
fn of_tag(tag: &str) -> Option<&str> {
    let last = tag.rsplit('-').next()?;
    last.parse::<Weights>().is_ok().then_some(last)
}

/// The key that a line of `--verbose` tells, and what. It stands at the line's begin: a model may say the same words.
fn said(line: &str) -> Option<(&'static str, &str)> {
    LINES.iter().find_map(|(begin, key)| Some((*key, line.strip_prefix(begin)?.trim())))
}

/// The runs of `--verbose`, as the API would tell them.
fn verbose(content: &Content<'_>) -> Result<Vec<Record>> {
    let (mut records, mut values) = (Vec::new(), Map::new());
    for (place, line) in content.places() {
        let Some((key, told)) = said(line) else { continue };
        let number = match key.ends_with("_duration") {
            true => nanoseconds(told).map(Value::from),
            false => told.strip_suffix("token(s)").and_then(|count| count.trim().parse::<u64>().ok()).map(Value::from),
        };
        let record = Record { place, values: Map::new() };
        let number = number.ok_or_else(|| record.wrong(key, format!("\"{}\" is no count or duration", shown(told))))?;
        values.insert(key.to_owned(), number);
        if key == LAST {
            records.push(Record { values: std::mem::take(&mut values), ..record });
        }
    }
    Ok(records)
}

/// A duration as Go writes it: `1m2.5s`, `97.885315ms`, `812µs`.
fn nanoseconds(text: &str) -> Option<f64> {
    let (mut sum, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let unit = match unit {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "µs" | "μs" | "us" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * unit;
        rest = next;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, ns) in [
            ("1m13.810328292s", 73_810_328_292.0),
            ("97.885315ms", 97_885_315.0),
            ("812µs", 812e3),
            ("1h0m1s", 3601e9),
            ("42ns", 42.0),
        ] {
            assert!((nanoseconds(text).unwrap() / ns - 1.0_f64).abs() < 1e-12, "{text}");
        }
        for wrong in ["", "12", "s", "1x", "-1s", "1.2.3s"] {
            assert_eq!(nanoseconds(wrong), None, "{wrong}");
        }
    }
}
