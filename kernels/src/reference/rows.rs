//! The oracle of work on rows of activations.

use crate::op::Op;

/// What is added to a variance.
const EPSILON: f64 = 1e-6;

/// One row of `op`: of `a`, and of `b` and the weights `w` where it has them. A rotation has cosines and sines in the halves of
/// `b`; a norm with a bias has it behind the weights. `None` where `op` is no work on rows.
pub fn row(op: Op, a: &[f32], b: &[f32], w: &[f32]) -> Option<Vec<f64>> {
    let a: Vec<f64> = a.iter().map(|&x| x.into()).collect();
    let b: Vec<f64> = b.iter().map(|&x| x.into()).collect();
    let w: Vec<f64> = w.iter().map(|&x| x.into()).collect();
    let each = |f: &dyn Fn(f64) -> f64| -> Vec<f64> { a.iter().map(|&x| f(x)).collect() };
    let two = |other: &[f64], f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        a.iter().zip(other).map(|(&x, &y)| f(x, y)).collect()
    };
    Some(match op {
        Op::RmsNorm => normalised(&a, &w, false),
        Op::LayerNorm => normalised(&a, &w, true),
        Op::GatedNorm => normalised(&two(&b, &|x, gate| x * silu(gate)), &w, false),
        Op::Rope => turned(&a, &b),
        Op::Route => softmax(&a),
        Op::Bias => two(&w, &|x, w| x + w),
        Op::Residual => two(&b, &|x, y| x + y),
        Op::Gate => two(&b, &|x, y| x * y),
        Op::SwiGlu => two(&b, &|gate, up| silu(gate) * up),
        Op::GeGlu => two(&b, &|gate, up| gelu(gate) * up),
        Op::ReGlu => two(&b, &|gate, up| gate.max(0.0) * up),
        Op::Silu => each(&silu),
        Op::Gelu => each(&gelu),
        Op::Relu => each(&|x| x.max(0.0)),
        Op::ReluSquared => each(&|x| x.max(0.0).powi(2)),
        Op::SoftCap => each(&|x| 30.0 * (x / 30.0).tanh()),
        _ => return None,
    })
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x * x * x)).tanh())
}

fn normalised(x: &[f64], w: &[f64], centred: bool) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = if centred { x.iter().sum::<f64>() / n } else { 0.0 };
    let deviation = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n + EPSILON).sqrt();
    let weight = |i: usize| w.get(i).copied().unwrap_or(1.0);
    let bias = |i: usize| w.get(x.len() + i).copied().unwrap_or(0.0);
    x.iter().enumerate().map(|(i, x)| (x - mean) / deviation * weight(i) + bias(i)).collect()
}

fn turned(x: &[f64], angles: &[f64]) -> Vec<f64> {
    let half = x.len() / 2;
    let of = |i: usize| (x[i], x[half + i], angles[i], angles[half + i]);
    let first = (0..half).map(of).map(|(x, y, cos, sin)| x * cos - y * sin);
    let second = (0..half).map(of).map(|(x, y, cos, sin)| x * sin + y * cos);
    first.chain(second).collect()
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let most = x.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = x.iter().map(|x| (x - most).exp()).sum();
    x.iter().map(|x| (x - most).exp() / sum).collect()
}
