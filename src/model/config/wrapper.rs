//! Multimodal wrappers: a configuration around that of a language model.

use super::super::family::Family;
use super::super::keys::{QUOTED_CHARS, clipped};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// Keys of the wrapper that apply to the language model, too, where its own configuration does not have them.
const HANDED_DOWN: [&str; 5] = ["tie_word_embeddings", "torch_dtype", "dtype", "quantization_config", "quantization"];

/// The configuration of the language model inside a multimodal wrapper, and a remark on that; none for a
/// configuration that is no such wrapper.
///
/// # Errors
/// Misuse for a wrapper whose `text_config` is missing.
pub(super) fn text_part(map: &Map<String, Value>) -> Result<Option<(Map<String, Value>, String)>> {
    let word = |map: &Map<String, Value>| map.get("model_type").and_then(Value::as_str).map(str::to_owned);
    let wrapper = word(map).unwrap_or_default();
    let gemma = wrapper == "gemma3";
    let text = match map.get("text_config") {
        Some(Value::Object(text)) if gemma || (Family::of(&wrapper).is_none() && word(text).is_some()) => text,
        _ if gemma => {
            return Err(Error::misuse("text_config: is missing or no object; a gemma3 has its language model there"));
        }
        _ => return Ok(None),
    };
    let mut text = text.clone();
    text.entry("model_type").or_insert_with(|| Value::from("gemma3_text"));
    for key in HANDED_DOWN {
        if let Some(value) = map.get(key) {
            text.entry(key).or_insert_with(|| value.clone());
        }
    }
    let remark = format!(
        "only the language model of the multimodal {} is counted (text_config, a {}), not its vision or audio parts",
        clipped(&wrapper, QUOTED_CHARS),
        clipped(&word(&text).unwrap_or_default(), QUOTED_CHARS)
    );
    Ok(Some((text, remark)))
}
