//! Hugging Face `config.json` to [`Model`].
//!
//! Keys that change no count are ignored, as in any such file. Keys that would change one and are not understood are
//! refused by name: a wrong count is worse than none.

mod attention;
mod classes;
mod common;
mod compressed;
mod feed_forward;
mod foreign;
mod gemma;
mod key_rules;
mod quantised;
mod recurrent;
mod shared_block;
mod towers;
mod unfold;
mod varied;
mod windows;
mod wrapper;

use super::family::{Caps, Facts, Family, HeadBias, NormPlaces, NormsRule};
use super::keys::{Keys, quoted, shown};
use super::language_model::{Model, Source};
use super::layer::{FeedForward, Layer, Norm, Norms};
use super::limits;
use super::shape::{ModelShape, Predictors};
use super::storage::Storage;
use crate::error::{Error, Result};
use common::{Shape, soft_cap};
use roofprobe_kernels::Dtype;
use serde_json::{Map, Value};

/// What is done about a key that is not understood and may change a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// It is taken as harmless, and named in a remark.
    #[default]
    Lenient,
    /// The configuration is refused.
    Strict,
}

/// Keys that stand in a zoo file for the reader's sake and change no count.
const REMARKS: [&str; 4] = ["rope_theta", "rope_scaling", "rms_norm_eps", "transformers_version"];

/// Reads the text of a Hugging Face `config.json` as the model `name`.
///
/// # Errors
/// Misuse, naming the key: not JSON, an unknown `model_type`, a missing key, a value of the wrong type or beyond its limit, a
/// contradiction, or a key that announces a structure which the family does not have.
pub fn parse_config(text: &str, name: &str) -> Result<Model> {
    parse_config_as(text, name, Strictness::Lenient)
}

/// As [`parse_config`], with a choice about keys that are not understood.
///
/// # Errors
/// As [`parse_config`]; when strict, also for a key that is not understood and may change a count.
pub fn parse_config_as(text: &str, name: &str, strictness: Strictness) -> Result<Model> {
    let parsed = serde_json::from_str(text).or_else(|e| serde_json::from_str(&finite(text)).map_err(|_| e));
    let value: Value = parsed.map_err(|e| {
        Error::misuse(format!("{e}; not a Hugging Face config.json: is the file truncated, or not JSON?"))
    })?;
    let Value::Object(map) = &value else {
        return Err(Error::misuse(format!("is {}, where a Hugging Face config.json is an object", shown(&value))));
    };
    match wrapper::text_part(map)? {
        None => read_map(map, name, strictness, false),
        Some(part) => {
            let mut model = read_map(&part.map, name, strictness, part.partial).map_err(|e| e.within(&part.place))?;
            model.source.remarks.push(part.remark);
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

/// As [`read_keys`], for files of our own: a key that nothing asks for is an error.
pub(super) fn closed_config(keys: &Keys, name: &str) -> Result<Model> {
    let model = read_keys(keys, name, Strictness::Strict)?;
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

/// `partial`: what is absent has its default, in every family.
fn read_map(map: &Map<String, Value>, name: &str, strictness: Strictness, partial: bool) -> Result<Model> {
    let flat = unfold::flat(map)?;
    let map = flat.as_ref().unwrap_or(map);
    let keys = if partial { Keys::of_part(map) } else { Keys::new(map) };
    read_keys(&keys, name, strictness)
}

fn read_keys(keys: &Keys, name: &str, strictness: Strictness) -> Result<Model> {
    let family = foreign::family(keys)?;
    unfold::fixed(keys, family)?;
    let shape = shape(keys, family)?;
    let mut remarks = foreign::remarks(keys, family);
    let storage = Storage {
        published_dtype: published_dtype(keys)?,
        rope_factors: super::rope::factors(keys, family, &shape.layers),
        ..Storage::default()
    };
    let max_positions = keys.any(family.facts().keys.positions, limits::POSITIONS)?.1.value();
    let quantised = quantised::checkpoint(keys, family)?;
    foreign::judge(keys, family, strictness)?;
    if let Some((checkpoint, notes)) = &quantised {
        remarks.extend_from_slice(notes);
        remarks.extend(quantised::idle(checkpoint, &shape, family)?);
    }
    let checkpoint = quantised.map(|(checkpoint, _)| checkpoint);
    remarks.extend(keys.remarks());
    let source = Source { name: name.to_owned(), family, origin: None, published: None, max_positions, remarks };
    Ok(Model { shape, storage: Storage { checkpoint, ..storage }, source })
}

fn shape(keys: &Keys, family: Family) -> Result<ModelShape> {
    let facts = family.facts();
    let common = Shape::read(keys, family)?;
    let layers = layers(keys, family, &common)?;
    let position_rows = match facts.position_rows {
        None => None,
        Some(more) => {
            let absent = Some(facts.defaults.positions);
            Some(keys.shape(facts.keys.positions, limits::POSITION_ROWS, &family, absent)? + more)
        }
    };
    let vocabulary = keys.default(&facts.defaults, facts.defaults.vocabulary);
    let predictors = predictors(keys, facts, &layers);
    Ok(ModelShape {
        hidden: common.hidden,
        vocabulary: keys.shape(facts.keys.vocabulary, limits::VOCABULARY, &family, vocabulary)?,
        tied: tied(keys, facts)?,
        embedding_width: embedding_width(keys, facts, common.hidden)?,
        position_rows,
        embedding_norm: facts.embedding_norm.then_some(facts.norm),
        final_norm: final_norm(keys, facts)?,
        layer_inputs: gemma::layer_inputs(keys, family)?,
        streams: gemma::streams(keys, family)?,
        connections: compressed::connections(keys, family)?,
        head_bias: match facts.head_bias {
            HeadBias::Never => false,
            HeadBias::Always => true,
            HeadBias::Switch(key) => keys.flag(key, false)?,
        },
        head_soft_cap: match facts.caps {
            Caps::Foreign => false,
            Caps::Absent(on) | Caps::Head(on) => soft_cap(keys, "final_logit_softcapping", on)?,
            Caps::HeadBy(key) => soft_cap(keys, key, true)?,
        },
        layers,
        predictors,
        joined: false,
    })
}

/// Layers for multi-token prediction, each as the last of the others.
fn predictors(keys: &Keys, facts: &Facts, layers: &[Layer]) -> Option<Predictors> {
    let stated = |key: &&'static str| keys.get(key).and_then(Value::as_u64).filter(|count| *count > 0);
    let count = facts.uncounted.iter().find_map(stated)?;
    let last = layers.iter().max_by_key(|layer| layer.places.last().copied())?;
    Some(Predictors { count, layer: Layer { places: vec![0], ..last.clone() } })
}

fn layers(keys: &Keys, family: Family, shape: &Shape) -> Result<Vec<Layer>> {
    let mixers = attention::mixers(keys, family, shape)?;
    let feed_forwards = feed_forward::feed_forwards(keys, family, shape)?;
    let norms = norms(keys, family.facts())?;
    let (rule, kind) = (family.facts().norms, family.facts().norm);
    Layer::grouped(mixers.into_iter().zip(feed_forwards).map(|(mixer, feed_forward)| {
        let norms = match rule {
            NormsRule::AfterExperts if matches!(feed_forward, Some(FeedForward::Mixture(_))) => {
                Norms { after_feed_forward: true, ..norms }
            }
            NormsRule::OutputsIfAttends if mixer.recurrent().is_none() => NormPlaces::Outputs.norms(kind),
            _ => norms,
        };
        Ok((mixer, feed_forward, norms))
    }))
}

fn norms(keys: &Keys, facts: &Facts) -> Result<Norms> {
    let one = |alone: bool| if alone { NormPlaces::One } else { NormPlaces::Inputs };
    let places = match facts.norms {
        NormsRule::Always(places) => places,
        NormsRule::OneIf(switch) => one(keys.flag(switch, false)?),
        NormsRule::BothIf(switch) if keys.flag(switch, true)? => NormPlaces::Both,
        NormsRule::BothIf(_) | NormsRule::AfterExperts | NormsRule::OutputsIfAttends => NormPlaces::Inputs,
        NormsRule::Falcon => one(falcon_shares_its_norm(keys)?),
        NormsRule::Opt if keys.flag("do_layer_norm_before", true)? => NormPlaces::Inputs,
        NormsRule::Opt => NormPlaces::Outputs,
    };
    Ok(places.norms(facts.norm))
}

/// Falcon-7B has one norm for both halves of a parallel block, later ones have two.
fn falcon_shares_its_norm(keys: &Keys) -> Result<bool> {
    let (new, parallel) = (keys.flag("new_decoder_architecture", false)?, keys.flag("parallel_attn", true)?);
    let norms = keys.given("num_ln_in_parallel_attn", 2)?.value().unwrap_or(1 + u64::from(new));
    Ok(if new { norms == 1 } else { parallel })
}

fn final_norm(keys: &Keys, facts: &Facts) -> Result<Option<Norm>> {
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
    let stated = facts.keys.tied.iter().filter(|name| keys.get(name).is_some());
    let stated: Vec<bool> = stated.map(|name| keys.flag(name, false)).collect::<Result<_>>()?;
    Ok(stated.first().copied().unwrap_or(facts.tied))
}

/// OPT-350M embeds at half its width.
fn embedding_width(keys: &Keys, facts: &Facts, hidden: u64) -> Result<Option<u64>> {
    if !matches!(facts.norms, NormsRule::Opt) {
        return Ok(None);
    }
    Ok(keys.given("word_embed_proj_dim", limits::HIDDEN)?.value().filter(|width| *width != hidden))
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
