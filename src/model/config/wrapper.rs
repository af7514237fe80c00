//! Multimodal wrappers: a configuration around that of a language model.
//!
//! One rule for all of them: the language model stands in an object of its own, or its keys stand beside those of the other
//! parts. It is counted alone; the others are named, with their parameters where their structure is known.

use super::super::family::Family;
use super::super::keys::{QUOTED_CHARS, clipped, is_on};
use super::key_rules;
use super::towers;
use crate::error::{Error, Result};
use crate::units::thousands;
use serde_json::{Map, Value};

/// Keys of the wrapper that apply to the language model, too, where its own configuration does not have them.
const HANDED_DOWN: [&str; 5] = ["tie_word_embeddings", "torch_dtype", "dtype", "quantization_config", "quantization"];

/// Where wrappers keep their language model.
const TEXT_PARTS: [&str; 4] = ["text_config", "llm_config", "language_config", "thinker_config"];

/// The family of a language model whose part does not state it: wrappers leave out what is their default.
const UNSTATED: &[(&str, &str)] = &[
    ("aria", "aria_text"),
    ("aya_vision", "cohere2"),
    ("gemma3", "gemma3_text"),
    ("gemma3n", "gemma3n_text"),
    ("gemma4", "gemma4_text"),
    ("gemma4_unified", "gemma4_unified_text"),
    ("idefics2", "mistral"),
    ("idefics3", "llama"),
    ("internvl", "qwen2"),
    ("lfm2_vl", "lfm2"),
    ("llama4", "llama4_text"),
    ("llava", "llama"),
    ("llava_next", "llama"),
    ("llava_next_video", "llama"),
    ("llava_onevision", "qwen2"),
    ("minimax_m3_vl", "minimax_m3"),
    ("mistral3", "mistral"),
    ("ovis2", "qwen2"),
    ("paligemma", "gemma"),
    ("qwen2_5_vl", "qwen2"),
    ("qwen2_audio", "qwen2"),
    ("qwen2_vl", "qwen2"),
    ("qwen3_5", "qwen3_5_text"),
    ("qwen3_5_moe", "qwen3_5_moe_text"),
    ("qwen3_vl", "qwen3"),
    ("smolvlm", "llama"),
    ("step3p7", "step3p5"),
    ("video_llava", "llama"),
    ("vipllava", "llama"),
    ("voxtral", "llama"),
];

/// Wrappers whose language model has its keys beside those of the other parts, and its family.
const FLAT: &[(&str, &str)] = &[
    ("llama4", "llama4_text"),
    ("llava", "llama"),
    ("llava_llama", "llama"),
    ("llava_mistral", "mistral"),
    ("llava_qwen", "qwen2"),
    ("phi3_v", "phi3"),
    ("qwen2_5_vl", "qwen2"),
    ("qwen2_vl", "qwen2"),
    ("qwen3_5", "qwen3_5_text"),
    ("qwen3_5_moe", "qwen3_5_moe_text"),
    ("step3p7", "step3p5"),
];

/// The wrappers whose language model is of this family where they do not state it.
pub(super) fn around(family: Family) -> impl Iterator<Item = &'static str> {
    UNSTATED.iter().filter(move |(_, text)| *text == family.name()).map(|(wrapper, _)| *wrapper)
}

/// The language model of a wrapper.
pub(super) struct Part {
    /// Its configuration.
    pub(super) map: Map<String, Value>,
    /// Where it stands, for messages.
    pub(super) place: String,
    /// What is counted, and what is not.
    pub(super) remark: String,
    /// Whether what is absent has its default.
    pub(super) partial: bool,
}

/// The language model inside a multimodal wrapper; none for a configuration that is no such wrapper.
///
/// # Errors
/// Misuse for a wrapper whose language model is missing.
pub(super) fn text_part(map: &Map<String, Value>) -> Result<Option<Part>> {
    let wrapper = word(map).unwrap_or_default();
    let unstated = of(UNSTATED, &wrapper);
    // A known family's own configuration has no part; but a wrapper's name may be an alias of its language model.
    if unstated.is_none() && Family::of(&wrapper).is_some() {
        return Ok(None);
    }
    let part = TEXT_PARTS.into_iter().find_map(|key| Some((key, map.get(key)?.as_object()?)));
    let (key, text) = match part {
        Some(("thinker_config", thinker)) => match thinker.get("text_config") {
            Some(Value::Object(text)) => ("thinker_config.text_config", text),
            _ => return Ok(None),
        },
        Some((key, text)) if word(text).is_some() || unstated.is_some() => (key, text),
        Some(_) => return Ok(None),
        None => return flat(map, &wrapper, unstated.is_some()),
    };
    let mut text = text.clone();
    if word(&text).is_none()
        && let Some(family) = unstated
    {
        text.insert("model_type".to_owned(), Value::from(family));
    }
    for key in HANDED_DOWN {
        if let Some(value) = map.get(key) {
            text.entry(key).or_insert_with(|| value.clone());
        }
    }
    // The class of a part is that of the model which it was taken from, with or without a head.
    if !text.get("architectures").is_some_and(is_causal) {
        text.remove("architectures");
    }
    // By another word for the family, the defaults are others.
    let partial = Family::of(&word(&text).unwrap_or_default())
        .is_some_and(|family| word(&text).as_deref() == Some(family.name()));
    let mut part = made(map, &wrapper, key, text, partial);
    settle_tie(map, &wrapper, &mut part);
    Ok(Some(part))
}

/// Whether the head is tied, where the wrapper and its part disagree. Classes of transformers before 5 looked at the part, later
/// ones at the wrapper, whose default is written out when it is stored again. A head that is stored for itself is safe to count;
/// the LLaVAs, whose code asks both, have none.
fn settle_tie(map: &Map<String, Value>, wrapper: &str, part: &mut Part) {
    const KEY: &str = "tie_word_embeddings";
    let [outer, inner] = [map, &part.map].map(|map| map.get(KEY).and_then(Value::as_bool));
    if let (Some(outer), Some(inner)) = (outer, inner)
        && outer != inner
    {
        let tied = inner && wrapper.starts_with("llava");
        part.map.insert(KEY.to_owned(), Value::from(tied));
        part.remark += &format!("; {KEY} is {outer} in the wrapper and {inner} in its language model: taken as {tied}");
    }
}

/// A wrapper whose keys all stand side by side.
fn flat(map: &Map<String, Value>, wrapper: &str, is_wrapper: bool) -> Result<Option<Part>> {
    let family = of(FLAT, wrapper).filter(|_| map.contains_key("hidden_size"));
    let Some(family) = family else {
        if is_wrapper {
            let wrapper = clipped(wrapper, QUOTED_CHARS);
            return Err(Error::misuse(format!(
                "text_config: is missing or no object; a {wrapper} has its language model there"
            )));
        }
        return Ok(None);
    };
    let mut text = map.clone();
    text.retain(|key, _| !is_of_another_part(key));
    text.insert("model_type".to_owned(), Value::from(family));
    Ok(Some(made(map, wrapper, "", text, false)))
}

fn made(map: &Map<String, Value>, wrapper: &str, key: &str, text: Map<String, Value>, partial: bool) -> Part {
    let [wrapper, family] = [wrapper, &word(&text).unwrap_or_default()].map(|word| clipped(word, QUOTED_CHARS));
    let place = match key {
        "" => format!("the language model of {wrapper}, a {family}"),
        key => format!("{key}, the language model of {wrapper}"),
    };
    let others: Vec<String> = map.iter().filter_map(|(key, value)| other_part(key, value, &wrapper)).collect();
    let others = if others.is_empty() { "its vision or audio parts".to_owned() } else { others.join(", ") };
    let at = if key.is_empty() { String::new() } else { format!("{key}, ") };
    let remark = format!(
        "only the language model of the multimodal {wrapper} is counted ({at}a {family}); not counted: {others}"
    );
    Part { map: text, place, remark, partial }
}

/// A part that is not counted, with its parameters where they can be told.
fn other_part(key: &str, value: &Value, wrapper: &str) -> Option<String> {
    let map = value.as_object().filter(|map| !map.is_empty() && !TEXT_PARTS.contains(&key))?;
    let is_part = ["vision", "audio", "visual", "img"].iter().any(|word| key.contains(word));
    let parameters = towers::parameters(map, wrapper).map(|count| format!("{} parameters", thousands(count.into())));
    let kind = word(map).map(|word| clipped(&word, QUOTED_CHARS));
    let about: Vec<String> = kind.into_iter().chain(parameters).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    is_part.then(|| format!("{}{about}", clipped(key, QUOTED_CHARS)))
}

/// Keys of images and sounds, and of the class that has them.
fn is_of_another_part(key: &str) -> bool {
    let begins =
        ["image_", "img_", "mm_", "video_", "freeze_mm_", "tune_mm_"].iter().any(|start| key.starts_with(start));
    let wraps = || key_rules::rule(key).is_some_and(|rule| rule.reason == key_rules::WRAPPER);
    begins || key == "architectures" || wraps()
}

fn is_causal(classes: &Value) -> bool {
    let causal = |class: &Value| class.as_str().is_some_and(|name| name.ends_with("ForCausalLM"));
    is_on(classes) && classes.as_array().is_some_and(|classes| classes.iter().all(causal))
}

fn word(map: &Map<String, Value>) -> Option<String> {
    map.get("model_type").and_then(Value::as_str).filter(|word| !word.is_empty()).map(str::to_owned)
}

fn of(table: &[(&'static str, &'static str)], wrapper: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == wrapper).map(|(_, family)| *family)
}
