//! More dense families with gated feed-forwards: variations of Llama's decoder and of Gemma's.

use super::super::layer::{Activation, Biases, HeadNorm, Norm};
use super::facts::{
    Alternatives, BiasRule, Caps, Facts, HeadNormRule, KeyNames, KvHeads, LATENT, LLAMA, MixerRule, MlpBias,
    NO_MLP_BIAS, NormPlaces, NormsRule, RotaryRule, USUAL, Width, WindowRule, required, shape,
};
use super::facts::{Defaults, PerLayer};
use super::gated::GEMMA;
use super::mixers::LatentRule;

const PER_HEAD: HeadNormRule = HeadNormRule::Always(HeadNorm::PerHead(Norm::Rms));
const WHOLE_ROW: HeadNormRule = HeadNormRule::Always(HeadNorm::Row(Norm::Rms));
const NO_BIAS: BiasRule = BiasRule::Always(Biases::None);

/// What configurations of Cohere's models say of what all of them have.
const COHERE_KEYS: Alternatives =
    &["layer_switch", "use_embedding_sharing", "use_gated_activation", "use_parallel_block", "use_parallel_embedding"];
/// Of Hunyuan: what its switches turn off.
pub(super) const HUNYUAN_OFF: Alternatives = &[
    "cla_share_factor",
    "kv_lora_rank",
    "moe_intermediate_size",
    "moe_layer_num_skipped",
    "moe_topk",
    "num_shared_expert",
    "pool_type",
    "q_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "use_mixed_mlp_moe",
    "use_rotary_pos_emb",
    "v_head_dim",
];

/// Cohere's decoder: one norm for both halves of a parallel block.
pub(super) const COHERE: Facts = Facts {
    name: "cohere",
    gguf: Some("command-r"),
    defaults: shape(8192, 22528, 40, 64, 256_000, 8192),
    tied: true,
    norm: Norm::LayerWithoutBias,
    norms: NormsRule::Always(NormPlaces::One),
    head_norm: HeadNormRule::Switch("use_qk_norm", false, HeadNorm::Row(Norm::LayerWithoutBias)),
    harmless: COHERE_KEYS,
    ..NO_MLP_BIAS
};

/// The GLM of transformers; its first release has keys of its own.
const GLM: Facts = Facts {
    name: "glm",
    gguf: Some("chatglm"),
    fused_gate: true,
    defaults: shape(4096, 13696, 40, 32, 151_552, 131_072),
    kv_heads: KvHeads::Of(2),
    head_dim: Some(128),
    attention_bias: BiasRule::Switch("attention_bias", true, Biases::QueryKeyValue),
    rotary: RotaryRule::Part(0.5),
    ..NO_MLP_BIAS
};

/// Gemmas whose layers have embeddings of their own.
const LAYERED_GEMMA: Facts =
    Facts { norms: NormsRule::Always(NormPlaces::Both), head_norm: PER_HEAD, caps: Caps::Head(true), ..GEMMA };

/// What every token visits beside experts is the plain feed-forward to files, and scales have no ending.
const GEMMA4_TENSORS: &[(&str, &str)] = &[
    ("ffn_gate_shexp", "ffn_gate"),
    ("ffn_up_shexp", "ffn_up"),
    ("ffn_down_shexp", "ffn_down"),
    ("ffn_gate_inp.scale", "ffn_gate_inp.scale!"),
    ("ffn_down_exps.scale", "ffn_down_exps.scale!"),
];

const GEMMA4: Facts = Facts {
    name: "gemma4_text",
    aliases: &["gemma4"],
    gguf: Some("gemma4"),
    tensors: GEMMA4_TENSORS,
    defaults: shape(2304, 9216, 30, 8, 262_144, 131_072),
    kv_heads: KvHeads::Of(4),
    caps: Caps::Head(false),
    window: WindowRule::Period(512, 6),
    harmless: &["use_bidirectional_attention"],
    per_layer: PerLayer::Gemma4,
    ..LAYERED_GEMMA
};

pub(super) const FAMILIES: &[Facts] = &[
    Facts {
        name: "ministral",
        defaults: shape(4096, 14336, 32, 32, 32000, 131_072),
        kv_heads: KvHeads::Of(8),
        attention_bias: NO_BIAS,
        window: WindowRule::Every(Some(4096)),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "ministral3",
        gguf: Some("mistral3"),
        defaults: shape(4096, 14336, 34, 32, 131_072, 262_144),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        attention_bias: NO_BIAS,
        window: WindowRule::Every(None),
        ..NO_MLP_BIAS
    },
    GLM,
    Facts {
        name: "chatglm",
        aliases: &["ChatGLMModel", "ChatGLMForConditionalGeneration"],
        gguf: None,
        fused_attention: true,
        kv_heads: KvHeads::If("multi_query_attention"),
        head_dim: None,
        attention_bias: BiasRule::Switch("add_qkv_bias", false, Biases::QueryKeyValue),
        defaults: required(GLM.defaults),
        keys: KeyNames {
            layers: &["num_layers", "num_hidden_layers"],
            kv_heads: &["multi_query_group_num"],
            width: &["ffn_hidden_size"],
            positions: &["seq_length"],
            head_dim: &["kv_channels"],
            vocabulary: &["padded_vocab_size", "vocab_size"],
            ..USUAL
        },
        fixed: &[
            ("rmsnorm", "true"),
            ("post_layer_norm", "true"),
            ("add_bias_linear", "false"),
            ("apply_residual_connection_post_layernorm", "false"),
            ("position_encoding_2d", "false"),
        ],
        harmless: &[
            "apply_query_key_layer_scaling",
            "bias_dropout_fusion",
            "fp32_residual_connection",
            "interleaved_qkv",
            "original_rope",
        ],
        ..GLM
    },
    Facts {
        name: "olmo",
        gguf: Some("olmo"),
        defaults: shape(4096, 11008, 32, 32, 50304, 2048),
        norm: Norm::LayerWithoutWeights,
        harmless: &["clip_qkv"],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "olmo3",
        // llama.cpp tells them by the window.
        gguf: None,
        defaults: shape(4096, 11008, 32, 32, 50304, 2048),
        norms: NormsRule::Always(NormPlaces::Outputs),
        head_norm: WHOLE_ROW,
        window: WindowRule::Period(4096, 4),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "exaone",
        gguf: Some("exaone"),
        defaults: required(shape(4096, 14336, 32, 32, 102_400, 4096)),
        attention_bias: NO_BIAS,
        keys: KeyNames {
            layers: &["num_layers", "num_hidden_layers"],
            activation: &["activation_function", "hidden_act"],
            ..USUAL
        },
        ..NO_MLP_BIAS
    },
    Facts {
        name: "exaone4",
        gguf: Some("exaone4"),
        defaults: shape(4096, 16384, 32, 32, 102_400, 2048),
        kv_heads: KvHeads::Of(32),
        norms: NormsRule::Always(NormPlaces::Outputs),
        head_norm: PER_HEAD,
        attention_bias: NO_BIAS,
        rotary: RotaryRule::Windowed,
        window: WindowRule::Period(4096, 4),
        ..NO_MLP_BIAS
    },
    COHERE,
    Facts {
        name: "cohere2",
        gguf: Some("cohere2"),
        head_norm: HeadNormRule::Always(HeadNorm::None),
        rotary: RotaryRule::Windowed,
        window: WindowRule::Period(4096, 4),
        fixed: &[("use_qk_norm", "false")],
        ..COHERE
    },
    // Biases on attention only.
    Facts {
        name: "internlm",
        gguf: None,
        attention_bias: BiasRule::Switch("bias", true, Biases::All),
        defaults: required(shape(4096, 11008, 32, 32, 103_168, 2048)),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "internlm2",
        gguf: Some("internlm2"),
        attention_bias: BiasRule::Switch("bias", false, Biases::All),
        defaults: required(shape(4096, 11008, 32, 32, 103_168, 2048)),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "internlm3",
        gguf: None,
        attention_bias: BiasRule::Apart(("qkv_bias", false), ("bias", false)),
        mlp_bias: MlpBias::Switch("bias", false),
        defaults: required(shape(4096, 10240, 48, 32, 128_512, 32768)),
        ..LLAMA
    },
    // The large one has no rotary positions, and does not state how many there are.
    Facts {
        name: "baichuan",
        gguf: Some("baichuan"),
        rotary: RotaryRule::IfPositions,
        defaults: required(shape(4096, 11008, 32, 32, 125_696, 4096)),
        ..NO_MLP_BIAS
    },
    Facts { name: "xverse", gguf: Some("xverse"), ..NO_MLP_BIAS },
    Facts { name: "orion", gguf: Some("orion"), norm: Norm::Layer, ..NO_MLP_BIAS },
    // Its width counts gate and up together.
    Facts {
        name: "qwen",
        gguf: Some("qwen"),
        fused_attention: true,
        attention_bias: BiasRule::Always(Biases::QueryKeyValue),
        defaults: Defaults { width: Width::Half(22016), ..required(shape(4096, 22016, 32, 32, 151_936, 8192)) },
        keys: KeyNames { head_dim: &["kv_channels"], ..USUAL },
        fixed: &[("no_bias", "true")],
        ..NO_MLP_BIAS
    },
    Facts {
        name: "seed_oss",
        gguf: Some("seed_oss"),
        tensors: &[("ffn_norm", "post_attention_norm")],
        defaults: shape(4096, 27648, 64, 80, 155_136, 524_288),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        attention_bias: BiasRule::Apart(("attention_bias", true), ("attention_out_bias", false)),
        ..LLAMA
    },
    Facts {
        name: "ernie4_5",
        aliases: &["paddleocr_vl_text"],
        gguf: Some("ernie4_5"),
        gguf_aliases: &["paddleocr"],
        defaults: shape(1024, 3072, 18, 16, 103_424, 131_072),
        kv_heads: KvHeads::Of(2),
        head_dim: Some(128),
        tied: true,
        attention_bias: BiasRule::Switch("use_bias", false, Biases::All),
        mlp_bias: MlpBias::Switch("use_bias", false),
        ..LLAMA
    },
    Facts {
        name: "hunyuan_v1_dense",
        aliases: &["hunyuan_dense_v1"],
        gguf: Some("hunyuan-dense"),
        gguf_aliases: &["hunyuan_vl"],
        defaults: required(shape(4096, 11008, 32, 32, 290_943, 2048)),
        head_norm: PER_HEAD,
        keys: KeyNames { head_dim: &["head_dim", "attention_head_dim"], ..USUAL },
        fixed: &[("use_cla", "false"), ("use_mla", "false"), ("use_qk_norm", "true"), ("num_experts", "1")],
        harmless: HUNYUAN_OFF,
        ..NO_MLP_BIAS
    },
    Facts {
        name: "helium",
        gguf: None,
        defaults: shape(2560, 7040, 24, 20, 48000, 4096),
        head_dim: Some(128),
        attention_bias: BiasRule::Switch("attention_bias", false, Biases::QueryKeyValue),
        ..LLAMA
    },
    Facts {
        name: "gemma3n_text",
        aliases: &["gemma3n"],
        gguf: Some("gemma3n"),
        defaults: shape(2048, 16384, 35, 8, 262_400, 32768),
        kv_heads: KvHeads::Of(2),
        window: WindowRule::Period(512, 5),
        harmless: &[
            "activation_sparsity_pattern",
            "altup_active_idx",
            "altup_coef_clip",
            "altup_correct_scale",
            "altup_lr_multiplier",
        ],
        uniform: &["intermediate_size"],
        per_layer: PerLayer::Gemma3n,
        ..LAYERED_GEMMA
    },
    GEMMA4,
    Facts {
        name: "gemma4_unified_text",
        aliases: &["gemma4_unified"],
        gguf: None,
        defaults: shape(2304, 9216, 30, 8, 262_144, 262_144),
        window: WindowRule::Period(1024, 6),
        per_layer: PerLayer::Gemma4Unified,
        ..GEMMA4
    },
    Facts {
        name: "vaultgemma",
        gguf: None,
        defaults: shape(2304, 9216, 26, 8, 256_000, 8192),
        kv_heads: KvHeads::Of(4),
        head_dim: Some(256),
        tied: true,
        activation: Activation::Gelu,
        window: WindowRule::Alternate(4096),
        caps: Caps::Absent(true),
        keys: KeyNames { activation: &["hidden_activation", "hidden_act"], ..USUAL },
        ..NO_MLP_BIAS
    },
    Facts {
        name: "cwm",
        gguf: None,
        defaults: shape(6144, 21504, 64, 48, 128_256, 131_072),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        attention_bias: NO_BIAS,
        window: WindowRule::Listed(8192),
        ..LLAMA
    },
    Facts {
        name: "youtu",
        aliases: &["youtu_llm"],
        gguf: None,
        defaults: shape(2048, 6144, 32, 16, 128_256, 131_072),
        tied: true,
        mixer: MixerRule::Latent(LatentRule { latents_in_llama_cpp: false, ..LATENT }),
        ..NO_MLP_BIAS
    },
    Facts {
        name: "arcee",
        gguf: Some("arcee"),
        defaults: shape(2560, 18432, 32, 32, 32000, 4096),
        gated: false,
        activation: Activation::ReluSquared,
        ..LLAMA
    },
    APERTUS,
    Facts { name: "apertus1p5_text", gguf: None, defaults: shape(4096, 14336, 32, 32, 266_752, 65536), ..APERTUS },
    Facts {
        name: "hyperclovax",
        gguf: None,
        defaults: shape(4096, 11008, 32, 32, 32000, 2048),
        norms: NormsRule::BothIf("use_post_norm"),
        harmless: &["embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"],
        ..LLAMA
    },
    Facts {
        name: "iquestcoder",
        gguf: Some("llama"),
        defaults: shape(5120, 27648, 80, 40, 76800, 131_072),
        kv_heads: KvHeads::Of(8),
        head_dim: Some(128),
        fixed: &[("use_sliding_window", "false")],
        ..LLAMA
    },
    // Weights of −1, 0 and 1: how they are stored changes no count.
    Facts {
        name: "bitnet",
        gguf: Some("bitnet"),
        gguf_aliases: &["bitnet-b1.58", "bitnet-25"],
        defaults: shape(2560, 6912, 30, 20, 128_256, 2048),
        kv_heads: KvHeads::Of(5),
        activation: Activation::ReluSquared,
        inner_norms: true,
        ..NO_MLP_BIAS
    },
    // Its norms have no weights.
    Facts {
        name: "nanochat",
        gguf: None,
        defaults: shape(768, 8192, 12, 6, 50304, 2048),
        kv_heads: KvHeads::Of(6),
        norm: Norm::RmsWithoutWeights,
        embedding_norm: true,
        head_norm: HeadNormRule::Always(HeadNorm::PerHead(Norm::RmsWithoutWeights)),
        gated: false,
        activation: Activation::ReluSquared,
        caps: Caps::Head(true),
        ..NO_MLP_BIAS
    },
];

const APERTUS: Facts = Facts {
    name: "apertus",
    gguf: Some("apertus"),
    defaults: shape(4096, 14336, 32, 32, 131_072, 65536),
    gated: false,
    activation: Activation::Xielu,
    head_norm: PER_HEAD,
    harmless: &["qk_norm"],
    fixed: &[("post_norm", "false")],
    ..NO_MLP_BIAS
};
