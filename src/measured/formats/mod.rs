//! What engines write of their runs: one file for each engine, found by what a file holds and never by its name.

mod batched_bench;
mod case;
mod content;
mod llama_bench;
mod localscore;
mod mistralrs;
mod mlx;
mod ollama;
mod openvino;
mod ort_genai;
mod rates;
mod record;
mod sglang;
mod sweep_bench;
mod timings;
mod vllm;

use super::{Given, Measured};
use crate::error::{Error, Result};
use content::Content;

/// A way in which an engine writes.
struct Format {
    /// What it is called.
    name: &'static str,
    /// Whether a file is written so.
    is: fn(&Content<'_>) -> bool,
    /// Its runs.
    read: fn(&Content<'_>, &Given) -> Result<Vec<Measured>>,
}

/// All of them; the first that a file is written in reads it. What stands in the logs of other programs comes last.
const FORMATS: [Format; 13] = [
    llama_bench::FORMAT,
    batched_bench::FORMAT,
    sweep_bench::FORMAT,
    ollama::FORMAT,
    vllm::FORMAT,
    sglang::FORMAT,
    mlx::FORMAT,
    mistralrs::FORMAT,
    localscore::FORMAT,
    openvino::FORMAT,
    ort_genai::FORMAT,
    rates::FORMAT,
    timings::FORMAT,
];

/// The runs in `text`, in whichever format it is written.
///
/// # Errors
/// Misuse for what is in no format, lacks something that no option gives, or has an impossible value.
pub(super) fn read(text: &str, given: &Given) -> Result<Vec<Measured>> {
    if text.trim().is_empty() {
        return Err(Error::misuse("is empty"));
    }
    let content = Content::of(text)?;
    if content.lines.is_empty() && content.objects.is_empty() {
        return Ok(Vec::new());
    }
    match FORMATS.iter().find(|format| (format.is)(&content)) {
        Some(format) => (format.read)(&content, given),
        None => Err(unknown(content)),
    }
}

/// Why nothing could be read.
fn unknown(content: Content<'_>) -> Error {
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let known = known.join(", ");
    match (content.csv, content.objects.first()) {
        // What has commas in its first line was meant as a table.
        (Err(e), _) if content.lines.first().is_some_and(|line| line.contains(',')) => e,
        (_, Some(first)) => Error::misuse(format!("{}: in no format that is known: {known}", first.place)),
        _ => Error::misuse(format!("in no format that is known: {known}")),
    }
}
