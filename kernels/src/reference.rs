//! The oracle: what each routine must come to, written as a student would, one element at a time.

pub mod matmul;

use crate::dtype::Dtype;
use crate::op::Op;
use crate::ops::chain::accumulator_bytes;

/// A small generator of random bits (SplitMix64, Steele, Lea, Flood 2014): deterministic, incompressible.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    pub fn signed_unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (2.0 / (1_u64 << 53) as f64) - 1.0
    }

    /// Fills an array with values uniform in [-1, 1).
    pub fn fill(&mut self, array: &mut [f64]) {
        array.iter_mut().for_each(|value| *value = self.signed_unit());
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (self.signed_unit() + 1.0) / 2.0 * (high - low)
    }

    fn integer(&mut self, magnitude: i32) -> i32 {
        (self.bits() % (2 * magnitude as u64 + 1)) as i32 - magnitude
    }
}

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

/// Whether every element of a stream's output is right.
pub fn stream_verified(op: Op, x: &[f64], y: &[f64], out: &[f64], s: f64) -> bool {
    x.iter().zip(y).zip(out).all(|((&x, &y), &got)| stream_agrees(op, got, x, y, s))
}

/// The checksum of a read: the wrapping sum of the elements' bit patterns.
pub fn checksum(x: &[f64]) -> u64 {
    x.iter().fold(0, |sum, value| sum.wrapping_add(value.to_bits()))
}

/// Start values of all accumulators and three operand vectors, as bytes.
#[derive(Clone, Debug)]
pub struct ChainInputs {
    /// Accumulators, all vectors one after another.
    pub start: Vec<u8>,
    /// Three vectors; what they mean is the data type's own, see [`chain`].
    pub operands: Vec<u8>,
}

/// Random inputs of a chain, such that values stay bounded and exact for any number of steps that a round takes.
///
/// - f64, f32: `x ← x·x + c`, |x| < 1 and c in −1.9 … −1.5: chaotic, bounded by 1.9, every mantissa bit busy.
/// - bf16: `acc ← acc + a·b` (dot of two), b alternating between two nearly opposite operands of small integers: sums
///   stay below 2²⁴, so that every order of rounding gives the same result.
/// - i8: `acc ← acc + Σⱼ u8(accⱼ)·bⱼ` (dot of four) with wrapping 32-bit sums; |b| ≤ 63 keeps the pairwise 16-bit sums
///   of AVX2's two-step product from saturating (255·63·2 < 2¹⁵).
pub fn chain_inputs(dtype: Dtype, start_bytes: usize, vector_bytes: usize, seed: u64) -> ChainInputs {
    let mut random = Random::new(seed);
    let random = &mut random;
    match dtype {
        Dtype::F64 => ChainInputs {
            start: fill(start_bytes, || random.signed_unit().to_ne_bytes()),
            operands: fill(3 * vector_bytes, || random.between(-1.9, -1.5).to_ne_bytes()),
        },
        Dtype::I8 => ChainInputs {
            start: fill(start_bytes, || (random.bits() as u32).to_ne_bytes()),
            operands: fill(3 * vector_bytes, || (random.integer(63) as i8).to_ne_bytes()),
        },
        Dtype::Bf16 => {
            let a = fill(vector_bytes, || bf16(random.integer(100)));
            let b = fill(vector_bytes, || bf16(random.integer(100)));
            // Opposite but for one: the sum drifts by |a| per two steps and cannot be folded to nothing.
            let opposite = b.as_chunks::<2>().0.iter().flat_map(|&pair| bf16(1 - from_bf16(pair) as i32));
            ChainInputs {
                start: fill(start_bytes, || (random.integer(1000) as f32).to_ne_bytes()),
                operands: [a, b.clone(), opposite.collect()].concat(),
            }
        }
        // F32 stands for every type that multiplies in 32-bit lanes.
        _ => ChainInputs {
            start: fill(start_bytes, || (random.signed_unit() as f32).to_ne_bytes()),
            operands: fill(3 * vector_bytes, || (random.between(-1.9, -1.5) as f32).to_ne_bytes()),
        },
    }
}

fn fill<const N: usize>(bytes: usize, mut word: impl FnMut() -> [u8; N]) -> Vec<u8> {
    (0..bytes / N).flat_map(|_| word()).collect()
}

fn bf16(value: i32) -> [u8; 2] {
    ((value as f32).to_bits() >> 16).to_ne_bytes()[..2].try_into().unwrap_or_default()
}

fn from_bf16(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_ne_bytes(bytes)) << 16)
}

/// The accumulators after `steps` steps. Vector `v` of the start uses the same operand lanes as every other vector.
pub fn chain(dtype: Dtype, fused: bool, inputs: &ChainInputs, steps: usize) -> Vec<u8> {
    let vector_bytes = inputs.operands.len() / 3;
    let lane_bytes = accumulator_bytes(dtype);
    let lanes = inputs.start.chunks(lane_bytes).enumerate();
    lanes
        .flat_map(|(index, lane)| {
            let at = index * lane_bytes % vector_bytes;
            let operand = |which: usize| &inputs.operands[which * vector_bytes + at..][..lane_bytes];
            match dtype {
                Dtype::F64 => chain_f64(lane, operand(0), fused, steps),
                Dtype::I8 => chain_i8(lane, operand(0), steps),
                Dtype::Bf16 => chain_bf16(lane, operand(0), [operand(1), operand(2)], steps),
                _ => chain_f32(lane, operand(0), fused, steps),
            }
        })
        .collect()
}

fn bytes<const N: usize>(slice: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| slice[i])
}

fn chain_f64(x: &[u8], c: &[u8], fused: bool, steps: usize) -> Vec<u8> {
    let (mut x, c) = (f64::from_ne_bytes(bytes(x)), f64::from_ne_bytes(bytes(c)));
    for _ in 0..steps {
        x = if fused { x.mul_add(x, c) } else { x * x + c };
    }
    x.to_ne_bytes().to_vec()
}

fn chain_f32(x: &[u8], c: &[u8], fused: bool, steps: usize) -> Vec<u8> {
    let (mut x, c) = (f32::from_ne_bytes(bytes(x)), f32::from_ne_bytes(bytes(c)));
    for _ in 0..steps {
        x = if fused { x.mul_add(x, c) } else { x * x + c };
    }
    x.to_ne_bytes().to_vec()
}

fn chain_i8(acc: &[u8], b: &[u8], steps: usize) -> Vec<u8> {
    let mut acc = i32::from_ne_bytes(bytes(acc));
    let b = bytes::<4>(b).map(|b| i32::from(b as i8));
    for _ in 0..steps {
        let u = acc.to_ne_bytes().map(i32::from);
        let dot: i32 = u.into_iter().zip(b).map(|(u, b)| u * b).sum();
        acc = acc.wrapping_add(dot);
    }
    acc.to_ne_bytes().to_vec()
}

fn chain_bf16(acc: &[u8], a: &[u8], b: [&[u8]; 2], steps: usize) -> Vec<u8> {
    let mut acc = f32::from_ne_bytes(bytes(acc));
    let pair = |s: &[u8]| [from_bf16([s[0], s[1]]), from_bf16([s[2], s[3]])];
    let (a, b) = (pair(a), b.map(pair));
    for step in 0..steps {
        let b = b[step % 2];
        acc += a[0] * b[0] + a[1] * b[1];
    }
    acc.to_ne_bytes().to_vec()
}

/// What the sums must hold after `rounds` rounds that each end in `last`: lane by lane, wrapping.
pub fn chain_sums(dtype: Dtype, last: &[u8], rounds: u64) -> Vec<u8> {
    if accumulator_bytes(dtype) == 8 {
        let lanes = last.as_chunks::<8>().0.iter();
        lanes.flat_map(|&lane| u64::from_ne_bytes(lane).wrapping_mul(rounds).to_ne_bytes()).collect()
    } else {
        let lanes = last.as_chunks::<4>().0.iter();
        lanes.flat_map(|&lane| u32::from_ne_bytes(lane).wrapping_mul(rounds as u32).to_ne_bytes()).collect()
    }
}
