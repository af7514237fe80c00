//! One turn of attention to latents, rows widened to f32 as they are loaded.

use super::columns::{Columns, Gather, side_by_side, store_sums};
use super::latents::LatentTile;
use super::softmax::{as_it_is, hide, weigh};
use crate::simd::{Float, Floats, Kernel, Vector};

/// Attends with `ROWS` rows to the tokens that they see.
pub(super) struct LatentRows<const ROWS: usize, const ACCUMULATORS: usize>;

impl<S: Floats, const ROWS: usize, const ACCUMULATORS: usize> Kernel<S> for LatentRows<ROWS, ACCUMULATORS> {
    type Input<'a> = LatentTile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: LatentTile<'_>) {
        let LatentTile { head, span, rows, visible, state } = tile;
        let (tokens, lanes) = (visible[ROWS - 1], visible[ROWS - 1].next_multiple_of(S::F32::LANES));
        let (row, value_dim) = (head.row, head.value_dim);
        debug_assert!(lanes <= span && rows.len() >= tokens * row && state.scores.len() >= ROWS * span);
        debug_assert!(state.queries.len() >= ROWS * row && state.accumulators.len() >= ROWS * value_dim);
        let (queries, rows) = (state.queries.as_ptr(), rows.as_ptr());
        let score = Score { token, queries, rows, row, scores: state.scores.as_mut_ptr(), span };
        // SAFETY: who calls a tile describes memory that is there: rows for all visible tokens, and scores for a span of them.
        unsafe { side_by_side::<_, ROWS, ACCUMULATORS>(&score, tokens) };
        if visible[0] < lanes {
            hide(state.scores, span, &visible[..ROWS], lanes);
        }
        let (max, sum) = (&mut state.softmax.max, &mut state.softmax.sum);
        let rescale = weigh::<S, ROWS>(token, state.scores, span, lanes, max, sum, as_it_is);
        let gather = Gather::<S, false> {
            token,
            weights: state.scores.as_ptr(),
            span,
            values: rows,
            stride: row,
            head_dim: value_dim,
            ahead: 0,
            tokens,
            rescale: &rescale,
            accumulators: state.accumulators.as_mut_ptr(),
        };
        // SAFETY: as above; a value is whole vectors, and the first part of a row.
        unsafe { side_by_side::<_, ROWS, ACCUMULATORS>(&gather, value_dim / S::F32::LANES) }
    }
}

/// `scores[r][t] = Σ_d queries[r][d] · rows[t][d]`, with tokens where others have vectors.
struct Score<S> {
    token: S,
    queries: *const f32,
    rows: *const u16,
    /// Elements of a row.
    row: usize,
    scores: *mut f32,
    /// Tokens from a row of scores to the next.
    span: usize,
}

impl<S: Floats> Columns for Score<S> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const TOKENS: usize>(&self, first: usize) {
        let Score { token, queries, rows, row, scores, span } = *self;
        let zero: S::F32 = token.splat(0.0);
        // SAFETY: by contract.
        unsafe {
            let (rows, scores) = (rows.add(first * row), scores.add(first));
            let mut sums = [[zero; TOKENS]; ROWS];
            for d in (0..row).step_by(S::F32::LANES) {
                let mut keys = [zero; TOKENS];
                for (t, key) in keys.iter_mut().enumerate() {
                    *key = token.load_f16_from(rows.add(t * row + d));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let query: S::F32 = token.load_from(queries.add(r * row + d));
                    for (sum, key) in sums.iter_mut().zip(keys) {
                        *sum = key.mul_add(query, *sum);
                    }
                }
            }
            store_sums(sums, scores, span);
        }
    }
}
