//! What `mlx_lm.benchmark` prints: the lengths, a line for each trial, and the averages. With several sequences, rates are of all of
//! them. The clock of the generation starts at the first token, which the prompt gives: N tokens in that time are N − 1 passes.

use super::Format;
use super::case::Case;
use super::content::Content;
use crate::error::Result;
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "mlx_lm.benchmark", is, read };

const LENGTHS: &str = "Timing with prompt_tokens=";
const TRIAL: &str = "Trial ";
const AVERAGES: &str = "Averages: ";

fn is(content: &Content<'_>) -> bool {
    content.has_line("prompt_tps=") && content.has_line("generation_tps=")
}

/// A value of `key=value, key=value.`.
fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let rest = line.split_once(&format!("{key}="))?.1;
    let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('.'))
}

fn rate(case: &Case<'_>, line: &str, key: &str) -> Result<f64> {
    let rate = value(line, key).and_then(|text| text.parse().ok()).filter(|rate| (1e-9..=1e12).contains(rate));
    rate.ok_or_else(|| case.wrong(format!("{key}: must be a number of tokens per second above 0")))
}

/// Lengths, as far as they are told: of the prompt, generated, sequences.
fn lengths(line: &str) -> [Option<u64>; 3] {
    ["prompt_tokens", "generation_tokens", "batch_size"].map(|key| value(line, key)?.parse().ok())
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let (mut measured, mut told, mut trials) = (Vec::new(), [None; 3], Vec::new());
    for (place, line) in content.places() {
        if line.contains(LENGTHS) {
            (told, trials) = (lengths(line), Vec::new());
        }
        let case = || Case::of(given, "mlx-lm", Runtime::HuggingFace, &place).model(None);
        let of_line = |case: &Case<'_>| -> Result<[f64; 2]> {
            Ok([rate(case, line, "prompt_tps")?, rate(case, line, "generation_tps")?])
        };
        if line.contains(TRIAL) && line.contains("prompt_tps=") {
            trials.push(of_line(&case()?)?);
        }
        if line.contains(AVERAGES) {
            let case = case()?;
            averages(&case, of_line(&case)?, told, &trials, &mut measured)?;
            trials.clear();
        }
    }
    Ok(measured)
}

fn averages(
    case: &Case<'_>,
    [prefill, decode]: [f64; 2],
    [prompt, generate, batch]: [Option<u64>; 3],
    trials: &[[f64; 2]],
    measured: &mut Vec<Measured>,
) -> Result<()> {
    let given = case.given;
    let prompt = case.need("the prompt's tokens", prompt, given.prompt, "prompt")?;
    let generate = case.need("how many tokens were generated", generate, given.generate, "generate")?;
    // Before it could do several, it told no number.
    let batch = batch.or(given.batch).unwrap_or(1);
    for (at, mean) in [prefill, decode].into_iter().enumerate() {
        let least = trials.iter().map(|trial| trial[at]).fold(f64::MAX, f64::min);
        let most = trials.iter().map(|trial| trial[at]).fold(0.0, f64::max);
        if !trials.is_empty() && !(least - 0.001..=most + 0.001).contains(&mean) {
            return Err(case.wrong(format!("{mean} is no mean of its trials, {least} to {most} tokens/s")));
        }
    }
    let passes = Passes { batch, past: 0, prompt, decode: 0, chunks: None };
    measured.push(case.timed(passes, prefill));
    if generate > 1 {
        let passes = Passes { past: prompt, prompt: 0, decode: generate - 1, ..passes };
        measured.push(case.timed(passes, decode * (generate - 1) as f64 / generate as f64));
    }
    Ok(())
}
