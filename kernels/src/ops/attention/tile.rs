//! One turn of attention: up to eight query rows and [`SPAN`] tokens, generic over the instruction set.

use super::head::{KEY_BLOCK, SPAN};
use super::kernel::{AttentionEntry, Tile};
use crate::simd::{Float, Floats, Kernel, Single, Token, Vector};

/// Halves in a cache line.
const LINE: usize = 32;

/// Tokens that keys and values are asked for ahead of their use where a loop steps over lines, which the hardware's own
/// prefetchers follow badly: with a cache in DRAM and eight queries, asking made 1.5 to 1.6 times the speed on an AMD
/// EPYC (Zen 4) VM. Where lines are read one after another, as with one query, asking cost a fifth.
const KEYS_AHEAD: usize = KEY_BLOCK;
/// Each pass over some columns of a turn's values asks for the same columns of the next turn.
const VALUES_AHEAD: usize = SPAN;

/// The kernel of an instruction set. `ACCUMULATORS` vectors may be kept as accumulators by a loop: enough independent ones to
/// hide the latency of a multiply-add, few enough to leave registers for the operands.
pub(crate) const fn attention<S: Floats, const ACCUMULATORS: usize>() -> AttentionEntry {
    AttentionEntry {
        isa: S::ISA,
        tiles: [
            S::run::<Rows<1, ACCUMULATORS>>,
            S::run::<Rows<2, ACCUMULATORS>>,
            S::run::<Rows<3, ACCUMULATORS>>,
            S::run::<Rows<4, ACCUMULATORS>>,
            S::run::<Rows<5, ACCUMULATORS>>,
            S::run::<Rows<6, ACCUMULATORS>>,
            S::run::<Rows<7, ACCUMULATORS>>,
            S::run::<Rows<8, ACCUMULATORS>>,
        ],
        exp2: S::run::<Exp2>,
    }
}

/// Attends with `ROWS` rows to the tokens that they see, as the pseudo-code of [`crate::ops::attention`] says.
struct Rows<const ROWS: usize, const ACCUMULATORS: usize>;

impl<S: Floats, const ROWS: usize, const ACCUMULATORS: usize> Kernel<S> for Rows<ROWS, ACCUMULATORS> {
    type Input<'a> = Tile<'a>;
    type Output = ();

    #[inline(always)]
    fn run(token: S, tile: Tile<'_>) {
        let (head_dim, tokens) = (tile.head_dim, tile.visible[ROWS - 1]);
        let lanes = tokens.next_multiple_of(S::F32::LANES);
        debug_assert!(head_dim.is_multiple_of(S::F32::LANES) && lanes <= SPAN);
        debug_assert!(tile.keys.len() >= tokens.next_multiple_of(KEY_BLOCK) * head_dim);
        debug_assert!(tile.values.len() >= tokens * head_dim);
        debug_assert!(tile.state.queries.len() >= ROWS * head_dim && tile.state.scores.len() >= ROWS * SPAN);
        debug_assert!(tile.state.accumulators.len() >= ROWS * head_dim);
        let (scores, softmax) = (tile.state.scores, tile.state.softmax);
        for first in (0..lanes).step_by(KEY_BLOCK) {
            let queries = tile.state.queries.as_ptr();
            let vectors = (lanes - first).min(KEY_BLOCK) / S::F32::LANES;
            // SAFETY: who calls a tile describes memory that is there: whole blocks of keys for all visible tokens. A block is
            // whole vectors, and so are `lanes`; scores have SPAN ≥ `lanes` columns.
            unsafe {
                let keys = tile.keys.as_ptr().add(first * head_dim);
                let score = Score { token, queries, keys, head_dim, scores: scores.as_mut_ptr().add(first) };
                side_by_side::<_, ROWS, ACCUMULATORS>(&score, vectors);
            }
        }
        if tile.visible[0] < lanes {
            hide(scores, &tile.visible[..ROWS], lanes);
        }
        let rescale = weigh::<S, ROWS>(token, scores, lanes, &mut softmax.max, &mut softmax.sum);
        let (weights, values, accumulators) =
            (scores.as_ptr(), tile.values.as_ptr(), tile.state.accumulators.as_mut_ptr());
        let gather = Gather { token, weights, values, head_dim, tokens, rescale: &rescale, accumulators };
        // SAFETY: as above; a row of values is whole vectors.
        unsafe { side_by_side::<_, ROWS, ACCUMULATORS>(&gather, head_dim / S::F32::LANES) }
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

/// Work on several vectors side by side.
trait Columns {
    /// Works on `WIDTH` vectors of `ROWS` rows, from vector `at` on.
    ///
    /// # Safety
    /// The memory that the work names has them.
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize);
}

/// Takes as many vectors side by side as there are accumulators for, and the rest in ever smaller steps.
///
/// # Safety
/// The memory that the work names has so many vectors.
#[inline(always)]
unsafe fn side_by_side<C: Columns, const ROWS: usize, const ACCUMULATORS: usize>(work: &C, vectors: usize) {
    let mut at = 0;
    while at < vectors {
        let left = vectors - at;
        // SAFETY: by contract; no step goes beyond what is left.
        unsafe {
            at += if left >= 8 && 8 * ROWS <= ACCUMULATORS {
                work.columns::<ROWS, 8>(at);
                8
            } else if left >= 4 && 4 * ROWS <= ACCUMULATORS {
                work.columns::<ROWS, 4>(at);
                4
            } else if left >= 2 && 2 * ROWS <= ACCUMULATORS {
                work.columns::<ROWS, 2>(at);
                2
            } else {
                work.columns::<ROWS, 1>(at);
                1
            };
        }
    }
}

/// `scores[r][t] = Σ_d queries[r][d] · keys[d][t]` for tokens of one block of keys.
struct Score<S> {
    token: S,
    queries: *const f32,
    keys: *const u16,
    head_dim: usize,
    scores: *mut f32,
}

impl<S: Floats> Columns for Score<S> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let Score { token, queries, keys, head_dim, scores } = *self;
        let (lanes, zero): (usize, S::F32) = (S::F32::LANES, token.splat(0.0));
        // SAFETY: by contract.
        unsafe {
            let (keys, scores) = (keys.add(at * lanes), scores.add(at * lanes));
            let mut sums = [[zero; WIDTH]; ROWS];
            for d in 0..head_dim {
                let mut key = [zero; WIDTH];
                for (i, key) in key.iter_mut().enumerate() {
                    *key = token.load_f16_from(keys.add(d * KEY_BLOCK + i * lanes));
                }
                if WIDTH * lanes < KEY_BLOCK {
                    for i in (0..WIDTH * lanes).step_by(LINE) {
                        let ahead = keys.wrapping_add(KEYS_AHEAD * head_dim + d * KEY_BLOCK + i);
                        token.prefetch_second_level(ahead.cast());
                    }
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let query = token.splat(*queries.add(row * head_dim + d));
                    for (sum, key) in sums.iter_mut().zip(key) {
                        *sum = key.mul_add(query, *sum);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store_to(scores.add(row * SPAN + i * lanes));
                }
            }
        }
    }
}

/// Turns the scores of `tokens` tokens, whole vectors, into weights relative to the new maxima, and brings the sums up to
/// date. Returns what everything that was gathered under the old maxima must be multiplied by.
#[inline(always)]
fn weigh<S: Floats, const ROWS: usize>(
    token: S,
    scores: &mut [f32],
    tokens: usize,
    max: &mut [f32; 16],
    sum: &mut [f32; 16],
) -> [f32; 16] {
    let lanes = S::F32::LANES;
    let scores = scores.as_mut_ptr();
    let mut rescale = [0.0_f32; 16];
    // SAFETY: `tokens` ≤ SPAN columns of each row.
    unsafe {
        for row in 0..ROWS {
            let mut largest: S::F32 = token.splat(max[row]);
            for t in (0..tokens).step_by(lanes) {
                largest = largest.max(token.load_from(scores.add(row * SPAN + t)));
            }
            let largest = largest.largest();
            rescale[row] = max[row] - largest;
            max[row] = largest;
        }
        Exp2::run(token, &mut rescale);
        for row in 0..ROWS {
            let (mut total, max): (S::F32, S::F32) = (token.splat(0.0), token.splat(max[row]));
            for t in (0..tokens).step_by(lanes) {
                let at = scores.add(row * SPAN + t);
                let score: S::F32 = token.load_from(at);
                let weight = exp2(token, score.sub(max));
                weight.store_to(at);
                total = total.add(weight);
            }
            sum[row] = sum[row] * rescale[row] + total.sum();
        }
    }
    rescale
}

/// `acc[r][d] = acc[r][d]·rescale[r] + Σ_t weights[r][t] · values[t][d]`.
struct Gather<'a, S> {
    token: S,
    weights: *const f32,
    values: *const u16,
    head_dim: usize,
    tokens: usize,
    rescale: &'a [f32; 16],
    accumulators: *mut f32,
}

impl<S: Floats> Columns for Gather<'_, S> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let Gather { token, weights, values, head_dim, tokens, rescale, accumulators } = *self;
        let (lanes, zero): (usize, S::F32) = (S::F32::LANES, token.splat(0.0));
        // SAFETY: by contract.
        unsafe {
            let (values, accumulators) = (values.add(at * lanes), accumulators.add(at * lanes));
            let mut sums = [[zero; WIDTH]; ROWS];
            for (row, sums) in sums.iter_mut().enumerate() {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = token.load_from(accumulators.add(row * head_dim + i * lanes));
                    *sum = sum.mul(token.splat(rescale[row]));
                }
            }
            for t in 0..tokens {
                let mut value = [zero; WIDTH];
                for (i, value) in value.iter_mut().enumerate() {
                    *value = token.load_f16_from(values.add(t * head_dim + i * lanes));
                }
                if WIDTH * lanes < head_dim {
                    for i in (0..WIDTH * lanes).step_by(LINE) {
                        let ahead = values.wrapping_add((t + VALUES_AHEAD) * head_dim + i);
                        token.prefetch_second_level(ahead.cast());
                    }
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let weight = token.splat(*weights.add(row * SPAN + t));
                    for (sum, value) in sums.iter_mut().zip(value) {
                        *sum = value.mul_add(weight, *sum);
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store_to(accumulators.add(row * head_dim + i * lanes));
                }
            }
        }
    }
}

/// 1.5 · 2²³: adding it rounds a small number to an integer, which then stands in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

/// `(2^f − 1) / f` on |f| ≤ ½, highest power first: minimax in the relative error of 2^f (Remez), 2.6e-9. The constant
/// term 1 is not approximated, so that 2⁰ is exactly 1.
const EXP2: [f32; 6] = [0.000_155_946_78, 0.001_340_664_3, 0.009_617_693, 0.055_503_104, 0.240_226_52, 0.693_147_24];

/// 2^x for x ≤ 0, within 2 units in the last place; at and below −127 exactly 0, and between −127 and −126, where results
/// have no normal representation, within 2⁻¹²⁶ absolutely. No number stays no number.
#[inline(always)]
fn exp2<S: Token, V: Single<Registers = S::Registers>>(token: S, x: V) -> V {
    let splat = |value: f32| -> V { token.splat(value) };
    let x = splat(-127.0).max(x);
    let rounded = x.add(splat(ROUNDER));
    let f = x.sub(rounded.sub(splat(ROUNDER)));
    let mut p = splat(EXP2[0]);
    for &coefficient in &EXP2[1..] {
        p = p.mul_add(f, splat(coefficient));
    }
    p.mul_add(f, splat(1.0)).add_exponent(rounded)
}

/// 2^x of sixteen values.
struct Exp2;

impl<S: Floats> Kernel<S> for Exp2 {
    type Input<'a> = &'a mut [f32; 16];
    type Output = ();

    #[inline(always)]
    fn run(token: S, x: &mut [f32; 16]) {
        for x in x.chunks_exact_mut(S::F32::LANES) {
            let value: S::F32 = token.load(x);
            exp2(token, value).store(x);
        }
    }
}
