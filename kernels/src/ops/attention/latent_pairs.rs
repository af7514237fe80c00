//! One turn of attention to latents by products of bfloat16.
//!
//! ```text
//! keys[t][p]    = (rows[t][d], rows[t][d + L])              p = d / 2, by whole vectors of L lanes; zero beyond a row
//! values[p][d]  = (rows[t][d], rows[t + L][d])              tokens t and t + L of each 2·L; zero beyond the turn
//! scores[r][t]  = Σ_p queries[r][p] · keys[t][p]            in f32, as all sums
//! acc[r][d]     = acc[r][d]·rescale[r] + Σ_p weights[r][p] · values[p][d]
//! ```
//!
//! A word of 32 bits holds a pair, and memory of f32 holds the words.

use super::columns::{Columns, side_by_side, store_sums};
use super::latents::{LatentHead, LatentTile, key_words};
use super::softmax::{as_it_is, hide, weigh};
use crate::simd::{Float, Integer, Integers, Kernel, Vector};

/// Rounds query rows in place.
pub(super) struct PackQueries;

impl<S: Integers> Kernel<S> for PackQueries {
    type Input<'a> = (&'a mut [f32], usize);
    type Output = ();

    #[inline(always)]
    fn run(token: S, (queries, row): Self::Input<'_>) {
        let lanes = S::F32::LANES;
        let zero: S::F32 = token.splat(0.0);
        for query in queries.chunks_exact_mut(row) {
            for d in (0..row).step_by(2 * lanes) {
                let lower: S::F32 = token.load(&query[d..]);
                let upper = if d + lanes < row { token.load(&query[d + lanes..]) } else { zero };
                // What is written lies at or before what was read.
                token.pack_bf16(lower, upper).as_float().store(&mut query[d / 2..]);
            }
        }
    }
}

/// Rounds a turn's rows, as keys and then as values.
pub(super) struct PackRows;

impl<S: Integers> Kernel<S> for PackRows {
    type Input<'a> = (&'a LatentHead, &'a [u16], &'a mut [f32]);
    type Output = ();

    #[inline(always)]
    fn run(token: S, (head, rows, packed): Self::Input<'_>) {
        let (lanes, row, value_dim) = (S::F32::LANES, head.row, head.value_dim);
        let (tokens, zero): (usize, S::F32) = (rows.len() / row, token.splat(0.0));
        let words = key_words(row);
        let (keys, values) = packed.split_at_mut(tokens * words);
        let load = |t: usize, d: usize| {
            if t >= tokens || d >= row {
                return zero;
            }
            // SAFETY: a row is whole vectors, and this one is there.
            unsafe { token.load_f16_from(rows[t * row + d..].as_ptr()) }
        };
        for (t, key) in keys.chunks_exact_mut(words).enumerate() {
            for d in (0..row).step_by(2 * lanes) {
                token.pack_bf16(load(t, d), load(t, d + lanes)).as_float().store(&mut key[d / 2..]);
            }
        }
        for (p, value) in values.chunks_exact_mut(value_dim).enumerate() {
            let t = p / lanes * 2 * lanes + p % lanes;
            if p / lanes * 2 * lanes >= tokens {
                break;
            }
            for d in (0..value_dim).step_by(lanes) {
                token.pack_bf16(load(t, d), load(t + lanes, d)).as_float().store(&mut value[d..]);
            }
        }
    }
}

/// Attends with `ROWS` rows to the tokens that they see.
pub(super) struct LatentPairs<const ROWS: usize, const ACCUMULATORS: usize>;

impl<S: Integers, const ROWS: usize, const ACCUMULATORS: usize> Kernel<S> for LatentPairs<ROWS, ACCUMULATORS> {
    type Input<'a> = LatentTile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: LatentTile<'_>) {
        let LatentTile { head, span, rows, visible, state } = tile;
        let (row, value_dim, lanes) = (head.row, head.value_dim, S::F32::LANES);
        let (of_turn, tokens) = (rows.len() / row, visible[ROWS - 1]);
        let (words, padded) = (key_words(row), tokens.next_multiple_of(2 * lanes));
        let (keys, values) = state.packed.split_at(of_turn * words);
        debug_assert!(padded <= span && values.len() >= padded / 2 * value_dim && state.scores.len() >= ROWS * span);
        let scores = state.scores.as_mut_ptr();
        let score = Score { token, queries: state.queries.as_ptr(), keys: keys.as_ptr(), row, words, scores, span };
        // SAFETY: who calls a tile describes memory that is there: pairs for all visible tokens, and scores for a span of them.
        unsafe { side_by_side::<_, ROWS, ACCUMULATORS>(&score, tokens) };
        if visible[0] < padded {
            hide(state.scores, span, &visible[..ROWS], padded);
        }
        let (max, sum) = (&mut state.softmax.max, &mut state.softmax.sum);
        let rescale = weigh::<S, ROWS>(token, state.scores, span, padded, max, sum, as_it_is);
        for weights in state.scores.chunks_exact_mut(span).take(ROWS) {
            for t in (0..padded).step_by(2 * lanes) {
                let [lower, upper] = [t, t + lanes].map(|t| token.load(&weights[t..]));
                token.pack_bf16(lower, upper).as_float().store(&mut weights[t / 2..]);
            }
        }
        let gather = Gather {
            token,
            weights: state.scores.as_ptr(),
            span,
            values: values.as_ptr(),
            value_dim,
            pairs: padded / 2,
            rescale: &rescale,
            accumulators: state.accumulators.as_mut_ptr(),
        };
        // SAFETY: as above; a value is whole vectors.
        unsafe { side_by_side::<_, ROWS, ACCUMULATORS>(&gather, value_dim / lanes) }
    }
}

/// The scores of tokens, with tokens where others have vectors.
struct Score<S> {
    token: S,
    queries: *const f32,
    keys: *const f32,
    /// Elements of a row, and words of its pairs.
    row: usize,
    words: usize,
    scores: *mut f32,
    /// Tokens from a row of scores to the next.
    span: usize,
}

impl<S: Integers> Columns for Score<S> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const TOKENS: usize>(&self, first: usize) {
        let Score { token, queries, keys, row, words, scores, span } = *self;
        let zero: S::F32 = token.splat(0.0);
        // SAFETY: by contract; as many words as pairs of vectors of a row, the last one filled up.
        unsafe {
            let (keys, scores) = (keys.add(first * words), scores.add(first));
            let mut sums = [[zero; TOKENS]; ROWS];
            for d in (0..row).step_by(2 * S::F32::LANES) {
                let mut pairs: [S::I32; TOKENS] = [token.splat(0); TOKENS];
                for (t, pairs) in pairs.iter_mut().enumerate() {
                    *pairs = token.load_from(keys.add(t * words + d / 2).cast::<i32>());
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let query: S::I32 = token.load_from(queries.add(r * row + d / 2).cast::<i32>());
                    for (sum, key) in sums.iter_mut().zip(pairs) {
                        *sum = token.dot_bf16(*sum, key, query);
                    }
                }
            }
            store_sums(sums, scores, span);
        }
    }
}

/// What the values add up to.
struct Gather<'a, S> {
    token: S,
    /// Pairs.
    weights: *const f32,
    /// Words from a row of weights to the next.
    span: usize,
    values: *const f32,
    value_dim: usize,
    pairs: usize,
    rescale: &'a [f32; 16],
    accumulators: *mut f32,
}

impl<S: Integers> Columns for Gather<'_, S> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let Gather { token, weights, span, values, value_dim, pairs, .. } = *self;
        let lanes = S::F32::LANES;
        let place = |row: usize, i: usize| row * value_dim + (at + i) * lanes;
        let mut sums = [[token.splat(0.0); WIDTH]; ROWS];
        // SAFETY: by contract.
        unsafe {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let earlier: S::F32 = token.load_from(self.accumulators.add(place(row, i)));
                    *sum = earlier.mul(token.splat(self.rescale[row]));
                }
            }
            for p in 0..pairs {
                let mut value: [S::I32; WIDTH] = [token.splat(0); WIDTH];
                for (i, value) in value.iter_mut().enumerate() {
                    *value = token.load_from(values.add(p * value_dim + (at + i) * lanes).cast::<i32>());
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let weight: S::I32 = token.splat(*weights.add(row * span + p).cast::<i32>());
                    for (sum, value) in sums.iter_mut().zip(value) {
                        *sum = token.dot_bf16(*sum, value, weight);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store_to(self.accumulators.add(place(row, i)));
                }
            }
        }
    }
}
