//! Windows of attention, layer by layer.

use super::super::family::{Family, PerLayer, WindowRule};
use super::super::keys::{Keys, shown};
use super::super::limits;
use super::common::{layer_types, lists_every_layer};
use crate::error::{Error, Result};
use serde_json::Value;

/// The window, or the chunk, of each layer. `layer_types` wins over the family's pattern.
pub(super) fn windows(keys: &Keys, family: Family, layers: u64, rotates: &[bool]) -> Result<Vec<Option<u64>>> {
    let slides: Box<dyn Fn(u64) -> bool> = match family.facts().window {
        WindowRule::Never => return no_windows(keys, family, layers),
        WindowRule::Every(_) | WindowRule::EveryIfUsed(_) => Box::new(|_| true),
        WindowRule::Listed(_) => Box::new(|_| false),
        WindowRule::GptNeo => {
            let local = local_layers(keys, layers)?;
            Box::new(move |layer| local.iter().zip(0..).any(|(local, at)| at == layer && *local))
        }
        WindowRule::Later(_) => {
            let first = max_window_layers(keys)?;
            Box::new(move |layer| layer >= first)
        }
        WindowRule::EarlierAlternate(_) => {
            let end = max_window_layers(keys)?;
            Box::new(move |layer| layer % 2 == 0 && layer < end)
        }
        WindowRule::Alternate(_) => Box::new(|layer| layer % 2 == 0),
        WindowRule::Period(_, absent) => {
            let period = period(keys)?.unwrap_or(absent);
            Box::new(move |layer| (layer + 1) % period != 0)
        }
        WindowRule::FirstOfFour(_) => Box::new(|layer| layer % 4 != 0),
        WindowRule::Chunks(_) => {
            let rotates = rotates.to_vec();
            Box::new(move |layer| rotates.iter().zip(0..).any(|(rotates, at)| at == layer && *rotates))
        }
        WindowRule::Unrotated => {
            let rotates = rotates.to_vec();
            Box::new(move |layer| rotates.iter().zip(0..).any(|(rotates, at)| at == layer && !rotates))
        }
    };
    let window = window(keys, family)?;
    let local = match family.facts().window {
        WindowRule::Chunks(_) => "chunked_attention",
        _ => "sliding_attention",
    };
    let kinds = layer_types(keys, layers, &["full_attention", local])?;
    let slides: Vec<bool> = match kinds {
        Some(kinds) => kinds.into_iter().map(|kind| kind == local).collect(),
        None => (0..layers).map(slides).collect(),
    };
    Ok(slides.into_iter().map(|slides| window.filter(|_| slides)).collect())
}

/// Dense attention only: a window here is somebody else's.
fn no_windows(keys: &Keys, family: Family, layers: u64) -> Result<Vec<Option<u64>>> {
    let none = vec![None; usize::try_from(layers).unwrap_or_default()];
    // Its lists name layers that choose blocks, and none with a window.
    if family.facts().per_layer == PerLayer::ChosenBlocks {
        return Ok(none);
    }
    let kinds = layer_types(keys, layers, &["full_attention", "sliding_attention"])?.unwrap_or_default();
    if kinds.contains(&"sliding_attention") {
        return Err(Error::misuse(format!("layer_types: {family} has no sliding_attention; is model_type right?")));
    }
    if keys.is_on("sliding_window") || keys.is_on("use_sliding_window") {
        return Err(Error::misuse(format!("sliding_window: {family} has none; remove the key, or correct model_type")));
    }
    Ok(none)
}

fn max_window_layers(keys: &Keys) -> Result<u64> {
    Ok(keys.count_from_zero("max_window_layers")?.value().unwrap_or(28))
}

/// The window that sliding layers have.
fn window(keys: &Keys, family: Family) -> Result<Option<u64>> {
    let (absent, switched) = match family.facts().window {
        WindowRule::Never => (None, false),
        WindowRule::Every(window) => (window, false),
        WindowRule::Alternate(window)
        | WindowRule::Period(window, _)
        | WindowRule::Listed(window)
        | WindowRule::FirstOfFour(window) => (Some(window), false),
        WindowRule::Chunks(chunk) => {
            return Ok(keys.given("attention_chunk_size", limits::POSITIONS)?.or_absent(Some(chunk)));
        }
        WindowRule::GptNeo => {
            return Ok(keys.given("window_size", limits::POSITIONS)?.or_absent(Some(256)));
        }
        WindowRule::EveryIfUsed(window) | WindowRule::Later(window) | WindowRule::EarlierAlternate(window) => {
            (Some(window), true)
        }
        WindowRule::Unrotated => (None, true),
    };
    let used = !switched || keys.flag("use_sliding_window", false)?;
    // A window that is not used may be written as 0.
    if !used && keys.get("sliding_window").and_then(Value::as_u64) == Some(0) {
        return Ok(None);
    }
    let window = keys.given("sliding_window", limits::POSITIONS)?.or_absent(absent);
    Ok(window.filter(|_| used))
}

/// Every how many layers one sees everything: a number, or one letter for each layer of a period (`LLLG`).
fn period(keys: &Keys) -> Result<Option<u64>> {
    let mut stated = None;
    for key in ["sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers"] {
        let letters = keys.get(key).and_then(Value::as_str);
        let period = match letters {
            None => keys.given(key, limits::LAYERS)?.value(),
            Some(word) if word.strip_suffix('G').is_some_and(|local| local.bytes().all(|letter| letter == b'L')) => {
                Some(word.len() as u64)
            }
            Some(word) => {
                return Err(Error::misuse(format!("{key}: {} is not supported (LLLG is)", shown(&word.into()))));
            }
        };
        stated = stated.or(period);
    }
    Ok(stated)
}

/// Layers that GPT-Neo calls local: every other one where nothing is stated.
fn local_layers(keys: &Keys, layers: u64) -> Result<Vec<bool>> {
    let listed = keys.words("attention_layers")?;
    let words: Vec<&str> = match (listed, keys.get("attention_types")) {
        (Some(words), _) => words,
        (None, None | Some(Value::Null)) => ["global", "local"].into_iter().cycle().take(layers as usize).collect(),
        (None, Some(types)) => repeated(types, layers).ok_or_else(|| {
            Error::misuse("attention_types: must be a list of pairs, words for a few layers and how often they repeat")
        })?,
    };
    lists_every_layer("attention_layers", words.len(), layers)?;
    match words.iter().find(|word| !["global", "local"].contains(*word)) {
        None => Ok(words.into_iter().map(|word| word == "local").collect()),
        Some(word) => Err(Error::misuse(format!(
            "attention_layers: {} is not supported (global and local are)",
            shown(&(*word).into())
        ))),
    }
}

/// `[[["global", "local"], 12]]`, spelled out; none where it is no such list, or a longer one than any model's.
fn repeated(types: &Value, layers: u64) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    for pair in types.as_array()? {
        let [some, times] = pair.as_array()?.as_slice() else { return None };
        let some: Vec<&str> = some.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        let times = times.as_u64().filter(|times| *times <= layers)?;
        for _ in 0..times {
            words.extend(&some);
        }
        if words.len() as u64 > 2 * layers + 2 {
            return None;
        }
    }
    Some(words)
}
