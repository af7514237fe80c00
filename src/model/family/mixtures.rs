//! More families with mixtures of experts.

use super::super::layer::{Biases, HeadNorm, Norm};
use super::dense::{COHERE, HUNYUAN_OFF};
use super::experts::{DEEPSEEK, DEEPSEEK_V3, PLAIN, USED};
use super::facts::{
    BiasRule, DenseLayers, Facts, HeadBias, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA, MixerRule, MixtureRule,
    NO_MLP_BIAS, NormPlaces, NormsRule, RotaryRule, SharedRule, USUAL, WindowRule, required, shape,
};
use super::mixers::LatentRule;

const PER_HEAD: HeadNorm = HeadNorm::PerHead(Norm::Rms);
const NO_BIAS: BiasRule = BiasRule::Always(Biases::None);
const MTP: &[&str] = &["num_nextn_predict_layers"];

/// Experts chosen as in DeepSeek-V3, and one that every token visits.
pub(super) const CORRECTED: MixtureRule = MixtureRule {
    experts: (&["n_routed_experts"], 128),
    used: (USED, Some(8)),
    width: Some(("moe_intermediate_size", 1408)),
    shared: SharedRule::Count(&["n_shared_experts"], 1),
    dense: DenseLayers::First(1),
    correction: true,
    ..PLAIN
};

const GLM4_MOE: Facts = Facts {
    name: "glm4_moe",
    gguf: Some("glm4moe"),
    tensors: &[("ffn_norm", "post_attention_norm")],
    defaults: shape(4096, 10944, 46, 96, 151_552, 131_072),
    kv_heads: KvHeads::Of(8),
    attention_bias: BiasRule::Switch("attention_bias", false, Biases::QueryKeyValue),
    head_norm: HeadNormRule::Switch("use_qk_norm", false, PER_HEAD),
    rotary: RotaryRule::Part(0.5),
    mixture: Some(CORRECTED),
    harmless: DEEPSEEK,
    uncounted: MTP,
    ..NO_MLP_BIAS
};

const SARVAM: Facts = Facts {
    name: "sarvam_moe",
    gguf: None,
    tensors: &[],
    defaults: shape(4096, 8192, 19, 64, 262_144, 131_072),
    kv_heads: KvHeads::Of(4),
    head_dim: Some(64),
    attention_bias: BiasRule::Switch("use_qkv_bias", false, Biases::QueryKeyValue),
    head_norm: HeadNormRule::Switch("use_qk_norm", true, PER_HEAD),
    rotary: RotaryRule::Part(1.0),
    mixture: Some(MixtureRule {
        experts: (&["n_routed_experts", "num_experts"], 128),
        used: (USED, Some(6)),
        width: Some(("moe_intermediate_size", 1024)),
        shared: SharedRule::Count(&["n_shared_experts", "num_shared_experts"], 1),
        ..CORRECTED
    }),
    uncounted: &["num_nextn_predict_layers", "num_mtp_layers"],
    ..GLM4_MOE
};

pub(super) const FAMILIES: &[Facts] = &[
    GLM4_MOE,
    Facts {
        name: "glm4v_moe_text",
        gguf: None,
        defaults: shape(4096, 10944, 46, 96, 151_424, 65536),
        attention_bias: BiasRule::Switch("attention_bias", true, Biases::QueryKeyValue),
        ..GLM4_MOE
    },
    // As qwen3_moe, with the defaults of its wrapper.
    Facts {
        name: "qwen3_vl_moe_text",
        gguf: Some("qwen3vlmoe"),
        defaults: shape(2048, 5632, 24, 16, 151_936, 128_000),
        kv_heads: KvHeads::Of(16),
        head_norm: HeadNormRule::Always(PER_HEAD),
        head_dim: Some(128),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 60),
            used: (USED, Some(4)),
            width: Some(("moe_intermediate_size", 1408)),
            dense: DenseLayers::Listed,
            ..PLAIN
        }),
        harmless: &["use_qk_norm"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "glm4_moe_lite",
        gguf: None,
        defaults: shape(2048, 10240, 47, 20, 154_880, 202_752),
        mixer: MixerRule::Latent(LatentRule { query_rank: Some(768), plain_dim: 192, value_dim: Some(256), ..LATENT }),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts"], 64),
            used: (USED, Some(4)),
            width: Some(("moe_intermediate_size", 1536)),
            ..CORRECTED
        }),
        harmless: DEEPSEEK,
        uncounted: MTP,
        ..NO_MLP_BIAS
    },
    // Every layer has experts.
    Facts {
        name: "solar_open",
        gguf: None,
        defaults: shape(4096, 10240, 48, 64, 196_608, 131_072),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        attention_bias: BiasRule::Switch("attention_bias", false, Biases::QueryKeyValue),
        rotary: RotaryRule::Part(1.0),
        mixture: Some(MixtureRule {
            width: Some(("moe_intermediate_size", 1280)),
            dense: DenseLayers::First(0),
            ..CORRECTED
        }),
        fixed: &[("use_qk_norm", "false")],
        harmless: DEEPSEEK,
        uncounted: MTP,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "dots1",
        gguf: Some("dots1"),
        defaults: required(shape(4608, 10944, 62, 32, 152_064, 2048)),
        kv_heads: KvHeads::Of(32),
        head_norm: HeadNormRule::Always(PER_HEAD),
        window: WindowRule::Listed(4096),
        mixture: Some(MixtureRule {
            used: (USED, None),
            shared: SharedRule::Count(&["n_shared_experts"], 0),
            dense: DenseLayers::First(0),
            ..CORRECTED
        }),
        harmless: DEEPSEEK,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "exaone_moe",
        gguf: Some("exaone-moe"),
        defaults: shape(4096, 16384, 32, 32, 102_400, 2048),
        kv_heads: KvHeads::Of(32),
        attention_bias: NO_BIAS,
        head_norm: HeadNormRule::Always(PER_HEAD),
        rotary: RotaryRule::Windowed,
        window: WindowRule::Period(4096, 4),
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 64),
            width: Some(("moe_intermediate_size", 1024)),
            shared: SharedRule::Count(&["num_shared_experts"], 1),
            ..CORRECTED
        }),
        harmless: DEEPSEEK,
        uncounted: MTP,
        ..NO_MLP_BIAS
    },
    // The first DeepSeek with experts: attention as in Llama.
    Facts {
        name: "deepseek",
        gguf: Some("deepseek"),
        defaults: required(shape(4096, 11008, 30, 32, 102_400, 2048)),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts"], 64),
            used: (USED, None),
            width: Some(("moe_intermediate_size", 1407)),
            shared: SharedRule::Count(&["n_shared_experts"], 0),
            dense: DenseLayers::First(0),
            ..PLAIN
        }),
        harmless: DEEPSEEK,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "minimax_m2",
        gguf: Some("minimax-m2"),
        defaults: shape(3072, 1536, 62, 48, 200_064, 196_608),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        attention_bias: NO_BIAS,
        head_norm: HeadNormRule::Always(HeadNorm::Row(Norm::Rms)),
        rotary: RotaryRule::Part(1.0),
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts"], 256),
            used: (USED, Some(8)),
            correction: true,
            ..PLAIN
        }),
        fixed: &[
            ("use_qk_norm", "true"),
            ("qk_norm_type", "per_layer"),
            ("use_routing_bias", "true"),
            ("shared_intermediate_size", "0"),
        ],
        harmless: &["attn_type_list", "mtp_transformer_layers", "scoring_func", "use_mtp"],
        uncounted: &["num_mtp_modules"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "phimoe",
        gguf: Some("phimoe"),
        two_rope_tables: true,
        defaults: shape(4096, 6400, 32, 32, 32064, 131_072),
        kv_heads: KvHeads::Of(8),
        norm: Norm::Layer,
        head_bias: HeadBias::Switch("lm_head_bias"),
        window: WindowRule::Every(None),
        mixture: Some(MixtureRule { experts: (&["num_local_experts"], 16), ..PLAIN }),
        harmless: &["input_jitter_noise"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "dbrx",
        gguf: Some("dbrx"),
        fused_attention: true,
        tensors: &[("ffn_norm", "attn_output_norm")],
        defaults: shape(2048, 3584, 24, 16, 32000, 2048),
        kv_heads: KvHeads::Of(1),
        norm: Norm::LayerWithoutBias,
        attention_bias: NO_BIAS,
        mixture: Some(MixtureRule { experts: (&["moe_num_experts"], 4), used: (&["moe_top_k"], Some(1)), ..PLAIN }),
        keys: KeyNames {
            hidden: &["d_model"],
            layers: &["n_layers"],
            heads: &["n_heads"],
            kv_heads: &["kv_n_heads", "num_key_value_heads"],
            width: &["ffn_hidden_size"],
            positions: &["max_seq_len"],
            activation: &[],
            ..USUAL
        },
        nested: &["attn_config", "ffn_config"],
        harmless: &[
            "clip_qkv",
            "ffn_act_fn",
            "hidden_size",
            "moe_jitter_eps",
            "moe_loss_weight",
            "moe_normalize_expert_weights",
            "uniform_expert_assignment",
        ],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "ernie4_5_moe",
        gguf: Some("ernie4_5-moe"),
        defaults: shape(2560, 12288, 28, 20, 103_424, 131_072),
        kv_heads: KvHeads::Of(4),
        tied: true,
        attention_bias: NO_BIAS,
        fixed: &[("use_bias", "false")],
        mixture: Some(MixtureRule {
            experts: (&["moe_num_experts"], 64),
            used: (&["moe_k"], Some(6)),
            width: Some(("moe_intermediate_size", 1536)),
            shared: SharedRule::Count(&["moe_num_shared_experts"], 2),
            dense: DenseLayers::Outside(1),
            correction: true,
            ..PLAIN
        }),
        harmless: &[
            "moe_capacity",
            "moe_gate",
            "moe_gate_act",
            "moe_norm_gate_logits",
            "moe_norm_min",
            "moe_use_aux_free",
        ],
        uncounted: MTP,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "hunyuan_v1_moe",
        aliases: &["hunyuan_moe_v1"],
        gguf: Some("hunyuan-moe"),
        defaults: required(shape(4096, 11008, 32, 32, 290_943, 2048)),
        head_norm: HeadNormRule::Always(PER_HEAD),
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 1),
            used: (&["moe_topk"], Some(1)),
            width: Some(("moe_intermediate_size", 0)),
            shared: SharedRule::Count(&["num_shared_expert"], 1),
            ..PLAIN
        }),
        uniform: &["moe_topk", "moe_intermediate_size", "num_experts", "num_shared_expert"],
        keys: KeyNames { head_dim: &["head_dim", "attention_head_dim"], ..USUAL },
        fixed: &[("use_cla", "false"), ("use_mla", "false"), ("use_qk_norm", "true"), ("moe_layer_num_skipped", "0")],
        harmless: HUNYUAN_OFF,
        ..NO_MLP_BIAS
    },
    // As Granite, with experts; files tell those with a shared one by its tensors.
    Facts {
        name: "granitemoe",
        gguf: Some("granitemoe"),
        defaults: shape(4096, 11008, 32, 32, 32000, 2048),
        mixture: Some(MixtureRule { experts: (&["num_local_experts"], 8), ..PLAIN }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "granitemoeshared",
        gguf: None,
        defaults: shape(4096, 11008, 32, 32, 32000, 2048),
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts"], 8),
            shared: SharedRule::Plain("shared_intermediate_size", 0),
            ..PLAIN
        }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "hy_v3",
        gguf: Some("hy_v3"),
        // Its name ends in the weights with `bias`, and there is no other ending.
        tensors: &[("exp_probs_b", "exp_probs_b!")],
        defaults: shape(4096, 13312, 80, 64, 120_832, 131_072),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        head_norm: HeadNormRule::Always(PER_HEAD),
        attention_bias: BiasRule::Switch("attention_bias", false, Biases::All),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 192),
            width: Some(("moe_intermediate_size", 1536)),
            shared: SharedRule::Count(&["num_shared_experts"], 1),
            ..CORRECTED
        }),
        harmless: &["enable_moe_fp32_combine", "router_scaling_factor"],
        uncounted: MTP,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "cohere2_moe",
        gguf: Some("cohere2moe"),
        rotary: RotaryRule::Windowed,
        window: WindowRule::Period(4096, 4),
        head_norm: HeadNormRule::Always(HeadNorm::None),
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 8),
            shared: SharedRule::Count(&["num_shared_experts"], 0),
            dense: DenseLayers::First(0),
            ..PLAIN
        }),
        fixed: &[("use_qk_norm", "false"), ("first_k_dense_replace", "0")],
        harmless: &["expert_selection_fn", "prefix_dense_sliding_window_pattern", "shared_expert_combination_strategy"],
        ..COHERE
    },
    SARVAM,
    // Ant's Ling and Ring: biases of experts' choices, and norms of heads, came with the second.
    Facts {
        name: "bailing_moe",
        aliases: &["bailing_moe_v2"],
        gguf: Some("bailingmoe2"),
        gguf_aliases: &["bailingmoe"],
        fused_attention: true,
        defaults: required(shape(2048, 5120, 20, 16, 157_184, 32768)),
        kv_heads: KvHeads::AsHeads,
        head_dim: None,
        attention_bias: BiasRule::Switch("use_qkv_bias", false, Biases::QueryKeyValue),
        head_norm: HeadNormRule::Switch("use_qk_norm", false, PER_HEAD),
        rotary: RotaryRule::Part(1.0),
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 64),
            shared: SharedRule::Count(&["num_shared_experts"], 0),
            dense: DenseLayers::First(0),
            correction: false,
            ..CORRECTED
        }),
        fixed: &[("use_bias", "false")],
        ..SARVAM
    },
    Facts {
        name: "sarvam_mla",
        aliases: &[],
        gguf: None,
        defaults: shape(4096, 16384, 32, 64, 262_144, 4096),
        mixer: MixerRule::Latent(LatentRule { query_rank: None, ..LATENT }),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts", "num_experts"], 128),
            width: Some(("moe_intermediate_size", 2048)),
            shared: SharedRule::Count(&["n_shared_experts", "num_shared_experts"], 1),
            ..CORRECTED
        }),
        ..DEEPSEEK_V3
    },
    Facts {
        name: "axk1",
        aliases: &[],
        gguf: None,
        defaults: shape(7168, 18432, 61, 64, 163_840, 32768),
        norms: NormsRule::AfterExperts,
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts"], 192),
            width: Some(("moe_intermediate_size", 2048)),
            ..CORRECTED
        }),
        ..DEEPSEEK_V3
    },
    Facts {
        name: "aria_text",
        gguf: None,
        defaults: shape(4096, 4096, 32, 32, 32000, 2048),
        mixture: Some(MixtureRule {
            experts: (&["moe_num_experts"], 8),
            used: (&["moe_topk"], Some(2)),
            shared: SharedRule::Count(&["moe_num_shared_experts"], 2),
            ..PLAIN
        }),
        ..LLAMA
    },
    Facts {
        name: "mellum",
        gguf: Some("mellum"),
        defaults: shape(2304, 7168, 28, 32, 98304, 131_072),
        kv_heads: KvHeads::Of(4),
        head_dim: Some(128),
        head_norm: HeadNormRule::Always(PER_HEAD),
        window: WindowRule::Listed(1024),
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts", "num_experts"], 64),
            used: (USED, Some(8)),
            width: Some(("moe_intermediate_size", 896)),
            dense: DenseLayers::First(0),
            ..PLAIN
        }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "flex_olmo",
        gguf: None,
        defaults: shape(4096, 11008, 32, 32, 100_352, 4096),
        norms: NormsRule::Always(NormPlaces::Outputs),
        head_norm: HeadNormRule::Always(HeadNorm::Row(Norm::Rms)),
        mixture: Some(MixtureRule { experts: (&["num_experts"], 7), used: (USED, Some(5)), ..PLAIN }),
        ..NO_MLP_BIAS
    },
];
