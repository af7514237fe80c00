//! In which type each tensor of a model is stored: as its file has it, or as a format would have it.

use super::attention_form::Form;
use super::language_model::Model;
use super::layer::{FeedForward, Layer, Mixer};
use super::layout::{Tensor, TensorLayout, tensors};
use super::shape::ModelShape;
use super::steps::Among;
use super::storage::Storage;
use super::tensor_type::TensorType;
use super::weights::recipe::Traits;
use super::weights::{self, Weights};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

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
        match self.counted.iter_mut().find(|(other, _)| *other == kind) {
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
    /// Bytes of all tensors of the model's files; without any, of the GGUF file that would be made of it: of weights, and of
    /// factors of the rotary embedding. None for a checkpoint's layout.
    pub tensor_bytes: Option<u64>,
    /// The type with the most bytes in the layers.
    pub main: TensorType,
    /// The word for it all.
    pub format: String,
    /// The type in which engines keep an expansion of latents that they take apart; none where it is as in the file.
    apart: Option<TensorType>,
}

impl TensorTypes {
    /// The types of `model`: those of its file, or those that `weights` give (f16 where neither states one).
    ///
    /// # Errors
    /// Misuse when there is both a file and `weights`, when a row fits no block, or when a number does not fit 64 bits.
    pub fn of(model: &Model, weights: Option<Weights>) -> Result<TensorTypes> {
        let own = model.storage.checkpoint.as_ref().filter(|_| weights.is_none());
        let format = weights.or(own.map(|own| own.layout)).unwrap_or(DEFAULT);
        let headers = model.storage.safetensors.as_ref().filter(|_| weights.is_none());
        let layout = match &model.storage.gguf {
            Some(stored) => stored.layout,
            None if headers.is_some() => TensorLayout::UNFUSED,
            None if format.is_checkpoint() => TensorLayout::of_checkpoint(model.family()),
            None => TensorLayout::of_gguf(model.family()),
        };
        model.validate()?;
        let tensors = tensors(&model.shape, model.family(), layout)?;
        let types = each_type(model, weights, &tensors)?;
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
        lend(&model.shape, &mut of);
        let main = by_type.into_iter().max_by_key(|(_, bytes)| *bytes).map_or(TensorType::F32, |(kind, _)| kind);
        let narrow = |bytes| u64::try_from(bytes).map_err(|_| Error::misuse("the weights exceed 64 bits of bytes"));
        let with_tables = narrow(bytes + 4 * u128::from(model.storage.rope_factors))?;
        Ok(TensorTypes {
            of,
            bytes: narrow(bytes)?,
            tensor_bytes: match &model.storage.gguf {
                Some(stored) => Some(stored.tensor_bytes),
                None if headers.is_some() => headers.map(|stored| stored.tensor_bytes),
                None => (!format.is_checkpoint()).then_some(with_tables),
            },
            main,
            format: match (headers, own) {
                // No word of `--weights`, where the configuration says nothing of its layout.
                (Some(_), None) => main.to_string(),
                _ => TensorTypes::word(model, weights),
            },
            apart: (format.is_checkpoint() || matches!(main, TensorType::Packed(_))).then_some(weights::HALF),
        })
    }

    /// The word for how the weights of `model` are asked to be stored: `weights`, else the word of its file, else f16.
    pub fn word(model: &Model, weights: Option<Weights>) -> String {
        let layout = model.storage.checkpoint.as_ref().map(|own| own.layout);
        match (weights, &model.storage.gguf) {
            (Some(weights), _) => weights.to_string(),
            (None, Some(stored)) => stored.format.clone(),
            (None, None) => layout.unwrap_or(DEFAULT).to_string(),
        }
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

impl Model {
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
/// How weights are taken to be stored where nothing states it.
const DEFAULT: Weights = Weights::Every(TensorType::F16);

/// Gives layers that read a block's weights again the types of those weights.
fn lend(model: &ModelShape, of: &mut BTreeMap<(Option<usize>, &'static str), Kinds>) {
    for (borrower, owner) in lent(model) {
        let owned = of.iter().filter(|((kind, _), _)| *kind == Some(owner));
        let owned: Vec<_> = owned.map(|((_, name), kinds)| (*name, kinds.clone())).collect();
        for (name, kinds) in owned {
            of.entry((Some(borrower), name)).or_insert(kinds);
        }
    }
}

/// Kinds of layers that read a block's weights again, each with the kind that the block is stored with.
fn lent(model: &ModelShape) -> Vec<(usize, usize)> {
    let block = |layer: &Layer| match layer.mixer.grouped_query().map(|attention| attention.form) {
        Some(Form::Shared(block)) => Some((block.block, block.owned)),
        _ => None,
    };
    let blocks: Vec<(usize, (u64, bool))> =
        model.layers.iter().enumerate().filter_map(|(kind, layer)| Some((kind, block(layer)?))).collect();
    let owner = |wanted: u64| blocks.iter().find(|(_, (block, owned))| *owned && *block == wanted);
    let again = blocks.iter().filter(|(_, (_, owned))| !owned);
    again.filter_map(|(kind, (block, _))| Some((*kind, owner(*block)?.0))).collect()
}

/// The type of each of a model's `tensors`.
fn each_type(model: &Model, weights: Option<Weights>, tensors: &[Tensor]) -> Result<Vec<TensorType>> {
    let Storage { gguf, safetensors, checkpoint, .. } = &model.storage;
    match (gguf, safetensors, checkpoint, weights) {
        (Some(_), .., Some(_)) => Err(Error::misuse(format!(
            "--weights: {} is a GGUF file, whose tensors are stored as they are; leave the option out",
            model.name()
        ))),
        (Some(stored), .., None) => tensors.iter().map(|tensor| stored.kind(&tensor.full())).collect(),
        (None, .., Some(weights)) => weights.types(traits(model), tensors),
        (None, Some(stored), _, None) => tensors.iter().map(|tensor| stored.kind(&tensor.full())).collect(),
        (None, None, Some(own), None) => own.types(traits(model), tensors),
        (None, None, None, None) => DEFAULT.types(traits(model), tensors),
    }
}

fn bytes_of(tensor: &Tensor, kind: TensorType) -> Result<u128> {
    // Its experts need not be of one size.
    if let TensorType::Packed(packed) = kind {
        return Ok(u128::from(packed.bytes));
    }
    let each = kind.matrix_bytes(tensor.rows / tensor.stack, tensor.row).ok_or_else(|| {
        Error::misuse(format!(
            "--weights: rows of {} elements ({}) are no whole number of {kind} blocks; choose another",
            tensor.row, tensor.name
        ))
    })?;
    Ok(each * u128::from(tensor.stack))
}

/// What the rules of llama-quantize look at.
pub(super) fn traits(model: &Model) -> Traits {
    let layers = model.layer_count();
    let first = model.shape.layers.iter().find(|layer| layer.places.first() == Some(&0));
    let (heads, kv_heads) = match first.map(|layer| &layer.mixer) {
        Some(Mixer::GroupedQuery(a) | Mixer::Both(a, _)) => (a.heads, a.kv_heads),
        Some(Mixer::Compressed(a)) => (a.heads, 1),
        // Latents count as one head where they are what is kept.
        Some(Mixer::Latent(a)) => (a.heads, if model.family().latents_in_llama_cpp() { 1 } else { a.heads }),
        Some(Mixer::Recurrent(_) | Mixer::Linear | Mixer::Nothing) | None => (0, 1),
    };
    let experts = |layer: &Layer| match &layer.feed_forward {
        Some(FeedForward::Mixture(mixture)) => mixture.experts,
        _ => 0,
    };
    let seventy_billion = match model.family().name() {
        "llama" | "mistral" => layers == 80 && heads != kv_heads,
        "qwen2" => layers == 80,
        _ => false,
    };
    Traits {
        layers,
        group: heads / kv_heads.max(1),
        experts: model.shape.layers.iter().map(experts).max().unwrap_or_default(),
        falcon: model.family().name() == "falcon",
        seventy_billion,
    }
}
