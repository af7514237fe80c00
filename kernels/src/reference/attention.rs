//! The oracle of attention: softmax(Q·Kᵀ/√d)·V in f64, one query row at a time, written as a student would.

use super::Random;
use crate::ops::attention::{Head, KEY_BLOCK};
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
    let key = |token: usize, i: usize| keys[token / KEY_BLOCK * KEY_BLOCK * d + i * KEY_BLOCK + token % KEY_BLOCK];
    attention_to(query, visible, key, |token, i| values[token * d + i])
}

/// Attention of one query row to `tokens` tokens, whose elements `key` and `value` tell: `key(token, i)`.
pub fn attention_to(
    query: &[f32],
    tokens: usize,
    key: impl Fn(usize, usize) -> u16,
    value: impl Fn(usize, usize) -> u16,
) -> Vec<f64> {
    let d = query.len();
    let score = |token: usize| {
        let dot: f64 = (0..d).map(|i| f64::from(query[i]) * f16::from_bits(key(token, i)).to_f64()).sum();
        dot / (d as f64).sqrt()
    };
    let scores: Vec<f64> = (0..tokens).map(score).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weighted =
        |i: usize| (0..tokens).map(|token| weights[token] * f16::from_bits(value(token, i)).to_f64()).sum::<f64>();
    (0..d).map(|i| weighted(i) / total).collect()
}
