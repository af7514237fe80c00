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
    .collect()
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
