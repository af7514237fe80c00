//! One turn of attention: up to eight query rows and a span of tokens, one stream after another.

use super::columns::{Gather, Score, side_by_side};
use super::head::KEY_BLOCK;
use super::kernel::Tile;
use super::softmax::{as_it_is, hide, weigh};
use crate::simd::{Floats, Kernel, Vector};

/// Attends with `ROWS` rows to the tokens that they see, as the pseudo-code of [`crate::ops::attention`] says.
pub(super) struct Rows<const ROWS: usize, const ACCUMULATORS: usize, const PREFETCH: bool>;

impl<S: Floats, const ROWS: usize, const ACCUMULATORS: usize, const PREFETCH: bool> Kernel<S>
    for Rows<ROWS, ACCUMULATORS, PREFETCH>
{
    type Input<'a> = Tile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: Tile<'_>) {
        let (head_dim, span, tokens) = (tile.head_dim, tile.ways.span, tile.visible[ROWS - 1]);
        let ahead = tile.ways.prefetch_bytes / size_of::<u16>();
        let lanes = tokens.next_multiple_of(S::F32::LANES);
        debug_assert!(head_dim.is_multiple_of(S::F32::LANES) && lanes <= span);
        debug_assert!(tile.keys.len() >= tokens.next_multiple_of(KEY_BLOCK) * head_dim);
        debug_assert!(tile.values.len() >= tokens * head_dim);
        debug_assert!(tile.state.queries.len() >= ROWS * head_dim && tile.state.scores.len() >= ROWS * span);
        debug_assert!(tile.state.accumulators.len() >= ROWS * head_dim);
        let (scores, softmax) = (tile.state.scores, tile.state.softmax);
        for first in (0..lanes).step_by(KEY_BLOCK) {
            let queries = tile.state.queries.as_ptr();
            let vectors = (lanes - first).min(KEY_BLOCK) / S::F32::LANES;
            // SAFETY: who calls a tile describes memory that is there: whole blocks of keys for all visible tokens. A block is
            // whole vectors, and so are `lanes`; scores have a span ≥ `lanes` columns.
            unsafe {
                let keys = tile.keys.as_ptr().add(first * head_dim);
                let scores = scores.as_mut_ptr().add(first);
                let score = Score::<S, PREFETCH> { token, queries, keys, head_dim, ahead, scores, span };
                side_by_side::<_, ROWS, ACCUMULATORS>(&score, vectors);
            }
        }
        if tile.visible[0] < lanes {
            hide(scores, span, &tile.visible[..ROWS], lanes);
        }
        let rescale = weigh::<S, ROWS>(token, scores, span, lanes, &mut softmax.max, &mut softmax.sum, as_it_is);
        let gather = Gather::<S, PREFETCH> {
            token,
            weights: scores.as_ptr(),
            span,
            values: tile.values.as_ptr(),
            stride: head_dim,
            head_dim,
            ahead,
            tokens,
            rescale: &rescale,
            accumulators: tile.state.accumulators.as_mut_ptr(),
        };
        // SAFETY: as above; a row of values is whole vectors.
        unsafe { side_by_side::<_, ROWS, ACCUMULATORS>(&gather, head_dim / S::F32::LANES) }
    }
}
