//! The index of a model in several files.

use super::header::short;
use crate::error::{Error, Result};
use crate::model::keys::{quoted, shown};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// More files than this has no model.
const FILES_MAX: usize = 1 << 12;

/// Which tensor stands in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Bytes of all tensors, where the index states them.
    pub total_size: Option<u64>,
    /// The files, by name; all lie beside the index.
    pub files: Vec<String>,
    /// By tensor, the place of its file among `files`.
    pub places: BTreeMap<Box<str>, usize>,
}

/// Reads the text of a `model.safetensors.index.json`.
///
/// # Errors
/// Misuse, naming the key: not JSON, no `weight_map`, a tensor that stands twice, a file that lies elsewhere.
pub fn parse_index(text: &str) -> Result<Index> {
    let raw: Raw = serde_json::from_str(text).map_err(|e| {
        Error::misuse(format!("{}; not an index of safetensors files: is it truncated, or not JSON?", short(&e)))
    })?;
    let total_size = match raw.metadata.as_ref().and_then(|about| about.get("total_size")) {
        None | Some(Value::Null) => None,
        // Some tools write it as a number with a point.
        Some(size) => Some(whole(size).ok_or_else(|| {
            Error::misuse(format!("metadata.total_size: must be a number of bytes, is {}", shown(size)))
        })?),
    };
    let (mut files, mut numbers, mut places) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (tensor, file) in raw.weight_map.0 {
        let number = match numbers.get(&file) {
            Some(number) => *number,
            None => {
                check_name(&tensor, &file)?;
                if files.len() == FILES_MAX {
                    return Err(Error::misuse(format!("weight_map: names more than {FILES_MAX} files")));
                }
                files.push(file.clone());
                numbers.insert(file, files.len() - 1);
                files.len() - 1
            }
        };
        places.insert(tensor, number);
    }
    if files.is_empty() {
        return Err(Error::misuse("weight_map: is empty; the index is of no model"));
    }
    Ok(Index { total_size, files, places })
}

fn whole(size: &Value) -> Option<u64> {
    let rounded = || size.as_f64().filter(|size| size.fract() == 0.0 && (0.0..9e15).contains(size));
    size.as_u64().or_else(|| rounded().map(|size| size as u64))
}

/// A file beside the index, and nowhere else.
fn check_name(tensor: &str, file: &str) -> Result<()> {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':');
    if file.ends_with(".safetensors") && !file.starts_with('.') && file.chars().all(plain) {
        return Ok(());
    }
    let (tensor, file) = (quoted(tensor), quoted(file));
    Err(Error::misuse(format!(
        "weight_map: {tensor} is in {file}, which is no name of a .safetensors file beside the index"
    )))
}

#[derive(Deserialize)]
struct Raw {
    metadata: Option<serde_json::Map<String, Value>>,
    weight_map: Places,
}

/// Each tensor once.
struct Places(Vec<(Box<str>, String)>);

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Places, D::Error> {
        from.deserialize_map(PlacesVisitor)
    }
}

struct PlacesVisitor;

impl<'de> Visitor<'de> for PlacesVisitor {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors and their files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> std::result::Result<Places, A::Error> {
        let mut places: Vec<(Box<str>, String)> = Vec::new();
        while let Some(place) = from.next_entry()? {
            places.push(place);
        }
        let mut names: Vec<&str> = places.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(Places(places)),
            Some(pair) => Err(A::Error::custom(format!("weight_map names {} twice", quoted(pair[0])))),
        }
    }
}
