//! What every verb writes as JSON is what its JSON Schema says.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::report::schemas::SCHEMAS;
use serde_json::Value;
use std::process::Command;

/// What the program writes with these arguments, whatever its exit code says of the device.
fn written(arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_roofprobe"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("ROOFPROBE_DIR", folder.path())
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    values.map(|value| value.unwrap()).collect()
}

const ZEN5: &str = "amd-epyc-zen5-2c";
const MODEL: &str = "qwen2.5-0.5b";

/// A model that is run in a second.
const TINY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/schemas-config.json");
const TINY_KEYS: &str = r#"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320}"#;

const WRITTEN: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/schemas.toml");

/// Something that each verb writes, with as much in it as it has.
const CALLS: &[(&str, &[&str])] = &[
    ("profile", &["show", ZEN5]),
    ("show", &["show", "tests/data/plain-gpu.toml"]),
    ("measure", &["measure", "--simulate", "tests/data/plain-cpu.toml", "--replace", "-o", WRITTEN]),
    ("devices", &["devices"]),
    ("doctor", &["doctor"]),
    ("evaluate", &["evaluate", MODEL, "llama-3.2-1b", "-p", ZEN5, "-p", "raspberry-pi-5-datasheet", "--explain"]),
    ("evaluate", &["evaluate", MODEL, "-p", "amd-epyc-zen4-2c", "--measured", "docs/llama-bench-zen4.csv"]),
    ("evaluate", &["evaluate", "llama-3.2-3b", "-p", ZEN5, "--draft", "llama-3.2-1b", "--accept", "0.7"]),
    ("evaluate", &["evaluate", "olmoe-1b-7b", "-p", ZEN5, "--split", "nvidia-rtx-3090-datasheet", "--link", "12"]),
    ("sweep", &["sweep", MODEL, "-p", ZEN5, "--over", "context=128,1000000", "--over", "weights=f16,q4_k_m"]),
    ("compare", &["compare", "amd-epyc-zen4-2c", ZEN5, "raspberry-pi-5-datasheet", "-m", MODEL]),
    ("fleet", &["compare", "--fleet", "profiles"]),
    ("check", &["check", ZEN5, ZEN5, "--gate", "all"]),
    ("calibrate", &["calibrate", "docs/llama-bench-zen4.csv", "-m", MODEL, "-p", "amd-epyc-zen4-2c"]),
    ("replay", &["replay", TINY, "-p", ZEN5, "--seconds", "1", "--threads", "1", "--prompt", "8"]),
    ("study", &["study", "precision", "-p", ZEN5]),
    ("models", &["models"]),
    ("profiles", &["profiles"]),
];

#[test]
fn what_verbs_write_is_what_their_schemas_say() {
    std::fs::write(TINY, TINY_KEYS).unwrap();
    let mut seen = Vec::new();
    for (verb, arguments) in CALLS {
        let (.., schema) = SCHEMAS.iter().find(|(name, ..)| name == verb).unwrap();
        let schema = schema();
        jsonschema::meta::validate(&schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let values = written(&[*arguments, &["--format", "json"]].concat());
        assert!(!values.is_empty(), "{verb}");
        for value in values {
            let errors: Vec<String> =
                validator.iter_errors(&value).take(5).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{arguments:?}: {errors:#?}");
            let damaged = serde_json::json!([value]);
            assert!(!validator.is_valid(&damaged), "{verb}: the schema allows anything");
        }
        seen.push(*verb);
    }
    assert!(SCHEMAS.iter().all(|(verb, ..)| seen.contains(verb)), "a verb is not called: {seen:?}");
}

#[test]
fn the_verb_schema_prints_them() {
    for (verb, _, schema) in SCHEMAS {
        assert_eq!(written(&["schema", verb]), [schema()]);
    }
    assert_eq!(written(&["schema"]), written(&["schema", "profile"]));
}
