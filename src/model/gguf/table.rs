//! The tensor table by name, held against what a model is made of.

use super::file::Gguf;
use super::keys::Keys;
use super::reader::quoted;
use super::tensors::Tensor;
use crate::error::{Error, Result};
use crate::model::language_model::Model;
use crate::model::layer::Mixer;
use crate::model::layout::{self, TensorLayout, tensors};
use crate::model::limits;
use crate::model::tensor_type::TensorType;
use std::collections::BTreeMap;

/// Tensors that hold no weights: frequencies of the rotary embedding.
const ROTARY: [&str; 3] = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/// One number by which a whole layer's output is multiplied (Gemma 4), which checkpoints do not count among their parameters.
const SCALE: &str = ".layer_output_scale.weight";

/// Factors of a whole matrix, or of each expert, beside weights of a type that needs one (NVFP4), and of its input.
const FACTORS: [&str; 2] = [".scale", ".input_scale"];

/// The tensors of a file that hold weights.
pub(super) struct Table<'a> {
    tensors: BTreeMap<&'a str, &'a Tensor>,
    /// Elements of those that do not.
    pub(super) rotary: u64,
}

impl<'a> Table<'a> {
    pub(super) fn of(gguf: &'a Gguf) -> Table<'a> {
        let types: BTreeMap<&str, TensorType> =
            gguf.tensors.iter().map(|tensor| (&*tensor.name, tensor.kind)).collect();
        let is_factor = |tensor: &Tensor| {
            let scaled = FACTORS.iter().find_map(|end| tensor.name.strip_suffix(end));
            let kind = scaled.and_then(|name| types.get(format!("{name}.weight").as_str()));
            kind.is_some_and(|kind| tensor.elements() == 1 || *kind == TensorType::Nvfp4)
        };
        let (rotary, weights): (Vec<_>, Vec<_>) = gguf
            .tensors
            .iter()
            .partition(|tensor| ROTARY.contains(&&*tensor.name) || tensor.name.ends_with(SCALE) || is_factor(tensor));
        Table {
            tensors: weights.into_iter().map(|tensor| (&*tensor.name, tensor)).collect(),
            rotary: rotary.into_iter().map(Tensor::elements).sum(),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Whether any block has a tensor of that name.
    pub(super) fn has_in_some_block(&self, name: &str) -> bool {
        self.tensors.keys().any(|tensor| {
            tensor.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).is_some_and(|(_, rest)| rest == name)
        })
    }

    /// Row, rows and matrices of a tensor that must be there.
    pub(super) fn extent(&self, name: &str) -> Result<[u64; 3]> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(Error::misuse(format!("tensor {name}: is missing; the file is no complete model")));
        };
        let [row, rows, stack, 1] = tensor.dims else {
            return Err(Error::misuse(format!("tensor {name}: is no matrix, has the dimensions {:?}", tensor.dims)));
        };
        let most = limits::VOCABULARY;
        if row <= most && rows <= most && stack <= limits::EXPERTS {
            return Ok([row, rows, stack]);
        }
        Err(Error::misuse(format!("tensor {name}: {row} × {rows} × {stack} is beyond any model")))
    }

    /// Takes the tensors of layers for multi-token prediction away: how many elements they have. Each such block has a layer, what
    /// joins two states, and may have a norm, an embedding and a head of its own.
    pub(super) fn take_predictors(&mut self, model: &Model, layout: TensorLayout, keys: &Keys) -> Result<u64> {
        let Some((predictor, all)) = model.predictor().zip(model.shape.predictors.as_ref()) else { return Ok(0) };
        let expected = tensors(&predictor.shape, model.family(), layout)?;
        let mut elements = 0_u64;
        for block in (model.layer_count()..).take(usize::try_from(all.count).unwrap_or_default()) {
            for tensor in &expected {
                let own = match (tensor.block, tensor.name.as_str()) {
                    (Some(_), name) => (name.to_owned(), true),
                    (None, "token_embd.weight") => ("nextn.embed_tokens.weight".to_owned(), false),
                    (None, "output.weight") => ("nextn.shared_head_head.weight".to_owned(), false),
                    (None, name) if name.starts_with("nextn.") => (name.to_owned(), true),
                    (None, name) => {
                        (format!("nextn.shared_head_norm.{}", name.rsplit('.').next().unwrap_or(name)), false)
                    }
                };
                let name = format!("blk.{block}.{}", own.0);
                // Some have another name for the norm in front of the head.
                let other = name.replace("nextn.shared_head_norm", "layer_output_norm");
                match self.tensors.remove(name.as_str()).or_else(|| self.tensors.remove(other.as_str())) {
                    Some(found) => {
                        same_extent(&name, found, tensor, keys)?;
                        elements = elements.saturating_add(found.elements());
                    }
                    None if own.1 => {
                        return Err(Error::misuse(format!("tensor {name}: is missing; the file is no complete model")));
                    }
                    None => {}
                }
            }
        }
        Ok(elements)
    }

    /// Takes away what is no matrix of the model's: of layers that attend to an earlier one's keys and values their own, which
    /// nothing reads, and the experts of each token where they are looked up. How many elements that is.
    pub(super) fn take_unread(&mut self, model: &Model) -> u64 {
        let sharing = model.shape.layers.iter().filter(|layer| !layer.mixer.fills_its_cache());
        let mut elements = 0_u64;
        for block in sharing.flat_map(|layer| &layer.places) {
            for name in ["attn_k", "attn_v", "attn_k_norm"] {
                let taken = self.tensors.remove(format!("blk.{block}.{name}.weight").as_str());
                elements = elements.saturating_add(taken.map_or(0, Tensor::elements));
            }
        }
        let compressed = model.shape.layers.iter().filter(|layer| matches!(layer.mixer, Mixer::Compressed(_)));
        for block in compressed.flat_map(|layer| &layer.places) {
            let taken = self.tensors.remove(format!("blk.{block}.ffn_gate_tid2eid.weight").as_str());
            elements = elements.saturating_add(taken.map_or(0, Tensor::elements));
        }
        elements
    }

    /// Every tensor is one of the model's and has its extent, and the model has no other.
    pub(super) fn holds(mut self, model: &Model, layout: TensorLayout, keys: &Keys) -> Result<()> {
        for expected in tensors(&model.shape, model.family(), layout)? {
            let name = expected.full();
            let Some(found) = self.tensors.remove(name.as_str()) else {
                return Err(Error::misuse(format!("tensor {name}: is missing; the file is no complete model")));
            };
            same_extent(&name, found, &expected, keys)?;
        }
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::misuse(format!(
                "tensor {}: is no tensor of {}, so what it costs is unknown",
                quoted(name),
                keys.arch
            ))),
        }
    }

    /// Every block that tensors name is one of the model's.
    pub(super) fn check_blocks(&self, count: u64, keys: &Keys) -> Result<()> {
        for name in self.tensors.keys() {
            let Some((number, _)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else { continue };
            let index = number.parse::<u64>().ok().filter(|index| index.to_string() == number);
            if index.is_none_or(|index| index >= count) {
                return Err(Error::misuse(format!(
                    "tensor {}: is of no block, {} is {count}; the file contradicts itself",
                    quoted(name),
                    keys.named("block_count")
                )));
            }
        }
        Ok(())
    }
}

fn same_extent(name: &str, found: &Tensor, expected: &layout::Tensor, keys: &Keys) -> Result<()> {
    let each = expected.rows / expected.stack;
    let same = match expected.dimensions {
        // Some vectors are written as matrices of one row, or of one for each head.
        1 => found.elements() == expected.elements(),
        // Convolutions may have an extent of one between taps and channels, and what works group by group one of its groups.
        2 => {
            let [row, rows, stack, more] = found.dims;
            (row, more) == (expected.row, 1) && rows.checked_mul(stack) == Some(each)
        }
        _ => [expected.row, each, expected.stack, 1] == found.dims,
    };
    if same {
        return Ok(());
    }
    let by = origin(expected, keys);
    let [row, rows, stack, _] = found.dims;
    Err(Error::misuse(match expected.dimensions {
        1 => format!(
            "tensor {name}: has the dimensions {:?}, where by {by} it would have {} elements; the file contradicts itself",
            found.dims,
            expected.elements()
        ),
        2 => format!(
            "tensor {name}: is {row} × {rows}, where by {by} it would be {} × {each}; the file contradicts itself",
            expected.row
        ),
        _ => format!(
            "tensor {name}: is {row} × {rows} × {stack}, where by {by} it would be {} × {each} × {}; the file contradicts itself",
            expected.row, expected.stack
        ),
    }))
}

/// What decided the extent of a tensor.
fn origin(tensor: &layout::Tensor, keys: &Keys) -> String {
    let name = tensor.name.split('.').next().unwrap_or_default();
    let named: &[&str] = match name {
        "attn_q" | "attn_output" => &["attention.head_count", "attention.key_length"],
        "attn_k" | "attn_v" => &["attention.head_count_kv", "attention.key_length"],
        "attn_qkv" => &["attention.head_count", "attention.head_count_kv", "attention.key_length"],
        "attn_q_norm" | "attn_k_norm" => &["attention.key_length"],
        "attn_kv_a_mqa" | "attn_kv_a_norm" => &["attention.kv_lora_rank", "rope.dimension_count"],
        "attn_q_a" | "attn_q_a_norm" => &["attention.q_lora_rank"],
        "attn_q_b" => &["attention.q_lora_rank", "attention.key_length"],
        "attn_kv_b" | "attn_k_b" | "attn_v_b" => {
            &["attention.kv_lora_rank", "attention.key_length", "attention.value_length"]
        }
        "ffn_gate_inp" | "exp_probs_b" => &["expert_count"],
        "ffn_gate_exps" | "ffn_up_exps" | "ffn_down_exps" => &["expert_count", "expert_feed_forward_length"],
        "ffn_gate" | "ffn_up" | "ffn_down" => &["feed_forward_length"],
        "output" => return "token_embd.weight".to_owned(),
        name if name.starts_with("ssm_") => &["ssm.inner_size", "ssm.state_size", "ssm.group_count"],
        "indexer" => &["attention.indexer.head_count", "attention.indexer.key_length"],
        name if name.starts_with("shortconv") => &["shortconv.l_cache"],
        _ => &["embedding_length"],
    };
    named.iter().map(|key| keys.named(key)).collect::<Vec<_>>().join(", ")
}
