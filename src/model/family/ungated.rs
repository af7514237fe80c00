//! Families with two matrices in their feed-forward and with LayerNorm.

use super::super::layer::{Activation, Biases, HeadNorm, Norm};
use super::facts::{
    BiasRule, Defaults, Facts, HeadBias, HeadNormRule, KeyNames, KvHeads, LLAMA, MlpBias, NormPlaces, NormsRule,
    RotaryRule, USUAL, Width, WindowRule, shape,
};

/// What these have in common.
const UNGATED: Facts = Facts {
    name: "",
    norm: Norm::Layer,
    gated: false,
    activation: Activation::Gelu,
    attention_bias: BiasRule::Always(Biases::All),
    mlp_bias: MlpBias::Always,
    ..LLAMA
};

const PHI: Facts = Facts {
    name: "phi",
    gguf: Some("phi2"),
    defaults: shape(2048, 8192, 24, 32, 51200, 2048),
    norms: NormsRule::Always(NormPlaces::One),
    head_norm: HeadNormRule::Switch("qk_layernorm", false, HeadNorm::PerHead(Norm::Layer)),
    rotary: RotaryRule::Part(0.5),
    head_bias: HeadBias::Always,
    // Its code does not read it.
    harmless: &["attention_bias"],
    ..UNGATED
};

/// The keys of GPT-2.
pub(super) const GPT2_KEYS: KeyNames = KeyNames {
    hidden: &["n_embd", "hidden_size"],
    layers: &["n_layer", "num_hidden_layers"],
    heads: &["n_head", "num_attention_heads"],
    width: &["n_inner"],
    positions: &["n_positions", "max_position_embeddings"],
    activation: &["activation_function"],
    ..USUAL
};

pub(super) const FAMILIES: &[Facts] = &[
    PHI,
    // As phi was first published, with the keys of gpt2.
    Facts {
        name: "phi-msft",
        aliases: &["phi"],
        fused_attention: true,
        defaults: Defaults { width: Width::FourTimes, ..PHI.defaults },
        keys: KeyNames {
            hidden: &["n_embd"],
            layers: &["n_layer"],
            heads: &["n_head"],
            kv_heads: &["n_head_kv"],
            width: &["n_inner"],
            positions: &["n_positions"],
            activation: &["activation_function"],
            ..USUAL
        },
        ..PHI
    },
    Facts {
        name: "gpt2",
        aliases: &["gpt-sw3"],
        gguf: Some("gpt2"),
        fused_attention: true,
        defaults: Defaults { width: Width::FourTimes, ..shape(768, 3072, 12, 12, 50257, 1024) },
        tied: true,
        rotary: RotaryRule::Nothing,
        position_rows: Some(0),
        harmless: &["n_ctx", "scale_attn_by_inverse_layer_idx"],
        keys: GPT2_KEYS,
        ..UNGATED
    },
    // Two rows of its position table stand before the first position.
    Facts {
        name: "opt",
        gguf: None,
        harmless: &["output_projection"],
        defaults: shape(768, 3072, 12, 12, 50272, 2048),
        tied: true,
        norms: NormsRule::Opt,
        activation: Activation::Relu,
        attention_bias: BiasRule::Switch("enable_bias", true, Biases::All),
        mlp_bias: MlpBias::Switch("enable_bias", true),
        rotary: RotaryRule::Nothing,
        position_rows: Some(2),
        keys: KeyNames { width: &["ffn_dim"], activation: &["activation_function"], ..USUAL },
        ..UNGATED
    },
    Facts {
        name: "biogpt",
        gguf: None,
        defaults: shape(1024, 4096, 24, 16, 42384, 1024),
        tied: true,
        rotary: RotaryRule::Nothing,
        position_rows: Some(2),
        harmless: &["layerdrop", "scale_embedding"],
        ..UNGATED
    },
    // Its positions are sines: nothing is stored.
    Facts {
        name: "xglm",
        gguf: None,
        defaults: shape(1024, 4096, 24, 16, 256_008, 2048),
        tied: true,
        rotary: RotaryRule::Nothing,
        keys: KeyNames {
            hidden: &["d_model"],
            layers: &["num_layers"],
            heads: &["attention_heads"],
            width: &["ffn_dim"],
            activation: &["activation_function"],
            ..USUAL
        },
        harmless: &["layerdrop", "scale_embedding"],
        ..UNGATED
    },
    Facts {
        name: "gpt_neox",
        gguf: Some("gptneox"),
        fused_attention: true,
        defaults: shape(6144, 24576, 44, 64, 50432, 2048),
        attention_bias: BiasRule::Switch("attention_bias", true, Biases::All),
        rotary: RotaryRule::Part(0.25),
        harmless: &["use_parallel_residual", "is_decoder", "rotary_emb_base", "classifier_dropout"],
        ..UNGATED
    },
    Facts {
        name: "falcon",
        // As it was first released.
        aliases: &["RefinedWebModel", "RefinedWeb", "RW"],
        gguf: Some("falcon"),
        fused_attention: true,
        tensors: &[("ffn_norm", "attn_norm_2")],
        defaults: Defaults { width: Width::FourTimes, ..shape(4544, 18176, 32, 71, 65024, 2048) },
        kv_heads: KvHeads::Falcon,
        tied: true,
        norms: NormsRule::Falcon,
        attention_bias: BiasRule::Switch("bias", false, Biases::All),
        mlp_bias: MlpBias::Switch("bias", false),
        rotary: RotaryRule::UnlessAlibi,
        // Of Falcon2, which states the width too; the code reads that.
        harmless: &["ff_factor"],
        keys: KeyNames {
            hidden: &["n_embed", "hidden_size"],
            layers: &["num_hidden_layers", "n_layer"],
            heads: &["num_attention_heads", "n_head"],
            kv_heads: &["num_kv_heads", "n_head_kv"],
            width: &["ffn_hidden_size"],
            activation: &["activation"],
            ..USUAL
        },
        ..UNGATED
    },
    Facts {
        name: "starcoder2",
        gguf: Some("starcoder2"),
        defaults: shape(3072, 12288, 30, 24, 49152, 4096),
        kv_heads: KvHeads::Of(2),
        tied: true,
        attention_bias: BiasRule::Switch("use_bias", true, Biases::All),
        mlp_bias: MlpBias::Switch("use_bias", true),
        window: WindowRule::Every(None),
        harmless: &["norm_type", "mlp_type"],
        ..UNGATED
    },
];
