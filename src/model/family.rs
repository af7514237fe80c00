//! What a `model_type` means: the defaults and the structure that its configuration does not spell out.
//!
//! Facts are those of the model code in Hugging Face transformers 5 (`modeling_*.py`, `configuration_*.py`): a key that
//! is absent takes the family's default, a key that is `null` switches the feature off or lets the value be derived.

use super::architecture::{Biases, HeadNorm, limits};
use super::keys::{Given, Keys, shown};
use crate::error::{Error, Result};
use serde_json::Value;
use std::fmt;

/// A family of models that share code, and so the meaning of their configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `llama`: also TinyLlama, SmolLM2 and many others.
    Llama,
    /// `mistral`: every layer slides where a window is set.
    Mistral,
    /// `qwen2`: Qwen2 and Qwen2.5; biases on query, key and value.
    Qwen2,
    /// `qwen3`: queries and keys are normalised head by head.
    Qwen3,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 4] = [Family::Llama, Family::Mistral, Family::Qwen2, Family::Qwen3];

    /// The word in a configuration's `model_type`.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Llama => "llama",
            Family::Mistral => "mistral",
            Family::Qwen2 => "qwen2",
            Family::Qwen3 => "qwen3",
        }
    }

    /// The family of a `model_type`.
    pub fn of(model_type: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.name() == model_type)
    }

    /// `num_key_value_heads`: null derives it from `heads`; absent, each family has its own default.
    pub(super) fn kv_heads(self, keys: &Keys, heads: u64) -> Result<u64> {
        let given = keys.given("num_key_value_heads", limits::HEADS)?;
        let kv_heads = match (given, self) {
            (Given::Value(count), _) => count,
            (Given::Null, _) | (Given::Absent, Family::Llama) => heads,
            (Given::Absent, Family::Mistral) => 8,
            (Given::Absent, Family::Qwen2 | Family::Qwen3) => 32,
        };
        if heads.is_multiple_of(kv_heads) {
            return Ok(kv_heads);
        }
        let origin = if given == Given::Absent { format!(", {self}'s default,") } else { String::new() };
        Err(Error::misuse(format!(
            "num_key_value_heads: {kv_heads}{origin} does not divide num_attention_heads {heads}; correct one of them"
        )))
    }

    /// `head_dim`: derived from `hidden` and `heads`, but 128 where a `qwen3` configuration has no such key.
    pub(super) fn head_dim(self, keys: &Keys, hidden: u64, heads: u64) -> Result<u64> {
        match (keys.given("head_dim", limits::HEAD_DIM)?, self) {
            (Given::Value(size), _) => Ok(size),
            (Given::Absent, Family::Qwen3) => Ok(128),
            _ if hidden.is_multiple_of(heads) => Ok(hidden / heads),
            _ => Err(Error::misuse(format!(
                "hidden_size: {hidden} is not a multiple of num_attention_heads {heads}, and head_dim is not given; \
                 add head_dim or correct one of them"
            ))),
        }
    }

    /// `attention_bias`: a switch for all four projections in `llama` and `qwen3`, fixed in the other families.
    pub(super) fn attention_biases(self, keys: &Keys) -> Result<Biases> {
        let fixed = match self {
            Family::Llama | Family::Qwen3 => {
                return Ok(if keys.flag("attention_bias", false)? { Biases::All } else { Biases::None });
            }
            Family::Mistral => Biases::None,
            Family::Qwen2 => Biases::QueryKeyValue,
        };
        let usual = fixed != Biases::None;
        let stated = match keys.get("attention_bias") {
            None | Some(Value::Null) => usual,
            Some(_) => keys.flag("attention_bias", usual)?,
        };
        if stated == usual {
            return Ok(fixed);
        }
        let always = if usual { "always" } else { "never" };
        Err(Error::misuse(format!(
            "attention_bias: {stated} contradicts {self}, whose query, key and value projections {always} have a bias; \
             remove the key or correct model_type"
        )))
    }

    /// `mlp_bias`: a switch in `llama`, never in the other families.
    pub(super) fn mlp_bias(self, keys: &Keys) -> Result<bool> {
        let bias = keys.flag("mlp_bias", false)?;
        if bias && self != Family::Llama {
            return Err(Error::misuse(format!("mlp_bias: true contradicts {self}, which has none; remove the key")));
        }
        Ok(bias)
    }

    /// Normalisation of queries and keys.
    pub(super) fn head_norm(self) -> HeadNorm {
        match self {
            Family::Llama | Family::Mistral | Family::Qwen2 => HeadNorm::None,
            Family::Qwen3 => HeadNorm::PerHead,
        }
    }

    /// The window of each of `layers` layers.
    pub(super) fn windows(self, keys: &Keys, layers: u64) -> Result<Vec<Option<u64>>> {
        let window = self.window(keys)?;
        let first = self.slides_from(keys)?;
        let types = self.layer_types(keys, layers)?;
        let slides = types.unwrap_or_else(|| (0..layers).map(|layer| layer >= first).collect());
        if self == Family::Llama && slides.contains(&true) {
            return Err(Error::misuse("layer_types: llama has no sliding_attention; is model_type right?"));
        }
        Ok(slides.into_iter().map(|slides| window.filter(|_| slides)).collect())
    }

    /// The window that sliding layers have: `sliding_window`, 4096 where the key is absent and the family slides.
    fn window(self, keys: &Keys) -> Result<Option<u64>> {
        let given = keys.given("sliding_window", limits::POSITIONS)?;
        let window = match given {
            Given::Absent => Some(4096),
            Given::Null => None,
            Given::Value(window) => Some(window),
        };
        let switch = keys.flag("use_sliding_window", false)?;
        match self {
            Family::Llama if matches!(given, Given::Value(_)) || switch => {
                Err(Error::misuse("sliding_window: llama has none; remove the key, or correct model_type"))
            }
            Family::Llama => Ok(None),
            Family::Mistral => Ok(window),
            Family::Qwen2 | Family::Qwen3 => Ok(window.filter(|_| switch)),
        }
    }

    /// Without `layer_types`, the first layer that slides.
    fn slides_from(self, keys: &Keys) -> Result<u64> {
        match self {
            Family::Llama => Ok(u64::MAX),
            Family::Mistral => Ok(0),
            // 0 is lawful here: every layer slides.
            Family::Qwen2 | Family::Qwen3 => match keys.get("max_window_layers") {
                None => Ok(28),
                Some(value) => value.as_u64().ok_or_else(|| {
                    Error::misuse(format!("max_window_layers: must be an integer from 0, is {}", shown(value)))
                }),
            },
        }
    }

    fn layer_types(self, keys: &Keys, layers: u64) -> Result<Option<Vec<bool>>> {
        let types = match keys.get("layer_types") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(types)) => types,
            Some(other) => {
                return Err(Error::misuse(format!("layer_types: must be a list of strings, is {}", shown(other))));
            }
        };
        if types.len() as u64 != layers {
            return Err(Error::misuse(format!(
                "layer_types: lists {} layers where num_hidden_layers is {layers}; correct one of them",
                types.len()
            )));
        }
        let slides = |kind: &Value| match kind.as_str() {
            Some("full_attention") => Ok(false),
            Some("sliding_attention") => Ok(true),
            _ => Err(Error::misuse(format!(
                "layer_types: {} is not supported for {self} (full_attention and sliding_attention are)",
                shown(kind)
            ))),
        };
        types.iter().map(slides).collect::<Result<_>>().map(Some)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
