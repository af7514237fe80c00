//! Short convolutions and Mamba-2.

use super::super::family::Family;
use super::super::keys::{Keys, shown};
use super::super::layer::{Mamba2, ShortConvolution};
use super::super::limits;
use super::common::{Shape, activation, layer_types};
use crate::error::{Error, Result};

/// Which layers of an LFM2 attend: `layer_types` wins, else `full_attn_idxs`, else all do.
pub(super) fn lfm2_attends(keys: &Keys, layers: u64) -> Result<Vec<bool>> {
    let listed = keys.indices("full_attn_idxs")?;
    if let Some(types) = layer_types(keys, layers, &["full_attention", "conv"])? {
        return Ok(types.into_iter().map(|kind| kind == "full_attention").collect());
    }
    match listed {
        None => Ok(vec![true; usize::try_from(layers).unwrap_or_default()]),
        Some(listed) if listed.iter().any(|&layer| layer >= layers) => Err(Error::misuse(format!(
            "full_attn_idxs: names a layer beyond num_hidden_layers {layers}; correct one of them"
        ))),
        Some(listed) => Ok((0..layers).map(|layer| listed.contains(&layer)).collect()),
    }
}

pub(super) fn short_convolution(keys: &Keys, shape: &Shape) -> Result<ShortConvolution> {
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
    Ok(ShortConvolution { taps, bias: keys.flag("conv_bias", false)? })
}

/// LFM2 states a width that is cut to two thirds, scaled and rounded up, unless a switch is off.
pub(super) fn lfm2_width(keys: &Keys, stated: u64) -> Result<u64> {
    let adjusts = keys.flag("block_auto_adjust_ff_dim", true)?;
    let multiple = size(keys, "block_multiple_of", 256)?;
    let factor = match keys.get("block_ffn_dim_multiplier") {
        None => Some(1.0),
        Some(serde_json::Value::Null) => None,
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

pub(super) fn mamba2(keys: &Keys, family: Family, shape: &Shape) -> Result<Mamba2> {
    let head_dim = size(keys, "head_dim", 64)?;
    let expand = size(keys, "expand", 2)?;
    let (inner, hidden) = (shape.heads * head_dim, shape.hidden);
    if expand * hidden != inner {
        return Err(Error::misuse(format!(
            "expand: {expand} × hidden_size {hidden} is not num_heads {} × head_dim {head_dim}; correct one of them",
            shape.heads
        )));
    }
    if let Some(stated) = keys.given("intermediate_size", limits::WIDTH)?.value().filter(|stated| *stated != inner) {
        return Err(Error::misuse(format!("intermediate_size: {stated} is not num_heads × head_dim {inner}")));
    }
    if !keys.flag("rms_norm", true)? {
        return Err(Error::misuse(format!("rms_norm: false is not supported for {family} (true is)")));
    }
    activation(keys, family)?;
    Ok(Mamba2 {
        heads: shape.heads,
        head_dim,
        states: size(keys, "state_size", 128)?,
        groups: size(keys, "n_groups", 8)?,
        taps: size(keys, "conv_kernel", 4)?,
        bias: keys.flag("use_bias", false)?,
        conv_bias: keys.flag("use_conv_bias", true)?,
    })
}

fn size(keys: &Keys, key: &'static str, default: u64) -> Result<u64> {
    let given = keys.given(key, limits::HEAD_DIM)?.or_absent(Some(default));
    given.ok_or_else(|| Error::misuse(format!("{key}: is null; it must be an integer from 1")))
}
