//! The keys of one architecture.

use super::metadata::{Metadata, Value};
use crate::error::{Error, Result};
use std::fmt::Display;

/// The keys of one architecture.
pub(super) struct Keys<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) arch: &'a str,
}

impl Keys<'_> {
    pub(super) fn named(&self, key: &str) -> String {
        format!("{}.{key}", self.arch)
    }

    /// What is wrong with a key.
    pub(super) fn error(&self, key: &str, words: impl Display) -> Error {
        Error::misuse(format!("{}: {words}", self.named(key)))
    }

    /// The value of one key does not divide that of another.
    pub(super) fn no_divisor(&self, (key, value): (&str, u64), (other, whole): (&str, u64)) -> Error {
        let other = self.named(other);
        self.error(key, format_args!("{value} does not divide {other} {whole}; the file contradicts itself"))
    }

    fn missing(&self, key: &str) -> Error {
        self.error(key, "is missing; the file is no complete model")
    }

    pub(super) fn count(&self, key: &str) -> Result<Option<u64>> {
        self.metadata.count(&self.named(key))
    }

    pub(super) fn within(&self, key: &str, value: u64, most: u64) -> Result<u64> {
        if (1..=most).contains(&value) {
            return Ok(value);
        }
        Err(self.error(key, format_args!("must lie in 1..={most}, is {value}")))
    }

    pub(super) fn required(&self, key: &str, most: u64) -> Result<u64> {
        match self.count(key)? {
            Some(value) => self.within(key, value, most),
            None => Err(self.missing(key)),
        }
    }

    /// A key that must be there, layer by layer.
    pub(super) fn of_layers(&self, key: &str, layers: u64) -> Result<Vec<u64>> {
        let given = self.metadata.per_layer(&self.named(key), layers)?;
        given.ok_or_else(|| self.missing(key))
    }

    /// A key that may be missing, and otherwise states what the table has.
    pub(super) fn agrees(&self, key: &str, tensor: &str, found: u64) -> Result<()> {
        match self.count(key)? {
            Some(stated) if stated != found => {
                Err(self.error(key, format_args!("is {stated}, and {tensor} has {found}; the file contradicts itself")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn vocabulary(&self, rows: u64) -> Result<()> {
        self.agrees("vocab_size", "token_embd.weight", rows)?;
        match self.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::Array(tokens)) if tokens.len != rows => Err(Error::misuse(format!(
                "tokenizer.ggml.tokens: has {} tokens, and token_embd.weight {rows} rows; the file contradicts itself",
                tokens.len
            ))),
            _ => Ok(()),
        }
    }
}
