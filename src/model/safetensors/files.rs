//! The headers of all files of one model.

use super::header::Tensor;
use super::index::Index;
use crate::error::{Error, Result};
use crate::model::keys::quoted;
use std::collections::HashSet;

/// The tensors of a model, of all its files together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// The tensors, file by file.
    pub tensors: Vec<Tensor>,
    /// What the index states of their bytes.
    pub total_size: Option<u64>,
}

impl Headers {
    /// Those of one file.
    pub fn of_one(tensors: Vec<Tensor>) -> Headers {
        Headers { tensors, total_size: None }
    }

    /// Those of several files, by the names that `index` has for them.
    ///
    /// # Errors
    /// Misuse, naming the tensor: one that is in another file than the index has it, in two of them, or in none.
    pub fn of_several(index: &Index, files: Vec<Vec<Tensor>>) -> Result<Headers> {
        let mut found = HashSet::new();
        for (number, tensors) in files.iter().enumerate() {
            for tensor in tensors {
                let name = quoted(&tensor.name);
                if index.places.get(&tensor.name).is_some_and(|place| *place != number) {
                    let file = index.files.get(number).map_or("", String::as_str);
                    return Err(Error::misuse(format!("tensor {name}: is in {file}, and weight_map has it elsewhere")));
                }
                if !found.insert(&tensor.name) {
                    return Err(Error::misuse(format!("tensor {name}: is in two files; they are not of one model")));
                }
            }
        }
        if let Some((name, place)) = index.places.iter().find(|(name, _)| !found.contains(name)) {
            let file = index.files.get(*place).map_or("", String::as_str);
            return Err(Error::misuse(format!(
                "tensor {}: weight_map has it in {file}, which does not; the files are not of one model",
                quoted(name)
            )));
        }
        Ok(Headers { tensors: files.into_iter().flatten().collect(), total_size: index.total_size })
    }

    /// Bytes of all tensors.
    ///
    /// # Errors
    /// Misuse when the sum does not fit 64 bits.
    pub fn bytes(&self) -> Result<u64> {
        let all = self.tensors.iter().try_fold(0_u64, |all, tensor| all.checked_add(tensor.bytes));
        all.ok_or_else(|| Error::misuse("the tensors together exceed 64 bits; the files are damaged"))
    }
}
