//! Configurations whose keys stand in objects of their own, or state one number for each layer: made flat before they are
//! read. And switches that have one value here.

use super::super::family::{Facts, Family};
use super::super::keys::{Keys, shown};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The flat form of a configuration; none where it is flat already.
///
/// # Errors
/// Misuse where numbers differ from layer to layer.
pub(super) fn flat(map: &Map<String, Value>) -> Result<Option<Map<String, Value>>> {
    let Some(facts) = map.get("model_type").and_then(Value::as_str).and_then(Family::of).map(Family::facts) else {
        return Ok(None);
    };
    let layers = listed_layers(map, facts);
    if facts.nested.is_empty() && facts.uniform.is_empty() && layers.is_none() {
        return Ok(None);
    }
    let mut flat = map.clone();
    if let (Some(layers), Some(key)) = (layers, facts.keys.layers.first()) {
        flat.insert((*key).to_owned(), Value::from(layers));
    }
    for key in facts.nested {
        if let Some(Value::Object(inner)) = flat.get(*key).cloned() {
            flat.remove(*key);
            for (name, value) in inner {
                flat.entry(name).or_insert(value);
            }
        }
    }
    for key in facts.uniform {
        let Some(Value::Array(items)) = flat.get(*key) else { continue };
        match items.split_first() {
            Some((first, rest)) if rest.iter().all(|item| item == first) => {
                let first = first.clone();
                flat.insert((*key).to_owned(), first);
            }
            _ => {
                return Err(Error::misuse(format!(
                    "{key}: differs from layer to layer, which is not supported for {}",
                    facts.name
                )));
            }
        }
    }
    Ok(Some(flat))
}

/// The number of layers where only a list of their kinds states it.
fn listed_layers(map: &Map<String, Value>, facts: &Facts) -> Option<usize> {
    if facts.keys.layers.iter().any(|key| map.contains_key(*key)) {
        return None;
    }
    ["layer_types", "layers_block_type"].iter().find_map(|key| map.get(*key)?.as_array().map(Vec::len))
}

/// Holds switches to the value that is understood.
///
/// # Errors
/// Misuse for any other.
pub(super) fn fixed(keys: &Keys, family: Family) -> Result<()> {
    for (key, known) in family.facts().fixed {
        let Some(value) = keys.get(key).filter(|value| !value.is_null()) else { continue };
        let is = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if is != *known {
            return Err(Error::misuse(format!("{key}: {} is not supported for {family} ({known} is)", shown(value))));
        }
    }
    Ok(())
}
