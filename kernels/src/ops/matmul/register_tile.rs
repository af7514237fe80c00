//! What a register tile is: which sums it keeps, how it goes through k, and what it asks of memory meanwhile.

use crate::simd::Token;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

/// What a register tile works on.
pub(crate) struct TileArguments<'a> {
    /// The first strip, from its first group on.
    pub(crate) weights: &'a [u8],
    /// The first token from its first group on and those behind it, or the panel.
    pub(crate) activations: &'a [u8],
    /// From one token to the next where they are read in place, bytes.
    pub(crate) row_stride: usize,
    /// k groups (plain) or blocks (quantised) to go through.
    pub(crate) groups: usize,
    /// The tile's first element of C.
    pub(crate) out: *mut u8,
    /// From one row of C to the next, bytes.
    pub(crate) out_stride: usize,
    /// Add to what C holds instead of replacing it (plain).
    pub(crate) add: bool,
}

/// Asks for lines of weights ahead of their use.
pub(super) trait Ahead<S>: Copy {
    /// What a load of weights at `base + offset` asks for meanwhile: called for each, also for several within one line.
    fn load(self, token: S, base: *const u8, offset: usize);
}

/// The hardware alone.
#[derive(Clone, Copy)]
pub(super) struct Nothing;

impl<S> Ahead<S> for Nothing {
    #[inline(always)]
    fn load(self, _token: S, _base: *const u8, _offset: usize) {}
}

/// Nothing, but loads stay where they are written, as with [`Line`].
#[derive(Clone, Copy)]
pub(super) struct InOrder;

impl<S> Ahead<S> for InOrder {
    #[inline(always)]
    fn load(self, _token: S, _base: *const u8, _offset: usize) {
        compiler_fence(Ordering::SeqCst);
    }
}

/// The line so many bytes ahead. The line itself costs next to nothing, and keeps loads where they are written: a compiler that
/// gathers those of a whole super-block has registers for a fifth of them, and spills the rest.
#[derive(Clone, Copy)]
pub(super) struct Line(pub(super) usize);

impl<S: Token> Ahead<S> for Line {
    #[inline(always)]
    fn load(self, token: S, base: *const u8, offset: usize) {
        if offset.is_multiple_of(LINE_BYTES) {
            token.prefetch_first_level(base.wrapping_add(offset).wrapping_add(self.0));
        }
    }
}

/// Bytes of a cache line.
pub(super) const LINE_BYTES: usize = 64;

/// A strip of weights and some tokens.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    /// The strip.
    pub(super) weights: *const u8,
    /// The tokens, or the panel.
    pub(super) activations: *const u8,
    /// As [`TileArguments::row_stride`].
    pub(super) row_stride: usize,
}

/// A tile of C that is kept in registers while k is gone through, a turn after another, and each turn in [`Self::STEPS`] steps.
pub(super) trait RegisterTile<S: Token> {
    /// What is kept.
    type Sums<const ROWS: usize>: Copy;
    /// Groups of a turn, where several strips take turns.
    const TURN: usize;
    /// Steps of a turn, four at most; where there are several, a turn has one group.
    const STEPS: usize;
    /// Bytes of weights in a turn.
    const TURN_BYTES: usize;

    /// What the sums begin with: nothing, or what the tokens say, unless they are to be added to others.
    ///
    /// # Safety
    /// The operands have it.
    unsafe fn start<const ROWS: usize>(token: S, operands: Operands, add: bool) -> Self::Sums<ROWS>;

    /// Adds step `STEP` of some groups.
    ///
    /// # Safety
    /// The operands have these groups, what is missing of a unit filled up with zeros.
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    );

    /// Adds all steps of the first groups, with nothing asked for ahead. Where a turn has several steps, a format says how they
    /// follow one another in as few registers as there are.
    ///
    /// # Safety
    /// As [`RegisterTile::step`].
    #[inline(always)]
    unsafe fn all<const ROWS: usize>(token: S, sums: &mut Self::Sums<ROWS>, operands: Operands, groups: usize) {
        const { assert!(Self::STEPS == 1) };
        // SAFETY: by contract.
        unsafe { Self::step::<ROWS, 0>(token, sums, operands, 0..groups, Nothing) }
    }

    /// Stores the sums at `out`, with rows `out_stride` bytes apart; adds what is there, if `add` says so.
    ///
    /// # Safety
    /// The output is there.
    unsafe fn finish<const ROWS: usize>(token: S, sums: Self::Sums<ROWS>, out: *mut u8, out_stride: usize, add: bool);
}
