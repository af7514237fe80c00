//! One strip after another, and several strips side by side.
//!
//! A core reads memory as fast as it has lines under way. One sequential stream and a loop of many instructions for each
//! line may leave some of the room for them empty; several streams, or an instruction that asks for lines ahead of their
//! use, fill it. Which does so best differs between processors: all are raced.
//!
//! ```text
//! for set of S strips:        S at run time: the sums of each strip lie in the first-level cache meanwhile
//!     for turn of k:          about sixteen lines
//!         for each strip:     load sums; for line: load, ask for the line P bytes ahead, multiply; store sums
//! ```

use super::register_tile::{LINE_BYTES, Line, Operands, RegisterTile, TileArguments};
use crate::simd::Token;
use std::marker::PhantomData;

/// Strips side by side, at most.
pub(super) const SET_MAX: usize = 16;

/// Tokens with which strips lie side by side, at most: with more of them a strip's sums fill the registers, and its arithmetic
/// takes longer than its lines. And only where an instruction set prefetches, for elsewhere nothing is known to gain.
const ROWS_MAX: usize = 4;

const PAGE_BYTES: usize = 4096;

/// One strip, from its beginning to its end.
pub(super) struct OneStrip<T, const ROWS: usize>(PhantomData<T>);

impl<T, const ROWS: usize> OneStrip<T, ROWS> {
    /// # Safety
    /// The arguments describe memory that is there: `groups` groups of weights and of every token, what is missing of a unit
    /// filled up with zeros, and the output.
    #[inline(always)]
    pub(super) unsafe fn run<S: Token>(token: S, arguments: &TileArguments<'_>)
    where
        T: RegisterTile<S>,
    {
        let operands = Operands {
            weights: arguments.weights.as_ptr(),
            activations: arguments.activations.as_ptr(),
            row_stride: arguments.row_stride,
        };
        // SAFETY: by contract.
        unsafe {
            let mut sums = T::start::<ROWS>(token, operands, arguments.add);
            T::all(token, &mut sums, operands, arguments.groups);
            T::finish(token, sums, arguments.out, arguments.out_stride, arguments.add);
        }
    }
}

/// What a tile with several strips works on.
pub(crate) struct SetArguments<'a> {
    /// The weights of all strips, and all that one strip has.
    pub(super) tile: TileArguments<'a>,
    /// Strips, 1 to [`SET_MAX`].
    pub(super) strips: usize,
    /// From one strip to the next.
    pub(super) strip_bytes: usize,
    /// From the columns of C of one strip to those of the next.
    pub(super) columns_bytes: usize,
    /// How far ahead lines are asked for; 0 asks for a line as it is read.
    pub(super) prefetch_bytes: usize,
    /// Lines of the page after the next one that are asked for when a page begins.
    pub(super) page_ahead_lines: usize,
}

impl<'a> SetArguments<'a> {
    /// One strip that asks for lines ahead.
    pub(super) fn of_one(tile: TileArguments<'a>, strip_bytes: usize, prefetch_bytes: usize) -> SetArguments<'a> {
        SetArguments { tile, strips: 1, strip_bytes, columns_bytes: 0, prefetch_bytes, page_ahead_lines: 0 }
    }

    fn operands(&self, strip: usize) -> Operands {
        Operands {
            weights: self.tile.weights.as_ptr().wrapping_add(strip * self.strip_bytes),
            activations: self.tile.activations.as_ptr(),
            row_stride: self.tile.row_stride,
        }
    }

    /// Asks for lines of the page after the next one, if a page begins within the next `bytes` bytes.
    #[inline(always)]
    fn page_ahead<S: Token>(&self, token: S, at: *const u8, bytes: usize) {
        let to_page = at.addr().next_multiple_of(PAGE_BYTES) - at.addr();
        if self.page_ahead_lines > 0 && to_page < bytes {
            for line in 0..self.page_ahead_lines {
                token.prefetch_second_level(at.wrapping_add(to_page + 2 * PAGE_BYTES + line * LINE_BYTES));
            }
        }
    }
}

/// Several strips that take turns, or one that asks ahead.
pub(super) struct SideBySide<T, const ROWS: usize>(PhantomData<T>);

impl<T, const ROWS: usize> SideBySide<T, ROWS> {
    /// # Safety
    /// As [`OneStrip::run`], for each strip.
    #[inline(always)]
    pub(super) unsafe fn run<S: Token>(token: S, set: &SetArguments<'_>)
    where
        T: RegisterTile<S>,
    {
        debug_assert!(set.strips <= SET_MAX && set.tile.weights.len() >= set.strips * set.strip_bytes);
        // SAFETY: by contract.
        unsafe {
            if set.strips > 1 && ROWS <= ROWS_MAX && S::PREFETCHES {
                return Self::several(token, set);
            }
            for strip in 0..set.strips {
                Self::one(token, set, strip);
            }
        }
    }

    /// One strip: its sums stay in registers.
    ///
    /// # Safety
    /// As [`OneStrip::run`].
    #[inline(always)]
    unsafe fn one<S: Token>(token: S, set: &SetArguments<'_>, strip: usize)
    where
        T: RegisterTile<S>,
    {
        let (operands, ahead) = (set.operands(strip), Line(set.prefetch_bytes));
        // SAFETY: by contract.
        let mut sums = unsafe { T::start::<ROWS>(token, operands, set.tile.add) };
        // Turns are for asking for pages, and for formats whose turns are a group.
        let each = if T::STEPS > 1 || set.page_ahead_lines > 0 { T::TURN } else { set.tile.groups.max(1) };
        for turn in 0..set.tile.groups.div_ceil(each) {
            let groups = turn * each..set.tile.groups.min((turn + 1) * each);
            set.page_ahead(token, operands.weights.wrapping_add(turn * T::TURN_BYTES), T::TURN_BYTES);
            // SAFETY: by contract.
            unsafe {
                T::step::<ROWS, 0>(token, &mut sums, operands, groups.clone(), ahead);
                if T::STEPS > 1 {
                    T::step::<ROWS, 1>(token, &mut sums, operands, groups.clone(), ahead);
                    T::step::<ROWS, 2>(token, &mut sums, operands, groups.clone(), ahead);
                    T::step::<ROWS, 3>(token, &mut sums, operands, groups, ahead);
                }
            }
        }
        // SAFETY: by contract.
        unsafe {
            T::finish(token, sums, set.tile.out.add(strip * set.columns_bytes), set.tile.out_stride, set.tile.add)
        }
    }

    /// Several strips.
    ///
    /// # Safety
    /// As [`OneStrip::run`], for each strip.
    #[inline(always)]
    unsafe fn several<S: Token>(token: S, set: &SetArguments<'_>)
    where
        T: RegisterTile<S>,
    {
        // SAFETY: by contract.
        let mut sums = [unsafe { T::start::<ROWS>(token, set.operands(0), set.tile.add) }; SET_MAX];
        for turn in 0..set.tile.groups.div_ceil(T::TURN) {
            // SAFETY: by contract.
            unsafe {
                Self::step::<S, 0>(token, &mut sums, set, turn);
                Self::step::<S, 1>(token, &mut sums, set, turn);
                Self::step::<S, 2>(token, &mut sums, set, turn);
                Self::step::<S, 3>(token, &mut sums, set, turn);
            }
        }
        for (strip, &sums) in sums.iter().enumerate().take(set.strips) {
            // SAFETY: by contract.
            unsafe {
                let out = set.tile.out.add(strip * set.columns_bytes);
                T::finish(token, sums, out, set.tile.out_stride, set.tile.add);
            }
        }
    }

    /// Step `STEP` of one turn, of every strip.
    ///
    /// # Safety
    /// As [`OneStrip::run`], for each strip.
    #[inline(always)]
    unsafe fn step<S: Token, const STEP: usize>(
        token: S,
        sums: &mut [T::Sums<ROWS>; SET_MAX],
        set: &SetArguments<'_>,
        turn: usize,
    ) where
        T: RegisterTile<S>,
    {
        if STEP >= T::STEPS {
            return;
        }
        let (step_bytes, at) = (T::TURN_BYTES / T::STEPS, turn * T::TURN_BYTES);
        let groups = turn * T::TURN..set.tile.groups.min((turn + 1) * T::TURN);
        // Behind its end a strip goes on where the next set has the same one.
        let beyond = if at + set.prefetch_bytes >= set.strip_bytes { (set.strips - 1) * set.strip_bytes } else { 0 };
        let ahead = Line(set.prefetch_bytes + beyond);
        for (strip, kept) in sums.iter_mut().enumerate().take(set.strips) {
            let operands = set.operands(strip);
            set.page_ahead(token, operands.weights.wrapping_add(at + STEP * step_bytes), step_bytes);
            let mut current = *kept;
            // SAFETY: by contract.
            unsafe { T::step::<ROWS, STEP>(token, &mut current, operands, groups.clone(), ahead) }
            *kept = current;
        }
    }
}
