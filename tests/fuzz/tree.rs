//! Damage that keeps JSON and TOML what they are: values swapped, keys renamed, tables nested.

use crate::harness::Dice;
use serde_json::{Map, Value, json};

/// Around text that is to stand in the file as it is, such as numbers that no number type holds.
const RAW: &str = "@raw@";

const FLOATS: &[&str] = &["1e308", "-1e308", "1e-308", "0.0", "-0.0", "0.5", "1.5", "1e400"];
const NO_NUMBERS: &[&str] = &["nan", "inf", "-inf", "NaN", "18446744073709551616", "-9223372036854775809"];

fn raw(token: impl std::fmt::Display) -> Value {
    Value::String(format!("{RAW}{token}{RAW}"))
}

/// Takes the marks, and the quotes around them, away.
fn bare(text: &str) -> String {
    text.replace(&format!("\"{RAW}"), "").replace(&format!("{RAW}\""), "")
}

pub(crate) fn to_json(tree: &Value) -> Vec<u8> {
    bare(&tree.to_string()).into_bytes()
}

/// None where TOML has no word for it.
pub(crate) fn to_toml(tree: &Value) -> Option<Vec<u8>> {
    toml::to_string(&without_nulls(tree)).ok().map(|text| bare(&text).into_bytes())
}

fn without_nulls(tree: &Value) -> Value {
    match tree {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// Places in a tree, itself the first.
fn places(tree: &Value) -> usize {
    1 + match tree {
        Value::Object(map) => map.values().map(places).sum(),
        Value::Array(items) => items.iter().map(places).sum(),
        _ => 0,
    }
}

/// The value at a place.
fn at(tree: &mut Value, place: usize) -> Option<&mut Value> {
    if place == 0 {
        return Some(tree);
    }
    let mut left = place - 1;
    let inner: Box<dyn Iterator<Item = &mut Value>> = match tree {
        Value::Object(map) => Box::new(map.values_mut()),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => return None,
    };
    for child in inner {
        let size = places(child);
        if left < size {
            return at(child, left);
        }
        left -= size;
    }
    None
}

/// One to four wounds; one more often than not.
pub(crate) fn damage(tree: &mut Value, words: &[String], dice: &mut Dice) {
    for _ in 0..=dice.roll(4) * dice.roll(2) {
        let place = dice.roll(places(tree));
        let other = dice.roll(places(tree));
        let borrowed = at(tree, other).cloned().unwrap_or(Value::Null);
        let Some(target) = at(tree, place) else { continue };
        match target {
            Value::Object(map) if dice.roll(8) > 0 => wound_map(map, borrowed, words, dice),
            Value::Array(items) if dice.roll(8) > 0 => wound_list(items, borrowed, dice),
            target => *target = value(target, borrowed, words, dice),
        }
    }
}

fn wound_map(map: &mut Map<String, Value>, borrowed: Value, words: &[String], dice: &mut Dice) {
    let keys: Vec<String> = map.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = dice.one(&keys).clone();
    match dice.roll(5) {
        0 => drop(map.remove(&key)),
        1 => drop(map.insert(dice.one(words).clone(), borrowed)),
        2 => {
            let renamed = if dice.roll(2) == 0 { dice.one(words).clone() } else { format!("{key}_{}", dice.roll(9)) };
            let value = map.remove(&key).unwrap_or_default();
            map.insert(renamed, value);
        }
        3 => {
            let another = map.get(dice.one(&keys)).cloned().unwrap_or_default();
            map.insert(key, another);
        }
        _ => {
            let old = map.get(&key).cloned().unwrap_or_default();
            let new = value(&old, borrowed, words, dice);
            map.insert(key, new);
        }
    }
}

fn wound_list(items: &mut Vec<Value>, borrowed: Value, dice: &mut Dice) {
    let place = dice.roll(items.len() + 1);
    match dice.roll(5) {
        0 => items.truncate(place),
        1 => items.insert(place, borrowed),
        2 if !items.is_empty() => drop(items.remove(place.min(items.len() - 1))),
        3 if !items.is_empty() && items.len() < 5000 => {
            // Larger and larger with every such wound.
            let copies = items.clone();
            items.extend(copies);
        }
        _ => items.reverse(),
    }
}

/// Something else to stand where `old` does.
fn value(old: &Value, borrowed: Value, words: &[String], dice: &mut Dice) -> Value {
    let number = dice.number(1000);
    match dice.roll(22) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 0),
        2 => json!(number),
        3 => json!(number as i64),
        4 => raw(dice.one(FLOATS)),
        5 => raw(dice.one(NO_NUMBERS)),
        6 => json!("x".repeat(1 << dice.roll(18))),
        7 => json!(dice.one(words)),
        8 => json!([old]),
        9 => json!({ dice.one(words): old }),
        10 => json!(vec![old.clone(); 1 << dice.roll(10)]),
        11 => {
            let deep = if dice.roll(4) == 0 { 100 } else { 5 };
            (0..dice.roll(deep)).fold(old.clone(), |inner, _| json!({ "text_config": inner }))
        }
        12 => borrowed,
        13 | 14 => old
            .as_u64()
            .map_or(Value::Null, |count| json!(count.wrapping_add(number % 3).wrapping_mul(1 << dice.roll(3)))),
        15 => json!(-1),
        _ => json!(number),
    }
}
