//! The demand side: a language model, how it is used, and the exact list of operations that this takes.
//!
//! A [`Model`] is read from a Hugging Face `config.json`, with the headers of its safetensors files where they are there, from a
//! GGUF file or from the [`zoo()`]. It has a [`ModelShape`], a
//! [`Storage`] and a [`Source`]. A [`Workload`] states how it is used, [`TensorTypes`] how each of its tensors is stored.
//! [`Model::forward`] lists its [`Step`]s; a [`Demand`] gives them with their types, as often as it is asked. Every FLOP and
//! every element comes from [`Op::cost`](roofprobe_kernels::Op::cost), the table that the probes read too: what is predicted
//! and what is timed are counted by the same lines. Only `read.rs` opens files.
//!
//! Promised: exact integers; masked pairs are not counted; a tied head is a parameter once and is read every pass; what
//! is not understood is refused by name, never counted wrongly. Deliberately absent: time and devices (see
//! [`roofline`](crate::roofline)), tokenizers, weights themselves.
//!
//! A new layer kind is a variant of [`Mixer`] or [`FeedForward`] with its steps in `steps/`; a new family is an entry of a
//! table in `family/`.

mod attention_form;
mod config;
mod demand;
mod dense;
mod depth;
mod family;
pub mod gguf;
mod keys;
mod language_model;
mod layer;
mod layout;
mod limits;
mod nearest;
mod predictor;
#[cfg(feature = "cli")]
mod read;
mod recurrent;
mod rope;
pub mod safetensors;
mod shape;
mod steps;
mod storage;
mod tensor_type;
mod tensor_types;
mod typing;
mod visible;
pub mod weights;
mod workload;
mod zoo;
mod zoo_filter;

pub use attention_form::{Form, RoutedHeads, SharedBlock};
pub use config::{Strictness, parse_config, parse_config_as};
pub use demand::{Demand, Run};
pub use family::Family;
pub use language_model::{Model, Origin, Published, Source};
pub use layer::{
    Activation, Biases, ChosenBlocks, Compressed, Compression, Dense, FeedForward, Gate, GroupedQuery, HeadNorm,
    Indexer, Latent, Latents, Layer, Mixer, Mixture, Norm, Norms, Shared,
};
pub use limits::BATCH_MAX;
#[cfg(feature = "cli")]
pub use read::{read_checkpoint, read_config, read_gguf, read_model};
pub use recurrent::{Part, Recurrent};
pub use shape::{HyperConnections, LayerInputs, ModelShape, Predictors, Streams};
pub(crate) use steps::INDEXER;
pub use steps::{Among, ByClass, Class, Counted, Forward, Reads, Step, Totals, WeightBytes};
pub use storage::{Storage, Stored, StoredCheckpoint};
pub use tensor_type::{Grouped, Packed, Scaled, Scheme, TensorType};
pub use tensor_types::TensorTypes;
pub use visible::{keys_read, visible_pairs};
pub use weights::Weights;
pub use weights::checkpoint::Checkpoint;
pub use workload::{Knob, Pass, Phase, Runtime, Workload};
pub use zoo::{MOBILE_TIER, PI_TIER, find, names, parse_zoo, zoo};
pub use zoo_filter::{DateRange, SizeRange, ZooFilter};
