//! Architectures that are not known: each must be refused with a reason, or counted rightly; never wrongly.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Strictness, parse_config, parse_config_as};
use serde_json::{Value, json};

fn refusal(keys: Value) -> String {
    let message = parse_config(&keys.to_string(), "foreign").expect_err(&keys.to_string()).to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// As [`refusal`], of what is noted as a rule.
fn strict_refusal(keys: Value) -> String {
    let text = keys.to_string();
    let model = parse_config(&text, "foreign").unwrap();
    let remarks = &model.source.remarks;
    assert!(remarks.iter().any(|remark| remark.starts_with("not understood, taken as harmless: ")), "{remarks:?}");
    let message = parse_config_as(&text, "foreign", Strictness::Strict).expect_err(&text).to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn llama(more: Value) -> Value {
    let mut keys = json!({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
        "num_attention_heads": 4, "vocab_size": 320});
    for (key, value) in more.as_object().unwrap() {
        keys[key] = value.clone();
    }
    keys
}

#[test]
fn families_that_are_not_known() {
    let cases = [
        // Mamba and attention, with a shared block.
        (json!({"model_type": "zaya", "hidden_size": 64, "mamba_d_state": 64, "hybrid_layer_ids": [5]}), "\"zaya\""),
        (
            json!({"model_type": "longcat_flash_ngram", "hidden_size": 64, "n_routed_experts": 512}),
            "mixture of experts",
        ),
        (json!({"model_type": "t5", "d_model": 512, "d_ff": 2048, "is_encoder_decoder": true}), "an encoder"),
        (json!({"model_type": "rwkv7", "hidden_size": 64, "attention_hidden_size": 64}), "\"rwkv7\""),
        (json!({"model_type": "bert", "hidden_size": 768, "type_vocab_size": 2}), "\"bert\""),
        (json!({"d_model": 2560, "n_layer": 64, "ssm_cfg": {"layer": "Mamba2"}}), "model_type: is missing"),
    ];
    for (keys, words) in cases {
        let message = refusal(keys);
        assert!(message.starts_with("model_type: ") && message.contains(words), "{words}: {message}");
        assert!(message.len() < 200, "{message}");
    }
}

#[test]
fn known_families_with_something_else_inside() {
    for (key, value) in [
        ("num_experts", json!(8)),
        ("vision_config", json!({"depth": 2})),
        ("num_kv_shared_layers", json!(2)),
        ("hidden_size_per_layer_input", json!(256)),
        ("mamba_d_state", json!(16)),
        ("attention_chunk_size", json!(8192)),
        ("cross_attention_layers", json!([3])),
        ("sparse_config", json!({"topk": 64})),
        ("layer_pattern", json!("MMA")),
        ("kv_lora_rank", json!(512)),
        ("num_nextn_predict_layers", json!(1)),
        // No structures of their own: noted, and refused where that is asked for.
        ("use_qk_norm", json!(true)),
        ("hiden_size", json!(128)),
        ("parallel_attn", json!(true)),
        ("ffn_dim_multiplier", json!(1.3)),
    ] {
        let noted = ["use_qk_norm", "hiden_size", "parallel_attn", "ffn_dim_multiplier"].contains(&key);
        let keys = llama(json!({ key: value }));
        let message = if noted { strict_refusal(keys) } else { refusal(keys) };
        assert!(message.starts_with(&format!("{key}: ")) && message.contains("llama"), "{key}: {message}");
        // Off, it changes nothing.
        for off in [json!(null), json!(false), json!(0), json!([])] {
            assert!(parse_config(&llama(json!({ key: off })).to_string(), "off").is_ok(), "{key}");
        }
    }
    let kinds = refusal(llama(json!({"layer_types": ["linear_attention", "full_attention", "full_attention", "x"]})));
    assert!(kinds.contains("linear_attention"), "{kinds}");
    let hybrid = json!({"model_type": "lfm2", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 2, "layer_types": ["mamba"]});
    assert!(refusal(hybrid).contains("\"mamba\""));
    let mut dense_family = llama(json!({"num_experts": 8}));
    dense_family["model_type"] = json!("minicpm");
    assert!(refusal(dense_family).starts_with("num_experts: announces a mixture of experts"));
}

/// Names that sound like nothing: their values could be extents, switches, or whole structures.
#[test]
fn unknown_keys_that_may_be_a_shape() {
    for value in [json!(2), json!(-1), json!(4096), json!(u64::MAX), json!(true), json!([1]), json!({"a": 1})] {
        let message = strict_refusal(llama(json!({"ngram": value, "use_cache": true, "tinker": 7})));
        assert!(message.starts_with("ngram: is ") && message.contains("not understood either: tinker"), "{message}");
    }
    for value in [json!(1), json!(0), json!("x"), json!(0.5), json!(false), json!(null), json!([]), json!({})] {
        assert!(parse_config(&llama(json!({ "ngram": value })).to_string(), "m").is_ok(), "{value}");
    }
    assert!(strict_refusal(llama(json!({"hiddenSize": 4096}))).starts_with("hiddenSize: "));
}

#[test]
fn what_is_harmless_stays_so() {
    let plain = parse_config(&llama(json!({})).to_string(), "m").unwrap();
    let keys = json!({"initializer_range": 0.02, "rms_norm_eps": 1e-5, "rope_theta": 1e4, "rope_scaling": {"factor": 8.0},
        "bos_token_id": 1, "eos_token_id": [1, 2], "pretraining_tp": 1, "use_cache": true, "transformers_version": "5.0",
        "_name_or_path": "x", "attention_dropout": 0.1, "num_beams": 4, "is_llama_config": true, "rope_interleaved": false,
        "original_max_position_embeddings": 8192, "auto_map": {"AutoModel": "x"}, "unsloth_fixed": true, "unheard_of": "x",
        "_attn_implementation_autoset": true, "max_length": 4096, "do_sample": true, "top_k": 50,
        "task_specific_params": {"text-generation": {"max_length": 50}}, "summary_use_proj": true, "strange": 1.5});
    assert_eq!(parse_config(&llama(keys.clone()).to_string(), "m").unwrap(), plain);
    // What real files of these families hold beside.
    for (family, keys) in [
        ("stablelm", json!({"num_heads": 4, "norm_eps": 1e-5, "rope_pct": 0.25})),
        ("lfm2", json!({"theta": 1_000_000, "num_heads": 4, "use_pos_enc": true})),
        ("phi3", json!({"interpolate_factor": 1, "lm_head_bias": false, "full_attn_mod": 1, "embd_pdrop": 0.0})),
        ("minicpm", json!({"mup_denominator": 32, "scale_emb": 12, "rope_scaling": {"short_factor": [1.0]}})),
        (
            "deepseek_v2",
            json!({"seq_aux": true, "aux_loss_alpha": 0.001, "ep_size": 1, "routed_scaling_factor": 16.0,
            "num_experts_per_tok": 6, "norm_topk_prob": true, "pretraining_tp": 1}),
        ),
        ("smollm3", json!({"pretraining_tp": 2, "transformers.js_config": {"kv_cache_dtype": {"fp16": "float16"}}})),
        ("gemma3_text", json!({"query_pre_attn_scalar": 168, "use_bidirectional_attention": false})),
    ] {
        let mut more = keys.as_object().unwrap().clone();
        more.insert("num_key_value_heads".to_owned(), json!(4));
        more.insert("model_type".to_owned(), json!(family));
        assert!(parse_config(&llama(Value::Object(more.clone())).to_string(), "m").is_ok(), "{more:?}");
    }
    let gpt2 =
        json!({"model_type": "gpt2", "n_special": 0, "predict_special_tokens": true, "output_past": true, "n_ctx": 9});
    let falcon = json!({"model_type": "falcon", "ff_factor": 4, "apply_residual_connection_post_layernorm": false, "n_layer": 3});
    assert!([gpt2, falcon].iter().all(|keys| parse_config(&keys.to_string(), "m").is_ok()));
    assert!(refusal(llama(json!({"num_heads": 8}))).starts_with("num_heads: 8 disagrees with num_attention_heads 4"));
    // As Python writes it, in no string.
    let text =
        llama(keys).to_string().replace("1.5", "[0.0, Infinity, -Infinity, NaN]").replace("strange", "time_step_limit");
    let named = text.replace("\"x\"", r#""a \\\" NaN \\""#);
    assert_eq!(parse_config(&named, "m").unwrap(), plain);
    assert!(parse_config(&text.replace("NaN", "Nan"), "m").unwrap_err().to_string().contains("not JSON"));
}

#[test]
fn drafts_are_no_models_of_their_own() {
    let message = refusal(llama(json!({"draft_vocab_size": 32000})));
    assert!(message.starts_with("draft_vocab_size: what has it drafts for another model"), "{message}");
    for class in ["LlamaForCausalLMEagle3", "Eagle3LlamaForCausalLM", "DFlashDraftModel", "MedusaModel"] {
        let message = refusal(llama(json!({"architectures": [class], "decoder_sparse_step": 1, "sliding_window": 9})));
        assert!(message.starts_with(&format!("architectures: \"{class}\" drafts for another model")), "{message}");
        assert!(message.contains("no causal language model") && message.ends_with("that it drafts for"), "{message}");
    }
    let other = refusal(llama(json!({"architectures": ["LlamaForSequenceClassification"]})));
    assert!(other.contains("no causal language model") && !other.contains("drafts"), "{other}");
}

#[test]
fn wrappers_need_their_language_model() {
    let text = llama(json!({}));
    let wrapped =
        |text: &Value| json!({"model_type": "llava", "text_config": text, "vision_config": {"hidden_size": 9}});
    let (alone, model) =
        [text.clone(), wrapped(&text)].map(|keys| parse_config(&keys.to_string(), "m").unwrap()).into();
    assert_eq!(alone.shape, model.shape);
    assert!(model.source.remarks[0].contains("multimodal llava") && model.source.remarks[0].contains("a llama"));
    let message = refusal(wrapped(&json!({"model_type": "nemotron_x"})));
    assert!(message.starts_with("text_config, the language model of llava: model_type: \"nemotron_x\""), "{message}");
    let unknown = refusal(json!({"model_type": "owlish", "text_config": {"hidden_size": 64}}));
    assert!(unknown.contains("(text_config announces a multimodal wrapper)"), "{unknown}");
    for keys in [
        json!({"model_type": "gemma3"}),
        json!({"model_type": "gemma3", "text_config": 3}),
        json!({"model_type": "llava", "vision_config": {"hidden_size": 1024}}),
    ] {
        assert!(refusal(keys).starts_with("text_config: is missing or no object; a "));
    }
    let other = json!({"model_type": "gemma3", "text_config": {"model_type": "nemotron_x"}});
    assert!(refusal(other).contains("\"nemotron_x\""));
}

#[test]
fn numbers_that_contradict_each_other() {
    for (family, keys, words) in [
        ("mixtral", json!({"num_experts_per_tok": 9}), "num_experts_per_tok: 9 is more than num_local_experts 8"),
        ("mixtral", json!({"num_local_experts": 8, "num_experts": 4}), "num_experts: disagrees with num_local_experts"),
        ("olmoe", json!({"num_experts": 0}), "num_experts: "),
        ("qwen3_moe", json!({"mlp_only_layers": [-1]}), "mlp_only_layers: "),
        ("qwen3_moe", json!({"decoder_sparse_step": 0}), "decoder_sparse_step: "),
        ("deepseek_v3", json!({"kv_lora_rank": null}), "kv_lora_rank: is null"),
        ("deepseek_v3", json!({"n_shared_experts": 1u64 << 40}), "n_shared_experts: "),
        ("lfm2", json!({"full_attn_idxs": [9]}), "full_attn_idxs: "),
        ("lfm2", json!({"conv_dim": 32}), "conv_dim: 32"),
        ("phi3", json!({"partial_rotary_factor": 2.0}), "partial_rotary_factor: "),
        ("smollm3", json!({"no_rope_layers": [1]}), "no_rope_layers: lists 1"),
        ("gemma2", json!({"attn_logit_softcapping": "50"}), "attn_logit_softcapping: "),
        ("opt", json!({"layer_norm_elementwise_affine": false}), "layer_norm_elementwise_affine: "),
    ] {
        let mut all = llama(keys);
        all["model_type"] = json!(family);
        all["num_key_value_heads"] = json!(null);
        let message = refusal(all);
        assert!(message.starts_with(words), "{family}: {message}");
    }
}
