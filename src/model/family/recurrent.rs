//! Families with recurrent layers, alone or beside attention.

use super::super::layer::{Activation, Biases, Gate, HeadNorm, Norm};
use super::experts::{PLAIN, USED};
use super::facts::{
    Alternatives, BiasRule, DenseLayers, Facts, GateRule, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA, MixerRule,
    MixtureRule, NO_MLP_BIAS, RotaryRule, SharedRule, USUAL, required, shape,
};
use super::mixers::{Attends, Inner, LatentRule, MambaKeys, Recurrence, RecurrentRule};

const PER_HEAD: HeadNormRule = HeadNormRule::Always(HeadNorm::PerHead(Norm::Rms));

/// One kind of recurrence, and plain attention where the rule says so.
pub(super) const fn recurrent(recurrence: Recurrence, attends: Attends) -> MixerRule {
    MixerRule::Recurrent(RecurrentRule { recurrence, attends, latent: None })
}

/// Keys of models that are nothing but Mamba.
const MAMBA: MambaKeys = MambaKeys {
    heads: ("num_heads", 128),
    head_dim: ("head_dim", Some(64)),
    inner: Inner::Expanded("expand"),
    states: ("state_size", 16),
    groups: ("n_groups", 8),
    taps: ("conv_kernel", 4),
    rank: "time_step_rank",
    bias: "use_bias",
    conv_bias: "use_conv_bias",
    norm: None,
};

/// Keys of models that are Mamba among other things.
pub(super) const HYBRID: MambaKeys = MambaKeys {
    heads: ("mamba_n_heads", 128),
    head_dim: ("mamba_d_head", None),
    inner: Inner::Expanded("mamba_expand"),
    states: ("mamba_d_state", 256),
    groups: ("mamba_n_groups", 1),
    taps: ("mamba_d_conv", 4),
    rank: "mamba_dt_rank",
    bias: "mamba_proj_bias",
    conv_bias: "mamba_conv_bias",
    norm: None,
};

/// How Mamba is trained and computed.
const SETTINGS: Alternatives = &[
    "attn_rotary_emb",
    "chunk_size",
    "d_inner",
    "d_model",
    "layer_types",
    "layers_block_type",
    "mamba_chunk_size",
    "mamba_hidden_act",
    "mamba_inner_layernorms",
    "mamba_ssm_cache_dtype",
    "mamba_ssm_dtype",
    "mamba_norm_before_gate",
    "lm_head_multiplier",
    "key_multiplier",
    "attention_in_multiplier",
    "attention_out_multiplier",
    "mamba_use_mlp",
    "mlp_expansion_factor",
    "mlp_multipliers",
    "n_layer",
    "norm_before_gate",
    "pad_vocab_size_multiple",
    "rescale_prenorm_residual",
    "ssm_cfg",
    "ssm_multipliers",
    "ssm_in_multiplier",
    "ssm_out_multiplier",
    "use_associative_scan",
    "use_falcon_mambapy",
    "use_mamba_kernels",
];

/// Beside what these families always have.
const QWEN: Alternatives = &["attn_output_gate", "mamba_ssm_dtype", "mlp_only_layers", "output_gate_type"];

/// What Qwen3-Next and its successors have in common.
const GATED_DELTA: Facts = Facts {
    name: "",
    tensors: &[("ffn_norm", "post_attention_norm")],
    head_dim: Some(256),
    head_norm: PER_HEAD,
    gate: GateRule::Always(Gate::WithQueries),
    rotary: RotaryRule::Part(0.25),
    mixer: MixerRule::Recurrent(RecurrentRule {
        recurrence: Recurrence::GatedDelta(false),
        attends: Attends::Every("full_attention_interval", 4),
        latent: None,
    }),
    harmless: QWEN,
    uncounted: &["mtp_num_hidden_layers", "num_nextn_predict_layers"],
    ..NO_MLP_BIAS
};

const QWEN_EXPERTS: MixtureRule = MixtureRule {
    experts: (&["num_experts", "num_local_experts"], 512),
    used: (USED, Some(10)),
    width: Some(("moe_intermediate_size", 512)),
    shared: SharedRule::Gated("shared_expert_intermediate_size", 512),
    dense: DenseLayers::Listed,
    ..PLAIN
};

const LFM2: Facts = Facts {
    name: "lfm2",
    gguf: Some("lfm2"),
    tensors: &[("output_norm", "token_embd_norm")],
    defaults: shape(2560, 12288, 32, 32, 65536, 128_000),
    kv_heads: KvHeads::Of(8),
    tied: true,
    attention_bias: BiasRule::Always(Biases::None),
    head_norm: PER_HEAD,
    mixer: recurrent(Recurrence::ShortConvolution, Attends::Lfm2),
    harmless: &[
        "block_mlp_init_scale",
        "block_out_init_scale",
        "block_use_xavier_init",
        "conv_use_xavier_init",
        "use_pos_enc",
    ],
    // The older names win.
    keys: KeyNames {
        width: &["block_ff_dim", "intermediate_size"],
        tied: &["tie_embedding", "tie_word_embeddings"],
        ..USUAL
    },
    ..NO_MLP_BIAS
};

const PURE: Facts = Facts {
    name: "mamba",
    gguf: Some("mamba"),
    defaults: required(shape(768, 1, 32, 1, 50280, 1)),
    keys: KeyNames { heads: &[], ..USUAL },
    tied: true,
    mixer: recurrent(Recurrence::Mamba1(&MAMBA, false), Attends::Never),
    harmless: SETTINGS,
    ..LLAMA
};

pub(super) const FAMILIES: &[Facts] = &[
    LFM2,
    Facts {
        name: "lfm2_moe",
        gguf: Some("lfm2moe"),
        defaults: required(shape(2048, 7168, 32, 32, 65536, 128_000)),
        keys: KeyNames { tied: &["tie_embedding", "tie_word_embeddings"], ..USUAL },
        mixture: Some(MixtureRule {
            experts: (&["num_experts"], 32),
            used: (USED, Some(4)),
            width: Some(("moe_intermediate_size", 1792)),
            dense: DenseLayers::FirstOf("num_dense_layers", 2),
            correction: true,
            ..PLAIN
        }),
        ..LFM2
    },
    PURE,
    // Its norms inside the mixer have no weights.
    Facts { name: "falcon_mamba", gguf: None, ..PURE },
    Facts {
        name: "mamba2",
        gguf: Some("mamba2"),
        defaults: shape(4096, 1, 64, 128, 32768, 1),
        keys: KeyNames { heads: &["num_heads"], ..USUAL },
        mixer: recurrent(Recurrence::Mamba2(&MambaKeys { states: ("state_size", 128), ..MAMBA }), Attends::Never),
        harmless: SETTINGS,
        ..LLAMA
    },
    Facts {
        name: "qwen3_next",
        gguf: Some("qwen3next"),
        defaults: required(shape(2048, 5632, 48, 16, 151_936, 32768)),
        kv_heads: KvHeads::Of(2),
        mixer: MixerRule::Recurrent(RecurrentRule {
            recurrence: Recurrence::GatedDelta(true),
            attends: Attends::Every("full_attention_interval", 4),
            latent: None,
        }),
        mixture: Some(QWEN_EXPERTS),
        ..GATED_DELTA
    },
    Facts {
        name: "qwen3_5_text",
        aliases: &["qwen3_5"],
        gguf: Some("qwen35"),
        defaults: required(shape(4096, 12288, 32, 16, 248_320, 32768)),
        kv_heads: KvHeads::Of(4),
        ..GATED_DELTA
    },
    Facts {
        name: "qwen3_5_moe_text",
        aliases: &["qwen3_5_moe"],
        gguf: Some("qwen35moe"),
        defaults: required(shape(2048, 1, 40, 16, 248_320, 32768)),
        keys: KeyNames { width: &["moe_intermediate_size"], ..USUAL },
        kv_heads: KvHeads::Of(2),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 256),
            used: (USED, Some(8)),
            dense: DenseLayers::None,
            ..QWEN_EXPERTS
        }),
        harmless: &["attn_output_gate", "mamba_ssm_dtype", "mlp_only_layers", "output_gate_type", "intermediate_size"],
        ..GATED_DELTA
    },
    Facts {
        name: "kimi_linear",
        gguf: Some("kimi-linear"),
        defaults: required(shape(2304, 9216, 27, 32, 163_840, 1_048_576)),
        keys: KeyNames { positions: &["model_max_length", "max_position_embeddings"], ..USUAL },
        mixer: MixerRule::Recurrent(RecurrentRule {
            recurrence: Recurrence::KimiDelta,
            attends: Attends::Kimi,
            latent: Some(LatentRule { query_rank: None, ..LATENT }),
        }),
        rotary: RotaryRule::Nothing,
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts", "n_routed_experts"], 256),
            used: (&["num_experts_per_token", "num_experts_per_tok"], Some(8)),
            width: Some(("moe_intermediate_size", 1024)),
            shared: SharedRule::Count(&["num_shared_experts"], 1),
            dense: DenseLayers::First(1),
            correction: true,
            ..PLAIN
        }),
        harmless: &[
            "mla_use_nope",
            "moe_renormalize",
            "moe_router_activation_func",
            "n_group",
            "n_shared_experts",
            "num_expert_group",
            "topk_group",
            "topk_method",
            "use_grouped_topk",
        ],
        uncounted: &["num_nextn_predict_layers"],
        ..NO_MLP_BIAS
    },
    // Files of Bamba are of this family, too.
    Facts {
        name: "granitemoehybrid",
        gguf: Some("granitehybrid"),
        defaults: required(shape(4096, 11008, 32, 32, 32000, 2048)),
        mixer: recurrent(Recurrence::Mamba2(&HYBRID), Attends::Typed),
        rotary: RotaryRule::IfStated,
        mixture: Some(MixtureRule {
            experts: (&["num_local_experts"], 8),
            shared: SharedRule::Plain("shared_intermediate_size", 1024),
            ..PLAIN
        }),
        harmless: SETTINGS,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "bamba",
        gguf: None,
        defaults: required(shape(4096, 14336, 32, 32, 128_000, 262_144)),
        kv_heads: KvHeads::Of(8),
        mixer: recurrent(Recurrence::Mamba2(&HYBRID), Attends::Listed("attn_layer_indices")),
        rotary: RotaryRule::Part(0.5),
        harmless: SETTINGS,
        ..LLAMA
    },
    Facts {
        name: "falcon_h1",
        gguf: Some("falcon-h1"),
        tensors: &[("ffn_norm", "ffn_norm!")],
        defaults: required(shape(4096, 14336, 32, 32, 128_000, 8192)),
        kv_heads: KvHeads::Of(8),
        mixer: recurrent(
            Recurrence::Mamba2(&MambaKeys {
                inner: Inner::Stated("mamba_d_ssm"),
                norm: Some("mamba_rms_norm"),
                ..HYBRID
            }),
            Attends::Beside,
        ),
        harmless: SETTINGS,
        ..LLAMA
    },
    Facts {
        name: "jamba",
        gguf: Some("jamba"),
        defaults: required(shape(4096, 14336, 32, 32, 65536, 262_144)),
        kv_heads: KvHeads::Of(8),
        attention_bias: BiasRule::Always(Biases::None),
        mixer: recurrent(
            Recurrence::Mamba1(&MambaKeys { states: ("mamba_d_state", 16), ..HYBRID }, true),
            Attends::Jamba,
        ),
        rotary: RotaryRule::Nothing,
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 16),
            dense: DenseLayers::Jamba,
            ..PLAIN
        }),
        harmless: SETTINGS,
        ..NO_MLP_BIAS
    },
    // Each of its layers mixes or feeds forward, behind the one norm that it has.
    Facts {
        name: "nemotron_h",
        gguf: Some("nemotron_h"),
        tensors: &[("ffn_norm", "attn_norm")],
        defaults: required(shape(4096, 21504, 52, 32, 131_072, 4096)),
        keys: KeyNames { activation: &["mlp_hidden_act"], ..USUAL },
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        attention_bias: BiasRule::Always(Biases::None),
        gated: false,
        activation: Activation::ReluSquared,
        rotary: RotaryRule::Nothing,
        mixer: recurrent(
            Recurrence::Mamba2(&MambaKeys {
                heads: ("mamba_num_heads", 128),
                head_dim: ("mamba_head_dim", Some(64)),
                inner: Inner::Heads,
                states: ("ssm_state_size", 128),
                groups: ("n_groups", 8),
                taps: ("conv_kernel", 4),
                bias: "use_bias",
                conv_bias: "use_conv_bias",
                ..HYBRID
            }),
            Attends::Nemotron,
        ),
        mixture: Some(MixtureRule {
            experts: (&["n_routed_experts", "num_local_experts"], 8),
            width: Some(("moe_intermediate_size", 7688)),
            shared: SharedRule::Plain("moe_shared_expert_intermediate_size", 7688),
            latent: Some("moe_latent_size"),
            correction: true,
            ..PLAIN
        }),
        harmless: &[
            "attention_head_dim",
            "chunk_size",
            "expand",
            "mamba_hidden_act",
            "mamba_ssm_cache_dtype",
            "moe_shared_expert_overlap",
            "mtp_hybrid_override_pattern",
            "mtp_layers_block_type",
            "n_group",
            "n_shared_experts",
            // They have a pattern of their own, and are counted nowhere.
            "num_nextn_predict_layers",
            "rescale_prenorm_residual",
            "mamba_proj_bias",
            "topk_group",
            "use_mamba_kernels",
        ],
        ..LLAMA
    },
    Facts {
        name: "minimax",
        aliases: &["minimax_text_01", "minimax_m1"],
        gguf: None,
        defaults: required(shape(4096, 14336, 32, 32, 32000, 131_072)),
        kv_heads: KvHeads::Of(8),
        attention_bias: BiasRule::Always(Biases::None),
        mixer: recurrent(Recurrence::Lightning, Attends::MiniMax),
        rotary: RotaryRule::Part(1.0),
        mixture: Some(MixtureRule { experts: (&["num_local_experts"], 8), ..PLAIN }),
        harmless: &[
            "block_size",
            "full_attn_alpha_factor",
            "full_attn_beta_factor",
            "layernorm_full_attention_alpha",
            "layernorm_full_attention_beta",
            "layernorm_linear_attention_alpha",
            "layernorm_linear_attention_beta",
            "layernorm_mlp_alpha",
            "layernorm_mlp_beta",
            "linear_attn_alpha_factor",
            "linear_attn_beta_factor",
            "mlp_alpha_factor",
            "mlp_beta_factor",
            "postnorm",
            "router_jitter_noise",
            "shared_moe_mode",
        ],
        ..NO_MLP_BIAS
    },
];
