//! Hugging Face `config.json` to [`Architecture`].
//!
//! Keys that change no count are ignored, as in any such file. Keys that would change one and are not understood are
//! refused by name: a wrong count is worse than none.

use super::architecture::{Architecture, Attention, FeedForward, GroupedQuery, Layer, limits};
use super::family::Family;
use super::keys::{Given, Keys, quoted, shown};
use crate::error::{Error, Result};
use roofprobe_kernels::Dtype;
use serde_json::Value;
use std::path::Path;

/// Keys of models that are not supported yet, and what they announce. Off (null, false, 0, empty) they announce nothing.
const NOT_YET: [(&str, &str); 17] = [
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
];

/// Switches of other families that change a count, and that no family here has.
const FOREIGN: [&str; 7] =
    ["use_qk_norm", "qk_layernorm", "qk_norm", "use_qkv_bias", "attention_out_bias", "pruned_heads", "use_bias"];

/// Keys that stand in a zoo file for the reader's sake and change no count.
const REMARKS: [&str; 4] = ["rope_theta", "rope_scaling", "rms_norm_eps", "transformers_version"];

/// Reads a Hugging Face `config.json`. The model is named after the file, or after its folder where the file is simply
/// called `config.json`.
///
/// # Errors
/// Misuse, naming the file and the key: not JSON, an unknown `model_type`, a missing key, a value of the wrong type or
/// beyond its limit, a contradiction, or a feature that is not supported yet.
pub fn read_config(path: &Path) -> Result<Architecture> {
    let text = crate::file::read_text(path)?;
    parse_config(&text, &name_of(path)).map_err(|e| e.within(path.display()))
}

/// Reads the text of a Hugging Face `config.json` as the model `name`.
///
/// # Errors
/// As [`read_config`], without the file's name.
pub fn parse_config(text: &str, name: &str) -> Result<Architecture> {
    let value: Value = serde_json::from_str(text).map_err(|e| {
        Error::misuse(format!("{e}; not a Hugging Face config.json: is the file truncated, or not JSON?"))
    })?;
    let Value::Object(map) = &value else {
        return Err(Error::misuse(format!("is {}, where a Hugging Face config.json is an object", shown(&value))));
    };
    architecture(&Keys::new(map), name)
}

/// As [`architecture`], for files of our own: a key that nothing asks for is an error.
pub(super) fn strict_architecture(keys: &Keys, name: &str) -> Result<Architecture> {
    let model = architecture(keys, name)?;
    for remark in REMARKS {
        keys.get(remark);
    }
    match keys.unasked() {
        None => Ok(model),
        Some(key) => Err(Error::misuse(format!("config: unknown key {key}; remove it or correct its name"))),
    }
}

fn architecture(keys: &Keys, name: &str) -> Result<Architecture> {
    let family = family(keys)?;
    refuse_foreign(keys, family)?;
    let hidden = keys.count("hidden_size", limits::HIDDEN)?;
    let width = keys.count("intermediate_size", limits::WIDTH)?;
    let layers = keys.count("num_hidden_layers", limits::LAYERS)?;
    let heads = keys.count("num_attention_heads", limits::HEADS)?;
    let vocabulary = keys.count("vocab_size", limits::VOCABULARY)?;
    let attention = GroupedQuery {
        heads,
        kv_heads: family.kv_heads(keys, heads)?,
        head_dim: family.head_dim(keys, hidden, heads)?,
        window: None,
        biases: family.attention_biases(keys)?,
        head_norm: family.head_norm(),
    };
    let feed_forward = FeedForward::Gated { width, bias: family.mlp_bias(keys)? };
    let windows = family.windows(keys, layers)?;
    Ok(Architecture {
        name: name.to_owned(),
        family,
        source: None,
        published_parameters: None,
        published_dtype: published_dtype(keys)?,
        max_positions: match keys.given("max_position_embeddings", limits::POSITIONS)? {
            Given::Value(positions) => Some(positions),
            Given::Absent | Given::Null => None,
        },
        hidden,
        vocabulary,
        tied: keys.flag("tie_word_embeddings", false)?,
        layers: alike(&windows, &attention, &feed_forward),
        rope_factors: super::rope::factors(keys, attention.head_dim),
        stored: None,
    })
}

/// Layers differ by their window only; alike ones are counted together, in order of first appearance.
fn alike(windows: &[Option<u64>], attention: &GroupedQuery, feed_forward: &FeedForward) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for &window in windows {
        let attention = Attention::GroupedQuery(GroupedQuery { window, ..attention.clone() });
        match layers.iter_mut().find(|layer| layer.attention == attention) {
            Some(layer) => layer.count += 1,
            None => layers.push(Layer { count: 1, attention, feed_forward: feed_forward.clone() }),
        }
    }
    layers
}

/// The family, once nothing announces a kind of model that is not supported yet.
fn family(keys: &Keys) -> Result<Family> {
    let supported = Family::ALL.map(Family::name).join(", ");
    let found = || format!("supported: {supported}; keys found: {}", keys.listed());
    let obstacle = NOT_YET.into_iter().find(|(key, _)| keys.is_on(key));
    let model_type = keys.word("model_type")?;
    let Some((key, what)) = obstacle else {
        return match model_type {
            None => Err(Error::misuse(format!(
                "model_type: is missing, so what the other keys mean is unknown; add it ({})",
                found()
            ))),
            Some(word) => Family::of(word)
                .ok_or_else(|| Error::misuse(format!("model_type: {} is not supported ({})", quoted(word), found()))),
        };
    };
    Err(Error::misuse(match model_type {
        Some(word) if Family::of(word).is_none() => {
            let word = quoted(word);
            format!("model_type: {word} is not supported, and {what}, which {key} announces, not yet ({})", found())
        }
        _ => {
            format!("{key}: announces {what}, which is not supported yet; give the config.json of a plain dense model")
        }
    }))
}

fn refuse_foreign(keys: &Keys, family: Family) -> Result<()> {
    if let Some(key) = FOREIGN.into_iter().find(|key| keys.is_on(key)) {
        return Err(Error::misuse(format!("{key}: is on, and {family} has no such switch; is model_type right?")));
    }
    match keys.word("hidden_act")? {
        None | Some("silu" | "swish") => {}
        Some(other) => {
            let other = quoted(other);
            return Err(Error::misuse(format!(
                "hidden_act: {other} is not supported for {family} (silu and swish are)"
            )));
        }
    }
    // Where rotary parameters are a table of their own (transformers 5), the factor stands in there.
    let nested = keys.get("rope_parameters").and_then(|rope| rope.get("partial_rotary_factor"));
    for factor in [keys.get("partial_rotary_factor"), nested].into_iter().flatten() {
        if !factor.is_null() && factor.as_f64() != Some(1.0) {
            return Err(Error::misuse(format!(
                "partial_rotary_factor: {} is not supported for {family} (1.0 is)",
                shown(factor)
            )));
        }
    }
    causal_head(keys)
}

/// `architectures` names the class with its head: without a language-model head, the counts would be of another model.
fn causal_head(keys: &Keys) -> Result<()> {
    let classes = match keys.get("architectures") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(classes)) => classes,
        Some(other) => return Err(Error::misuse(format!("architectures: must be a list, is {}", shown(other)))),
    };
    let causal = |class: &Value| class.as_str().is_some_and(|name| name.ends_with("ForCausalLM"));
    match classes.iter().find(|class| !causal(class)) {
        None => Ok(()),
        Some(class) => Err(Error::misuse(format!(
            "architectures: {} is no causal language model (…ForCausalLM), which is not supported yet",
            shown(class)
        ))),
    }
}

/// `torch_dtype`, called `dtype` since transformers 5. Words that name no type here are no error: nothing is counted
/// from it.
fn published_dtype(keys: &Keys) -> Result<Option<Dtype>> {
    let old = keys.word("torch_dtype")?;
    let word = keys.word("dtype")?.or(old);
    Ok(match word {
        Some("float32") => Some(Dtype::F32),
        Some("float16") => Some(Dtype::F16),
        Some("bfloat16") => Some(Dtype::Bf16),
        _ => None,
    })
}

fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match folder {
        Some(folder) if stem == "config" => folder,
        _ => stem,
    }
}
