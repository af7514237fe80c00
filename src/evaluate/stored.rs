//! How the tensors of a checkpoint are stored, as its files have them.

use super::ClassCounts;
use crate::error::Result;
use crate::model::{Class, Model, StoredCheckpoint, Workload};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Exact bytes of the safetensors files of a model.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StoredFiles {
    /// Of all tensors: what an index calls `total_size`.
    pub bytes: u64,
    /// Of the model's tensors, by class.
    pub bytes_by_class: ClassCounts,
    /// Of what is in the files and belongs to no counted part, by what it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub left_out: BTreeMap<String, u64>,
}

impl StoredFiles {
    /// Those of `model`; none where no headers were read, or weights are asked for otherwise.
    pub(super) fn of(model: &Model, workload: &Workload) -> Result<Option<StoredFiles>> {
        let stored = model.storage.safetensors.as_ref().filter(|_| workload.weights.is_none());
        let files = |stored: &StoredCheckpoint| {
            Ok(StoredFiles {
                bytes: stored.tensor_bytes,
                bytes_by_class: ClassCounts::of(&stored.by_class, Class::weighs)?,
                left_out: stored.left_out.iter().cloned().collect(),
            })
        };
        stored.map(files).transpose()
    }
}
