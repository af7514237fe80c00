//! The oracle of the chains of a GPU: `x ← x·x + c`; `x ← c·y + x` with `y ← -c·x + y`; and dot products of bytes.
//!
//! A GPU's `fma` may round its product or not, and may compute halves in single precision: each is lawful, but one
//! driver has to do the same everywhere.

use super::{Random, chain::round_to_half, fused::Fused};
use crate::dtype::Dtype;
use half::f16;

/// Lanes with start values of their own.
pub const LANES: usize = 256;
/// Constants that rounds take turns with.
pub const CONSTANTS: usize = 4;
/// The bits of a binary16 that are its exponent.
const HALF_EXPONENT: u16 = 0x7c00;

/// Where a step of a chain is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Once: a fused multiply-add, or no rounding at all.
    Once,
    /// The product, and the sum.
    Product,
    /// The sum to single precision, then to half.
    Single,
}

impl Rounding {
    /// Those that a chain of that type may have.
    pub const fn lawful(dtype: Dtype) -> &'static [Rounding] {
        match dtype {
            Dtype::F16 => &[Rounding::Once, Rounding::Product, Rounding::Single],
            Dtype::F32 => &[Rounding::Once, Rounding::Product],
            _ => &[Rounding::Once],
        }
    }
}

/// Inputs of chains: bit patterns, one to a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuChains {
    dtype: Dtype,
    /// Start values: for each element of each chain, one for each lane.
    pub starts: Vec<u32>,
    /// The constants.
    pub constants: [u32; CONSTANTS],
}

impl GpuChains {
    /// Random inputs for `elements` elements, those of all chains of an invocation: starts in [-1, 1), constants in
    /// [-1.9, -1.5), so that squares are chaotic and bounded; of bytes, random ones. `None` for types that have no such chain.
    pub fn new(dtype: Dtype, elements: usize, seed: u64) -> Option<GpuChains> {
        let mut random = Random::new(seed);
        let word: fn(f64, u64) -> u32 = match dtype {
            Dtype::F32 => |value, _| (value as f32).to_bits(),
            Dtype::F16 => |value, _| f16::from_f64(value).to_bits().into(),
            Dtype::I8 => |_, bits| bits as u32,
            _ => return None,
        };
        let mut words = |low: f64, high: f64| word(random.between(low, high), random.bits());
        let constants = std::array::from_fn(|_| words(-1.9, -1.5));
        Some(GpuChains { dtype, starts: (0..elements * LANES).map(|_| words(-1.0, 1.0)).collect(), constants })
    }

    /// For each lane and each constant: the wrapping sum of the bit patterns of all its elements after `steps` steps.
    pub fn sums(&self, steps: u32, rounding: Rounding) -> Vec<[u32; CONSTANTS]> {
        let mut sums = vec![[0_u32; CONSTANTS]; LANES];
        for row in self.starts.chunks(LANES) {
            for (start, lane) in row.iter().zip(&mut sums) {
                for (&constant, sum) in self.constants.iter().zip(lane) {
                    *sum = sum.wrapping_add(self.end(*start, constant, steps, rounding));
                }
            }
        }
        sums
    }

    /// The same of pairs of f32 that turn round each other: of every two chains of `vector` elements the first is x, the second y. A step
    /// is one of each, and both are bounded as long as |c| < 2 (the map keeps areas, and its trace is 2 - c²). Not of halves: a GPU may
    /// flush those near zero, and here that would show.
    pub fn sums_of_pairs(&self, steps: u32, rounding: Rounding, vector: usize) -> Vec<[u32; CONSTANTS]> {
        let mut sums = vec![[0_u32; CONSTANTS]; LANES];
        for pair in self.starts.chunks(2 * vector * LANES) {
            let (first, second) = pair.split_at(vector * LANES);
            for (at, (&x, &y)) in first.iter().zip(second).enumerate() {
                for (&constant, sum) in self.constants.iter().zip(&mut sums[at % LANES]) {
                    *sum = sum.wrapping_add(self.turned([x, y], constant, steps, rounding));
                }
            }
        }
        sums
    }

    /// The sum of both bit patterns after so many steps.
    fn turned(&self, start: [u32; 2], constant: u32, steps: u32, rounding: Rounding) -> u32 {
        let [x, y] = start.map(f32::from_bits);
        let c = f32::from_bits(constant);
        let (x, y) = (0..steps).fold((x, y), |(x, y), _| {
            let x = accumulated(c, y, x, rounding);
            (x, accumulated(-c, x, y, rounding))
        });
        x.to_bits().wrapping_add(y.to_bits())
    }

    /// The bit pattern after so many steps.
    fn end(&self, start: u32, constant: u32, steps: u32, rounding: Rounding) -> u32 {
        let single = f32::from_bits;
        let half = |bits: u32| f16::from_bits(bits as u16).to_f64();
        match self.dtype {
            Dtype::F32 => {
                (0..steps).fold(single(start), |x, _| accumulated(x, x, single(constant), rounding)).to_bits()
            }
            Dtype::F16 => {
                let x = (0..steps).fold(half(start), |x, _| square_half(x, half(constant), rounding));
                // Exact: it is a binary16. GPUs may flush subnormal ones to zero, as which they all count.
                let bits = f16::from_f64(x).to_bits();
                if bits & HALF_EXPONENT == 0 { 0 } else { bits.into() }
            }
            _ => (0..steps).fold(start, |x, _| x.wrapping_add(dot(x, constant) as u32)),
        }
    }
}

/// `a·b + c`.
fn accumulated(a: f32, b: f32, c: f32, rounding: Rounding) -> f32 {
    match rounding {
        Rounding::Product => a * b + c,
        _ => a.fused(b, c),
    }
}

/// Of binary16 numbers, kept in binary64, where product and sum are exact.
fn square_half(x: f64, c: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::Once => round_to_half(x * x + c),
        Rounding::Product => round_to_half(round_to_half(x * x) + c),
        Rounding::Single => round_to_half(f64::from((x * x + c) as f32)),
    }
}

/// The dot product of four signed bytes each.
fn dot(a: u32, b: u32) -> i32 {
    let bytes = |word: u32| word.to_le_bytes().map(|byte| i32::from(byte as i8));
    bytes(a).iter().zip(bytes(b)).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_signed() {
        assert_eq!(dot(0x0180_ff02, 0x0302_ff7f), 2 * 127 + 1 - 128 * 2 + 3);
    }

    #[test]
    fn pairs_stay_bounded_and_a_rounded_product_leads_elsewhere() {
        let chains = GpuChains::new(Dtype::F32, 4, 1).unwrap();
        let sums = [Rounding::Once, Rounding::Product].map(|rounding| chains.sums_of_pairs(128, rounding, 2));
        assert_ne!(sums[0], sums[1]);
        // Two elements to a vector: the third row is the partner of the first.
        let mut lane = [0_u32; CONSTANTS];
        for (first, second) in [(0, 2), (1, 3)] {
            let pair = [first, second].map(|row| chains.starts[row * LANES + 7]);
            for (&constant, sum) in chains.constants.iter().zip(&mut lane) {
                *sum = sum.wrapping_add(chains.turned(pair, constant, 128, Rounding::Once));
            }
        }
        assert_eq!(sums[0][7], lane);
        // The ellipse for |c| = 1.9 is 1/√(1 - c²/4) = 3.2 times as long as wide.
        let (mut x, mut y, c) = (1.0_f32, -1.0_f32, -1.9_f32);
        for _ in 0..10_000 {
            x = accumulated(c, y, x, Rounding::Once);
            y = accumulated(-c, x, y, Rounding::Once);
            assert!(x.abs() < 10.0 && y.abs() < 10.0);
        }
    }

    #[test]
    fn a_rounded_product_leads_elsewhere_and_nothing_escapes() {
        for dtype in [Dtype::F32, Dtype::F16] {
            let chains = GpuChains::new(dtype, 2, 1).unwrap();
            let sums: Vec<_> = Rounding::lawful(dtype).iter().map(|&rounding| chains.sums(128, rounding)).collect();
            // Through single precision nearly every sum is rounded as if once: only these two have to differ.
            assert_ne!(sums[0], sums[1], "{dtype}");
            for &rounding in Rounding::lawful(dtype) {
                for &start in &chains.starts {
                    let end = chains.end(start, chains.constants[0], 128, rounding);
                    let end =
                        if dtype == Dtype::F32 { f32::from_bits(end) } else { f16::from_bits(end as u16).to_f32() };
                    assert!(end.abs() < 2.0, "{dtype} {rounding:?}: {end}");
                }
            }
        }
        assert_eq!(GpuChains::new(Dtype::F64, 1, 1), None);
    }
}
