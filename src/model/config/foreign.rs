//! What a configuration holds beside what is understood: which families, which features, which keys.
//!
//! A key that nobody asked for is harmless if it is switched off, if it is listed as such, or if neither its name sounds
//! like a part of a shape nor its value could be one. All others are refused by name: a wrong count is worse than none.

use super::super::family::Family;
use super::super::keys::{Keys, is_on, quoted, shown};
use crate::error::{Error, Result};
use serde_json::Value;

/// Keys that announce kinds of models, for families that do not have them.
const ANNOUNCEMENTS: [(&str, &str); 18] = [
    ("text_config", "a multimodal wrapper"),
    ("vision_config", "a multimodal wrapper"),
    ("audio_config", "a multimodal wrapper"),
    ("quantization_config", "a quantised checkpoint"),
    ("quantization", "a quantised checkpoint"),
    ("compression_config", "a quantised checkpoint"),
    ("num_local_experts", "a mixture of experts"),
    ("num_experts", "a mixture of experts"),
    ("n_routed_experts", "a mixture of experts"),
    ("num_experts_per_tok", "a mixture of experts"),
    ("moe_intermediate_size", "a mixture of experts"),
    ("kv_lora_rank", "multi-head latent attention"),
    ("num_nextn_predict_layers", "multi-token prediction"),
    ("num_kv_shared_layers", "layers that share a cache"),
    ("block_configs", "layers of differing shape"),
    ("is_encoder_decoder", "an encoder"),
    ("add_cross_attention", "cross attention"),
    ("sparse_config", "sparse attention"),
];

/// Words within a key's name that speak of a shape, or of what is computed.
const TELLING: &[&str] = &[
    "adapter",
    "altup",
    "audio",
    "bias",
    "bidirectional",
    "block",
    "blocks",
    "channels",
    "chunk",
    "compress",
    "conv",
    "cross",
    "d",
    "decoder",
    "delta",
    "depth",
    "dim",
    "dims",
    "embed",
    "embedding",
    "embeddings",
    "encoder",
    "expand",
    "expert",
    "experts",
    "ff",
    "ffn",
    "gate",
    "groups",
    "head",
    "heads",
    "hidden",
    "hybrid",
    "index",
    "indexer",
    "inner",
    "intermediate",
    "interval",
    "kernel",
    "kv",
    "latent",
    "laurel",
    "layer",
    "layernorm",
    "layers",
    "linear",
    "lora",
    "lru",
    "mamba",
    "memory",
    "mlp",
    "moe",
    "mtp",
    "n",
    "nextn",
    "norm",
    "num",
    "parallel",
    "pattern",
    "qkv",
    "rank",
    "ratio",
    "residual",
    "rnn",
    "share",
    "shared",
    "sink",
    "sinks",
    "size",
    "sparse",
    "ssm",
    "state",
    "text",
    "tie",
    "vision",
    "vocab",
    "width",
    "window",
    "wkv",
];

/// Ends of names that sound like a shape and are none.
const HARMLESS_ENDS: [&str; 16] = [
    "_eps",
    "_epsilon",
    "_dropout",
    "_pdrop",
    "_prob",
    "_theta",
    "_coef",
    "_std",
    "_token_id",
    "_token_index",
    "_ids",
    "_range",
    "_base_freq",
    "_loss",
    "_fp32",
    "_impl",
];

/// Names that sound like a shape and change no count in any family.
const HARMLESS: [&str; 18] = [
    "chunk_size_feed_forward",
    "encoder_no_repeat_ngram_size",
    "id2label",
    "initial_context_length",
    "label2id",
    "max_window_layers",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_logits_to_keep",
    "num_return_sequences",
    "original_max_position_embeddings",
    "output_hidden_states",
    "max_position_embeddings",
    "_num_labels",
    "seq_length",
    "tie_encoder_decoder",
];

/// Names that do not sound like a shape, whose values could be one, and are none: those of generation, training,
/// bookkeeping and numerics.
const INNOCENT: [&str; 65] = [
    "add_prefix_space",
    "attention_multiplier",
    "auto_map",
    "bad_words",
    "begin_suppress_tokens",
    "custom_pipelines",
    "dataset",
    "datasets",
    "do_sample",
    "early_stopping",
    "embedding_multiplier",
    "eos_token",
    "generation_config",
    "gradient_checkpointing",
    "is_causal",
    "is_decoder",
    "is_llama_config",
    "language",
    "languages",
    "logits_scaling",
    "logn_attn",
    "max_length",
    "max_new_tokens",
    "max_sequence_length",
    "max_seq_len",
    "max_seq_length",
    "metadata",
    "min_length",
    "model_max_length",
    "mup_denominator",
    "norm_topk_prob",
    "output_attentions",
    "output_past",
    "output_router_logits",
    "output_scores",
    "predict_special_tokens",
    "pretraining_tp",
    "quantization_method",
    "query_pre_attn_scalar",
    "reorder_and_upcast_attn",
    "return_dict",
    "return_dict_in_generate",
    "routed_scaling_factor",
    "scale_attn_weights",
    "scale_emb",
    "scale_depth",
    "seed",
    "seq_aux",
    "suppress_tokens",
    "swiglu_limit",
    "tags",
    "task_specific_params",
    "tensor_parallel",
    "theta",
    "tokenizer",
    "top_k",
    "torchscript",
    "upcast_attn",
    "use_bfloat16",
    "use_cache",
    "use_dynamic_ntk",
    "use_logn_attn",
    "use_mambapy",
    "use_return_dict",
    "use_scaled_rope",
];
const INNOCENT_STARTS: [&str; 13] = [
    "_",
    "flash_",
    "fuse_",
    "fused_",
    "rope_",
    "rotary_",
    "router_",
    "summary_",
    "time_step_",
    "transformers",
    "unsloth_",
    "use_flash_",
    "yarn_",
];

/// How many keys beside the first are listed in a message.
const LISTED: usize = 8;

/// The family, once it is known; an unknown one is named with what announces it and with the keys found.
pub(super) fn family(keys: &Keys) -> Result<Family> {
    // A gemma3 is a wrapper around a gemma3_text, see wrapper.rs.
    let supported = Family::all().map(Family::name).chain(["gemma3"]).collect::<Vec<_>>().join(", ");
    let found = || format!("supported: {supported}; keys found: {}", keys.listed());
    let Some(word) = keys.word("model_type")? else {
        let (obstacle, found) = (obstacle(keys), found());
        return Err(Error::misuse(format!(
            "model_type: is missing, so what the other keys mean is unknown{obstacle}; add it ({found})"
        )));
    };
    Family::of(word).ok_or_else(|| {
        let (word, obstacle, found) = (quoted(word), obstacle(keys), found());
        Error::misuse(format!("model_type: {word} is not supported{obstacle} ({found})"))
    })
}

fn obstacle(keys: &Keys) -> String {
    let announced = ANNOUNCEMENTS.into_iter().find(|(key, _)| keys.is_on(key));
    announced.map(|(key, what)| format!(", and it is {what}, as {key} announces")).unwrap_or_default()
}

/// What has to be said of keys that are understood, and whose counts are taken without them.
pub(super) fn remarks(keys: &Keys, family: Family) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    if family.name() == "deepseek_v3" {
        for key in ["num_nextn_predict_layers", "num_mtp_layers"] {
            if keys.is_on(key) {
                remarks.push(format!("the layers for multi-token prediction ({key}) are not counted"));
            }
        }
    }
    Ok(remarks)
}

/// Refuses the keys that nobody asked for and that may change a count: all of them in one message.
pub(super) fn refuse(keys: &Keys, family: Family) -> Result<()> {
    let mut unknown = Vec::new();
    for (key, value) in keys.unasked() {
        if !is_on(value) || is_harmless(key, family) {
            continue;
        }
        if let Some((_, what)) = ANNOUNCEMENTS.iter().find(|(known, _)| *known == key) {
            return Err(Error::misuse(format!(
                "{key}: announces {what}, which is not supported for {family}; is model_type right?"
            )));
        }
        if sounds_like_a_shape(key) || (may_be_a_shape(value) && !is_innocent(key)) {
            unknown.push((key, value));
        }
    }
    let Some(((key, value), more)) = unknown.split_first() else { return Ok(()) };
    let bare = |key: &str| quoted(key).trim_matches('"').to_owned();
    let more = match more.iter().take(LISTED).map(|(key, _)| bare(key)).collect::<Vec<_>>().join(", ") {
        more if more.is_empty() => String::new(),
        more => format!("; not understood either: {more}"),
    };
    let (key, value) = (bare(key), shown(value));
    Err(Error::misuse(format!(
        "{key}: is {value}, which is not understood for {family} and may change what is counted; remove it if it does \
         not, or correct model_type{more}"
    )))
}

/// A number that could be an extent, a switch, or something with more inside.
fn may_be_a_shape(value: &Value) -> bool {
    match value {
        Value::Null | Value::String(_) => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_u64().is_some_and(|count| count > 1) || number.is_i64() && !number.is_u64(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// Whether a name that does not sound like a shape is known to be none.
fn is_innocent(key: &str) -> bool {
    INNOCENT.contains(&key) || INNOCENT_STARTS.iter().any(|start| key.starts_with(start))
}

fn is_harmless(key: &str, family: Family) -> bool {
    HARMLESS.contains(&key)
        || family.facts().harmless.contains(&key)
        || HARMLESS_ENDS.iter().any(|end| key.ends_with(end))
}

fn sounds_like_a_shape(key: &str) -> bool {
    ANNOUNCEMENTS.iter().any(|(known, _)| *known == key)
        || key.to_ascii_lowercase().split('_').any(|word| TELLING.contains(&word))
}
