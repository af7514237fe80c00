//! What each family has beside the usual decoder, counted on paper; defaults of absent keys; null, which is not absent.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{
    Activation, Biases, Class, FeedForward, Forward, GroupedQuery, HeadNorm, Latents, Mixer, Model, Norm, Totals, find,
    parse_config, visible_pairs,
};
use serde_json::{Value, json};

const REMOVED: &str = "(removed)";

/// A small model of a family; `changes` override keys, or remove them.
fn text(family: &str, changes: Value) -> String {
    let mut keys = json!({
        "model_type": family, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "head_dim": 16,
        "tie_word_embeddings": true,
    });
    for (key, value) in changes.as_object().unwrap() {
        keys[key] = value.clone();
    }
    keys.as_object_mut().unwrap().retain(|_, value| value != REMOVED);
    keys.to_string()
}

fn small(family: &str, changes: Value) -> Model {
    parse_config(&text(family, changes), "small").unwrap()
}

fn refusal(family: &str, changes: Value) -> String {
    parse_config(&text(family, changes), "small").unwrap_err().to_string()
}

fn attention(model: &Model, layer: u64) -> GroupedQuery {
    let kind = model.shape.layers.iter().find(|kind| kind.places.contains(&layer)).unwrap();
    match &kind.mixer {
        Mixer::GroupedQuery(attention) => attention.clone(),
        other => panic!("{other:?}"),
    }
}

fn windows(model: &Model) -> Vec<Option<u64>> {
    (0..model.layer_count()).map(|layer| attention(model, layer).window).collect()
}

fn totals(model: &Model, forward: &Forward) -> Totals {
    Totals::of(&model.forward(forward).unwrap()).unwrap()
}

/// The usual decoder of that shape: embedding, two norms, four projections, a gated feed-forward.
const USUAL: u64 = 320 * 64 + 6 * (2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 96) + 64;

#[test]
fn parameters_beside_the_usual_ones() {
    let ungated = 6 * 64 * 96;
    // Biases of four projections and of two matrices; bias rows of norms.
    let (biases, mlp_biases, norm_biases) = (6 * (64 + 32 + 32 + 64), 6 * (96 + 64), 6 * 2 * 64 + 64);
    let cases: [(&str, Value, i64); 22] = [
        ("llama", json!({}), 0),
        ("mistral", json!({}), 0),
        ("qwen2", json!({}), 6 * 128),
        ("qwen3", json!({}), 6 * 32),
        ("gemma", json!({}), 0),
        ("gemma2", json!({}), 6 * 2 * 64),
        ("gemma3_text", json!({}), 6 * (2 * 64 + 32)),
        ("phi3", json!({}), 0),
        ("granite", json!({}), 0),
        ("minicpm", json!({}), 0),
        ("smollm3", json!({}), 0),
        ("olmo2", json!({}), 6 * (64 + 32)),
        ("glm4", json!({}), 6 * (128 + 2 * 64)),
        ("glm4", json!({"attention_bias": false}), 6 * 2 * 64),
        ("stablelm", json!({}), norm_biases),
        ("stablelm", json!({"use_qkv_bias": true, "qk_layernorm": true}), norm_biases + 6 * (128 + 64 + 32)),
        ("stablelm", json!({"use_parallel_residual": true}), norm_biases - 6 * 2 * 64),
        ("starcoder2", json!({}), norm_biases + biases + mlp_biases - ungated),
        ("starcoder2", json!({"use_bias": false}), norm_biases - ungated),
        ("gpt_neox", json!({"attention_bias": false}), norm_biases + mlp_biases - ungated),
        // One norm less per layer; a bias of the head.
        ("phi", json!({}), norm_biases - 6 * 2 * 64 + biases + mlp_biases - ungated + 320),
        ("phi", json!({"qk_layernorm": true}), norm_biases - 6 * 2 * 64 + biases + mlp_biases - ungated + 320 + 6 * 64),
    ];
    for (family, changes, more) in cases {
        let counted = small(family, changes.clone()).parameters().unwrap();
        assert_eq!(i64::try_from(counted).unwrap() - USUAL as i64, more, "{family} {changes}");
    }
}

#[test]
fn absent_keys_take_the_defaults_of_the_family() {
    let without =
        |family, key: &str| small(family, json!({ key: REMOVED, "num_attention_heads": 64, "hidden_size": 4096 }));
    for (family, kv_heads) in [
        ("llama", 64),
        ("mistral", 8),
        ("mixtral", 8),
        ("qwen2", 32),
        ("qwen2_moe", 16),
        ("qwen3", 32),
        ("qwen3_moe", 4),
        ("gemma", 16),
        ("gemma2", 4),
        ("gemma3_text", 4),
        ("phi", 64),
        ("phi3", 64),
        ("stablelm", 32),
        ("starcoder2", 2),
        ("minicpm", 64),
        ("smollm3", 4),
        ("olmo2", 64),
        ("olmoe", 64),
        ("granite", 64),
        ("lfm2", 8),
        ("gpt_oss", 8),
        ("glm4", 2),
    ] {
        assert_eq!(attention(&without(family, "num_key_value_heads"), 0).kv_heads, kv_heads, "{family}");
        let null = small(family, json!({"num_key_value_heads": null}));
        assert_eq!(attention(&null, 0).kv_heads, 4, "{family}: null derives them");
    }
    for (family, head_dim) in [
        ("llama", 64),
        ("gemma", 256),
        ("gemma2", 256),
        ("gemma3_text", 256),
        ("qwen3", 128),
        ("qwen3_moe", 64),
        ("gpt_oss", 64),
        ("glm4", 128),
        ("phi3", 64),
    ] {
        assert_eq!(attention(&without(family, "head_dim"), 0).head_dim, head_dim, "{family}");
    }
    for (family, tied) in [
        ("llama", false),
        ("gemma", true),
        ("gemma2", true),
        ("gemma3_text", true),
        ("starcoder2", true),
        ("smollm3", true),
        ("lfm2", true),
        ("minicpm", true),
        ("gpt_neox", false),
        ("phi3", false),
        ("olmo2", false),
        ("granite", false),
        ("glm4", false),
        ("gpt_oss", false),
        ("qwen3", false),
    ] {
        assert_eq!(without(family, "tie_word_embeddings").shape.tied, tied, "{family}");
    }
    let experts = |family, changes| match &small(family, changes).shape.layers[0].feed_forward {
        Some(FeedForward::Mixture(m)) => (m.experts, m.used, m.expert.width, m.shared.map(|s| (s.dense.width, s.gate))),
        other => panic!("{other:?}"),
    };
    assert_eq!(experts("mixtral", json!({})), (8, 2, 96, None));
    assert_eq!(experts("qwen2_moe", json!({})), (60, 4, 1408, Some((5632, true))));
    assert_eq!(experts("qwen3_moe", json!({})), (128, 8, 768, None));
    assert_eq!(experts("olmoe", json!({})), (64, 8, 96, None));
    assert_eq!(experts("gpt_oss", json!({})), (128, 4, 96, None));
    assert_eq!(experts("deepseek_v2", json!({"num_experts_per_tok": 6})), (64, 6, 1407, Some((2 * 1407, false))));
    assert_eq!(experts("deepseek_v3", json!({"first_k_dense_replace": 0})), (256, 8, 2048, Some((2048, false))));
    assert!(refusal("deepseek_v2", json!({})).starts_with("num_experts_per_tok: is missing"));
}

#[test]
fn an_absent_shape_is_taken_from_the_family_and_said() {
    // The 4B configuration of Gemma 3 leaves these out.
    let text = json!({"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
        "sliding_window": 1024});
    let wrapper = json!({"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152},
        "architectures": ["Gemma3ForConditionalGeneration"], "mm_tokens_per_image": 256});
    let model = parse_config(&wrapper.to_string(), "gemma-3-4b").unwrap();
    assert_eq!(model.parameters(), Ok(3_880_263_168));
    let remarks = model.source.remarks.join("\n");
    assert!(
        remarks.contains("num_attention_heads is absent") && remarks.contains("not counted: vision_config"),
        "{remarks}"
    );
    assert_eq!(parse_config(r#"{"model_type": "gpt2"}"#, "gpt2").unwrap().parameters(), Ok(124_439_808));
    assert_eq!(parse_config(r#"{"model_type": "opt"}"#, "opt").unwrap().parameters(), Ok(125_239_296));
    assert_eq!(parse_config(r#"{"model_type": "falcon"}"#, "falcon").unwrap().parameters(), Ok(6_921_720_704));
    assert_eq!(parse_config(r#"{"model_type": "minicpm3"}"#, "minicpm3").unwrap().parameters(), Ok(4_073_875_968));
}

#[test]
fn a_rank_that_is_absent_and_one_that_is_null() {
    let rank = |model: &Model| match &model.shape.layers[0].mixer {
        Mixer::Latent(latent) => latent.query_rank,
        other => panic!("{other:?}"),
    };
    let wide = json!({"hidden_size": 5120, "num_attention_heads": 128, "num_experts_per_tok": 6});
    let mut null = wide.clone();
    null["q_lora_rank"] = json!(null);
    assert_eq!(rank(&small("deepseek_v2", wide)), Some(1536));
    assert_eq!(rank(&small("deepseek_v2", null)), None);
    // Copies of DeepSeek-V2-Lite that drop the null: a rank of 1536 would make its projection larger.
    let lite = small("deepseek_v2", json!({"hidden_size": 2048, "num_attention_heads": 16, "num_experts_per_tok": 6}));
    assert_eq!(rank(&lite), None);
    assert!(
        lite.source.remarks.iter().any(|remark| remark.contains("q_lora_rank is absent")),
        "{:?}",
        lite.source.remarks
    );
}

#[test]
fn windows_by_layer() {
    let [none, five] = [None, Some(5)];
    let of = |family, changes: Value| windows(&small(family, changes));
    let window = json!({"sliding_window": 5});
    assert_eq!(of("gemma2", window.clone()), [five, none, five, none, five, none]);
    assert_eq!(of("gpt_oss", window.clone()), [five, none, five, none, five, none]);
    assert_eq!(of("gemma3_text", window.clone()), [five, five, five, five, five, none]);
    assert_eq!(
        of("gemma3_text", json!({"sliding_window": 5, "sliding_window_pattern": 3})),
        [five, five, none, five, five, none]
    );
    assert_eq!(of("phi3", window.clone()), [five; 6]);
    assert_eq!(of("starcoder2", window.clone()), [five; 6]);
    assert_eq!(of("mixtral", window.clone()), [five; 6]);
    assert_eq!(of("qwen3_moe", window.clone()), [none; 6]);
    assert_eq!(of("qwen3_moe", json!({"sliding_window": 5, "use_sliding_window": true})), [five; 6]);
    assert_eq!(
        of("smollm3", json!({"sliding_window": 5, "use_sliding_window": true})),
        [none, none, none, five, none, none]
    );
    assert_eq!(
        of("qwen2_moe", json!({"sliding_window": 5, "use_sliding_window": true, "max_window_layers": 3})),
        [five, none, five, none, none, none]
    );
    // Absent: the family's window, or none; null: none.
    let absent = |family| of(family, json!({}))[0];
    let null = |family| of(family, json!({"sliding_window": null}))[0];
    let families = ["mistral", "gemma2", "gemma3_text", "gpt_oss", "phi3", "starcoder2", "mixtral"];
    assert_eq!(families.map(absent), [Some(4096), Some(4096), Some(4096), Some(128), None, None, None]);
    assert_eq!(families.map(null), [None; 7]);
    let listed = [
        "full_attention",
        "sliding_attention",
        "full_attention",
        "full_attention",
        "full_attention",
        "sliding_attention",
    ];
    assert_eq!(
        of("gemma3_text", json!({"sliding_window": 5, "layer_types": listed})),
        [none, five, none, none, none, five]
    );
    // What slides sees less, and keeps less.
    let model = small("gemma2", window);
    let counts = totals(&model, &Forward { tokens: 9, ..Forward::ONE_TOKEN });
    let pairs = 3 * visible_pairs(9, 0, None) + 3 * visible_pairs(9, 0, Some(5));
    assert_eq!(counts.flops.get(Class::AttnCore), pairs * 4 * 4 * 16);
}

#[test]
fn heads_by_family() {
    let of = |family| attention(&small(family, json!({})), 0);
    assert_eq!(of("gpt_oss").biases, Biases::All);
    assert!(of("gpt_oss").sinks && !of("llama").sinks);
    assert_eq!(of("olmo2").head_norm, HeadNorm::Row(Norm::Rms));
    assert_eq!(of("lfm2").head_norm, HeadNorm::PerHead(Norm::Rms));
    assert!(of("gemma2").soft_cap && !of("gemma3_text").soft_cap);
    assert!(!attention(&small("gemma2", json!({"attn_logit_softcapping": null})), 0).soft_cap);
    assert_eq!(["llama", "gpt_neox", "phi", "glm4", "stablelm"].map(|family| of(family).rotary), [16, 4, 8, 8, 4]);
    assert_eq!(attention(&small("phi3", json!({"partial_rotary_factor": 0.75})), 0).rotary, 12);
    let rotary: Vec<u64> = (0..6).map(|layer| attention(&small("smollm3", json!({})), layer).rotary).collect();
    assert_eq!(rotary, [16, 16, 16, 0, 16, 16]);
    // An expert's biases, a router's, and a score per head that no key answers to.
    let oss = small("gpt_oss", json!({"num_local_experts": 4, "num_experts_per_tok": 2}));
    let experts = 4 * (3 * 64 * 96 + 2 * 96 + 64) + 4 * 64 + 4;
    let attention = 2 * 64 * 64 + 2 * 32 * 64 + (64 + 32 + 32 + 64) + 4;
    assert_eq!(oss.parameters(), Ok(320 * 64 + 6 * (2 * 64 + attention + experts) + 64));
}

#[test]
fn falcon_has_three_shapes() {
    let keys = |more: Value| {
        let mut keys = json!({"model_type": "falcon", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
            "vocab_size": 320});
        for (key, value) in more.as_object().unwrap() {
            keys[key] = value.clone();
        }
        let model = parse_config(&keys.to_string(), "falcon").unwrap();
        let norms = model.shape.layers[0].norms;
        (attention(&model, 0).kv_heads, norms.before_feed_forward, attention(&model, 0).rotary)
    };
    assert_eq!(keys(json!({})), (1, false, 16));
    assert_eq!(keys(json!({"new_decoder_architecture": true, "num_kv_heads": 2})), (2, true, 16));
    assert_eq!(keys(json!({"new_decoder_architecture": true, "num_ln_in_parallel_attn": 1})), (4, false, 16));
    assert_eq!(keys(json!({"multi_query": false, "parallel_attn": false, "alibi": true})), (4, true, 0));
    // Without the new architecture, this number means nothing.
    assert_eq!(keys(json!({"num_kv_heads": 4})).0, 1);
}

#[test]
fn tables_of_positions_and_narrow_embeddings() {
    let gpt2 =
        json!({"model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 4, "vocab_size": 320, "n_positions": 100});
    let model = parse_config(&gpt2.to_string(), "gpt2").unwrap();
    let layer = 4 * 64 * 64 + 4 * 64 + 2 * 64 * 256 + 256 + 64 + 2 * 2 * 64;
    assert_eq!(model.parameters(), Ok(320 * 64 + 100 * 64 + layer + 2 * 64));
    assert_eq!(model.parameters_active(), model.parameters(), "tables belong to every token");
    let opt = find("opt-350m").unwrap();
    assert_eq!(
        (opt.shape.embedding_width, opt.shape.position_rows, opt.shape.final_norm),
        (Some(512), Some(2050), None)
    );
    let one = totals(&opt, &Forward::ONE_TOKEN);
    assert_eq!(one.flops.get(Class::LmHead), 2 * 50272 * 512);
}

#[test]
fn hybrids_by_layer() {
    let keys = json!({"conv_L_cache": 3, "block_auto_adjust_ff_dim": false, "full_attn_idxs": [1, 4], "head_dim": 16});
    let model = small("lfm2", keys.clone());
    let attends: Vec<bool> = (0..6)
        .map(|at| {
            matches!(&model.shape.layers.iter().find(|l| l.places.contains(&at)).unwrap().mixer, Mixer::GroupedQuery(_))
        })
        .collect();
    assert_eq!(attends, [false, true, false, false, true, false]);
    let (conv, attention) = (4 * 64 * 64 + 3 * 64, 2 * 64 * 64 + 2 * 32 * 64 + 2 * 16);
    assert_eq!(model.parameters(), Ok(320 * 64 + 64 + 6 * (2 * 64 + 3 * 64 * 96) + 4 * conv + 2 * attention));
    assert_eq!(model.state_elements(), Ok(4 * 3 * 64));
    // Only two layers have a cache; the state is read and written whatever the context.
    let [short, long] = [0, 999].map(|past| totals(&model, &Forward { past, batch: 2, ..Forward::ONE_TOKEN }));
    assert_eq!([short.kv_write_elements, long.kv_read_elements], [2 * 2 * 64, 2 * 1000 * 2 * 64]);
    for counts in [short, long] {
        assert_eq!([counts.state_read_bytes, counts.state_write_bytes], [2 * 4 * 3 * 64 * 4; 2]);
    }
    let listed = ["conv", "full_attention", "conv", "conv", "full_attention", "conv"];
    let same = small("lfm2", json!({"layer_types": listed, "block_auto_adjust_ff_dim": false}));
    assert_eq!(same.shape.layers, model.shape.layers);
    // Two thirds of 96, up to a multiple of 256, unless told otherwise.
    let width = |changes| match small("lfm2", changes).shape.layers[0].feed_forward {
        Some(FeedForward::Dense(dense)) => dense.width,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(width(json!({})), 256);
    assert_eq!(width(json!({"block_multiple_of": 10, "block_ffn_dim_multiplier": 1.5})), 100);
}

#[test]
fn a_recurrence_counted_on_paper() {
    let keys = json!({"model_type": "mamba2", "hidden_size": 64, "num_hidden_layers": 2, "num_heads": 8, "head_dim": 16,
        "state_size": 10, "n_groups": 2, "conv_kernel": 4, "vocab_size": 320});
    let model = parse_config(&keys.to_string(), "mamba").unwrap();
    let (inner, convolved) = (128, 128 + 2 * 2 * 10);
    let layer = 64 + 64 * (2 * inner + 2 * 2 * 10 + 8) + convolved * 5 + 3 * 8 + inner + inner * 64;
    assert_eq!(model.parameters(), Ok(2 * 320 * 64 + 64 + 2 * layer));
    assert_eq!(model.state_elements(), Ok(2 * (inner * 10 + convolved * 4)));
    let counts = totals(&model, &Forward { tokens: 7, ..Forward::ONE_TOKEN });
    assert_eq!(counts.flops.get(Class::Ssm), 2 * 6 * 7 * u128::from(inner) * 10);
    assert_eq!((counts.kv_read_elements, counts.kv_write_elements), (0, 0));
    let mut wrong = keys;
    wrong["expand"] = json!(3);
    assert!(parse_config(&wrong.to_string(), "mamba").unwrap_err().to_string().starts_with("expand: 3"));
}

#[test]
fn functions_between_matrices() {
    let of = |family, changes| match small(family, changes).shape.layers[0].feed_forward {
        Some(FeedForward::Dense(dense)) => (dense.gated, dense.activation),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(of("gemma", json!({"hidden_act": "gelu"})), (true, Activation::Gelu));
    assert_eq!(of("starcoder2", json!({})), (false, Activation::Gelu));
    assert_eq!(of("plm", json!({"hidden_act": "relu2"})), (false, Activation::ReluSquared));
    assert_eq!(of("llama", json!({"hidden_act": "relu"})), (true, Activation::Relu));
    assert!(refusal("llama", json!({"hidden_act": "relu2"})).starts_with("hidden_act: "));
}

/// At position 29: 30 keys, in blocks of 4 or compressed to one for 4 and one for 8.
#[test]
fn chosen_blocks_and_compressed_keys_counted_on_paper() {
    let last = Forward { past: 29, ..Forward::ONE_TOKEN };
    let blocks = small(
        "minimax_m3",
        json!({"num_hidden_layers": 1, "dense_intermediate_size": 96, "mlp_layer_types": ["dense"],
            "layer_types": ["minimax_m3_sparse"], "rotary_dim": 8, "index_n_heads": 2, "index_head_dim": 8,
            "index_block_size": 4, "index_topk_blocks": 3}),
    );
    let counts = totals(&blocks, &last);
    // Two keys of its own block and two whole blocks; the indexer scores all.
    assert_eq!(counts.flops.get(Class::AttnCore), 4 * 10 * 2 * 32 + 2 * 30 * 2 * 8);
    assert_eq!(counts.kv_read_elements, 10 * 2 * 32 + 30 * 8);
    assert_eq!(blocks.cached_elements(30, Latents::Naive), Ok(30 * (2 * 32 + 8)));

    let compressed = small(
        "deepseek_v4",
        json!({"num_key_value_heads": 1, "num_hidden_layers": 3, "intermediate_size": REMOVED,
            "moe_intermediate_size": 32, "n_routed_experts": 4, "num_experts_per_tok": 2, "q_lora_rank": 32,
            "qk_rope_head_dim": 8, "o_groups": 2, "o_lora_rank": 16, "sliding_window": 8, "index_n_heads": 2,
            "index_head_dim": 8, "index_topk": 2,
            "layer_types": ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"],
            "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 8}}),
    );
    let counts = totals(&compressed, &last);
    // A window of 8; 2 chosen of 7 more; 3 more, all of them.
    assert_eq!(counts.flops.get(Class::AttnCore), 4 * (8 + 10 + 11) * 2 * 32 + 2 * 7 * 2 * 8);
    assert_eq!(counts.kv_read_elements, (8 + 10 + 11) * 16 + 7 * 8);
    assert_eq!(compressed.cached_elements(30, Latents::Naive), Ok((8 + 8 + 8) * 16 + 7 * (16 + 8) + 3 * 16));
}

/// Step-3.5 lists its layers for prediction behind the others.
#[test]
fn lists_may_go_on_for_layers_of_prediction() {
    let step = |types: &[&str], more: Value| {
        let mut keys = json!({"num_hidden_layers": 2, "moe_num_experts": 4, "moe_top_k": 2, "moe_intermediate_size": 64,
            "share_expert_dim": 128, "moe_layers_enum": "1", "layer_types": types, "sliding_window": 64,
            "attention_other_setting": {"num_attention_heads": 4, "num_attention_groups": 2}});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys
    };
    let two = ["full_attention", "sliding_attention"];
    let three = ["full_attention", "sliding_attention", "full_attention"];
    let plain = small("step3p5", step(&two, json!({})));
    let longer = small("step3p5", step(&three, json!({"num_nextn_predict_layers": 1})));
    assert_eq!((&longer.shape.layers, windows(&longer)), (&plain.shape.layers, windows(&plain)));
    assert_eq!(longer.shape.predictors.map(|predictors| predictors.count), Some(1));
    assert!(refusal("step3p5", step(&three, json!({}))).contains("lists 3 layers where num_hidden_layers is 2"));
}
