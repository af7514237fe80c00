//! Families with mixtures of experts.

use super::super::layer::{Biases, HeadNorm, Norm};
use super::facts::{
    Alternatives, BiasRule, DenseLayers, Facts, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA, MixerRule, MixtureRule,
    NO_MLP_BIAS, RotaryRule, SharedRule, USUAL, WindowRule, shape,
};
use super::mixers::LatentRule;

pub(super) const USED: Alternatives = &["num_experts_per_tok"];

/// Experts as wide as the family's feed-forward, in every layer.
pub(super) const PLAIN: MixtureRule = MixtureRule {
    experts: (&["num_local_experts", "num_experts"], 8),
    used: (USED, Some(2)),
    width: None,
    shared: SharedRule::None,
    latent: None,
    dense: DenseLayers::None,
    router_bias: false,
    idle: None,
    expert_bias: false,
    output_bias: false,
    switch: None,
    rows: false,
    correction: false,
};

/// How experts are chosen, not how many.
pub(super) const DEEPSEEK: Alternatives = &[
    "indexer_rope_interleave",
    "index_share_for_mtp_iteration",
    "moe_router_dtype",
    "n_group",
    "topk_group",
    "topk_method",
    "ep_size",
    "num_key_value_heads",
];

pub(super) const FAMILIES: &[Facts] = &[
    Facts {
        name: "mixtral",
        defaults: shape(4096, 14336, 32, 32, 32000, 131_072),
        kv_heads: KvHeads::Of(8),
        attention_bias: BiasRule::Always(Biases::None),
        window: WindowRule::Every(None),
        mixture: Some(PLAIN),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "qwen2_moe",
        gguf: Some("qwen2moe"),
        defaults: shape(2048, 5632, 24, 16, 151_936, 32768),
        kv_heads: KvHeads::Of(16),
        attention_bias: BiasRule::Switch("qkv_bias", true, Biases::QueryKeyValue),
        window: WindowRule::EarlierAlternate(4096),
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 60),
            used: (USED, Some(4)),
            width: Some(("moe_intermediate_size", 1408)),
            shared: SharedRule::Gated("shared_expert_intermediate_size", 5632),
            dense: DenseLayers::Listed,
            ..PLAIN
        }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "qwen3_moe",
        aliases: &["qwen3_omni_moe_text"],
        // Its code always normalises.
        harmless: &["use_qk_norm"],
        gguf: Some("qwen3moe"),
        defaults: shape(2048, 6144, 24, 32, 151_936, 32768),
        kv_heads: KvHeads::Of(4),
        head_norm: HeadNormRule::Always(HeadNorm::PerHead(Norm::Rms)),
        window: WindowRule::EveryIfUsed(4096),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 128),
            used: (USED, Some(8)),
            width: Some(("moe_intermediate_size", 768)),
            dense: DenseLayers::Listed,
            ..PLAIN
        }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "olmoe",
        gguf: Some("olmoe"),
        harmless: &["clip_qkv"],
        defaults: shape(2048, 2048, 16, 16, 50304, 4096),
        head_norm: HeadNormRule::Always(HeadNorm::Row(Norm::Rms)),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 64),
            used: (USED, Some(8)),
            ..PLAIN
        }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "gpt_oss",
        gguf: Some("gpt-oss"),
        tensors: &[("ffn_norm", "post_attention_norm")],
        defaults: shape(2880, 2880, 36, 64, 201_088, 131_072),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(64),
        attention_bias: BiasRule::Switch("attention_bias", true, Biases::All),
        window: WindowRule::Alternate(128),
        mixer: MixerRule::GroupedQuery { sinks: true },
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts"], 128),
            used: (&["num_experts_per_tok", "experts_per_token"], Some(4)),
            router_bias: true,
            expert_bias: true,
            ..PLAIN
        }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "deepseek_v2",
        gguf: Some("deepseek2"),
        defaults: shape(4096, 11008, 32, 32, 102_400, 2048),
        mixer: MixerRule::Latent(LATENT),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts"], 64),
            used: (USED, None),
            // 1407 is no slip here, though it is likely one there.
            width: Some(("moe_intermediate_size", 1407)),
            shared: SharedRule::Count(&["n_shared_experts"], 2),
            dense: DenseLayers::First(0),
            ..PLAIN
        }),
        harmless: DEEPSEEK,
        ..LLAMA
    },
    DEEPSEEK_V3,
    Facts {
        name: "deepseek_v32",
        gguf: Some("deepseek32"),
        defaults: shape(7168, 18432, 61, 128, 129_280, 163_840),
        mixer: MixerRule::Latent(LatentRule { indexer: Some([64, 128, 2048]), ..LATENT }),
        aliases: &[],
        ..DEEPSEEK_V3
    },
    // GLM-5.
    Facts {
        name: "glm_moe_dsa",
        gguf: Some("glm-dsa"),
        defaults: shape(6144, 12288, 78, 64, 154_880, 202_752),
        kv_heads: KvHeads::Of(64),
        mixer: MixerRule::Latent(LatentRule {
            query_rank: Some(2048),
            plain_dim: 192,
            value_dim: Some(256),
            indexer: Some([32, 128, 2048]),
            ..LATENT
        }),
        aliases: &[],
        ..DEEPSEEK_V3
    },
    Facts {
        name: "llama4_text",
        aliases: &["llama4"],
        gguf: Some("llama4"),
        defaults: shape(5120, 16384, 48, 40, 202_048, 131_072),
        // Beside it, `intermediate_size` is that of experts.
        keys: KeyNames { width: &["intermediate_size_mlp"], ..USUAL },
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        rotary: RotaryRule::WholeExcept,
        window: WindowRule::Chunks(8192),
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts"], 16),
            used: (USED, Some(1)),
            width: Some(("intermediate_size", 8192)),
            shared: SharedRule::One,
            dense: DenseLayers::Interleaved,
            ..PLAIN
        }),
        // Its norm of queries and keys has no weights.
        harmless: &["use_qk_norm", "attn_temperature_tuning", "floor_scale", "attn_scale", "for_llm_compressor"],
        ..NO_MLP_BIAS
    },
];

pub(super) const DEEPSEEK_V3: Facts = Facts {
    name: "deepseek_v3",
    gguf: Some("deepseek2"),
    defaults: shape(7168, 18432, 61, 128, 129_280, 4096),
    kv_heads: KvHeads::Of(128),
    mixer: MixerRule::Latent(LATENT),
    mixture: Some(MixtureRule {
        experts: (&["n_routed_experts", "num_experts"], 256),
        used: (USED, Some(8)),
        width: Some(("moe_intermediate_size", 2048)),
        shared: SharedRule::Count(&["n_shared_experts"], 1),
        dense: DenseLayers::First(3),
        correction: true,
        ..PLAIN
    }),
    harmless: DEEPSEEK,
    uncounted: &["num_nextn_predict_layers", "num_mtp_layers"],
    aliases: &["kimi_k2"],
    ..NO_MLP_BIAS
};
