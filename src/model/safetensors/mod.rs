//! Safetensors files: their headers and indices, read without the data.
//!
//! Layout as the format's specification has it: the length of a header, the header as JSON, the data. What a header
//! announces is held against the file's length before anything is kept, and against what the configuration makes of the
//! model: every tensor must be one of the model's, of the extent that it has there, or be named as left out. So the bytes
//! of each tensor are what the file has, whatever it is quantised by.

mod attribute;
mod dtype;
mod files;
mod header;
mod index;
mod modules;

pub use attribute::{model, model_of_index};
pub use dtype::ElementType;
pub use files::Headers;
pub use header::{Tensor, parse_header};
pub use index::{Index, parse_index};
