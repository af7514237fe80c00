//! The oracle: what each routine must come to, written as a student would, one element at a time.

pub mod attention;
pub mod gpu_chain;
pub mod gpu_tiles;
pub mod matmul;
pub mod rows;

use crate::op::Op;
use crate::ops::stream::Checksum;
use fused::Fused;

mod blocks;
mod chain;
mod fused;

pub use crate::random::Random;
pub use chain::{ChainInputs, chain, chain_inputs, chain_sums};

/// Element `i` of the output of a stream operation: `value(x, y, s)`.
pub fn stream(op: Op, x: f64, y: f64, s: f64) -> f64 {
    match op {
        Op::Write => s,
        Op::Copy => x,
        Op::Scale => s * x,
        Op::Add => x + y,
        Op::Triad => x + s * y,
        _ => f64::NAN,
    }
}

/// Whether a stream's output element is right: equal, or within the one rounding that a fused multiply-add saves.
pub fn stream_agrees(op: Op, got: f64, x: f64, y: f64, s: f64) -> bool {
    let want = stream(op, x, y, s);
    match op {
        Op::Triad => (got - want).abs() <= f64::EPSILON * ((s * y).abs() + want.abs()),
        _ => got.to_bits() == want.to_bits(),
    }
}

/// The same in binary32, as GPUs do it: there the product of a triad may be rounded on its own or not, as the driver likes.
pub fn stream_agrees_f32(op: Op, got: f32, x: f32, y: f32, s: f32) -> bool {
    match op {
        Op::Write => got.to_bits() == s.to_bits(),
        Op::Copy => got.to_bits() == x.to_bits(),
        Op::Scale => got.to_bits() == (s * x).to_bits(),
        Op::Add => got.to_bits() == (x + y).to_bits(),
        Op::Triad => [x + s * y, s.fused(y, x)].iter().any(|want| got.to_bits() == want.to_bits()),
        _ => false,
    }
}

/// Whether every element of a stream's output is right.
pub fn stream_verified(op: Op, x: &[f64], y: &[f64], out: &[f64], s: f64) -> bool {
    x.iter().zip(y).zip(out).all(|((&x, &y), &got)| stream_agrees(op, got, x, y, s))
}

/// The checksum of one walk of a read.
pub fn checksum(kind: Checksum, x: &[f64]) -> u64 {
    match kind {
        Checksum::Sum => x.iter().fold(0, |sum, value| sum.wrapping_add(value.to_bits())),
        Checksum::Xor => {
            let mut lanes = [0_u64; 8];
            for (i, value) in x.iter().enumerate() {
                lanes[i % 8] ^= value.to_bits();
            }
            lanes.into_iter().fold(0, u64::wrapping_add)
        }
    }
}
