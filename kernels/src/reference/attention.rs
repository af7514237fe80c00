//! The oracle of attention: softmax(Q·Kᵀ/√d)·V in f64, one query row at a time, written as a student would.

use super::Random;
use crate::dtype::Dtype;
use crate::ops::attention::{Head, KEY_BLOCK, LatentHead};
use half::f16;

/// A random binary16 number in [-1, 1): a random sign and fraction, each exponent half as often as the next.
pub fn random_half(random: &mut Random) -> u16 {
    let bits = random.bits();
    // The number of leading ones, of a fair coin each, is how far the exponent lies below that of ½.
    let below = (bits as u32).leading_ones().min(14) as u16;
    ((bits >> 48) as u16 & 0x83ff) | (14 - below) << 10
}

/// Attention of the last tokens of a context, as many as `queries` holds, each to all tokens up to itself.
pub fn attention(head: &Head, queries: &[f32], keys: &[u16], values: &[u16]) -> Vec<f64> {
    let tokens = queries.len() / (head.group * head.head_dim);
    let mut out = Vec::with_capacity(queries.len());
    for (row, query) in queries.chunks(head.head_dim).enumerate() {
        let visible = head.context - tokens + row / head.group + 1;
        out.extend(attention_row(head, query, keys, values, visible));
    }
    out
}

/// Attention of one query row to the first `visible` tokens.
fn attention_row(head: &Head, query: &[f32], keys: &[u16], values: &[u16], visible: usize) -> Vec<f64> {
    let d = head.head_dim;
    let half = |bits: u16| f16::from_bits(bits).to_f64();
    let key = |token: usize, i: usize| keys[token / KEY_BLOCK * KEY_BLOCK * d + i * KEY_BLOCK + token % KEY_BLOCK];
    attention_to(query, visible, |token, i| half(key(token, i)), |token, i| half(values[token * d + i]))
}

/// Attention to latents of the last tokens of a context: a row is the key, and its first elements are the value. Scores are divided by
/// the root of a row's elements; what a model divides them by instead is a factor of its queries.
pub fn latent_attention(head: &LatentHead, queries: &[f32], rows: &[u16]) -> Vec<f64> {
    let tokens = queries.len() / head.query_elements(1);
    let element = |token: usize, i: usize| f16::from_bits(rows[token * head.row + i]).to_f64();
    let outputs = queries.chunks(head.row).enumerate().map(|(row, query)| {
        let visible = head.context - tokens + row / head.group + 1;
        attend(query, visible, element, (head.value_dim, element))
    });
    outputs.flatten().collect()
}

/// Attention of one query row to `tokens` tokens, whose elements `key` and `value` tell: `key(token, i)`.
pub fn attention_to(
    query: &[f32],
    tokens: usize,
    key: impl Fn(usize, usize) -> f64,
    value: impl Fn(usize, usize) -> f64,
) -> Vec<f64> {
    attend(query, tokens, key, (query.len(), value))
}

/// The same with values of so many elements.
fn attend(
    query: &[f32],
    tokens: usize,
    key: impl Fn(usize, usize) -> f64,
    (value_dim, value): (usize, impl Fn(usize, usize) -> f64),
) -> Vec<f64> {
    let d = query.len();
    let score = |token: usize| {
        let dot: f64 = (0..d).map(|i| f64::from(query[i]) * key(token, i)).sum();
        dot / (d as f64).sqrt()
    };
    let scores: Vec<f64> = (0..tokens).map(score).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weighted = |i: usize| (0..tokens).map(|token| weights[token] * value(token, i)).sum::<f64>();
    (0..value_dim).map(|i| weighted(i) / total).collect()
}

/// Products that are summed up in binary16 before their sum is widened: of a score, and of a value.
pub const F16_STEPS: [usize; 2] = [32, 64];

/// How far an output may be from the oracle's, for a kernel that multiplies in `arithmetic`: f32, or f16 with its sums widened as often as
/// [`F16_STEPS`] says. Keys and values are [random halves](random_half).
///
/// f32: roundings of one sum of n terms are taken as independent: √n · u with u = 2⁻²⁴ (Higham, Mary 2019). A score of `d` products, its
/// scale and its difference to the maximum are off by (√d + 4)·u·Σ|q·k|/√d; so, relatively, is its weight, and 3·u more by the
/// exponential; numerator and denominator each take that once, and 2·√tokens·u from being summed up.
///
/// f16, six standard deviations of it, u = 2⁻¹¹: partial sums of n products of random sign grow as √i, so that a score with `d` of them,
/// each of q·k/√d, is off by √(n/6)·u of √d such products, and by u more for the rounded query; a value's sum does not outgrow its weights',
/// and is off by √(n/3)·u, and by u for the rounded weights.
///
/// bf16, six standard deviations of it, u = 2⁻⁸: sums are in f32, so that what is off is the rounded factors. Of a score the query and the
/// key, each by a third of u of √d such products; of what weights and values add up to, the weight and the value.
pub fn tolerance(head: &Head, queries: &[f32], arithmetic: Dtype) -> f64 {
    let d = head.head_dim as f64;
    let largest = queries.iter().fold(0.0_f64, |a, &q| a.max(f64::from(q.abs())));
    // |k| averages ½ over a row of such length within a factor of 1.5, |q| half of its largest.
    let score = 1.5 * 0.5 * 0.5 * largest * d.sqrt();
    let in_f32 = 2.0 * 2.0_f64.powi(-24) * ((d.sqrt() + 4.0) * score + 3.0 + 2.0 * (head.context as f64).sqrt());
    if arithmetic == Dtype::Bf16 {
        return in_f32 + 6.0 * 2.0_f64.powi(-8) * (2.0 * largest / 3.0 / 3.0 + 2.0 / 3.0);
    }
    if arithmetic != Dtype::F16 {
        return in_f32;
    }
    let [of_score, of_value] = F16_STEPS.map(|n| n as f64);
    // The root mean square of q is largest/√3, and that of k too is 1/√3.
    let score = (1.0 + (of_score / 6.0).sqrt()) * largest / 3.0;
    in_f32 + 6.0 * 2.0_f64.powi(-11) * (score + 1.0 + (of_value / 3.0).sqrt())
}

/// How far `got` is from `want`: the root mean square of the differences over that of what is wanted.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    let differences: f64 = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).powi(2)).sum();
    (differences / want.iter().map(|want| want * want).sum::<f64>()).sqrt()
}
