//! Recurrences, chunks and chosen keys, counted on paper; configurations as their makers publish them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Class, Demand, Forward, Latents, Model, Step, TensorType, Totals, parse_config};
use serde_json::{Value, json};

fn model(keys: &Value) -> Model {
    parse_config(&keys.to_string(), "small").unwrap_or_else(|e| panic!("{e}: {keys}"))
}

fn totals(model: &Model, forward: &Forward) -> Totals {
    Totals::of(&model.forward(forward).unwrap()).unwrap()
}

fn delta() -> Value {
    json!({"model_type": "qwen3_next", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 320, "num_experts": 4,
        "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 48,
        "linear_num_key_heads": 2, "linear_num_value_heads": 6, "linear_key_head_dim": 8, "linear_value_head_dim": 10})
}

/// Three of four layers keep a matrix for each value head, and the last inputs of their convolution.
#[test]
fn a_delta_rule_keeps_a_matrix_for_each_head() {
    let model = model(&delta());
    let (values, convolved) = (6 * 10, 2 * 2 * 8 + 6 * 10);
    let state = u128::from(3 * (values * 8 + convolved * 4_u64));
    assert_eq!(model.state_elements().map(u128::from), Ok(state));
    // Whatever the context and the number of tokens, once per pass and sequence, in f32.
    for (tokens, past, passes, batch) in [(1, 0, 1, 1), (1, 9000, 1, 3), (64, 7, 1, 2), (1, 5, 10, 1)] {
        let counts = totals(&model, &Forward { tokens, past, passes, batch, ..Forward::ONE_TOKEN });
        let times = u128::from(passes * batch);
        assert_eq!((counts.state_read_bytes, counts.state_write_bytes), (4 * state * times, 4 * state * times));
        let scanned = u128::from(tokens * passes * batch) * u128::from(values * 8);
        assert_eq!(counts.flops.get(Class::Ssm), 3 * 8 * scanned, "decay, what the key finds, product, sum, read-out");
    }
    // One layer attends: keys and values of two heads.
    assert_eq!(model.kv_elements_per_token(Latents::Naive), Ok(2 * 2 * 16));
}

#[test]
fn scans_by_their_kind() {
    let mamba = model(&json!({"model_type": "mamba", "hidden_size": 64, "num_hidden_layers": 3, "state_size": 5,
        "vocab_size": 320}));
    let counts = totals(&mamba, &Forward { tokens: 7, ..Forward::ONE_TOKEN });
    assert_eq!(counts.flops.get(Class::Ssm), 3 * 9 * 7 * 128 * 5);
    assert_eq!(mamba.state_elements(), Ok(3 * 128 * (5 + 4)));
    let lightning = model(&json!({"model_type": "minimax", "hidden_size": 64, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
        "attn_type_list": [0, 1]}));
    let counts = totals(&lightning, &Forward { tokens: 7, ..Forward::ONE_TOKEN });
    assert_eq!((counts.flops.get(Class::Ssm), lightning.state_elements()), (6 * 7 * 64 * 16, Ok(64 * 16)));
}

fn sparse() -> Value {
    json!({"model_type": "deepseek_v32", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 320, "q_lora_rank": 24, "kv_lora_rank": 32,
        "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 12, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 1, "first_k_dense_replace": 2,
        "index_n_heads": 3, "index_head_dim": 10, "index_topk": 100})
}

/// All keys are scored, the best are attended to, and all are kept.
#[test]
fn an_indexer_reads_every_key_and_attention_the_chosen() {
    let model = model(&sparse());
    for (past, chosen) in [(49_u64, 50), (99, 100), (4999, 100)] {
        let forward = Forward { past, latents: Latents::Absorbed, ..Forward::ONE_TOKEN };
        let (counts, keys) = (totals(&model, &forward), u128::from(past + 1));
        assert_eq!(counts.kv_read_elements, 2 * (keys * 10 + chosen * 40), "{past}");
        assert_eq!(counts.kv_write_elements, 2 * (10 + 40));
        // Heads of the indexer multiply keys; those of attention multiply latents twice.
        assert_eq!(counts.flops.get(Class::AttnCore), 2 * 2 * (3 * keys * 10 + 4 * chosen * (40 + 32)), "{past}");
        assert_eq!(model.cached_elements(past + 1, Latents::Absorbed).map(u128::from), Ok(2 * keys * 50));
    }
    // Tokens of one pass choose for themselves, yet no key is read twice.
    let forward = Forward { tokens: 8, past: 500, latents: Latents::Absorbed, ..Forward::ONE_TOKEN };
    assert_eq!(totals(&model, &forward).kv_read_elements, 2 * (508 * 10 + 508 * 40));
}

#[test]
fn a_choice_may_be_an_earlier_layers() {
    let mut keys = sparse();
    (keys["model_type"], keys["num_hidden_layers"]) = (json!("glm_moe_dsa"), json!(6));
    let all = model(&keys).parameters().unwrap();
    keys["index_topk_freq"] = json!(4);
    // Layers 0, 1 and 5 choose.
    let indexer = 3 * 10 * 24 + 10 * 64 + 2 * 10 + 3 * 64;
    assert_eq!(model(&keys).parameters(), Ok(all - 3 * indexer));
    keys["indexer_types"] = json!(["full", "shared", "shared", "shared", "shared", "shared"]);
    assert_eq!(model(&keys).parameters(), Ok(all - 5 * indexer));
}

/// Three of four layers see their own chunk of 16 tokens.
#[test]
fn chunks_begin_anew() {
    let model = model(&json!({"model_type": "llama4_text", "hidden_size": 64, "intermediate_size": 32,
        "intermediate_size_mlp": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 16, "vocab_size": 320, "attention_chunk_size": 16, "moe_layers": []}));
    for position in [0_u64, 1, 15, 16, 17, 31, 32, 1000] {
        let counts = totals(&model, &Forward { past: position, ..Forward::ONE_TOKEN });
        let keys = u128::from(3 * (position % 16 + 1) + position + 1);
        assert_eq!(counts.kv_read_elements, keys * 2 * 2 * 16, "{position}");
        assert_eq!(counts.flops.get(Class::AttnCore), keys * 4 * 2 * 2 * 16, "{position}");
    }
    // A prompt of 40 in one pass, and token by token.
    let flops = |tokens, passes| {
        totals(&model, &Forward { tokens, passes, logits: tokens, ..Forward::ONE_TOKEN }).flops.get(Class::AttnCore)
    };
    assert_eq!((flops(40, 1), flops(8, 5)), (flops(1, 40), flops(1, 40)));
}

/// Keys as their makers write them; what is not understood would be remarked on.
#[test]
fn published_configurations() {
    for line in include_str!("data/recurrent-models.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let model = model(&row["config"]);
        assert_eq!(model.parameters().ok(), row["total"].as_u64(), "{}", row["name"]);
        let unsure = model.source.remarks.iter().find(|remark| remark.contains("not understood"));
        assert_eq!(unsure, None, "{}", row["name"]);
    }
}

#[test]
fn what_contradicts_itself_or_is_of_a_later_model() {
    let small = |family: &str, more: Value| {
        let mut keys = json!({"model_type": family, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parse_config(&keys.to_string(), "small").unwrap_err().to_string()
    };
    for (family, more, words) in [
        ("jamba", json!({"attn_layer_offset": 8}), "attn_layer_offset: 8 must be below attn_layer_period 8"),
        ("nemotron_h", json!({"hybrid_override_pattern": "M*"}), "hybrid_override_pattern: lists 2 layers"),
        ("nemotron_h", json!({"hybrid_override_pattern": "M*-?"}), "hybrid_override_pattern: \"?\" is not supported"),
        ("nemotron_h", json!({}), "hybrid_override_pattern: is missing"),
        ("qwen3_next", json!({"linear_num_key_heads": 5}), "linear_num_key_heads: 5 does not divide"),
        ("bamba", json!({"attn_layer_indices": [4]}), "attn_layer_indices: names a layer beyond"),
        ("bamba", json!({"mamba_n_heads": 3}), "mamba_expand: 2 × hidden_size 64 is not mamba_n_heads 3"),
        ("falcon_h1", json!({"projectors_bias": true, "mamba_n_heads": 128}), "projectors_bias: "),
        (
            "kimi_linear",
            json!({"linear_attn_config": {"full_attn_layers": [5]}}),
            "linear_attn_config: full_attn_layers",
        ),
        ("kimi_linear", json!({"linear_attn_config": {"use_full_rank_gate": true}}), "linear_attn_config: \"use_full"),
        ("kimi_linear", json!({"attn_res_block_size": 12}), "attn_res_block_size: "),
        ("mamba", json!({"intermediate_size": 100}), "intermediate_size: 100 is not 128"),
        ("glm_moe_dsa", json!({"index_topk_pattern": "FXSS"}), "index_topk_pattern: \"X\" is not supported"),
        ("zaya", json!({}), "model_type: \"zaya\" is not supported"),
    ] {
        let message = small(family, more);
        assert!(message.starts_with(words), "{family}: {message}");
    }
}

/// A block that layers share is stored once, and read at each use.
#[test]
fn blocks_that_layers_share() {
    let config = |tied: bool| {
        json!({"model_type": "zamba2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 7,
            "num_attention_heads": 4, "n_mamba_heads": 8, "num_mem_blocks": 2, "vocab_size": 320, "tie_word_embeddings": tied,
            "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid", "hybrid", "hybrid", "hybrid"]})
        .to_string()
    };
    let model = parse_config(&config(true), "small").unwrap();
    let steps = model.forward(&Forward::ONE_TOKEN).unwrap();
    let of =
        |name: &str, count: fn(&Step) -> u128| -> u128 { steps.iter().filter(|s| s.name == name).map(count).sum() };
    assert_eq!(of("attn_q", Step::stored_elements), 2 * 128 * 128);
    assert_eq!(of("attn_q", |step| step.total().weights_read), 5 * 128 * 128);
    assert_eq!(of("ffn_up_adapter_a", Step::stored_elements), 5 * 128 * 64);
    assert!(model.with_layers(8).unwrap_err().to_string().contains("share weights"));
    // Lent weights have the types of those that are stored.
    let demand = Demand::new(&model, Some("q8_0".parse().unwrap()), TensorType::F16).unwrap();
    let mut types = Vec::new();
    demand
        .each_step(&Forward::ONE_TOKEN, |step| types.extend((step.name == "attn_q").then_some(step.operand)))
        .unwrap();
    assert_eq!(types, [TensorType::Q8_0; 4]);
    let untied = parse_config(&config(false), "small").unwrap_err().to_string();
    assert!(untied.starts_with("tie_word_embeddings: false is not supported for zamba2"), "{untied}");
}
