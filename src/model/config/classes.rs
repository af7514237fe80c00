//! `architectures`: the class of a model's code, held against its family.

use super::super::family::Family;
use super::super::keys::{Keys, shown};
use super::wrapper;
use crate::error::{Error, Result};
use serde_json::Value;

/// What names of classes with a language-model head end with.
const ENDS: [&str; 2] = ["ForCausalLM", "LMHeadModel"];

/// Families that are not counted here, whose class under another `model_type` shows a slip.
const FOREIGN: &str = "arctic bailingmoev25 diffllama glmmoe jais phismall phi3small rwkv7 stablelmalpha step3";

/// The class that a configuration names; none where it names none. That of a wrapper stands for its language model, where
/// that is the `own` family.
///
/// # Errors
/// Misuse for a class without a language-model head: the counts would be of another model.
pub(super) fn causal<'a>(keys: &Keys<'a>, own: Option<Family>) -> Result<Option<&'a str>> {
    const DRAFTS: &str =
        "drafts for another model and is no causal language model of its own; give the model that it drafts for";
    if keys.is_on("draft_vocab_size") {
        return Err(Error::misuse(format!("draft_vocab_size: what has it {DRAFTS}")));
    }
    let classes = match keys.get("architectures") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(classes)) => classes,
        Some(other) => return Err(Error::misuse(format!("architectures: must be a list, is {}", shown(other)))),
    };
    if let Some(class) = classes.iter().find(|class| is_a_draft(class)) {
        return Err(Error::misuse(format!("architectures: {} {DRAFTS}", shown(class))));
    }
    let named = |name: &str| {
        ENDS.iter().any(|end| name.ends_with(end)) || family(name).is_some() || own.is_some_and(|own| wraps(name, own))
    };
    let causal = |class: &Value| class.as_str().is_some_and(named);
    match classes.iter().find(|class| !causal(class)) {
        None => Ok(classes.first().and_then(Value::as_str)),
        Some(class) => Err(Error::misuse(format!(
            "architectures: {} is no causal language model (…ForCausalLM), which is not supported yet",
            shown(class)
        ))),
    }
}

/// Whether a class is that of a draft for speculative decoding, by what all of them are called.
fn is_a_draft(class: &Value) -> bool {
    class.as_str().is_some_and(|name| ["Draft", "Eagle", "Medusa"].iter().any(|word| name.contains(word)))
}

/// Whether a class is that of a wrapper around this family: language models that were cut out of one keep it.
fn wraps(class: &str, family: Family) -> bool {
    let stem = class.strip_suffix("ForConditionalGeneration").map(plain);
    stem.is_some_and(|stem| wrapper::around(family).any(|wrapper| plain(wrapper) == stem))
}

/// The family whose class this is.
pub(super) fn family(class: &str) -> Option<Family> {
    let stem = stem(class);
    Family::all().find(|family| is_of(&stem, *family))
}

/// Whether a class is that of another family, counted here or not. Classes of nobody's may be anybody's.
pub(super) fn is_of_another(class: &str, family: Family) -> bool {
    let stem = stem(class);
    !is_of(&stem, family)
        && (Family::all().any(|other| is_of(&stem, other)) || FOREIGN.split_whitespace().any(|foreign| foreign == stem))
}

fn is_of(stem: &str, family: Family) -> bool {
    family.names().any(|name| plain(name) == stem)
}

fn stem(class: &str) -> String {
    let stem = ENDS.iter().find_map(|end| class.strip_suffix(end)).unwrap_or(class);
    plain(stem)
}

/// Only letters and digits, in lower case: `Qwen2Moe` and `qwen2_moe` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
