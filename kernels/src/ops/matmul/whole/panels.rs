//! Panels of plain weights, which are their strips, and of block formats, whose weights are made bf16 first.

use super::{PANEL_WORDS, Panels, multiply};
use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::matmul::activations::Activation;
use crate::ops::matmul::format::{Format, Unit};
use crate::ops::matmul::panel::BlockFormat;
use crate::ops::matmul::tile::{MatmulEntry, QuantiseArguments, WholeArguments};
use crate::simd::{Integers, Kernel, PANEL_COLUMNS, PANEL_STRIDE, TILE_ROWS, TileUnit, Vector};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Strips of 32 rows.
struct Strips<'a> {
    strips: &'a [u8],
    strip_bytes: usize,
}

impl Panels for Strips<'_> {
    const IN_PLACE: bool = true;

    fn panel(&mut self, column: usize, words: Range<usize>) -> *const u8 {
        let strip = &self.strips[column / PANEL_COLUMNS * self.strip_bytes..][..self.strip_bytes];
        strip[words.start * PANEL_STRIDE..words.end * PANEL_STRIDE].as_ptr()
    }
}

/// The kernel of plain weights on a unit that multiplies such words.
pub(crate) const fn plain_whole<U: TileUnit>(isa: Isa, format: &'static Format) -> MatmulEntry {
    /// # Safety
    /// The unit is there, and what the arguments describe.
    unsafe fn whole<U: TileUnit>(arguments: &WholeArguments<'_>) {
        let strips = Strips { strips: arguments.strips, strip_bytes: arguments.strip_bytes };
        // SAFETY: by contract.
        unsafe { multiply(&mut U::acquire(), strips, arguments.strip_bytes / PANEL_STRIDE, arguments) }
    }
    MatmulEntry {
        isa,
        format,
        strip_rows: PANEL_COLUMNS,
        scale: None,
        tiles: &[],
        sets: &[],
        shapes: &[],
        whole: Some(whole::<U>),
        quantise: None,
    }
}

/// A block format whose values can be had.
pub(in crate::ops::matmul) trait Dequantise<S: Integers>: BlockFormat<S> {
    /// Gives the values of one block of every row of a strip: those of four consecutive elements at a time, by the first one of
    /// them.
    ///
    /// # Safety
    /// The strip has the block.
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, values: impl FnMut(usize, [S::F32; 4]));

    /// As the strips are, with tokens in bf16.
    const ROUNDED: Format =
        Format { arithmetic: Dtype::Bf16, token: Unit { elements: 2, bytes: 4 }, ..*<Self as BlockFormat<S>>::FORMAT };
}

/// A panel's bf16.
#[repr(C, align(64))]
struct Scratch([MaybeUninit<u8>; PANEL_WORDS * PANEL_STRIDE]);

/// Strips of a block format and room for a panel of them in bf16.
pub(in crate::ops::matmul) struct Dequantised<'a, S, F> {
    strips: &'a [u8],
    strip_bytes: usize,
    panel: &'a mut Scratch,
    format: PhantomData<(S, F)>,
}

impl<S: Integers, F: Dequantise<S>> Panels for Dequantised<'_, S, F> {
    const IN_PLACE: bool = false;

    fn panel(&mut self, column: usize, words: Range<usize>) -> *const u8 {
        let (lanes, elements) = (<S::I32 as Vector>::LANES, <F::Activation as Activation>::ELEMENTS);
        let to: *mut u8 = self.panel.0.as_mut_ptr().cast();
        assert!(words.len() <= PANEL_WORDS);
        let columns = self.strips.len() / self.strip_bytes * lanes - column;
        for within in (0..columns.min(PANEL_COLUMNS)).step_by(lanes) {
            let strip = &self.strips[(column + within) / lanes * self.strip_bytes..][..self.strip_bytes];
            let blocks = words.start * 2 / elements..words.end * 2 / elements;
            // SAFETY: who made the kernel vouched for its vectors. The strip has these blocks, for tokens and weights are equally
            // long, and the panel has room for as many columns of as many words.
            unsafe { S::run::<Widening<F>>((strip.as_ptr(), blocks, to.add(within * 4))) }
        }
        to
    }
}

/// Makes blocks of a strip bf16, two elements of a row to a word.
struct Widening<F>(PhantomData<F>);

impl<S: Integers, F: Dequantise<S>> Kernel<S> for Widening<F> {
    type Input<'a> = (*const u8, Range<usize>, *mut u8);
    type Output = ();

    #[inline(always)]
    fn run(token: S, (strip, blocks, to): (*const u8, Range<usize>, *mut u8)) {
        let mut at = to;
        for block in blocks {
            // SAFETY: who calls this sees to it that the blocks are there, and room for them.
            unsafe {
                F::dequantise(token, strip, block, |element, [a, b, c, d]| {
                    let words = at.add(element / 2 * PANEL_STRIDE);
                    token.pack_bf16(a, b).store_to(words.cast());
                    token.pack_bf16(c, d).store_to(words.add(PANEL_STRIDE).cast());
                });
                at = at.add(<F::Activation as Activation>::ELEMENTS / 2 * PANEL_STRIDE);
            }
        }
    }
}

/// The kernel of a block format on a unit that multiplies bf16, with vectors that make its weights bf16.
pub(in crate::ops::matmul) const fn rounded_whole<U: TileUnit, S: Integers, F: Dequantise<S>>(isa: Isa) -> MatmulEntry {
    /// # Safety
    /// Unit and vectors are there, and what the arguments describe.
    unsafe fn whole<U: TileUnit, S: Integers, F: Dequantise<S>>(arguments: &WholeArguments<'_>) {
        let &WholeArguments { strips, strip_bytes, .. } = arguments;
        let mut scratch = Scratch([MaybeUninit::uninit(); PANEL_WORDS * PANEL_STRIDE]);
        let panels = Dequantised::<S, F> { strips, strip_bytes, panel: &mut scratch, format: PhantomData };
        // SAFETY: by contract.
        unsafe { multiply(&mut U::acquire(), panels, arguments.k / 2, arguments) }
    }
    // A last panel has 32 columns, or 16.
    assert!(<S::I32 as Vector>::LANES == TILE_ROWS);
    MatmulEntry {
        isa,
        format: &F::ROUNDED,
        strip_rows: <S::I32 as Vector>::LANES,
        scale: None,
        tiles: &[],
        sets: &[],
        shapes: &[],
        whole: Some(whole::<U, S, F>),
        quantise: Some(S::run::<RoundTokens>),
    }
}

/// Rounds tokens to bf16, row after row.
struct RoundTokens;

impl<S: Integers> Kernel<S> for RoundTokens {
    type Input<'a> = QuantiseArguments<'a>;
    type Output = ();

    #[inline(always)]
    fn run(_token: S, QuantiseArguments { tokens, rows, k, panel }: QuantiseArguments<'_>) {
        let stride = panel.len() / rows.max(1);
        for row in 0..rows {
            let to = panel[row * stride..][..2 * k].as_chunks_mut::<2>().0;
            for (to, value) in to.iter_mut().zip(&tokens[row * k..][..k]) {
                // To nearest, ties to even; a bf16 is the upper half of an f32.
                let bits = value.to_bits();
                let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
                *to = (rounded as u16).to_ne_bytes();
            }
        }
    }
}
