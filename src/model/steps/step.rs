//! One operation with its exact shape and its traffic.

use super::super::tensor_type::TensorType;
use super::class::Class;
use super::forward::Among;
use super::unit::Unit;
use crate::error::{Error, Result};
use roofprobe_kernels::{Cost, Op, Shape};

/// One operation that a model must perform, `repeat` times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which one it is: the tensor's name where it reads one.
    pub name: &'static str,
    /// What it belongs to.
    pub class: Class,
    /// The routine.
    pub op: Op,
    /// Its extent, for one execution; one expert's, where experts are routed.
    pub shape: Shape,
    /// The extent at which the routine would touch every weight that it owns; none where it owns none (no weights, or a
    /// tied head, whose weights are the embedding's).
    pub stored: Option<Shape>,
    /// How its weights, its cache rows or its state are stored.
    pub operand: TensorType,
    pub(crate) unit: Unit,
    /// The entry of [`ModelShape::layers`](super::super::ModelShape::layers) that it belongs to; none for what
    /// stands before and behind them.
    pub kind: Option<usize>,
    /// Which of the layers of that entry it stands for.
    pub among: Among,
    /// How often it is executed.
    pub repeat: u64,
    /// How often the weights of `shape` are read, in all executions together.
    pub reads: Reads,
}

/// How often weights are read. For all but routed experts that is certain: once per execution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reads {
    /// At least.
    pub least: u64,
    /// As expected.
    pub expected: f64,
    /// At most.
    pub most: u64,
}

impl Reads {
    /// So often and no other.
    #[inline(always)]
    pub fn exactly(times: u64) -> Reads {
        Reads { least: times, expected: times as f64, most: times }
    }

    /// Different experts that `tokens` tokens visit, each `used` of `experts`, chosen independently and with equal
    /// chances: `U = E·(1 − (1 − k/E)^T)`, within `k ≤ U ≤ min(E, T·k)`.
    ///
    /// Real routers have favourites, so that real numbers lie below the expectation.
    pub fn experts(experts: u64, used: u64, tokens: u64) -> Reads {
        let (all, k) = (experts as f64, used as f64);
        // As E − (E − k)·(1 − k/E)^(T−1), one token visits exactly k.
        let missed = (all - k) * libm::pow((all - k) / all, tokens.saturating_sub(1) as f64);
        Reads { least: used, expected: all - missed, most: experts.min(tokens.saturating_mul(used)) }
    }

    /// The share of `part` of `whole` alike layers, whose reads these are.
    pub(crate) fn share(self, part: u64, whole: u64) -> Reads {
        if part == whole {
            return self;
        }
        let share = |times: u64| times / whole * part;
        let expected = self.expected / whole as f64 * part as f64;
        Reads { least: share(self.least), expected, most: share(self.most) }
    }

    /// The same in each of `times` executions.
    pub fn times(self, times: u64) -> Reads {
        Reads {
            least: self.least.saturating_mul(times),
            expected: self.expected * times as f64,
            most: self.most.saturating_mul(times),
        }
    }
}

/// Weight bytes read: bounds, and what is expected in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBytes {
    /// At least.
    pub least: u128,
    /// As expected, rounded.
    pub expected: u128,
    /// At most.
    pub most: u128,
}

impl Step {
    /// What all executions together cost. Weights of routed experts are read as often as expected, rounded.
    ///
    /// No overflow: [`ModelShape::forward`](super::super::ModelShape::forward) holds every number to limits that keep
    /// sums within 128 bits.
    pub fn total(&self) -> Cost {
        self.all(&self.op.cost(self.shape))
    }

    /// All executions, where one costs `cost`.
    #[inline(always)]
    pub(super) fn all(&self, cost: &Cost) -> Cost {
        let times = u128::from(self.repeat);
        Cost {
            flops: cost.flops * times,
            vector_flops: cost.vector_flops * times,
            weights_read: expected(cost.weights_read, self.reads),
            cache_read: cost.cache_read * times,
            cache_written: cost.cache_written * times,
            state_read: cost.state_read * times,
            state_written: cost.state_written * times,
            input_read: cost.input_read * times,
            output_written: cost.output_written * times,
        }
    }

    /// Weight elements that a pass of one token involves: the experts that it visits, but tables as a whole.
    pub(crate) fn visited_elements(&self) -> u128 {
        match self.op {
            Op::Gather => self.stored_elements(),
            _ => self.op.cost(self.shape).weights_read * u128::from(self.reads.most),
        }
    }

    /// Of routed experts, how many different ones one execution reads: at least, as expected, at most.
    pub fn experts(&self) -> Option<(u64, f64, u64)> {
        let Reads { least, expected, most } = self.reads;
        let each = self.repeat.max(1);
        (self.class == Class::Expert && self.op == Op::Matmul)
            .then(|| (least / each, expected / each as f64, most / each))
    }

    /// Weights that it owns, elements. Meaningful for a single pass, where `repeat` counts layers.
    pub fn stored_elements(&self) -> u128 {
        self.stored.map_or(0, |shape| self.op.cost(shape).weights_read * u128::from(self.repeat))
    }

    /// Rows and row length of the matrix that it reads; a single row where it reads rows.
    pub fn matrix(&self) -> (u64, u64) {
        match self.op {
            Op::Matmul => (self.shape.n, self.shape.k),
            _ => (1, self.shape.n),
        }
    }

    /// Bytes of `elements` of its stored operand.
    ///
    /// # Errors
    /// Misuse when they are no whole number of blocks; [`TensorTypes`](super::super::TensorTypes) have checked every row
    /// before.
    #[inline(always)]
    pub fn bytes(&self, elements: u128) -> Result<u128> {
        self.unit.bytes_of(elements).ok_or_else(|| {
            Error::misuse(format!("{}: {elements} elements are no whole number of {} blocks", self.name, self.operand))
        })
    }
}

/// Whether a routine reads weights.
pub(super) const fn weighs(op: Op) -> bool {
    matches!(op, Op::Matmul | Op::Gather | Op::RmsNorm | Op::LayerNorm | Op::GatedNorm | Op::Bias | Op::Conv)
}

#[inline(never)]
fn rounded(once: u128, times: f64) -> u128 {
    (once as f64 * times).round() as u128
}

/// Exact where the number of reads is certain.
#[inline(always)]
pub(super) fn expected(once: u128, reads: Reads) -> u128 {
    if reads.least == reads.most { once * u128::from(reads.most) } else { rounded(once, reads.expected) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routines_with_weights_are_known() {
        for op in Op::ALL {
            assert_eq!(weighs(op), op.cost(Shape::matmul(1, 1, 1)).weights_read > 0, "{op}");
        }
    }
}
