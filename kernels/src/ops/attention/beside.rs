//! One query row, two streams: the keys of a block beside the values of the block before it, so that both go on from one end
//! of the cache to the other and no prefetcher ever has to find a new one.

use super::columns::{Columns, Gather, Score, ask, side_by_side};
use super::head::KEY_BLOCK;
use super::kernel::Tile;
use super::softmax::{as_it_is, hide, weigh};
use crate::simd::{Float, Floats, Kernel, Vector};

/// Vectors of a key block's scores that are kept in registers, and of values at most.
const KEY_VECTORS: usize = 4;
const VALUE_VECTORS: usize = 8;
/// Accumulators of the first and the last block, which have no other beside them.
const ALONE: usize = 8;

/// Whether the registers hold the scores of a block and a row of values: whether four vectors are a block.
pub(super) const fn fits<S: Floats>() -> bool {
    S::F32::LANES * KEY_VECTORS == KEY_BLOCK
}

/// Attends with one row to a whole range.
pub(super) struct Beside<const PREFETCH: bool>;

/// A block of which the scores are known.
struct Block<'a, S, const PREFETCH: bool> {
    gather: Gather<'a, S, PREFETCH>,
    queries: *const f32,
    /// The keys of the next block.
    keys: *const u16,
    /// Its scores.
    scores: *mut f32,
}

impl<S: Floats, const PREFETCH: bool> Kernel<S> for Beside<PREFETCH> {
    type Input<'a> = Tile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: Tile<'_>) {
        let (head_dim, tokens, ahead) = (tile.head_dim, tile.visible[0], tile.ways.prefetch_bytes / size_of::<u16>());
        let (scores, softmax) = (tile.state.scores, tile.state.softmax);
        let queries = tile.state.queries.as_ptr();
        let (even, odd) = scores.split_at_mut(KEY_BLOCK);
        let (mut now, mut next) = (even, &mut odd[..KEY_BLOCK]);
        let score = Score::<S, PREFETCH> {
            token,
            queries,
            keys: tile.keys.as_ptr(),
            head_dim,
            ahead,
            scores: now.as_mut_ptr(),
            span: KEY_BLOCK,
        };
        // SAFETY: who calls a tile describes memory that is there: whole blocks of keys for all visible tokens.
        unsafe { side_by_side::<_, 1, ALONE>(&score, KEY_BLOCK / S::F32::LANES) };
        for start in (0..tokens).step_by(KEY_BLOCK) {
            let seen = (tokens - start).min(KEY_BLOCK);
            if seen < KEY_BLOCK {
                hide(now, KEY_BLOCK, &[seen], KEY_BLOCK);
            }
            let rescale = weigh::<S, 1>(token, now, KEY_BLOCK, KEY_BLOCK, &mut softmax.max, &mut softmax.sum, as_it_is);
            // SAFETY: as above; the next block's keys are looked at only where there is such a block.
            unsafe {
                let gather = Gather::<S, PREFETCH> {
                    token,
                    weights: now.as_ptr(),
                    span: KEY_BLOCK,
                    values: tile.values.as_ptr().add(start * head_dim),
                    stride: head_dim,
                    head_dim,
                    ahead,
                    tokens: seen,
                    rescale: &rescale,
                    accumulators: tile.state.accumulators.as_mut_ptr(),
                };
                let keys = tile.keys.as_ptr().wrapping_add((start + KEY_BLOCK) * head_dim);
                let block = Block { gather, queries, keys, scores: next.as_mut_ptr() };
                block.attend(start + KEY_BLOCK < tokens);
            }
            (now, next) = (next, now);
        }
    }
}

impl<S: Floats, const PREFETCH: bool> Block<'_, S, PREFETCH> {
    /// Adds the block's values to the accumulators; with the scores of the next block, where one goes `on`.
    ///
    /// # Safety
    /// The memory that the block names is there.
    #[inline(always)]
    unsafe fn attend(&self, on: bool) {
        let head_dim = self.gather.head_dim;
        let vectors = head_dim / S::F32::LANES;
        // SAFETY: by contract; no step takes more vectors than a row has.
        let done = unsafe {
            if !on {
                0
            } else if head_dim == KEY_BLOCK && vectors == KEY_VECTORS {
                self.beside::<KEY_VECTORS>(|t| t..t + 1)
            } else if head_dim == 2 * KEY_BLOCK && vectors == VALUE_VECTORS {
                self.beside::<VALUE_VECTORS>(|t| 2 * t..2 * t + 2)
            } else if vectors >= VALUE_VECTORS {
                self.beside::<VALUE_VECTORS>(|t| head_dim * t / KEY_BLOCK..head_dim * (t + 1) / KEY_BLOCK)
            } else if vectors >= KEY_VECTORS {
                self.beside::<KEY_VECTORS>(|t| head_dim * t / KEY_BLOCK..head_dim * (t + 1) / KEY_BLOCK)
            } else {
                self.beside::<1>(|t| head_dim * t / KEY_BLOCK..head_dim * (t + 1) / KEY_BLOCK)
            }
        };
        // SAFETY: as above.
        unsafe { side_by_side::<_, 1, ALONE>(&From(&self.gather, done), vectors - done) }
    }

    /// All keys of the next block, and of each token of this one the first `WIDTH` vectors of its values. `steps` says which
    /// elements of the keys come with a token. Returns `WIDTH`.
    ///
    /// # Safety
    /// The memory that the block names is there, and the block is whole.
    #[inline(always)]
    unsafe fn beside<const WIDTH: usize>(&self, steps: impl Fn(usize) -> std::ops::Range<usize>) -> usize {
        let Block { gather, queries, keys, scores } = self;
        let (token, lanes) = (gather.token, S::F32::LANES);
        // SAFETY: by contract.
        unsafe {
            let mut sums = [token.splat(0.0); KEY_VECTORS];
            let mut accumulators = gather.rescaled::<1, WIDTH>(0);
            for t in 0..KEY_BLOCK {
                for d in steps(t) {
                    let (query, from): (S::F32, _) = (token.splat(*queries.add(d)), keys.add(d * KEY_BLOCK));
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = token.load_f16_from(from.add(i * lanes)).mul_add(query, *sum);
                    }
                    if PREFETCH {
                        ask(token, from.wrapping_add(gather.ahead), KEY_VECTORS * lanes);
                    }
                }
                if PREFETCH {
                    ask(token, gather.values.wrapping_add(t * gather.head_dim + gather.ahead), WIDTH * lanes);
                }
                gather.add(0, t, &mut accumulators);
            }
            sums.iter().enumerate().for_each(|(i, sum)| sum.store_to(scores.add(i * lanes)));
            gather.keep(0, &accumulators);
        }
        WIDTH
    }
}

/// The vectors of a work from one on.
struct From<'a, C>(&'a C, usize);

impl<C: Columns> Columns for From<'_, C> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        // SAFETY: by contract.
        unsafe { self.0.columns::<ROWS, WIDTH>(self.1 + at) }
    }
}
