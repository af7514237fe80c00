//! How the weights of a model are stored: one word on the command line, one type for every tensor.

pub mod checkpoint;
pub mod recipe;

use super::layout::Tensor;
use super::tensor_type::{Grouped, Scheme, TensorType};
use crate::error::{Error, Result};
use recipe::Recipe;
use roofprobe_kernels::Dtype;
use std::fmt;
use std::str::FromStr;

/// How the tensors of a model are stored, where no file of weights states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weights {
    /// Every matrix in one type, as GGUF files of that type: norms, biases and routers f32.
    Every(TensorType),
    /// A mixture of llama-quantize.
    Mixture(Recipe),
    /// A checkpoint whose linear layers are quantised; embedding, head, norms, biases and routers have 16 bits.
    Linear(TensorType),
    /// A checkpoint whose embedding and head are quantised too; norms, biases and routers have 16 bits.
    LinearAndEmbedding(TensorType),
}

/// The 16-bit type of what a quantised checkpoint leaves alone.
pub(super) const HALF: TensorType = TensorType::F16;

/// Words for layouts of checkpoints with their usual parameters.
const CHECKPOINTS: [(Scheme, u8, u32); 9] = [
    (Scheme::Awq, 4, 128),
    (Scheme::Gptq, 4, 128),
    (Scheme::Mlx, 4, 64),
    (Scheme::Nf4, 4, 64),
    (Scheme::Nf4Double, 4, 64),
    (Scheme::Fp8Matrix, 8, 1),
    (Scheme::Fp8Square, 8, 128),
    (Scheme::Nvfp4, 4, 16),
    (Scheme::Int8, 8, Grouped::WHOLE_ROW),
];

impl Weights {
    /// That weights are kept so at all.
    ///
    /// # Errors
    /// Misuse for integers, f64, and what ggml makes of activations.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Weights::Every(kind) if !stores_weights(kind) => {
                Err(Error::misuse(format!("--weights: no weights are stored as {kind}; choose another")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is a layout of quantised checkpoints, not of GGUF files.
    pub(super) const fn is_checkpoint(self) -> bool {
        matches!(self, Weights::Linear(_) | Weights::LinearAndEmbedding(_))
    }

    /// The type of each of `tensors`, which stand in the order of their blocks.
    ///
    /// # Errors
    /// Misuse, naming the tensor, when a row fits no block that is allowed.
    pub(super) fn types(self, model: recipe::Traits, tensors: &[Tensor]) -> Result<Vec<TensorType>> {
        match self {
            Weights::Every(kind) => tensors.iter().map(|tensor| every(kind, tensor)).collect(),
            Weights::Mixture(recipe) => mixture(recipe, model, tensors),
            // Of models with experts, only these are published so.
            Weights::Linear(kind @ TensorType::Mxfp4) if model.experts > 0 => {
                let expert = |tensor: &&Tensor| tensor.dimensions > 2;
                Ok(tensors.iter().map(|t| if expert(&t) { linear(kind, t, false) } else { HALF }).collect())
            }
            Weights::Linear(kind) => Ok(tensors.iter().map(|tensor| linear(kind, tensor, false)).collect()),
            Weights::LinearAndEmbedding(kind) => Ok(tensors.iter().map(|tensor| linear(kind, tensor, true)).collect()),
        }
    }
}

fn every(kind: TensorType, tensor: &Tensor) -> Result<TensorType> {
    if !recipe::is_quantised(&tensor.name, tensor.dimensions) {
        return Ok(TensorType::F32);
    }
    recipe::fitting(kind, &tensor.name, tensor.row)
}

fn mixture(recipe: Recipe, model: recipe::Traits, tensors: &[Tensor]) -> Result<Vec<TensorType>> {
    let converted = |tensor: &Tensor| recipe::is_quantised(&tensor.name, tensor.dimensions);
    let matrices: Vec<&Tensor> = tensors.iter().filter(|tensor| converted(tensor)).collect();
    let mut types = recipe::types(recipe, model, &matrices)?.into_iter();
    let kind = |tensor: &Tensor| converted(tensor).then(|| types.next()).flatten().unwrap_or(TensorType::F32);
    Ok(tensors.iter().map(kind).collect())
}

fn linear(kind: TensorType, tensor: &Tensor, embedding: bool) -> TensorType {
    let ends = matches!(tensor.name.as_str(), "token_embd.weight" | "output.weight" | "position_embd.weight");
    let quantised = recipe::is_quantised(&tensor.name, tensor.dimensions) && (embedding || !ends);
    if quantised { fitted(kind, tensor) } else { HALF }
}

/// The type of a quantised matrix: that of all, or 16 bits where its rows are no whole number of groups.
fn fitted(kind: TensorType, tensor: &Tensor) -> TensorType {
    let divides = |elements: u64| tensor.row.is_multiple_of(elements.max(1));
    let fits = match kind {
        TensorType::Grouped(Grouped { scheme: Scheme::Mlx | Scheme::Nvfp4, group, .. }) => divides(u64::from(group)),
        TensorType::Scaled(scaled) => scaled.divides(tensor.row),
        kind => kind.block().is_none_or(|block| divides(block.elements)),
    };
    if fits { kind } else { HALF }
}

impl From<TensorType> for Weights {
    fn from(kind: TensorType) -> Weights {
        Weights::Every(kind)
    }
}

impl From<Dtype> for Weights {
    fn from(dtype: Dtype) -> Weights {
        Weights::Every(dtype.into())
    }
}

impl From<Recipe> for Weights {
    fn from(recipe: Recipe) -> Weights {
        Weights::Mixture(recipe)
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weights::Every(kind @ (TensorType::F32 | TensorType::F16 | TensorType::Bf16)) => kind.fmt(f),
            Weights::Every(kind) => write!(f, "pure:{kind}"),
            Weights::Mixture(recipe) => recipe.fmt(f),
            Weights::Linear(kind) | Weights::LinearAndEmbedding(kind) => kind.fmt(f),
        }
    }
}

impl FromStr for Weights {
    type Err = Error;

    /// A word as `--weights` takes it: what llama-quantize calls a file type is that mixture, `pure:` before a ggml type
    /// gives it to every matrix, and layouts of checkpoints have names of their own.
    fn from_str(word: &str) -> Result<Weights> {
        let lower = word.to_ascii_lowercase();
        if let Some(kind) = lower.strip_prefix("pure:") {
            return TensorType::of_name(kind)
                .filter(|kind| stores_weights(*kind))
                .map(Weights::Every)
                .ok_or_else(|| unknown(word));
        }
        let alias = match lower.as_str() {
            "q3_k" => "q3_k_m",
            "q4_k" => "q4_k_m",
            "q5_k" => "q5_k_m",
            other => other,
        };
        if let Some((_, recipe)) = Recipe::ALL.iter().find(|(_, recipe)| recipe.name() == alias) {
            return Ok(Weights::Mixture(*recipe));
        }
        match alias {
            "f32" => Ok(Weights::Every(TensorType::F32)),
            "f16" => Ok(Weights::Every(TensorType::F16)),
            "bf16" => Ok(Weights::Every(TensorType::Bf16)),
            "mxfp4" => Ok(Weights::Linear(TensorType::Mxfp4)),
            // The two 8-bit formats have the same size.
            "fp8_e4m3" | "fp8_e5m2" => "fp8".parse(),
            other => checkpoint(other).ok_or_else(|| unknown(word)),
        }
    }
}

/// Whether weights are kept in a type: not integers, not what ggml makes of activations.
fn stores_weights(kind: TensorType) -> bool {
    use TensorType::{F64, I8, I16, I32, I64, Q8_1, Q8K};
    !matches!(kind, I8 | I16 | I32 | I64 | F64 | Q8_1 | Q8K)
}

/// `awq`, `gptq-3bit-g32`, `gptq-channel`, `mlx-8bit`: a layout, with its bits and its group where they are not the usual ones.
fn checkpoint(word: &str) -> Option<Weights> {
    let exact = CHECKPOINTS.iter().find(|(scheme, ..)| scheme.name() == word);
    let ((scheme, bits, group), rest) = match exact {
        Some(found) => (*found, ""),
        None => {
            let (name, rest) = word.split_once('-').filter(|(_, rest)| !rest.is_empty())?;
            (*CHECKPOINTS.iter().take(3).find(|(scheme, ..)| scheme.name() == name)?, rest)
        }
    };
    let mut layout = Grouped { scheme, bits, group };
    for part in rest.split('-').filter(|part| !part.is_empty()) {
        if let Some(bits) = part.strip_suffix("bit") {
            layout.bits = bits.parse().ok().filter(|bits| (2..=8).contains(bits) && *bits != 7)?;
        } else if part == "channel" {
            layout.group = Grouped::WHOLE_ROW;
        } else {
            layout.group = part.strip_prefix('g')?.parse().ok().filter(|group| (8..=1 << 16).contains(group))?;
        }
    }
    let kind = TensorType::Grouped(layout);
    Some(if scheme == Scheme::Mlx { Weights::LinearAndEmbedding(kind) } else { Weights::Linear(kind) })
}

fn unknown(word: &str) -> Error {
    let recipes: Vec<&str> = Recipe::ALL.iter().map(|(_, recipe)| recipe.name()).collect();
    let checkpoints: Vec<&str> = CHECKPOINTS.iter().map(|(scheme, ..)| scheme.name()).collect();
    Error::misuse(format!(
        "unknown weight format {word:?}; known: f32, f16, bf16, {}, mxfp4, {} (awq-4bit-g64 sets bits and group), and pure:TYPE for one ggml type throughout",
        recipes.join(", "),
        checkpoints.join(", ")
    ))
}
