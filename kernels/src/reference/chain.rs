//! The oracle of the chains: each recurrence one lane after another.

use super::{Random, fused::Fused};
use crate::dtype::Dtype;
use crate::ops::chain::{CONVERTED_ROWS, ChainShape, Halves, Recurrence};
use half::f16;

/// Start values of all accumulators, and the operands, as bytes.
#[derive(Clone, Debug)]
pub struct ChainInputs {
    /// Accumulators, all vectors one after another; behind them those of the sums, where the recurrence has some.
    pub start: Vec<u8>,
    /// Three vectors, or one and a table; what they mean is the recurrence's own, see [`chain_inputs`].
    pub operands: Vec<u8>,
}

/// Random inputs of a chain, such that values stay bounded and exact for any number of steps that a round takes.
///
/// - squares: `x ← x·x + c`, |x| < 1 and c in −1.9 … −1.5: chaotic, bounded by 1.9, every mantissa bit busy. Sums beside
///   them, `y ← y + x`, stay below 1.9 times the steps.
/// - growth: `x ← x + x·c`, x starting at ½ to 1 and c of magnitude 1 to 1.9 times 2⁻¹⁰: a round of 4096 steps makes 2000 times
///   as much of it or as little, and moves at least the last bit of a binary16.
/// - dot products of bf16: `acc ← acc + a·b`, b alternating between two nearly opposite operands of small integers: sums
///   stay below 2²⁴, so that every order of rounding gives the same result.
/// - dot products of i8: `acc ← acc + Σⱼ u8(accⱼ)·bⱼ` (dot of four) with wrapping 32-bit sums; |b| ≤ 63 keeps the pairwise
///   16-bit sums of AVX2's two-step product from saturating (255·63·2 < 2¹⁵), and so those of signed bytes. Tiles multiply a
///   tile of their own instead.
/// - outer products: as dot products of bf16, of all floating-point types; of bytes, those of the first operand have no sign.
/// - converted: `acc ← acc + a·h`, h from a table of halves, all of magnitude below 1.
pub fn chain_inputs(shape: &ChainShape, seed: u64) -> ChainInputs {
    let mut random = Random::new(seed);
    let random = &mut random;
    let (start_bytes, vector_bytes) = (shape.state_bytes(), shape.vector_bytes);
    use Recurrence::{Growth, GrowthAndSum, Square, SquareAndSum};
    match (shape.recurrence, shape.dtype) {
        (Square { .. } | SquareAndSum { .. } | Growth | GrowthAndSum { .. }, dtype) => match dtype {
            Dtype::F64 => squares::<f64>(shape, random),
            Dtype::F16 => squares::<Half>(shape, random),
            _ => squares::<f32>(shape, random),
        },
        (Recurrence::Outer, Dtype::F64) => whole_numbers(shape, random, |value| f64::from(value).to_ne_bytes()),
        (Recurrence::Outer, Dtype::F32) => whole_numbers(shape, random, |value| (value as f32).to_ne_bytes()),
        (Recurrence::Converted(_), dtype) => {
            let start = fill(start_bytes, || (random.signed_unit() as f32).to_ne_bytes());
            let a = fill(vector_bytes, || (random.signed_unit() as f32).to_ne_bytes());
            // Normal numbers of magnitude 1/8 to 1: a random sign and mantissa below one of three exponents.
            let table = fill(shape.operand_bytes() - vector_bytes, || {
                let (bits, exponent) = (random.bits() as u16, (random.bits() % 3) as u16);
                let half = match dtype {
                    Dtype::Bf16 => bits & 0x807f | (124 + exponent) << 7,
                    _ => bits & 0x83ff | (12 + exponent) << 10,
                };
                half.to_ne_bytes()
            });
            ChainInputs { start, operands: [a, table].concat() }
        }
        (_, Dtype::Bf16) => {
            let operand_bytes = shape.operand_bytes() / 3;
            let a = fill(operand_bytes, || bf16(random.integer(100)));
            let b = fill(operand_bytes, || bf16(random.integer(100)));
            // Opposite but for a random one: two steps add a product of its own to each lane, which tells which elements
            // met, and cannot be folded to nothing.
            let opposite: Vec<u8> =
                b.as_chunks::<2>().0.iter().flat_map(|&one| bf16(random.integer(1) - from_bf16(one) as i32)).collect();
            ChainInputs {
                start: fill(start_bytes, || (random.integer(1000) as f32).to_ne_bytes()),
                operands: [a, b, opposite].concat(),
            }
        }
        _ => ChainInputs {
            start: fill(start_bytes, || (random.bits() as u32).to_ne_bytes()),
            operands: fill(shape.operand_bytes(), || (random.integer(63) as i8).to_ne_bytes()),
        },
    }
}

/// Start values, a first operand, a second one and one that is its opposite but for a random one.
fn whole_numbers<const N: usize>(shape: &ChainShape, random: &mut Random, word: fn(i32) -> [u8; N]) -> ChainInputs {
    let lanes = shape.operand_bytes() / 3 / N;
    let [a, b] = [0, 1].map(|_| (0..lanes).map(|_| random.integer(100)).collect::<Vec<i32>>());
    let opposite = b.iter().map(|b| random.integer(1) - b).collect();
    let start = fill(shape.state_bytes(), || word(random.integer(1000)));
    ChainInputs { start, operands: [a, b, opposite].concat().into_iter().flat_map(word).collect() }
}

fn squares<T: Lane>(shape: &ChainShape, random: &mut Random) -> ChainInputs {
    let words = |bytes: usize, mut value: Box<dyn FnMut() -> f64 + '_>| -> Vec<u8> {
        (0..bytes / T::BYTES).flat_map(|_| T::rounded(value()).bytes()).collect()
    };
    if grows(shape) {
        let sign = |bits: u64| if bits.is_multiple_of(2) { 1.0 } else { -1.0 };
        return ChainInputs {
            start: words(shape.state_bytes(), Box::new(|| sign(random.bits()) * random.between(0.5, 1.0))),
            operands: words(
                shape.operand_bytes(),
                Box::new(|| sign(random.bits()) * random.between(1.0, 1.9) / 1024.0),
            ),
        };
    }
    ChainInputs {
        start: words(shape.state_bytes(), Box::new(|| random.signed_unit())),
        operands: words(shape.operand_bytes(), Box::new(|| random.between(-1.9, -1.5))),
    }
}

fn grows(shape: &ChainShape) -> bool {
    matches!(shape.recurrence, Recurrence::Growth | Recurrence::GrowthAndSum { .. })
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

/// A floating-point number that squares are taken of.
trait Lane: Copy {
    const BYTES: usize;
    fn rounded(value: f64) -> Self;
    fn read(bytes: &[u8]) -> Self;
    fn bytes(self) -> Vec<u8>;
    /// `self·self + c`, rounded once or twice.
    fn square(self, c: Self, fused: bool) -> Self;
    /// `self + self·c`, rounded once.
    fn grown(self, c: Self) -> Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! native_lane {
    ($float:ty) => {
        impl Lane for $float {
            const BYTES: usize = size_of::<$float>();
            fn rounded(value: f64) -> Self {
                value as $float
            }
            fn read(slice: &[u8]) -> Self {
                <$float>::from_ne_bytes(bytes(slice))
            }
            fn bytes(self) -> Vec<u8> {
                self.to_ne_bytes().to_vec()
            }
            fn square(self, c: Self, fused: bool) -> Self {
                if fused { self.fused(self, c) } else { self * self + c }
            }
            fn grown(self, c: Self) -> Self {
                self.fused(c, self)
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
        }
    };
}
native_lane!(f32);
native_lane!(f64);

/// A binary16, kept as the same number in binary64: products of two and sums of such with a third are exact there.
#[derive(Clone, Copy)]
struct Half(f64);

impl Lane for Half {
    const BYTES: usize = 2;
    fn rounded(value: f64) -> Self {
        Half(round_to_half(value))
    }
    fn read(slice: &[u8]) -> Self {
        Half(f16::from_ne_bytes(bytes(slice)).to_f64())
    }
    fn bytes(self) -> Vec<u8> {
        // Exact: it is a binary16.
        f16::from_f64(self.0).to_ne_bytes().to_vec()
    }
    fn square(self, c: Self, fused: bool) -> Self {
        let product = self.0 * self.0;
        Half(round_to_half(if fused { product } else { round_to_half(product) } + c.0))
    }
    fn grown(self, c: Self) -> Self {
        Half(round_to_half(self.0 * c.0 + self.0))
    }
    fn plus(self, other: Self) -> Self {
        Half(round_to_half(self.0 + other.0))
    }
}

/// The exponent of the least normal binary16, and the bits of its mantissa.
const HALF_EXPONENT_MIN: i32 = -14;
const HALF_MANTISSA_BITS: i32 = 10;

/// The nearest binary16, ties to even, of a number below its largest. By hand, for [`f16::from_f64`] may round twice: first
/// to f32, as the instructions do, or cutting off low bits.
pub(super) fn round_to_half(value: f64) -> f64 {
    let exponent = ((value.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(HALF_EXPONENT_MIN);
    let unit = f64::powi(2.0, exponent - HALF_MANTISSA_BITS);
    (value / unit).round_ties_even() * unit
}

/// The accumulators (and sums) after `steps` steps.
pub fn chain(shape: &ChainShape, inputs: &ChainInputs, steps: usize) -> Vec<u8> {
    use Recurrence::{Growth, GrowthAndSum, Square, SquareAndSum};
    match (shape.recurrence, shape.dtype) {
        (Square { .. } | SquareAndSum { .. } | Growth | GrowthAndSum { .. }, dtype) => match dtype {
            Dtype::F64 => square::<f64>(shape, inputs, steps),
            Dtype::F16 => square::<Half>(shape, inputs, steps),
            _ => square::<f32>(shape, inputs, steps),
        },
        (Recurrence::Converted(halves), _) => converted(shape, halves, inputs, steps),
        (Recurrence::Tile, _) => tile(shape, inputs, steps),
        (Recurrence::Outer, _) => outer(shape, inputs, steps),
        (Recurrence::Block, _) => {
            in_parts(shape, inputs, BLOCK_BYTES, |acc, operands| block(shape.dtype, acc, operands, steps))
        }
        (Recurrence::Dot | Recurrence::SignedDot, Dtype::Bf16) => {
            in_parts(shape, inputs, 4, |lane, [a, b, opposite]| dot_bf16(lane, a, [b, opposite], steps))
        }
        (Recurrence::Dot, _) => in_parts(shape, inputs, 4, |lane, [b, ..]| dot_i8(lane, b, steps, i32::from)),
        (Recurrence::SignedDot, _) => {
            in_parts(shape, inputs, 4, |lane, [b, ..]| dot_i8(lane, b, steps, |byte| i32::from(byte as i8)))
        }
    }
}

/// What becomes of the accumulators, `bytes` bytes at a time, given the same bytes of each operand.
fn in_parts(
    shape: &ChainShape,
    inputs: &ChainInputs,
    bytes: usize,
    part: impl Fn(&[u8], [&[u8]; 3]) -> Vec<u8>,
) -> Vec<u8> {
    let parts = inputs.start.chunks(bytes).enumerate();
    parts
        .flat_map(|(index, acc)| {
            let at = index * bytes % shape.vector_bytes;
            part(acc, [0, 1, 2].map(|which| &inputs.operands[which * shape.vector_bytes + at..][..bytes]))
        })
        .collect()
}

fn bytes<const N: usize>(slice: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| slice[i])
}

/// Squares or growth, and behind them the sums of the first ones, if there are such.
fn square<T: Lane>(shape: &ChainShape, inputs: &ChainInputs, steps: usize) -> Vec<u8> {
    let fused = shape.recurrence != Recurrence::Square { fused: false };
    let (squares, sums) = inputs.start.split_at(shape.vector_bytes * shape.accumulators);
    let mut after = (Vec::new(), Vec::new());
    for at in (0..squares.len()).step_by(T::BYTES) {
        let mut x = T::read(&squares[at..]);
        let c = T::read(&inputs.operands[at % shape.vector_bytes..]);
        let mut y = (at < sums.len()).then(|| T::read(&sums[at..]));
        for _ in 0..steps {
            x = if grows(shape) { x.grown(c) } else { x.square(c, fused) };
            y = y.map(|y| y.plus(x));
        }
        after.0.extend(x.bytes());
        after.1.extend(y.map(T::bytes).unwrap_or_default());
    }
    [after.0, after.1].concat()
}

fn converted(shape: &ChainShape, halves: Halves, inputs: &ChainInputs, steps: usize) -> Vec<u8> {
    let (a, table) = inputs.operands.split_at(shape.vector_bytes);
    let lanes = shape.vector_bytes / 4;
    let row_bytes = table.len() / CONVERTED_ROWS;
    let half = |step: usize, vector: usize, lane: usize| {
        // Two vectors of accumulators take one vector of halves: its first and second half, or its even and odd ones.
        let within = match halves {
            Halves::Apart => vector % 2 * lanes + lane,
            Halves::Interleaved => 2 * lane + vector % 2,
        };
        let at = step % CONVERTED_ROWS * row_bytes + vector / 2 * shape.vector_bytes + 2 * within;
        let bits = [table[at], table[at + 1]];
        if shape.dtype == Dtype::Bf16 { from_bf16(bits) } else { f16::from_ne_bytes(bits).to_f32() }
    };
    let start = inputs.start.as_chunks::<4>().0.iter().enumerate();
    start
        .flat_map(|(index, &bits)| {
            let (vector, lane) = (index / lanes, index % lanes);
            let a = f32::from_ne_bytes(bytes(&a[4 * lane..]));
            let acc = (0..steps).fold(f32::from_ne_bytes(bits), |acc, step| a.fused(half(step, vector, lane), acc));
            acc.to_ne_bytes()
        })
        .collect()
}

/// `number` says what a byte of the accumulator stands for.
fn dot_i8(acc: &[u8], b: &[u8], steps: usize, number: fn(u8) -> i32) -> Vec<u8> {
    let mut acc = i32::from_ne_bytes(bytes(acc));
    let b = bytes::<4>(b).map(|b| i32::from(b as i8));
    for _ in 0..steps {
        let u = acc.to_ne_bytes().map(number);
        let dot: i32 = u.into_iter().zip(b).map(|(u, b)| u * b).sum();
        acc = acc.wrapping_add(dot);
    }
    acc.to_ne_bytes().to_vec()
}

fn dot_bf16(acc: &[u8], a: &[u8], b: [&[u8]; 2], steps: usize) -> Vec<u8> {
    let mut acc = f32::from_ne_bytes(bytes(acc));
    let pair = |s: &[u8]| [from_bf16([s[0], s[1]]), from_bf16([s[2], s[3]])];
    let (a, b) = (pair(a), b.map(pair));
    for step in 0..steps {
        let b = b[step % 2];
        acc += a[0] * b[0] + a[1] * b[1];
    }
    acc.to_ne_bytes().to_vec()
}

/// Bytes of a block of 2×2 accumulators, and of the two rows that each of its factors has.
const BLOCK_BYTES: usize = 16;

/// `C ← C + A·Bᵀ` over 2×2 accumulators: of bf16 with B alternating between two operands, of bytes with A being C's own.
fn block(dtype: Dtype, acc: &[u8], [first, even, odd]: [&[u8]; 3], steps: usize) -> Vec<u8> {
    let row = |rows: &[u8], index: usize| bytes::<8>(&rows[8 * index..]);
    let place = |lane: usize| (lane / 2, lane % 2);
    if dtype == Dtype::Bf16 {
        let halves = |row: [u8; 8]| [0, 2, 4, 6].map(|at| from_bf16([row[at], row[at + 1]]));
        let lanes = acc.as_chunks::<4>().0.iter().enumerate();
        return lanes
            .flat_map(|(lane, &start)| {
                let (i, j) = place(lane);
                let a = halves(row(first, i));
                // Whole numbers below 2²⁴, exact in any order.
                let gains = [even, odd].map(|b| a.iter().zip(halves(row(b, j))).map(|(a, b)| a * b).sum::<f32>());
                let sum = (0..steps).fold(f32::from_ne_bytes(start), |sum, step| sum + gains[step % 2]);
                sum.to_ne_bytes()
            })
            .collect();
    }
    let b = [0, 1].map(|j| row(first, j).map(|b| i32::from(b as i8)));
    let mut acc = bytes::<BLOCK_BYTES>(acc);
    for _ in 0..steps {
        let a = [0, 1].map(|i| row(&acc, i).map(|a| i32::from(a as i8)));
        for (lane, value) in acc.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let (i, j) = place(lane);
            let dot: i32 = a[i].iter().zip(b[j]).map(|(a, b)| a * b).sum();
            *value = i32::from_ne_bytes(*value).wrapping_add(dot).to_ne_bytes();
        }
    }
    acc.to_vec()
}

/// `C ← C + A·B` with B alternating between two tiles. A row of A is 64 bytes of consecutive elements; a row of B holds,
/// for each column of C, the 4 bytes that meet the same 4 bytes of A's rows.
fn tile(shape: &ChainShape, inputs: &ChainInputs, steps: usize) -> Vec<u8> {
    const ROW_BYTES: usize = 64;
    let mut operands = inputs.operands.chunks(shape.vector_bytes);
    let [a, even, odd] = std::array::from_fn(|_| operands.next().unwrap_or_default());
    let product = |which: &[u8], row: usize, column: usize| -> f64 {
        let quads = (0..ROW_BYTES / 4).map(|k| {
            let (a, b) = (&a[row * ROW_BYTES + 4 * k..][..4], &which[k * ROW_BYTES + 4 * column..][..4]);
            word_product(shape.dtype, a, b)
        });
        quads.sum()
    };
    let start = inputs.start.chunks(4).enumerate();
    start
        .flat_map(|(index, bits)| {
            let (row, column) = (index % 256 / 16, index % 16);
            advanced(shape.dtype, bits, [even, odd].map(|which| product(which, row, column)), steps)
        })
        .collect()
}

/// `C ← C + a ⊗ b` with b alternating between two operands.
fn outer(shape: &ChainShape, inputs: &ChainInputs, steps: usize) -> Vec<u8> {
    let (lane_bytes, row_bytes) = (shape.lane_bytes(), shape.operand_bytes() / 3);
    let lanes = row_bytes / lane_bytes;
    let mut operands = inputs.operands.chunks(row_bytes);
    let [a, even, odd] = std::array::from_fn(|_| operands.next().unwrap_or_default());
    let start = inputs.start.chunks(lane_bytes).enumerate();
    start
        .flat_map(|(index, bits)| {
            let (row, column) = (index / lanes % lanes, index % lanes);
            let lane = |operand: &[u8], lane: usize| operand[lane * lane_bytes..][..lane_bytes].to_vec();
            let gain = |which: &[u8]| word_product(shape.dtype, &lane(a, row), &lane(which, column));
            advanced(shape.dtype, bits, [even, odd].map(gain), steps)
        })
        .collect()
}

/// The sum of the products of a word's elements, the bytes of the first one without a sign; exact for what [`chain_inputs`] gives.
fn word_product(dtype: Dtype, a: &[u8], b: &[u8]) -> f64 {
    match dtype {
        Dtype::F64 => f64::read(a) * f64::read(b),
        Dtype::F32 => f64::from(f32::read(a)) * f64::from(f32::read(b)),
        Dtype::Bf16 => {
            let product = |i: usize| f64::from(from_bf16([a[i], a[i + 1]]) * from_bf16([b[i], b[i + 1]]));
            product(0) + product(2)
        }
        _ => a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b as i8)).sum(),
    }
}

/// An accumulator after `steps` steps that add one of two gains in turn. Everything is a whole number below 2⁵³: exact, and for the
/// integers to be wrapped.
fn advanced(dtype: Dtype, bits: &[u8], [even, odd]: [f64; 2], steps: usize) -> Vec<u8> {
    let gained = even * steps.div_ceil(2) as f64 + odd * (steps / 2) as f64;
    match dtype {
        Dtype::F64 => (f64::read(bits) + gained).bytes(),
        Dtype::F32 | Dtype::Bf16 => ((f64::from(f32::read(bits)) + gained) as f32).bytes(),
        _ => i32::from_ne_bytes(bytes(bits)).wrapping_add(gained as i64 as i32).to_ne_bytes().to_vec(),
    }
}

/// What the sums must hold after `rounds` rounds that each end in `last`: lane by lane, wrapping.
pub fn chain_sums(shape: &ChainShape, last: &[u8], rounds: u64) -> Vec<u8> {
    match shape.lane_bytes() {
        8 => times::<8>(last, |lane| u64::from_ne_bytes(lane).wrapping_mul(rounds).to_ne_bytes()),
        2 => times::<2>(last, |lane| u16::from_ne_bytes(lane).wrapping_mul(rounds as u16).to_ne_bytes()),
        _ => times::<4>(last, |lane| u32::from_ne_bytes(lane).wrapping_mul(rounds as u32).to_ne_bytes()),
    }
}

fn times<const N: usize>(last: &[u8], each: impl Fn([u8; N]) -> [u8; N]) -> Vec<u8> {
    last.as_chunks::<N>().0.iter().flat_map(|&lane| each(lane)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outer_product_meets_each_lane_with_each() {
        let recurrence = Recurrence::Outer;
        let shape = ChainShape { dtype: Dtype::F64, recurrence, vector_bytes: 32, accumulators: 1 };
        let words = |values: &[f64]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>();
        let inputs =
            ChainInputs { start: words(&[1.0, 2.0, 3.0, 4.0]), operands: words(&[10.0, 100.0, 1.0, 2.0, 0.0, -1.0]) };
        assert_eq!((shape.operand_bytes(), shape.width()), (48, 4));
        // Twice the first product, once the second one.
        let expected = [1.0 + 20.0, 2.0 + 40.0 - 10.0, 3.0 + 200.0, 4.0 + 400.0 - 100.0];
        assert_eq!(chain(&shape, &inputs, 3), words(&expected));
        let quads = ChainShape { dtype: Dtype::I8, vector_bytes: 64, accumulators: 4, ..shape };
        assert_eq!((quads.operand_bytes(), quads.width()), (48, 4 * 16 * 4));
    }

    #[test]
    fn halves_are_rounded_to_even_and_read_back() {
        for bits in (0..0x7c00_u16).chain(0x8000..0xfc00) {
            let value = f16::from_bits(bits).to_f64();
            assert_eq!(f16::from_f64(value).to_bits(), bits, "{bits:#x}");
            assert_eq!(round_to_half(value), value, "{bits:#x}");
        }
        // 1 + 2⁻¹¹ lies between two halves, the even one below; 1 + 3·2⁻¹¹ has it above.
        let half_unit = f64::powi(2.0, -11);
        assert_eq!(round_to_half(1.0 + half_unit), 1.0);
        assert_eq!(round_to_half(1.0 + 3.0 * half_unit), 1.0 + 4.0 * half_unit);
        assert_eq!(round_to_half(f64::powi(2.0, -24) * 0.75), f64::powi(2.0, -24));
    }
}
