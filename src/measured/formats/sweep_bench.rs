//! What llama-sweep-bench of ik_llama.cpp writes: one sequence, prompt and generation at growing depths, as a table or JSON lines.
//!
//! `N_KV` is what the cache holds before: PP tokens are taken in behind it, and TG tokens are generated behind it as well.

use super::Format;
use super::batched_bench::{OF_JSON, OF_TABLE, Settings, timed};
use super::case::Case;
use super::content::Content;
use crate::error::Result;
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "llama-sweep-bench", is, read };

const ENGINE: &str = "llama-sweep-bench";

fn is(content: &Content<'_>) -> bool {
    content.has_object(&["pp", "tg", "n_kv", "speed_tg"]) || content.has_row(&["PP", "TG", "N_KV", "S_TG t/s"])
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let of_json = content.has_object(&[OF_JSON.cache]);
    let (records, words) = if of_json { (&content.objects, OF_JSON) } else { (&content.rows, OF_TABLE) };
    let settings = Settings::of(content);
    let mut measured = Vec::new();
    for record in records.iter().filter(|record| record.has(words.cache)) {
        let (prompt, decode) = (record.count(words.prompt)?, record.count(words.generate)?);
        let past = record.count(words.cache)?;
        let case = Case::of(given, ENGINE, Runtime::LlamaCpp, &record.place)
            .model(None)?
            .threads(settings.count(record, "n_threads")?);
        let passes = Passes { batch: 1, past, prompt: 0, decode: 0, chunks: Some(settings.chunks(record)?) };
        for (passes, keys) in
            [(Passes { prompt, ..passes }, words.prefill), (Passes { decode, ..passes }, words.decode)]
        {
            if passes.prompt + passes.decode > 0 {
                measured.push(timed(&case, record, passes, keys)?);
            }
        }
    }
    Ok(measured)
}
