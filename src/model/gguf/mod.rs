//! GGUF files: their metadata and tensor tables, read without the data.
//!
//! Layout as the format's specification has it: magic, version, counts, keys with values, tensor table, padding, data.
//! Versions 2 and 3, little-endian. What a file announces is held against its length before anything is kept, so that a
//! damaged or hostile one costs no more memory than what it really holds.

mod compressed;
mod facts;
mod file;
mod keys;
mod layers;
mod metadata;
mod reader;
mod recurrent;
#[cfg(feature = "cli")]
pub(super) mod split;
mod table;
mod tensors;

pub use facts::model;
pub use file::{Gguf, parse_gguf};
pub use metadata::{Array, Metadata, Value};
pub use tensors::Tensor;
