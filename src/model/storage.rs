//! How the tensors of a model are stored, where a file or a configuration states it.

use super::layout::TensorLayout;
use super::steps::ByClass;
use super::tensor_type::TensorType;
use super::weights::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use roofprobe_kernels::Dtype;
use std::collections::BTreeMap;

/// What is known of a model's stored tensors. A mere shape has nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// The tensors of the GGUF file that the model was read from.
    pub gguf: Option<Stored>,
    /// The tensors of the safetensors files that lie beside the configuration.
    pub safetensors: Option<StoredCheckpoint>,
    /// How the published checkpoint is quantised, where the configuration states it.
    pub checkpoint: Option<Checkpoint>,
    /// The type that weights are published in, where the configuration names a type known here.
    pub published_dtype: Option<Dtype>,
    /// f32 factors of the rotary embedding that GGUF files carry as tensors; no parameters.
    pub rope_factors: u64,
}

/// How the tensors of a GGUF file are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of all tensors, those that no operation reads included: llama-bench's `model_size`.
    pub tensor_bytes: u64,
    /// Elements of all tensors: llama-bench's `model_n_params`.
    pub params_total: u64,
    /// What the file calls its mixture, or `gguf`.
    pub format: String,
    pub(super) layout: TensorLayout,
    pub(super) types: BTreeMap<Box<str>, TensorType>,
}

/// How the tensors of a checkpoint are stored, by the headers of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Bytes of all tensors, those that no operation reads included: what an index calls `total_size`.
    pub tensor_bytes: u64,
    /// Bytes of the model's tensors, by what they belong to.
    pub by_class: ByClass,
    /// Bytes of all others, by what they are.
    pub left_out: Vec<(String, u64)>,
    pub(super) types: BTreeMap<Box<str>, TensorType>,
}

impl StoredCheckpoint {
    /// The type of a tensor by its full name.
    pub(super) fn kind(&self, tensor: &str) -> Result<TensorType> {
        let missing = || Error::misuse(format!("tensor {tensor}: is missing; the files are no complete model"));
        self.types.get(tensor).copied().ok_or_else(missing)
    }
}

impl Stored {
    /// The type of a tensor by its full name.
    pub(super) fn kind(&self, tensor: &str) -> Result<TensorType> {
        let missing = || Error::misuse(format!("tensor {tensor}: is missing; the file is no complete model"));
        self.types.get(tensor).copied().ok_or_else(missing)
    }
}
