//! A configuration's keys, read with their meaning: absent, null and wrong are three different things.

use super::family::Defaults;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// How much of a foreign string is repeated in a message.
pub(super) const QUOTED_CHARS: usize = 40;

/// The keys of one configuration. It remembers which were asked for, so that the others can be named.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    asked: RefCell<BTreeSet<&'static str>>,
    /// Remarks on how they were read.
    remarks: RefCell<Vec<String>>,
    /// Whether it is a part of another, written as what differs from the family's defaults.
    part: bool,
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

impl<T> Given<T> {
    /// The value: `absent` where nothing stands, none for null.
    pub(super) fn or_absent(self, absent: Option<T>) -> Option<T> {
        match self {
            Given::Value(value) => Some(value),
            Given::Absent => absent,
            Given::Null => None,
        }
    }

    /// The value, where there is one.
    pub(super) fn value(self) -> Option<T> {
        self.or_absent(None)
    }
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map<String, Value>) -> Keys<'a> {
        Keys { map, asked: RefCell::default(), remarks: RefCell::default(), part: false }
    }

    /// The keys of a part of another configuration: what is absent there has its default, in every family.
    pub(super) fn of_part(map: &'a Map<String, Value>) -> Keys<'a> {
        Keys { part: true, ..Keys::new(map) }
    }

    /// The default of an absent key of the shape, where there is one.
    pub(super) fn default(&self, defaults: &Defaults, default: u64) -> Option<u64> {
        (self.part || !defaults.required).then_some(default)
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key);
        self.map.get(key)
    }

    /// Whether something stands there that [`is_on`].
    pub(super) fn is_on(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(is_on)
    }

    /// A count from 1 to `most`.
    pub(super) fn given(&self, key: &'static str, most: u64) -> Result<Given<u64>> {
        match self.get(key) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(value) => count(key, value, most).map(Given::Value),
        }
    }

    /// The value at the first of `names` that is there, and that name; without any, the usual name.
    ///
    /// # Errors
    /// Misuse when two of them are there and disagree.
    pub(super) fn any(&self, names: &'static [&'static str], most: u64) -> Result<(&'static str, Given<u64>)> {
        let mut found: Option<(&'static str, Given<u64>)> = None;
        for &name in names {
            let given = self.given(name, most)?;
            match (found, given) {
                (_, Given::Absent) => {}
                (None | Some((_, Given::Null)), _) => found = Some((name, given)),
                (Some(_), Given::Null) => {}
                (Some((first, value)), _) if value != given => {
                    return Err(Error::misuse(format!("{name}: disagrees with {first}; remove one of them")));
                }
                (Some(_), _) => {}
            }
        }
        Ok(found.unwrap_or((names.first().copied().unwrap_or_default(), Given::Absent)))
    }

    /// A count of the shape; absent, the family's default, where it has one, which is remembered.
    pub(super) fn shape(
        &self,
        names: &'static [&'static str],
        most: u64,
        family: &dyn fmt::Display,
        default: Option<u64>,
    ) -> Result<u64> {
        match (self.any(names, most)?, default) {
            ((_, Given::Value(value)), _) => Ok(value),
            ((name, Given::Absent), Some(default)) => {
                self.assume(name, family, default);
                Ok(default)
            }
            ((name, Given::Absent), None) => {
                Err(Error::misuse(format!("{name}: is missing; add it, or give the model's own config.json")))
            }
            ((name, Given::Null), _) => {
                Err(Error::misuse(format!("{name}: is null; it must be an integer in 1..={most}")))
            }
        }
    }

    /// Notes that an absent key of the shape was taken for a default.
    pub(super) fn assume(&self, name: &str, family: &dyn fmt::Display, default: u64) {
        self.remark(format!("{name} is absent from the configuration, and taken to be {default} as {family} has it"));
    }

    /// Adds a remark on how the keys were read.
    pub(super) fn remark(&self, remark: String) {
        self.remarks.borrow_mut().push(remark);
    }

    /// What was noted.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.remarks.borrow().clone()
    }

    /// A count that may be 0.
    pub(super) fn count_from_zero(&self, key: &'static str) -> Result<Given<u64>> {
        self.typed(key, "an integer from 0", Value::as_u64)
    }

    /// What `of` makes of the value at a key, which must be `what`.
    pub(super) fn typed<T>(&self, key: &'static str, what: &str, of: fn(&'a Value) -> Option<T>) -> Result<Given<T>> {
        match self.get(key) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(value) => of(value)
                .map(Given::Value)
                .ok_or_else(|| Error::misuse(format!("{key}: must be {what}, is {}", shown(value)))),
        }
    }

    /// A list of integers from 0, where one stands.
    pub(super) fn indices(&self, key: &'static str) -> Result<Option<Vec<u64>>> {
        self.list(key, "integers from 0", Value::as_u64)
    }

    /// A list of words, where one stands.
    pub(super) fn words(&self, key: &'static str) -> Result<Option<Vec<&'a str>>> {
        self.list(key, "strings", Value::as_str)
    }

    fn list<T>(&self, key: &'static str, what: &str, of: fn(&'a Value) -> Option<T>) -> Result<Option<Vec<T>>> {
        let wrong = |value: &Value| Error::misuse(format!("{key}: must be a list of {what}, is {}", shown(value)));
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => {
                items.iter().map(|item| of(item).ok_or_else(|| wrong(item))).collect::<Result<_>>().map(Some)
            }
            Some(other) => Err(wrong(other)),
        }
    }

    /// A truth value; `null` is false.
    pub(super) fn flag(&self, key: &'static str, absent: bool) -> Result<bool> {
        Ok(self.typed(key, "true or false", Value::as_bool)?.or_absent(Some(absent)).unwrap_or(false))
    }

    /// A word, where one stands.
    pub(super) fn word(&self, key: &'static str) -> Result<Option<&'a str>> {
        self.typed(key, "a string", Value::as_str).map(Given::value)
    }

    /// The keys that nobody asked for.
    pub(super) fn unasked(&self) -> Vec<(&'a str, &'a Value)> {
        let asked = self.asked.borrow();
        let unasked = self.map.iter().filter(|(key, _)| !asked.contains(key.as_str()));
        unasked.map(|(key, value)| (key.as_str(), value)).collect()
    }
}

/// Whether a value is not `null`, `false`, zero or empty.
pub(super) fn is_on(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(word) => !word.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
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
    format!("\"{}\"", clipped(word, QUOTED_CHARS))
}

/// The first `most` characters of a foreign string, on one line.
pub(super) fn clipped(word: &str, most: usize) -> String {
    let mut start: String = word.chars().take(most).flat_map(char::escape_debug).collect();
    if word.chars().nth(most).is_some() {
        start.push('…');
    }
    start
}
