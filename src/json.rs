//! JSON in which every object names each key once. Two values of one key are two statements, and the last need not be the true one.

use crate::error::shown;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The values in `text`, one behind another: a document, lines, or documents without anything between them. Each comes behind the
/// place that it begins at, in bytes. After the first error there are no more.
pub fn values(text: &str) -> impl Iterator<Item = (usize, serde_json::Result<Value>)> {
    let mut from = 0;
    let mut broken = false;
    std::iter::from_fn(move || {
        let rest = text.get(from..).filter(|_| !broken)?;
        let trimmed = rest.trim_start();
        if trimmed.is_empty() {
            return None;
        }
        let begin = text.len() - trimmed.len();
        let first = first(trimmed);
        match &first {
            Ok((_, length)) => from = begin + length,
            Err(_) => broken = true,
        }
        Some((begin, first.map(|(value, _)| value)))
    })
}

/// The value that `text` begins with, and how many bytes it takes.
///
/// # Errors
/// No JSON there, or a key that stands twice in its object.
pub fn first(text: &str) -> serde_json::Result<(Value, usize)> {
    let mut read = serde_json::Deserializer::from_str(text).into_iter::<Once>();
    match read.next() {
        Some(Ok(Once(value))) => Ok((value, read.byte_offset())),
        Some(Err(e)) => Err(e),
        None => Err(serde_json::Error::custom("there is no value")),
    }
}

/// A value that was read so.
struct Once(Value);

impl<'de> serde::Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Once, D::Error> {
        Reader.deserialize(from).map(Once)
    }
}

struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(Reader)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(A::Error::custom(format!("key \"{}\" stands twice in one object", shown(&key))));
            }
            values.insert(key, from.next_value_seed(Reader)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_follow_each_other_and_keys_stand_once() {
        let read: Vec<(usize, Value)> =
            values(" {\"a\":1}{\"b\":[2,null]}\n3").map(|(at, value)| (at, value.unwrap())).collect();
        assert_eq!(read.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 8, 23]);
        assert_eq!(read[1].1, serde_json::json!({"b": [2, null]}));
        for (text, words) in [
            ("{\"a\":1,\"a\":2}", "\"a\" stands twice"),
            ("{\"x\":{\"\\u001b\":1,\"\\u001b\":1}}", "\\u{1b}"),
            ("{\"a\":NaN}", "expected value"),
            ("{\"a\":1e999}", "out of range"),
            ("{\"a\"", "EOF"),
        ] {
            let read: Vec<_> = values(text).collect();
            assert_eq!(read.len(), 1);
            let error = read[0].1.as_ref().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
