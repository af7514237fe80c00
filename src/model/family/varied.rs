//! Families whose layers differ by lists of their own: heads, widths, windows, gates, or nothing at all.

use super::super::layer::{Biases, Gate, HeadNorm, Norm};
use super::experts::{DEEPSEEK, PLAIN, USED};
use super::facts::{
    Alternatives, BiasRule, DenseLayers, Facts, GateRule, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA, MixerRule,
    MixtureRule, NO_MLP_BIAS, NormPlaces, NormsRule, PerLayer, RotaryRule, SharedRule, USUAL, WindowRule, required,
    shape,
};
use super::mixers::{CompressedRule, LatentRule};
use super::mixtures::CORRECTED;

const PER_HEAD: HeadNormRule = HeadNormRule::Always(HeadNorm::PerHead(Norm::Rms));
const NO_BIAS: BiasRule = BiasRule::Always(Biases::None);

/// What MiMo-V2 states twice, or of values only.
const MIMO: Alternatives = &[
    "attention_chunk_size",
    "attention_projection_layout",
    "attention_value_scale",
    "n_group",
    "topk_group",
    "topk_method",
];

/// How values are limited and scores scaled.
const STEP: Alternatives = &[
    "att_impl_type",
    "moe_every_n_layer",
    "moe_layer_offset",
    "moe_router_activation",
    "moe_router_scaling_factor",
    "need_fp32_gate",
    "norm_expert_weight",
    "partial_rotary_factors",
    "share_expert_dims",
    "swiglu_limits",
    "swiglu_limits_shared",
    "use_moe",
    "use_moe_router_bias",
    "use_rope_layers",
    "yarn_only_types",
    "zero_centered",
];

pub(super) const FAMILIES: &[Facts] = &[
    Facts {
        name: "mimo_v2_flash",
        aliases: &["mimo_v2", "mimo_v2_pro"],
        gguf: Some("mimo2"),
        defaults: shape(4096, 16384, 48, 64, 152_576, 131_072),
        kv_heads: KvHeads::Of(4),
        head_dim: Some(192),
        attention_bias: BiasRule::Switch("attention_bias", false, Biases::QueryKeyValue),
        rotary: RotaryRule::Part(0.334),
        window: WindowRule::Listed(129),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts", "num_local_experts"], 256),
            width: Some(("moe_intermediate_size", 2048)),
            shared: SharedRule::Count(&["n_shared_experts"], 0),
            ..CORRECTED
        }),
        per_layer: PerLayer::Mimo,
        harmless: MIMO,
        uncounted: &["num_nextn_predict_layers"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "step3p5",
        aliases: &["step3p7_text", "step3p7_flash"],
        gguf: Some("step35"),
        defaults: shape(4096, 11264, 45, 64, 128_815, 128_000),
        keys: KeyNames {
            kv_heads: &["num_attention_groups", "num_key_value_heads"],
            positions: &["max_position_embeddings", "max_seq_len"],
            ..USUAL
        },
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        head_norm: HeadNormRule::Switch("use_qk_norm", true, HeadNorm::PerHead(Norm::Rms)),
        gate: GateRule::Switch("use_head_wise_attn_gate", true, Gate::PerHead),
        attention_bias: NO_BIAS,
        rotary: RotaryRule::Part(1.0),
        window: WindowRule::Listed(512),
        mixture: Some(MixtureRule {
            experts: (&["moe_num_experts", "n_routed_experts", "num_experts", "num_local_experts"], 288),
            used: (&["moe_top_k", "num_experts_per_tok"], Some(8)),
            width: Some(("moe_intermediate_size", 1280)),
            shared: SharedRule::Plain("share_expert_dim", 1280),
            dense: DenseLayers::First(3),
            ..CORRECTED
        }),
        fixed: &[("n_shared_experts", "1")],
        per_layer: PerLayer::Step,
        harmless: STEP,
        uncounted: &["num_nextn_predict_layers"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "laguna",
        gguf: Some("laguna"),
        defaults: shape(2048, 8192, 40, 48, 100_352, 131_072),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        head_norm: PER_HEAD,
        attention_bias: NO_BIAS,
        rotary: RotaryRule::Part(1.0),
        window: WindowRule::Listed(512),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 256),
            width: Some(("moe_intermediate_size", 512)),
            shared: SharedRule::Plain("shared_expert_intermediate_size", 512),
            ..CORRECTED
        }),
        per_layer: PerLayer::Laguna,
        harmless: &["moe_routed_scaling_factor", "moe_router_logit_softcapping", "moe_router_use_sigmoid"],
        ..NO_MLP_BIAS
    },
    // Puzzle's choice: each layer has heads and a width of its own, a matrix instead, or nothing.
    Facts {
        name: "nemotron-nas",
        aliases: &["nemotron_nas", "deci", "decilm"],
        gguf: Some("deci"),
        defaults: required(shape(8192, 28672, 80, 64, 128_256, 131_072)),
        per_layer: PerLayer::Blocks,
        ..LLAMA
    },
    Facts {
        name: "minimax_m3",
        aliases: &["minimax_m3_vl_text", "minimax_m3_text"],
        gguf: Some("minimax-m3"),
        tensors: &[("indexer.attn_q", "indexer.q_proj"), ("indexer.attn_k", "indexer.k_proj")],
        defaults: shape(6144, 12288, 60, 64, 200_064, 524_288),
        keys: KeyNames { width: &["dense_intermediate_size"], ..USUAL },
        kv_heads: KvHeads::Of(4),
        head_dim: Some(128),
        head_norm: PER_HEAD,
        attention_bias: NO_BIAS,
        rotary: RotaryRule::Part(0.5),
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts", "num_experts"], 128),
            used: (USED, Some(4)),
            width: Some(("intermediate_size", 3072)),
            shared: SharedRule::Plain("shared_intermediate_size", 3072),
            dense: DenseLayers::First(0),
            correction: true,
            ..PLAIN
        }),
        per_layer: PerLayer::ChosenBlocks,
        fixed: &[
            ("attention_output_gate", "false"),
            ("n_shared_experts", "1"),
            ("qk_norm_type", "per_head"),
            ("use_qk_norm", "true"),
            ("use_routing_bias", "true"),
        ],
        harmless: &["moe_intermediate_size", "mtp_transformer_layers", "swiglu_alpha", "use_gemma_norm"],
        uncounted: &["num_mtp_modules", "num_nextn_predict_layers"],
        ..NO_MLP_BIAS
    },
    // `deepseek_ref`: as it was first uploaded.
    Facts {
        name: "deepseek_v4",
        aliases: &["deepseek_ref"],
        gguf: Some("deepseek4"),
        tensors: &[
            ("attn_kv_norm", "attn_kv_a_norm"),
            ("compressor.kv", "attn_compressor_kv"),
            ("compressor.gate", "attn_compressor_gate"),
            ("compressor.ape", "attn_compressor_ape"),
            ("compressor.norm", "attn_compressor_norm"),
            ("indexer.compressor.kv", "indexer_compressor_kv"),
            ("indexer.compressor.gate", "indexer_compressor_gate"),
            ("indexer.compressor.ape", "indexer_compressor_ape"),
            ("indexer.compressor.norm", "indexer_compressor_norm"),
            ("hc_head_fn", "output_hc_fn"),
            ("hc_head_base", "output_hc_base"),
            ("hc_head_scale", "output_hc_scale"),
        ],
        defaults: shape(4096, 2048, 43, 64, 129_280, 1_048_576),
        keys: KeyNames { width: &["moe_intermediate_size"], ..USUAL },
        attention_bias: NO_BIAS,
        mixer: MixerRule::Compressed(CompressedRule {
            head_dim: 512,
            query_rank: 1024,
            rotary: 64,
            groups: 8,
            output_rank: 1024,
            window: 128,
            indexer: [64, 128, 512],
        }),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts", "num_local_experts"], 256),
            used: (USED, Some(6)),
            width: None,
            dense: DenseLayers::None,
            ..CORRECTED
        }),
        harmless: &["expert_dtype", "hc_sinkhorn_iters", "n_group", "topk_group", "topk_method"],
        uncounted: &["num_nextn_predict_layers"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "granite_swa",
        gguf: None,
        defaults: shape(2560, 8192, 24, 20, 100_352, 8192),
        kv_heads: KvHeads::Of(4),
        tied: true,
        mixer: MixerRule::GroupedQuery { sinks: true },
        window: WindowRule::FirstOfFour(128),
        per_layer: PerLayer::ListedThetas,
        ..LLAMA
    },
    Facts {
        name: "granitemoe_swa",
        gguf: None,
        defaults: shape(4096, 11008, 32, 32, 32000, 2048),
        mixer: MixerRule::GroupedQuery { sinks: true },
        window: WindowRule::FirstOfFour(128),
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts"], 8),
            shared: SharedRule::Plain("shared_intermediate_size", 0),
            ..PLAIN
        }),
        per_layer: PerLayer::ListedThetas,
        ..NO_MLP_BIAS
    },
    // Each layer is two: experts stand beside the feed-forward of the first, and their output is added behind the second.
    Facts {
        name: "longcat_flash",
        gguf: None,
        defaults: shape(6144, 12288, 28, 64, 131_072, 131_072),
        keys: KeyNames { layers: &["num_layers"], width: &["ffn_hidden_size", "intermediate_size"], ..USUAL },
        mixer: MixerRule::Latent(LatentRule { latents_in_llama_cpp: false, ..LATENT }),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts", "num_local_experts"], 512),
            used: (&["moe_topk", "num_experts_per_tok"], Some(12)),
            width: Some(("expert_ffn_hidden_size", 2048)),
            shared: SharedRule::Beside,
            dense: DenseLayers::Odd,
            idle: Some(("zero_expert_num", 256)),
            ..CORRECTED
        }),
        per_layer: PerLayer::Halves,
        fixed: &[("attention_method", "MLA"), ("router_bias", "false"), ("zero_expert_type", "identity")],
        harmless: &["mla_scale_kv_lora", "mla_scale_q_lora"],
        ..NO_MLP_BIAS
    },
    // Arcee's: windows rotate, and all layers have norms on both sides.
    Facts {
        name: "afmoe",
        gguf: Some("afmoe"),
        defaults: shape(2048, 6144, 32, 16, 200_192, 16384),
        kv_heads: KvHeads::AsHeads,
        head_dim: Some(128),
        norms: NormsRule::Always(NormPlaces::Both),
        head_norm: PER_HEAD,
        gate: GateRule::Always(Gate::Apart),
        attention_bias: NO_BIAS,
        rotary: RotaryRule::Windowed,
        window: WindowRule::Period(1024, 4),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 64),
            used: (USED, Some(6)),
            shared: SharedRule::Count(&["num_shared_experts"], 2),
            dense: DenseLayers::FirstOf("num_dense_layers", 1),
            ..CORRECTED
        }),
        harmless: DEEPSEEK,
        fixed: &[("num_expert_groups", "1"), ("num_limited_groups", "1")],
        ..NO_MLP_BIAS
    },
    // Attention has experts, too: each has as many heads as there are keys.
    Facts {
        name: "jetmoe",
        gguf: None,
        defaults: shape(2048, 5632, 12, 16, 32000, 4096),
        keys: KeyNames {
            heads: &["num_key_value_heads"],
            head_dim: &["kv_channels"],
            activation: &["activation_function", "hidden_act"],
            ..USUAL
        },
        head_dim: Some(128),
        tied: true,
        attention_bias: NO_BIAS,
        mixture: Some(MixtureRule { experts: (&["num_local_experts"], 8), output_bias: true, ..PLAIN }),
        per_layer: PerLayer::RoutedHeads,
        ..NO_MLP_BIAS
    },
    // Keys have weights by which they may be masked, and the residual stream has weights, too.
    Facts {
        name: "doge",
        gguf: None,
        defaults: shape(1024, 2048, 32, 8, 32768, 2048),
        head_norm: PER_HEAD,
        window: WindowRule::Every(None),
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 16384),
            used: (USED, Some(64)),
            shared: SharedRule::Beside,
            switch: Some("is_moe"),
            rows: true,
            ..PLAIN
        }),
        per_layer: PerLayer::MaskedKeys,
        fixed: &[("hidden_bias", "false")],
        harmless: &["dynamic_mask_ratio", "keep_window_size"],
        ..LLAMA
    },
];
