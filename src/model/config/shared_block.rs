//! Transformer blocks that several layers share, in front of their recurrence (Zamba).

use super::super::attention_form::{Form, SharedBlock};
use super::super::family::Family;
use super::super::keys::Keys;
use super::super::layer::{GroupedQuery, Mixer};
use super::super::limits;
use super::super::recurrent::Recurrent;
use super::common::{Shape, layer_types, lists_every_layer, width};
use super::feed_forward::dense;
use crate::error::{Error, Result};

/// The mixer of each layer: a recurrence, with a block in front of it where the layer is a hybrid. `second`: as in Zamba 2, which
/// has several blocks and adds products of low rank to each use of one.
pub(super) fn mixers(
    keys: &Keys,
    family: Family,
    shape: &Shape,
    second: bool,
    attention: &GroupedQuery,
    recurrence: &Recurrent,
) -> Result<Vec<Mixer>> {
    let head_dim = head_dim(keys, shape)?;
    let rotary = if attention.rotary > 0 { head_dim } else { 0 };
    let attention = GroupedQuery { head_dim, value_dim: head_dim, rotary, ..attention.clone() };
    let blocks = if second { keys.given("num_mem_blocks", limits::LAYERS)?.value().unwrap_or(1) } else { 1 };
    let rank = if second { Some(keys.given("adapter_rank", limits::HEAD_DIM)?.value().unwrap_or(128)) } else { None };
    let adapts = second && keys.flag("use_shared_attention_adapter", false)?;
    if adapts && attention.kv_heads != attention.heads {
        return Err(Error::misuse(
            "use_shared_attention_adapter: true is not supported with fewer num_key_value_heads than num_attention_heads",
        ));
    }
    let usual = SharedBlock {
        block: 0,
        owned: false,
        dense: dense(keys, family, width(keys, family, shape.hidden)?)?,
        attention_rank: rank.filter(|_| adapts),
        feed_forward_rank: rank,
    };
    let mut uses = 0;
    let one = |hybrid: bool| {
        if !hybrid {
            return Mixer::Recurrent(recurrence.clone());
        }
        let block = SharedBlock { block: uses % blocks, owned: uses < blocks, ..usual };
        uses += 1;
        Mixer::Both(GroupedQuery { form: Form::Shared(block), ..attention.clone() }, recurrence.clone())
    };
    Ok(hybrids(keys, shape.layers, second)?.into_iter().map(one).collect())
}

/// Heads share twice the width of the model: the residual stream and the embedding side by side.
fn head_dim(keys: &Keys, shape: &Shape) -> Result<u64> {
    let wide = 2 * shape.hidden;
    for (key, is) in [("attention_hidden_size", wide), ("attention_head_dim", wide / shape.heads)] {
        if let Some(stated) = keys.given(key, limits::WIDTH)?.value().filter(|stated| *stated != is) {
            return Err(Error::misuse(format!(
                "{key}: {stated} is not {is}, by twice hidden_size; correct one of them"
            )));
        }
    }
    if wide.is_multiple_of(shape.heads) {
        return Ok(wide / shape.heads);
    }
    Err(Error::misuse(format!("num_attention_heads: {} does not divide twice hidden_size {wide}", shape.heads)))
}

/// Which layers are hybrids: by a word for each, else as the first models have them.
fn hybrids(keys: &Keys, layers: u64, second: bool) -> Result<Vec<bool>> {
    let listed = keys.indices("hybrid_layer_ids")?;
    let hybrids: Vec<bool> = match layer_types(keys, layers, &["linear_attention", "mamba", "hybrid"])? {
        Some(types) => types.into_iter().map(|kind| kind == "hybrid").collect(),
        None if second => {
            const HYBRIDS: [u64; 9] = [6, 12, 18, 24, 30, 36, 42, 47, 51];
            lists_every_layer("layers_block_type", 54, layers)?;
            (0..layers).map(|layer| HYBRIDS.contains(&layer)).collect()
        }
        None => {
            let every = keys.given("attn_layer_period", limits::LAYERS)?.value().unwrap_or(6);
            let first = keys.count_from_zero("attn_layer_offset")?.value().unwrap_or(4);
            (0..layers).map(|layer| layer == 2 || layer > 2 && (layer - 3) % every == first).collect()
        }
    };
    let agree = |all: &Vec<u64>| (0..layers).zip(&hybrids).all(|(layer, hybrid)| all.contains(&layer) == *hybrid);
    match listed {
        Some(listed) if !agree(&listed) => {
            Err(Error::misuse("hybrid_layer_ids: names other layers than layers_block_type; correct one of them"))
        }
        _ => Ok(hybrids),
    }
}
