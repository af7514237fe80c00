//! Configurations of architectures that are not known, given to the program: each is refused with the reason
//! in one line, and no number is printed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn evaluate(config: &Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.json");
    std::fs::write(&path, config.to_string()).unwrap();
    run(&path, &[])
}

fn run(model: &Path, options: &[&str]) -> Output {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/plain-cpu.toml");
    let program = env!("CARGO_BIN_EXE_roofprobe");
    Command::new(program).arg("evaluate").arg(model).arg("-p").arg(profile).args(options).output().unwrap()
}

fn refused(config: &Value, words: &[&str]) {
    let output = evaluate(config);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{config}: {said}");
    assert!(said.lines().count() == 1 && words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

/// The usual shape, and more.
fn decoder(model_type: &str, more: Value) -> Value {
    let mut keys = json!({"model_type": model_type, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 4,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "rms_norm_eps": 1e-5, "hidden_act": "silu"});
    keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    keys
}

#[test]
fn families_that_are_not_known() {
    for (model_type, more) in [
        // Recurrences.
        ("rwkv7", json!({"attention_hidden_size": 2048, "decay_low_rank_dim": 64})),
        ("xlstm", json!({"qk_dim_factor": 0.5, "num_blocks": 32})),
        // Mixtures of experts.
        ("arctic", json!({"num_local_experts": 128, "num_experts_per_tok": 2, "use_residual": true})),
        // Encoders.
        ("t5", json!({"d_model": 512, "d_ff": 2048, "is_encoder_decoder": true, "relative_attention_num_buckets": 32})),
        ("whisper", json!({"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "num_mel_bins": 80})),
        ("bert", json!({"type_vocab_size": 2, "position_embedding_type": "absolute"})),
        ("phi3small", json!({"blocksparse_block_size": 64, "ff_intermediate_size": 14336})),
    ] {
        refused(&decoder(model_type, more), &["foreign.json: ", &format!("\"{model_type}\" is not supported")]);
    }
}

/// A known name for something else: the key that betrays it is named.
#[test]
fn known_families_with_foreign_parts() {
    for (model_type, key, value) in [
        ("minicpm", "sparse_config", json!({"topk": 64, "block_size": 64})),
        ("deepseek_v3", "index_topk", json!(2048)),
        ("mamba2", "attn_layer_idx", json!([9, 18])),
        ("qwen3", "attn_output_gate", json!(true)),
        ("mistral", "thinker", json!({"layers": 2})),
        ("llama", "moe", json!({"num_experts": 8})),
        ("llama", "skip_every", json!(4)),
        ("gemma2", "ple", json!(256)),
        ("phi3", "embd_layer", json!({"embedding_cls": "image"})),
    ] {
        let mut config = decoder(model_type, json!({ key: value }));
        if model_type == "mamba2" {
            config =
                json!({"model_type": "mamba2", "hidden_size": 64, "num_heads": 2, "num_hidden_layers": 4, key: value});
        }
        if model_type == "deepseek_v3" {
            config["num_key_value_heads"] = json!(32);
        }
        refused(&config, &["foreign.json: ", &format!("{key}: "), model_type]);
    }
}

#[test]
fn what_is_known_is_answered() {
    let output = evaluate(&decoder("llama", json!({"_attn_implementation_autoset": true, "rope_theta": 500_000.0})));
    assert!(output.status.success() && !output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What is not understood is a note, and what `--strict` refuses.
#[test]
fn unknown_keys_are_noted_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.json");
    std::fs::write(&path, decoder("llama", json!({"ngram": 2})).to_string()).unwrap();
    let noted = run(&path, &["--format", "json"]);
    let text = String::from_utf8(noted.stdout).unwrap();
    assert!(noted.status.success() && text.contains("not understood, taken as harmless: ngram (2)"), "{text}");
    let refused = run(&path, &["--strict"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("ngram: is 2, which is not understood"), "{said}");
}

/// A name with an organisation is no path.
#[test]
fn names_are_those_of_the_hub() {
    let named = run(Path::new("Qwen/Qwen2.5-0.5B-Instruct"), &["--format", "json"]);
    assert!(String::from_utf8(named.stdout).unwrap().contains("\"qwen2.5-0.5b\""));
    let unknown = run(Path::new("Qwen/Qwen2.5"), &[]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.status.code() == Some(2) && said.contains("did you mean: qwen2.5-"), "{said}");
}
