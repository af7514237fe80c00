//! What Gemma 3n and Gemma 4 vary from layer to layer: layers that attend to the keys and values of an earlier one, larger heads
//! where a layer sees everything, wider feed-forwards, experts beside them.

use super::super::family::{Family, PerLayer};
use super::super::keys::{Given, Keys, shown};
use super::super::layer::{Dense, FeedForward, GroupedQuery, Mixture, Shared};
use super::super::limits;
use super::super::shape::{LayerInputs, Streams};
use super::common::Shape;
use crate::error::{Error, Result};
use serde_json::Value;

fn is_gemma4(rule: PerLayer) -> bool {
    matches!(rule, PerLayer::Gemma4 | PerLayer::Gemma4Unified)
}

/// The first layer that has no keys and values of its own.
fn first_sharing(keys: &Keys, family: Family, layers: u64) -> Result<u64> {
    let absent = match family.facts().per_layer {
        PerLayer::Gemma3n => 15,
        PerLayer::Gemma4 | PerLayer::Gemma4Unified => 0,
        _ => return Ok(layers),
    };
    let shared = keys.count_from_zero("num_kv_shared_layers")?.or_absent(Some(absent)).unwrap_or(0);
    match layers.checked_sub(shared) {
        Some(first) if first > 0 => Ok(first),
        _ => Err(Error::misuse(format!(
            "num_kv_shared_layers: {shared} of {layers} layers leave none with keys and values; correct one of them"
        ))),
    }
}

/// Attention, layer by layer.
pub(super) fn vary(keys: &Keys, family: Family, attentions: &mut [GroupedQuery]) -> Result<()> {
    let rule = family.facts().per_layer;
    if rule != PerLayer::Gemma3n && !is_gemma4(rule) {
        return Ok(());
    }
    let layers = attentions.len() as u64;
    let first = first_sharing(keys, family, layers)?;
    if is_gemma4(rule) {
        larger_heads(keys, attentions)?;
    }
    for (attention, place) in attentions.iter_mut().zip(0..) {
        (attention.value_norm, attention.shares) = (true, place >= first);
    }
    Ok(())
}

/// Layers of Gemma 4 that see everything have heads of their own size, and may take keys for values, too.
fn larger_heads(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    // Whatever the list says.
    if let Some(last) = attentions.last_mut() {
        last.window = None;
    }
    let same = keys.flag("attention_k_eq_v", false)?;
    let head_dim = keys.given("global_head_dim", limits::HEAD_DIM)?.or_absent(Some(512));
    let kv_heads = keys.given("num_global_key_value_heads", limits::HEADS)?.value().filter(|_| same);
    let stated = keys.typed("per_layer_config", "an object", Value::as_object)?.value();
    for (attention, place) in attentions.iter_mut().zip(0_u64..) {
        let full = attention.window.is_none();
        let own = stated.and_then(|all| all.iter().find(|(key, _)| key.parse() == Ok(place)));
        let size = |key: &str, most: u64| match own.and_then(|(_, own)| own.get(key)) {
            None => Ok(None),
            Some(value) => value.as_u64().filter(|size| (1..=most).contains(size)).map(Some).ok_or_else(|| {
                Error::misuse(format!("per_layer_config: {key} must be an integer from 1, is {}", shown(value)))
            }),
        };
        let otherwise = full && stated.is_none();
        attention.head_dim =
            size("head_dim", limits::HEAD_DIM)?.or(head_dim.filter(|_| otherwise)).unwrap_or(attention.head_dim);
        attention.kv_heads = size("num_key_value_heads", limits::HEADS)?
            .or(kv_heads.filter(|_| otherwise))
            .unwrap_or(attention.kv_heads);
        if !attention.heads.is_multiple_of(attention.kv_heads) {
            return Err(Error::misuse(format!(
                "num_global_key_value_heads: {} does not divide num_attention_heads {}; correct one of them",
                attention.kv_heads, attention.heads
            )));
        }
        attention.value_dim = attention.head_dim;
        attention.keys_are_values = same && full;
        // A quarter of these is rotated.
        attention.rotary = if full { attention.head_dim / 4 } else { attention.head_dim };
    }
    Ok(())
}

/// Feed-forwards, layer by layer; none where all are alike.
pub(super) fn feed_forwards(
    keys: &Keys,
    family: Family,
    shape: &Shape,
    dense: Dense,
) -> Result<Option<Vec<Option<FeedForward>>>> {
    if !is_gemma4(family.facts().per_layer) {
        return Ok(None);
    }
    let first = first_sharing(keys, family, shape.layers)?;
    let double = keys.flag("use_double_wide_mlp", false)?;
    let experts = experts(keys, dense)?;
    let one = |place: u64| match &experts {
        Some(mixture) => FeedForward::Mixture(mixture.clone()),
        None if double && place >= first => FeedForward::Dense(Dense { width: 2 * dense.width, ..dense }),
        None => FeedForward::Dense(dense),
    };
    if double && experts.is_some() {
        return Err(Error::misuse(
            "use_double_wide_mlp: true is not supported beside experts; correct enable_moe_block",
        ));
    }
    Ok(Some((0..shape.layers).map(|place| Some(one(place))).collect()))
}

/// Experts beside the dense feed-forward, where they are switched on.
fn experts(keys: &Keys, dense: Dense) -> Result<Option<Mixture>> {
    let size = |key: &'static str, most| -> Result<Given<u64>> { keys.given(key, most) };
    let experts = size("num_experts", limits::EXPERTS)?;
    let (used, width) = (size("top_k_experts", limits::EXPERTS)?, size("moe_intermediate_size", limits::WIDTH)?);
    keys.get("expert_intermediate_size");
    if !keys.flag("enable_moe_block", false)? {
        return Ok(None);
    }
    let needed = |key: &str, given: Given<u64>| {
        given
            .value()
            .ok_or_else(|| Error::misuse(format!("{key}: is missing or null, and enable_moe_block is on; add it")))
    };
    let (experts, used) = (needed("num_experts", experts)?, needed("top_k_experts", used)?);
    if used > experts {
        return Err(Error::misuse(format!(
            "top_k_experts: {used} is more than num_experts {experts}; correct one of them"
        )));
    }
    let expert = Dense { width: needed("moe_intermediate_size", width)?, ..dense };
    let shared = Some(Shared { dense, gate: false });
    Ok(Some(Mixture {
        experts,
        used,
        scores: experts,
        expert,
        router_bias: false,
        correction: false,
        shared,
        latent: None,
        normed_apart: true,
        output_bias: false,
    }))
}

/// Embeddings of each layer; none where they have no width.
pub(super) fn layer_inputs(keys: &Keys, family: Family) -> Result<Option<LayerInputs>> {
    if !matches!(family.facts().per_layer, PerLayer::Gemma3n | PerLayer::Gemma4) {
        return Ok(None);
    }
    let width = keys.count_from_zero("hidden_size_per_layer_input")?.or_absent(Some(256)).unwrap_or(0);
    let rows = keys.given("vocab_size_per_layer_input", limits::VOCABULARY)?.or_absent(Some(262_144));
    match rows {
        _ if width == 0 => Ok(None),
        Some(vocabulary) if width <= limits::HEAD_DIM => Ok(Some(LayerInputs { width, vocabulary })),
        _ => Err(Error::misuse(format!("hidden_size_per_layer_input: {width} is beyond any model's"))),
    }
}

/// Parallel residual streams, of Gemma 3n.
pub(super) fn streams(keys: &Keys, family: Family) -> Result<Option<Streams>> {
    if family.facts().per_layer != PerLayer::Gemma3n {
        return Ok(None);
    }
    let size = |key: &'static str, absent, most| -> Result<u64> {
        let given = keys.given(key, most)?.or_absent(Some(absent));
        given.ok_or_else(|| Error::misuse(format!("{key}: is null; it must be an integer from 1")))
    };
    Ok(Some(Streams {
        count: size("altup_num_inputs", 4, limits::STREAMS)?,
        rank: size("laurel_rank", 64, limits::HEAD_DIM)?,
    }))
}
