//! Small files of every architecture that is read, with the configuration of the same model.

use super::{F16, F32, File, Value, more_families, varied};
use roofprobe::model::{Model, parse_config};
use serde_json::{Value as Json, json};

/// One architecture: its name in files, its configuration beyond the usual shape, keys, and tensors as `name extents`,
/// per block.
pub(crate) struct Case {
    pub(crate) arch: &'static str,
    pub(super) config: Json,
    pub(super) keys: &'static [(&'static str, u32)],
    pub(super) globals: &'static str,
    pub(super) blocks: [String; 2],
}

pub(super) const SEPARATE: &str = "attn_norm 256; attn_q 256x256; attn_k 256x64; attn_v 256x64; attn_output 256x256; ";
pub(super) const BIASED: &str = "attn_q.bias 256; attn_k.bias 64; attn_v.bias 64; ";
pub(super) const GATED: &str = "ffn_norm 256; ffn_gate 256x512; ffn_up 256x512; ffn_down 512x256; ";
pub(super) const UNGATED: &str = "ffn_up 256x512; ffn_down 512x256; ";
pub(super) const UNGATED_BIASED: &str = "ffn_up 256x512; ffn_down 512x256; ffn_up.bias 512; ffn_down.bias 256; ";
pub(super) const HEAD_NORMS: &str = "attn_q_norm 32; attn_k_norm 32; ";
pub(super) const POST_NORMS: &str = "post_attention_norm 256; post_ffw_norm 256; ";
pub(super) const EXPERTS: &str =
    "ffn_norm 256; ffn_gate_inp 256x4:f32; ffn_gate_exps 256x64x4; ffn_up_exps 256x64x4; ffn_down_exps 64x256x4; ";
pub(super) const SHARED: &str = "ffn_gate_shexp 256x128; ffn_up_shexp 256x128; ffn_down_shexp 128x256; ";
pub(super) const LATENT: &str = "attn_norm 256; attn_kv_a_mqa 256x48; attn_kv_a_norm 32; attn_output 256x256; ";
pub(super) const LATENT_QUERIES: &str = "attn_q_a 256x64; attn_q_a_norm 64; attn_q_b 64x384; ";
pub(super) const PARTED: &str = "attn_k_b 32x32x8; attn_v_b 32x32x8; ";
const WHOLE: &str = "attn_kv_b 32x512; ";

pub(super) fn same(
    arch: &'static str,
    config: Json,
    keys: &'static [(&'static str, u32)],
    globals: &'static str,
    block: &[&str],
) -> Case {
    Case { arch, config, keys, globals, blocks: [block.concat(), block.concat()] }
}

/// A norm with a bias: the spec of each with its bias beside it.
pub(super) fn with_biases(block: &[&str]) -> String {
    let parts = block.concat();
    let biased = |part: &str| match part.split_once(' ') {
        Some((name, extent)) if name.ends_with("norm") => format!("{part}; {name}.bias {extent}; "),
        _ => format!("{part}; "),
    };
    parts.split("; ").filter(|part| !part.is_empty()).map(biased).collect()
}

pub(super) const EXPERT_KEYS: &[(&str, u32)] =
    &[("expert_count", 4), ("expert_used_count", 2), ("expert_feed_forward_length", 64)];
const LATENT_KEYS: &[(&str, u32)] = &[
    ("attention.head_count_kv", 8),
    ("attention.kv_lora_rank", 32),
    ("attention.q_lora_rank", 64),
    ("attention.key_length", 48),
    ("attention.value_length", 32),
    ("rope.dimension_count", 16),
];
const DEEPSEEK_KEYS: &[(&str, u32)] = &[
    ("attention.head_count_kv", 1),
    ("attention.kv_lora_rank", 32),
    ("attention.key_length", 48),
    ("attention.value_length", 32),
    ("attention.key_length_mla", 48),
    ("attention.value_length_mla", 32),
    ("attention.q_lora_rank", 64),
    ("rope.dimension_count", 16),
    ("expert_count", 4),
    ("expert_used_count", 2),
    ("expert_feed_forward_length", 64),
];

pub(crate) fn cases() -> Vec<Case> {
    let biases = [BIASED, "attn_output.bias 256; "].concat();
    let fused = "attn_norm 256; attn_qkv 256x384; attn_output 256x256; ";
    let all_fused = "attn_norm 256; attn_qkv 256x768; attn_output 256x256; attn_qkv.bias 768; attn_output.bias 256; ";
    let norm = "output_norm 256; output_norm.bias 256; ";
    let head = "output_norm 256; output 256x300; ";
    let one_head = "attn_norm 256; attn_norm.bias 256; attn_qkv 256x320; attn_output 256x256; ";
    let whole = json!({"num_key_value_heads": 8});
    let merged = |a: &Json, b: Json| merge(a.clone(), b);
    let latent = json!({
        "q_lora_rank": 64, "kv_lora_rank": 32, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32,
    });
    let mixture =
        json!({"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "tie_word_embeddings": false});
    let deepseek = |model_type: &str| {
        merged(
            &latent,
            json!({
                "model_type": model_type, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
                "n_shared_experts": 2, "first_k_dense_replace": 1, "tie_word_embeddings": false,
            }),
        )
    };
    let parted = [LATENT, LATENT_QUERIES, PARTED].concat();
    let mut cases = vec![
        same(
            "llama",
            json!({"model_type": "llama", "tie_word_embeddings": true}),
            &[],
            "output_norm 256; ",
            &[SEPARATE, GATED],
        ),
        same("smollm3", json!({"model_type": "smollm3"}), &[], "output_norm 256; ", &[SEPARATE, GATED]),
        same(
            "granite",
            json!({"model_type": "granite", "tie_word_embeddings": true}),
            &[],
            "output_norm 256; ",
            &[SEPARATE, GATED],
        ),
        same("minicpm", json!({"model_type": "minicpm"}), &[], "output_norm 256; ", &[SEPARATE, GATED]),
        same("gemma", json!({"model_type": "gemma"}), &[], "output_norm 256; ", &[SEPARATE, GATED]),
        same(
            "gemma2",
            json!({"model_type": "gemma2", "sliding_window": 64}),
            &[("attention.sliding_window", 64)],
            "output_norm 256; ",
            &[SEPARATE, GATED, POST_NORMS],
        ),
        same(
            "gemma3",
            json!({"model_type": "gemma3_text", "sliding_window": 64}),
            &[("attention.sliding_window", 64)],
            "output_norm 256; ",
            &[SEPARATE, GATED, POST_NORMS, HEAD_NORMS],
        ),
        same(
            "olmo2",
            json!({"model_type": "olmo2"}),
            &[],
            head,
            &[&SEPARATE[15..], &GATED[14..], POST_NORMS, "attn_q_norm 256; attn_k_norm 64; "],
        ),
        same(
            "glm4",
            json!({"model_type": "glm4", "attention_bias": true}),
            &[("rope.dimension_count", 16)],
            head,
            &[SEPARATE, BIASED, POST_NORMS, "ffn_norm 256; ffn_up 256x1024; ffn_down 512x256; "],
        ),
        same(
            "phi3",
            json!({"model_type": "phi3", "sliding_window": 64}),
            &[("attention.sliding_window", 64)],
            head,
            &[fused, "ffn_norm 256; ffn_up 256x1024; ffn_down 512x256; "],
        ),
        same(
            "phi2",
            merged(&whole, json!({"model_type": "phi"})),
            &[("attention.head_count_kv", 8), ("rope.dimension_count", 16)],
            "output_norm 256; output_norm.bias 256; output 256x300; output.bias 300; ",
            &["attn_norm 256; attn_norm.bias 256; ", &all_fused[15..], UNGATED_BIASED],
        ),
        same(
            "gpt2",
            json!({"model_type": "gpt2", "n_embd": 256, "n_layer": 2, "n_head": 8, "n_inner": 512, "n_positions": 4096}),
            &[("attention.head_count_kv", 8)],
            "output_norm 256; output_norm.bias 256; position_embd 256x4096:f32; ",
            &[&with_biases(&[all_fused, "ffn_norm 256; "]), UNGATED_BIASED],
        ),
        same(
            "gptneox",
            merged(&whole, json!({"model_type": "gpt_neox"})),
            &[("attention.head_count_kv", 8), ("rope.dimension_count", 8)],
            "output_norm 256; output_norm.bias 256; output 256x300; ",
            &[&with_biases(&[all_fused, "ffn_norm 256; "]), UNGATED_BIASED],
        ),
        same(
            "falcon",
            json!({"model_type": "falcon", "ffn_hidden_size": 512}),
            &[("attention.head_count_kv", 1)],
            norm,
            &[one_head, UNGATED],
        ),
        same(
            "falcon",
            json!({"model_type": "falcon", "ffn_hidden_size": 512, "new_decoder_architecture": true, "num_kv_heads": 2}),
            &[],
            norm,
            &[
                &with_biases(&[fused, "attn_norm_2 256; "])
                    .replace("attn_norm_2 256; ", "attn_norm_2 256; attn_norm_2.bias 256; "),
                UNGATED,
            ],
        ),
        same(
            "stablelm",
            json!({"model_type": "stablelm", "use_qkv_bias": true}),
            &[("rope.dimension_count", 8)],
            "output_norm 256; output_norm.bias 256; output 256x300; ",
            &[&with_biases(&[SEPARATE, GATED]), BIASED],
        ),
        same(
            "stablelm",
            json!({"model_type": "stablelm", "qk_layernorm": true, "use_parallel_residual": true}),
            &[("rope.dimension_count", 8)],
            "output_norm 256; output_norm.bias 256; output 256x300; ",
            &[&with_biases(&[SEPARATE]), &GATED[14..], "attn_q_norm 32x8:f32; attn_k_norm 32x2:f32; "],
        ),
        same(
            "starcoder2",
            json!({"model_type": "starcoder2"}),
            &[],
            norm,
            &[&with_biases(&[SEPARATE, "ffn_norm 256; "]), &biases, UNGATED_BIASED],
        ),
        same(
            "llama",
            json!({"model_type": "mixtral", "num_local_experts": 4, "intermediate_size": 64}),
            EXPERT_KEYS,
            head,
            &[SEPARATE, EXPERTS],
        ),
        same(
            "qwen2moe",
            merged(&mixture, json!({"model_type": "qwen2_moe", "shared_expert_intermediate_size": 128})),
            EXPERT_KEYS,
            head,
            &[SEPARATE, BIASED, EXPERTS, SHARED, "ffn_gate_inp_shexp 256; "],
        ),
        same(
            "qwen3moe",
            merged(&mixture, json!({"model_type": "qwen3_moe"})),
            EXPERT_KEYS,
            head,
            &[SEPARATE, HEAD_NORMS, EXPERTS],
        ),
        same(
            "olmoe",
            json!({"model_type": "olmoe", "num_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 64}),
            EXPERT_KEYS,
            head,
            &[SEPARATE, EXPERTS, "attn_q_norm 256; attn_k_norm 64; "],
        ),
        same(
            "gpt-oss",
            json!({"model_type": "gpt_oss", "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 64,
            "sliding_window": 64, "tie_word_embeddings": false}),
            &[
                ("expert_count", 4),
                ("expert_used_count", 2),
                ("expert_feed_forward_length", 64),
                ("attention.sliding_window", 64),
            ],
            head,
            &[
                SEPARATE,
                &biases,
                &EXPERTS.replace("ffn_norm", "post_attention_norm"),
                "attn_sinks 8; ffn_gate_inp.bias 4; ffn_gate_exps.bias 64x4:f32; ffn_up_exps.bias 64x4:f32; ffn_down_exps.bias 256x4:f32; ",
            ],
        ),
        same(
            "minicpm3",
            merged(&latent, json!({"model_type": "minicpm3"})),
            LATENT_KEYS,
            "output_norm 256; ",
            &[LATENT, LATENT_QUERIES, WHOLE, GATED],
        ),
        same(
            "plm",
            merged(&latent, json!({"model_type": "plm", "q_lora_rank": null})),
            LATENT_KEYS,
            "output_norm 256; ",
            &[LATENT, "attn_q 256x384; ", WHOLE, "ffn_norm 256; ", UNGATED],
        ),
    ];
    let dense = [parted.as_str(), GATED].concat();
    let sparse = [parted.as_str(), EXPERTS, SHARED].concat();
    let corrected = format!("{sparse}exp_probs_b.bias 4; ");
    let (arch, keys, globals) = ("deepseek2", DEEPSEEK_KEYS, head);
    cases.push(Case { arch, keys, globals, config: deepseek("deepseek_v2"), blocks: [dense.clone(), sparse] });
    cases.push(Case { arch, keys, globals, config: deepseek("deepseek_v3"), blocks: [dense, corrected] });
    cases.push(Case {
        arch: "lfm2",
        config: json!({"model_type": "lfm2", "layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": false}),
        keys: &[("shortconv.l_cache", 3)],
        globals: "token_embd_norm 256; ",
        blocks: [
            ["attn_norm 256; shortconv.conv 3x256:f32; shortconv.in_proj 256x768; shortconv.out_proj 256x256; ", GATED].concat(),
            [SEPARATE, HEAD_NORMS, GATED].concat(),
        ],
    });
    cases.extend(super::recurrent::cases());
    cases.push(same(
        "mamba2",
        json!({"model_type": "mamba2", "num_heads": 16, "head_dim": 32, "state_size": 16, "n_groups": 2}),
        &[
            ("attention.head_count", 0),
            ("ssm.conv_kernel", 4),
            ("ssm.inner_size", 512),
            ("ssm.state_size", 16),
            ("ssm.time_step_rank", 16),
            ("ssm.group_count", 2),
        ],
        head,
        &["attn_norm 256; ssm_in 256x1104; ssm_conv1d 4x576:f32; ssm_conv1d.bias 576; ssm_dt.bias 16; ssm_a! 1x16:f32; \
           ssm_d! 1x16:f32; ssm_norm 256x2:f32; ssm_out 512x256; "],
    ));
    cases.extend(more_families::dense());
    cases.extend(more_families::older());
    cases.extend(more_families::mixtures());
    cases.extend(varied::cases());
    cases
}

pub(super) fn merge(mut base: Json, more: Json) -> Json {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

impl Case {
    /// Two alike blocks without a configuration.
    pub(crate) fn of(arch: &'static str, globals: &'static str, block: &[&str]) -> Case {
        same(arch, Json::Null, &[], globals, block)
    }

    pub(crate) fn config(&self) -> Model {
        let usual = json!({
            "hidden_size": 256, "vocab_size": 300, "num_hidden_layers": 2, "num_attention_heads": 8,
            "num_key_value_heads": 2, "intermediate_size": 512, "head_dim": 32, "max_position_embeddings": 4096,
        });
        let mut config = merge(usual, self.config.clone());
        let foreign: &[&str] = match config["model_type"].as_str().unwrap() {
            "gpt2" => &["num_key_value_heads", "intermediate_size", "head_dim"],
            "falcon" => &["num_key_value_heads", "intermediate_size", "head_dim"],
            "bloom" | "mpt" | "gpt_bigcode" | "dbrx" => &["num_key_value_heads", "intermediate_size", "head_dim"],
            "mamba" | "mamba2" => &["num_attention_heads", "num_key_value_heads", "intermediate_size"],
            _ => &[],
        };
        foreign.iter().for_each(|key| _ = config.as_object_mut().unwrap().remove(*key));
        parse_config(&config.to_string(), "small").unwrap()
    }

    pub(crate) fn file(&self) -> File {
        let mut file = File::new();
        file.key("general.architecture", Value::Text(self.arch.to_owned()));
        for (key, value) in [
            ("block_count", 2),
            ("context_length", 4096),
            ("embedding_length", 256),
            ("attention.head_count", 8),
            ("attention.head_count_kv", 2),
        ] {
            file.count(&format!("{}.{key}", self.arch), value);
        }
        for (key, value) in self.keys {
            file.count(&format!("{}.{key}", self.arch), *value);
        }
        for (key, counts) in varied::lists(self) {
            file.key(&format!("{}.{key}", self.arch), Value::Counts(counts));
        }
        if !["mamba2", "deepseek2", "minicpm3", "plm", "gemma4"].contains(&self.arch) {
            file.count(&format!("{}.attention.key_length", self.arch), 32);
        }
        file.tensor("token_embd.weight", &[256, 300], F16);
        add(&mut file, "", self.globals);
        for (block, tensors) in self.blocks.iter().enumerate() {
            add(&mut file, &format!("blk.{block}."), tensors);
        }
        file
    }
}

/// Tensors as `name extents`: a matrix f16 unless it says f32; `.weight` is not spelled out, `!` is for none.
fn add(file: &mut File, prefix: &str, tensors: &str) {
    for tensor in tensors.split("; ").map(str::trim).filter(|tensor| !tensor.is_empty()) {
        let (name, extents) = tensor.split_once(' ').unwrap();
        let (extents, full) = extents.strip_suffix(":f32").map_or((extents, false), |extents| (extents, true));
        let dims: Vec<u64> = extents.split('x').map(|dim| dim.parse().unwrap()).collect();
        let name = match name.strip_suffix('!') {
            Some(bare) => bare.to_owned(),
            None if name.ends_with(".bias") => name.to_owned(),
            None => format!("{name}.weight"),
        };
        let kind = if full || dims.len() == 1 { F32 } else { F16 };
        file.tensor(&format!("{prefix}{name}"), &dims, kind);
    }
}
