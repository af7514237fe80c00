//! One turn of attention with products in binary16: queries and weights are rounded to it, keys and values need not be widened.
//!
//! ```text
//! for each 32 elements of a key:  halves[r][t] = Σ_d queries[r][d] · keys[d][t]        fused, each sum rounded to f16
//!                                 scores[r][t] += halves[r][t]                         in f32
//! for each 64 tokens:             halves[r][d] = Σ_t weights[r][t] · values[t][d]      fused, each sum rounded to f16
//!                                 acc[r][d] += halves[r][d]                            in f32
//! ```
//!
//! A sum of n such products is off by about √n roundings. Scores are exponents: what one is off by, its weight is off by as a share of
//! itself. So their sums are widened twice as often as those of values. The weights that are summed up are the rounded ones.

use super::columns::{Columns, ask, side_by_side};
use super::head::{DIM_STEP, KEY_BLOCK};
use super::kernel::Tile;
use super::softmax::{hide, weigh};
use crate::simd::{F32Of, Float, Halves, Kernel, Token, Vector};
use half::f16;
use std::hint::black_box;

/// Products of a score, and of a value, that are summed up in binary16.
const SCORE_STEPS: usize = 32;
const VALUE_STEPS: usize = 64;

/// Makes numbers the pairs that a kernel broadcasts, in place; as many as are whole cache lines.
pub(super) struct Halve;

impl<S: Halves> Kernel<S> for Halve {
    type Input<'a> = &'a mut [f32];
    type Output = ();

    #[inline(always)]
    fn run(token: S, numbers: &mut [f32]) {
        for numbers in numbers.chunks_exact_mut(F32Of::<S>::LANES) {
            let [_, pairs] = token.halved(token.floats().load(numbers));
            pairs.store(numbers);
        }
    }
}

/// Attends with `ROWS` rows to the tokens that they see, as [`Rows`](super::rows::Rows) does.
pub(super) struct HalfRows<const ROWS: usize, const ACCUMULATORS: usize, const PREFETCH: bool>;

impl<S: Halves, const ROWS: usize, const ACCUMULATORS: usize, const PREFETCH: bool> Kernel<S>
    for HalfRows<ROWS, ACCUMULATORS, PREFETCH>
{
    type Input<'a> = Tile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: Tile<'_>) {
        const { assert!(S::F16::LANES <= 2 * DIM_STEP && KEY_BLOCK.is_multiple_of(S::F16::LANES)) };
        let (head_dim, span, tokens) = (tile.head_dim, tile.ways.span, tile.visible[ROWS - 1]);
        let ahead = tile.ways.prefetch_bytes / size_of::<u16>();
        let lanes = tokens.next_multiple_of(S::F16::LANES);
        debug_assert!(lanes <= span && tile.state.scores.len() >= ROWS * span);
        debug_assert!(tile.keys.len() >= tokens.next_multiple_of(KEY_BLOCK) * head_dim);
        debug_assert!(tile.values.len() >= tokens * head_dim);
        let (scores, softmax) = (tile.state.scores, tile.state.softmax);
        let queries = tile.state.queries.as_ptr();
        for first in (0..lanes).step_by(KEY_BLOCK) {
            let vectors = (lanes - first).min(KEY_BLOCK) / S::F16::LANES;
            // SAFETY: who calls a tile describes memory that is there: whole blocks of keys for all visible tokens. A block is
            // whole vectors, and so are `lanes`; scores have a span ≥ `lanes` columns.
            unsafe {
                let (keys, scores) = (tile.keys.as_ptr().add(first * head_dim), scores.as_mut_ptr().add(first));
                let score = HalfScore::<S, PREFETCH> { token, queries, keys, head_dim, ahead, scores, span };
                side_by_side::<_, ROWS, ACCUMULATORS>(&score, vectors);
            }
        }
        if tile.visible[0] < lanes {
            hide(scores, span, &tile.visible[..ROWS], lanes);
        }
        let (floats, max, sum) = (token.floats(), &mut softmax.max, &mut softmax.sum);
        let rescale = weigh::<_, ROWS>(floats, scores, span, lanes, max, sum, |weight| token.halved(weight));
        let gather = HalfGather::<S, PREFETCH> {
            token,
            weights: scores.as_ptr(),
            span,
            values: tile.values.as_ptr(),
            head_dim,
            ahead,
            tokens,
            rescale: &rescale,
            accumulators: tile.state.accumulators.as_mut_ptr(),
        };
        let vectors = head_dim / S::F16::LANES;
        // SAFETY: as above; what is left of a row is half a vector, for a row is a multiple of one.
        unsafe {
            side_by_side::<_, ROWS, ACCUMULATORS>(&gather, vectors);
            if !head_dim.is_multiple_of(S::F16::LANES) {
                gather.add::<ROWS, 1, 1>(vectors, |from| token.load_lower(from));
            }
        }
    }
}

/// `scores[r][t] = Σ_d queries[r][d] · keys[d][t]` for tokens of one block of keys.
struct HalfScore<S, const PREFETCH: bool> {
    token: S,
    /// Pairs.
    queries: *const f32,
    keys: *const u16,
    head_dim: usize,
    /// Halves from what is read to what is asked for.
    ahead: usize,
    scores: *mut f32,
    /// Tokens from a row of scores to the next.
    span: usize,
}

impl<S: Halves, const PREFETCH: bool> Columns for HalfScore<S, PREFETCH> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let HalfScore { token, queries, keys, head_dim, ahead, scores, span } = *self;
        let (lanes, zero): (usize, S::F16) = (S::F16::LANES, token.splat(f16::ZERO));
        // SAFETY: by contract.
        unsafe {
            let ahead = keys.wrapping_add(ahead + at * lanes * head_dim);
            let (keys, scores) = (keys.add(at * lanes), scores.add(at * lanes));
            for first in (0..head_dim).step_by(SCORE_STEPS) {
                let mut sums = [[zero; WIDTH]; ROWS];
                for d in first..(first + SCORE_STEPS).min(head_dim) {
                    let mut key = [zero; WIDTH];
                    for (i, key) in key.iter_mut().enumerate() {
                        *key = token.load_from(keys.add(d * KEY_BLOCK + i * lanes).cast());
                    }
                    if PREFETCH {
                        ask(token, ahead.wrapping_add(d * WIDTH * lanes), WIDTH * lanes);
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let query = token.splat_pair(*queries.add(row * head_dim + d).cast());
                        for (sum, key) in sums.iter_mut().zip(key) {
                            *sum = key.mul_add(query, *sum);
                        }
                    }
                }
                // By way of memory, as with products of matrices: the loop above has its registers.
                for (row, sums) in black_box(sums).iter().enumerate() {
                    for (i, sum) in sums.iter().enumerate() {
                        let to = scores.add(row * span + i * lanes);
                        for (half, wide) in token.widened(*sum).into_iter().enumerate() {
                            let to = to.add(half * F32Of::<S>::LANES);
                            let wide = if first > 0 { wide.add(token.floats().load_from(to)) } else { wide };
                            wide.store_to(to);
                        }
                    }
                }
            }
        }
    }
}

/// `acc[r][d] = acc[r][d]·rescale[r] + Σ_t weights[r][t] · values[t][d]`.
struct HalfGather<'a, S, const PREFETCH: bool> {
    token: S,
    /// Pairs.
    weights: *const f32,
    /// Tokens from a row of weights to the next.
    span: usize,
    values: *const u16,
    head_dim: usize,
    /// Halves from what is read to what is asked for.
    ahead: usize,
    tokens: usize,
    rescale: &'a [f32; 16],
    accumulators: *mut f32,
}

impl<S: Halves, const PREFETCH: bool> Columns for HalfGather<'_, S, PREFETCH> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        // SAFETY: by contract.
        unsafe { self.add::<ROWS, WIDTH, 2>(at, |from| self.token.load_from(from)) }
    }
}

impl<S: Halves, const PREFETCH: bool> HalfGather<'_, S, PREFETCH> {
    /// Adds the values of all tokens, of each `WIDTH` vectors as `load` loads them, whose first `PARTS` halves are there.
    ///
    /// # Safety
    /// The memory that the work names has them.
    #[inline(always)]
    unsafe fn add<const ROWS: usize, const WIDTH: usize, const PARTS: usize>(
        &self,
        at: usize,
        load: impl Fn(*const f16) -> S::F16,
    ) {
        let HalfGather { token, weights, span, values, head_dim, tokens, .. } = *self;
        let (lanes, zero): (usize, S::F16) = (S::F16::LANES, token.splat(f16::ZERO));
        let ahead = values.wrapping_add(self.ahead + at * lanes * tokens);
        for first in (0..tokens).step_by(VALUE_STEPS) {
            let mut sums = [[zero; WIDTH]; ROWS];
            for t in first..(first + VALUE_STEPS).min(tokens) {
                if PREFETCH {
                    ask(token, ahead.wrapping_add(t * WIDTH * lanes), WIDTH * lanes);
                }
                let mut value = [zero; WIDTH];
                for (i, value) in value.iter_mut().enumerate() {
                    // SAFETY: by contract.
                    *value = load(unsafe { values.add(t * head_dim + (at + i) * lanes) }.cast());
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: by contract.
                    let weight = token.splat_pair(unsafe { *weights.add(row * span + t).cast() });
                    for (sum, value) in sums.iter_mut().zip(value) {
                        *sum = value.mul_add(weight, *sum);
                    }
                }
            }
            for (row, sums) in black_box(sums).iter().enumerate() {
                let rescale = token.floats().splat(if first == 0 { self.rescale[row] } else { 1.0 });
                for (i, sum) in sums.iter().enumerate() {
                    for (half, wide) in token.widened(*sum).into_iter().enumerate().take(PARTS) {
                        let from_row = (at + i) * lanes + half * F32Of::<S>::LANES;
                        // SAFETY: by contract.
                        unsafe {
                            let to = self.accumulators.add(row * head_dim + from_row);
                            let earlier: F32Of<S> = token.floats().load_from(to);
                            earlier.mul_add(rescale, wide).store_to(to);
                        }
                    }
                }
            }
        }
    }
}
