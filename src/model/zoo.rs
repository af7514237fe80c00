//! The models that are shipped: one TOML file each, read by the reader of configurations.
//!
//! A file has a `[model]` header (`name`, `source`, `licence`, `released`, `params_total` as published, `rounded_to` where that is no exact
//! number, `total_source` for where the number is from) and a `[config]` table with the keys of a Hugging Face configuration. TOML has no null, and null is not absent: keys that are null in the published
//! configuration are listed in `null_keys`. To add a model of a known family, add a file and its line below.

use super::config::closed_config;
use super::keys::{Keys, quoted};
use super::language_model::{Model, Origin, Published, Source};
use super::{nearest, zoo_filter};
use crate::error::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

macro_rules! shipped {
    ($($name:literal)*) => { [$(($name, include_str!(concat!("zoo/", $name, ".toml")))),*] };
}

/// Every shipped model, smallest first.
const FILES: [(&str, &str); 156] = shipped! {
    "pythia-70m" "gpt2" "gpt-neo-125m" "opt-125m" "smollm2-135m" "pythia-160m" "gemma-3-270m" "opt-350m" "lfm2-350m"
    "gpt2-medium" "ernie-4.5-0.3b" "smollm2-360m" "pythia-410m" "qwen2-0.5b" "qwen2.5-0.5b" "bloom-560m"
    "qwen3-0.6b" "lfm2-700m" "gpt2-large" "gemma-3-1b" "pythia-1b" "bloom-1b1" "tinyllama-1.1b" "lfm2-1.2b"
    "olmo-1b" "llama-3.2-1b" "exaone-4.0-1.2b" "gpt-neo-1.3b" "opt-1.3b" "deepseek-coder-1.3b" "pythia-1.4b"
    "phi-1.5" "olmo-2-1b" "qwen2-1.5b" "qwen2.5-1.5b" "gpt2-xl" "fox-1-1.6b" "stablelm-2-1.6b" "falcon3-1b"
    "smollm2-1.7b" "qwen3-1.7b" "bloom-1b7" "plm-1.8b" "internlm2.5-1.8b" "gemma-2b" "granite-3.3-2b" "gemma-2-2b"
    "opt-2.7b" "mamba2-2.7b" "minicpm-2b" "pythia-2.8b" "phi-2" "bloom-3b" "starcoder2-3b" "smollm3-3b" "qwen2.5-3b"
    "llama-3.2-3b" "falcon3-3b" "phi-3.5-mini" "phi-4-mini" "gemma-3-4b" "qwen3-4b" "minicpm3-4b" "gemma-3n-e2b"
    "gpt-j-6b" "yi-6b" "chatglm3-6b" "mpt-7b" "llama-2-7b" "deepseek-coder-6.7b" "gemma-3n-e4b" "pythia-6.9b"
    "olmo-7b" "deepseek-llm-7b" "olmoe-1b-7b" "falcon-7b" "bloom-7b1" "starcoder2-7b" "mistral-7b-v0.1"
    "mistral-7b-v0.3" "olmo-3-7b" "olmo-2-7b" "qwen2-7b" "qwen2.5-7b" "qwen-7b" "qwen1.5-7b" "internlm2.5-7b"
    "ministral-8b" "aya-expanse-8b" "llama-3.1-8b" "apertus-8b" "granite-3.3-8b" "qwen3-8b" "gemma-7b" "yi-1.5-9b"
    "gemma-2-9b" "glm-4-9b-chat" "glm-4-9b-0414" "solar-10.7b" "gemma-3-12b" "pythia-12b" "mistral-nemo-12b"
    "opt-13b" "llama-2-13b" "olmo-2-13b" "phi-3-medium" "qwen-14b" "qwen1.5-14b" "qwen1.5-moe-a2.7b" "phi-4"
    "qwen3-14b" "qwen2.5-14b" "starcoder" "deepseek-v2-lite" "deepseek-moe-16b" "internlm2.5-20b" "gpt-neox-20b"
    "gpt-oss-20b" "ernie-4.5-21b-a3b" "mistral-small-24b" "gemma-4-26b-a4b" "gemma-3-27b" "gemma-2-27b"
    "qwen3-30b-a3b" "gemma-4-31b" "exaone-4.0-32b" "olmo-3-32b" "olmo-2-32b" "qwen1.5-32b" "llama-30b" "qwen3-32b"
    "qwen2.5-32b" "codellama-34b" "yi-34b" "command-r" "seed-oss-36b" "phi-3.5-moe" "mixtral-8x7b-v0.1"
    "qwen2-57b-a14b" "llama-65b" "llama-2-70b" "llama-3.1-70b" "qwen2.5-72b" "hunyuan-a13b" "command-r-plus"
    "gpt-oss-120b" "mistral-large-2407" "mixtral-8x22b-v0.1" "bloom" "minimax-m2" "qwen3-235b-a22b" "deepseek-v2"
    "llama-3.1-405b" "qwen3-coder-480b-a35b" "deepseek-v3" "kimi-k2"
};

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
    licence: String,
    /// `YYYY-MM`.
    released: String,
    params_total: u64,
    /// What the published number was rounded to.
    rounded_to: Option<u64>,
    total_source: TotalSource,
    #[serde(default)]
    null_keys: Vec<String>,
}

/// Where a total is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TotalSource {
    /// The exact number is quoted in public: by the hub of the checkpoint, by model cards, by programs that loaded it.
    Quoted,
    /// Its makers state it rounded, and no more.
    Rounded,
    /// It has the shape of another release of its makers, whose number is quoted.
    Sibling,
    /// No exact number was found: the model's class in Hugging Face transformers has so many on the same configuration.
    Classes,
    /// No exact number was found: it is counted by hand from the published shapes.
    Shapes,
}

/// The models that arXiv 2602.11506 runs on phones and laptops.
pub const MOBILE_TIER: [&str; 6] =
    ["qwen2.5-1.5b", "llama-3.2-1b", "qwen3-0.6b", "fox-1-1.6b", "smollm2-1.7b", "plm-1.8b"];
/// The models that it runs on a Raspberry Pi.
pub const PI_TIER: [&str; 5] = ["pythia-160m", "pythia-410m", "qwen2.5-0.5b", "smollm2-135m", "smollm2-360m"];

/// The names of the shipped models, smallest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name)
}

/// The shipped models, smallest first.
///
/// # Errors
/// Misuse, naming the file and the key, when a shipped file is wrong; the tests read every one of them.
pub fn zoo() -> Result<Vec<Model>> {
    FILES.into_iter().map(|(name, text)| read(name, text)).collect()
}

/// Words of names for how a model was tuned or packed. They change no count.
const TUNED: [&str; 8] = ["base", "chat", "deduped", "gguf", "hf", "instruct", "it", "meta"];

/// The shipped model of that name as people write it: with or without its organisation, in any case, `_`, `.` and `-` alike,
/// tuned or not (`Qwen/Qwen2.5-0.5B-Instruct`), or by the beginning of its name where only one model has it.
///
/// # Errors
/// Misuse when there is none, or more than one; the message names the nearest.
pub fn find(name: &str) -> Result<Model> {
    let asked = nearest::plain(name.rsplit('/').next().unwrap_or(name));
    let shape: String = asked.split('-').filter(|word| !TUNED.contains(word)).collect::<Vec<_>>().join("-");
    let is = |asked: &str| FILES.into_iter().find(|(name, _)| nearest::plain(name) == asked);
    if let Some((name, text)) = is(&asked).or_else(|| is(&shape)) {
        return read(name, text);
    }
    let mut begun = FILES.into_iter().filter(|(name, _)| !shape.is_empty() && nearest::plain(name).starts_with(&shape));
    if let (Some((name, text)), None) = (begun.next(), begun.next()) {
        return read(name, text);
    }
    let remedy = nearest::remedy(&shape, names(), "none is called alike");
    Err(Error::misuse(format!(
        "no model {} is shipped; give the path of a config.json or GGUF file, or a name that `roofprobe models` lists; {remedy}",
        quoted(name)
    )))
}

fn read(name: &str, text: &str) -> Result<Model> {
    parse_zoo(text, name).map_err(|e| e.within(format!("zoo/{name}.toml")))
}

/// Reads the text of a zoo file as the model `name`.
///
/// # Errors
/// Misuse, naming the key: not TOML, another name in it, a key that nothing asks for, or what
/// [`parse_config`](super::parse_config) refuses.
pub fn parse_zoo(text: &str, name: &str) -> Result<Model> {
    let wrong = |e: &dyn std::fmt::Display| Error::misuse(e.to_string().trim_end().replace('\n', " "));
    let File { model, config } = toml::from_str(text).map_err(|e| wrong(&e.message()))?;
    if model.name != name {
        return Err(Error::misuse(format!("model.name: is \"{}\"; name the file and the model alike", model.name)));
    }
    if model.rounded_to.is_some() != (model.total_source == TotalSource::Rounded) {
        return Err(Error::misuse("model.total_source: a total has rounded_to where it is rounded, and only there"));
    }
    if !zoo_filter::is_month(&model.released) {
        return Err(Error::misuse(format!("model.released: must be YYYY-MM, is {}", quoted(&model.released))));
    }
    let Value::Object(mut map) = serde_json::to_value(config).map_err(|e| wrong(&e))? else {
        return Err(Error::misuse("config: must be a table"));
    };
    for key in model.null_keys {
        if map.insert(key.clone(), Value::Null).is_some() {
            return Err(Error::misuse(format!("null_keys: \"{key}\" has a value in config; remove one")));
        }
    }
    let read = closed_config(&Keys::new(&map), name)?;
    let published = Published { parameters: model.params_total, rounded_to: model.rounded_to.unwrap_or(1) };
    let origin = Origin { card: model.source, licence: model.licence, released: model.released };
    let source = Source { origin: Some(origin), published: Some(published), ..read.source };
    Ok(Model { source, ..read })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::zoo_filter::ZooFilter;
    use super::*;

    fn found(filter: &ZooFilter) -> Vec<String> {
        filter.of(zoo().unwrap()).unwrap().into_iter().map(|model| model.source.name).collect()
    }

    #[test]
    fn what_is_given_must_hold() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let by_words = ZooFilter { words: words(&["QWEN", "moe"]), ..ZooFilter::default() };
        assert_eq!(
            found(&by_words),
            ["qwen1.5-moe-a2.7b", "qwen3-30b-a3b", "qwen2-57b-a14b", "qwen3-235b-a22b", "qwen3-coder-480b-a35b"]
        );
        let all = ZooFilter {
            families: words(&["llama", "mistral"]),
            size: Some("6B..8.5B".parse().unwrap()),
            licence: Some("apache".to_owned()),
            released: Some("..2023".parse().unwrap()),
            ..ZooFilter::default()
        };
        assert_eq!(found(&all), ["yi-6b", "mistral-7b-v0.1"]);
        assert_eq!(found(&ZooFilter::default()).len(), zoo().unwrap().len());
        let none = ZooFilter { words: words(&["no such model"]), ..ZooFilter::default() };
        assert!(found(&none).is_empty());
        let unknown = ZooFilter { families: words(&["lama"]), ..ZooFilter::default() };
        let message = unknown.of(zoo().unwrap()).unwrap_err().to_string();
        assert!(message.starts_with("--family: \"lama\" is not known; did you mean: llama"), "{message}");
    }

    #[test]
    fn every_shipped_model_has_its_published_parameters() {
        let mut rounded = Vec::new();
        for model in zoo().unwrap() {
            let (counted, Published { parameters, rounded_to }) =
                (model.parameters().unwrap(), model.source.published.unwrap());
            assert!(2 * counted.abs_diff(parameters) < rounded_to, "{}: {counted} {parameters}", model.name());
            if rounded_to > 1 {
                rounded.push(model.source.name);
            }
        }
        // All others are exact.
        assert_eq!(
            rounded,
            ["fox-1-1.6b", "plm-1.8b", "minicpm3-4b", "starcoder2-7b", "gemma-4-26b-a4b", "deepseek-v3"]
        );
    }

    #[test]
    fn the_smallest_come_first_and_nothing_had_to_be_assumed() {
        let models = zoo().unwrap();
        let sizes: Vec<u64> = models.iter().map(|model| model.source.published.unwrap().parameters).collect();
        assert!(sizes.is_sorted() && models.len() >= 150, "{sizes:?}");
        for model in models {
            assert!(
                model.source.remarks.iter().all(|remark| !remark.contains("absent")),
                "{}: {:?}",
                model.name(),
                model.source.remarks
            );
        }
    }

    #[test]
    fn the_papers_tiers_are_shipped() {
        let counted = |names: &[&str]| -> Vec<u64> {
            names.iter().map(|name| find(name).unwrap().parameters().unwrap() / 1_000_000).collect()
        };
        assert_eq!(counted(&MOBILE_TIER), [1543, 1235, 596, 1665, 1711, 1825]);
        assert_eq!(counted(&PI_TIER), [162, 405, 494, 134, 361]);
    }

    #[test]
    fn a_slip_in_a_shipped_file_is_named() {
        let (name, text) = FILES.into_iter().find(|(name, _)| *name == "smollm2-135m").unwrap();
        let error = |text: String| parse_zoo(&text, name).unwrap_err().to_string();
        assert!(error(format!("{text}hiden_size = 1\n")).contains("hiden_size: "));
        assert!(error(text.replace("params_total", "parameters")).contains("parameters"));
        assert!(error(text.replace(name, "other")).contains("model.name"));
        assert!(error(text.replace("quoted", "rounded")).contains("total_source"));
        assert!(error(text.replace("quoted", "guessed")).contains("guessed"));
        assert!(error(text.replace("2024-11", "2024-13")).contains("model.released"));
        assert!(error(text.replace("\nsource", "\nnull_keys = [\"hidden_size\"]\nsource")).contains("null_keys"));
        assert!(error(format!("{text}\n[")).lines().count() == 1);
    }

    #[test]
    fn names_are_taken_as_people_write_them() {
        assert_eq!(find("Qwen2.5-0.5B").unwrap().name(), "qwen2.5-0.5b");
        for (asked, name) in [
            ("meta-llama/Llama-3.2-1B", "llama-3.2-1b"),
            ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
            ("Qwen/Qwen2.5-0.5B-Instruct", "qwen2.5-0.5b"),
            ("google/gemma-2-2b-it", "gemma-2-2b"),
            ("llama-3.2-1", "llama-3.2-1b"),
            ("Llama_3_2_3B", "llama-3.2-3b"),
            ("phi-4", "phi-4"),
            ("tinyllama", "tinyllama-1.1b"),
        ] {
            assert_eq!(find(asked).map(|model| model.source.name), Ok(name.to_owned()), "{asked}");
        }
        let error = |asked: &str| find(asked).unwrap_err().to_string();
        assert!(error("llama-3.2").contains("did you mean: llama-3.2-1b, llama-3.2-3b"), "{}", error("llama-3.2"));
        assert!(error("lama-3.2-1b").contains("did you mean: llama-3.2-1b, "), "{}", error("lama-3.2-1b"));
        for asked in ["gpt-5", "", "/", "instruct", "x"] {
            let message = error(asked);
            assert!(message.contains(&quoted(asked)) && message.len() < 300, "{message}");
        }
    }
}
