//! Small files of more architectures, with the configuration of the same model.

use super::families::{
    BIASED, Case, EXPERT_KEYS, EXPERTS, GATED, HEAD_NORMS, POST_NORMS, SEPARATE, SHARED, UNGATED, UNGATED_BIASED, same,
    with_biases,
};
use serde_json::json;

const HEAD: &str = "output_norm 256; output 256x300; ";
const BIASED_HEAD: &str = "output_norm 256; output_norm.bias 256; output 256x300; ";
const FUSED: &str = "attn_norm 256; attn_qkv 256x384; attn_output 256x256; ";
const WINDOW: &[(&str, u32)] = &[("attention.sliding_window", 64)];

/// Dense families.
pub(crate) fn dense() -> Vec<Case> {
    let outputs = [&SEPARATE[15..], &GATED[14..], POST_NORMS].concat();
    let parallel = [SEPARATE, &GATED[14..]].concat();
    let renamed = GATED.replace("ffn_norm", "post_attention_norm");
    let own = "attn_q_norm 32x8:f32; attn_k_norm 32x2:f32; ";
    let biased_norms = with_biases(&[SEPARATE, "ffn_norm 256; "]);
    let plain = |arch, config| same(arch, config, &[], HEAD, &[SEPARATE, GATED]);
    vec![
        plain("exaone", json!({"model_type": "exaone"})),
        plain("internlm2", json!({"model_type": "internlm2"})),
        plain("baichuan", json!({"model_type": "baichuan"})),
        plain("xverse", json!({"model_type": "xverse"})),
        plain("ernie4_5", json!({"model_type": "ernie4_5", "tie_word_embeddings": false})),
        plain("mistral3", json!({"model_type": "ministral3"})),
        same("qwen2vl", json!({"model_type": "qwen2"}), &[], HEAD, &[SEPARATE, BIASED, GATED]),
        same("qwen3vl", json!({"model_type": "qwen3"}), &[], HEAD, &[SEPARATE, HEAD_NORMS, GATED]),
        same("hunyuan-dense", json!({"model_type": "hunyuan_v1_dense"}), &[], HEAD, &[SEPARATE, HEAD_NORMS, GATED]),
        same("seed_oss", json!({"model_type": "seed_oss"}), &[], HEAD, &[SEPARATE, BIASED, &renamed]),
        same("command-r", json!({"model_type": "cohere"}), &[], "output_norm 256; ", &[&parallel]),
        same(
            "command-r",
            json!({"model_type": "cohere", "use_qk_norm": true}),
            &[],
            "output_norm 256; ",
            &[&parallel, own],
        ),
        same(
            "cohere2",
            json!({"model_type": "cohere2", "sliding_window": 64}),
            WINDOW,
            "output_norm 256; ",
            &[&parallel],
        ),
        same("exaone4", json!({"model_type": "exaone4", "sliding_window": 64}), WINDOW, HEAD, &[&outputs, HEAD_NORMS]),
        same(
            "olmo2",
            json!({"model_type": "olmo3", "sliding_window": 64}),
            WINDOW,
            HEAD,
            &[&outputs, "attn_q_norm 256; attn_k_norm 64; "],
        ),
        same("olmo", json!({"model_type": "olmo"}), &[], "output 256x300; ", &[&SEPARATE[15..], &GATED[14..]]),
        same("orion", json!({"model_type": "orion"}), &[], BIASED_HEAD, &[&with_biases(&[SEPARATE, GATED])]),
        same("arcee", json!({"model_type": "arcee"}), &[], HEAD, &[SEPARATE, "ffn_norm 256; ", UNGATED]),
        same(
            "jais2",
            json!({"model_type": "jais2"}),
            &[],
            BIASED_HEAD,
            &[&biased_norms, BIASED, "attn_output.bias 256; ", UNGATED_BIASED],
        ),
        same(
            "nemotron",
            json!({"model_type": "nemotron"}),
            &[("rope.dimension_count", 16)],
            BIASED_HEAD,
            &[&biased_norms, UNGATED],
        ),
        same(
            "chatglm",
            json!({"model_type": "glm"}),
            &[("rope.dimension_count", 16)],
            HEAD,
            &[FUSED, "attn_qkv.bias 384; ffn_norm 256; ffn_up 256x1024; ffn_down 512x256; "],
        ),
    ]
}

/// Older families, with keys of their own.
pub(crate) fn older() -> Vec<Case> {
    let whole = "attn_norm 256; attn_qkv 256x768; attn_output 256x256; ";
    let bloom = with_biases(&[whole, "ffn_norm 256; "]);
    let biases = "attn_qkv.bias 768; attn_output.bias 256; ";
    let wide = |part: &str| part.replace("512", "1024");
    let single = with_biases(&["attn_norm 256; attn_qkv 256x320; attn_output 256x256; ffn_norm 256; "]);
    vec![
        same(
            "bloom",
            json!({"model_type": "bloom", "seq_length": 4096}),
            &[("attention.head_count_kv", 8)],
            "token_embd_norm 256; token_embd_norm.bias 256; output_norm 256; output_norm.bias 256; ",
            &[&bloom, biases, &wide(UNGATED_BIASED)],
        ),
        same(
            "mpt",
            json!({"model_type": "mpt", "d_model": 256, "n_layers": 2, "n_heads": 8, "max_seq_len": 4096}),
            &[("attention.head_count_kv", 8)],
            "output_norm 256; ",
            &[whole, "ffn_norm 256; ", &wide(UNGATED)],
        ),
        same(
            "starcoder",
            json!({"model_type": "gpt_bigcode", "n_inner": 512}),
            &[("attention.head_count_kv", 1)],
            "output_norm 256; output_norm.bias 256; position_embd 256x4096:f32; ",
            &[&single, "attn_qkv.bias 320; attn_output.bias 256; ", UNGATED_BIASED],
        ),
        same(
            "qwen",
            json!({"model_type": "qwen", "intermediate_size": 1024, "num_key_value_heads": 8}),
            &[("attention.head_count_kv", 8)],
            HEAD,
            &[whole, "attn_qkv.bias 768; ", GATED],
        ),
    ]
}

/// Mixtures of experts.
pub(crate) fn mixtures() -> Vec<Case> {
    let narrow = |more: serde_json::Value| {
        let mut config = json!({"num_experts_per_tok": 2, "moe_intermediate_size": 64, "n_routed_experts": 4,
            "n_shared_experts": 2, "num_experts": 4, "tie_word_embeddings": false});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let keep: &[&str] = match config["model_type"].as_str().unwrap() {
            "glm4_moe" | "dots1" | "deepseek" => &["num_experts"],
            _ => &["n_routed_experts", "n_shared_experts"],
        };
        keep.iter().for_each(|key| _ = config.as_object_mut().unwrap().remove(*key));
        config
    };
    let corrected = [EXPERTS, SHARED, "exp_probs_b.bias 4; "].concat();
    let two = |arch, config, keys, block: [&[&str]; 2]| Case {
        arch,
        config,
        keys,
        globals: HEAD,
        blocks: block.map(|parts| parts.concat()),
    };
    let post = |part: &str| part.replace("ffn_norm", "post_attention_norm");
    let own_width = json!({"num_experts_per_tok": 2, "num_local_experts": 4, "intermediate_size": 64});
    let as_wide = |model_type: &str| {
        let mut config = own_width.clone();
        config["model_type"] = json!(model_type);
        config
    };
    const HALF: &[(&str, u32)] = &[
        ("expert_count", 4),
        ("expert_used_count", 2),
        ("expert_feed_forward_length", 64),
        ("rope.dimension_count", 16),
    ];
    vec![
        two(
            "glm4moe",
            narrow(json!({"model_type": "glm4_moe", "use_qk_norm": true, "attention_bias": true})),
            HALF,
            [&[SEPARATE, BIASED, HEAD_NORMS, &post(GATED)], &[SEPARATE, BIASED, HEAD_NORMS, &post(&corrected)]],
        ),
        two(
            "ernie4_5-moe",
            narrow(json!({"model_type": "ernie4_5_moe", "moe_num_experts": 4, "moe_k": 2, "num_experts": null,
                "num_experts_per_tok": null})),
            EXPERT_KEYS,
            [&[SEPARATE, GATED], &[SEPARATE, &corrected]],
        ),
        same("dots1", narrow(json!({"model_type": "dots1"})), EXPERT_KEYS, HEAD, &[SEPARATE, HEAD_NORMS, &corrected]),
        same("deepseek", narrow(json!({"model_type": "deepseek"})), EXPERT_KEYS, HEAD, &[SEPARATE, EXPERTS, SHARED]),
        same(
            "hunyuan-moe",
            narrow(json!({"model_type": "hunyuan_v1_moe", "moe_topk": [2, 2], "num_shared_expert": [2, 2],
                "num_experts_per_tok": null})),
            EXPERT_KEYS,
            HEAD,
            &[SEPARATE, HEAD_NORMS, EXPERTS, SHARED],
        ),
        same(
            "qwen3vlmoe",
            narrow(json!({"model_type": "qwen3_vl_moe_text"})),
            EXPERT_KEYS,
            HEAD,
            &[SEPARATE, HEAD_NORMS, EXPERTS],
        ),
        same(
            "minimax-m2",
            as_wide("minimax_m2"),
            EXPERT_KEYS,
            HEAD,
            &[SEPARATE, "attn_q_norm 256; attn_k_norm 64; ", EXPERTS, "exp_probs_b.bias 4; "],
        ),
        same(
            "phimoe",
            as_wide("phimoe"),
            EXPERT_KEYS,
            BIASED_HEAD,
            &[&with_biases(&[SEPARATE, "ffn_norm 256; "]), &EXPERTS[14..]],
        ),
        same(
            "dbrx",
            json!({"model_type": "dbrx", "d_model": 256, "n_heads": 8, "n_layers": 2, "max_seq_len": 4096,
                "attn_config": {"kv_n_heads": 2}, "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2}}),
            EXPERT_KEYS,
            HEAD,
            &[FUSED, &EXPERTS.replace("ffn_norm", "attn_output_norm")],
        ),
    ]
}
