//! Words for weight formats, and what they make of a model's tensors.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Model, Phase, Runtime, Step, TensorType, Weights, Workload, find, parse_config};
use std::collections::BTreeMap;

fn weights(word: &str) -> Weights {
    word.parse().unwrap_or_else(|e| panic!("{word}: {e}"))
}

/// The types of a tensor's layers, by name.
fn types(model: &Model, word: &str) -> BTreeMap<&'static str, String> {
    let workload = Workload { weights: Some(weights(word)), ..Workload::default() };
    let mut types: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for step in workload.runs(model, Phase::Decode).unwrap().remove(0).steps {
        if step.total().weights_read > 0 {
            types.entry(step.name).or_default().push(format!("{} {}", step.repeat, step.operand));
        }
    }
    types.into_iter().map(|(name, kinds)| (name, kinds.join(", "))).collect()
}

fn dense(hidden: u32, heads: u32, kv_heads: u32, layers: u32, width: u32) -> Model {
    let text = format!(
        r#"{{"model_type": "llama", "hidden_size": {hidden}, "vocab_size": 1000, "num_hidden_layers": {layers},
            "num_attention_heads": {heads}, "num_key_value_heads": {kv_heads}, "intermediate_size": {width},
            "tie_word_embeddings": false}}"#
    );
    parse_config(&text, "dense").unwrap()
}

#[test]
fn words_are_read_back() {
    for word in [
        "f32",
        "f16",
        "bf16",
        "q4_0",
        "q8_0",
        "q4_k_m",
        "q6_k",
        "iq4_xs",
        "mxfp4_moe",
        "tq1_0",
        "pure:q4_k",
        "pure:iq4_nl",
        "awq-4bit-g128",
        "gptq-3bit-g32",
        "mlx-8bit-g64",
        "nf4",
        "nf4-double",
        "fp8",
        "fp8-block",
        "nvfp4",
        "mxfp4",
    ] {
        assert_eq!(weights(word).to_string(), word);
        assert_eq!(weights(&word.to_uppercase()), weights(word));
    }
    for (word, same) in [
        ("q4_k", "q4_k_m"),
        ("awq", "awq-4bit-g128"),
        ("gptq-8bit", "gptq-8bit-g128"),
        ("mlx-g32", "mlx-4bit-g32"),
        ("fp8_e5m2", "fp8"),
    ] {
        assert_eq!(weights(word), weights(same));
    }
    for wrong in [
        "",
        "q9",
        "i8",
        "q8_k",
        "pure:i8",
        "pure:",
        "awq-",
        "awq-9bit",
        "awq-g0",
        "awq-4bit-g128-x",
        "fp8-4bit",
        "q4_k_m-g32",
    ] {
        let word = wrong.parse::<Weights>();
        assert!(word.is_err(), "{wrong}: {word:?}");
    }
    assert!("q9".parse::<Weights>().unwrap_err().to_string().contains("q4_k_m"));
}

/// Seen of llama-quantize (build 11669) on files of these shapes.
#[test]
fn mixtures_choose_by_role_layer_and_shape() {
    let model = dense(512, 8, 2, 9, 1024);
    let chosen = types(&model, "q4_k_m");
    assert_eq!(chosen["attn_v"], "5 q6_k, 4 q4_k");
    assert_eq!(chosen["ffn_down"], "5 q6_k, 4 q4_k");
    assert_eq!((chosen["output"].as_str(), chosen["token_embd"].as_str()), ("1 q6_k", "1 q4_k"));
    assert_eq!((chosen["attn_norm"].as_str(), chosen["ffn_up"].as_str()), ("9 f32", "9 q4_k"));
    assert_eq!(types(&model, "q4_k_s")["ffn_down"], "1 q5_k, 8 q4_k");
    assert_eq!(types(&model, "q4_k_s")["attn_v"], "4 q5_k, 5 q4_k");
    assert_eq!(types(&model, "q3_k_m")["attn_v"], "2 q5_k, 7 q4_k");
    assert_eq!(types(&model, "iq3_xs")["ffn_up"], "3 iq3_s, 6 iq3_xxs");
    assert_eq!(types(&model, "iq2_xxs")["output"], "1 q5_k");
    assert_eq!(types(&model, "mxfp4_moe")["attn_q"], "9 q8_0");
    // Values are worth more where few heads share many queries.
    assert_eq!(types(&model, "q2_k")["attn_v"], "9 q4_k");
    assert_eq!(types(&dense(512, 8, 4, 9, 1024), "q2_k")["attn_v"], "9 q3_k");
    // 80 layers with grouped queries are a model of 70 billion.
    assert_eq!(types(&dense(512, 8, 1, 80, 1024), "q3_k_m")["attn_v"], "80 q5_k");
}

/// A model of 8 heads and 2 kv heads, 512 wide; `more` adds or overrides keys.
fn small(more: &str) -> Model {
    let usual = r#""hidden_size": 512, "num_hidden_layers": 10, "num_attention_heads": 8, "num_key_value_heads": 2,
        "intermediate_size": 768, "vocab_size": 512"#;
    parse_config(&format!("{{{usual}, {more}}}"), "small").unwrap()
}

const MIXTRAL: &str = r#""model_type": "mixtral", "num_local_experts": 8"#;
const DEEPSEEK: &str = r#""model_type": "deepseek_v2", "num_hidden_layers": 27, "q_lora_rank": null, "kv_lora_rank": 256,
    "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64, "n_routed_experts": 16, "n_shared_experts": 2,
    "num_experts_per_tok": 4, "moe_intermediate_size": 256, "first_k_dense_replace": 1"#;

/// Seen of llama-quantize (build 11669) on files of these shapes, too.
#[test]
fn mixtures_know_experts_latents_and_layers_of_two_kinds() {
    // Eight experts leave room for better keys and values.
    let mixtral = types(&small(MIXTRAL), "q4_k_m");
    assert_eq!((mixtral["attn_k"].as_str(), mixtral["attn_v"].as_str()), ("10 q8_0", "10 q8_0"));
    assert_eq!((mixtral["attn_output"].as_str(), mixtral["ffn_gate_inp"].as_str()), ("10 q5_k", "10 f32"));
    assert_eq!(mixtral["ffn_down_exps"], "5 q6_k, 5 q4_k");
    // The expansion of latents is kept in two; rows of 64 for keys fit no super-block.
    let deepseek = types(&small(DEEPSEEK), "q4_k_m");
    assert_eq!((deepseek["attn_k_b"].as_str(), deepseek["attn_v_b"].as_str()), ("1 q5_0, 26 q5_0", "1 q4_k, 26 q4_k"));
    // The block's number decides, the dense first one counted.
    assert_eq!((deepseek["ffn_down"].as_str(), deepseek["ffn_down_exps"].as_str()), ("1 q6_k", "12 q6_k, 14 q4_k"));
    assert_eq!(deepseek["ffn_down_shexp"], deepseek["ffn_down_exps"]);
    let falcon = parse_config(
        r#"{"model_type": "falcon", "hidden_size": 512, "num_hidden_layers": 32, "num_attention_heads": 8,
            "num_kv_heads": 2, "ffn_hidden_size": 2048, "vocab_size": 512, "new_decoder_architecture": true}"#,
        "falcon",
    );
    let falcon = types(&falcon.unwrap(), "q4_k_m");
    // One tensor holds all three.
    assert_eq!((falcon["attn_q"].as_str(), falcon["attn_v"].as_str()), ("16 q6_k, 16 q4_k", "16 q6_k, 16 q4_k"));
    assert_eq!((falcon["ffn_down"].as_str(), falcon["output"].as_str()), ("2 q6_k, 14 q5_k, 16 q4_k", "1 q8_0"));
    let kinds = ["conv", "conv", "full_attention"].repeat(5).join("\", \"");
    let lfm2 = small(&format!(
        r#""model_type": "lfm2", "num_hidden_layers": 16, "block_auto_adjust_ff_dim": false,
            "layer_types": ["{kinds}", "full_attention"]"#
    ));
    // Values are counted where there are any, downward matrices in all layers.
    assert_eq!(types(&lfm2, "q4_k_m")["attn_v"], "4 q4_k, 2 q6_k");
    assert_eq!(types(&lfm2, "q4_k_m")["ffn_down"], "6 q6_k, 4 q4_k, 4 q4_k, 2 q6_k");
    assert_eq!(types(&lfm2, "q4_k_m")["shortconv.conv"], "10 f32");
}

#[test]
fn checkpoints_of_experts_and_latents() {
    let open = small(r#""model_type": "gpt_oss", "num_local_experts": 8, "num_experts_per_tok": 4"#);
    let mxfp4 = types(&open, "mxfp4");
    assert_eq!((mxfp4["ffn_up_exps"].as_str(), mxfp4["attn_q"].as_str()), ("5 mxfp4, 5 mxfp4", "5 f16, 5 f16"));
    assert_eq!(mxfp4["ffn_gate_inp"], "5 f16, 5 f16");
    // Each expert is a matrix with scales of its own.
    let experts = 10 * 8 * 3;
    let fp8 = small(MIXTRAL).stored_bytes(weights("fp8")).unwrap();
    let [half, attention] = [2 * 512 * 512 * 2, 10 * (2 * 512 * 512 + 2 * 128 * 512 + 2 * 4 * 2)];
    let (routers, norms) = (10 * 8 * 512 * 2, 21 * 512 * 2);
    assert_eq!(fp8, half + attention + experts * (512 * 768 + 4) + routers + norms);
    // Engines that attend to latents keep what expands them in 16 bits.
    let model = small(DEEPSEEK);
    let runs = |runtime| Workload { weights: Some(weights("awq")), runtime, ..Workload::default() };
    let kinds = |runtime| {
        let steps = runs(runtime).runs(&model, Phase::Decode).unwrap().remove(0).steps.into_iter();
        let expansion = steps.filter(|step| ["attn_kv_b", "attn_k_b"].contains(&step.name));
        expansion.map(|step| step.operand.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(Runtime::Vllm), ["f16", "f16"]);
    assert_eq!(kinds(Runtime::HuggingFace), ["awq-4bit-g128", "awq-4bit-g128"]);
}

#[test]
fn rows_that_fit_no_super_block_fall_back() {
    let model = find("qwen2.5-0.5b").unwrap();
    for (word, kind) in [
        ("q4_k_s", "q5_0"),
        ("q5_k_s", "q5_1"),
        ("q6_k", "q8_0"),
        ("q3_k_s", "q4_0"),
        ("iq4_xs", "iq4_nl"),
        ("pure:q4_k", "q5_0"),
    ] {
        assert_eq!(types(&model, word)["attn_q"], format!("24 {kind}"), "{word}");
    }
    // Rows of 336 fit no block of 32 either.
    let odd = dense(512, 8, 2, 2, 336);
    for word in ["q4_k_m", "q4_0", "q8_0", "iq4_nl", "mxfp4_moe"] {
        assert_eq!(types(&odd, word)["ffn_down"], "2 f16", "{word}");
    }
    let refused = Workload { weights: Some(weights("q1_0")), ..Workload::default() };
    let message = refused.runs(&odd, Phase::Decode).unwrap_err().to_string();
    assert!(message.contains("--weights") && message.contains("336") && message.contains("q1_0"), "{message}");
}

#[test]
fn checkpoints_leave_embedding_head_and_norms_alone() {
    let model = dense(512, 8, 2, 2, 1024);
    let awq = types(&model, "awq");
    for name in ["token_embd", "output", "attn_norm", "output_norm"] {
        assert!(awq[name].ends_with(" f16"), "{name}: {}", awq[name]);
    }
    assert_eq!((awq["attn_q"].as_str(), awq["ffn_down"].as_str()), ("2 awq-4bit-g128", "2 awq-4bit-g128"));
    let mlx = types(&model, "mlx");
    assert_eq!((mlx["token_embd"].as_str(), mlx["output_norm"].as_str()), ("1 mlx-4bit-g64", "1 f16"));
    // Rows that are no whole number of groups stay as they were.
    assert_eq!(types(&dense(480, 8, 2, 2, 1024), "mlx")["attn_q"], "2 f16");
}

/// Bytes of a decode step counted on paper: 2 layers of 512, 8 heads, 2 kv heads, width 1024, vocabulary 1000.
#[test]
fn a_checkpoints_decode_step_counted_on_paper() {
    let model = dense(512, 8, 2, 2, 1024);
    let linear = |bytes: fn(u128, u128) -> u128| {
        2 * (2 * bytes(512, 512) + 2 * bytes(128, 512) + 2 * bytes(1024, 512) + bytes(512, 1024))
    };
    // One row of the embedding, the head, two norms a layer and the last.
    let rest = 2 * (512 + 1000 * 512 + 5 * 512);
    let read = |word: &str| {
        let workload = Workload { weights: Some(weights(word)), ..Workload::default() };
        let steps: Vec<Step> = workload.runs(&model, Phase::Decode).unwrap().remove(0).steps;
        steps.iter().map(|step| step.bytes(step.total().weights_read).unwrap()).sum::<u128>()
    };
    assert_eq!(read("awq"), rest + linear(|n, k| n * k / 2 + k / 128 * (2 * n + n / 2)));
    assert_eq!(read("gptq"), rest + linear(|n, k| n * k / 2 + k / 128 * (2 * n + n / 2) + 4 * k));
    assert_eq!(read("fp8"), rest + linear(|n, k| n * k + 4));
    assert_eq!(read("fp8-block"), rest + linear(|n, k| n * k + 4 * (n / 128) * (k / 128)));
    assert_eq!(read("mxfp4"), rest + linear(|n, k| n * k / 32 * 17));
    assert_eq!(read("nvfp4"), rest + linear(|n, k| n * k / 16 * 9 + 4));
    assert_eq!(read("nf4"), rest + linear(|n, k| n * k / 2 + n * k / 16));
    let mlx = linear(|n, k| n * k / 64 * 36) + (512 + 1000 * 512) / 64 * 36 + 2 * 5 * 512;
    assert_eq!(read("mlx"), mlx);
}

#[test]
fn caches_come_in_types_of_their_own() {
    let model = find("smollm2-135m").unwrap();
    for (kind, bits) in
        [(TensorType::Fp8, 8.0), (TensorType::Q8_0, 8.5), (TensorType::Q4_0, 4.5), (TensorType::Q5_1, 6.0)]
    {
        let workload = Workload { kv: kind, ..Workload::default() };
        let read = |step: &Step| step.total().cache_read;
        for step in workload.runs(&model, Phase::Decode).unwrap().remove(0).steps.iter().filter(|step| read(step) > 0) {
            assert_eq!(step.bytes(read(step)).unwrap() as f64, read(step) as f64 * bits / 8.0, "{kind}");
        }
    }
    let odd = Workload { kv: TensorType::Q8_0, ..Workload::default() };
    let message = odd.runs(&dense(80, 5, 5, 2, 256), Phase::Decode).unwrap_err().to_string();
    assert!(message.contains("head_dim") && message.contains("--kv"), "{message}");
}
