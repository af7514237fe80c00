//! What is said beside a file of runs.

use crate::model::{TensorType, Weights};

/// What holds for the runs of a file where the file leaves it open. Nothing is assumed: what is neither told nor given is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The models that are asked about: where it is one, runs whose file names none are of it.
    pub models: Vec<GivenModel>,
    /// How weights are stored.
    pub weights: Option<Weights>,
    /// How the cache is stored.
    pub kv: Option<TensorType>,
    /// Tokens of the prompt.
    pub prompt: Option<u64>,
    /// Tokens generated.
    pub generate: Option<u64>,
    /// Tokens in the cache before the prompt, which were not computed again.
    pub cached: Option<u64>,
    /// Sequences together.
    pub batch: Option<u64>,
    /// Threads that ran.
    pub threads: Option<u64>,
}

/// A model that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenModel {
    /// What it was asked for by.
    pub name: String,
    /// Elements of all its tensors, where they were counted.
    pub parameters: Option<u64>,
}
