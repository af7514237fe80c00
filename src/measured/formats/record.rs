//! Records of named values, whichever way they are written.

use crate::error::{Error, Result, obeyed, shown};
use crate::json;
use serde_json::{Map, Value};

/// One record: its place in the file, and its values. Those of CSV and of tables are text.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) place: String,
    pub(super) values: Map<String, Value>,
}

/// Characters of a name: longer is no name.
const NAME_MAX: usize = 500;

/// Characters of a column's name, and rows: each cell keeps its column's name.
const COLUMN_MAX: usize = 80;
const RECORDS_MAX: usize = 100_000;

/// An array of objects.
pub(super) fn of_json(text: &str) -> Result<Vec<Record>> {
    let no_array = |e: &dyn std::fmt::Display| Error::misuse(format!("no array of records: {e}"));
    let (value, length) = json::first(text.trim_start()).map_err(|e| no_array(&e))?;
    if !text.trim_start()[length..].trim().is_empty() {
        return Err(no_array(&"more stands behind it"));
    }
    let Value::Array(values) = value else { return Err(no_array(&"another value")) };
    let record = |(at, value)| match value {
        Value::Object(values) => Ok(Record { place: format!("record {}", at + 1), values }),
        _ => Err(no_array(&format!("record {} is no object", at + 1))),
    };
    values.into_iter().enumerate().map(record).collect()
}

/// Objects, one behind another: one a line, or over many lines.
pub(super) fn of_json_lines(text: &str) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let (mut line, mut seen) = (1, 0);
    for (at, value) in json::values(text) {
        line += text[seen..at].matches('\n').count();
        seen = at;
        let place = format!("line {line}");
        match value {
            Ok(Value::Object(values)) => records.push(Record { place, values }),
            Ok(_) => return Err(Error::misuse(format!("{place}: no record: not an object"))),
            Err(e) => return Err(Error::misuse(format!("{place}: no record: {e}"))),
        }
    }
    Ok(records)
}

/// Lines under a header; those that begin with `#` are remarks. An empty value is none.
pub(super) fn of_csv(text: &str) -> Result<Vec<Record>> {
    let fail = |e: csv::Error| Error::misuse(format!("no table: {e}").replace('\n', " "));
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(fail)?.clone();
    if let Some(twice) = header.iter().enumerate().find(|(at, key)| header.iter().take(*at).any(|k| k == *key)) {
        return Err(Error::misuse(format!("column \"{}\" stands twice", shown(twice.1))));
    }
    if let Some(long) = header.iter().find(|key| key.len() > COLUMN_MAX) {
        return Err(Error::misuse(format!("column \"{}\" has too long a name", shown(long))));
    }
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(fail)?;
        if records.len() == RECORDS_MAX {
            return Err(Error::misuse(format!("more than {RECORDS_MAX} rows; no benchmark has so many")));
        }
        let place = format!("line {}", row.position().map_or(0, csv::Position::line));
        let cells = header.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        let values = cells.map(|(key, cell)| (key.to_owned(), Value::String(cell.to_owned()))).collect();
        records.push(Record { place, values });
    }
    Ok(records)
}

/// The value at a path of keys, with dots between.
fn inside<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let values = value.as_object()?;
    values.get(path).or_else(|| path.split_once('.').and_then(|(first, rest)| inside(values.get(first)?, rest)))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A count that is written as a fraction.
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=1e15).contains(&number)).then_some(number as u64)
}

impl Record {
    /// The value of a key; dots lead into objects, as they do in the columns that pandas makes of them.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        let nested = || key.split_once('.').and_then(|(first, rest)| inside(self.values.get(first)?, rest));
        self.values.get(key).or_else(nested).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The objects in the list of a key.
    pub(super) fn list(&self, key: &str) -> Result<Vec<Record>> {
        let Some(Value::Array(values)) = self.value(key) else { return Err(self.wrong(key, "must be a list")) };
        let record = |(at, value): (usize, &Value)| match value {
            Value::Object(values) => {
                Ok(Record { place: format!("{}, {key} {}", self.place, at + 1), values: values.clone() })
            }
            _ => Err(self.wrong(key, format!("entry {} is no object", at + 1))),
        };
        values.iter().enumerate().map(record).collect()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// An error at this place.
    pub(super) fn wrong(&self, key: &str, what: impl std::fmt::Display) -> Error {
        Error::misuse(format!("{}: {key}: {what}", self.place))
    }

    /// A name, which will be shown.
    pub(super) fn maybe_text(&self, key: &str) -> Result<Option<&str>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().any(obeyed) => {
                Err(self.wrong(key, format!("\"{}\" has control characters", shown(text))))
            }
            Some(Value::String(text)) if text.len() > NAME_MAX => {
                Err(self.wrong(key, format!("\"{}\" is too long for a name", shown(text))))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text")),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&str> {
        self.maybe_text(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    pub(super) fn maybe_count(&self, key: &str) -> Result<Option<u64>> {
        let count = match self.value(key) {
            None => return Ok(None),
            // pandas writes whole numbers of a column with gaps as 512.0.
            Some(Value::Number(number)) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Some(Value::String(text)) => text.parse().ok().or_else(|| whole(text.parse().ok()?)),
            Some(_) => None,
        };
        count.map(Some).ok_or_else(|| self.wrong(key, "must be a whole number, 0 or more"))
    }

    pub(super) fn count(&self, key: &str) -> Result<u64> {
        self.maybe_count(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    pub(super) fn maybe_rate(&self, key: &str) -> Result<Option<f64>> {
        self.value(key).map(|value| self.as_rate(key, value)).transpose()
    }

    /// A rate of tokens per second.
    pub(super) fn rate(&self, key: &str) -> Result<f64> {
        self.maybe_rate(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    /// A quantity above 0, in `unit`.
    pub(super) fn maybe_quantity(&self, key: &str, unit: &str) -> Result<Option<f64>> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let quantity = number(value).filter(|number| (1e-12..=1e15).contains(number));
        quantity.map(Some).ok_or_else(|| self.wrong(key, format!("must be a number of {unit} above 0")))
    }

    /// As [`Record::maybe_quantity`], and needed.
    pub(super) fn quantity(&self, key: &str, unit: &str) -> Result<f64> {
        self.maybe_quantity(key, unit)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    /// A list of rates; empty where the key is absent.
    pub(super) fn rates(&self, key: &str) -> Result<Vec<f64>> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(|value| self.as_rate(key, value)).collect(),
            Some(_) => Err(self.wrong(key, "must be a list of numbers")),
        }
    }

    fn as_rate(&self, key: &str, value: &Value) -> Result<f64> {
        // Slower than a token in thirty years, or faster than 10¹² a second: no engine.
        number(value)
            .filter(|rate| (1e-9..=1e12).contains(rate))
            .ok_or_else(|| self.wrong(key, "must be a number of tokens per second above 0"))
    }

    /// Whether a switch is on: `true` or `1`.
    pub(super) fn is_on(&self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_u64() == Some(1),
            Some(Value::String(text)) => matches!(text.as_str(), "1" | "true"),
            _ => false,
        }
    }
}
