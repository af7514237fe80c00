//! Runs of other engines, read from their own output, and where they stand under a profile's roofs.
//!
//! [`parse`] reads what engines write, each in its own format, or a plain table of rates; [`join`] counts exactly the passes that
//! were timed and sets their rate beside the roofs. What breaks a roof is reported, with the roof and by how much, never clamped: the
//! roof, the count or the clock is wrong, and the reader should know.
//!
//! Pure: text in, records out. Deliberately absent: running an engine.

mod broken;
mod formats;
mod given;
mod impossible;
mod join;
mod other_device;
mod passes;
mod point;

use crate::error::{Error, Result};
use crate::model::{Runtime, TensorType, Weights};

pub use broken::{Broken, broken};
pub use given::{Given, GivenModel};
pub use join::{Joined, join_all};
pub use passes::Passes;
pub use point::{Against, MeasuredPoint, join};

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
    /// Through what it ran there, in the engine's words: `CUDA`, `CPU`, `Metal,BLAS`.
    pub backend: Option<String>,
    /// Threads that ran, where that is told.
    pub threads: Option<u64>,
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
    /// What has to be said of how it was read.
    pub notes: Vec<String>,
}

/// Reads measured rates in any format that is known; what the text holds decides which. `name` stands for the text in messages.
///
/// # Errors
/// Misuse, naming the record and the key, for what is in no known format, lacks something, or has an impossible value.
pub fn parse(name: &str, text: &str) -> Result<Vec<Measured>> {
    parse_with(name, text, &Given::default())
}

/// As [`parse`], with what is `given` beside the text for what it leaves open.
///
/// # Errors
/// As [`parse`]; what is neither told nor given is asked for.
pub fn parse_with(name: &str, text: &str, given: &Given) -> Result<Vec<Measured>> {
    let measured = formats::read(text, given);
    let measured = measured.map_err(|e| e.within(name))?;
    if let Some(one) = measured.iter().find(|one| !one.passes.are_possible()) {
        return Err(Error::misuse(format!(
            "{name}: {}: more tokens, or pieces of a prompt, than any engine has",
            one.record
        )));
    }
    let is_none = |one: &&Measured| one.passes.tokens() == 0 || !(1e-9..=1e12).contains(&one.tokens_per_s);
    if let Some(one) = measured.iter().find(is_none) {
        return Err(Error::misuse(format!(
            "{name}: {}: {} tokens at {} tokens/s are no run",
            one.record,
            one.passes.tokens(),
            one.tokens_per_s
        )));
    }
    if measured.is_empty() {
        return Err(Error::misuse(format!("{name}: has no measurement")));
    }
    Ok(measured)
}
