//! In which type each tensor of a model is stored: as its file has it, or as a format would have it.

use super::architecture::Architecture;
use super::gguf::Gguf;
use super::layer::{FeedForward, Mixer};
use super::layout::{Layout, Tensor, tensors};
use super::steps::{Among, Forward, Latents, Step};
use super::tensor_type::TensorType;
use super::typing::Typing;
use super::weights::recipe::{self, Recipe};
use super::weights::{self, Wanted, Weights};
use crate::error::{Error, Result};
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
    pub(super) layout: Layout,
    types: BTreeMap<Box<str>, TensorType>,
}

impl Stored {
    pub(super) fn of(gguf: &Gguf, layout: Layout) -> Result<Stored> {
        let types = gguf.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.kind)).collect();
        let (tensor_bytes, params_total) = (gguf.tensor_bytes()?, gguf.params_total()?);
        Ok(Stored { tensor_bytes, params_total, format: format(gguf)?, layout, types })
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

/// The types of one tensor of alike layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kinds {
    /// Each with the number of layers whose tensor has it.
    counted: Vec<(TensorType, u64)>,
    /// That of the model's last layer, where it is among them.
    last: Option<TensorType>,
}

impl Kinds {
    fn count(&mut self, kind: TensorType, last: bool) {
        match self.counted.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.counted.push((kind, 1)),
        }
        if last {
            self.last = Some(kind);
        }
    }

    fn among(&self, among: Among) -> Option<Vec<(TensorType, u64)>> {
        match (among, self.last) {
            (Among::All, _) => Some(self.counted.clone()),
            (Among::Last, last) => Some(vec![(last?, 1)]),
            (Among::Earlier, last) => {
                let last = last?;
                let others = self.counted.iter().map(|&(kind, count)| (kind, count - u64::from(kind == last)));
                Some(others.filter(|(_, count)| *count > 0).collect())
            }
        }
    }
}

/// The type of every tensor of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorTypes {
    /// By the layer's kind and the step's name.
    of: BTreeMap<(Option<usize>, &'static str), Kinds>,
    /// Bytes of all weights.
    pub bytes: u64,
    /// Bytes of all tensors of a GGUF file: of weights, and of factors of the rotary embedding. None for a checkpoint's
    /// layout.
    pub tensor_bytes: Option<u64>,
    /// The type with the most bytes in the layers.
    pub main: TensorType,
    /// The word for it all.
    pub format: String,
    /// The type in which engines keep an expansion of latents that they take apart; none where it is as in the file.
    apart: Option<TensorType>,
}

impl TensorTypes {
    /// The types of `model`: those of its file, or those that `weights` give (f16 where neither says anything).
    ///
    /// # Errors
    /// Misuse when both a file and `weights` tell, when a row fits no block, or when a number does not fit 64 bits.
    pub fn of(model: &Architecture, weights: Option<Weights>) -> Result<TensorTypes> {
        let own = model.checkpoint.as_ref().filter(|_| weights.is_none());
        let format = weights.or(own.map(|own| own.layout)).unwrap_or(DEFAULT);
        let layout = match &model.stored {
            Some(stored) => stored.layout,
            None if format.is_checkpoint() => Layout::of_checkpoint(model.family),
            None => Layout::of_gguf(model.family),
        };
        let tensors = tensors(model, layout)?;
        let types = match (&model.stored, weights) {
            (Some(_), Some(_)) => {
                return Err(Error::misuse(format!(
                    "--weights: {} is a GGUF file, whose tensors are stored as they are; leave the option out",
                    model.name
                )));
            }
            (Some(stored), None) => tensors.iter().map(|tensor| stored.kind(&tensor.full())).collect::<Result<_>>()?,
            (None, _) => match own {
                Some(own) => own.types(traits(model), &Wanted::of(&tensors))?,
                None => format.types(traits(model), &Wanted::of(&tensors))?,
            },
        };
        let mut of: BTreeMap<_, Kinds> = BTreeMap::new();
        let last = model.layer_count().checked_sub(1);
        let (mut bytes, mut by_type) = (0_u128, BTreeMap::new());
        for (tensor, kind) in tensors.iter().zip(types) {
            for reader in &tensor.readers {
                of.entry(*reader).or_default().count(kind, tensor.block.is_some() && tensor.block == last);
            }
            let size = bytes_of(tensor, kind)?;
            bytes += size;
            // Embedding and head are stored by rules of their own, and a large vocabulary would hide all layers.
            if tensor.block.is_some() {
                *by_type.entry(kind).or_insert(0_u128) += size;
            }
        }
        // A tied head is the embedding, read again.
        if let Some(embedding) = of.get(&(None, EMBEDDING)).cloned() {
            of.entry((None, HEAD)).or_insert(embedding);
        }
        let main = by_type.into_iter().max_by_key(|(_, bytes)| *bytes).map_or(TensorType::F32, |(kind, _)| kind);
        let narrow = |bytes| u64::try_from(bytes).map_err(|_| Error::misuse("the weights exceed 64 bits of bytes"));
        let with_tables = narrow(bytes + 4 * u128::from(model.rope_factors))?;
        Ok(TensorTypes {
            of,
            bytes: narrow(bytes)?,
            tensor_bytes: match &model.stored {
                Some(stored) => Some(stored.tensor_bytes),
                None => (!format.is_checkpoint()).then_some(with_tables),
            },
            main,
            format: TensorTypes::word(model, weights),
            apart: format.is_checkpoint().then_some(weights::HALF),
        })
    }

    /// The word for how the weights of `model` are asked to be stored: `weights`, else what its file says, else f16.
    pub fn word(model: &Architecture, weights: Option<Weights>) -> String {
        let layout = model.checkpoint.as_ref().map(|own| own.layout);
        match (weights, &model.stored) {
            (Some(weights), _) => weights.to_string(),
            (None, Some(stored)) => stored.format.clone(),
            (None, None) => layout.unwrap_or(DEFAULT).to_string(),
        }
    }

    /// The steps of `forward` with every tensor, and the cache, as it is stored. Where layers that are otherwise alike
    /// store a tensor in several types, each has a step of its own. For many forwards, ask a [`Demand`](super::Demand).
    ///
    /// # Errors
    /// As [`Architecture::forward`]; misuse when rows of the cache are no whole number of blocks.
    pub fn steps(&self, model: &Architecture, forward: &Forward, cache: TensorType) -> Result<Vec<Step>> {
        model.validate()?;
        let typing = Typing::of(model, self, forward.latents, forward.prunes(), cache)?;
        let mut steps = Vec::new();
        model.each_step(forward, |place, step| typing.each(place, step, |typed| steps.push(*typed)))?;
        Ok(steps)
    }

    /// The types of a step of some of the layers of a kind; none where no tensor of that name was found.
    pub(super) fn within(
        &self,
        kind: Option<usize>,
        name: &'static str,
        among: Among,
    ) -> Option<Vec<(TensorType, u64)>> {
        self.of.get(&(kind, name)).and_then(|kinds| kinds.among(among))
    }

    /// The type in which engines keep an expansion of latents that they take apart; none where it is as in the file.
    pub(super) fn apart(&self) -> Option<TensorType> {
        self.apart
    }
}

impl Architecture {
    /// Bytes of all weights when they are stored as `weights`.
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

pub(super) fn step_of_no_type(name: &str) -> Error {
    Error::misuse(format!("{name}: is stored in no known type"))
}

fn bytes_of(tensor: &Tensor, kind: TensorType) -> Result<u128> {
    let each = kind.matrix_bytes(tensor.rows / tensor.stack, tensor.row).ok_or_else(|| {
        Error::misuse(format!(
            "--weights: rows of {} elements ({}) are no whole number of {kind} blocks; choose another",
            tensor.row, tensor.name
        ))
    })?;
    Ok(each * u128::from(tensor.stack))
}

/// What the rules of llama-quantize look at.
fn traits(model: &Architecture) -> recipe::Model {
    let layers = model.layer_count();
    let first = model.layers.iter().find(|layer| layer.places.first() == Some(&0));
    let (heads, kv_heads) = match first.map(|layer| &layer.mixer) {
        Some(Mixer::GroupedQuery(a)) => (a.heads, a.kv_heads),
        // Latents count as one head where they are what is kept.
        Some(Mixer::Latent(a)) => (a.heads, if model.family.latents_in_llama_cpp() { 1 } else { a.heads }),
        Some(Mixer::ShortConvolution(_) | Mixer::Mamba2(_)) | None => (0, 1),
    };
    let experts = |layer: &super::Layer| match &layer.feed_forward {
        Some(FeedForward::Mixture(mixture)) => mixture.experts,
        _ => 0,
    };
    let seventy_billion = match model.family.name() {
        "llama" | "mistral" => layers == 80 && heads != kv_heads,
        "qwen2" => layers == 80,
        _ => false,
    };
    recipe::Model {
        layers,
        group: heads / kv_heads.max(1),
        experts: model.layers.iter().map(experts).max().unwrap_or_default(),
        falcon: model.family.name() == "falcon",
        seventy_billion,
    }
}

/// Blocks of the cache lie within what is kept of a head, or of the latent.
pub(super) fn check_cache(model: &Architecture, latents: Latents, cache: TensorType) -> Result<()> {
    let block = cache.block().map_or(1, |block| block.elements);
    let whole = |key: &str, row: u64| {
        if row.is_multiple_of(block) {
            return Ok(());
        }
        Err(Error::misuse(format!(
            "{key}: rows of {row} elements are no whole number of {cache} blocks of {block}; choose another --kv"
        )))
    };
    for layer in &model.layers {
        match (&layer.mixer, latents) {
            (Mixer::GroupedQuery(a), _) => whole("head_dim", a.head_dim)?,
            (Mixer::Latent(a), Latents::Expanded) => {
                whole("qk_nope_head_dim + qk_rope_head_dim", a.plain_dim + a.rotary_dim)?;
                whole("v_head_dim", a.value_dim)?;
            }
            (Mixer::Latent(a), Latents::Naive | Latents::Absorbed) => {
                whole("kv_lora_rank + qk_rope_head_dim", a.row())?;
            }
            (Mixer::ShortConvolution(_) | Mixer::Mamba2(_), _) => {}
        }
    }
    Ok(())
}
