//! Recurrent layers: which ones they are, and their sizes.

use super::super::family::{Attends, Family, Inner, MambaKeys, Recurrence};
use super::super::keys::{Keys, is_on, quoted, shown};
use super::super::limits;
use super::super::recurrent::{self, GatedDelta, GatedLinearUnit, KimiDelta, Lightning, Mamba1, Mamba2, Recurrent};
use super::common::{Shape, activation, layer_types, lists_every_layer};
use crate::error::{Error, Result};
use serde_json::Value;

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It attends.
    Attends,
    /// It is recurrent.
    Recurs,
    /// Both, side by side.
    Both,
    /// It has a feed-forward, and nothing else.
    Feeds,
    /// It has experts, and nothing else.
    Routes,
}

impl Role {
    fn attends(attends: bool) -> Role {
        if attends { Role::Attends } else { Role::Recurs }
    }
}

/// Words for layers that attend, in `layer_types`.
const ATTENDS: [&str; 2] = ["full_attention", "attention"];
/// Words for recurrent ones.
const RECURS: [&str; 4] = ["conv", "linear_attention", "mamba", "recurrent"];

/// What each layer does.
pub(super) fn roles(keys: &Keys, attends: Attends, layers: u64) -> Result<Vec<Role>> {
    let all = |role: Role| vec![role; usize::try_from(layers).unwrap_or_default()];
    match attends {
        Attends::Never | Attends::Nowhere => return Ok(all(Role::Recurs)),
        Attends::Beside => return Ok(all(Role::Both)),
        Attends::Nemotron => return nemotron(keys, layers),
        _ => {}
    }
    let patterned = pattern(keys, attends, layers)?;
    let recurs = if matches!(attends, Attends::Lfm2) { &RECURS[..1] } else { &RECURS[1..] };
    let windowed: &[&str] = if matches!(attends, Attends::Blocks(_)) { &["sliding_attention"] } else { &[] };
    let attending = [&ATTENDS[..], windowed].concat();
    let known = [&attending[..], recurs].concat();
    let attends = match layer_types(keys, layers, &known)? {
        Some(types) => types.into_iter().map(|kind| attending.contains(&kind)).collect(),
        None => patterned,
    };
    Ok(attends.into_iter().map(Role::attends).collect())
}

/// Which layers attend where `layer_types` is absent.
fn pattern(keys: &Keys, attends: Attends, layers: u64) -> Result<Vec<bool>> {
    let listed = |key: &'static str, absent: bool| match keys.indices(key)? {
        None => Ok((0..layers).map(|_| absent).collect()),
        Some(listed) if listed.iter().any(|&layer| layer >= layers) => {
            Err(Error::misuse(format!("{key}: names a layer beyond num_hidden_layers {layers}; correct one of them")))
        }
        Some(listed) => Ok((0..layers).map(|layer| listed.contains(&layer)).collect()),
    };
    match attends {
        Attends::Lfm2 => listed("full_attn_idxs", true),
        Attends::Listed(key) => listed(key, false),
        Attends::Every(key, absent) => {
            let every = keys.given(key, limits::LAYERS)?.value().unwrap_or(absent);
            Ok((0..layers).map(|layer| (layer + 1) % every == 0).collect())
        }
        Attends::Jamba => periodic(keys, ["attn_layer_period", "attn_layer_offset"], [8, 4], layers),
        Attends::Kimi => kimi_attends(keys, layers),
        Attends::MiniMax => {
            let Some(types) = keys.indices("attn_type_list")? else {
                return Ok((0..layers).map(|layer| layer % 2 == 0).collect());
            };
            lists_every_layer("attn_type_list", types.len(), layers)?;
            Ok(types.into_iter().map(|kind| kind == 1).collect())
        }
        Attends::Fourth => Ok((0..layers).map(|layer| layer % 4 == 3 || layers < 4 && layer + 1 == layers).collect()),
        Attends::Blocks(_) => blocks(keys, layers),
        Attends::Never
        | Attends::Nowhere
        | Attends::Beside
        | Attends::Typed
        | Attends::Zamba(_)
        | Attends::Nemotron => Ok((0..layers).map(|_| false).collect()),
    }
}

/// Every so many layers, from an offset on.
pub(super) fn periodic(
    keys: &Keys,
    [period, offset]: [&'static str; 2],
    [every, first]: [u64; 2],
    layers: u64,
) -> Result<Vec<bool>> {
    let every = keys.given(period, limits::LAYERS)?.value().unwrap_or(every);
    let first = keys.count_from_zero(offset)?.value().unwrap_or(first);
    if first >= every {
        return Err(Error::misuse(format!("{offset}: {first} must be below {period} {every}; correct one of them")));
    }
    Ok((0..layers).map(|layer| layer % every == first).collect())
}

/// `block_types`, again and again.
fn blocks(keys: &Keys, layers: u64) -> Result<Vec<bool>> {
    let kinds = keys.words("block_types")?.unwrap_or_else(|| vec!["recurrent", "recurrent", "attention"]);
    if let Some(kind) = kinds.iter().find(|kind| !["attention", "recurrent"].contains(*kind)) {
        return Err(Error::misuse(format!(
            "block_types: {} is not supported (recurrent and attention are)",
            quoted(kind)
        )));
    }
    if kinds.is_empty() {
        return Err(Error::misuse("block_types: is empty, so what each layer does is unknown; add it"));
    }
    Ok(kinds.into_iter().cycle().zip(0..layers).map(|(kind, _)| kind == "attention").collect())
}

/// `full_attn_layers` counts from 1.
fn kimi_attends(keys: &Keys, layers: u64) -> Result<Vec<bool>> {
    let table = keys.get("linear_attn_config");
    let Some(listed) = table.and_then(|table| table.get("full_attn_layers")).and_then(Value::as_array) else {
        return Ok((0..layers).map(|layer| layer > 0 && layer % 4 == 0).collect());
    };
    let listed: Vec<u64> = listed.iter().filter_map(Value::as_u64).collect();
    if listed.iter().any(|&layer| layer == 0 || layer > layers) {
        return Err(Error::misuse(format!(
            "linear_attn_config: full_attn_layers names a layer beyond 1..={layers}; correct one of them"
        )));
    }
    Ok((1..=layers).map(|layer| listed.contains(&layer)).collect())
}

/// A letter for each layer: M recurs, * attends, - feeds forward, E has experts; or a word in a list.
fn nemotron(keys: &Keys, layers: u64) -> Result<Vec<Role>> {
    let role = |word: &str| match word {
        "M" => Some(Role::Recurs),
        "*" => Some(Role::Attends),
        "-" | "mlp" => Some(Role::Feeds),
        "E" | "moe" => Some(Role::Routes),
        word if ATTENDS.contains(&word) => Some(Role::Attends),
        word if RECURS.contains(&word) => Some(Role::Recurs),
        _ => None,
    };
    let pattern = keys.word("hybrid_override_pattern")?;
    let (older, types) = (keys.words("layers_block_type")?, keys.words("layer_types")?);
    let (key, words): (_, Vec<String>) = match (types.or(older), pattern) {
        (Some(types), _) => ("layers_block_type", types.into_iter().map(str::to_owned).collect()),
        (None, Some(pattern)) => ("hybrid_override_pattern", pattern.chars().map(String::from).collect()),
        (None, None) => {
            return Err(Error::misuse(
                "hybrid_override_pattern: is missing, so what each layer does is unknown; add it",
            ));
        }
    };
    lists_every_layer(key, words.len(), layers)?;
    let known = |word: &String| {
        role(word).ok_or_else(|| Error::misuse(format!("{key}: {} is not supported (M, *, - and E are)", quoted(word))))
    };
    words.iter().map(known).collect()
}

/// The recurrence of a family.
pub(super) fn recurrence(keys: &Keys, family: Family, recurrence: &Recurrence, shape: &Shape) -> Result<Recurrent> {
    let hidden = shape.hidden;
    Ok(match recurrence {
        Recurrence::ShortConvolution => short_convolution(keys, shape)?,
        Recurrence::Mamba1(names, norms) => mamba1(keys, family, names, *norms, hidden)?.mixer(hidden),
        Recurrence::Mamba2(names) => mamba2(keys, family, names, hidden)?.mixer(hidden),
        Recurrence::GatedDelta(fused) => gated_delta(keys, *fused)?.mixer(hidden),
        Recurrence::OlmoDelta => olmo_delta(keys, shape)?.mixer(hidden),
        Recurrence::KimiDelta => kimi_delta(keys)?.mixer(hidden),
        Recurrence::LingDelta => {
            let (head_dim, taps) = (size(keys, "head_dim", 128)?, size(keys, "short_conv_kernel_size", 4)?);
            KimiDelta { heads: shape.heads, head_dim, taps, full_rank: true }.mixer(hidden)
        }
        Recurrence::Lightning => {
            let head_dim = keys.given("head_dim", limits::HEAD_DIM)?.value().unwrap_or(hidden / shape.heads);
            Lightning { heads: shape.heads, head_dim }.mixer(hidden)
        }
        Recurrence::GatedLinearUnit => gated_linear_unit(keys, shape)?.mixer(hidden),
        Recurrence::Rwkv4 => {
            let width = keys.given("attention_hidden_size", limits::WIDTH)?.value().unwrap_or(hidden);
            recurrent::rwkv4(hidden, width)
        }
    })
}

fn short_convolution(keys: &Keys, shape: &Shape) -> Result<Recurrent> {
    for key in ["block_dim", "conv_dim", "conv_dim_out"] {
        let hidden = shape.hidden;
        if let Some(width) = keys.given(key, limits::HIDDEN)?.value().filter(|width| *width != hidden) {
            return Err(Error::misuse(format!(
                "{key}: {width} is not hidden_size {hidden}; convolutions of another width are not supported"
            )));
        }
    }
    if !keys.flag("block_use_swiglu", true)? {
        return Err(Error::misuse("block_use_swiglu: false is not supported (true is)"));
    }
    let taps = size(keys, "conv_L_cache", 3)?;
    Ok(recurrent::short_convolution(shape.hidden, taps, keys.flag("conv_bias", false)?))
}

/// LFM2 states a width that is cut to two thirds, scaled and rounded up, unless a switch is off.
pub(super) fn lfm2_width(keys: &Keys, stated: u64) -> Result<u64> {
    let adjusts = keys.flag("block_auto_adjust_ff_dim", true)?;
    let multiple = size(keys, "block_multiple_of", 256)?;
    let factor = match keys.get("block_ffn_dim_multiplier") {
        None => Some(1.0),
        Some(Value::Null) => None,
        Some(value) => Some(value.as_f64().filter(|factor| *factor > 0.0 && *factor < 1e3).ok_or_else(|| {
            Error::misuse(format!("block_ffn_dim_multiplier: must be a positive number, is {}", shown(value)))
        })?),
    };
    if !adjusts {
        return Ok(stated);
    }
    let cut = 2 * stated / 3;
    let scaled = factor.map_or(cut, |factor| (factor * cut as f64) as u64);
    Ok(scaled.div_ceil(multiple) * multiple)
}

/// A size that may be the word `auto`, as good as absent.
fn auto(keys: &Keys, key: &'static str) -> Result<Option<u64>> {
    match keys.get(key) {
        Some(Value::String(word)) if word == "auto" => Ok(None),
        _ => Ok(keys.given(key, limits::HEAD_DIM)?.value()),
    }
}

fn mamba2(keys: &Keys, family: Family, names: &MambaKeys, hidden: u64) -> Result<Mamba2> {
    let heads = keys.given(names.heads.0, limits::HEADS)?.value().unwrap_or(names.heads.1);
    let (head_key, default) = names.head_dim;
    let (stated, origin) = match names.inner {
        Inner::Heads => (None, String::new()),
        Inner::Stated(key) => {
            let expand = size(keys, "mamba_expand", 2)?;
            // The class has a number here, where configurations have none.
            let stated = keys.given(key, limits::WIDTH)?.or_absent(Some(1024));
            let stated = stated.unwrap_or(expand * hidden);
            (Some(stated), format!("{key}: {stated}"))
        }
        Inner::Expanded(key) => {
            let expand = size(keys, key, 2)?;
            (Some(expand * hidden), format!("{key}: {expand} × hidden_size {hidden}"))
        }
    };
    let head_dim = match (auto(keys, head_key)?.or(default), stated) {
        (Some(size), _) => size,
        (None, Some(inner)) => inner / heads,
        (None, None) => return Err(Error::misuse(format!("{head_key}: is missing; add it"))),
    };
    let inner = heads * head_dim;
    if stated.is_some_and(|stated| stated != inner) {
        return Err(Error::misuse(format!(
            "{origin} is not {} {heads} × {head_key} {head_dim}; correct one of them",
            names.heads.0
        )));
    }
    check(keys, family, names, inner)?;
    let norm = match names.norm {
        None => true,
        Some(key) => keys.flag(key, false)?,
    };
    Ok(Mamba2 {
        heads,
        head_dim,
        states: size(keys, names.states.0, names.states.1)?,
        groups: size(keys, names.groups.0, names.groups.1)?,
        taps: size(keys, names.taps.0, names.taps.1)?,
        bias: keys.flag(names.bias, false)?,
        conv_bias: keys.flag(names.conv_bias, true)?,
        norm,
    })
}

/// What else may be stated of Mamba layers.
fn check(keys: &Keys, family: Family, names: &MambaKeys, inner: u64) -> Result<()> {
    if names.heads.0 == "num_heads" {
        let stated = keys.given("intermediate_size", limits::WIDTH)?.value();
        if let Some(stated) = stated.filter(|stated| *stated != inner) {
            return Err(Error::misuse(format!(
                "intermediate_size: {stated} is not {inner}, the channels of all heads"
            )));
        }
        activation(keys, family)?;
    }
    if !keys.flag("rms_norm", true)? && names.norm.is_none() {
        return Err(Error::misuse(format!("rms_norm: false is not supported for {family} (true is)")));
    }
    let bias = keys.flag(names.bias, false)?;
    if keys.flag("projectors_bias", bias)? != bias {
        return Err(Error::misuse(format!(
            "projectors_bias: another value than that of {} is not supported",
            names.bias
        )));
    }
    Ok(())
}

fn mamba1(keys: &Keys, family: Family, names: &MambaKeys, norms: bool, hidden: u64) -> Result<Mamba1> {
    let expand = match names.inner {
        Inner::Expanded(key) => size(keys, key, 2)?,
        Inner::Stated(_) | Inner::Heads => 2,
    };
    let inner = expand * hidden;
    check(keys, family, names, inner)?;
    Ok(Mamba1 {
        inner,
        states: size(keys, names.states.0, names.states.1)?,
        rank: auto(keys, names.rank)?.unwrap_or(hidden.div_ceil(16)),
        taps: size(keys, names.taps.0, names.taps.1)?,
        bias: keys.flag(names.bias, false)?,
        conv_bias: keys.flag(names.conv_bias, true)?,
        norms,
    })
}

fn gated_delta(keys: &Keys, fused: bool) -> Result<GatedDelta> {
    let delta = GatedDelta {
        key_heads: size(keys, "linear_num_key_heads", 16)?,
        value_heads: size(keys, "linear_num_value_heads", 32)?,
        key_dim: size(keys, "linear_key_head_dim", 128)?,
        value_dim: size(keys, "linear_value_head_dim", 128)?,
        taps: size(keys, "linear_conv_kernel_dim", 4)?,
        fused,
    };
    divided(delta)
}

fn divided(delta: GatedDelta) -> Result<GatedDelta> {
    if delta.value_heads.is_multiple_of(delta.key_heads) {
        return Ok(delta);
    }
    Err(Error::misuse(format!(
        "linear_num_key_heads: {} does not divide linear_num_value_heads {}; correct one of them",
        delta.key_heads, delta.value_heads
    )))
}

/// Heads as many as attention has, a key's three quarters of the width together, and values of twice a key, where nothing else is
/// stated.
fn olmo_delta(keys: &Keys, shape: &Shape) -> Result<GatedDelta> {
    let size = |key, absent| Ok(keys.given(key, limits::HEAD_DIM)?.value().unwrap_or(absent));
    let key_heads = size("linear_num_key_heads", shape.heads)?;
    let key_dim = size("linear_key_head_dim", 3 * shape.hidden / (4 * key_heads))?;
    divided(GatedDelta {
        key_heads,
        value_heads: size("linear_num_value_heads", shape.heads)?,
        key_dim,
        value_dim: size("linear_value_head_dim", 2 * key_dim)?,
        taps: size("linear_conv_kernel_dim", 4)?,
        fused: false,
    })
}

fn gated_linear_unit(keys: &Keys, shape: &Shape) -> Result<GatedLinearUnit> {
    let (heads, width) = (shape.heads, keys.given("lru_width", limits::WIDTH)?.value().unwrap_or(shape.hidden));
    if !width.is_multiple_of(heads) {
        return Err(Error::misuse(format!("lru_width: {width} is no multiple of num_attention_heads {heads}")));
    }
    Ok(GatedLinearUnit { heads, width, taps: size(keys, "conv1d_width", 4)? })
}

/// The sizes stand in a table of their own, or under longer names beside the others.
fn kimi_delta(keys: &Keys) -> Result<KimiDelta> {
    let table = keys.get("linear_attn_config");
    let known =
        ["full_attn_layers", "kda_layers", "num_heads", "head_dim", "short_conv_kernel_size", "gate_lower_bound"];
    let mut named = table.and_then(Value::as_object).into_iter().flatten();
    // Gates of full rank, for one.
    if let Some((key, value)) = named.find(|(key, value)| is_on(value) && !known.contains(&key.as_str())) {
        return Err(Error::misuse(format!(
            "linear_attn_config: {} is {}, which is not supported",
            quoted(key),
            shown(value)
        )));
    }
    for key in ["attn_res_block_size", "routed_expert_hidden_size"] {
        if keys.is_on(key) {
            return Err(Error::misuse(format!("{key}: is of a later Kimi, which is not supported")));
        }
    }
    let of = |name: &str, key: &'static str, absent: u64| match table.and_then(|table| table.get(name)) {
        None => size(keys, key, absent),
        Some(value) => value.as_u64().filter(|size| (1..=limits::HEAD_DIM).contains(size)).ok_or_else(|| {
            Error::misuse(format!("linear_attn_config: {name} must be an integer from 1, is {}", shown(value)))
        }),
    };
    Ok(KimiDelta {
        heads: of("num_heads", "linear_num_heads", 32)?,
        head_dim: of("head_dim", "linear_head_dim", 128)?,
        taps: of("short_conv_kernel_size", "linear_conv_kernel_dim", 4)?,
        full_rank: false,
    })
}

fn size(keys: &Keys, key: &'static str, default: u64) -> Result<u64> {
    let given = keys.given(key, limits::HEAD_DIM)?.or_absent(Some(default));
    given.ok_or_else(|| Error::misuse(format!("{key}: is null; it must be an integer from 1")))
}
