//! The softmax of one tile and span.

use crate::simd::{Float, Floats, Kernel, Single, Token, Vector};

/// Scores of tokens that a row does not see, up to whole vectors, count as nothing. Apart from the hot code: it happens
/// once in a row's life.
#[cold]
#[inline(never)]
pub(super) fn hide(scores: &mut [f32], span: usize, visible: &[usize], lanes: usize) {
    for (scores, &visible) in scores.chunks_exact_mut(span).zip(visible) {
        scores[visible..lanes].fill(f32::NEG_INFINITY);
    }
}

/// Turns the scores of `tokens` tokens, whole vectors, into weights relative to the new maxima, and brings the sums up to
/// date. Returns what everything that was gathered under the old maxima must be multiplied by. `kept` says of a vector of weights
/// what is summed up, and what is stored.
#[inline(always)]
pub(super) fn weigh<S: Floats, const ROWS: usize>(
    token: S,
    scores: &mut [f32],
    span: usize,
    tokens: usize,
    max: &mut [f32; 16],
    sum: &mut [f32; 16],
    kept: impl Fn(S::F32) -> [S::F32; 2],
) -> [f32; 16] {
    let lanes = S::F32::LANES;
    let scores = scores.as_mut_ptr();
    let mut rescale = [0.0_f32; 16];
    // SAFETY: `tokens` ≤ `span` columns of each row.
    unsafe {
        for row in 0..ROWS {
            let mut largest: S::F32 = token.splat(max[row]);
            for t in (0..tokens).step_by(lanes) {
                largest = largest.max(token.load_from(scores.add(row * span + t)));
            }
            let largest = largest.largest();
            rescale[row] = max[row] - largest;
            max[row] = largest;
        }
        Exp2::run(token, &mut rescale);
        for row in 0..ROWS {
            let (mut total, max): (S::F32, S::F32) = (token.splat(0.0), token.splat(max[row]));
            for t in (0..tokens).step_by(lanes) {
                let at = scores.add(row * span + t);
                let score: S::F32 = token.load_from(at);
                let [weight, stored] = kept(exp2(token, score.sub(max)));
                stored.store_to(at);
                total = total.add(weight);
            }
            sum[row] = sum[row] * rescale[row] + total.sum();
        }
    }
    rescale
}

/// A weight that is stored as it is summed up.
#[inline(always)]
pub(super) fn as_it_is<V: Vector>(weight: V) -> [V; 2] {
    [weight; 2]
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
pub(super) struct Exp2;

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
