//! A chain kernel and its operands, ready to be timed.

use super::shape::{ChainShape, Recurrence, STEPS};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::{Cost, Op, Shape};
use crate::reference;
use crate::simd::{Scale, scaled};

/// The operands of a chain, its rounds and where their sums go.
pub(crate) struct ChainArguments<'a> {
    /// All accumulators and sums.
    pub(crate) start: &'a [u8],
    /// [`ChainShape::operand_bytes`].
    pub(crate) operands: &'a [u8],
    pub(crate) rounds: u64,
    /// In the order of `start`.
    pub(crate) sums: &'a mut [u8],
}

/// One kernel in the table of an instruction set.
pub(crate) struct ChainEntry {
    pub(crate) isa: Isa,
    pub(crate) shape: ChainShape,
    /// What the shape's vectors are to be multiplied by.
    pub(crate) scale: Scale,
    pub(crate) run: unsafe fn(ChainArguments<'_>),
}

impl ChainEntry {
    /// Multiply-accumulates alone, or with additions beside them.
    pub(crate) const fn op(&self) -> Op {
        match self.shape.recurrence {
            Recurrence::SquareAndSum { .. } | Recurrence::GrowthAndSum { .. } => Op::ChainAdd,
            _ => Op::Chain,
        }
    }
}

/// A chain kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct ChainKernel {
    entry: &'static ChainEntry,
}

impl ChainKernel {
    /// # Safety
    /// The entry's instruction set is available.
    pub(crate) unsafe fn new(entry: &'static ChainEntry) -> ChainKernel {
        ChainKernel { entry }
    }

    /// What it does: multiply-accumulates alone, or with additions beside them.
    pub fn op(self) -> Op {
        self.entry.op()
    }

    /// The type of its operands.
    pub fn dtype(self) -> Dtype {
        self.entry.shape.dtype
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// What it computes, and on how much.
    pub fn shape(self) -> ChainShape {
        let shape = self.entry.shape;
        ChainShape { vector_bytes: scaled(shape.vector_bytes, self.entry.scale), ..shape }
    }

    /// What `rounds` rounds cost.
    pub fn cost(self, rounds: u64) -> Cost {
        let (shape, steps) = (self.shape(), STEPS as u64 * rounds);
        let sums = shape.sums() * shape.vector_bytes / shape.lane_bytes();
        self.op().cost(Shape::chain(shape.width() as u64, sums as u64, steps))
    }

    /// Random operands for this kernel, and what one round of it must come to.
    pub fn prepare(self, seed: u64) -> ChainState {
        let inputs = reference::chain_inputs(&self.shape(), seed);
        let expected = reference::chain(&self.shape(), &inputs, STEPS);
        ChainState { kernel: self, inputs, expected, sums: vec![0; self.shape().state_bytes()] }
    }
}

/// A chain kernel with its operands, ready to be timed.
pub struct ChainState {
    kernel: ChainKernel,
    inputs: reference::ChainInputs,
    expected: Vec<u8>,
    sums: Vec<u8>,
}

impl ChainState {
    /// Runs `rounds` rounds of [`STEPS`] steps.
    pub fn run(&mut self, rounds: u64) {
        self.begin();
        self.go_on(rounds);
    }

    /// Begins a run of stretches.
    pub fn begin(&mut self) {
        self.sums.fill(0);
    }

    /// Runs `rounds` rounds more.
    pub fn go_on(&mut self, rounds: u64) {
        let (start, operands, sums) = (&self.inputs.start, &self.inputs.operands, &mut self.sums);
        // SAFETY: whoever made the kernel vouched for its instruction set; start values, sums and operands have the sizes
        // of its own shape.
        unsafe { (self.kernel.entry.run)(ChainArguments { start, operands, rounds, sums }) }
    }

    /// Whether the last run, of `rounds` rounds in all, gave exactly what the oracle says.
    pub fn verified(&self, rounds: u64) -> bool {
        reference::chain_sums(&self.kernel.shape(), &self.expected, rounds) == self.sums
    }
}
