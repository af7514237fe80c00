//! Multimodal wrappers: a configuration around that of a language model.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// Keys of the wrapper that speak of the language model, too, where its own configuration does not have them.
const HANDED_DOWN: [&str; 5] = ["tie_word_embeddings", "torch_dtype", "dtype", "quantization_config", "quantization"];

/// The configuration of the language model inside a `gemma3`, and what has to be said about that; none for a
/// configuration that is no such wrapper. Wrappers of other families are refused like any unknown family.
pub(super) fn text_part(map: &Map<String, Value>) -> Result<Option<(Map<String, Value>, String)>> {
    if map.get("model_type").and_then(Value::as_str) != Some("gemma3") {
        return Ok(None);
    }
    let Some(Value::Object(text)) = map.get("text_config") else {
        return Err(Error::misuse("text_config: is missing or no object; a gemma3 has its language model there"));
    };
    let mut text = text.clone();
    text.entry("model_type").or_insert_with(|| Value::from("gemma3_text"));
    for key in HANDED_DOWN {
        if let Some(value) = map.get(key) {
            text.entry(key).or_insert_with(|| value.clone());
        }
    }
    Ok(Some((text, "the language model of a multimodal checkpoint: its vision tower is not counted".to_owned())))
}
