//! Records of named values, whichever way they are written.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// One record: its place in the file, and its values. Those of CSV are text.
pub(super) struct Record {
    pub(super) place: String,
    values: Map<String, Value>,
}

/// An array of objects.
pub(super) fn of_json(text: &str) -> Result<Vec<Record>> {
    let values: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|e| Error::misuse(format!("no array of records: {e}")))?;
    let record = |(at, values)| Record { place: format!("record {}", at + 1), values };
    Ok(values.into_iter().enumerate().map(record).collect())
}

/// One object a line.
pub(super) fn of_json_lines(text: &str) -> Result<Vec<Record>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let record = |(at, line): (usize, &str)| {
        let place = format!("line {}", at + 1);
        let values = serde_json::from_str(line).map_err(|e| Error::misuse(format!("{place}: no record: {e}")))?;
        Ok(Record { place, values })
    };
    lines.map(record).collect()
}

/// Lines under a header; those that begin with `#` are remarks. An empty value is none.
pub(super) fn of_csv(text: &str) -> Result<Vec<Record>> {
    let fail = |e: csv::Error| Error::misuse(format!("no table: {e}").replace('\n', " "));
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(fail)?.clone();
    if let Some(twice) = header.iter().enumerate().find(|(at, key)| header.iter().take(*at).any(|k| k == *key)) {
        return Err(Error::misuse(format!("column \"{}\" stands twice", twice.1)));
    }
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(fail)?;
        let place = format!("line {}", row.position().map_or(0, csv::Position::line));
        let cells = header.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        let values = cells.map(|(key, cell)| (key.to_owned(), Value::String(cell.to_owned()))).collect();
        records.push(Record { place, values });
    }
    Ok(records)
}

impl Record {
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// An error at this place.
    pub(super) fn wrong(&self, key: &str, what: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{}: {key}: {what}", self.place))
    }

    pub(super) fn maybe_text(&self, key: &str) -> Result<Option<&str>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text")),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&str> {
        self.maybe_text(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    pub(super) fn maybe_count(&self, key: &str) -> Result<Option<u64>> {
        let count = match self.values.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        count.map(Some).ok_or_else(|| self.wrong(key, "must be a whole number, 0 or more"))
    }

    pub(super) fn count(&self, key: &str) -> Result<u64> {
        self.maybe_count(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    pub(super) fn maybe_rate(&self, key: &str) -> Result<Option<f64>> {
        self.values.get(key).filter(|value| !value.is_null()).map(|value| self.as_rate(key, value)).transpose()
    }

    /// A list of rates; empty where the key is absent.
    pub(super) fn rates(&self, key: &str) -> Result<Vec<f64>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(|value| self.as_rate(key, value)).collect(),
            Some(_) => Err(self.wrong(key, "must be a list of numbers")),
        }
    }

    fn as_rate(&self, key: &str, value: &Value) -> Result<f64> {
        let rate = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        // Slower than a token in thirty years, or faster than 10¹² a second: no engine.
        rate.filter(|rate| (1e-9..=1e12).contains(rate))
            .ok_or_else(|| self.wrong(key, "must be a number of tokens per second above 0"))
    }

    /// Whether a switch is on: `true` or `1`.
    pub(super) fn is_on(&self, key: &str) -> bool {
        match self.values.get(key) {
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_u64() == Some(1),
            Some(Value::String(text)) => matches!(text.as_str(), "1" | "true"),
            _ => false,
        }
    }
}
