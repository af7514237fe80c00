//! More families with recurrent layers: blocks that layers share, recurrences of other kinds.

use super::super::layer::{Activation, Biases, Gate, HeadNorm, Norm};
use super::facts::{
    Alternatives, BiasRule, Caps, Defaults, DenseLayers, Facts, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA,
    MixerRule, MixtureRule, MlpBias, NO_MLP_BIAS, NormsRule, RotaryRule, SharedRule, USUAL, Width, shape,
};
use super::mixers::{Attends, LatentRule, MambaKeys, Recurrence, RecurrentRule};
use super::mixtures::CORRECTED;
use super::recurrent::{HYBRID, recurrent};

/// How Zamba is trained and computed, and what it states twice.
const ZAMBA: Alternatives = &[
    "chunk_size",
    "hidden_mamba_act",
    "mamba_headdim",
    "n_mamba_heads",
    "num_logits_to_keep",
    "num_query_groups",
    "use_associative_scan",
    "use_long_context",
    "use_mamba_kernels",
    "use_mem_eff_path",
];

pub(super) const FAMILIES: &[Facts] = &[
    Facts {
        name: "zamba2",
        gguf: None,
        defaults: Defaults { width: Width::FourTimes, ..shape(2560, 10240, 54, 32, 32000, 4096) },
        keys: KeyNames { head_dim: &["kv_channels"], ..USUAL },
        tied: true,
        activation: Activation::Gelu,
        attention_bias: BiasRule::Always(Biases::None),
        mlp_bias: MlpBias::Switch("add_bias_linear", false),
        rotary: RotaryRule::IfOn("use_mem_rope"),
        mixer: recurrent(
            Recurrence::Mamba2(&MambaKeys {
                heads: ("n_mamba_heads", 8),
                head_dim: ("mamba_headdim", None),
                states: ("mamba_d_state", 64),
                groups: ("mamba_ngroups", 1),
                bias: "add_bias_linear",
                conv_bias: "use_conv_bias",
                ..HYBRID
            }),
            Attends::Zamba(true),
        ),
        // Without that, the code shares no blocks.
        fixed: &[("tie_word_embeddings", "true"), ("use_conv_bias", "true")],
        harmless: ZAMBA,
        ..LLAMA
    },
    Facts {
        name: "zamba",
        gguf: None,
        defaults: shape(3712, 14848, 76, 16, 32000, 4096),
        keys: KeyNames { head_dim: &["kv_channels"], ..USUAL },
        kv_heads: KvHeads::Of(16),
        tied: true,
        activation: Activation::Gelu,
        attention_bias: BiasRule::Always(Biases::None),
        rotary: RotaryRule::Nothing,
        mixer: recurrent(
            Recurrence::Mamba1(&MambaKeys { states: ("mamba_d_state", 16), ..HYBRID }, false),
            Attends::Zamba(false),
        ),
        fixed: &[("tie_word_embeddings", "true")],
        harmless: ZAMBA,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "olmo_hybrid",
        gguf: None,
        defaults: shape(3840, 11008, 32, 30, 100_352, 65536),
        head_norm: HeadNormRule::Always(HeadNorm::Row(Norm::Rms)),
        norms: NormsRule::OutputsIfAttends,
        rotary: RotaryRule::IfBase,
        mixer: recurrent(Recurrence::OlmoDelta, Attends::Fourth),
        harmless: &[
            "linear_a_log_max",
            "linear_a_log_min",
            "linear_allow_neg_eigval",
            "linear_dt_init_floor",
            "linear_dt_max",
            "linear_dt_min",
        ],
        ..NO_MLP_BIAS
    },
    // Ling 3. Ling 2.5 has the same `model_type` and other layers, and keys that tell.
    Facts {
        name: "bailing_hybrid",
        gguf: None,
        defaults: shape(2560, 6144, 42, 32, 157_184, 262_144),
        keys: KeyNames { positions: &["model_max_length", "max_position_embeddings"], ..USUAL },
        attention_bias: BiasRule::Switch("attention_bias", false, Biases::All),
        mixer: MixerRule::Recurrent(RecurrentRule {
            recurrence: Recurrence::LingDelta,
            attends: Attends::Every("layer_group_size", 6),
            latent: Some(LatentRule { query_rank: None, gate: Gate::PerHead, latents_in_llama_cpp: false, ..LATENT }),
        }),
        mixture: Some(MixtureRule {
            experts: (&["num_experts", "num_local_experts"], 512),
            used: (&["num_experts_per_tok", "num_experts_per_token"], Some(8)),
            width: Some(("moe_intermediate_size", 768)),
            shared: SharedRule::Count(&["n_shared_experts", "num_shared_experts"], 1),
            dense: DenseLayers::First(2),
            ..CORRECTED
        }),
        harmless: &[
            "kda_lower_bound",
            "kda_safe_gate",
            "moe_renormalize",
            "n_group",
            "num_expert_group",
            "rope_interleave",
            "topk_group",
        ],
        uncounted: &["num_nextn_predict_layers", "num_mtp_layers"],
        ..NO_MLP_BIAS
    },
    // Griffin: two recurrent layers, and one that sees a window.
    Facts {
        name: "recurrent_gemma",
        gguf: None,
        defaults: Defaults { width: Width::Half(7680), ..shape(2560, 7680, 26, 10, 256_000, 8192) },
        keys: KeyNames { activation: &["hidden_activation", "hidden_act"], ..USUAL },
        tied: true,
        activation: Activation::Gelu,
        // The output always has one; no configuration states that.
        attention_bias: BiasRule::Apart(("attention_bias", false), ("attention_output_bias", true)),
        mlp_bias: MlpBias::Always,
        rotary: RotaryRule::Part(0.5),
        caps: Caps::HeadBy("logits_soft_cap"),
        mixer: recurrent(Recurrence::GatedLinearUnit, Attends::Blocks(2048)),
        harmless: &["embeddings_scale_by_sqrt_dim", "final_w_init_variance_scale", "w_init_variance_scale"],
        ..LLAMA
    },
    // The fourth; later ones have other recurrences, and code beside their weights.
    Facts {
        name: "rwkv",
        gguf: None,
        defaults: Defaults { width: Width::FourTimes, ..shape(4096, 16384, 32, 1, 50277, 1024) },
        keys: KeyNames { heads: &[], positions: &["context_length", "max_position_embeddings"], ..USUAL },
        norm: Norm::Layer,
        gated: false,
        activation: Activation::ReluSquared,
        rotary: RotaryRule::Nothing,
        embedding_norm: true,
        mixer: recurrent(Recurrence::Rwkv4, Attends::Nowhere),
        harmless: &["rescale_every"],
        ..NO_MLP_BIAS
    },
];
