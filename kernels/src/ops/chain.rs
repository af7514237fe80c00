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
use crate::vector::{Float, Mac, Widen};
use std::hint::black_box;

/// Steps of one round. At one step per cycle a round is about a microsecond: long beside its 2·N loads and stores.
pub const STEPS: usize = 4096;

/// Rows of the table of halves that a converted chain walks, over and over: a few KiB, at home in the first-level cache.
pub const CONVERTED_ROWS: usize = 16;

/// What a chain computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// `x ← x·x + c`.
    Square {
        /// Whether product and sum are rounded once.
        fused: bool,
    },
    /// The fused square and, beside it, `y ← y + x` into the first `sums` vectors' own sums: one addition that no
    /// multiply-accumulate waits for.
    SquareAndSum {
        /// Vectors of sums, at most as many as there are squares.
        sums: usize,
    },
    /// `acc ← acc + Σ aⱼ·bⱼ` over the narrow elements of a 32-bit lane.
    Dot,
    /// `acc ← acc + a·h`: h is a half from memory, converted to f32 on the way.
    Converted(Halves),
    /// `C ← C + A·B` over tiles of 16 rows of 64 bytes; a vector is a tile.
    Tile,
}

/// How a vector of halves becomes two vectors of f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halves {
    /// Its first and its second half.
    Apart,
    /// Its even and its odd elements.
    Interleaved,
}

/// What a chain kernel computes and on how much: all that the oracle needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainShape {
    /// The type of its operands.
    pub dtype: Dtype,
    /// What it computes.
    pub recurrence: Recurrence,
    /// Bytes of one vector.
    pub vector_bytes: usize,
    /// Independent accumulator vectors that multiply.
    pub accumulators: usize,
}

impl ChainShape {
    /// Bytes of one accumulator.
    pub const fn lane_bytes(&self) -> usize {
        match (self.recurrence, self.dtype) {
            (Recurrence::Square { .. } | Recurrence::SquareAndSum { .. }, Dtype::F64) => 8,
            (Recurrence::Square { .. } | Recurrence::SquareAndSum { .. }, Dtype::F16) => 2,
            _ => 4,
        }
    }

    /// Bytes of all accumulators and sums.
    pub const fn state_bytes(&self) -> usize {
        let sums = if let Recurrence::SquareAndSum { sums } = self.recurrence { sums } else { 0 };
        self.vector_bytes * (self.accumulators + sums)
    }

    /// Bytes of the operands: three vectors, or one and the table of halves.
    pub const fn operand_bytes(&self) -> usize {
        match self.recurrence {
            Recurrence::Converted(_) => self.vector_bytes * (1 + CONVERTED_ROWS * self.accumulators / 2),
            _ => 3 * self.vector_bytes,
        }
    }

    /// Multiply-accumulates of one step.
    pub const fn width(&self) -> usize {
        let lanes = self.vector_bytes * self.accumulators / self.lane_bytes();
        match (self.recurrence, self.dtype) {
            (Recurrence::Dot, Dtype::Bf16) => 2 * lanes,
            (Recurrence::Dot, _) => 4 * lanes,
            // A row of A and a column of B: sixteen times what a 32-bit lane holds.
            (Recurrence::Tile, Dtype::Bf16) => 16 * 2 * lanes,
            (Recurrence::Tile, _) => 16 * 4 * lanes,
            _ => lanes,
        }
    }
}

pub(crate) type ChainFn = unsafe fn(start: *const u8, operands: *const u8, rounds: u64, sums: *mut u8);

/// What an instruction set file says of one kernel.
pub(crate) struct ChainEntry {
    pub(crate) isa: Isa,
    pub(crate) shape: ChainShape,
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

    /// The kernel for `op` ([`Op::Chain`] or [`Op::ChainAdd`]) and `dtype` on `isa`, if there is one and this CPU can
    /// run it.
    pub fn find(op: Op, dtype: Dtype, isa: Isa) -> Option<ChainKernel> {
        ChainKernel::all().find(|k| k.op() == op && k.dtype() == dtype && k.isa() == isa)
    }

    /// What it does: multiply-accumulates alone, or with additions beside them.
    pub fn op(self) -> Op {
        match self.shape().recurrence {
            Recurrence::SquareAndSum { .. } => Op::ChainAdd,
            _ => Op::Chain,
        }
    }

    /// The type of its operands.
    pub fn dtype(self) -> Dtype {
        self.shape().dtype
    }

    /// The instruction set it uses.
    pub fn isa(self) -> Isa {
        self.entry.isa
    }

    /// What it computes, and on how much.
    pub fn shape(self) -> ChainShape {
        self.entry.shape
    }

    /// What `rounds` rounds cost.
    pub fn cost(self, rounds: u64) -> Cost {
        let (shape, steps) = (self.shape(), STEPS as u64 * rounds);
        let sums = match shape.recurrence {
            Recurrence::SquareAndSum { sums } => sums * shape.vector_bytes / shape.lane_bytes(),
            _ => 0,
        };
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
        self.sums.fill(0);
        // SAFETY: the entry was handed out only because the CPU has its ISA; start values, sums and operands have the
        // sizes of the kernel's own shape, and are read and written by unaligned accesses.
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
        reference::chain_sums(&self.kernel.shape(), &self.expected, rounds) == self.sums
    }
}

/// Adds the bits of all accumulators to the sums, which lie in the same order.
///
/// # Safety
/// `M`'s ISA is available; `N` vectors at `sums`.
#[inline(always)]
unsafe fn sum_up<M: Mac, const N: usize>(acc: [M; N], sums: *mut u8) {
    for (i, a) in acc.into_iter().enumerate() {
        // SAFETY: offsets stay within the N vectors of the contract.
        unsafe {
            let sum = sums.add(i * M::BYTES);
            M::load(sum).add_bits(a).store(sum);
        }
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
            sum_up(acc, sums);
        }
    }
}

/// Squares with additions beside them, each of the square just made: no constant takes a register.
///
/// # Safety
/// `M`'s ISA is available; `N + S` vectors at `start` and `sums`, three at `operands`; S ≤ N.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "so far only x86 files instantiate it"))]
#[inline(always)]
pub(crate) unsafe fn chain_and_sum<M: Float, const N: usize, const S: usize>(
    start: *const u8,
    operands: *const u8,
    rounds: u64,
    sums: *mut u8,
) {
    // SAFETY: offsets stay within the N + S (three) vectors of the contract.
    unsafe {
        for _ in 0..rounds {
            let (start, operands) = (black_box(start), black_box(operands));
            let operands = [M::load(operands); 3];
            let mut acc: [M; N] = std::array::from_fn(|i| M::load(start.add(i * M::BYTES)));
            let mut sum: [M; S] = std::array::from_fn(|i| M::load(start.add((N + i) * M::BYTES)));
            for _ in 0..STEPS {
                for a in &mut acc {
                    *a = a.step::<false>(&operands);
                }
                for (s, a) in sum.iter_mut().zip(acc) {
                    *s = s.add(a);
                }
            }
            sum_up(acc, sums);
            sum_up(sum, sums.add(N * M::BYTES));
        }
    }
}

/// Multiply-accumulates whose second factor is a half from memory.
///
/// # Safety
/// `M`'s ISA is available; `N` (an even number) vectors at `start` and `sums`; at `operands` one, and behind it the table:
/// [`CONVERTED_ROWS`] rows of N/2.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "so far only x86 files instantiate it"))]
#[inline(always)]
pub(crate) unsafe fn chain_converted<M: Float, W: Widen<M>, const N: usize>(
    start: *const u8,
    operands: *const u8,
    rounds: u64,
    sums: *mut u8,
) {
    const { assert!(N.is_multiple_of(2)) };
    // SAFETY: offsets stay within the vectors of the contract.
    unsafe {
        for _ in 0..rounds {
            let (start, operands) = (black_box(start), black_box(operands));
            let factor = M::load(operands);
            let mut acc: [M; N] = std::array::from_fn(|i| M::load(start.add(i * M::BYTES)));
            for _ in 0..STEPS / CONVERTED_ROWS {
                // Opaque for each walk over the table: its conversions must not be kept from one to the next.
                let table = black_box(operands.add(M::BYTES));
                let mut row = table;
                let end = table.add(CONVERTED_ROWS * N / 2 * M::BYTES);
                while row < end {
                    for (i, pair) in acc.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                        let [first, second] = W::pair(row.add(i * M::BYTES));
                        *pair = [factor.mul_add(first, pair[0]), factor.mul_add(second, pair[1])];
                    }
                    row = row.add(N / 2 * M::BYTES);
                }
            }
            sum_up(acc, sums);
        }
    }
}

/// Instantiates a chain as a function with its target features, and names its entry.
///
/// `mac` is the plain recurrence of a multiply-accumulate; `sum` the square with that many sums beside it; `halves` the
/// converted one, widened as named.
macro_rules! chain_entry {
    ($name:ident, $isa:expr, $dtype:expr, $recurrence:expr, mac: $mac:ty, $n:literal $(, #[$features:meta])?) => {
        $crate::ops::chain::chain_entry!(@ $name, $isa, $dtype, $recurrence, $mac, $n,
            $crate::ops::chain::chain::<$mac, $n> $(, #[$features])?);
    };
    ($name:ident, $isa:expr, $dtype:expr, sum: $mac:ty, $n:literal, $s:literal $(, #[$features:meta])?) => {
        $crate::ops::chain::chain_entry!(@ $name, $isa, $dtype, Recurrence::SquareAndSum { sums: $s }, $mac, $n,
            $crate::ops::chain::chain_and_sum::<$mac, $n, $s> $(, #[$features])?);
    };
    ($name:ident, $isa:expr, $dtype:expr, $halves:expr, halves: $mac:ty, $widen:ty, $n:literal
     $(, #[$features:meta])?) => {
        $crate::ops::chain::chain_entry!(@ $name, $isa, $dtype, Recurrence::Converted($halves), $mac, $n,
            $crate::ops::chain::chain_converted::<$mac, $widen, $n> $(, #[$features])?);
    };
    (@ $name:ident, $isa:expr, $dtype:expr, $recurrence:expr, $mac:ty, $n:literal, $chain:expr
     $(, #[$features:meta])?) => {
        const $name: ChainEntry = {
            /// # Safety
            /// The instruction set is available; pointers as the chain asks.
            $(#[$features])?
            unsafe fn run(start: *const u8, operands: *const u8, rounds: u64, sums: *mut u8) {
                // SAFETY: passed on from the caller.
                unsafe { $chain(start, operands, rounds, sums) }
            }
            ChainEntry {
                isa: $isa,
                shape: ChainShape {
                    dtype: $dtype,
                    recurrence: $recurrence,
                    vector_bytes: <$mac as Mac>::BYTES,
                    accumulators: $n,
                },
                run,
            }
        };
    };
}
pub(crate) use chain_entry;
