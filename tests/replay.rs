//! `roofprobe replay`, for real: tiny models are run on this machine, and what cannot be run says why.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn roofprobe(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofprobe"));
    command.args(arguments).current_dir(folder).env("ROOFPROBE_DIR", folder.join("kept"));
    command.output().unwrap()
}

fn model(folder: &Path, keys: &Value) -> String {
    let path = folder.join("config.json");
    std::fs::write(&path, keys.to_string()).unwrap();
    path.display().to_string()
}

fn replayed(keys: &Value, options: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), keys);
    let arguments = [&["replay", &model, "--seconds", "1", "--threads", "1", "--format", "json"], options].concat();
    let output = roofprobe(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn dense() -> Value {
    json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
    })
}

fn mixture() -> Value {
    json!({
        "model_type": "mixtral", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "num_local_experts": 8,
        "num_experts_per_tok": 2,
    })
}

fn latent() -> Value {
    json!({
        "model_type": "deepseek_v2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "vocab_size": 320, "q_lora_rank": null, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 16, "v_head_dim": 32, "n_routed_experts": 8, "num_experts_per_tok": 2,
        "n_shared_experts": 2, "moe_intermediate_size": 32, "first_k_dense_replace": 1,
    })
}

fn windowed() -> Value {
    json!({
        "model_type": "gemma2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 320, "sliding_window": 70,
        "query_pre_attn_scalar": 16, "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0,
        "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 8192,
    })
}

fn hybrid() -> Value {
    json!({
        "model_type": "lfm2", "hidden_size": 64, "block_ff_dim": 96, "num_hidden_layers": 3, "conv_L_cache": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
        "block_auto_adjust_ff_dim": false, "full_attn_idxs": [1], "conv_bias": false,
    })
}

/// Every operation has run, all results were held against the oracle, and all that is written are numbers.
#[test]
fn models_of_every_kind_run_and_their_results_are_right() {
    for (keys, options) in [
        (dense(), &["--weights", "q4_0", "--prompt", "70"] as &[&str]),
        (dense(), &["--weights", "bf16", "--prompt", "33", "--batch", "3", "--micro-batch", "24"]),
        (mixture(), &["--weights", "q8_0", "--prompt", "40", "--batch", "2"]),
        (mixture(), &["--weights", "f16", "--prompt", "5"]),
        (latent(), &["--weights", "q8_0", "--prompt", "70"]),
        (latent(), &["--weights", "f32", "--prompt", "9", "--batch", "2", "--runtime", "llama.cpp"]),
        (latent(), &["--weights", "f16", "--prompt", "20", "--runtime", "vllm"]),
        (windowed(), &["--weights", "q8_0", "--prompt", "200", "--micro-batch", "128"]),
        (hybrid(), &["--weights", "q8_0", "--prompt", "50"]),
    ] {
        let replayed = replayed(&keys, options);
        let phases = replayed["phases"].as_array().unwrap();
        assert_eq!(phases.len(), 2, "{replayed}");
        for phase in phases {
            assert_eq!(phase["verified"], true);
            assert!(phase["tokens_per_s"].as_f64().unwrap() > 0.0);
            let steps = phase["steps"].as_array().unwrap();
            for step in steps {
                assert!(step["seconds"].as_f64().unwrap() > 0.0, "{step}");
                assert_eq!(step["launches"], step["launches_timed"]);
            }
        }
        assert!(replayed["memory_needed_bytes"].as_u64() > replayed["weight_bytes_total"].as_u64());
        // No profile was kept in this folder: nothing is predicted, and that is said.
        assert!(replayed["notes"].to_string().contains("nothing is predicted"), "{}", replayed["notes"]);
    }
}

#[test]
fn a_profile_predicts_every_operation_of_the_replay() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), &dense());
    let profile = "amd-epyc-zen5-2c".to_owned();
    let arguments =
        ["replay", &model, "-p", &profile, "--seconds", "1", "--threads", "1", "--prompt", "40", "--format"];
    let json = roofprobe(folder.path(), &[&arguments[..], &["json"]].concat());
    assert!(json.status.success(), "{}", String::from_utf8_lossy(&json.stderr));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    for phase in json["phases"].as_array().unwrap() {
        let predicted: f64 =
            phase["steps"].as_array().unwrap().iter().map(|s| s["seconds_predicted"].as_f64().unwrap()).sum();
        let whole = phase["seconds_predicted"].as_f64().unwrap();
        assert!((predicted - whole).abs() <= 1e-9 * whole, "{predicted} {whole}");
    }
    let csv = roofprobe(folder.path(), &[&arguments[..], &["csv"]].concat());
    let rows = String::from_utf8(csv.stdout).unwrap();
    assert!(rows.starts_with("model,weights,device") && rows.lines().count() > 20, "{rows}");
}

/// With a profile of tiny caches, so that a tiny model counts as one that comes from main memory.
#[test]
fn main_memory_is_read_between_the_passes() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), &dense());
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/amd-epyc-zen5-2c.toml")).unwrap();
    let mut profile: toml::Table = text.parse().unwrap();
    let caches = profile["device"]["caches"].as_array_mut().unwrap();
    caches.iter_mut().for_each(|cache| cache["bytes"] = 64.into());
    let ceilings = profile["ceiling"].as_array_mut().unwrap();
    let read = ceilings.iter_mut().find(|ceiling| ceiling["id"].as_str() == Some("memory.dram.read")).unwrap();
    let of_profile = read["gb_per_s"].as_float().unwrap();
    let variant = "isa = 'portable'\nthreads = 1\nstreams = 1\npages = 'base'\nfootprint_bytes = 4194304";
    read["variant"] = toml::Value::Table(variant.parse().unwrap());
    std::fs::write(folder.path().join("p.toml"), profile.to_string()).unwrap();
    let replayed = |profile: &str| -> Value {
        let arguments = ["replay", &model, "-p", profile, "--seconds", "1", "--threads", "1", "--format", "json"];
        let output = roofprobe(folder.path(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (with, without) = (replayed("p.toml"), replayed("amd-epyc-zen5-2c"));
    for phase in with["phases"].as_array().unwrap() {
        assert_eq!(phase["memory_read"]["gb_per_s_of_profile"], of_profile);
        assert!(phase["memory_read"]["gb_per_s"].as_f64().unwrap() > 0.0, "{phase}");
    }
    assert!(without["phases"].as_array().unwrap().iter().all(|phase| phase.get("memory_read").is_none()));
    let needed = |replayed: &Value| replayed["memory_needed_bytes"].as_u64().unwrap();
    assert_eq!(needed(&with) - needed(&without), 4_194_304);
}

#[test]
fn what_cannot_be_replayed_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for (code, arguments, words) in [
        (1, &["llama-3.1-70b", "--weights", "f32", "--context", "1000000", "--batch", "64"] as &[&str], "--weights"),
        (2, &["llama-3.2-1b", "--device", "all"], "one device"),
        (2, &["llama-3.2-1b", "--device", "gpu:0", "--threads", "1"], "--threads"),
        (2, &["llama-3.2-1b", "--threads", "0"], "--threads"),
        (2, &["llama-3.2-1b", "--threads", "100000"], "--threads"),
        (2, &["llama-3.2-1b", "--seconds", "0"], "--seconds"),
        (2, &["llama-3.2-1b", "--prompt", "0"], "--prompt"),
        (2, &["llama-3.2-1b", "--prompt", "99999999999"], "--prompt"),
        (2, &["llama-3.2-1b", "--prompt", "16777216", "--micro-batch", "1"], "--micro-batch"),
        (2, &["llama-3.2-1b", "-p", "nvidia-rtx-3090-datasheet"], "GPU"),
        (2, &["no-such-model"], "no-such-model"),
    ] {
        let output = roofprobe(folder.path(), &[&["replay"], arguments].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.contains(words) && !message.contains("panicked"), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}

/// The program with a GPU, software or not; `None` where there is no adapter. `hooks` are faults of its driver.
#[cfg(feature = "gpu")]
fn on_gpu(folder: &Path, keys: &Value, hooks: &str, options: &[&str]) -> Option<Output> {
    let devices = roofprobe(folder, &["devices", "--format", "json"]);
    if !String::from_utf8_lossy(&devices.stdout).contains("gpu:0") {
        assert!(std::env::var_os("ROOFPROBE_REQUIRE_GPU").is_none(), "a GPU is required, and there is no adapter");
        return None;
    }
    let model = model(folder, keys);
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofprobe"));
    command.args(["replay", &model, "--device", "gpu:0", "--seconds", "1", "--format", "json"]).args(options);
    command.current_dir(folder).env("ROOFPROBE_DIR", folder.join("kept")).env("ROOFPROBE_GPU_HOOKS", hooks);
    Some(command.output().unwrap())
}

/// Every operation has run on the GPU, and the results of all products were held against the oracle; what a GPU cannot do is said.
#[cfg(feature = "gpu")]
#[test]
fn a_gpu_replays_models_and_says_what_it_leaves_out() {
    let wide = json!({
        "model_type": "llama", "hidden_size": 128, "intermediate_size": 96, "num_hidden_layers": 3, "head_dim": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
    });
    for (keys, hooks, options, words) in [
        (&wide, "", &["--weights", "q4_0", "--prompt", "20"] as &[&str], ""),
        (&mixture(), "", &["--weights", "bf16", "--prompt", "6", "--batch", "2"], "a dispatch of its own"),
        (&latent(), "", &["--weights", "f16", "--prompt", "5"], "traffic alone"),
        (&hybrid(), "no-timestamps", &["--weights", "q8_0", "--prompt", "5"], "conv has no shader"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Some(output) = on_gpu(folder.path(), keys, hooks, options) else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let replayed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(replayed["notes"].to_string().contains(words), "{}", replayed["notes"]);
        if words.is_empty() {
            assert!(!replayed["notes"].to_string().contains("traffic alone"), "{}", replayed["notes"]);
        }
        assert!(replayed.get("threads").is_none());
        for phase in replayed["phases"].as_array().unwrap() {
            assert!(phase["verified"] == true && phase["tokens_per_s"].as_f64().unwrap() > 0.0);
            for step in phase["steps"].as_array().unwrap() {
                assert!(
                    step["seconds"].as_f64().unwrap() >= 0.0 && step["launches"] == step["launches_timed"],
                    "{step}"
                );
            }
            let shares: f64 = phase["steps"].as_array().unwrap().iter().map(|s| s["share"].as_f64().unwrap()).sum();
            assert!((shares - 1.0).abs() < 1e-6);
        }
        assert!(replayed["memory_needed_bytes"].as_u64() > replayed["weight_bytes_total"].as_u64());
    }
}

/// Whatever becomes of the driver: a message, and no record.
#[cfg(feature = "gpu")]
#[test]
fn a_gpu_that_dies_during_a_replay_is_an_error_with_its_reason() {
    for (hooks, words) in [
        ("die-at=3", "signal"),
        ("die-at=30", "signal"),
        ("lose-at=4", "lost"),
        ("hang-at=5,answer-ms=1500", "did not answer"),
        ("memory-mib=0", "--weights"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Some(output) = on_gpu(folder.path(), &dense(), hooks, &["--prompt", "5"]) else { return };
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{hooks}: {message}");
        assert!(message.contains(words) && !message.contains("panicked"), "{hooks}: {message}");
        assert!(output.stdout.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn an_interruption_ends_a_pass_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), &dense());
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofprobe"));
    command.args(["replay", &model, "--seconds", "3000", "--prompt", "200000", "--threads", "1"]);
    command.current_dir(folder.path()).env("ROOFPROBE_DIR", folder.path().join("kept"));
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();

    assert!(message.contains("interrupted") && !message.contains("panicked"), "{message}");
    assert_eq!(output.status.code(), Some(1));
}
