//! Work on rows of activations: what norms, activations and the like read, write and compute, in plain loops that are compiled for
//! this CPU's vectors.
//!
//! They need not be right to the last bit, as nothing is made of what they write: what counts is their traffic and their
//! arithmetic.

use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Loops, Op, Shape, vectorised};

/// Elements of each array that a thread has at most: rows beyond that fall on those before.
const ELEMENTS_MAX: usize = 4 << 20;

/// The arrays of one thread, that all of its operations work on.
pub(super) struct Scratch {
    a: Vec<f32>,
    b: Vec<f32>,
    out: Vec<f32>,
    halves: Vec<u16>,
}

/// Elements that a thread needs of each array for `rows` of its rows of `row` elements.
pub(super) fn elements(rows: usize, row: usize) -> usize {
    rows.saturating_mul(row).min(ELEMENTS_MAX).max(row)
}

impl Scratch {
    /// Bytes of arrays of so many elements.
    pub(super) const fn bytes(elements: usize) -> usize {
        elements * (3 * size_of::<f32>() + size_of::<u16>())
    }

    /// Random numbers between −1 and 1, none of them so small that arithmetic slows down.
    pub(super) fn new(elements: usize, seed: u64) -> Scratch {
        let mut random = Random::new(seed);
        let stretch: Vec<f32> = (0..4093).map(|_| random.signed_unit() as f32 * 0.9 + 0.05).collect();
        let filled = || (0..elements).map(|at| stretch[at % stretch.len()]).collect::<Vec<f32>>();
        Scratch { a: filled(), b: filled(), out: vec![0.0; elements], halves: vec![0x3c00; elements] }
    }

    /// Whether all that was written are numbers.
    pub(super) fn is_finite(&self) -> bool {
        self.out.iter().all(|value| value.is_finite())
    }

    /// Does `op` on `rows` rows of `row` elements, with weights of `w`.
    pub(super) fn work(&mut self, op: Op, shape: Shape, (rows, row): (usize, usize), w: &[f32]) {
        if row > 0 {
            vectorised(OnRows { scratch: self, op, states: shape.k as usize, rows, row, w });
        }
    }
}

/// One operation on some rows.
struct OnRows<'a> {
    scratch: &'a mut Scratch,
    op: Op,
    states: usize,
    rows: usize,
    row: usize,
    w: &'a [f32],
}

impl Loops for OnRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let OnRows { scratch, op, states, rows, row, w } = self;
        let whole = (scratch.a.len() / row).max(1);
        for index in 0..rows {
            let at = index % whole * row;
            let end = at + row;
            let (a, b, out) = (&scratch.a[at..end], &scratch.b[at..end], &mut scratch.out[at..end]);
            match op {
                Op::Append => append(a, &mut scratch.halves[at..end]),
                Op::Fetch => fetch(&scratch.halves[at..end], out),
                Op::Conv => convolve(a, w, out),
                // One recurrence stands for all: their traffic is the same, and their arithmetic nearly.
                Op::Scan | Op::SelectiveScan | Op::DeltaRule => scan(a, b, states, out),
                _ => of_row(op, a, b, w, out),
            }
        }
    }
}

/// One row of what has no shape of its own.
#[inline(always)]
fn of_row(op: Op, a: &[f32], b: &[f32], w: &[f32], out: &mut [f32]) {
    match op {
        Op::RmsNorm => rms_norm(a, w, out),
        Op::LayerNorm => layer_norm(a, w, out),
        Op::GatedNorm => {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = a * silu(b);
            }
            scale(root_mean_square(out), w, out);
        }
        Op::Rope => rope(a, b, out),
        Op::Route => softmax(a, out),
        Op::Bias => each_of_two(a, w, out, |a, w| a + w),
        Op::Residual => each_of_two(a, b, out, |a, b| a + b),
        Op::Gate => each_of_two(a, b, out, |a, b| a * b),
        Op::SwiGlu => each_of_two(a, b, out, |a, b| silu(a) * b),
        Op::GeGlu => each_of_two(a, b, out, |a, b| gelu(a) * b),
        Op::ReGlu => each_of_two(a, b, out, |a, b| a.max(0.0) * b),
        Op::Silu => each(a, out, silu),
        Op::Gelu => each(a, out, gelu),
        Op::Relu => each(a, out, |a| a.max(0.0)),
        Op::ReluSquared => each(a, out, |a| a.max(0.0) * a.max(0.0)),
        Op::SoftCap => each(a, out, |a| 30.0 * tanh(a / 30.0)),
        // No other operation of a model works on rows.
        _ => out.copy_from_slice(a),
    }
}

#[inline(always)]
fn each(a: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out = f(a);
    }
}

#[inline(always)]
fn each_of_two(a: &[f32], b: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

/// Independent sums, so that a compiler may keep them in one vector.
const SUMS: usize = 16;

#[inline(always)]
fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; SUMS];
    let (chunks, rest) = a.as_chunks::<SUMS>();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f(value);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|&value| f(value)).sum::<f32>()
}

#[inline(always)]
fn root_mean_square(a: &[f32]) -> f32 {
    (sum(a, |value| value * value) / a.len() as f32 + 1e-6).sqrt()
}

/// `out = out / by · w`.
#[inline(always)]
fn scale(by: f32, w: &[f32], out: &mut [f32]) {
    let factor = 1.0 / by;
    for (out, &w) in out.iter_mut().zip(w) {
        *out *= factor * w;
    }
}

#[inline(always)]
fn rms_norm(a: &[f32], w: &[f32], out: &mut [f32]) {
    let factor = 1.0 / root_mean_square(a);
    each_of_two(a, w, out, |a, w| a * factor * w);
}

#[inline(always)]
fn layer_norm(a: &[f32], w: &[f32], out: &mut [f32]) {
    let mean = sum(a, |value| value) / a.len() as f32;
    let variance = sum(a, |value| (value - mean) * (value - mean)) / a.len() as f32;
    let factor = 1.0 / (variance + 1e-6).sqrt();
    let (weights, biases) = w.split_at(w.len().min(a.len()));
    each_of_two(a, weights, out, |a, w| (a - mean) * factor * w);
    for (out, &bias) in out.iter_mut().zip(biases) {
        *out += bias;
    }
}

/// Pairs turned by angles whose sines and cosines are in `b`.
#[inline(always)]
fn rope(a: &[f32], b: &[f32], out: &mut [f32]) {
    let half = a.len() / 2;
    let (out_first, out_second) = out.split_at_mut(half);
    for i in 0..half {
        let (x, y, cos, sin) = (a[i], a[half + i], b[i], b[half + i]);
        out_first[i] = x * cos - y * sin;
        out_second[i] = x * sin + y * cos;
    }
}

#[inline(always)]
fn softmax(a: &[f32], out: &mut [f32]) {
    let largest = a.iter().copied().fold(f32::MIN, f32::max);
    each(a, out, |a| exp(a - largest));
    let all = sum(out, |value| value);
    out.iter_mut().for_each(|out| *out /= all);
}

/// Taps behind one another, each with a row of weights.
#[inline(always)]
fn convolve(a: &[f32], w: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for taps in w.chunks(a.len()) {
        for ((out, &a), &w) in out.iter_mut().zip(a).zip(taps) {
            *out += a * w;
        }
    }
}

/// States of one channel after another: decay, outer product, read-out. The state itself moves in an operation of its own.
#[inline(always)]
fn scan(a: &[f32], b: &[f32], states: usize, out: &mut [f32]) {
    let mut state = [0.5_f32; 256];
    let own = states.min(state.len());
    let more = states.div_ceil(own.max(1));
    let input = &b[..own.min(b.len())];
    for (out, &a) in out.iter_mut().zip(a) {
        let mut read = 0.0;
        for _ in 0..more {
            let mut sums = [0.0; SUMS];
            for (chunk, input) in state[..own].chunks_mut(SUMS).zip(input.chunks(SUMS)) {
                for ((sum, state), &b) in sums.iter_mut().zip(chunk).zip(input) {
                    *state = *state * 0.5 + a * b;
                    *sum += *state * b;
                }
            }
            read += sums.iter().sum::<f32>();
        }
        *out = read;
    }
}

/// The upper halves of the numbers, as rounding to 16 bits leaves them.
#[inline(always)]
fn append(a: &[f32], halves: &mut [u16]) {
    for (half, &a) in halves.iter_mut().zip(a) {
        *half = (a.to_bits() >> 16) as u16;
    }
}

#[inline(always)]
fn fetch(halves: &[u16], out: &mut [f32]) {
    for (out, &half) in out.iter_mut().zip(halves) {
        *out = f32::from_bits(u32::from(half) << 16);
    }
}

/// A state read and written back.
pub(super) fn keep(state: &mut [f32]) {
    vectorised(Kept(state));
}

struct Kept<'a>(&'a mut [f32]);

impl Loops for Kept<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for value in self.0 {
            *value = *value * 0.5 + 0.25;
        }
    }
}

/// Bytes of a row looked up, as numbers.
pub(super) fn look_up(bytes: &[u8], scratch: &mut Scratch, row: usize) {
    let out = &mut scratch.out[..row];
    if bytes.len() >= row {
        let each = bytes.len() / row.max(1);
        for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(each)) {
            *out = bytes.iter().map(|&byte| f32::from(byte)).sum();
        }
    } else {
        let each = row.div_ceil(bytes.len().max(1));
        for (out, &byte) in out.chunks_mut(each).zip(bytes) {
            out.fill(f32::from(byte));
        }
    }
}

/// e^x to five digits or more: 2^n by the exponent's bits, the rest by a polynomial.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it leaves the nearest whole number in the low bits.
    const ROUNDING: f32 = 12_582_912.0;
    let t = x.clamp(-87.0, 88.0) * std::f32::consts::LOG2_E;
    let shifted = t + ROUNDING;
    let f = t - (shifted - ROUNDING);
    let p = 1.333_355_8e-3;
    let p = p * f + 9.618_129e-3;
    let p = p * f + 5.550_411e-2;
    let p = p * f + 2.402_265e-1;
    let p = p * f + std::f32::consts::LN_2;
    let p = p * f + 1.0;
    f32::from_bits(shifted.to_bits().wrapping_add(127) << 23) * p
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// By its usual approximation (Hendrycks and Gimpel 2016).
#[inline(always)]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(0.797_884_6 * (x + 0.044_715 * x * x * x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_near_to_those_of_the_library() {
        for step in -800..=800 {
            let x = step as f32 * 0.1;
            let near = |got: f32, want: f32| (got - want).abs() <= 1e-5 * want.abs().max(1e-3);
            assert!(near(exp(x), x.exp()), "{x} {} {}", exp(x), x.exp());
            assert!((tanh(x) - x.tanh()).abs() < 1e-6, "{x}");
            assert!((silu(x) - x / (1.0 + (-x).exp())).abs() <= 1e-5 * x.abs().max(1.0), "{x}");
        }
    }

    #[test]
    fn every_operation_on_rows_writes_numbers() {
        let row = 96;
        for op in [
            Op::RmsNorm,
            Op::LayerNorm,
            Op::GatedNorm,
            Op::Rope,
            Op::Bias,
            Op::SwiGlu,
            Op::GeGlu,
            Op::ReGlu,
            Op::Silu,
            Op::Gelu,
            Op::Relu,
            Op::ReluSquared,
            Op::Gate,
            Op::SoftCap,
            Op::Route,
            Op::Residual,
            Op::Conv,
            Op::Scan,
            Op::SelectiveScan,
            Op::DeltaRule,
            Op::Fetch,
        ] {
            let mut scratch = Scratch::new(elements(3, row), 1);
            scratch.out.fill(f32::NAN);
            let w = vec![0.5; 2 * row];
            scratch.work(op, Shape::along(3, row as u64, 4), (3, row), &w);
            assert!(scratch.is_finite(), "{op}");
        }
    }

    #[test]
    fn a_norm_is_one() {
        let mut out = [0.0; 64];
        let a: Vec<f32> = (0..64).map(|i| i as f32 - 20.0).collect();
        rms_norm(&a, &[1.0; 64], &mut out);
        assert!((root_mean_square(&out) - 1.0).abs() < 1e-5);
        layer_norm(&a, &[1.0; 64], &mut out);
        assert!(sum(&out, |value| value).abs() < 1e-4 && (root_mean_square(&out) - 1.0).abs() < 1e-5);
    }
}
