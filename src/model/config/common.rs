//! What attention, recurrence and feed-forwards read alike.

use super::super::family::{Facts, Family, PerLayer, Width};
use super::super::keys::{Given, Keys, quoted};
use super::super::layer::Activation;
use super::super::limits;
use crate::error::{Error, Result};
use serde_json::Value;

/// What all layers have in common.
pub(super) struct Shape {
    pub(super) hidden: u64,
    pub(super) layers: u64,
    pub(super) heads: u64,
}

impl Shape {
    pub(super) fn read(keys: &Keys, family: Family) -> Result<Shape> {
        let Facts { keys: names, defaults, per_layer, .. } = family.facts();
        let mut shape = Shape {
            hidden: keys.shape(names.hidden, limits::HIDDEN, &family, keys.default(defaults, defaults.hidden))?,
            layers: keys.shape(names.layers, limits::LAYERS, &family, keys.default(defaults, defaults.layers))?,
            heads: match names.heads {
                [] => defaults.heads,
                names => keys.shape(names, limits::HEADS, &family, keys.default(defaults, defaults.heads))?,
            },
        };
        if *per_layer == PerLayer::Halves {
            let halves = keys.given("num_hidden_layers", limits::LAYERS)?.value();
            if let Some(halves) = halves.filter(|halves| ![shape.layers, 2 * shape.layers].contains(halves)) {
                return Err(Error::misuse(format!(
                    "num_hidden_layers: {halves} disagrees with num_layers {}, each of which is two; remove it",
                    shape.layers
                )));
            }
            shape.layers *= 2;
        }
        // Some files state it twice.
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

/// A soft cap: a number, null for none, the family's default where it is absent.
pub(super) fn soft_cap(keys: &Keys, key: &'static str, absent: bool) -> Result<bool> {
    let is_cap = |value: &Value| value.is_number().then(|| value.as_f64() != Some(0.0));
    Ok(keys.typed(key, "a number", is_cap)?.or_absent(Some(absent)).unwrap_or(false))
}

/// The width of the dense feed-forward.
pub(super) fn width(keys: &Keys, family: Family, hidden: u64) -> Result<u64> {
    let facts = family.facts();
    match facts.defaults.width {
        Width::Of(default) | Width::Half(default) => {
            let default = keys.default(&facts.defaults, default);
            let stated = keys.shape(facts.keys.width, limits::WIDTH, &family, default)?;
            Ok(if matches!(facts.defaults.width, Width::Half(_)) { stated.div_ceil(2) } else { stated })
        }
        Width::Multiple(key, default) => {
            let times = keys.given(key, limits::HEAD_DIM)?.value().unwrap_or(default);
            Ok(keys.any(facts.keys.width, limits::WIDTH)?.1.value().unwrap_or(times * hidden))
        }
        Width::FourTimes => Ok(keys.any(facts.keys.width, limits::WIDTH)?.1.value().unwrap_or(4 * hidden)),
    }
}

/// The function between the matrices, where a configuration names one.
pub(super) fn activation(keys: &Keys, family: Family) -> Result<Activation> {
    let facts = family.facts();
    let mut named = None;
    for &key in facts.keys.activation {
        let word = keys.word(key)?.map(|word| (key, word));
        named = named.or(word);
    }
    let Some((key, word)) = named else { return Ok(facts.activation) };
    let known = match word {
        // OpenAI's SwiGLU also clips and scales its inputs.
        "silu" | "swish" | "swigluoai" => Some(Activation::Silu),
        "relu" => Some(Activation::Relu),
        "relu2" | "relu_squared" if !facts.gated || facts.activation == Activation::ReluSquared => {
            Some(Activation::ReluSquared)
        }
        "xielu" if facts.activation == Activation::Xielu => Some(Activation::Xielu),
        _ if word.starts_with("gelu") || word == "quick_gelu" => Some(Activation::Gelu),
        _ => None,
    };
    known.ok_or_else(|| {
        Error::misuse(format!("{key}: {} is not supported for {family} (silu, gelu and relu are)", quoted(word)))
    })
}

/// That a list at `key` has an entry for each layer.
pub(super) fn lists_every_layer(key: &str, listed: usize, layers: u64) -> Result<()> {
    if listed as u64 == layers {
        return Ok(());
    }
    Err(Error::misuse(format!("{key}: lists {listed} layers where num_hidden_layers is {layers}; correct one of them")))
}

/// Drops what a list has for layers of multi-token prediction, which stand behind the others.
pub(super) fn drop_predictors<T>(keys: &Keys, list: &mut Vec<T>, layers: u64) -> Result<()> {
    // Asked for only where it is needed: to most families the key is a structure that they do not have.
    if list.len() as u64 > layers {
        let predictors = keys.count_from_zero("num_nextn_predict_layers")?.value().unwrap_or(0);
        if list.len() as u64 == layers + predictors {
            list.truncate(usize::try_from(layers).unwrap_or_default());
        }
    }
    Ok(())
}

/// `layer_types`, one word per layer, where it is given.
pub(super) fn layer_types<'a>(keys: &Keys<'a>, layers: u64, known: &[&str]) -> Result<Option<Vec<&'a str>>> {
    // The older name of it.
    let (older, types) = (keys.words("layers_block_type")?, keys.words("layer_types")?);
    let Some(mut types) = types.or(older) else { return Ok(None) };
    drop_predictors(keys, &mut types, layers)?;
    lists_every_layer("layer_types", types.len(), layers)?;
    match types.iter().find(|kind| !known.contains(kind)) {
        None => Ok(Some(types)),
        Some(kind) => Err(Error::misuse(format!(
            "layer_types: {} is not supported here ({} are)",
            quoted(kind),
            known.join(" and ")
        ))),
    }
}
