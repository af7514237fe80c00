//! Dense families with gated feed-forwards.

use super::super::layer::{Activation, Biases, HeadNorm, Norm};
use super::facts::{
    Alternatives, BiasRule, Caps, Facts, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA, MixerRule, MlpBias,
    NO_MLP_BIAS, NormPlaces, NormsRule, RotaryRule, USUAL, WindowRule, required, shape,
};
use super::mixers::LatentRule;

const PER_HEAD: HeadNormRule = HeadNormRule::Always(HeadNorm::PerHead(Norm::Rms));
const WHOLE_ROW: HeadNormRule = HeadNormRule::Always(HeadNorm::Row(Norm::Rms));
const MINICPM: Alternatives = &["scale_emb", "scale_depth", "dim_model_base"];
const NO_BIAS: BiasRule = BiasRule::Always(Biases::None);

/// Biases on query, key and value are part of the code: no key states them.
const QWEN2: Facts = Facts {
    name: "qwen2",
    aliases: &["qwen2_vl_text", "qwen2_5_vl_text", "qwen2_5_omni_text"],
    gguf_aliases: &["qwen2vl"],
    gguf: Some("qwen2"),
    defaults: required(shape(4096, 22016, 32, 32, 151_936, 32768)),
    kv_heads: KvHeads::Of(32),
    attention_bias: BiasRule::Always(Biases::QueryKeyValue),
    window: WindowRule::Later(4096),
    ..NO_MLP_BIAS
};

pub(super) const FAMILIES: &[Facts] = &[
    LLAMA,
    Facts {
        name: "mistral",
        defaults: required(shape(4096, 14336, 32, 32, 32000, 131_072)),
        kv_heads: KvHeads::Of(8),
        attention_bias: NO_BIAS,
        window: WindowRule::Every(Some(4096)),
        ..NO_MLP_BIAS
    },
    QWEN2,
    // Xiaomi's first: layers for multi-token prediction beside.
    Facts {
        name: "mimo",
        aliases: &[],
        gguf: None,
        gguf_aliases: &[],
        uncounted: &["num_nextn_predict_layers"],
        ..QWEN2
    },
    Facts {
        name: "qwen3",
        aliases: &["qwen3_vl_text"],
        gguf_aliases: &["qwen3vl"],
        gguf: Some("qwen3"),
        defaults: required(shape(4096, 22016, 32, 32, 151_936, 32768)),
        kv_heads: KvHeads::Of(32),
        head_dim: Some(128),
        head_norm: PER_HEAD,
        window: WindowRule::Later(4096),
        ..NO_MLP_BIAS
    },
    Facts { defaults: shape(3072, 24576, 28, 16, 256_000, 8192), kv_heads: KvHeads::Of(16), ..GEMMA },
    Facts {
        name: "gemma2",
        gguf: Some("gemma2"),
        defaults: shape(2304, 9216, 26, 8, 256_000, 8192),
        kv_heads: KvHeads::Of(4),
        norms: NormsRule::Always(NormPlaces::Both),
        window: WindowRule::Alternate(4096),
        caps: Caps::Absent(true),
        // Beside `sliding_window`, which is what the family's code reads.
        harmless: &["sliding_window_size", "use_bidirectional_attention"],
        ..GEMMA
    },
    // The 4B configuration leaves out heads, their size and the vocabulary.
    Facts {
        name: "gemma3_text",
        harmless: &[],
        aliases: &["gemma3"],
        gguf: Some("gemma3"),
        defaults: shape(2304, 9216, 26, 8, 262_208, 131_072),
        kv_heads: KvHeads::Of(4),
        norms: NormsRule::Always(NormPlaces::Both),
        head_norm: PER_HEAD,
        window: WindowRule::Period(4096, 6),
        caps: Caps::Absent(false),
        ..GEMMA
    },
    Facts {
        name: "phi3",
        two_rope_tables: true,
        gguf: Some("phi3"),
        fused_attention: true,
        fused_gate: true,
        defaults: shape(3072, 8192, 32, 32, 32064, 4096),
        attention_bias: NO_BIAS,
        rotary: RotaryRule::Part(1.0),
        window: WindowRule::Every(None),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "stablelm",
        aliases: &["stablelm_epoch"],
        gguf: Some("stablelm"),
        defaults: shape(2560, 6912, 32, 32, 50304, 4096),
        kv_heads: KvHeads::Of(32),
        norm: Norm::Layer,
        norms: NormsRule::OneIf("use_parallel_residual"),
        attention_bias: BiasRule::Switch("use_qkv_bias", false, Biases::QueryKeyValue),
        mlp_bias: MlpBias::Never,
        head_norm: HeadNormRule::Switch("qk_layernorm", false, HeadNorm::Row(Norm::LayerWithoutBias)),
        rotary: RotaryRule::Part(0.25),
        ..LLAMA
    },
    Facts { name: "minicpm", gguf: Some("minicpm"), tied: true, two_rope_tables: true, harmless: MINICPM, ..LLAMA },
    Facts {
        name: "minicpm3",
        two_rope_tables: true,
        gguf: Some("minicpm3"),
        defaults: shape(2560, 6400, 62, 40, 73448, 32768),
        kv_heads: KvHeads::Of(40),
        tied: true,
        mixer: MixerRule::Latent(LatentRule {
            query_rank: Some(768),
            rank: 256,
            plain_dim: 64,
            rotary_dim: 32,
            value_dim: None,
            latents_in_llama_cpp: false,
            ..LATENT
        }),
        harmless: MINICPM,
        ..LLAMA
    },
    Facts {
        name: "plm",
        gguf: Some("plm"),
        defaults: shape(2048, 8192, 32, 16, 151_936, 4096),
        tied: true,
        gated: false,
        activation: Activation::ReluSquared,
        mixer: MixerRule::Latent(LatentRule { query_rank: None, latents_in_llama_cpp: false, ..LATENT }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "smollm3",
        gguf: Some("smollm3"),
        defaults: shape(2048, 11008, 36, 16, 128_256, 32768),
        kv_heads: KvHeads::Of(4),
        tied: true,
        rotary: RotaryRule::WholeExcept,
        window: WindowRule::Unrotated,
        harmless: &["max_window_layers"],
        ..LLAMA
    },
    Facts {
        name: "olmo2",
        gguf: Some("olmo2"),
        defaults: shape(4096, 11008, 32, 32, 50304, 2048),
        norms: NormsRule::Always(NormPlaces::Outputs),
        head_norm: WHOLE_ROW,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "granite",
        gguf: Some("granite"),
        harmless: &["embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"],
        ..LLAMA
    },
    Facts {
        name: "glm4",
        aliases: &["glm4v_text"],
        gguf: Some("glm4"),
        fused_gate: true,
        defaults: shape(4096, 13696, 40, 32, 151_552, 131_072),
        kv_heads: KvHeads::Of(2),
        head_dim: Some(128),
        norms: NormsRule::Always(NormPlaces::Both),
        attention_bias: BiasRule::Switch("attention_bias", true, Biases::QueryKeyValue),
        rotary: RotaryRule::Part(0.5),
        ..NO_MLP_BIAS
    },
];

/// What these have in common.
pub(super) const GEMMA: Facts = Facts {
    name: "gemma",
    // Which pairs are masked, not which weights there are.
    harmless: &["use_bidirectional_attention"],
    gguf: Some("gemma"),
    head_dim: Some(256),
    tied: true,
    activation: Activation::Gelu,
    keys: KeyNames { activation: &["hidden_activation", "hidden_act"], ..USUAL },
    ..NO_MLP_BIAS
};
