//! Runs of other engines, read from their own output, and where they stand under a profile's roofs.
//!
//! [`parse`] reads what llama-bench writes (`-o json`, `-o jsonl`, `-o csv`) or a plain table of rates; [`join`] counts exactly
//! the passes that were timed and sets their rate beside the roofs. What breaks a roof is reported, with the roof and by how
//! much, never clamped: the roof, the count or the clock is wrong, and the reader should know.
//!
//! Pure: text in, records out. Deliberately absent: running an engine.

mod broken;
mod fields;
mod join;
mod llama_bench;
mod passes;
mod point;
mod rates;
mod timed;
mod verdict;

use crate::error::{Error, Result};
use crate::model::{Runtime, TensorType, Weights};

pub use broken::{Broken, broken};
pub use join::{Joined, join_all, join_engines};
pub use passes::Passes;
pub use point::{Against, MeasuredPoint, join, join_engine};
pub use timed::Timed;
pub use verdict::{Loss, Standing, Verdict};

/// One measured rate, and what was run for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Where it stands in its file: `record 2` or `line 7`.
    pub record: String,
    /// What the file calls the case, where it has a word for it.
    pub label: Option<String>,
    /// The device that it belongs to: a profile of that name is asked for.
    pub device: Option<String>,
    /// What the engine reports that it ran on; for people, as every engine names devices in its own way.
    pub ran_on: Option<String>,
    /// Who ran it.
    pub engine: String,
    /// Whose way of doing latent attention that is.
    pub runtime: Runtime,
    /// What the file calls the model.
    pub model: String,
    /// Elements of all its tensors, where the engine reports that.
    pub parameters: Option<u64>,
    /// Bytes of all its tensors, where the engine reports that.
    pub tensor_bytes: Option<u64>,
    /// What the file calls the format of the weights; may be empty.
    pub weights_named: String,
    /// That format, where it is a known one.
    pub weights: Option<Weights>,
    /// How the cache is stored.
    pub kv: TensorType,
    /// What was timed.
    pub passes: Passes,
    /// The rate: tokens taken in (prefill) or given (decode), per second.
    pub tokens_per_s: f64,
    /// The slowest and the fastest repetition, where there are several.
    pub tokens_per_s_range: Option<[f64; 2]>,
}

/// Reads measured rates: llama-bench's JSON, JSON lines or CSV, or a table of rates; its first characters and its header decide
/// which. `name` stands for the text in messages.
///
/// # Errors
/// Misuse, naming the record and the key, for what is none of these, lacks a key, or has an impossible value.
pub fn parse(name: &str, text: &str) -> Result<Vec<Measured>> {
    let of_json = |records| llama_bench::measured(records);
    let measured = match text.trim_start().chars().next() {
        Some('[') => fields::of_json(text).and_then(of_json),
        Some('{') => fields::of_json_lines(text).and_then(of_json),
        Some(_) => fields::of_csv(text).and_then(|records| match records.first() {
            Some(first) if first.has(llama_bench::RATE) => llama_bench::measured(records),
            _ => rates::measured(records),
        }),
        None => Err(Error::misuse("is empty")),
    };
    let measured = measured.map_err(|e| e.within(name))?;
    if let Some(one) = measured.iter().find(|one| !one.passes.are_possible()) {
        return Err(Error::misuse(format!(
            "{name}: {}: more tokens, or pieces of a prompt, than any engine has",
            one.record
        )));
    }
    if measured.is_empty() {
        return Err(Error::misuse(format!("{name}: has no measurement")));
    }
    Ok(measured)
}
