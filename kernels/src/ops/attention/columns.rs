//! The two products of attention, several vectors side by side.

use super::head::KEY_BLOCK;
use crate::simd::{Float, Floats, Single, Token, Vector};

/// Halves in a cache line.
pub(super) const LINE: usize = 32;

/// Work on several vectors side by side.
pub(super) trait Columns {
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
pub(super) unsafe fn side_by_side<C: Columns, const ROWS: usize, const ACCUMULATORS: usize>(work: &C, vectors: usize) {
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

/// Asks for the lines at `at`, as many as so many halves take.
///
/// A prefetch follows memory from end to end, whatever the order in which a loop that goes over it in strips uses its lines:
/// the hardware's own prefetchers follow such loops badly.
#[inline(always)]
pub(super) fn ask<S: Token>(token: S, at: *const u16, halves: usize) {
    for i in (0..halves).step_by(LINE) {
        token.prefetch_first_level(at.wrapping_add(i).cast());
    }
}

/// Adds up the lanes of scores, of so many rows and tokens, and stores them; rows of scores lie a span apart.
///
/// # Safety
/// `scores` has room for them.
#[inline(always)]
pub(super) unsafe fn store_sums<V: Single, const ROWS: usize, const TOKENS: usize>(
    sums: [[V; TOKENS]; ROWS],
    scores: *mut f32,
    span: usize,
) {
    let all = sums.as_flattened();
    // SAFETY: by contract.
    let store = |i: usize, sum: f32| unsafe { *scores.add(i / TOKENS * span + i % TOKENS) = sum };
    let (fours, rest) = all.as_chunks::<4>();
    for (place, &four) in fours.iter().enumerate() {
        for (i, sum) in V::sums(four).into_iter().enumerate() {
            store(4 * place + i, sum);
        }
    }
    for (i, sum) in rest.iter().enumerate() {
        store(4 * fours.len() + i, sum.sum());
    }
}

/// `scores[r][t] = Σ_d queries[r][d] · keys[d][t]` for tokens of one block of keys.
pub(super) struct Score<S, const PREFETCH: bool> {
    pub(super) token: S,
    pub(super) queries: *const f32,
    pub(super) keys: *const u16,
    pub(super) head_dim: usize,
    /// Halves from what is read to what is asked for.
    pub(super) ahead: usize,
    pub(super) scores: *mut f32,
    /// Tokens from a row of scores to the next.
    pub(super) span: usize,
}

impl<S: Floats, const PREFETCH: bool> Columns for Score<S, PREFETCH> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let Score { token, queries, keys, head_dim, ahead, scores, span } = *self;
        let (lanes, zero): (usize, S::F32) = (S::F32::LANES, token.splat(0.0));
        // SAFETY: by contract.
        unsafe {
            let ahead = keys.wrapping_add(ahead + at * lanes * head_dim);
            let (keys, scores) = (keys.add(at * lanes), scores.add(at * lanes));
            let mut sums = [[zero; WIDTH]; ROWS];
            for d in 0..head_dim {
                let mut key = [zero; WIDTH];
                for (i, key) in key.iter_mut().enumerate() {
                    *key = token.load_f16_from(keys.add(d * KEY_BLOCK + i * lanes));
                }
                if PREFETCH {
                    ask(token, ahead.wrapping_add(d * WIDTH * lanes), WIDTH * lanes);
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
                    sum.store_to(scores.add(row * span + i * lanes));
                }
            }
        }
    }
}

/// `acc[r][d] = acc[r][d]·rescale[r] + Σ_t weights[r][t] · values[t][d]`.
pub(super) struct Gather<'a, S, const PREFETCH: bool> {
    pub(super) token: S,
    pub(super) weights: *const f32,
    /// Tokens from a row of weights to the next.
    pub(super) span: usize,
    pub(super) values: *const u16,
    /// Halves from a token's values to the next one's.
    pub(super) stride: usize,
    pub(super) head_dim: usize,
    /// Halves from what is read to what is asked for.
    pub(super) ahead: usize,
    pub(super) tokens: usize,
    pub(super) rescale: &'a [f32; 16],
    pub(super) accumulators: *mut f32,
}

impl<S: Floats, const PREFETCH: bool> Gather<'_, S, PREFETCH> {
    /// The accumulators of `WIDTH` vectors of `ROWS` rows, brought to the new maxima.
    ///
    /// # Safety
    /// The memory that the work names has them.
    #[inline(always)]
    pub(super) unsafe fn rescaled<const ROWS: usize, const WIDTH: usize>(&self, at: usize) -> [[S::F32; WIDTH]; ROWS] {
        let (token, lanes) = (self.token, S::F32::LANES);
        let mut sums = [[token.splat(0.0); WIDTH]; ROWS];
        for (row, sums) in sums.iter_mut().enumerate() {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: by contract.
                let earlier = unsafe { token.load_from(self.accumulators.add(row * self.head_dim + (at + i) * lanes)) };
                *sum = S::F32::mul(earlier, token.splat(self.rescale[row]));
            }
        }
        sums
    }

    /// Puts the accumulators back.
    ///
    /// # Safety
    /// As above.
    #[inline(always)]
    pub(super) unsafe fn keep<const ROWS: usize, const WIDTH: usize>(&self, at: usize, sums: &[[S::F32; WIDTH]; ROWS]) {
        for (row, sums) in sums.iter().enumerate() {
            for (i, sum) in sums.iter().enumerate() {
                // SAFETY: by contract.
                unsafe { sum.store_to(self.accumulators.add(row * self.head_dim + (at + i) * S::F32::LANES)) }
            }
        }
    }

    /// Adds one token's values, those of `WIDTH` vectors, to `sums`.
    ///
    /// # Safety
    /// As above, of that token.
    #[inline(always)]
    pub(super) unsafe fn add<const ROWS: usize, const WIDTH: usize>(
        &self,
        at: usize,
        t: usize,
        sums: &mut [[S::F32; WIDTH]; ROWS],
    ) {
        let (token, lanes) = (self.token, S::F32::LANES);
        let mut value = [token.splat(0.0); WIDTH];
        for (i, value) in value.iter_mut().enumerate() {
            // SAFETY: by contract.
            *value = unsafe { token.load_f16_from(self.values.add(t * self.stride + (at + i) * lanes)) };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: by contract.
            let weight = token.splat(unsafe { *self.weights.add(row * self.span + t) });
            for (sum, value) in sums.iter_mut().zip(value) {
                *sum = S::F32::mul_add(value, weight, *sum);
            }
        }
    }
}

impl<S: Floats, const PREFETCH: bool> Columns for Gather<'_, S, PREFETCH> {
    #[inline(always)]
    unsafe fn columns<const ROWS: usize, const WIDTH: usize>(&self, at: usize) {
        let lanes = S::F32::LANES;
        let ahead = self.values.wrapping_add(self.ahead + at * lanes * self.tokens);
        // SAFETY: by contract.
        unsafe {
            let mut sums = self.rescaled::<ROWS, WIDTH>(at);
            for t in 0..self.tokens {
                if PREFETCH {
                    ask(self.token, ahead.wrapping_add(t * WIDTH * lanes), WIDTH * lanes);
                }
                self.add(at, t, &mut sums);
            }
            self.keep(at, &sums);
        }
    }
}
