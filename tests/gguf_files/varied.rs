//! Small files of architectures whose layers differ, or that have parts of their own.

use super::families::{Case, EXPERT_KEYS, EXPERTS, GATED, HEAD_NORMS, POST_NORMS, SEPARATE, SHARED, same};
use serde_json::json;

const HEAD: &str = "output_norm 256; output 256x300; ";
const CORRECTION: &str = "exp_probs_b.bias 4; ";
const LAYER_INPUT: &str = "inp_gate 256x16; proj 16x256; post_norm 256; ";
const LAYER_INPUTS: &str =
    "output_norm 256; per_layer_token_embd 32x300; per_layer_model_proj 256x32:f32; per_layer_proj_norm 16; ";
const ALTUP: &str = "altup_correct_coef 4x4:f32; altup_correct_scale 256; altup_predict_coef 4x16:f32; altup_router 256x4:f32; \
    altup_router_norm 256; laurel_l 256x8:f32; laurel_r 8x256:f32; laurel_post_norm 256; ";
const WINDOWED_EXPERTS: &[(&str, u32)] = &[
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
    ("attention.sliding_window", 64),
];
const MIMO: &[(&str, u32)] = &[
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
    ("attention.sliding_window", 64),
    ("attention.value_length", 16),
    ("rope.dimension_count", 16),
];
const GEMMA3N: &[(&str, u32)] = &[
    ("attention.sliding_window", 64),
    ("attention.shared_kv_layers", 1),
    ("embedding_length_per_layer_input", 16),
    ("altup.num_inputs", 4),
];
const GEMMA4: &[(&str, u32)] = &[
    ("attention.sliding_window", 64),
    ("attention.key_length", 64),
    ("attention.value_length", 64),
    ("attention.key_length_swa", 32),
    ("attention.value_length_swa", 32),
    ("attention.shared_kv_layers", 1),
    ("embedding_length_per_layer_input", 16),
];
const GEMMA4_EXPERTS: &[(&str, u32)] = &[
    ("attention.sliding_window", 64),
    ("attention.key_length", 64),
    ("attention.value_length", 64),
    ("attention.key_length_swa", 32),
    ("attention.value_length_swa", 32),
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
];

/// Keys with a number for each block.
pub(super) fn lists(case: &Case) -> Vec<(&'static str, Vec<u32>)> {
    let (pattern, kv_heads) = ("attention.sliding_window_pattern", "attention.head_count_kv");
    match case.arch {
        "lfm2" => vec![(kv_heads, vec![0, 2])],
        "deci" => vec![(kv_heads, vec![2, 0])],
        "mimo2" => vec![(pattern, vec![0, 1]), (kv_heads, vec![2, 4])],
        "step35" => vec![(pattern, vec![0, 1]), ("attention.head_count", vec![8, 4])],
        "laguna" => vec![("attention.head_count", vec![8, 4])],
        "cohere2moe" => vec![(pattern, vec![1, 0])],
        "mellum" => vec![(pattern, vec![1, 0])],
        // That of the layer for multi-token prediction stands behind, whether the file has it or not.
        "deepseek4" => vec![("attention.compress_ratios", vec![128, 4, 0])],
        "gemma4" if case.config["enable_moe_block"] == true => vec![(pattern, vec![1, 0]), (kv_heads, vec![2, 1])],
        "gemma3n" | "gemma4" => vec![(pattern, vec![1, 0])],
        _ => Vec::new(),
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let two = |arch, config, keys, globals, blocks: [&[&str]; 2]| Case {
        arch,
        config,
        keys,
        globals,
        blocks: blocks.map(|parts| parts.concat()),
    };
    let experts = [EXPERTS, SHARED, CORRECTION].concat();
    let fused = "attn_norm 256; attn_qkv 256x384; attn_output 256x256; ";
    let gate = "attn_gate 256x256; ";
    vec![
        same(
            "granitemoe",
            json!({"model_type": "granitemoe", "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 64}),
            EXPERT_KEYS,
            HEAD,
            &[SEPARATE, EXPERTS],
        ),
        same("bitnet", json!({"model_type": "bitnet"}), &[], HEAD, &[SEPARATE, "attn_sub_norm 256; ffn_sub_norm 512; ", GATED]),
        two(
            "afmoe",
            json!({"model_type": "afmoe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
                "num_dense_layers": 1, "num_shared_experts": 2, "sliding_window": 64}),
            WINDOWED_EXPERTS,
            HEAD,
            [&[SEPARATE, gate, HEAD_NORMS, GATED, POST_NORMS], &[SEPARATE, gate, HEAD_NORMS, &experts, POST_NORMS]],
        ),
        two(
            "bailingmoe2",
            json!({"model_type": "bailing_moe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
                "num_shared_experts": 2, "first_k_dense_replace": 1, "use_qk_norm": true,
                "moe_router_enable_expert_bias": true}),
            EXPERT_KEYS,
            HEAD,
            [&[fused, HEAD_NORMS, GATED], &[fused, HEAD_NORMS, &experts]],
        ),
        two(
            "deci",
            json!({"model_type": "nemotron-nas", "num_key_value_heads": null, "intermediate_size": null, "block_configs": [
                {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": 3.0}},
                {"attention": {"replace_with_linear": true}, "ffn": {"no_op": true}}]}),
            &[],
            HEAD,
            [&[SEPARATE, GATED], &["attn_norm 256; attn_output 256x256; "]],
        ),
        two(
            "mimo2",
            json!({"model_type": "mimo_v2_flash", "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
                "v_head_dim": 16, "hybrid_layer_pattern": [0, 1], "swa_num_key_value_heads": 4, "moe_layer_freq": [0, 1],
                "sliding_window": 64, "partial_rotary_factor": 0.5}),
            MIMO,
            HEAD,
            [
                &["attn_norm 256; attn_q 256x256; attn_k 256x64; attn_v 256x32; attn_output 128x256; ", GATED],
                &[
                    "attn_norm 256; attn_q 256x256; attn_k 256x128; attn_v 256x64; attn_output 128x256; attn_sinks 8; ",
                    EXPERTS,
                    CORRECTION,
                ],
            ],
        ),
        two(
            "step35",
            json!({"model_type": "step3p5", "moe_num_experts": 4, "moe_top_k": 2, "moe_intermediate_size": 64,
                "share_expert_dim": 128, "moe_layers_enum": "1", "layer_types": ["full_attention", "sliding_attention"],
                "sliding_window": 64, "attention_other_setting": {"num_attention_heads": 4, "num_attention_groups": 2}}),
            WINDOWED_EXPERTS,
            HEAD,
            [
                &[SEPARATE, HEAD_NORMS, "attn_gate 256x8; ", GATED],
                &[
                    "attn_norm 256; attn_q 256x128; attn_k 256x64; attn_v 256x64; attn_output 128x256; attn_gate 256x4; ",
                    HEAD_NORMS,
                    &experts,
                ],
            ],
        ),
    ]
    .into_iter()
    .chain(gemmas())
    .chain(late())
    .collect()
}

const MINIMAX_M3: &[(&str, u32)] = &[
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
    ("rope.dimension_count", 16),
    ("attention.indexer.head_count", 2),
    ("attention.indexer.key_length", 16),
    ("attention.indexer.top_k", 4),
    ("attention.indexer.block_size", 8),
    ("attention.indexer.local_blocks", 1),
];
const DEEPSEEK4: &[(&str, u32)] = &[
    ("attention.head_count_kv", 1),
    ("attention.q_lora_rank", 64),
    ("attention.sliding_window", 64),
    ("attention.output_group_count", 2),
    ("attention.output_lora_rank", 16),
    ("attention.indexer.head_count", 4),
    ("attention.indexer.key_length", 16),
    ("attention.indexer.top_k", 8),
    ("rope.dimension_count", 16),
    ("hyper_connection.count", 2),
    ("hash_layer_count", 1),
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
];

/// Architectures of 2026, by the names in llama.cpp of August 2026.
fn late() -> Vec<Case> {
    let types = ["full_attention", "sliding_attention"];
    let experts = [EXPERTS, SHARED, CORRECTION].concat();
    let of_experts = json!({"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64});
    let config = |kind: &str, more: serde_json::Value| {
        let mut all = of_experts.as_object().unwrap().clone();
        all.insert("model_type".to_owned(), kind.into());
        all.extend(more.as_object().unwrap().clone());
        serde_json::Value::Object(all)
    };
    let case = |arch, config, keys, globals, blocks: [&[&str]; 2]| Case {
        arch,
        config,
        keys,
        globals,
        blocks: blocks.map(|parts| parts.concat()),
    };
    let indexed = "indexer.q_proj 256x32; indexer.k_proj 256x16; indexer.q_norm 16; indexer.k_norm 16; ";
    let four = "attn_norm 256; attn_q 256x128; attn_k 256x64; attn_v 256x64; attn_output 128x256; attn_gate 256x4; ";
    let shared = json!({"first_k_dense_replace": 1, "num_shared_experts": 2, "sliding_window": 64});
    vec![
        case(
            "exaone-moe",
            config("exaone_moe", shared),
            WINDOWED_EXPERTS,
            HEAD,
            [&[SEPARATE, HEAD_NORMS, GATED], &[SEPARATE, HEAD_NORMS, &experts]],
        ),
        case(
            "hy_v3",
            config("hy_v3", json!({"first_k_dense_replace": 1, "num_shared_experts": 2})),
            EXPERT_KEYS,
            HEAD,
            [&[SEPARATE, HEAD_NORMS, GATED], &[SEPARATE, HEAD_NORMS, EXPERTS, SHARED, "exp_probs_b! 4; "]],
        ),
        case(
            "laguna",
            config(
                "laguna",
                json!({"shared_expert_intermediate_size": 128, "mlp_layer_types": ["dense", "sparse"],
                "layer_types": types, "sliding_window": 64, "num_attention_heads_per_layer": [8, 4], "gating": "per-head"}),
            ),
            WINDOWED_EXPERTS,
            HEAD,
            [&[SEPARATE, HEAD_NORMS, "attn_gate 256x8; ", GATED], &[four, HEAD_NORMS, &experts]],
        ),
        case(
            "cohere2moe",
            json!({"model_type": "cohere2_moe", "num_experts": 4, "num_experts_per_tok": 2, "num_shared_experts": 2,
                "intermediate_size": 64, "sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]}),
            WINDOWED_EXPERTS,
            "output_norm 256; ",
            [&[SEPARATE, EXPERTS.trim_start_matches("ffn_norm 256; "), SHARED]; 2],
        ),
        case(
            "mellum",
            config("mellum", json!({"sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]})),
            WINDOWED_EXPERTS,
            HEAD,
            [&[SEPARATE, HEAD_NORMS, EXPERTS]; 2],
        ),
        case(
            "minimax-m3",
            json!({"model_type": "minimax_m3", "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 64,
                "dense_intermediate_size": 512, "shared_intermediate_size": 128, "moe_layer_freq": [0, 1],
                "sparse_attention_config": {"sparse_num_index_heads": 2, "sparse_index_dim": 16, "sparse_topk_blocks": 4,
                    "sparse_block_size": 8, "sparse_attention_freq": [0, 1]}}),
            MINIMAX_M3,
            HEAD,
            [&[SEPARATE, HEAD_NORMS, GATED], &[SEPARATE, HEAD_NORMS, indexed, &experts]],
        ),
        deepseek4(),
    ]
}

/// Layers that compress 128 tokens and look their experts up, and layers that compress 4 and choose.
fn deepseek4() -> Case {
    let attention = "attn_norm 256; attn_sinks 8; attn_q_a 256x64; attn_q_a_norm 64; attn_q_b 64x256; attn_kv 256x32; \
        attn_kv_a_norm 32; attn_output_a 128x16x2; attn_output_b 32x256; hc_attn_fn 512x8:f32; hc_attn_base 8; hc_attn_scale 3; \
        hc_ffn_fn 512x8:f32; hc_ffn_base 8; hc_ffn_scale 3; ";
    let shared = "ffn_gate_shexp 256x64; ffn_up_shexp 256x64; ffn_down_shexp 64x256; ";
    let heavy = "attn_compressor_kv 256x32:f32; attn_compressor_gate 256x32:f32; attn_compressor_ape 32x128:f32; \
        attn_compressor_norm 32; ";
    let sparse = "attn_compressor_kv 256x64:f32; attn_compressor_gate 256x64:f32; attn_compressor_ape 64x4:f32; \
        attn_compressor_norm 32; indexer.proj 256x4; indexer.attn_q_b 64x64; indexer_compressor_kv 256x32:f32; \
        indexer_compressor_gate 256x32:f32; indexer_compressor_ape 32x4:f32; indexer_compressor_norm 16; ";
    let config = json!({"model_type": "deepseek_v4", "n_routed_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 1,
        "moe_intermediate_size": 64, "n_shared_experts": 1, "q_lora_rank": 64, "qk_rope_head_dim": 16, "o_groups": 2,
        "o_lora_rank": 16, "sliding_window": 64, "index_n_heads": 4, "index_head_dim": 16, "index_topk": 8, "hc_mult": 2,
        "compress_ratios": [128, 4], "num_hash_layers": 1});
    Case {
        arch: "deepseek4",
        config,
        keys: DEEPSEEK4,
        globals: "output_norm 256; output 256x300; output_hc_fn 512x2:f32; output_hc_base 2; output_hc_scale 1; ",
        blocks: [
            [attention, heavy, EXPERTS, shared].concat(),
            [attention, sparse, EXPERTS, shared, CORRECTION].concat(),
        ],
    }
}

/// Gemmas with embeddings for each layer, layers that share keys, heads of two sizes, and experts beside the feed-forward.
fn gemmas() -> Vec<Case> {
    let types = ["sliding_attention", "full_attention"];
    let part = [GATED, POST_NORMS, LAYER_INPUT].concat();
    let wide = part.replace("x512", "x1024").replace("512x", "1024x");
    let moe = [
        GATED,
        POST_NORMS,
        "ffn_gate_inp 256x4:f32; ffn_gate_inp.scale! 256; ffn_down_exps.scale! 4; pre_ffw_norm_2 256; post_ffw_norm_1 256; \
         post_ffw_norm_2 256; ffn_gate_up_exps 256x128x4; ffn_down_exps 64x256x4; ",
    ]
    .concat();
    let case = |arch, config, keys, globals, blocks: [Vec<&str>; 2]| Case {
        arch,
        config,
        keys,
        globals,
        blocks: blocks.map(|parts| parts.concat()),
    };
    vec![
        case(
            "gemma3n",
            json!({"model_type": "gemma3n_text", "sliding_window": 64, "layer_types": types, "num_kv_shared_layers": 1,
                "hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": 300, "altup_num_inputs": 4,
                "laurel_rank": 8}),
            GEMMA3N,
            "output_norm 256; per_layer_token_embd 32x300; per_layer_model_proj 256x32:f32; per_layer_proj_norm 16; \
             altup_proj 256x256x3:f32; altup_unembd_proj 256x256x3:f32; ",
            [
                vec![SEPARATE, HEAD_NORMS, &part, ALTUP],
                vec!["attn_norm 256; attn_q 256x256; attn_output 256x256; attn_q_norm 32; ", &part, ALTUP],
            ],
        ),
        case(
            "gemma4",
            json!({"model_type": "gemma4_text", "sliding_window": 64, "layer_types": types, "global_head_dim": 64,
                "hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": 300, "num_kv_shared_layers": 1,
                "use_double_wide_mlp": true}),
            GEMMA4,
            LAYER_INPUTS,
            [
                vec![SEPARATE, HEAD_NORMS, &part],
                vec!["attn_norm 256; attn_q 256x512; attn_output 512x256; attn_q_norm 64; ", &wide],
            ],
        ),
        case(
            "gemma4",
            json!({"model_type": "gemma4_text", "sliding_window": 64, "layer_types": types, "global_head_dim": 64,
                "hidden_size_per_layer_input": 0, "num_global_key_value_heads": 1, "attention_k_eq_v": true,
                "enable_moe_block": true, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64}),
            GEMMA4_EXPERTS,
            "output_norm 256; ",
            [
                vec![SEPARATE, HEAD_NORMS, &moe],
                vec![
                    "attn_norm 256; attn_q 256x512; attn_k 256x64; attn_output 512x256; attn_q_norm 64; attn_k_norm 64; ",
                    &moe,
                ],
            ],
        ),
    ]
}
