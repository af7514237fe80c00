//! Exact counts by class.

use crate::error::{Error, Result};
use crate::model::{ByClass, Class};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Exact counts by class, written as a map.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCounts(Vec<(&'static str, Count)>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Count {
    Whole(u64),
    /// What is expected of random choices; whole only by chance.
    Expected(f64),
}

impl ClassCounts {
    /// The count of that name (a class, or `total`); an expectation is rounded.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(class, _)| *class == name).map(|(_, count)| match *count {
            Count::Whole(count) => count,
            Count::Expected(count) => count.round() as u64,
        })
    }

    pub(super) fn of(counts: &ByClass, included: fn(Class) -> bool) -> Result<ClassCounts> {
        let classes = Class::ALL.into_iter().filter(|&class| included(class));
        let count = |class: Class| Ok((class.name(), Count::Whole(exact(counts.get(class))?)));
        classes.map(count).collect::<Result<_>>().map(ClassCounts)
    }

    pub(super) fn with_total(mut self, total: u128) -> Result<ClassCounts> {
        self.0.push(("total", Count::Whole(exact(total)?)));
        Ok(self)
    }

    pub(super) fn with_expectation(mut self, class: Class, expected: f64) -> ClassCounts {
        for (name, count) in &mut self.0 {
            if *name == class.name() && expected.fract() != 0.0 {
                *count = Count::Expected(expected);
            }
        }
        self
    }
}

/// A count in 64 bits.
///
/// # Errors
/// Misuse when it exceeds them.
pub(crate) fn exact(count: u128) -> Result<u64> {
    u64::try_from(count)
        .map_err(|_| Error::misuse("a count exceeds 64 bits; lower --prompt, --context, --generate or --batch"))
}

impl Serialize for ClassCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl JsonSchema for ClassCounts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ClassCounts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "number", "minimum": 0 } })
    }
}
