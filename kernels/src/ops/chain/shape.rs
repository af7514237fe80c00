//! What a chain computes and on how much.

use crate::dtype::Dtype;

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
    /// `x ← x + x·c`, rounded once: where the result of a multiply-accumulate replaces its addend.
    Growth,
    /// That, and the sums beside it.
    GrowthAndSum {
        /// As of the squares.
        sums: usize,
    },
    /// `acc ← acc + Σ aⱼ·bⱼ` over the narrow elements of a 32-bit lane; bytes of `a` have no sign.
    Dot,
    /// The same with signed bytes.
    SignedDot,
    /// `C ← C + A·Bᵀ` for each 128 bits: C has 2×2 lanes of 32 bits, A and B two rows of 64 bits each. Bytes are signed.
    Block,
    /// `acc ← acc + a·h`: h is a half from memory, converted to f32 on the way.
    Converted(Halves),
    /// `C ← C + Σ aⱼ ⊗ bⱼ` over the narrow elements of the lanes of two operands: C has as many rows and columns as these have lanes; a
    /// vector is such a tile.
    Outer,
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
        match self.recurrence {
            Recurrence::Square { .. }
            | Recurrence::SquareAndSum { .. }
            | Recurrence::Growth
            | Recurrence::GrowthAndSum { .. } => self.dtype.block().bytes as usize,
            Recurrence::Outer if matches!(self.dtype, Dtype::F64) => 8,
            _ => 4,
        }
    }

    /// Bytes of all accumulators and sums.
    pub const fn state_bytes(&self) -> usize {
        self.vector_bytes * (self.accumulators + self.sums())
    }

    /// Vectors of sums beside the accumulators.
    pub const fn sums(&self) -> usize {
        match self.recurrence {
            Recurrence::SquareAndSum { sums } | Recurrence::GrowthAndSum { sums } => sums,
            _ => 0,
        }
    }

    /// Bytes of the operands: three vectors, or one and the table of halves.
    pub const fn operand_bytes(&self) -> usize {
        match self.recurrence {
            Recurrence::Converted(_) => self.vector_bytes * (1 + CONVERTED_ROWS * self.accumulators / 2),
            // A row of the tile has as many lanes as it has rows.
            Recurrence::Outer => 3 * (self.vector_bytes / self.lane_bytes()).isqrt() * self.lane_bytes(),
            _ => 3 * self.vector_bytes,
        }
    }

    /// Multiply-accumulates of one step.
    pub const fn width(&self) -> usize {
        let lanes = self.vector_bytes * self.accumulators / self.lane_bytes();
        let per_lane = self.lane_bytes() / self.dtype.block().bytes as usize;
        match self.recurrence {
            Recurrence::Dot | Recurrence::SignedDot | Recurrence::Outer => per_lane * lanes,
            // Each lane meets two words.
            Recurrence::Block => 2 * per_lane * lanes,
            // A row of A and a column of B: sixteen times what a 32-bit lane holds.
            Recurrence::Tile => 16 * per_lane * lanes,
            _ => lanes,
        }
    }
}
