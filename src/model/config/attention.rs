//! Mixers, layer by layer: heads, biases, norms, rotation, windows.

use super::super::attention_form::Form;
use super::super::family::{
    Attends, BiasRule, Caps, Facts, Family, GateRule, HeadNormRule, KvHeads, LatentRule, MixerRule, RecurrentRule,
    RotaryRule, WindowRule,
};
use super::super::keys::{Given, Keys, is_on, quoted, shown};
use super::super::layer::{Biases, Gate, GroupedQuery, HeadNorm, Indexer, Latent, Mixer};
use super::super::limits;
use super::common::{Shape, layer_types, lists_every_layer, soft_cap};
use super::compressed;
use super::gemma;
use super::recurrent::{self, Role};
use super::shared_block;
use super::varied;
use super::windows::windows;
use crate::error::{Error, Result};
use serde_json::Value;

/// The mixer of each layer.
pub(super) fn mixers(keys: &Keys, family: Family, shape: &Shape) -> Result<Vec<Mixer>> {
    match family.facts().mixer {
        MixerRule::GroupedQuery { sinks } => {
            let attention = GroupedQuery { sinks, ..grouped_query(keys, family, shape)? };
            if let Some(mixers) = varied::searched_mixers(keys, family, shape, &attention)? {
                return Ok(mixers);
            }
            let rotates = rotates(keys, family, shape.layers)?;
            let chunked = matches!(family.facts().window, WindowRule::Chunks(_));
            let windows = windows(keys, family, shape.layers, &rotates)?;
            let rotates = match family.facts().rotary {
                RotaryRule::Windowed if windows.iter().any(Option::is_some) => {
                    windows.iter().map(Option::is_some).collect()
                }
                _ => rotates,
            };
            let one = |(rotates, sees): (bool, Option<u64>)| {
                let rotary = if rotates { attention.rotary } else { 0 };
                let (window, chunk) = if chunked { (None, sees) } else { (sees, None) };
                GroupedQuery { window, chunk, rotary, ..attention.clone() }
            };
            let mut attentions: Vec<GroupedQuery> = rotates.into_iter().zip(windows).map(one).collect();
            gemma::vary(keys, family, &mut attentions)?;
            varied::vary(keys, family, &mut attentions)?;
            Ok(attentions.into_iter().map(Mixer::GroupedQuery).collect())
        }
        MixerRule::Latent(rule) => {
            layer_types(keys, shape.layers, &["full_attention", "indexed_attention", "deepseek_sparse_attention"])?;
            rotary(keys, family, rule.rotary_dim)?;
            let attention = latent(keys, family, &rule, shape)?;
            let Some(indexer) = attention.indexer else {
                return Ok(vec![Mixer::Latent(attention); usize::try_from(shape.layers).unwrap_or_default()]);
            };
            let one = |own: bool| Mixer::Latent(Latent { indexer: own.then_some(indexer), ..attention.clone() });
            Ok(index_themselves(keys, shape.layers)?.into_iter().map(one).collect())
        }
        MixerRule::Compressed(rule) => {
            Ok(compressed::mixers(keys, &rule, shape)?.into_iter().map(Mixer::Compressed).collect())
        }
        MixerRule::Recurrent(rule) => hybrid(keys, family, &rule, shape),
    }
}

/// Recurrences, with attention in some layers, or beside them.
fn hybrid(keys: &Keys, family: Family, rule: &RecurrentRule, shape: &Shape) -> Result<Vec<Mixer>> {
    let recurrence = recurrent::recurrence(keys, family, &rule.recurrence, shape)?;
    let attention = match (rule.attends, &rule.latent) {
        (Attends::Never | Attends::Nowhere, _) => None,
        (_, Some(latents)) => Some(Mixer::Latent(latent(keys, family, latents, shape)?)),
        (Attends::Zamba(second), _) => {
            let attention = grouped_query(keys, family, shape)?;
            return shared_block::mixers(keys, family, shape, second, &attention, &recurrence);
        }
        (Attends::Blocks(absent), _) => {
            let (_, window) = keys.any(&["attention_window_size", "sliding_window"], limits::POSITIONS)?;
            let window = window.or_absent(Some(absent));
            Some(Mixer::GroupedQuery(GroupedQuery { window, ..grouped_query(keys, family, shape)? }))
        }
        _ => Some(Mixer::GroupedQuery(grouped_query(keys, family, shape)?)),
    };
    let mixer = |role: Role| match (role, attention.clone()) {
        (Role::Both, Some(Mixer::GroupedQuery(attention))) => Mixer::Both(attention, recurrence.clone()),
        (Role::Attends, Some(attention)) => attention,
        (Role::Feeds | Role::Routes, _) => Mixer::Nothing,
        _ => Mixer::Recurrent(recurrence.clone()),
    };
    Ok(recurrent::roles(keys, rule.attends, shape.layers)?.into_iter().map(mixer).collect())
}

/// Attention as all layers have it.
fn grouped_query(keys: &Keys, family: Family, shape: &Shape) -> Result<GroupedQuery> {
    let Facts { head_norm, caps, gate, norm, inner_norms, .. } = family.facts();
    let head_dim = head_dim(keys, family, shape)?;
    Ok(GroupedQuery {
        heads: shape.heads,
        kv_heads: kv_heads(keys, family, shape.heads)?,
        head_dim,
        value_dim: head_dim,
        rotary: rotary(keys, family, head_dim)?,
        window: None,
        chunk: None,
        gate: match *gate {
            GateRule::Always(gate) => gate,
            GateRule::Switch(key, absent, gate) if keys.flag(key, absent)? => gate,
            GateRule::Switch(..) => Gate::None,
        },
        output_norm: inner_norms.then_some(*norm),
        chosen: None,
        biases: biases(keys, family)?,
        head_norm: match *head_norm {
            HeadNormRule::Always(norm) => norm,
            HeadNormRule::Switch(key, absent, norm) if keys.flag(key, absent)? => norm,
            HeadNormRule::Switch(..) => HeadNorm::None,
        },
        value_norm: false,
        keys_are_values: false,
        shares: false,
        sinks: false,
        soft_cap: match *caps {
            Caps::Foreign | Caps::Head(_) | Caps::HeadBy(_) => false,
            Caps::Absent(on) => soft_cap(keys, "attn_logit_softcapping", on)?,
        },
        form: Form::Usual,
    })
}

/// Null derives it from `heads`; absent, each family has its own default.
fn kv_heads(keys: &Keys, family: Family, heads: u64) -> Result<u64> {
    let Facts { keys: names, kv_heads: rule, .. } = family.facts();
    let (key, given) = keys.any(names.kv_heads, limits::HEADS)?;
    let kv_heads = match (given, *rule) {
        (given, KvHeads::Falcon) => {
            let (new, single) = (keys.flag("new_decoder_architecture", false)?, keys.flag("multi_query", true)?);
            match given {
                Given::Value(count) if new => count,
                _ if !new && single => 1,
                _ => heads,
            }
        }
        (given, KvHeads::ByType) => match (keys.word("attn_type")?, given) {
            (None | Some("multihead_attention"), _) => heads,
            (Some("multiquery_attention"), _) => 1,
            (Some("grouped_query_attention"), Given::Value(count)) => count,
            (Some("grouped_query_attention"), _) => {
                return Err(Error::misuse(format!("{key}: is missing, and attn_type needs it; add it")));
            }
            (Some(other), _) => {
                let known = "multihead_attention, grouped_query_attention and multiquery_attention are";
                return Err(Error::misuse(format!("attn_type: {} is not supported ({known})", quoted(other))));
            }
        },
        (_, KvHeads::OneIf(switch)) if keys.flag(switch, true)? => 1,
        (_, KvHeads::OneIf(_)) => heads,
        (_, KvHeads::If(switch)) if !keys.flag(switch, false)? => heads,
        (Given::Value(count), _) => count,
        (Given::Null, _) | (Given::Absent, KvHeads::AsHeads | KvHeads::If(_)) => heads,
        (Given::Absent, KvHeads::Of(count)) => count,
    };
    if heads.is_multiple_of(kv_heads) {
        return Ok(kv_heads);
    }
    let origin = if given == Given::Absent { format!(", {family}'s default,") } else { String::new() };
    let whole = names.heads.first().copied().unwrap_or_default();
    Err(Error::misuse(format!("{key}: {kv_heads}{origin} does not divide {whole} {heads}; correct one of them")))
}

/// Derived from the width and the heads, unless the family has a size of its own.
fn head_dim(keys: &Keys, family: Family, shape: &Shape) -> Result<u64> {
    let Shape { hidden, heads, .. } = *shape;
    match (keys.any(family.facts().keys.head_dim, limits::HEAD_DIM)?.1, family.facts().head_dim) {
        (Given::Value(size), _) | (Given::Absent, Some(size)) => Ok(size),
        _ if hidden.is_multiple_of(heads) => Ok(hidden / heads),
        _ => Err(Error::misuse(format!(
            "hidden_size: {hidden} is not a multiple of num_attention_heads {heads}, and head_dim is not given; \
             add head_dim or correct one of them"
        ))),
    }
}

fn biases(keys: &Keys, family: Family) -> Result<Biases> {
    let fixed = match family.facts().attention_bias {
        BiasRule::Switch(key, absent, biases) => {
            return Ok(if keys.flag(key, absent)? { biases } else { Biases::None });
        }
        BiasRule::Apart(qkv, output) => {
            return Ok(match (keys.flag(qkv.0, qkv.1)?, keys.flag(output.0, output.1)?) {
                (false, false) => Biases::None,
                (true, false) => Biases::QueryKeyValue,
                (false, true) => Biases::Output,
                (true, true) => Biases::All,
            });
        }
        BiasRule::Always(fixed) => fixed,
    };
    if family.facts().harmless.contains(&"attention_bias") {
        return Ok(fixed);
    }
    let usual = fixed != Biases::None;
    let stated = keys.typed("attention_bias", "true or false", Value::as_bool)?.value().unwrap_or(usual);
    if stated == usual {
        return Ok(fixed);
    }
    let always = if usual { "always" } else { "never" };
    Err(Error::misuse(format!(
        "attention_bias: {stated} contradicts {family}, whose query, key and value projections {always} have a bias; \
         remove the key or correct model_type"
    )))
}

/// Elements of a head of `size` that are rotated.
fn rotary(keys: &Keys, family: Family, size: u64) -> Result<u64> {
    let stated = rotary_factor(keys)?;
    match (family.facts().rotary, stated) {
        // All of nothing.
        (RotaryRule::Nothing, None | Some((_, 1.0))) => Ok(0),
        (RotaryRule::IfPositions, None) => Ok(if keys.is_on("max_position_embeddings") { size } else { 0 }),
        (RotaryRule::UnlessAlibi, None) => Ok(if keys.flag("alibi", false)? { 0 } else { size }),
        (RotaryRule::IfBase, None | Some((_, 1.0))) => {
            let table = keys.get("rope_parameters").and_then(|rope| rope.get("rope_theta"));
            let stated = table.or(keys.get("rope_theta")).is_some_and(is_on);
            Ok(if stated { size } else { 0 })
        }
        (RotaryRule::IfOn(switch), None | Some((_, 1.0))) => Ok(if keys.flag(switch, false)? { size } else { 0 }),
        (RotaryRule::IfStated, None | Some((_, 1.0))) => {
            Ok(if keys.word("position_embedding_type")? == Some("rope") { size } else { 0 })
        }
        (RotaryRule::Part(absent), factor) => match keys.given("rotary_dim", limits::HEAD_DIM)?.value() {
            Some(elements) if elements <= size => Ok(elements),
            Some(elements) => Err(Error::misuse(format!("rotary_dim: {elements} is more than a head of {size} has"))),
            None => Ok((size as f64 * factor.map_or(absent, |(_, factor)| factor)) as u64),
        },
        (RotaryRule::Whole | RotaryRule::WholeExcept | RotaryRule::Windowed, None | Some((_, 1.0))) => Ok(size),
        (_, Some((key, factor))) => {
            Err(Error::misuse(format!("{key}: {factor:?} is not supported for {family} (1.0 is)")))
        }
    }
}

/// The rotated part of a head, where a configuration states one. Where rotary parameters are a table of their own
/// (transformers 5), it stands in there.
fn rotary_factor(keys: &Keys) -> Result<Option<(&'static str, f64)>> {
    let nested = keys.get("rope_parameters").and_then(|rope| rope.get("partial_rotary_factor"));
    let own = ["partial_rotary_factor", "rotary_pct", "rope_pct"].map(|key| (key, keys.get(key)));
    let all = [("partial_rotary_factor", nested)].into_iter().chain(own);
    let mut stated = None;
    for (key, value) in all {
        let Some(value) = value.filter(|value| !value.is_null()) else { continue };
        let factor = value.as_f64().filter(|factor| (0.0..=1.0).contains(factor));
        let wrong = || Error::misuse(format!("{key}: must be a number from 0 to 1, is {}", shown(value)));
        stated = stated.or(Some((key, factor.ok_or_else(wrong)?)));
    }
    Ok(stated)
}

/// Which layers rotate at all.
fn rotates(keys: &Keys, family: Family, layers: u64) -> Result<Vec<bool>> {
    if !matches!(family.facts().rotary, RotaryRule::WholeExcept) {
        return Ok(vec![true; usize::try_from(layers).unwrap_or_default()]);
    }
    let interval = keys.given("no_rope_layer_interval", limits::LAYERS)?.value().unwrap_or(4);
    let Some(rotate) = keys.indices("no_rope_layers")?.filter(|listed| !listed.is_empty()) else {
        return Ok((0..layers).map(|layer| (layer + 1) % interval != 0).collect());
    };
    lists_every_layer("no_rope_layers", rotate.len(), layers)?;
    Ok(rotate.into_iter().map(|rotates| rotates != 0).collect())
}

fn latent(keys: &Keys, family: Family, rule: &LatentRule, shape: &Shape) -> Result<Latent> {
    let size = |key: &'static str, absent: u64| {
        let given = keys.given(key, limits::HEAD_DIM)?.or_absent(Some(absent));
        given.ok_or_else(|| Error::misuse(format!("{key}: is null; {family} needs it")))
    };
    // All heads share one latent: how many of them there are for keys is history, and what a head's size is called.
    for key in ["num_key_value_heads", "head_dim", "qk_head_dim"] {
        keys.get(key);
    }
    let value_dim = match (keys.given("v_head_dim", limits::HEAD_DIM)?, rule.value_dim) {
        (Given::Value(size), _) | (Given::Absent, Some(size)) => size,
        _ if shape.hidden.is_multiple_of(shape.heads) => shape.hidden / shape.heads,
        _ => {
            return Err(Error::misuse("v_head_dim: is not given, and hidden_size is no multiple of the heads; add it"));
        }
    };
    let (plain_dim, rotary_dim) =
        (size("qk_nope_head_dim", rule.plain_dim)?, size("qk_rope_head_dim", rule.rotary_dim)?);
    let query_rank = match keys.given("q_lora_rank", limits::HEAD_DIM)? {
        Given::Value(rank) => Some(rank),
        Given::Null => None,
        Given::Absent => default_query_rank(keys, family, rule, shape, plain_dim + rotary_dim),
    };
    let chosen = rule.indexer.map(|absent| indexer(keys, absent)).transpose()?;
    Ok(Latent {
        heads: shape.heads,
        query_rank,
        rank: size("kv_lora_rank", rule.rank)?,
        plain_dim,
        rotary_dim,
        value_dim,
        bias: biases(keys, family)? != Biases::None,
        gate: rule.gate,
        selected: chosen.map(|(selected, _)| selected),
        indexer: chosen.map(|(_, indexer)| indexer),
    })
}

/// Keys that are chosen for each token, and what chooses them.
fn indexer(keys: &Keys, [heads, head_dim, selected]: [u64; 3]) -> Result<(u64, Indexer)> {
    let count = |key, most, absent| Ok(keys.given(key, most)?.value().unwrap_or(absent));
    let indexer = Indexer {
        heads: count("index_n_heads", limits::HEADS, heads)?,
        head_dim: count("index_head_dim", limits::HEAD_DIM, head_dim)?,
    };
    Ok((count("index_topk", limits::POSITIONS, selected)?, indexer))
}

/// Which layers have an indexer of their own: the others take the choice of an earlier one.
fn index_themselves(keys: &Keys, layers: u64) -> Result<Vec<bool>> {
    let every = keys.count_from_zero("index_topk_freq")?.value().unwrap_or(1).max(1);
    let offset = keys.count_from_zero("index_skip_topk_offset")?.value().unwrap_or(2);
    let (key, words): (_, Option<Vec<String>>) = match (keys.words("indexer_types")?, keys.get("index_topk_pattern")) {
        (Some(types), _) => ("indexer_types", Some(types.into_iter().map(str::to_owned).collect())),
        (None, Some(Value::String(pattern))) => {
            ("index_topk_pattern", Some(pattern.chars().map(String::from).collect()))
        }
        _ => (
            "index_topk_pattern",
            keys.words("index_topk_pattern")?.map(|all| all.into_iter().map(str::to_owned).collect()),
        ),
    };
    if let Some(words) = words {
        lists_every_layer(key, words.len(), layers)?;
        return words
            .iter()
            .map(|word| match word.as_str() {
                "F" | "full" => Ok(true),
                "S" | "shared" => Ok(false),
                _ => Err(Error::misuse(format!("{key}: {} is not supported (full and shared are)", quoted(word)))),
            })
            .collect();
    }
    Ok((0..layers).map(|layer| (layer + 1).saturating_sub(offset) % every == 0).collect())
}

/// `q_lora_rank` where the key is absent: the family's default, as long as two matrices of that rank are smaller than the
/// one that they replace. Where they are not (DeepSeek-V2-Lite, whose null some copies drop), queries have no latent.
fn default_query_rank(keys: &Keys, family: Family, rule: &LatentRule, shape: &Shape, head: u64) -> Option<u64> {
    let rank = rule.query_rank?;
    let smaller = |hidden: u64, queries: u64| rank * (hidden + queries) < hidden * queries;
    let usual = family.facts().defaults;
    // Not so where the family's own model has it larger.
    if smaller(shape.hidden, shape.heads * head) || !smaller(usual.hidden, usual.heads * head) {
        keys.assume("q_lora_rank", &family, rank);
        return Some(rank);
    }
    keys.remark(format!(
        "q_lora_rank is absent, and {family}'s default of {rank} would make the query projection larger: taken as null"
    ));
    None
}
