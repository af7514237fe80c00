//! Layers that differ by lists of a family's own.

use super::super::attention_form::{Form, RoutedHeads};
use super::super::family::{Family, PerLayer};
use super::super::keys::{Keys, is_on, quoted, shown};
use super::super::layer::{ChosenBlocks, Dense, FeedForward, Gate, GroupedQuery, Indexer, Mixer};
use super::super::limits;
use super::common::{Shape, layer_types, lists_every_layer};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// Attention, layer by layer, where a family varies it.
pub(super) fn vary(keys: &Keys, family: Family, attentions: &mut [GroupedQuery]) -> Result<()> {
    match family.facts().per_layer {
        PerLayer::Mimo => mimo(keys, attentions),
        PerLayer::Step => step(keys, attentions),
        PerLayer::Laguna => laguna(keys, attentions),
        PerLayer::ListedThetas => listed_thetas(keys, attentions),
        PerLayer::ChosenBlocks => chosen_blocks(keys, attentions),
        PerLayer::RoutedHeads => routed_heads(keys, attentions),
        PerLayer::MaskedKeys => {
            attentions.iter_mut().for_each(|attention| attention.form = Form::Masked);
            Ok(())
        }
        PerLayer::None
        | PerLayer::Gemma3n
        | PerLayer::Gemma4
        | PerLayer::Gemma4Unified
        | PerLayer::Blocks
        | PerLayer::Halves => Ok(()),
    }
}

/// `hybrid_layer_pattern` has 1 for layers with windows; without any list the first and every sixth layer see everything.
fn mimo(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    let layers = attentions.len() as u64;
    let pattern = keys.indices("hybrid_layer_pattern")?;
    let typed = layer_types(keys, layers, &["full_attention", "sliding_attention"])?;
    let slides: Vec<bool> = match (pattern, typed) {
        (Some(pattern), _) => {
            lists_every_layer("hybrid_layer_pattern", pattern.len(), layers)?;
            pattern.into_iter().map(|kind| kind != 0).collect()
        }
        (None, Some(types)) => types.into_iter().map(|kind| kind == "sliding_attention").collect(),
        (None, None) => (0..layers).map(|layer| layer > 0 && !(layer + 1).is_multiple_of(6)).collect(),
    };
    let size = |key: &'static str, absent: u64| -> Result<u64> {
        Ok(keys.given(key, limits::HEAD_DIM)?.value().unwrap_or(absent))
    };
    let value_dim = size("v_head_dim", 128)?;
    let window = keys.given("sliding_window", limits::POSITIONS)?.value().unwrap_or(129);
    // What came before a token is stated apart: itself comes on top.
    let window = match keys.given("sliding_window_size", limits::POSITIONS)?.value() {
        Some(before) => before + 1,
        None => window,
    };
    let sinks = keys.flag("add_swa_attention_sink_bias", true)?;
    let all_sinks = keys.flag("add_full_attention_sink_bias", false)?;
    for (attention, slides) in attentions.iter_mut().zip(slides) {
        attention.value_dim = value_dim;
        attention.sinks = if slides { sinks } else { all_sinks };
        attention.window = slides.then_some(window);
        if slides {
            attention.heads = size("swa_num_attention_heads", attention.heads)?;
            attention.kv_heads = size("swa_num_key_value_heads", 2 * attention.kv_heads)?;
            attention.head_dim = size("swa_head_dim", attention.head_dim)?;
            attention.value_dim = size("swa_v_head_dim", value_dim)?;
        }
        divides(attention, "swa_num_key_value_heads")?;
    }
    Ok(())
}

/// Heads of layers with windows, and what else they have of their own.
fn step(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    let other = keys.typed("attention_other_setting", "an object", Value::as_object)?.value();
    let heads = keys.given("num_sliding_attention_heads", limits::HEADS)?.value();
    let own = |name: &str, most: u64| own_of(other, "attention_other_setting", name, most);
    let each = keys.typed("per_layer_config", "an object", Value::as_object)?.value();
    for (attention, place) in attentions.iter_mut().zip(0_u64..) {
        let listed = each.and_then(|all| all.get(&place.to_string())).and_then(Value::as_object);
        let listed = own_of(listed, "per_layer_config", "num_attention_heads", limits::HEADS)?;
        if attention.window.is_some() {
            attention.heads =
                listed.or(heads).or(own("num_attention_heads", limits::HEADS)?).unwrap_or(attention.heads);
            attention.kv_heads = own("num_attention_groups", limits::HEADS)?.unwrap_or(attention.kv_heads);
            attention.head_dim = own("head_dim", limits::HEAD_DIM)?.unwrap_or(attention.head_dim);
            attention.value_dim = attention.head_dim;
        }
        divides(attention, "attention_other_setting")?;
    }
    Ok(())
}

fn laguna(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    let gate = match keys.get("gating") {
        None | Some(Value::Bool(true)) => Gate::PerHead,
        Some(Value::Bool(false) | Value::Null) => Gate::None,
        Some(Value::String(word)) if word == "per-head" => Gate::PerHead,
        Some(Value::String(word)) if word == "per-element" => Gate::Apart,
        Some(other) => {
            return Err(Error::misuse(format!(
                "gating: {} is not supported (per-head and per-element are)",
                shown(other)
            )));
        }
    };
    let heads = keys.indices("num_attention_heads_per_layer")?;
    if let Some(heads) = &heads {
        lists_every_layer("num_attention_heads_per_layer", heads.len(), attentions.len() as u64)?;
    }
    for (place, attention) in attentions.iter_mut().enumerate() {
        attention.gate = gate;
        attention.heads = heads.as_ref().map_or(attention.heads, |heads| heads[place]);
        divides(attention, "num_attention_heads_per_layer")?;
    }
    Ok(())
}

/// Each expert has as many heads as there are keys; all of them together are the heads of attention.
fn routed_heads(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    let experts = keys.given("num_local_experts", limits::EXPERTS)?.value().unwrap_or(8);
    let used = keys.given("num_experts_per_tok", limits::EXPERTS)?.value().unwrap_or(2);
    let stated = keys.given("num_attention_heads", limits::HEADS)?.value();
    for attention in attentions {
        attention.heads = attention.kv_heads.saturating_mul(used);
        if let Some(stated) = stated.filter(|stated| *stated != attention.heads) {
            return Err(Error::misuse(format!(
                "num_attention_heads: {stated} is not num_key_value_heads {} × num_experts_per_tok {used}; correct one of them",
                attention.kv_heads
            )));
        }
        attention.form = Form::Routed(RoutedHeads { experts, used });
    }
    Ok(())
}

/// A base of 0 leaves a layer's heads unrotated.
fn listed_thetas(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    let Some(bases) = keys.typed("layer_rope_theta", "a list", Value::as_array)?.value() else { return Ok(()) };
    lists_every_layer("layer_rope_theta", bases.len(), attentions.len() as u64)?;
    for (attention, base) in attentions.iter_mut().zip(bases) {
        if !is_on(base) {
            attention.rotary = 0;
        }
    }
    Ok(())
}

/// Which layers choose blocks, and how many: in an object of their own, or under longer names beside the others.
fn chosen_blocks(keys: &Keys, attentions: &mut [GroupedQuery]) -> Result<()> {
    const OBJECT: &str = "sparse_attention_config";
    let layers = attentions.len() as u64;
    let table = keys.typed(OBJECT, "an object", Value::as_object)?.value();
    let size = |name: &str, key: &'static str, absent: u64| -> Result<u64> {
        let own = own_of(table, OBJECT, name, limits::HEAD_DIM)?;
        Ok(own.or(keys.given(key, limits::HEAD_DIM)?.value()).unwrap_or(absent))
    };
    let chosen = ChosenBlocks {
        block: size("sparse_block_size", "index_block_size", 128)?,
        blocks: size("sparse_topk_blocks", "index_topk_blocks", 16)?,
        indexer: Indexer {
            heads: size("sparse_num_index_heads", "index_n_heads", 4)?,
            head_dim: size("sparse_index_dim", "index_head_dim", 128)?,
        },
    };
    // How many of them are a token's own neighbours changes no count, as long as its own block is among them.
    if size("sparse_local_block", "index_local_blocks", 1)? > chosen.blocks {
        return Err(Error::misuse(format!("{OBJECT}: has more local blocks than are chosen; correct one of them")));
    }
    let listed = table.and_then(|table| table.get("sparse_attention_freq")).and_then(Value::as_array);
    let chooses: Vec<bool> = match (layer_types(keys, layers, &["full_attention", "minimax_m3_sparse"])?, listed) {
        (Some(types), _) => types.into_iter().map(|kind| kind != "full_attention").collect(),
        (None, Some(listed)) => {
            lists_every_layer("sparse_attention_freq", listed.len(), layers)?;
            listed.iter().map(is_on).collect()
        }
        (None, None) => vec![false; attentions.len()],
    };
    for (attention, chooses) in attentions.iter_mut().zip(chooses) {
        attention.chosen = chooses.then_some(chosen);
    }
    Ok(())
}

/// The mixers of a searched architecture, by `block_configs`, or by `num_key_value_heads_per_layer` alone; none for families
/// without such lists.
///
/// # Errors
/// Misuse for what is not understood in a block, or where no list is there.
pub(super) fn searched_mixers(
    keys: &Keys,
    family: Family,
    shape: &Shape,
    attention: &GroupedQuery,
) -> Result<Option<Vec<Mixer>>> {
    if family.facts().per_layer != PerLayer::Blocks {
        return Ok(None);
    }
    if let Some(configs) = blocks(keys, shape.layers)? {
        return configs
            .iter()
            .map(|config| mixer(part(config, "attention")?, attention))
            .collect::<Result<_>>()
            .map(Some);
    }
    let Some(counts) = keys.indices("num_key_value_heads_per_layer")? else {
        return Err(Error::misuse("block_configs: is missing, so what each layer does is unknown; add it"));
    };
    lists_every_layer("num_key_value_heads_per_layer", counts.len(), shape.layers)?;
    let one = |kv_heads: u64| {
        let attention = GroupedQuery { kv_heads, ..attention.clone() };
        divides(&attention, "num_key_value_heads_per_layer").map(|()| Mixer::GroupedQuery(attention))
    };
    counts.into_iter().map(one).collect::<Result<_>>().map(Some)
}

/// The feed-forwards of a searched architecture; none where all are alike.
///
/// # Errors
/// As [`searched_mixers`].
pub(super) fn searched_feed_forwards(
    keys: &Keys,
    family: Family,
    shape: &Shape,
    dense: Dense,
) -> Result<Option<Vec<Option<FeedForward>>>> {
    if family.facts().per_layer != PerLayer::Blocks {
        return Ok(None);
    }
    let Some(configs) = blocks(keys, shape.layers)? else { return Ok(None) };
    configs.iter().map(|config| feeds(part(config, "ffn")?, shape.hidden, dense)).collect::<Result<_>>().map(Some)
}

fn blocks<'a>(keys: &Keys<'a>, layers: u64) -> Result<Option<&'a Vec<Value>>> {
    let blocks = keys.typed("block_configs", "a list", Value::as_array)?.value();
    blocks.map_or(Ok(()), |blocks| lists_every_layer("block_configs", blocks.len(), layers))?;
    Ok(blocks)
}

fn part<'a>(config: &'a Value, name: &str) -> Result<&'a Map<String, Value>> {
    let part = config.get(name).and_then(Value::as_object);
    part.ok_or_else(|| Error::misuse(format!("block_configs: an entry has no {name}; is the file complete?")))
}

fn switched(part: &Map<String, Value>, name: &str) -> bool {
    part.get(name).is_some_and(is_on)
}

/// The keys of a part that are on and not among `known`.
fn refuse_unknown(part: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match part.iter().find(|(key, value)| is_on(value) && !known.contains(&key.as_str())) {
        None => Ok(()),
        Some((key, value)) => {
            let key = quoted(key);
            Err(Error::misuse(format!("block_configs: {key} is {}, which is not supported", shown(value))))
        }
    }
}

fn mixer(part: &Map<String, Value>, attention: &GroupedQuery) -> Result<Mixer> {
    refuse_unknown(part, &["n_heads_in_group", "no_op", "num_key_value_heads", "replace_with_linear"])?;
    if switched(part, "no_op") {
        return Ok(Mixer::Nothing);
    }
    if switched(part, "replace_with_linear") {
        return Ok(Mixer::Linear);
    }
    let group = own_of(Some(part), "block_configs", "n_heads_in_group", attention.heads)?;
    let stated = own_of(Some(part), "block_configs", "num_key_value_heads", attention.heads)?;
    let kv_heads = match (stated, group) {
        (Some(kv_heads), _) => kv_heads,
        (None, Some(group)) if attention.heads.is_multiple_of(group) => attention.heads / group,
        _ => {
            return Err(Error::misuse(format!(
                "block_configs: n_heads_in_group must divide num_attention_heads {}",
                attention.heads
            )));
        }
    };
    let attention = GroupedQuery { kv_heads, ..attention.clone() };
    divides(&attention, "block_configs")?;
    Ok(Mixer::GroupedQuery(attention))
}

/// A factor of two thirds of the width of the model, rounded up to whole 256s, or a width.
fn feeds(part: &Map<String, Value>, hidden: u64, dense: Dense) -> Result<Option<FeedForward>> {
    refuse_unknown(part, &["ffn_mult", "hidden_act", "intermediate_size", "no_op"])?;
    if switched(part, "no_op") {
        return Ok(None);
    }
    let width = match own_of(Some(part), "block_configs", "intermediate_size", limits::WIDTH)? {
        Some(width) => width,
        None => {
            let factor = part.get("ffn_mult").and_then(Value::as_f64).filter(|factor| *factor > 0.0 && *factor < 1e3);
            let factor = factor.ok_or_else(|| Error::misuse("block_configs: ffn_mult must be a positive number"))?;
            ((2.0 * factor * hidden as f64 / 3.0) as u64).next_multiple_of(256)
        }
    };
    Ok(Some(FeedForward::Dense(Dense { width, ..dense })))
}

/// A count that an object may state.
fn own_of(table: Option<&Map<String, Value>>, key: &str, name: &str, most: u64) -> Result<Option<u64>> {
    match table.and_then(|table| table.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().filter(|count| (1..=most).contains(count)).map(Some).ok_or_else(|| {
            Error::misuse(format!("{key}: {name} must be an integer in 1..={most}, is {}", shown(value)))
        }),
    }
}

fn divides(attention: &GroupedQuery, key: &str) -> Result<()> {
    if attention.kv_heads > 0 && attention.heads > 0 && attention.heads.is_multiple_of(attention.kv_heads) {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "{key}: {} key/value heads do not divide {} heads; correct one of them",
        attention.kv_heads, attention.heads
    )))
}
