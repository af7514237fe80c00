//! The keys and values in a file's head.

use super::reader::{Head, KEY_BYTES_MAX, quoted};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Seek};

/// More keys than this has no file: a model has some forty.
const KEYS_MAX: u64 = 1 << 16;
/// The least that a key takes: its length, a letter, its type, a byte.
const KEY_BYTES_MIN: u64 = 8 + 1 + 4 + 1;
/// Texts longer than this are counted, not kept: licences and chat templates.
const TEXT_BYTES_MAX: u64 = 4096;
/// Arrays longer than this are counted, not kept. Per-layer values have a few hundred.
const ARRAY_KEPT_MAX: u64 = 4096;
/// Array values kept of one file: many short arrays must not cost more than a few long ones.
const VALUES_KEPT_MAX: u64 = 1 << 20;
/// Texts of an array that are read one by one; the largest vocabularies have some 300,000, their merges a million.
const ARRAY_TEXTS_MAX: u64 = 1 << 24;
/// The data's alignment lies in this range.
const ALIGNMENT_MAX: u64 = 1 << 20;
const ALIGNMENT_DEFAULT: u64 = 32;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An unsigned integer of any width.
    Unsigned(u64),
    /// A signed integer of any width.
    Signed(i64),
    /// A floating-point number of either width.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(Box<str>),
    /// A text that is too long to be kept: its bytes.
    LongText(u64),
    /// An array.
    Array(Array),
}

/// An array of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// How many values it has.
    pub len: u64,
    /// The values; none of long arrays and of those of the tokenizer.
    pub values: Option<Box<[Value]>>,
}

/// The types that a value can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned(usize),
    Signed(usize),
    Float(usize),
    Bool,
    Text,
    Array,
}

impl Kind {
    fn of(id: u32, what: &str) -> Result<Kind> {
        Ok(match id {
            0 => Kind::Unsigned(1),
            1 => Kind::Signed(1),
            2 => Kind::Unsigned(2),
            3 => Kind::Signed(2),
            4 => Kind::Unsigned(4),
            5 => Kind::Signed(4),
            6 => Kind::Float(4),
            7 => Kind::Bool,
            8 => Kind::Text,
            9 => Kind::Array,
            10 => Kind::Unsigned(8),
            11 => Kind::Signed(8),
            12 => Kind::Float(8),
            _ => return Err(Error::misuse(format!("{what}: has the unknown value type {id}; the file is damaged"))),
        })
    }

    /// Bytes of one value, where all values have as many.
    fn bytes(self) -> Option<usize> {
        match self {
            Kind::Unsigned(bytes) | Kind::Signed(bytes) | Kind::Float(bytes) => Some(bytes),
            Kind::Bool => Some(1),
            Kind::Text | Kind::Array => None,
        }
    }

    fn read<R: Read + Seek>(self, head: &mut Head<R>, what: &str) -> Result<Value> {
        Ok(match self {
            Kind::Unsigned(bytes) => Value::Unsigned(head.word(bytes, what)?),
            Kind::Signed(bytes) => {
                let shift = 64 - 8 * bytes as u32;
                Value::Signed((head.word(bytes, what)? << shift).cast_signed() >> shift)
            }
            Kind::Float(4) => Value::Float(f64::from(f32::from_bits(head.u32(what)?))),
            Kind::Float(_) => Value::Float(f64::from_bits(head.u64(what)?)),
            Kind::Bool => match head.word(1, what)? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                byte => {
                    return Err(Error::misuse(format!(
                        "{what}: {byte} is no truth value (0 or 1); the file is damaged"
                    )));
                }
            },
            Kind::Text => match head.text(TEXT_BYTES_MAX, what)? {
                Ok(text) => Value::Text(text.into()),
                Err(length) => Value::LongText(length),
            },
            Kind::Array => return Err(Error::misuse(format!("{what}: is an array of arrays, which is not supported"))),
        })
    }
}

/// The metadata of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// Reads `count` keys with their values.
    pub(super) fn read<R: Read + Seek>(head: &mut Head<R>, count: u64) -> Result<Metadata> {
        let room = head.left() / KEY_BYTES_MIN;
        if count > KEYS_MAX.min(room) {
            return Err(Error::misuse(format!(
                "kv_count: {count} keys are announced, the file has room for {room}, and {KEYS_MAX} are the most; it is truncated or damaged"
            )));
        }
        let mut map = BTreeMap::new();
        let mut room = VALUES_KEPT_MAX;
        for index in 0..count {
            let key = head.name(KEY_BYTES_MAX, &format!("key {index}"))?;
            let what = quoted(&key);
            let value = match Kind::of(head.u32(&what)?, &what)? {
                Kind::Array => Value::Array(array(head, &key, &what, &mut room)?),
                kind => kind.read(head, &what)?,
            };
            match map.entry(key) {
                Entry::Vacant(entry) => entry.insert(value),
                Entry::Occupied(_) => return Err(Error::misuse(format!("{what}: stands twice; the file is damaged"))),
            };
        }
        Ok(Metadata(map))
    }

    /// What stands at a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The keys, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The text at a key, where there is one.
    ///
    /// # Errors
    /// Misuse when something else stands there.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(key, "a short text", other)),
        }
    }

    /// The count at a key, where there is one.
    ///
    /// # Errors
    /// Misuse when something else stands there.
    pub fn count(&self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        count(value).map(Some).ok_or_else(|| wrong(key, "a count", value))
    }

    /// The counts at a key, one for each of `layers` layers, where a scalar is meant for all of them.
    ///
    /// # Errors
    /// Misuse when something else stands there, or an array of another length.
    pub fn per_layer(&self, key: &str, layers: u64) -> Result<Option<Vec<u64>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Value::Array(array) = value else {
            let all = count(value).ok_or_else(|| wrong(key, "a count or an array of counts", value))?;
            return Ok(Some((0..layers).map(|_| all).collect()));
        };
        if array.len != layers {
            return Err(Error::misuse(format!("{key}: has {} values for {layers} layers (block_count)", array.len)));
        }
        let counts = array.values.as_deref().and_then(|values| values.iter().map(count).collect());
        counts.map(Some).ok_or_else(|| wrong(key, "an array of counts", value))
    }

    /// The count at a place of the array at a key; none where there is no array, or none so long.
    ///
    /// # Errors
    /// Misuse when something else stands there.
    pub fn nth(&self, key: &str, place: u64) -> Result<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Value::Array(array) = value else { return Err(wrong(key, "an array of counts", value)) };
        let values = array.values.as_deref().unwrap_or_default();
        let found = usize::try_from(place).ok().and_then(|place| values.get(place));
        found.map(|one| count(one).ok_or_else(|| wrong(key, "an array of counts", value))).transpose()
    }

    /// Whether something stands at a key that is not zero, false or empty.
    pub fn is_on(&self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Unsigned(number)) => *number != 0,
            Some(Value::Signed(number)) => *number != 0,
            Some(Value::Float(number)) => *number != 0.0,
            Some(Value::Bool(on)) => *on,
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::LongText(_)) => true,
            Some(Value::Array(array)) => array.len > 0,
        }
    }

    /// `general.alignment`, of the data.
    pub(super) fn alignment(&self) -> Result<u64> {
        let alignment = self.count("general.alignment")?.unwrap_or(ALIGNMENT_DEFAULT);
        if alignment.is_power_of_two() && alignment <= ALIGNMENT_MAX {
            return Ok(alignment);
        }
        Err(Error::misuse(format!(
            "general.alignment: {alignment} is no power of two up to {ALIGNMENT_MAX}; the file is damaged"
        )))
    }
}

fn array<R: Read + Seek>(head: &mut Head<R>, key: &str, what: &str, room: &mut u64) -> Result<Array> {
    let kind = Kind::of(head.u32(what)?, what)?;
    let len = head.u64(what)?;
    let kept = len <= ARRAY_KEPT_MAX.min(*room) && !key.starts_with("tokenizer.");
    match kind.bytes() {
        _ if kept => {
            *room -= len;
            let mut values = Vec::new();
            for _ in 0..len {
                values.push(kind.read(head, what)?);
            }
            return Ok(Array { len, values: Some(values.into()) });
        }
        Some(bytes) => head.skip(len.saturating_mul(bytes as u64), what)?,
        None if kind == Kind::Array => drop(kind.read(head, what)?),
        None if len > ARRAY_TEXTS_MAX || len > head.left() / 8 => {
            return Err(Error::misuse(format!(
                "{what}: an array of {len} texts is announced, more than there is room for or than any model has; the file is damaged"
            )));
        }
        None => {
            for _ in 0..len {
                head.skip_text(what)?;
            }
        }
    }
    Ok(Array { len, values: None })
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Unsigned(number) => Some(*number),
        Value::Signed(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn wrong(key: &str, expected: &str, value: &Value) -> Error {
    let found = match value {
        Value::Unsigned(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(on) => on.to_string(),
        Value::Text(text) => quoted(text),
        Value::LongText(bytes) => format!("a text of {bytes} bytes"),
        Value::Array(array) => format!("an array of {} values", array.len),
    };
    Error::misuse(format!("{key}: must be {expected}, is {found}"))
}
