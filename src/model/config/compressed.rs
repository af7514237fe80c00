//! Attention to compressed keys, and hyper-connections: DeepSeek-V4.

use super::super::family::{CompressedRule, Family, MixerRule};
use super::super::keys::{Keys, shown};
use super::super::layer::{Compressed, Compression, FeedForward, Indexer};
use super::super::limits;
use super::super::shape::HyperConnections;
use super::common::{Shape, drop_predictors, layer_types, lists_every_layer};
use crate::error::{Error, Result};
use serde_json::Value;

const SPARSE: &str = "compressed_sparse_attention";
const HEAVY: &str = "heavily_compressed_attention";

/// The mixer of each layer.
pub(super) fn mixers(keys: &Keys, rule: &CompressedRule, shape: &Shape) -> Result<Vec<Compressed>> {
    let size = |key: &'static str, absent: u64| -> Result<u64> {
        let given = keys.given(key, limits::HEAD_DIM)?.or_absent(Some(absent));
        given.ok_or_else(|| Error::misuse(format!("{key}: is null; it must be an integer from 1")))
    };
    if size("num_key_value_heads", 1)? != 1 {
        return Err(Error::misuse("num_key_value_heads: one row is key and value of all heads here; it must be 1"));
    }
    let head_dim = size("head_dim", rule.head_dim)?;
    let share = keys.typed("partial_rotary_factor", "a number", Value::as_f64)?.value();
    let rotary = match share {
        Some(share) if (0.0..=1.0).contains(&share) => (share * head_dim as f64) as u64,
        _ => size("qk_rope_head_dim", rule.rotary)?,
    };
    let indexer =
        Indexer { heads: size("index_n_heads", rule.indexer[0])?, head_dim: size("index_head_dim", rule.indexer[1])? };
    let selected = size("index_topk", rule.indexer[2])?;
    let attention = Compressed {
        heads: shape.heads,
        head_dim,
        query_rank: size("q_lora_rank", rule.query_rank)?,
        rotary,
        groups: size("o_groups", rule.groups)?,
        output_rank: size("o_lora_rank", rule.output_rank)?,
        window: size("sliding_window", rule.window)?,
        compression: None,
    };
    if !(shape.heads * head_dim).is_multiple_of(attention.groups) {
        return Err(Error::misuse(format!(
            "o_groups: {} does not divide the {} elements of all heads; correct one of them",
            attention.groups,
            shape.heads * head_dim
        )));
    }
    let of = |kind: Kind| match kind {
        Kind::Window => None,
        Kind::Sparse(rate) => Some(Compression { rate, overlaps: true, chosen: Some((indexer, selected)) }),
        Kind::Heavy(rate) => Some(Compression { rate, overlaps: false, chosen: None }),
    };
    let kinds = kinds(keys, shape.layers)?;
    Ok(kinds.into_iter().map(|kind| Compressed { compression: of(kind), ..attention.clone() }).collect())
}

/// How a layer compresses.
#[derive(Clone, Copy)]
enum Kind {
    Window,
    Sparse(u64),
    Heavy(u64),
}

/// By `layer_types`; or by `compress_ratios`, 4 being chosen from and 128 not; or two that are not and every other one.
fn kinds(keys: &Keys, layers: u64) -> Result<Vec<Kind>> {
    let rates = keys.typed("compress_rates", "an object", Value::as_object)?.value();
    let rate = |name: &str, key: &'static str, absent: u64| -> Result<u64> {
        let stated = rates.and_then(|rates| rates.get(name)).map(|rate| {
            rate.as_u64().filter(|rate| (1..=limits::HEAD_DIM).contains(rate)).ok_or_else(|| {
                Error::misuse(format!("compress_rates: {name} must be an integer from 1, is {}", shown(rate)))
            })
        });
        Ok(stated.transpose()?.or(keys.given(key, limits::HEAD_DIM)?.value()).unwrap_or(absent))
    };
    let (sparse, heavy) = (rate(SPARSE, "compress_rate_csa", 4)?, rate(HEAVY, "compress_rate_hca", 128)?);
    let ratios = keys.indices("compress_ratios")?;
    if let Some(types) = layer_types(keys, layers, &["sliding_attention", SPARSE, HEAVY])? {
        let kind = |word: &str| match word {
            SPARSE => Kind::Sparse(sparse),
            HEAVY => Kind::Heavy(heavy),
            _ => Kind::Window,
        };
        return Ok(types.into_iter().map(kind).collect());
    }
    let Some(mut ratios) = ratios else {
        let kind = |layer: u64| if layer > 2 && layer % 2 == 1 { Kind::Sparse(sparse) } else { Kind::Heavy(heavy) };
        return Ok((0..layers).map(kind).collect());
    };
    drop_predictors(keys, &mut ratios, layers)?;
    lists_every_layer("compress_ratios", ratios.len(), layers)?;
    let kind = |ratio: u64| match ratio {
        0 => Ok(Kind::Window),
        4 => Ok(Kind::Sparse(sparse)),
        128 => Ok(Kind::Heavy(heavy)),
        other => Err(Error::misuse(format!("compress_ratios: {other} is not supported (0, 4 and 128 are)"))),
    };
    ratios.into_iter().map(kind).collect()
}

/// The first layers choose experts by the token alone: nothing corrects their choice.
pub(super) fn hash(keys: &Keys, family: Family, each: &mut [Option<FeedForward>]) -> Result<()> {
    if !matches!(family.facts().mixer, MixerRule::Compressed(_)) {
        return Ok(());
    }
    let hashed: Vec<bool> = match keys.words("mlp_layer_types")? {
        Some(types) => {
            lists_every_layer("mlp_layer_types", types.len(), each.len() as u64)?;
            types.into_iter().map(|kind| kind == "hash_moe").collect()
        }
        None => {
            let count = keys.count_from_zero("num_hash_layers")?.value().unwrap_or(3);
            (0..each.len() as u64).map(|layer| layer < count).collect()
        }
    };
    for (feed_forward, hashed) in each.iter_mut().zip(hashed) {
        if let (Some(FeedForward::Mixture(mixture)), true) = (feed_forward, hashed) {
            mixture.correction = false;
        }
    }
    Ok(())
}

/// Residual streams, where the family has several.
pub(super) fn connections(keys: &Keys, family: Family) -> Result<Option<HyperConnections>> {
    if !matches!(family.facts().mixer, MixerRule::Compressed(_)) {
        return Ok(None);
    }
    let count = keys.given("hc_mult", limits::STREAMS)?.value().unwrap_or(4);
    Ok(Some(HyperConnections { count }))
}
