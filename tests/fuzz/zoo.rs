//! Damaged files of shipped models.

use crate::harness::{Dice, Kind};
use crate::{config, text, tree};
use roofprobe::model::parse_zoo;
use serde_json::Value;
use std::path::Path;

/// The shipped files as JSON trees, by their names.
pub(crate) fn files() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/zoo");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    paths.iter().map(read).collect()
}

/// The configuration in one, as Hugging Face would have it.
pub(crate) fn config(file: &Value) -> Value {
    let mut config = file["config"].clone();
    for key in file["model"]["null_keys"].as_array().into_iter().flatten() {
        config[key.as_str().unwrap()] = Value::Null;
    }
    config
}

fn seeds() -> Vec<Vec<u8>> {
    files().iter().map(|file| tree::to_toml(file).unwrap()).collect()
}

fn damage(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let parsed = std::str::from_utf8(seed).ok().and_then(|text| toml::from_str::<Value>(text).ok());
    if dice.roll(3) > 0
        && let Some(mut file) = parsed
    {
        let words =
            ["null_keys", "hidden_size", "source", "rounded_to", "model", "config", "model_type", "gemma2", "x"];
        tree::damage(&mut file, &words.map(str::to_owned), dice);
        if let Some(bytes) = tree::to_toml(&file).filter(|bytes| bytes.len() < 1 << 20) {
            return bytes;
        }
    }
    text::damage(seed, dice)
}

fn survives(bytes: &[u8], dice: &mut Dice) -> usize {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let name = text.split("\nname = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    match parse_zoo(text, name) {
        Ok(model) => config::computes(&model, dice),
        Err(refusal) => {
            assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
            0
        }
    }
}

fn kind() -> Kind {
    Kind { name: "zoo", seeds: seeds(), damage, survives }
}

#[test]
fn damaged_zoo_files() {
    kind().briefly(1000);
}

#[test]
#[ignore = "takes ten minutes"]
fn zoo_at_length() {
    kind().at_length();
}
