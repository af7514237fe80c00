//! What one step asks of kernels, in the numbers that their rates are looked up by.

use super::latents::Latents;
use super::{Arithmetic, Load};
use crate::model::{Class, INDEXER, Mixer, Model, Pass, Step, TensorType};
use roofprobe_kernels::Op;

/// The kernel of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// A product with weights.
    Matmul {
        /// Tokens that share one reading of the weights: the rows of the activations; of routed experts, visits over
        /// the experts expected to be read, which need not be whole.
        tokens: f64,
        /// Output features: rows of the weights.
        n: f64,
    },
    /// Attention over a cache.
    Attention {
        /// One query token per sequence, or a prompt.
        pass: Pass,
        /// Query heads that share one cached row.
        group: f64,
        /// Elements of a key.
        head_dim: f64,
        /// Multiplications of a cached element per query head: 1, and more where a row is key and value.
        uses: f64,
        /// Keys that a token sees, on average.
        context: f64,
    },
    /// Whatever has no measured kernel: it moves bytes, or does elementwise work.
    Other(Op),
}

/// What one step asks of kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    /// Which kernel, and at which size.
    pub kernel: Kernel,
    /// How its weights, its cache rows or its state are stored.
    pub stored: TensorType,
    /// FLOPs and bytes of all executions.
    pub load: Load,
    /// How often something is started: executions in all passes, none where it is a part of its neighbour.
    pub launches: f64,
}

impl Task {
    /// What `step` of `model` asks in a pass of that kind, `load` being its FLOPs and bytes.
    pub fn of(step: &Step, pass: Pass, model: &Model, load: Load) -> Task {
        let executions = match step.class {
            // Experts of one layer are one launch, however many there are.
            Class::Expert => step.repeat,
            // Where all passes are summed in one shape, what is read says how many there were.
            _ => step.reads.most,
        };
        let launches = if is_fused(step.op) { 0.0 } else { executions as f64 };
        Task { kernel: kernel(step, pass, model), stored: step.operand, load, launches }
    }

    /// Bytes that one start reads.
    pub(super) fn bytes_of_a_start(&self) -> f64 {
        self.load.read.0 / self.launches.max(1.0)
    }

    /// Of attention, how many multiplications share one element of the cache that is read; without end where none is.
    pub fn sharing(&self) -> f64 {
        let bytes = self.stored.block().map_or(2.0, |block| block.bytes as f64 / block.elements as f64);
        self.load.flops.0 / (2.0 * self.load.read.0 / bytes)
    }

    /// The extents of attention to latents, where it is that.
    pub(super) fn latents(&self) -> Option<Latents> {
        match self.kernel {
            Kernel::Attention { group, head_dim: row, uses, .. } if uses > 1.0 => {
                Some(Latents { group, row, value_dim: (row * (uses - 1.0)).round() })
            }
            _ => None,
        }
    }

    /// The arithmetic of its peak roof.
    pub fn arithmetic(&self) -> Arithmetic {
        let op = match self.kernel {
            Kernel::Matmul { .. } => Op::Matmul,
            Kernel::Attention { .. } => Op::Attention,
            Kernel::Other(op) => op,
        };
        Arithmetic::of(op, self.stored.nearest())
    }
}

fn kernel(step: &Step, pass: Pass, model: &Model) -> Kernel {
    let shape = step.shape;
    match step.op {
        // The shape's rows stand for all reads of its weights.
        Op::Matmul => {
            let tokens = shape.m as f64 * (step.repeat as f64 / step.reads.expected);
            Kernel::Matmul { tokens, n: shape.n as f64 }
        }
        Op::Attention => {
            let (row, shared) = (shape.k as f64, shape.shared as f64);
            let mixer = step.kind.and_then(|kind| model.shape.layers.get(kind)).map(|layer| &layer.mixer);
            let group = match mixer {
                Some(Mixer::GroupedQuery(attention)) if step.name == INDEXER => {
                    attention.chosen.map_or(1.0, |chosen| chosen.indexer.heads as f64)
                }
                Some(Mixer::GroupedQuery(attention) | Mixer::Both(attention, _)) => {
                    attention.heads as f64 / attention.kv_heads as f64
                }
                Some(Mixer::Latent(attention)) if step.name == INDEXER => {
                    attention.indexer.map_or(1.0, |indexer| indexer.heads as f64)
                }
                Some(Mixer::Latent(attention)) if shape.shared > 0 => attention.heads as f64,
                Some(Mixer::Compressed(attention)) if step.name == INDEXER => {
                    let chosen = attention.compression.and_then(|compression| compression.chosen);
                    chosen.map_or(1.0, |(indexer, _)| indexer.heads as f64)
                }
                Some(Mixer::Compressed(attention)) => attention.heads as f64,
                _ => 1.0,
            };
            Kernel::Attention {
                pass,
                group,
                head_dim: if shape.shared > 0 { row } else { row / 2.0 },
                uses: (row + shared) / row,
                context: shape.pairs as f64 / shape.m as f64,
            }
        }
        op => Kernel::Other(op),
    }
}

/// Whether an operation is done by the kernel before or behind it.
const fn is_fused(op: Op) -> bool {
    // Latents are fetched by the matmul that expands them, and a state by the scan or the convolution that it belongs to.
    matches!(op, Op::Rope | Op::Bias | Op::SoftCap | Op::Fetch | Op::State)
}
