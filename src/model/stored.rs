//! In which type each tensor of a model is stored: as its file has it, or as a format would have it.

use super::architecture::{Architecture, Attention};
use super::family::Family;
use super::gguf::Gguf;
use super::steps::{Forward, Step};
use super::tensor_type::TensorType;
use super::weights::recipe::{self, Recipe};
use super::weights::{Wanted, Weights};
use crate::error::{Error, Result};
use roofprobe_kernels::{Dtype, Op};
use std::collections::BTreeMap;

/// How the tensors of a GGUF file are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of all tensors, those that no operation reads included: llama-bench's `model_size`.
    pub tensor_bytes: u64,
    /// Elements of all tensors: llama-bench's `model_n_params`.
    pub params_total: u64,
    /// What the file calls its mixture, or `gguf`.
    pub format: String,
    types: BTreeMap<Box<str>, TensorType>,
}

impl Stored {
    pub(super) fn of(gguf: &Gguf) -> Result<Stored> {
        let types = gguf.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.kind)).collect();
        let (tensor_bytes, params_total) = (gguf.tensor_bytes()?, gguf.params_total()?);
        Ok(Stored { tensor_bytes, params_total, format: format(gguf)?, types })
    }

    fn kind(&self, tensor: &str) -> Result<TensorType> {
        let missing = || Error::misuse(format!("tensor {tensor}: is missing; the file is no complete model"));
        self.types.get(tensor).copied().ok_or_else(missing)
    }
}

/// `general.file_type` in words.
fn format(gguf: &Gguf) -> Result<String> {
    const GUESSED: u64 = 1024;
    let plain = [(0, "f32"), (1, "f16"), (32, "bf16"), (39, "nvfp4")];
    let id = gguf.metadata.count("general.file_type")?.map(|id| id & !GUESSED);
    let recipe = |id| Recipe::ALL.iter().find(|(known, _)| *known == id).map(|(_, recipe)| recipe.name());
    let name = id.and_then(|id| plain.iter().find(|(known, _)| *known == id).map(|(_, name)| *name).or(recipe(id)));
    Ok(name.unwrap_or("gguf").to_owned())
}

/// Types, each with the number of layers whose tensor has it.
type Counted = Vec<(TensorType, u64)>;

/// The type of every tensor of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorTypes {
    /// By the layer's kind and the step's name.
    of: BTreeMap<(Option<usize>, &'static str), Counted>,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// The type with the most bytes.
    pub main: TensorType,
    /// The word for it all.
    pub format: String,
}

/// A tensor that a step reads, in one layer.
struct Slot {
    kind: Option<usize>,
    step: &'static str,
    tensor: String,
    block: Option<u64>,
    rows: u64,
    row: u64,
    dimensions: usize,
}

impl TensorTypes {
    /// The types of `model`: those of its file, or those that `weights` give (f16 where neither says anything).
    ///
    /// # Errors
    /// Misuse when both a file and `weights` tell, when a row fits no block, or when a number does not fit 64 bits.
    pub fn of(model: &Architecture, weights: Option<Weights>) -> Result<TensorTypes> {
        let slots = slots(model)?;
        let types = match (&model.stored, weights) {
            (Some(_), Some(_)) => {
                return Err(Error::misuse(format!(
                    "--weights: {} is a GGUF file, whose tensors are stored as they are; leave the option out",
                    model.name
                )));
            }
            (Some(stored), None) => slots.iter().map(|slot| stored.kind(&slot.full())).collect::<Result<_>>()?,
            (None, weights) => formatted(model, weights.unwrap_or(DEFAULT), &slots)?,
        };
        let mut of: BTreeMap<_, Counted> = BTreeMap::new();
        let (mut bytes, mut by_type) = (0_u128, BTreeMap::new());
        for (slot, kind) in slots.iter().zip(types) {
            let entry = of.entry((slot.kind, slot.step)).or_default();
            match entry.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => entry.push((kind, 1)),
            }
            let size = kind.matrix_bytes(slot.rows, slot.row).ok_or_else(|| slot.no_blocks(kind))?;
            bytes += size;
            *by_type.entry(kind).or_insert(0_u128) += size;
        }
        // A tied head is the embedding, read again.
        if let Some(embedding) = of.get(&(None, EMBEDDING)).cloned() {
            of.entry((None, HEAD)).or_insert(embedding);
        }
        let main = by_type.into_iter().max_by_key(|(_, bytes)| *bytes).map_or(TensorType::F32, |(kind, _)| kind);
        let bytes = match &model.stored {
            Some(stored) => stored.tensor_bytes,
            None => u64::try_from(bytes + rope_bytes(model, weights))
                .map_err(|_| Error::misuse("the weights exceed 64 bits of bytes"))?,
        };
        let format = match &model.stored {
            Some(stored) => stored.format.clone(),
            None => weights.unwrap_or(DEFAULT).to_string(),
        };
        Ok(TensorTypes { of, bytes, main, format })
    }

    /// The steps of `forward` with every tensor, and the cache, as it is stored. Where layers that are otherwise alike
    /// store a tensor in several types, each has a step of its own.
    ///
    /// # Errors
    /// As [`Architecture::forward`]; misuse when rows of the cache are no whole number of blocks.
    pub fn steps(&self, model: &Architecture, forward: &Forward, cache: TensorType) -> Result<Vec<Step>> {
        check_cache(model, cache)?;
        let plain = Forward { weights: Dtype::F32, kv: Dtype::F32, ..*forward };
        let mut steps = Vec::new();
        for step in model.forward(&plain)? {
            let cost = step.total();
            if cost.cache_read + cost.cache_written > 0 {
                steps.push(Step { operand: cache, ..step });
            } else if cost.weights_read == 0 {
                steps.push(step);
            } else {
                steps.extend(self.apart(&step)?);
            }
        }
        Ok(steps)
    }

    fn apart(&self, step: &Step) -> Result<impl Iterator<Item = Step>> {
        let types = self.of.get(&(step.kind, step.name)).map(Vec::as_slice).unwrap_or_default();
        let layers: u64 = types.iter().map(|(_, count)| count).sum();
        if layers == 0 || !step.repeat.is_multiple_of(layers) {
            return Err(Error::misuse(format!("{}: is stored in no known type", step.name)));
        }
        let (step, passes) = (*step, step.repeat / layers);
        Ok(types.iter().map(move |&(operand, count)| Step { operand, repeat: count * passes, ..step }))
    }
}

impl Architecture {
    /// Bytes of all tensors when they are stored as `weights`.
    ///
    /// # Errors
    /// As [`TensorTypes::of`].
    pub fn stored_bytes(&self, weights: impl Into<Weights>) -> Result<u64> {
        TensorTypes::of(self, Some(weights.into())).map(|types| types.bytes)
    }
}

/// The names of the steps that a tied head joins.
const EMBEDDING: &str = "token_embd";
const HEAD: &str = "output";
/// What weights are taken to be where nothing is said.
const DEFAULT: Weights = Weights::Every(TensorType::F16);

impl Slot {
    /// The tensor's full name.
    fn full(&self) -> String {
        match self.block {
            Some(block) => format!("blk.{block}.{}", self.tensor),
            None => self.tensor.clone(),
        }
    }

    fn no_blocks(&self, kind: TensorType) -> Error {
        Error::misuse(format!(
            "--weights: rows of {} elements ({}) are no whole number of {kind} blocks; choose another",
            self.row, self.tensor
        ))
    }
}

/// Every tensor that the steps read, in the order of blocks. Layers that are alike stand together in an architecture;
/// where that is not their order in the model, they differ in nothing that a tensor's type depends on.
fn slots(model: &Architecture) -> Result<Vec<Slot>> {
    let mut firsts = Vec::new();
    let mut layers = 0;
    for layer in &model.layers {
        firsts.push(layers);
        layers += layer.count;
    }
    let mut slots = Vec::new();
    for step in model.forward(&Forward::ONE_TOKEN)? {
        let Some(stored) = step.stored else { continue };
        let (rows, row, dimensions) = match step.op {
            Op::Matmul => (stored.n, stored.k, 2),
            Op::Gather => (stored.m, stored.n, 2),
            _ => (1, stored.n, 1),
        };
        let tensor = if step.name.ends_with(".bias") { step.name.to_owned() } else { format!("{}.weight", step.name) };
        let first = step.kind.map(|kind| firsts[kind]);
        for index in 0..step.repeat {
            let block = first.map(|first| first + index);
            slots.push(Slot { kind: step.kind, step: step.name, tensor: tensor.clone(), block, rows, row, dimensions });
        }
    }
    // Those of no block come first, which no rule minds.
    slots.sort_by(|a, b| (a.block, &a.tensor).cmp(&(b.block, &b.tensor)));
    Ok(slots)
}

/// Factors of the rotary embedding, which only GGUF files keep.
fn rope_bytes(model: &Architecture, weights: Option<Weights>) -> u128 {
    let in_gguf = matches!(weights.unwrap_or(DEFAULT), Weights::Every(_) | Weights::Mixture(_));
    if in_gguf { 4 * u128::from(model.rope_factors) } else { 0 }
}

fn formatted(model: &Architecture, weights: Weights, slots: &[Slot]) -> Result<Vec<TensorType>> {
    let wanted: Vec<Wanted> = slots
        .iter()
        .map(|slot| Wanted { name: &slot.tensor, block: slot.block, row: slot.row, dimensions: slot.dimensions })
        .collect();
    weights.types(traits(model), &wanted)
}

/// What the rules of llama-quantize look at.
fn traits(model: &Architecture) -> recipe::Model {
    let layers = model.layer_count();
    let (heads, kv_heads) = match model.layers.first().map(|layer| &layer.attention) {
        Some(Attention::GroupedQuery(a)) => (a.heads, a.kv_heads),
        None => (1, 1),
    };
    let large = match model.family {
        Family::Llama | Family::Mistral => layers == 80 && heads != kv_heads,
        Family::Qwen2 => layers == 80,
        Family::Qwen3 => false,
    };
    recipe::Model { layers, group: heads / kv_heads.max(1), experts: 0, falcon: false, seventy_billion: large }
}

/// Blocks of the cache lie within a head.
fn check_cache(model: &Architecture, cache: TensorType) -> Result<()> {
    let block = cache.block().map_or(1, |block| block.elements);
    for layer in &model.layers {
        let Attention::GroupedQuery(a) = &layer.attention;
        if !a.head_dim.is_multiple_of(block) {
            return Err(Error::misuse(format!(
                "head_dim: rows of {} elements are no whole number of {cache} blocks of {block}; choose another --kv",
                a.head_dim
            )));
        }
    }
    Ok(())
}
