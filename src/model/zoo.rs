//! The models that are shipped: one TOML file each, read by the reader of configurations.
//!
//! A file has a `[model]` header (`name`, `source`, `params_total` as published) and a `[config]` table with the keys
//! of a Hugging Face configuration. TOML has no null, and null is not absent: keys that are null in the published
//! configuration are listed in `null_keys`. To add a model of a known family, add a file and its line below.

use super::architecture::Architecture;
use super::config::strict_architecture;
use super::keys::{Keys, quoted};
use crate::error::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("zoo/", $name, ".toml")))),*] };
}

/// Every shipped model, smallest first.
const FILES: [(&str, &str); 13] = shipped![
    "smollm2-135m",
    "smollm2-360m",
    "qwen2.5-0.5b",
    "qwen3-0.6b",
    "tinyllama-1.1b",
    "llama-3.2-1b",
    "qwen2.5-1.5b",
    "smollm2-1.7b",
    "qwen3-1.7b",
    "qwen3-4b",
    "mistral-7b-v0.3",
    "qwen2.5-7b",
    "llama-3.1-8b",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Header,
    config: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    source: String,
    params_total: u64,
    #[serde(default)]
    null_keys: Vec<String>,
}

/// The names of the shipped models, smallest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name)
}

/// The shipped models, smallest first.
///
/// # Errors
/// Misuse, naming the file and the key, when a shipped file is wrong; the tests read every one of them.
pub fn zoo() -> Result<Vec<Architecture>> {
    FILES.into_iter().map(|(name, text)| read(name, text)).collect()
}

/// The shipped model of that name, upper and lower case alike.
///
/// # Errors
/// Misuse when there is none; the message lists those that are.
pub fn find(name: &str) -> Result<Architecture> {
    let wanted = name.to_ascii_lowercase();
    match FILES.into_iter().find(|(known, _)| *known == wanted) {
        Some((name, text)) => read(name, text),
        None => Err(Error::misuse(format!(
            "no model {} is shipped; give the path of a config.json, or one of: {}",
            quoted(name),
            names().collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn read(name: &str, text: &str) -> Result<Architecture> {
    parse(name, text).map_err(|e| e.within(format!("zoo/{name}.toml")))
}

fn parse(name: &str, text: &str) -> Result<Architecture> {
    let wrong = |e: &dyn std::fmt::Display| Error::misuse(e.to_string().trim_end().replace('\n', " "));
    let File { model, config } = toml::from_str(text).map_err(|e| wrong(&e.message()))?;
    if model.name != name {
        return Err(Error::misuse(format!("model.name: is \"{}\"; name the file and the model alike", model.name)));
    }
    let Value::Object(mut map) = serde_json::to_value(config).map_err(|e| wrong(&e))? else {
        return Err(Error::misuse("config: must be a table"));
    };
    for key in model.null_keys {
        if map.insert(key.clone(), Value::Null).is_some() {
            return Err(Error::misuse(format!("null_keys: \"{key}\" has a value in config; remove one")));
        }
    }
    let read = strict_architecture(&Keys::new(&map), name)?;
    Ok(Architecture { source: Some(model.source), published_parameters: Some(model.params_total), ..read })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_model_has_exactly_its_published_parameters() {
        for model in zoo().unwrap() {
            assert_eq!(Some(model.parameters().unwrap()), model.published_parameters, "{}", model.name);
        }
    }

    #[test]
    fn a_slip_in_a_shipped_file_is_named() {
        let (name, text) = FILES[0];
        let error = |text: String| parse(name, &text).unwrap_err().to_string();
        assert!(error(format!("{text}hiden_size = 1\n")).contains("\"hiden_size\""));
        assert!(error(text.replace("params_total", "parameters")).contains("parameters"));
        assert!(error(text.replace(name, "other")).contains("model.name"));
        assert!(error(text.replace("source", "null_keys = [\"hidden_size\"]\nsource")).contains("null_keys"));
        assert!(error(format!("{text}\n[")).lines().count() == 1);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert_eq!(find("Qwen2.5-0.5B").unwrap().name, "qwen2.5-0.5b");
        let message = find("gpt-5").unwrap_err().to_string();
        assert!(message.contains("gpt-5") && message.contains("smollm2-135m"), "{message}");
    }
}
