//! One query row, four streams side by side: four blocks of keys, then the four quarters of a span's values.
//!
//! For a memory that a core reads faster in several streams than in one.

use super::columns::{Columns, Gather, LINE, side_by_side};
use super::head::KEY_BLOCK;
use super::kernel::Tile;
use super::rows::Rows;
use super::softmax::{as_it_is, weigh};
use crate::simd::{Float, Floats, Kernel, Vector};

/// Streams side by side.
const STREAMS: usize = 4;

/// Attends with one row; what is left at the end of a range goes the way of one stream.
pub(super) struct Abreast<const ACCUMULATORS: usize, const PREFETCH: bool>;

impl<S: Floats, const ACCUMULATORS: usize, const PREFETCH: bool> Kernel<S> for Abreast<ACCUMULATORS, PREFETCH> {
    type Input<'a> = Tile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: Tile<'_>) {
        let (head_dim, span, tokens) = (tile.head_dim, tile.ways.span, tile.visible[0]);
        if tokens < span {
            return Rows::<1, ACCUMULATORS, PREFETCH>::run(token, tile);
        }
        let ahead = tile.ways.prefetch_bytes / size_of::<u16>();
        let (scores, softmax) = (tile.state.scores, tile.state.softmax);
        for first in (0..span).step_by(STREAMS * KEY_BLOCK) {
            // SAFETY: who calls a tile describes memory that is there; a span is a multiple of four blocks.
            unsafe {
                let keys = tile.keys.as_ptr().add(first * head_dim);
                let (queries, scores) = (tile.state.queries.as_ptr(), scores.as_mut_ptr().add(first));
                let score = ScoreBlocks::<S, PREFETCH> { token, queries, keys, head_dim, ahead, scores };
                side_by_side::<_, STREAMS, ACCUMULATORS>(&score, KEY_BLOCK / S::F32::LANES);
            }
        }
        let rescale = weigh::<S, 1>(token, scores, span, span, &mut softmax.max, &mut softmax.sum, as_it_is);
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
        // SAFETY: as above.
        unsafe { side_by_side::<_, 1, ACCUMULATORS>(&GatherQuarters(gather), head_dim / S::F32::LANES) }
    }
}

/// The two stretches of a stream of `turns` turns, and from where each asks for lines: the last ones lie in what the same stream
/// reads next, `next` halves from its start.
fn stretches(turns: usize, line: usize, ahead: usize, next: usize) -> [(std::ops::Range<usize>, usize); 2] {
    let last = (ahead / line).min(turns);
    [(0..turns - last, ahead), (turns - last..turns, next.wrapping_sub((turns - last) * line))]
}

/// The scores of a query with the tokens of four blocks.
struct ScoreBlocks<S, const PREFETCH: bool> {
    token: S,
    queries: *const f32,
    keys: *const u16,
    head_dim: usize,
    ahead: usize,
    scores: *mut f32,
}

impl<S: Floats, const PREFETCH: bool> Columns for ScoreBlocks<S, PREFETCH> {
    /// `BLOCKS` stands where others have rows.
    #[inline(always)]
    unsafe fn columns<const BLOCKS: usize, const WIDTH: usize>(&self, at: usize) {
        let ScoreBlocks { token, queries, keys, head_dim, ahead, scores } = *self;
        let (lanes, zero): (usize, S::F32) = (S::F32::LANES, token.splat(0.0));
        let block = KEY_BLOCK * head_dim;
        // SAFETY: by contract.
        unsafe {
            let (keys, scores) = (keys.add(at * lanes), scores.add(at * lanes));
            let mut sums = [[zero; WIDTH]; BLOCKS];
            for (turns, ahead) in stretches(head_dim, KEY_BLOCK, ahead, BLOCKS * block) {
                for d in turns {
                    let query: S::F32 = token.splat(*queries.add(d));
                    for (stream, sums) in sums.iter_mut().enumerate() {
                        let from = keys.add(stream * block + d * KEY_BLOCK);
                        if PREFETCH {
                            ask_within::<S, WIDTH>(token, from.wrapping_add(ahead), at);
                        }
                        for (i, sum) in sums.iter_mut().enumerate() {
                            *sum = token.load_f16_from(from.add(i * lanes)).mul_add(query, *sum);
                        }
                    }
                }
            }
            for (stream, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store_to(scores.add(stream * KEY_BLOCK + i * lanes));
                }
            }
        }
    }
}

/// What the values of four quarters of a span add up to, in one set of accumulators.
struct GatherQuarters<'a, S, const PREFETCH: bool>(Gather<'a, S, PREFETCH>);

impl<S: Floats, const PREFETCH: bool> Columns for GatherQuarters<'_, S, PREFETCH> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let Gather { token, values, head_dim, tokens, ahead, .. } = self.0;
        let (quarter, lanes) = (tokens / STREAMS, S::F32::LANES);
        // SAFETY: by contract.
        unsafe {
            let mut sums = self.0.rescaled::<ROWS, WIDTH>(at);
            for (turns, ahead) in stretches(quarter, head_dim, ahead, tokens * head_dim) {
                for turn in turns {
                    for stream in 0..STREAMS {
                        let t = stream * quarter + turn;
                        if PREFETCH {
                            ask_within::<S, WIDTH>(token, values.wrapping_add(t * head_dim + at * lanes + ahead), at);
                        }
                        self.0.add(at, t, &mut sums);
                    }
                }
            }
            self.0.keep(at, &sums);
        }
    }
}

/// Asks for the lines at `at` that begin within a strip of `WIDTH` vectors, which is the `first` vector's.
#[inline(always)]
fn ask_within<S: Floats, const WIDTH: usize>(token: S, at: *const u16, first: usize) {
    let lanes = S::F32::LANES;
    if WIDTH * lanes >= LINE || (first * lanes).is_multiple_of(LINE) {
        super::columns::ask(token, at, WIDTH * lanes);
    }
}
