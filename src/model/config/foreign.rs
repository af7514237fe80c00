//! What a configuration holds beside what is understood: which family, which features, which keys.
//!
//! A key that no family reads is judged by the table of rules. What announces another structure is refused; what may change
//! a count is noted beside the result, or refused where the reader asked for that.

use super::super::family::Family;
use super::super::keys::{Keys, is_on, quoted, shown};
use super::super::nearest;
use super::key_rules::{self, Verdict};
use super::{Strictness, classes};
use crate::error::{Error, Result};
use serde_json::Value;

/// How many keys are listed in a message.
const LISTED: usize = 8;

/// The family: that of `model_type`, or, without one, that of the class in `architectures`.
///
/// # Errors
/// Misuse for an unknown family, and where the class is that of another family.
pub(super) fn family(keys: &Keys) -> Result<Family> {
    let Some(word) = keys.word("model_type")? else {
        let Some(family) = classes::causal(keys, None)?.and_then(classes::family) else {
            return Err(Error::misuse(format!(
                "model_type: is missing, so what the other keys mean is unknown; add it{}",
                obstacle(keys)
            )));
        };
        keys.remark(format!("model_type is missing, and taken to be {family} by architectures"));
        return Ok(family);
    };
    let Some(family) = Family::of(word) else { return of_class(keys, word) };
    match classes::causal(keys, Some(family))?.filter(|class| classes::is_of_another(class, family)) {
        None => Ok(family),
        Some(class) => Err(Error::misuse(format!(
            "architectures: {} is the class of another family than {family}; correct model_type or architectures",
            quoted(class)
        ))),
    }
}

/// The family of an unknown `model_type`, by its class: that is the code. Where the code came with the weights, a class of
/// the same name may be another.
fn of_class(keys: &Keys, word: &str) -> Result<Family> {
    let by_class = keys.get("architectures").and_then(|classes| classes.get(0)).and_then(Value::as_str);
    let by_class = by_class.and_then(classes::family);
    let own_code = keys.is_on("auto_map");
    match by_class.filter(|_| obstacle(keys).is_empty()) {
        Some(family) if !own_code => {
            classes::causal(keys, None)?;
            keys.remark(format!("model_type {} is unknown, and taken to be {family} by architectures", quoted(word)));
            Ok(family)
        }
        Some(family) => Err(Error::misuse(format!(
            "model_type: {} is not supported; its class is called as that of {family}: set model_type to {family} if its code \
             is the same",
            quoted(word)
        ))),
        None => {
            let remedy = nearest::remedy(word, Family::all().map(Family::name), nearest::FAMILIES);
            let (word, obstacle) = (quoted(word), obstacle(keys));
            Err(Error::misuse(format!("model_type: {word} is not supported; {remedy}{obstacle}")))
        }
    }
}

/// What a configuration of an unknown family announces. That it is quantised is no obstacle.
fn obstacle(keys: &Keys) -> String {
    let announced = key_rules::structures().find(|(key, what)| *what != "a quantised checkpoint" && keys.is_on(key));
    announced.map(|(key, what)| format!(" ({key} announces {what})")).unwrap_or_default()
}

/// Remarks on keys that are understood and not counted.
pub(super) fn remarks(keys: &Keys, family: Family) -> Vec<String> {
    let left_out = family.facts().uncounted.iter().filter(|key| keys.is_on(key));
    left_out
        .map(|key| {
            format!(
                "the layers for multi-token prediction ({key}) are not counted among the others; --draft mtp uses them"
            )
        })
        .collect()
}

/// Judges the keys that nobody asked for, and notes those that may change a count.
///
/// # Errors
/// Misuse for a key that announces a structure which the family does not have; when strict, for each that would be noted.
pub(super) fn judge(keys: &Keys, family: Family, strictness: Strictness) -> Result<()> {
    let mut unknown = Vec::new();
    for (key, value) in keys.unasked() {
        if !is_on(value) || family.facts().harmless.contains(&key) || is_every_layer(key, value) {
            continue;
        }
        match key_rules::rule(key).map(|rule| (rule.verdict, rule.reason)) {
            Some((Verdict::Harmless, _)) => {}
            Some((Verdict::Structure, what)) => {
                return Err(Error::misuse(format!(
                    "{}: announces {what}, which is not supported for {family}; is model_type right?",
                    bare(key)
                )));
            }
            Some((Verdict::Shape, _)) => unknown.push((key, value)),
            None if may_be_a_shape(value) => unknown.push((key, value)),
            None => {}
        }
    }
    let Some(((key, value), more)) = unknown.split_first() else { return Ok(()) };
    let listed = |keys: &[(&str, &Value)], form: fn(&(&str, &Value)) -> String| {
        let mut words: Vec<String> = keys.iter().take(LISTED).map(form).collect();
        if keys.len() > LISTED {
            words.push(format!("and {} more", keys.len() - LISTED));
        }
        words.join(", ")
    };
    if strictness == Strictness::Lenient {
        let all = listed(&unknown, |(key, value)| format!("{} ({})", bare(key), shown(value)));
        keys.remark(format!("not understood, taken as harmless: {all}"));
        return Ok(());
    }
    let more = match listed(more, |(key, _)| bare(key)) {
        more if more.is_empty() => more,
        more => format!("; not understood either: {more}"),
    };
    Err(Error::misuse(format!(
        "{}: is {}, which is not understood for {family} and may change what is counted; remove it if it does not, or \
         correct model_type{more}",
        bare(key),
        shown(value)
    )))
}

/// A foreign key in a message, short and on one line.
fn bare(key: &str) -> String {
    quoted(key).trim_matches('"').to_owned()
}

/// A period of 1 names every layer, whatever it is a period of.
fn is_every_layer(key: &str, value: &Value) -> bool {
    value.as_u64() == Some(1) && ["_frequency", "_freq", "_interval", "_period"].iter().any(|end| key.ends_with(end))
}

/// A number that could be an extent, a switch, or something with more inside.
fn may_be_a_shape(value: &Value) -> bool {
    match value {
        Value::Null | Value::String(_) => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_u64().is_some_and(|count| count > 1) || number.is_i64() && !number.is_u64(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
