//! Norms, and dense feed-forwards: what layers of every kind are made of.

/// How a row is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// By its root mean square, with a weight row.
    Rms,
    /// By its root mean square, with nothing learned.
    RmsWithoutWeights,
    /// By mean and variance, with a weight row and a bias row.
    Layer,
    /// By mean and variance, with a weight row.
    LayerWithoutBias,
    /// By mean and variance, with nothing learned.
    LayerWithoutWeights,
}

/// The function between the matrices of a feed-forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// x · Φ(x), in whichever approximation.
    Gelu,
    /// max(x, 0).
    Relu,
    /// max(x, 0)².
    ReluSquared,
    /// xIELU (Huang and Schlag 2024): quadratic above zero, exponential below, with two learned numbers.
    Xielu,
}

/// Matrices with a function in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Elements between.
    pub width: u64,
    /// Three matrices, `down(f(gate(x)) · up(x))` (Shazeer 2020), or two, `down(f(up(x)))`.
    pub gated: bool,
    /// The function.
    pub activation: Activation,
    /// Whether the matrices add biases.
    pub bias: bool,
    /// How what is between them is normalised, where it is.
    pub norm: Option<Norm>,
}
