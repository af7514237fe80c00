//! Who is asking: a language model, how it is used, and the exact list of operations that this takes.
//!
//! An [`Architecture`] is read from a Hugging Face `config.json`, from a GGUF file ([`read_model`]) or from the [`zoo()`];
//! a [`Workload`] says how it is used, [`TensorTypes`] how each of its tensors is stored; [`Architecture::forward`] answers
//! with [`Step`]s, a [`Demand`] with typed ones, as often as it is asked. Every FLOP and every element comes from
//! [`Op::cost`](roofprobe_kernels::Op::cost), the table that the probes read too: what is predicted and what is timed
//! are counted by the same lines.
//!
//! Promised: exact integers; masked pairs are not counted; a tied head is a parameter once and is read every pass; what
//! is not understood is refused by name, never counted wrongly. Deliberately absent: time and devices (see
//! [`roofline`](crate::roofline)), tokenizers, weights themselves.
//!
//! A new layer kind is a variant of [`Mixer`] or [`FeedForward`] with its steps in `steps/`; a new family is an entry of a
//! table in `family/`.

mod architecture;
mod config;
mod demand;
mod depth;
mod family;
pub mod gguf;
mod keys;
mod layer;
mod layout;
mod read;
mod rope;
mod steps;
mod stored;
mod tensor_type;
mod typing;
mod visible;
pub mod weights;
mod workload;
mod zoo;

pub use architecture::{Architecture, Published};
pub use config::{parse_config, read_config};
pub use demand::Demand;
pub use family::Family;
pub use layer::{
    Activation, Biases, Dense, FeedForward, GroupedQuery, HeadNorm, Latent, Layer, Mamba2, Mixer, Mixture, Norm, Norms,
    Shared, ShortConvolution,
};
pub use read::read_model;
pub use steps::{Among, ByClass, Class, Counted, Forward, Latents, Reads, Step, Totals, WeightBytes};
pub use stored::{Stored, TensorTypes};
pub use tensor_type::{Grouped, Scheme, TensorType};
pub use visible::{keys_read, visible_pairs};
pub use weights::Weights;
pub use weights::checkpoint::Checkpoint;
pub use workload::{BATCH_MAX, Knob, Pass, Phase, Run, Runtime, Workload};
pub use zoo::{MOBILE_TIER, PI_TIER, find, names, parse_zoo, zoo};
