//! What llama-batched-bench writes: several sequences together, as JSON lines (`--output-format jsonl`) or a table, its log around.
//!
//! Rates are summed over the sequences: `S_TG` = B · TG / T_TG. A prompt may be shared: then it is taken in once, and
//! `N_KV` = PP + B · TG instead of B · (PP + TG).

use super::Format;
use super::case::{Case, agree};
use super::content::Content;
use super::record::Record;
use crate::error::Result;
use crate::measured::passes::{Chunks, LLAMA_BENCH, Passes};
use crate::measured::{Given, Measured};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "llama-batched-bench", is, read };

const ENGINE: &str = "llama-batched-bench";

/// What a record or a row calls its values.
pub(super) struct Words {
    pub(super) prompt: &'static str,
    pub(super) generate: &'static str,
    pub(super) cache: &'static str,
    /// Tokens in all, time, rate: of the prompt, and of what was generated.
    pub(super) prefill: [&'static str; 2],
    pub(super) decode: [&'static str; 2],
}

pub(super) const OF_JSON: Words =
    Words { prompt: "pp", generate: "tg", cache: "n_kv", prefill: ["t_pp", "speed_pp"], decode: ["t_tg", "speed_tg"] };
pub(super) const OF_TABLE: Words = Words {
    prompt: "PP",
    generate: "TG",
    cache: "N_KV",
    prefill: ["T_PP s", "S_PP t/s"],
    decode: ["T_TG s", "S_TG t/s"],
};

fn is(content: &Content<'_>) -> bool {
    content.has_object(&["pp", "tg", "pl", "speed_tg"]) || content.has_row(&["PP", "TG", "B", "S_TG t/s"])
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let of_json = content.has_object(&["pl"]);
    let (records, words, batch) =
        if of_json { (&content.objects, OF_JSON, "pl") } else { (&content.rows, OF_TABLE, "B") };
    let settings = Settings::of(content);
    let mut measured = Vec::new();
    for record in records.iter().filter(|record| record.has(batch)) {
        one(record, &words, batch, &settings, given, &mut measured)?;
    }
    Ok(measured)
}

/// What the log says before the table: `n_batch = 2048, n_ubatch = 512, … n_threads = 8`.
pub(super) struct Settings<'t> {
    line: &'t str,
}

impl<'t> Settings<'t> {
    pub(super) fn of(content: &'t Content<'_>) -> Settings<'t> {
        let line = content.lines.iter().find(|line| line.contains("n_kv_max = ")).map(|line| &**line);
        Settings { line: line.unwrap_or_default() }
    }

    /// A setting of a record, or of the log.
    pub(super) fn count(&self, record: &Record, key: &str) -> Result<Option<u64>> {
        let logged = || {
            let mut settings = self.line.split(',').filter_map(|setting| setting.rsplit_once(" = "));
            settings.find(|(name, _)| name.rsplit(' ').next() == Some(key))?.1.trim().parse().ok()
        };
        Ok(record.maybe_count(key)?.or_else(logged))
    }

    /// How prompts are cut.
    pub(super) fn chunks(&self, record: &Record) -> Result<Chunks> {
        let batch = self.count(record, "n_batch")?.unwrap_or(LLAMA_BENCH.batch);
        let micro_batch = self.count(record, "n_ubatch")?.unwrap_or(LLAMA_BENCH.micro_batch);
        match batch == 0 || micro_batch == 0 {
            true => Err(record.wrong("n_batch, n_ubatch", "must be 1 or more")),
            false => Ok(Chunks { batch, micro_batch }),
        }
    }
}

fn one(
    record: &Record,
    words: &Words,
    batch: &str,
    settings: &Settings<'_>,
    given: &Given,
    measured: &mut Vec<Measured>,
) -> Result<()> {
    let [prompt, generate, batch, kept] =
        [words.prompt, words.generate, batch, words.cache].map(|key| record.count(key));
    let (prompt, generate, batch, kept) = (prompt?, generate?, batch?, kept?);
    let shared = is_shared(record, [prompt, generate, batch, kept])?;
    let chunks = Some(settings.chunks(record)?);
    let case = Case::of(given, ENGINE, Runtime::LlamaCpp, &record.place)
        .model(None)?
        .threads(settings.count(record, "n_threads")?)
        .label(format!("{batch} sequences{}", if shared { ", one prompt" } else { "" }));
    // Who generates for each sequence alone reads all weights for each.
    let apart = settings.count(record, "is_tg_separate")?.unwrap_or(0) == 1;
    let prefill = Passes { batch: if shared { 1 } else { batch }, past: 0, prompt, decode: 0, chunks };
    let decode = Passes { batch, past: prompt, prompt: 0, decode: generate, chunks };
    let decode = if apart { Passes { batch: 1, decode: generate.saturating_mul(batch), ..decode } } else { decode };
    for (passes, keys) in [(prefill, words.prefill), (decode, words.decode)] {
        if passes.prompt + passes.decode > 0 {
            measured.push(timed(&case, record, passes, keys)?);
        }
    }
    Ok(())
}

/// A rate with its time, which must be of the same tokens.
pub(super) fn timed(case: &Case<'_>, record: &Record, passes: Passes, [time, rate]: [&str; 2]) -> Result<Measured> {
    let (seconds, told) = (record.quantity(time, "seconds")?, record.rate(rate)?);
    let tokens = passes.prompt.saturating_add(passes.decode).saturating_mul(passes.batch);
    agree(case, rate, told, tokens, seconds)?;
    Ok(case.timed(passes, told))
}

/// Whether all sequences have one prompt: told, or by what the cache holds.
fn is_shared(record: &Record, [prompt, generate, batch, kept]: [u64; 4]) -> Result<bool> {
    let told = record.maybe_count("is_pp_shared")?.map(|shared| shared == 1);
    let apart = prompt.saturating_add(generate).saturating_mul(batch);
    let together = prompt.saturating_add(generate.saturating_mul(batch));
    let is = |shared: bool| kept == if shared { together } else { apart };
    match told {
        Some(shared) if is(shared) => Ok(shared),
        None if is(false) => Ok(false),
        None if is(true) => Ok(true),
        _ => Err(record.wrong(
            "N_KV",
            format!("{kept} is neither {batch} · ({prompt} + {generate}) = {apart} nor {prompt} + {batch} · {generate} = {together}"),
        )),
    }
}
