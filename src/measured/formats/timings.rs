//! The lines that llama.cpp's programs log of their time.
//!
//! `prompt eval time = 2441.22 ms / 161 tokens (…)` and `eval time = 349899.35 ms / 8853 tokens (…)` of llama-server, `… / 127 runs` of
//! the others. A run is a pass; of the tokens of a server the prompt gives the first one, so that they take one pass less.

use super::Format;
use super::case::{Case, rate};
use super::content::Content;
use crate::error::Result;
use crate::measured::passes::{LLAMA_BENCH, Passes};
use crate::measured::{Given, Measured};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "the timing lines of llama.cpp", is, read };

const PROMPT: &str = "prompt eval time =";
const DECODE: &str = "eval time =";

fn is(content: &Content<'_>) -> bool {
    content.has_line(PROMPT)
}

/// What such a line says.
struct Line {
    ms: f64,
    count: u64,
    /// Passes, not tokens.
    runs: bool,
    told: f64,
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    // Which prompt the tokens came behind.
    let mut prompt = given.prompt;
    for (place, line) in content.places() {
        let (is_prompt, rest) = match (line.split_once(PROMPT), line.split_once(DECODE)) {
            (Some((_, rest)), _) => (true, rest),
            (None, Some((_, rest))) => (false, rest),
            _ => continue,
        };
        let mut case = Case::of(given, "llama.cpp", Runtime::LlamaCpp, &place).model(None)?;
        let line =
            Line::of(rest).ok_or_else(|| case.wrong("is no line such as \"eval time = 812.40 ms / 127 runs\""))?;
        let cached = case.cached();
        let counted = if is_prompt || line.runs { line.count } else { line.count.saturating_sub(1) };
        if is_prompt {
            prompt = Some(line.count);
        }
        // A single token is no measure of time, and none took none.
        if counted == 0 || line.ms == 0.0 {
            continue;
        }
        let none = Passes { batch: 1, past: cached, prompt: 0, decode: 0, chunks: Some(LLAMA_BENCH) };
        let passes = match is_prompt {
            true => Passes { prompt: counted, ..none },
            false => {
                let prompt = case.need("the prompt's tokens", prompt, given.prompt, "prompt")?;
                Passes { past: cached.saturating_add(prompt), decode: counted, ..none }
            }
        };
        line.check(&case)?;
        measured.push(case.timed(passes, rate(&passes, line.ms * 1e-3)));
    }
    Ok(measured)
}

impl Line {
    /// ` 812.40 ms / 512 tokens ( 1.59 ms per token, 630.23 tokens per second)`.
    fn of(rest: &str) -> Option<Line> {
        let (ms, rest) = rest.split_once(" ms /")?;
        let mut words = rest.split_whitespace();
        let count = words.next()?.parse().ok()?;
        let unit = words.next()?;
        let told = rest.rsplit_once(',')?.1.trim().strip_suffix("tokens per second)")?.trim();
        let ms = ms.trim().parse().ok().filter(|ms| (0.0..=1e12).contains(ms))?;
        let runs = matches!(unit, "runs" | "run");
        (runs || unit == "tokens").then_some(())?;
        Some(Line { ms, count, runs, told: told.parse().ok()? })
    }

    /// That the rate is that of the count and the time; newest servers leave out the first token.
    fn check(&self, case: &Case<'_>) -> Result<()> {
        let (all, seconds) = (self.count as f64, self.ms * 1e-3);
        let is = |tokens: f64| (self.told / (tokens / seconds) - 1.0).abs() <= 0.02;
        if is(all) || is(all - 1.0) {
            return Ok(());
        }
        let counted = all / seconds;
        Err(case.wrong(format!(
            "{} tokens/s, and {all} in {} ms are {counted:.2}: another unit, or another count",
            self.told, self.ms
        )))
    }
}
