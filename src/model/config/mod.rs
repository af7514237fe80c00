//! Hugging Face `config.json` to [`Architecture`].
//!
//! Keys that change no count are ignored, as in any such file. Keys that would change one and are not understood are
//! refused by name: a wrong count is worse than none.

mod attention;
mod feed_forward;
mod foreign;
mod quantised;
mod recurrent;
mod wrapper;

use super::architecture::{Architecture, limits};
use super::family::{Caps, Facts, Family, NormsRule, Width};
use super::keys::{Given, Keys, quoted, shown};
use super::layer::{Activation, Layer, Norms};
use crate::error::{Error, Result};
use roofprobe_kernels::Dtype;
use serde_json::Value;
use std::path::Path;

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
    let parsed = serde_json::from_str(text).or_else(|e| serde_json::from_str(&finite(text)).map_err(|_| e));
    let value: Value = parsed.map_err(|e| {
        Error::misuse(format!("{e}; not a Hugging Face config.json: is the file truncated, or not JSON?"))
    })?;
    let Value::Object(map) = &value else {
        return Err(Error::misuse(format!("is {}, where a Hugging Face config.json is an object", shown(&value))));
    };
    match wrapper::text_part(map)? {
        None => architecture(&Keys::new(map), name),
        Some((inner, remark)) => {
            let mut model = architecture(&Keys::new(&inner), name)?;
            model.remarks.push(remark);
            Ok(model)
        }
    }
}

/// Python writes numbers that JSON has not: they become words, for none of them is counted.
fn finite(text: &str) -> String {
    let mut quoted = false;
    let mut parts: Vec<String> = text.split('"').map(str::to_owned).collect();
    for part in &mut parts {
        if !quoted {
            for word in ["Infinity", "NaN"] {
                *part = part.replace(&format!("-{word}"), word).replace(word, &format!("\"{word}\""));
            }
        }
        // A quote behind an odd number of backslashes ends nothing.
        let escaped = quoted && part.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        quoted = quoted == escaped;
    }
    parts.join("\"")
}

/// As [`architecture`], for files of our own: a key that nothing asks for is an error.
pub(super) fn strict_architecture(keys: &Keys, name: &str) -> Result<Architecture> {
    let model = architecture(keys, name)?;
    for remark in REMARKS {
        keys.get(remark);
    }
    match keys.unasked().first() {
        None => Ok(model),
        Some((key, _)) => {
            Err(Error::misuse(format!("config: unknown key {}; remove it or correct its name", quoted(key))))
        }
    }
}

fn architecture(keys: &Keys, name: &str) -> Result<Architecture> {
    let family = foreign::family(keys)?;
    let facts = family.facts();
    causal_head(keys)?;
    let shape = Shape::read(keys, family)?;
    let layers = layers(keys, family, &shape)?;
    let caps = |key| match facts.caps {
        Caps::Foreign => Ok(false),
        Caps::Absent(on) => soft_cap(keys, key, on),
    };
    let position_rows = match facts.position_rows {
        None => None,
        Some(more) => {
            let given =
                keys.shape(facts.keys.positions, limits::POSITION_ROWS, &family, Some(facts.defaults.positions))?;
            Some(given + more)
        }
    };
    let mut remarks = foreign::remarks(keys, family)?;
    let model = Architecture {
        name: name.to_owned(),
        family,
        source: None,
        published: None,
        published_dtype: published_dtype(keys)?,
        max_positions: match keys.any(facts.keys.positions, limits::POSITIONS)?.1 {
            Given::Value(positions) => Some(positions),
            Given::Absent | Given::Null => None,
        },
        hidden: shape.hidden,
        vocabulary: keys.shape(
            &["vocab_size"],
            limits::VOCABULARY,
            &family,
            facts.defaults.of(facts.defaults.vocabulary),
        )?,
        tied: tied(keys, facts)?,
        embedding_width: embedding_width(keys, facts, shape.hidden)?,
        position_rows,
        final_norm: final_norm(keys, facts)?,
        head_bias: facts.head_bias,
        head_soft_cap: caps("final_logit_softcapping")?,
        rope_factors: super::rope::factors(keys, family, &layers),
        stored: None,
        checkpoint: None,
        layers,
        remarks: Vec::new(),
    };
    let quantised = quantised::checkpoint(keys, family)?;
    foreign::refuse(keys, family)?;
    let mut checkpoint = None;
    if let Some((read, notes)) = quantised {
        remarks.extend(notes);
        remarks.extend(quantised::idle(&read, &model)?);
        checkpoint = Some(read);
    }
    remarks.extend(keys.remarks());
    Ok(Architecture { checkpoint, remarks, ..model })
}

/// What all layers have in common.
struct Shape {
    hidden: u64,
    layers: u64,
    heads: u64,
}

impl Shape {
    fn read(keys: &Keys, family: Family) -> Result<Shape> {
        let Facts { keys: names, defaults, .. } = family.facts();
        let shape = Shape {
            hidden: keys.shape(names.hidden, limits::HIDDEN, &family, defaults.of(defaults.hidden))?,
            layers: keys.shape(names.layers, limits::LAYERS, &family, defaults.of(defaults.layers))?,
            heads: keys.shape(names.heads, limits::HEADS, &family, defaults.of(defaults.heads))?,
        };
        // Some files say it twice.
        if !names.heads.contains(&"num_heads")
            && let Given::Value(again) = keys.given("num_heads", limits::HEADS)?
            && again != shape.heads
        {
            let usual = names.heads.first().copied().unwrap_or_default();
            return Err(Error::misuse(format!("num_heads: {again} disagrees with {usual} {}; remove it", shape.heads)));
        }
        Ok(shape)
    }
}

/// All layers, alike ones together, in order of first appearance.
fn layers(keys: &Keys, family: Family, shape: &Shape) -> Result<Vec<Layer>> {
    let mixers = attention::mixers(keys, family, shape)?;
    let feed_forwards = feed_forward::feed_forwards(keys, family, shape)?;
    let norms = norms(keys, family.facts())?;
    let mut layers: Vec<Layer> = Vec::new();
    for (place, (mixer, feed_forward)) in (0..).zip(mixers.into_iter().zip(feed_forwards)) {
        match layers.iter_mut().find(|layer| layer.mixer == mixer && layer.feed_forward == feed_forward) {
            Some(layer) => layer.places.push(place),
            None => layers.push(Layer { places: vec![place], mixer, feed_forward, norms }),
        }
    }
    Ok(layers)
}

fn norms(keys: &Keys, facts: &Facts) -> Result<Norms> {
    let [none, inputs, outputs] = [(false, false), (true, false), (false, true)];
    let one = |alone: bool| if alone { (inputs, none) } else { (inputs, inputs) };
    let (mixer, feed_forward) = match facts.norms {
        NormsRule::Inputs => (inputs, inputs),
        NormsRule::Outputs => (outputs, outputs),
        NormsRule::Both => ((true, true), (true, true)),
        NormsRule::One => one(true),
        NormsRule::OneIf(switch) => one(keys.flag(switch, false)?),
        NormsRule::Falcon => one(falcon_shares_its_norm(keys)?),
        NormsRule::Opt => {
            let first = keys.flag("do_layer_norm_before", true)?;
            if first { (inputs, inputs) } else { (outputs, outputs) }
        }
    };
    Ok(Norms {
        kind: facts.norm,
        before_mixer: mixer.0,
        after_mixer: mixer.1,
        before_feed_forward: feed_forward.0,
        after_feed_forward: feed_forward.1,
    })
}

/// Falcon-7B has one norm for both halves of a parallel block, later ones have two.
fn falcon_shares_its_norm(keys: &Keys) -> Result<bool> {
    let (new, parallel) = (keys.flag("new_decoder_architecture", false)?, keys.flag("parallel_attn", true)?);
    let norms = match keys.given("num_ln_in_parallel_attn", 2)? {
        Given::Value(norms) => norms,
        Given::Absent | Given::Null => 1 + u64::from(new),
    };
    Ok(if new { norms == 1 } else { parallel })
}

fn final_norm(keys: &Keys, facts: &Facts) -> Result<Option<super::layer::Norm>> {
    let there = match facts.norms {
        NormsRule::Opt => {
            if !keys.flag("layer_norm_elementwise_affine", true)? {
                return Err(Error::misuse("layer_norm_elementwise_affine: false is not supported yet (true is)"));
            }
            keys.flag("do_layer_norm_before", true)? && !keys.flag("_remove_final_layer_norm", false)?
        }
        _ => true,
    };
    Ok(there.then_some(facts.norm))
}

fn tied(keys: &Keys, facts: &Facts) -> Result<bool> {
    let stated: Vec<bool> = facts
        .keys
        .tied
        .iter()
        .filter(|name| keys.get(name).is_some())
        .map(|name| keys.flag(name, false))
        .collect::<Result<_>>()?;
    Ok(stated.first().copied().unwrap_or(facts.tied))
}

/// OPT-350M embeds at half its width.
fn embedding_width(keys: &Keys, facts: &Facts, hidden: u64) -> Result<Option<u64>> {
    if !matches!(facts.norms, NormsRule::Opt) {
        return Ok(None);
    }
    match keys.given("word_embed_proj_dim", limits::HIDDEN)? {
        Given::Value(width) if width != hidden => Ok(Some(width)),
        _ => Ok(None),
    }
}

/// A soft cap: a number, null for none, the family's default where it is absent.
fn soft_cap(keys: &Keys, key: &'static str, absent: bool) -> Result<bool> {
    match keys.get(key) {
        None => Ok(absent),
        Some(Value::Null) => Ok(false),
        Some(Value::Number(cap)) => Ok(cap.as_f64() != Some(0.0)),
        Some(other) => Err(Error::misuse(format!("{key}: must be a number, is {}", shown(other)))),
    }
}

/// The width of the dense feed-forward.
fn width(keys: &Keys, family: Family, hidden: u64) -> Result<u64> {
    let facts = family.facts();
    match facts.defaults.width {
        Width::Of(default) => keys.shape(facts.keys.width, limits::WIDTH, &family, facts.defaults.of(default)),
        Width::FourTimes => match keys.any(facts.keys.width, limits::WIDTH)?.1 {
            Given::Value(width) => Ok(width),
            Given::Absent | Given::Null => Ok(4 * hidden),
        },
    }
}

/// The function between the matrices, where a configuration names one.
fn activation(keys: &Keys, family: Family) -> Result<Activation> {
    let facts = family.facts();
    let mut named = None;
    for &key in facts.keys.activation {
        let word = keys.word(key)?.map(|word| (key, word));
        named = named.or(word);
    }
    let Some((key, word)) = named else { return Ok(facts.activation) };
    let known = match word {
        "silu" | "swish" => Some(Activation::Silu),
        "relu" => Some(Activation::Relu),
        "relu2" | "relu_squared" if !facts.gated => Some(Activation::ReluSquared),
        _ if word.starts_with("gelu") || word == "quick_gelu" => Some(Activation::Gelu),
        _ => None,
    };
    known.ok_or_else(|| {
        Error::misuse(format!("{key}: {} is not supported for {family} (silu, gelu and relu are)", quoted(word)))
    })
}

/// `architectures` names the class with its head: without a language-model head, the counts would be of another model.
fn causal_head(keys: &Keys) -> Result<()> {
    let classes = match keys.get("architectures") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(classes)) => classes,
        Some(other) => return Err(Error::misuse(format!("architectures: must be a list, is {}", shown(other)))),
    };
    let causal = |class: &Value| {
        class.as_str().is_some_and(|name| name.ends_with("ForCausalLM") || name.ends_with("LMHeadModel"))
    };
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
