//! Files of families with recurrent layers, chunks and indexers: the first block recurrent as a rule, the second not.

use super::families::{
    Case, EXPERTS, GATED, HEAD_NORMS, LATENT, LATENT_QUERIES, PARTED, SEPARATE, SHARED, merge, same,
};
use serde_json::{Value as Json, json};

const HEAD: &str = "output_norm 256; output 256x300; ";
const MAMBA2: &str = "ssm_in 256x1104; ssm_conv1d 4x576:f32; ssm_conv1d.bias 576; ssm_dt.bias 16; ssm_a! 1x16:f32; \
                      ssm_d! 1x16:f32; ssm_out 512x256; ";
const GROUPED_NORM: &str = "ssm_norm 256x2:f32; ";
const MAMBA1: &str = "ssm_in 256x1024; ssm_conv1d 4x512:f32; ssm_conv1d.bias 512; ssm_x 512x48; ssm_dt 16x512; \
                      ssm_dt.bias 512; ssm_a! 16x512:f32; ssm_d! 512; ssm_out 512x256; ";
const DELTA: &str = "attn_norm 256; attn_qkv 256x128; attn_gate 256x64; ssm_conv1d 4x128:f32; ssm_dt.bias 4; ssm_a! 4; \
                     ssm_norm 16; ssm_out 64x256; post_attention_norm 256; ";
const GATED_ATTENTION: &str = "attn_norm 256; attn_q 256x512; attn_k 256x64; attn_v 256x64; attn_output 256x256; \
                               post_attention_norm 256; ";
const KIMI_DELTA: &str = "attn_norm 256; attn_q 256x128; attn_k 256x128; attn_v 256x128; ssm_conv1d_q 4x1x128x1:f32; \
                          ssm_conv1d_k 4x1x128:f32; ssm_conv1d_v 4x1x128:f32; ssm_f_a 256x16; ssm_f_b 16x128; \
                          ssm_dt.bias 128; ssm_a! 1x8:f32; ssm_beta 256x8; ssm_g_a 256x16; ssm_g_b 16x128; ssm_norm 16; \
                          attn_output 128x256; ";
const INDEXER: &str = "indexer.attn_q_b 64x32; indexer.attn_k 256x16; indexer.k_norm 16; indexer.k_norm.bias 16; \
                       indexer.proj 256x2; ";

const MAMBA2_KEYS: &[(&str, u32)] = &[
    ("ssm.conv_kernel", 4),
    ("ssm.inner_size", 512),
    ("ssm.state_size", 16),
    ("ssm.time_step_rank", 16),
    ("ssm.group_count", 2),
    ("expert_count", 4),
    ("expert_used_count", 2),
];
const MAMBA1_KEYS: &[(&str, u32)] =
    &[("ssm.conv_kernel", 4), ("ssm.inner_size", 512), ("ssm.state_size", 16), ("ssm.time_step_rank", 16)];
const JAMBA_KEYS: &[(&str, u32)] = &[
    ("ssm.conv_kernel", 4),
    ("ssm.inner_size", 512),
    ("ssm.state_size", 16),
    ("ssm.time_step_rank", 16),
    ("expert_count", 4),
    ("expert_used_count", 2),
];
const DELTA_KEYS: &[(&str, u32)] = &[
    ("ssm.conv_kernel", 4),
    ("ssm.inner_size", 64),
    ("ssm.state_size", 16),
    ("ssm.time_step_rank", 4),
    ("ssm.group_count", 2),
    ("rope.dimension_count", 8),
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
];
const SPARSE_KEYS: &[(&str, u32)] = &[
    ("attention.head_count_kv", 1),
    ("attention.kv_lora_rank", 32),
    ("attention.key_length_mla", 48),
    ("attention.value_length_mla", 32),
    ("attention.q_lora_rank", 64),
    ("rope.dimension_count", 16),
    ("attention.indexer.head_count", 2),
    ("attention.indexer.key_length", 16),
    ("attention.indexer.top_k", 64),
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
];
const KIMI_KEYS: &[(&str, u32)] = &[
    ("attention.kv_lora_rank", 32),
    ("attention.key_length_mla", 48),
    ("attention.value_length_mla", 32),
    ("rope.dimension_count", 16),
    ("ssm.conv_kernel", 4),
    ("kda.head_dim", 16),
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
];

fn parted(
    arch: &'static str,
    config: Json,
    keys: &'static [(&'static str, u32)],
    globals: &'static str,
    blocks: [&[&str]; 2],
) -> Case {
    Case { arch, config, keys, globals, blocks: blocks.map(<[&str]>::concat) }
}

pub(crate) fn cases() -> Vec<Case> {
    [pure(), deltas(), hybrids(), sparse()].into_iter().flatten().collect()
}

fn pure() -> Vec<Case> {
    let conv = "attn_norm 256; shortconv.conv 3x256:f32; shortconv.in_proj 256x768; shortconv.out_proj 256x256; ";
    vec![
        same("mamba", json!({"model_type": "mamba"}), MAMBA1_KEYS, "output_norm 256; ", &["attn_norm 256; ", MAMBA1]),
        parted(
            "lfm2moe",
            json!({"model_type": "lfm2_moe", "layer_types": ["conv", "full_attention"], "num_dense_layers": 1,
                "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}),
            &[
                ("shortconv.l_cache", 3),
                ("expert_count", 4),
                ("expert_used_count", 2),
                ("expert_feed_forward_length", 64),
            ],
            "token_embd_norm 256; ",
            [&[conv, GATED], &[SEPARATE, HEAD_NORMS, EXPERTS, "exp_probs_b.bias 4; "]],
        ),
    ]
}

fn deltas() -> Vec<Case> {
    let sizes = json!({
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
        "full_attention_interval": 2, "tie_word_embeddings": false,
    });
    let experts = json!({"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
        "shared_expert_intermediate_size": 128});
    let (mixture, dense) = (&EXPERTS["ffn_norm 256; ".len()..], &GATED["ffn_norm 256; ".len()..]);
    let gate = "ffn_gate_inp_shexp 256; ";
    let of = |family: &str, more: &Json| merge(merge(sizes.clone(), more.clone()), json!({"model_type": family}));
    let halves = "ssm_beta 256x4; ssm_alpha 256x4; ";
    vec![
        parted(
            "qwen3next",
            of("qwen3_next", &experts),
            DELTA_KEYS,
            HEAD,
            [&[DELTA, "ssm_ba 256x8; ", mixture, SHARED, gate], &[GATED_ATTENTION, HEAD_NORMS, mixture, SHARED, gate]],
        ),
        parted(
            "qwen35",
            of("qwen3_5_text", &json!({})),
            &DELTA_KEYS[..6],
            HEAD,
            [&[DELTA, halves, dense], &[GATED_ATTENTION, HEAD_NORMS, dense]],
        ),
        parted(
            "qwen35moe",
            of("qwen3_5_moe_text", &experts),
            DELTA_KEYS,
            HEAD,
            [&[DELTA, halves, mixture, SHARED, gate], &[GATED_ATTENTION, HEAD_NORMS, mixture, SHARED, gate]],
        ),
        parted(
            "kimi-linear",
            json!({"model_type": "kimi_linear", "kv_lora_rank": 32, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16,
                "v_head_dim": 32, "num_experts": 4, "num_experts_per_token": 2, "moe_intermediate_size": 64,
                "num_shared_experts": 2, "tie_word_embeddings": false,
                "linear_attn_config": {"full_attn_layers": [2], "num_heads": 8, "head_dim": 16}}),
            KIMI_KEYS,
            HEAD,
            [&[KIMI_DELTA, GATED], &[LATENT, "attn_q 256x384; ", PARTED, EXPERTS, SHARED, "exp_probs_b.bias 4; "]],
        ),
    ]
}

fn hybrids() -> Vec<Case> {
    let sizes = json!({"mamba_n_heads": 16, "mamba_d_head": 32, "mamba_d_state": 16, "mamba_n_groups": 2,
        "tie_word_embeddings": false});
    let of = |more: Json| merge(sizes.clone(), more);
    let nemotron = |pattern: &str| {
        json!({"model_type": "nemotron_h", "hybrid_override_pattern": pattern, "mamba_num_heads": 16,
            "mamba_head_dim": 32, "ssm_state_size": 16, "n_groups": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
            "moe_intermediate_size": 64, "moe_shared_expert_intermediate_size": 128, "tie_word_embeddings": false})
    };
    let routed = "attn_norm 256; ffn_gate_inp 256x4:f32; ffn_up_exps 256x64x4; ffn_down_exps 64x256x4; \
                  ffn_up_shexp 256x128; ffn_down_shexp 128x256; exp_probs_b.bias 4; ";
    let wide = EXPERTS.replace("x64x4", "x512x4").replace("64x256x4", "512x256x4");
    let norms = "ssm_dt_norm 16; ssm_b_norm 16; ssm_c_norm 16; ";
    vec![
        parted(
            "granitehybrid",
            of(json!({"model_type": "granitemoehybrid", "layer_types": ["mamba", "attention"], "num_local_experts": 4,
                "intermediate_size": 64, "shared_intermediate_size": 128})),
            MAMBA2_KEYS,
            HEAD,
            [&["attn_norm 256; ", MAMBA2, GROUPED_NORM, EXPERTS, SHARED], &[SEPARATE, EXPERTS, SHARED]],
        ),
        parted(
            "granitehybrid",
            of(json!({"model_type": "granitemoehybrid", "layer_types": ["mamba", "attention"], "num_local_experts": 0,
                "shared_intermediate_size": 512})),
            &MAMBA2_KEYS[..5],
            HEAD,
            [&["attn_norm 256; ", MAMBA2, GROUPED_NORM, GATED], &[SEPARATE, GATED]],
        ),
        same(
            "falcon-h1",
            of(json!({"model_type": "falcon_h1", "mamba_d_ssm": 512})),
            &MAMBA2_KEYS[..5],
            HEAD,
            &[SEPARATE, MAMBA2, &GATED.replace("ffn_norm", "ffn_norm!")],
        ),
        parted(
            "jamba",
            json!({"model_type": "jamba", "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 4,
                "mamba_d_state": 16, "tie_word_embeddings": false}),
            JAMBA_KEYS,
            HEAD,
            [&["attn_norm 256; ", MAMBA1, norms, GATED], &[SEPARATE, &wide]],
        ),
        parted(
            "nemotron_h",
            nemotron("M-"),
            &MAMBA2_KEYS[..5],
            HEAD,
            [&["attn_norm 256; ", MAMBA2, GROUPED_NORM], &["attn_norm 256; ffn_up 256x512; ffn_down 512x256; "]],
        ),
        parted("nemotron_h_moe", nemotron("*E"), MAMBA2_KEYS, HEAD, [&[SEPARATE], &[routed]]),
    ]
}

fn sparse() -> Vec<Case> {
    let latent = json!({
        "q_lora_rank": 64, "kv_lora_rank": 32, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32,
        "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "n_shared_experts": 2,
        "first_k_dense_replace": 1, "index_n_heads": 2, "index_head_dim": 16, "index_topk": 64,
        "tie_word_embeddings": false,
    });
    let attention = [LATENT, LATENT_QUERIES, PARTED, INDEXER].concat();
    let blocks: [&[&str]; 2] = [&[&attention, GATED], &[&attention, EXPERTS, SHARED, "exp_probs_b.bias 4; "]];
    let narrow = "ffn_gate_shexp 256x64; ffn_up_shexp 256x64; ffn_down_shexp 64x256; ";
    let of = |family: &str| merge(latent.clone(), json!({"model_type": family}));
    vec![
        parted("deepseek32", of("deepseek_v32"), SPARSE_KEYS, HEAD, blocks),
        parted("glm-dsa", of("glm_moe_dsa"), SPARSE_KEYS, HEAD, blocks),
        parted(
            "llama4",
            json!({"model_type": "llama4_text", "intermediate_size": 64, "intermediate_size_mlp": 512,
                "num_local_experts": 4, "interleave_moe_layer_step": 2, "tie_word_embeddings": false}),
            &[("expert_count", 4), ("expert_used_count", 1), ("expert_feed_forward_length", 64)],
            HEAD,
            [&[SEPARATE, GATED], &[SEPARATE, EXPERTS, narrow]],
        ),
    ]
}
