//! A configuration's keys, read with their meaning: absent, null and wrong are three different things.

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// How much of a foreign string is repeated in a message.
const QUOTED_CHARS: usize = 40;
/// How many foreign keys are listed in a message.
const LISTED_KEYS: usize = 24;

/// The keys of one configuration. It remembers which were asked for, so that the others can be named.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// What stands at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// Nothing: the family's default applies.
    Absent,
    /// `null`: the feature is off, or the value is derived.
    Null,
    /// A value.
    Value(T),
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map<String, Value>) -> Keys<'a> {
        Keys { map, asked: RefCell::default() }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key);
        self.map.get(key)
    }

    /// Whether something stands there that is not `null`, `false`, zero or empty.
    pub(super) fn is_on(&self, key: &'static str) -> bool {
        match self.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(word)) => !word.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(entries)) => !entries.is_empty(),
        }
    }

    /// A count from 1 to `most`.
    pub(super) fn given(&self, key: &'static str, most: u64) -> Result<Given<u64>> {
        match self.get(key) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(value) => count(key, value, most).map(Given::Value),
        }
    }

    /// A count that must be there.
    pub(super) fn count(&self, key: &'static str, most: u64) -> Result<u64> {
        match self.given(key, most)? {
            Given::Value(value) => Ok(value),
            Given::Absent => Err(Error::misuse(format!(
                "{key}: is missing; add it, or give the model's own config.json (keys found: {})",
                self.listed()
            ))),
            Given::Null => Err(Error::misuse(format!("{key}: is null; it must be an integer in 1..={most}"))),
        }
    }

    /// A truth value; `null` is false.
    pub(super) fn flag(&self, key: &'static str, absent: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(absent),
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(Error::misuse(format!("{key}: must be true or false, is {}", shown(other)))),
        }
    }

    /// A word, where one stands.
    pub(super) fn word(&self, key: &'static str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(word)) => Ok(Some(word)),
            Some(other) => Err(Error::misuse(format!("{key}: must be a string, is {}", shown(other)))),
        }
    }

    /// The first key that nobody asked for.
    pub(super) fn unasked(&self) -> Option<String> {
        let asked = self.asked.borrow();
        self.map.keys().find(|key| !asked.contains(key.as_str())).map(|key| quoted(key))
    }

    /// The keys that are there, for a message.
    pub(super) fn listed(&self) -> String {
        let mut names: Vec<String> = self.map.keys().take(LISTED_KEYS).map(|key| clipped(key)).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        if self.map.len() > LISTED_KEYS {
            names.push(format!("and {} more", self.map.len() - LISTED_KEYS));
        }
        names.join(", ")
    }
}

fn count(key: &str, value: &Value, most: u64) -> Result<u64> {
    let wrong = || Error::misuse(format!("{key}: must be an integer in 1..={most}, is {}", shown(value)));
    value.as_u64().filter(|count| (1..=most).contains(count)).ok_or_else(wrong)
}

/// A foreign value in a message: short, and on one line.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(word) => quoted(word),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A foreign string in a message, in quotes.
pub(super) fn quoted(word: &str) -> String {
    format!("\"{}\"", clipped(word))
}

fn clipped(word: &str) -> String {
    let mut start: String = word.chars().take(QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if word.chars().nth(QUOTED_CHARS).is_some() {
        start.push('…');
    }
    start
}
