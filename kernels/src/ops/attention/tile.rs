//! One turn of attention: up to eight query rows and [`SPAN`] tokens, generic over the instruction set.

use super::partial::TileState;
use super::{KEY_BLOCK, SPAN, TILE_ROWS};
use crate::lanes::{Lanes, exp2};

/// Halves in a cache line.
const LINE: usize = 32;

/// Tokens that keys and values are asked for ahead of their use where a loop steps over lines, which the hardware's own
/// prefetchers follow badly: with a cache in DRAM and eight queries, asking made 1.5 to 1.6 times the speed on an AMD
/// EPYC (Zen 4) VM. Where lines are read one after another, as with one query, asking cost a fifth.
const KEYS_AHEAD: usize = KEY_BLOCK;
/// Each pass over some columns of a turn's values asks for the same columns of the next turn.
const VALUES_AHEAD: usize = SPAN;

/// Query rows and tokens of one turn.
pub(crate) struct Tile<'a> {
    pub(crate) head_dim: usize,
    /// From the turn's first token on; whole blocks.
    pub(crate) keys: &'a [u16],
    /// From the turn's first token on.
    pub(crate) values: &'a [u16],
    /// How many of the turn's tokens each row sees, not descending; at most [`SPAN`].
    pub(crate) visible: [usize; TILE_ROWS],
    pub(crate) state: TileState<'a>,
}

pub(crate) type TileFn = unsafe fn(&mut Tile);

/// Attends with `ROWS` rows to the tokens that they see, as the pseudo-code of [`crate::ops::attention`] says.
///
/// # Safety
/// `V`'s ISA is available; `visible` tokens lie in `keys` (filled up to whole blocks) and `values`; `head_dim` is a
/// multiple of the lanes; the state has room for `ROWS` rows.
#[inline(always)]
pub(crate) unsafe fn tile<V: Lanes, const ROWS: usize>(tile: &mut Tile) {
    let (d, tokens) = (tile.head_dim, tile.visible[ROWS - 1]);
    let lanes = tokens.next_multiple_of(V::LANES);
    let (queries, scores) = (tile.state.queries.as_ptr(), tile.state.scores.as_mut_ptr());
    let accumulators = tile.state.accumulators.as_mut_ptr();
    let mut rescale = [0.0_f32; 16];
    // SAFETY: the caller's contract; a block of keys, and so `lanes`, is whole vectors; scores have SPAN ≥ `lanes` columns.
    unsafe {
        score_all::<V, ROWS>(queries, tile.keys.as_ptr(), d, lanes, scores);
        if tile.visible[0] < lanes {
            hide(tile.state.scores, &tile.visible[..ROWS], lanes);
        }
        let softmax = &mut tile.state.softmax;
        weigh::<V, ROWS>(scores, lanes, &mut softmax.max, &mut softmax.sum, &mut rescale);
        gather_all::<V, ROWS>(scores, tile.values.as_ptr(), d, tokens, &rescale, accumulators);
    }
}

/// Scores of tokens that a row does not see, up to whole vectors, count as nothing. Apart from the hot code: it happens
/// once in a row's life.
#[cold]
#[inline(never)]
fn hide(scores: &mut [f32], visible: &[usize], lanes: usize) {
    for (scores, &visible) in scores.chunks_exact_mut(SPAN).zip(visible) {
        scores[visible..lanes].fill(f32::NEG_INFINITY);
    }
}

/// Takes as many vectors side by side as there are accumulators for, and the rest in ever smaller steps.
macro_rules! side_by_side {
    ($vector:ty, $rows:ident, $vectors:expr, |$at:ident| $call:ident($($argument:expr),*)) => {
        let vectors = $vectors;
        let mut $at = 0;
        while $at < vectors {
            let left = vectors - $at;
            $at += if left >= 8 && 8 * $rows <= <$vector>::ACCUMULATORS {
                $call::<$vector, $rows, 8>($($argument),*);
                8
            } else if left >= 4 && 4 * $rows <= <$vector>::ACCUMULATORS {
                $call::<$vector, $rows, 4>($($argument),*);
                4
            } else if left >= 2 && 2 * $rows <= <$vector>::ACCUMULATORS {
                $call::<$vector, $rows, 2>($($argument),*);
                2
            } else {
                $call::<$vector, $rows, 1>($($argument),*);
                1
            };
        }
    };
}

/// `scores[r][t] = Σ_d queries[r][d] · keys[d][t]` for the first `tokens` tokens.
///
/// # Safety
/// `V`'s ISA is available; pointers and lengths as in [`tile`]; `tokens` is whole vectors.
#[inline(always)]
unsafe fn score_all<V: Lanes, const ROWS: usize>(
    queries: *const f32,
    keys: *const u16,
    head_dim: usize,
    tokens: usize,
    scores: *mut f32,
) {
    for first in (0..tokens).step_by(KEY_BLOCK) {
        // SAFETY: the blocks of the first `tokens` tokens, and their columns of the scores.
        unsafe {
            let (keys, scores) = (keys.add(first * head_dim), scores.add(first));
            side_by_side!(V, ROWS, (tokens - first).min(KEY_BLOCK) / V::LANES, |at| score(
                queries,
                keys.add(at * V::LANES),
                head_dim,
                scores.add(at * V::LANES)
            ));
        }
    }
}

/// # Safety
/// As [`score_all`], for `WIDTH` vectors of one block.
#[inline(always)]
unsafe fn score<V: Lanes, const ROWS: usize, const WIDTH: usize>(
    queries: *const f32,
    keys: *const u16,
    head_dim: usize,
    scores: *mut f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[V::splat(0.0); WIDTH]; ROWS];
        for d in 0..head_dim {
            let mut key = [V::splat(0.0); WIDTH];
            for (i, key) in key.iter_mut().enumerate() {
                *key = V::load_halves(keys.add(d * KEY_BLOCK + i * V::LANES));
            }
            if WIDTH * V::LANES < KEY_BLOCK {
                for i in (0..WIDTH * V::LANES).step_by(LINE) {
                    V::prefetch(keys.wrapping_add(KEYS_AHEAD * head_dim + d * KEY_BLOCK + i));
                }
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let query = V::splat(*queries.add(row * head_dim + d));
                for (sum, key) in sums.iter_mut().zip(key) {
                    *sum = key.mul_add(query, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (i, sum) in sums.iter().enumerate() {
                sum.store(scores.add(row * SPAN + i * V::LANES));
            }
        }
    }
}

/// Turns scores into weights relative to the new maxima, and brings the sums up to date. `rescale` is what everything
/// that was gathered under the old maxima must be multiplied by.
///
/// # Safety
/// `V`'s ISA is available; `tokens` is whole vectors.
#[inline(always)]
unsafe fn weigh<V: Lanes, const ROWS: usize>(
    scores: *mut f32,
    tokens: usize,
    max: &mut [f32; 16],
    sum: &mut [f32; 16],
    rescale: &mut [f32; 16],
) {
    // SAFETY: `tokens` ≤ SPAN columns of each row; sixteen values are whole vectors.
    unsafe {
        for row in 0..ROWS {
            let mut largest = V::splat(max[row]);
            for t in (0..tokens).step_by(V::LANES) {
                largest = largest.max(V::load(scores.add(row * SPAN + t)));
            }
            let largest = largest.largest_lane();
            rescale[row] = max[row] - largest;
            max[row] = largest;
        }
        exp2_lanes::<V>(rescale);
        for row in 0..ROWS {
            let mut total = V::splat(0.0);
            for t in (0..tokens).step_by(V::LANES) {
                let at = scores.add(row * SPAN + t);
                let weight = exp2(V::load(at).sub(V::splat(max[row])));
                weight.store(at);
                total = total.add(weight);
            }
            sum[row] = sum[row] * rescale[row] + total.sum_of_lanes();
        }
    }
}

/// `acc[r][d] = acc[r][d]·rescale[r] + Σ_t weights[r][t] · values[t][d]`.
///
/// # Safety
/// `V`'s ISA is available; pointers and lengths as in [`tile`].
#[inline(always)]
unsafe fn gather_all<V: Lanes, const ROWS: usize>(
    weights: *const f32,
    values: *const u16,
    head_dim: usize,
    tokens: usize,
    rescale: &[f32; 16],
    accumulators: *mut f32,
) {
    // SAFETY: vectors of the `head_dim` elements of each row.
    unsafe {
        side_by_side!(V, ROWS, head_dim / V::LANES, |at| gather(
            weights,
            values.add(at * V::LANES),
            head_dim,
            tokens,
            rescale,
            accumulators.add(at * V::LANES)
        ));
    }
}

/// # Safety
/// As [`gather_all`], for `WIDTH` vectors of each row.
#[inline(always)]
unsafe fn gather<V: Lanes, const ROWS: usize, const WIDTH: usize>(
    weights: *const f32,
    values: *const u16,
    head_dim: usize,
    tokens: usize,
    rescale: &[f32; 16],
    accumulators: *mut f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[V::splat(0.0); WIDTH]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(accumulators.add(row * head_dim + i * V::LANES)).mul(V::splat(rescale[row]));
            }
        }
        for t in 0..tokens {
            let mut value = [V::splat(0.0); WIDTH];
            for (i, value) in value.iter_mut().enumerate() {
                *value = V::load_halves(values.add(t * head_dim + i * V::LANES));
            }
            if WIDTH * V::LANES < head_dim {
                for i in (0..WIDTH * V::LANES).step_by(LINE) {
                    V::prefetch(values.wrapping_add((t + VALUES_AHEAD) * head_dim + i));
                }
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = V::splat(*weights.add(row * SPAN + t));
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum = value.mul_add(weight, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (i, sum) in sums.iter().enumerate() {
                sum.store(accumulators.add(row * head_dim + i * V::LANES));
            }
        }
    }
}

/// 2^x of sixteen values.
///
/// # Safety
/// `V`'s ISA is available.
#[inline(always)]
pub(crate) unsafe fn exp2_lanes<V: Lanes>(x: &mut [f32; 16]) {
    let x = x.as_mut_ptr();
    for i in (0..16).step_by(V::LANES) {
        // SAFETY: whole vectors of the sixteen values.
        unsafe { exp2(V::load(x.add(i))).store(x.add(i)) }
    }
}
