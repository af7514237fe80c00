//! Older families with two matrices in their feed-forward, with keys of their own.

use super::super::layer::{Activation, Biases, HeadNorm, Norm};
use super::facts::{
    Alternatives, BiasRule, Defaults, Facts, HeadBias, HeadNormRule, KeyNames, KvHeads, LLAMA, MlpBias, NormPlaces,
    NormsRule, RotaryRule, USUAL, Width, WindowRule, shape,
};
use super::ungated::GPT2_KEYS;

/// What these have in common.
const OLDER: Facts = Facts {
    name: "",
    gguf: None,
    norm: Norm::Layer,
    gated: false,
    activation: Activation::Gelu,
    attention_bias: BiasRule::Always(Biases::All),
    mlp_bias: MlpBias::Always,
    ..LLAMA
};

const NO_KEYS: Alternatives = &[];

/// One norm for both halves of a parallel block, biases in the feed-forward and the head.
const GPTJ: Facts = Facts {
    name: "gptj",
    defaults: Defaults { width: Width::FourTimes, ..shape(4096, 16384, 28, 16, 50400, 2048) },
    norms: NormsRule::Always(NormPlaces::One),
    attention_bias: BiasRule::Always(Biases::None),
    rotary: RotaryRule::Part(0.25),
    head_bias: HeadBias::Always,
    keys: GPT2_KEYS,
    harmless: &["n_ctx", "rotary"],
    ..OLDER
};

pub(super) const FAMILIES: &[Facts] = &[
    Facts {
        name: "bloom",
        gguf: Some("bloom"),
        fused_attention: true,
        defaults: Defaults { width: Width::FourTimes, ..shape(64, 256, 2, 8, 250_880, 2048) },
        tied: true,
        embedding_norm: true,
        rotary: RotaryRule::Nothing,
        keys: KeyNames {
            hidden: &["hidden_size", "n_embed"],
            layers: &["n_layer", "num_hidden_layers"],
            heads: &["n_head", "num_attention_heads"],
            width: NO_KEYS,
            positions: &["seq_length"],
            activation: NO_KEYS,
            ..USUAL
        },
        harmless: &[
            "apply_residual_connection_post_layernorm",
            "bias_dropout_fusion",
            "masked_softmax_fusion",
            "offset_alibi",
            "skip_bias_add",
            "skip_bias_add_qkv",
            "slow_but_exact",
        ],
        ..OLDER
    },
    // Positions are biases of the scores.
    Facts {
        name: "mpt",
        kv_heads: KvHeads::ByType,
        gguf: Some("mpt"),
        fused_attention: true,
        defaults: Defaults { width: Width::Multiple("expansion_ratio", 4), ..shape(2048, 8192, 24, 16, 50368, 2048) },
        tied: true,
        norm: Norm::LayerWithoutBias,
        attention_bias: BiasRule::Always(Biases::None),
        mlp_bias: MlpBias::Never,
        rotary: RotaryRule::Nothing,
        keys: KeyNames {
            hidden: &["d_model"],
            layers: &["n_layers"],
            heads: &["n_heads"],
            kv_heads: &["kv_n_heads"],
            width: NO_KEYS,
            positions: &["max_seq_len"],
            activation: NO_KEYS,
            ..USUAL
        },
        nested: &["attn_config", "ffn_config"],
        fixed: &[
            ("alibi", "true"),
            ("embedding_fraction", "1.0"),
            ("ffn_type", "mptmlp"),
            ("no_bias", "true"),
            ("norm_type", "low_precision_layernorm"),
            ("prefix_lm", "false"),
            ("qk_ln", "false"),
        ],
        harmless: &["alibi_bias_max", "init_config", "learned_pos_emb", "verbose"],
        ..OLDER
    },
    GPTJ,
    Facts { name: "codegen", fused_attention: true, ..GPTJ },
    Facts {
        name: "gpt_neo",
        defaults: Defaults { width: Width::FourTimes, ..shape(2048, 8192, 24, 16, 50257, 2048) },
        tied: true,
        attention_bias: BiasRule::Always(Biases::Output),
        rotary: RotaryRule::Nothing,
        position_rows: Some(0),
        window: WindowRule::GptNeo,
        keys: KeyNames {
            layers: &["num_layers", "num_hidden_layers"],
            heads: &["num_heads", "num_attention_heads"],
            activation: &["activation_function"],
            ..USUAL
        },
        ..OLDER
    },
    Facts {
        name: "gpt_bigcode",
        gguf: Some("starcoder"),
        fused_attention: true,
        defaults: Defaults { width: Width::FourTimes, ..shape(768, 3072, 12, 12, 50257, 1024) },
        tied: true,
        kv_heads: KvHeads::OneIf("multi_query"),
        rotary: RotaryRule::Nothing,
        position_rows: Some(0),
        keys: GPT2_KEYS,
        harmless: &[
            "attention_softmax_in_fp32",
            "inference_runner",
            "max_batch_size",
            "pad_key_length",
            "pre_allocate_kv_cache",
            "validate_runner_input",
        ],
        ..OLDER
    },
    Facts {
        name: "nemotron",
        gguf: Some("nemotron"),
        defaults: shape(6144, 24576, 32, 48, 256_000, 4096),
        attention_bias: BiasRule::Switch("attention_bias", false, Biases::All),
        mlp_bias: MlpBias::Switch("mlp_bias", false),
        activation: Activation::ReluSquared,
        rotary: RotaryRule::Part(0.5),
        ..OLDER
    },
    Facts {
        name: "persimmon",
        fused_attention: true,
        defaults: shape(4096, 16384, 36, 64, 262_144, 16384),
        activation: Activation::ReluSquared,
        head_norm: HeadNormRule::Switch("qk_layernorm", true, HeadNorm::PerHead(Norm::Layer)),
        rotary: RotaryRule::Part(0.5),
        ..OLDER
    },
    Facts {
        name: "jais2",
        gguf: Some("jais2"),
        defaults: shape(3328, 26624, 32, 26, 150_272, 8192),
        attention_bias: BiasRule::Switch("attention_bias", true, Biases::All),
        mlp_bias: MlpBias::Switch("mlp_bias", true),
        activation: Activation::ReluSquared,
        ..OLDER
    },
];
