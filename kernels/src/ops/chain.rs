//! Chains: multiply-accumulate recurrences in registers, the compute peak of an instruction.
//!
//! ```text
//! each round:  acc[i] = start[i]                     for every accumulator vector i
//!              repeat STEPS times: acc[i] = step(acc[i], operands)
//!              sums[i] += bits(acc[i])               wrapping
//! ```
//!
//! A step depends on the step before it in every lane, and the values come from memory at run time, so nothing can be
//! folded or hoisted. Each round starts from the same values, so that `sums` after R rounds must be R times the
//! oracle's result, exactly: every timed operation is verified.

use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::op::{Cost, Op, Shape};
use crate::reference;
use crate::vector::Mac;
use std::hint::black_box;

/// Steps of one round. At one step per cycle a round is about a microsecond: long beside its 2·N loads and stores.
pub const STEPS: usize = 4096;

pub(crate) type ChainFn = unsafe fn(start: *const u8, operands: *const u8, rounds: u64, sums: *mut u8);

/// What an instruction set file says of one kernel.
pub(crate) struct ChainEntry {
    pub(crate) isa: Isa,
    pub(crate) dtype: Dtype,
    /// Bytes of one vector.
    pub(crate) vector_bytes: usize,
    /// Independent accumulator vectors.
    pub(crate) accumulators: usize,
    /// Whether multiply and add round once.
    pub(crate) fused: bool,
    pub(crate) run: ChainFn,
}

/// A chain kernel that this CPU can run.
#[derive(Clone, Copy)]
pub struct ChainKernel {
    entry: &'static ChainEntry,
}

impl ChainKernel {
    /// Every chain kernel that this CPU can run.
    pub fn all() -> impl Iterator<Item = ChainKernel> {
        crate::arch::chains().filter(|entry| entry.isa.available()).map(|entry| ChainKernel { entry })
    }

    /// The kernel for `dtype` on `isa`, if there is one and this CPU can run it.
    pub fn find(dtype: Dtype, isa: Isa) -> Option<ChainKernel> {
        ChainKernel::all().find(|k| k.dtype() == dtype && k.isa() == isa)
    }

    /// The type of its operands.
    pub fn dtype(self) -> Dtype {
        self.entry.dtype
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// Multiply-accumulates of one step: all lanes of all accumulators.
    pub fn width(self) -> usize {
        self.bytes() / accumulator_bytes(self.dtype()) * macs_per_accumulator(self.dtype())
    }

    /// What `rounds` rounds cost.
    pub fn cost(self, rounds: u64) -> Cost {
        Op::Chain.cost(Shape::chain(self.width() as u64, STEPS as u64 * rounds))
    }

    fn bytes(self) -> usize {
        self.entry.vector_bytes * self.entry.accumulators
    }

    /// Random operands for this kernel, and what one round of it must come to.
    pub fn prepare(self, seed: u64) -> ChainState {
        let inputs = reference::chain_inputs(self.dtype(), self.bytes(), self.entry.vector_bytes, seed);
        let expected = reference::chain(self.dtype(), self.entry.fused, &inputs, STEPS);
        ChainState { kernel: self, inputs, expected, sums: vec![0; self.bytes()] }
    }
}

/// Bytes of one accumulator: the lane that a multiply-accumulate of `dtype` adds into.
pub(crate) fn accumulator_bytes(dtype: Dtype) -> usize {
    if dtype == Dtype::F64 { 8 } else { 4 }
}

/// Multiply-accumulates that one accumulator lane takes in per step: a dot product for the narrow types.
fn macs_per_accumulator(dtype: Dtype) -> usize {
    match dtype {
        Dtype::Bf16 => 2,
        Dtype::I8 => 4,
        _ => 1,
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
        self.sums.fill(0);
        // SAFETY: the entry was handed out only because the CPU has its ISA; the start values and the sums hold
        // `accumulators` vectors and the operands three, as the kernel reads them (unaligned accesses).
        unsafe {
            (self.kernel.entry.run)(
                self.inputs.start.as_ptr(),
                self.inputs.operands.as_ptr(),
                rounds,
                self.sums.as_mut_ptr(),
            );
        }
    }

    /// Whether the last run of `rounds` rounds gave exactly what the oracle says.
    pub fn verified(&self, rounds: u64) -> bool {
        reference::chain_sums(self.kernel.dtype(), &self.expected, rounds) == self.sums
    }
}

/// # Safety
/// `M`'s ISA is available; `N` vectors at `start` and `sums`, three at `operands`.
#[inline(always)]
pub(crate) unsafe fn chain<M: Mac, const N: usize>(start: *const u8, operands: *const u8, rounds: u64, sums: *mut u8) {
    // SAFETY: offsets stay within the N (three) vectors of the contract.
    unsafe {
        for _ in 0..rounds {
            // A fresh opaque pointer each round: the compiler cannot know that the rounds repeat each other.
            let (start, operands) = (black_box(start), black_box(operands));
            let operands = [M::load(operands), M::load(operands.add(M::BYTES)), M::load(operands.add(2 * M::BYTES))];
            let mut acc: [M; N] = std::array::from_fn(|i| M::load(start.add(i * M::BYTES)));
            for _ in 0..STEPS / 2 {
                for a in &mut acc {
                    *a = a.step::<false>(&operands);
                }
                for a in &mut acc {
                    *a = a.step::<true>(&operands);
                }
            }
            for (i, a) in acc.into_iter().enumerate() {
                let sum = sums.add(i * M::BYTES);
                M::load(sum).add_bits(a).store(sum);
            }
        }
    }
}

/// Instantiates a chain for one multiply-accumulate as a function with its target features, and names its entry.
macro_rules! chain_entry {
    ($name:ident, $isa:expr, $dtype:expr, $mac:ty, $accumulators:literal, fused: $fused:literal $(, #[$features:meta])?) => {
        const $name: ChainEntry = {
            /// # Safety
            /// The instruction set is available; pointers as `chain` asks.
            $(#[$features])?
            unsafe fn run(start: *const u8, operands: *const u8, rounds: u64, sums: *mut u8) {
                // SAFETY: passed on from the caller.
                unsafe { chain::<$mac, $accumulators>(start, operands, rounds, sums) }
            }
            ChainEntry {
                isa: $isa,
                dtype: $dtype,
                vector_bytes: <$mac as Mac>::BYTES,
                accumulators: $accumulators,
                fused: $fused,
                run,
            }
        };
    };
}
pub(crate) use chain_entry;
