//! What comes almost free on a device, and which weights are fastest there.

use super::ThreadAdvice;
use crate::error::Result;
use schemars::JsonSchema;
use serde::Serialize;

/// A step that takes at most this many times the time of a step of one token is taken to be almost free.
pub const TOLERANCE: f64 = 1.1;

/// What follows from the speeds for those who choose.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Advice {
    /// How much longer than a step of one token something almost free may take: a factor.
    pub tolerance: f64,
    /// The largest number of sequences up to which a decode step is almost free.
    pub batch: Free,
    /// The largest number of tokens per sequence whose verification is almost free: a draft of one token less, as the last
    /// token known is one of them.
    pub draft: Free,
    /// The largest number of sequences whose caches, with the weights, fit the device's memory; none where that is not
    /// known, or where not even one fits.
    pub fitting_batch: Option<u64>,
    /// The model with its weights as asked for, and in the common formats whose kernels this tool measures, the fastest at
    /// decoding first.
    pub formats: Vec<FormatSpeed>,
    /// Why the first of them is the fastest.
    pub fastest_because: String,
    /// The cache in the common types, as it was asked for first, where its rows are whole blocks of them.
    pub caches: Vec<CacheSpeed>,
    /// Prompts that are taken in so many tokens at a time, fewest first.
    pub micro_batches: Vec<MicroBatchSpeed>,
    /// How many threads, and on which cores, where it is not every core for everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<ThreadAdvice>,
}

/// A number up to which more comes almost free.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Free {
    /// That number: 1 where nothing is.
    pub count: u64,
    /// Whether it is the end of the search, and more may be free.
    pub at_least: bool,
    /// The time of a step of one.
    pub seconds_of_one: f64,
    /// The time of a step of so many.
    pub seconds: f64,
    /// Tokens per second with so many, all sequences together.
    pub tokens_per_s: f64,
}

impl Free {
    /// Goes up from one until a step of `count` takes more than [`TOLERANCE`] times as long, or to `most`.
    ///
    /// `seconds(count)` is the time of a step, `each` the tokens that one of them counts for.
    ///
    /// # Errors
    /// Those of `seconds`.
    pub(super) fn find(most: u64, each: u64, mut seconds: impl FnMut(u64) -> Result<f64>) -> Result<Free> {
        let one = seconds(1)?;
        let mut found = Free { count: 1, at_least: true, seconds_of_one: one, seconds: one, tokens_per_s: 0.0 };
        for count in 2..=most {
            let time = seconds(count)?;
            if time > TOLERANCE * one {
                found.at_least = false;
                break;
            }
            (found.count, found.seconds) = (count, time);
        }
        found.tokens_per_s = (found.count * each) as f64 / found.seconds;
        Ok(found)
    }
}

/// The model in one format of weights.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FormatSpeed {
    /// The format, a word of `--weights`.
    pub weights: String,
    /// Bytes of weights that a decode step reads.
    pub bytes_per_token: u64,
    /// Bytes that a decode step reads of weights and cache over its time, 10⁹ per second.
    pub gb_per_s: f64,
    /// Decode: tokens per second, all sequences together.
    pub decode_tokens_per_s: f64,
    /// Prefill: tokens per second, all sequences together.
    pub prefill_tokens_per_s: f64,
    /// Weights, cache and activations.
    pub memory_needed_bytes: u64,
    /// Whether the device has enough, where that is known.
    pub fits: Option<bool>,
    /// Types of weights whose products were not measured, each with the one whose rates stand in, such as `bf16 by f16`: such a
    /// speed is a guess.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub stand_ins: Vec<String>,
}

/// The model with its cache stored in one way.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CacheSpeed {
    /// The type, a word of `--kv`.
    pub kv: String,
    /// Decode: tokens per second, all sequences together.
    pub decode_tokens_per_s: f64,
    /// Prefill: tokens per second, all sequences together.
    pub prefill_tokens_per_s: f64,
    /// Weights, cache and activations.
    pub memory_needed_bytes: u64,
}

/// A prompt taken in so many tokens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MicroBatchSpeed {
    /// Tokens at once, all sequences together.
    pub micro_batch: u64,
    /// Prefill: tokens per second, all sequences together.
    pub prefill_tokens_per_s: f64,
}

impl Advice {
    /// The smallest micro-batch whose prefill takes at most [`TOLERANCE`] times as long as the best one's.
    pub fn enough_at_once(&self) -> Option<&MicroBatchSpeed> {
        let best = self.micro_batches.iter().map(|one| one.prefill_tokens_per_s).fold(0.0, f64::max);
        self.micro_batches.iter().find(|one| one.prefill_tokens_per_s * TOLERANCE >= best)
    }

    /// The cache that decodes fastest, where that is faster than the one asked for by more than [`TOLERANCE`]; and how many times.
    pub fn faster_cache(&self) -> Option<(&CacheSpeed, f64)> {
        let own = self.caches.first()?.decode_tokens_per_s;
        let times = |one: &CacheSpeed| one.decode_tokens_per_s / own;
        // Of equals the one that was asked for, or loses least.
        let best = self.caches.iter().rev().max_by(|a, b| times(a).total_cmp(&times(b)))?;
        (times(best) > TOLERANCE).then(|| (best, times(best)))
    }
}

/// Why the first of `formats`, the fastest, is faster than the others.
pub(super) fn because(formats: &[FormatSpeed]) -> String {
    let Some(first) = formats.first() else { return "no format is known".to_owned() };
    let in_words = |format: &FormatSpeed| {
        let FormatSpeed { weights, gb_per_s, .. } = format;
        let mb = format.bytes_per_token as f64 / 1e6;
        format!("{weights} reads {mb:.0} MB of weights for a token, and all its traffic goes at {gb_per_s:.1} GB/s")
    };
    let fewest = formats.iter().min_by_key(|format| format.bytes_per_token).unwrap_or(first);
    if fewest.bytes_per_token == first.bytes_per_token {
        return format!("{}; none of these reads fewer bytes", in_words(first));
    }
    format!("{}; {}: its kernels lose more than its bytes save", in_words(first), in_words(fewest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn free_ends_where_a_step_takes_a_tenth_longer() {
        let line = |count: u64| Ok(1.0 + 0.02 * (count - 1) as f64);
        let free = Free::find(100, 1, line).unwrap();
        assert_eq!((free.count, free.at_least), (6, false));
        assert_eq!((free.seconds_of_one, free.seconds), (1.0, 1.1));
        let all = Free::find(4, 3, line).unwrap();
        assert_eq!((all.count, all.at_least), (4, true));
        assert!((all.tokens_per_s - 12.0 / 1.06).abs() < 1e-12);
    }
}
