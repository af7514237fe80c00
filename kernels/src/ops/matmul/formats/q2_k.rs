//! Matmul with ggml's q2_k and q3_k: super-blocks of 16 sub-blocks of 16. Those of q2_k have a 4-bit scale and minimum each, those of
//! q3_k a 6-bit scale, and their quants a third bit.
//!
//! Strip of one vector, super-block by super-block (q3_k: in pairs, behind the d of both as f16): q2_k d and dmin as f16, q3_k three
//! words of 6-bit numbers. Then for each of four places: q2_k a word with scale and minimum of four sub-blocks, q3_k two words of third
//! bits; four words of quants, of which one has two bits of each of the four. Everything in the order of its use.
//!
//! Where one instruction multiplies whole bytes, and many tokens use a vector of weights, its quants are multiplied by their scales
//! first: the products fit a byte, and a super-block is one integer sum.

mod layout;

use super::blocks::values;
use crate::ops::matmul::format::Format;
use crate::ops::matmul::panel::{BlockFormat, Panel, Sums, add_scaled, settled, store};
use crate::ops::matmul::register_tile::{Ahead, InOrder, Operands, RegisterTile};
use crate::ops::matmul::whole::Dequantise;
use crate::simd::{Float, Integer, Integers, Vector};
use layout::{Tokens, format, header, pack, place_words, sub_block, token_words, words_of};
use std::ops::Range;

/// Two bits, and perhaps a third.
pub(super) struct SmallSubBlocks<const THIRD: bool>;

pub(super) type Q2K = SmallSubBlocks<false>;
pub(super) type Q3K = SmallSubBlocks<true>;

/// Tokens up to which sums are scaled, and not quants.
const FEW_ROWS: usize = 2;

impl<S: Integers, const THIRD: bool> BlockFormat<S> for SmallSubBlocks<THIRD> {
    const FORMAT: &'static Format = &format(THIRD, |row, strip, lane| pack::<THIRD>(row, strip, lane, S::BYTES));
    type Activation = Tokens<THIRD>;
}

impl<S: Integers, const THIRD: bool> RegisterTile<S> for SmallSubBlocks<THIRD> {
    type Sums<const ROWS: usize> = Sums<S, ROWS>;
    const TURN: usize = 1;
    /// One place each.
    const STEPS: usize = 4;
    const TURN_BYTES: usize = if THIRD { 110 } else { 84 } * S::I32::LANES;

    #[inline(always)]
    unsafe fn start<const ROWS: usize>(token: S, _operands: Operands, _add: bool) -> Self::Sums<ROWS> {
        Sums::start(token)
    }

    #[inline(always)]
    unsafe fn step<const ROWS: usize, const STEP: usize>(
        token: S,
        sums: &mut Self::Sums<ROWS>,
        operands: Operands,
        groups: Range<usize>,
        ahead: impl Ahead<S>,
    ) {
        let vector = S::I32::LANES * 4;
        // SAFETY: by contract.
        unsafe {
            let block = Block::<S, THIRD>::of(operands.weights, groups.start);
            let panel = Panel::<ROWS>::from(operands, groups.start, token_words(THIRD));
            if STEP == 0 {
                sums.ints = block.starts::<ROWS>(token, panel);
            }
            block.multiply_place::<ROWS>(token, &mut sums.ints, panel, STEP, ahead);
            // The lines before the places, for both blocks of a pair alike.
            if THIRD && STEP < 3 {
                ahead.load(token, block.words, STEP * vector);
            }
            if STEP == 3 {
                ahead.load(token, block.first, 0);
                block.finish::<ROWS>(token, &mut sums.floats, sums.ints, panel);
            }
        }
    }

    /// A loop over the places: written out, they need more registers than there are for many rows.
    #[inline(always)]
    unsafe fn all<const ROWS: usize>(token: S, sums: &mut Self::Sums<ROWS>, operands: Operands, groups: usize) {
        // SAFETY: by contract.
        unsafe {
            for group in 0..groups {
                let block = Block::<S, THIRD>::of(operands.weights, group);
                let panel = Panel::<ROWS>::from(operands, group, token_words(THIRD));
                let mut ints = block.starts::<ROWS>(token, panel);
                for place in 0..4 {
                    block.multiply_place::<ROWS>(token, &mut ints, panel, place, InOrder);
                }
                block.finish::<ROWS>(token, &mut sums.floats, ints, panel);
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(
        _token: S,
        sums: Self::Sums<ROWS>,
        out: *mut u8,
        out_stride: usize,
        _add: bool,
    ) {
        // SAFETY: by contract.
        unsafe { store(sums.floats, out, out_stride) }
    }
}

/// A super-block of every row of a strip.
struct Block<S, const THIRD: bool> {
    /// The line with d.
    first: *const u8,
    /// d of the rows.
    d: *const u8,
    /// q3_k: the 6-bit numbers.
    words: *const u8,
    /// The first place.
    places: *const u8,
    token: std::marker::PhantomData<S>,
}

impl<S: Integers, const THIRD: bool> Block<S, THIRD> {
    const VECTOR: usize = S::I32::LANES * 4;

    /// Whether quants are multiplied by their scales, and sums are not.
    const fn scales_quants(rows: usize) -> bool {
        S::DOTS_WHOLE_BYTES && rows > FEW_ROWS
    }

    /// # Safety
    /// The strip has the super-block.
    #[inline(always)]
    unsafe fn of(strip: *const u8, block: usize) -> Self {
        let vector = Self::VECTOR;
        // SAFETY: by contract.
        unsafe {
            let (first, half) = if THIRD {
                (strip.add(block / 2 * 55 * vector), block % 2)
            } else {
                (strip.add(block * 21 * vector), 0)
            };
            let words = first.add((1 + half * words_of(THIRD)) * vector);
            let places = if THIRD { words.add(3 * vector) } else { words };
            Block { first, d: first.add(half * vector / 2), words, places, token: std::marker::PhantomData }
        }
    }

    /// What the integer sums begin with.
    ///
    /// # Safety
    /// The super-block is in the panel.
    #[inline(always)]
    unsafe fn starts<const ROWS: usize>(&self, token: S, panel: Panel<ROWS>) -> [S::I32; ROWS] {
        if THIRD && Self::scales_quants(ROWS) {
            // SAFETY: by contract.
            return unsafe { panel.starts(token, 1) };
        }
        [token.splat(0); ROWS]
    }

    /// # Safety
    /// The super-block is there.
    #[inline(always)]
    unsafe fn place(&self, place: usize) -> *const u8 {
        // SAFETY: by contract.
        unsafe { self.places.add(place * place_words(THIRD).0 * Self::VECTOR) }
    }

    /// The scales of a place, one of each quarter to a byte; those of q3_k 32 too high.
    ///
    /// # Safety
    /// The super-block is there.
    #[inline(always)]
    unsafe fn scales(&self, token: S, place: usize) -> S::I32 {
        let splat = |value: i32| -> S::I32 { token.splat(value) };
        let load = |from: *const u8, word: usize| -> S::I32 {
            // SAFETY: by contract.
            unsafe { token.load_from(from.add(word * Self::VECTOR).cast()) }
        };
        let low4 = splat(0x0f0f_0f0f);
        if !THIRD {
            // SAFETY: by contract.
            return load(unsafe { self.place(place) }, 0).and(low4);
        }
        let (low, high) = (load(self.words, place / 2), load(self.words, 2));
        let low = if place.is_multiple_of(2) { low } else { low.shr::<4>() };
        let high = match place {
            0 => high.shl::<4>(),
            1 => high.shl::<2>(),
            2 => high,
            _ => high.shr::<2>(),
        };
        low.and(low4).or(high.and(splat(0x3030_3030)))
    }

    /// The scale of a quarter.
    #[inline(always)]
    fn scale<const QUARTER: usize>(token: S, scales: S::I32) -> S::I32 {
        let scale = match QUARTER {
            0 => scales,
            1 => scales.shr::<8>(),
            2 => scales.shr::<16>(),
            _ => scales.shr::<24>(),
        };
        let scale = scale.and(token.splat(0xff));
        if THIRD { scale.add(token.splat(-32)) } else { scale }
    }

    /// The third bits of a quarter, in place for the first vector.
    ///
    /// # Safety
    /// The place is there.
    #[inline(always)]
    unsafe fn thirds<const QUARTER: usize>(token: S, place: *const u8) -> S::I32 {
        if !THIRD {
            return token.splat(0);
        }
        // SAFETY: by contract.
        let bits: S::I32 = unsafe { token.load_from(place.add(QUARTER / 2 * Self::VECTOR).cast()) };
        if QUARTER.is_multiple_of(2) { bits.shl::<2>() } else { bits.shr::<2>() }
    }

    /// The quants of a quarter, as bytes.
    #[inline(always)]
    fn quants<const QUARTER: usize>(token: S, raw: S::I32, thirds: S::I32) -> S::I32 {
        let raw = match QUARTER {
            0 => raw,
            1 => raw.shr::<2>(),
            2 => raw.shr::<4>(),
            _ => raw.shr::<6>(),
        };
        let low = raw.and(token.splat(0x0303_0303));
        if THIRD { low.or(thirds.and(token.splat(0x0404_0404))) } else { low }
    }

    /// Multiplies the four sub-blocks of a place.
    ///
    /// # Safety
    /// The super-block is there, and in the panel.
    #[inline(always)]
    unsafe fn multiply_place<const ROWS: usize>(
        &self,
        token: S,
        ints: &mut [S::I32; ROWS],
        panel: Panel<ROWS>,
        place: usize,
        ahead: impl Ahead<S>,
    ) {
        // SAFETY: by contract.
        unsafe {
            let scales = self.scales(token, place);
            self.multiply::<0, ROWS>(token, ints, panel, (place, scales), ahead);
            self.multiply::<1, ROWS>(token, ints, panel, (place, scales), ahead);
            self.multiply::<2, ROWS>(token, ints, panel, (place, scales), ahead);
            self.multiply::<3, ROWS>(token, ints, panel, (place, scales), ahead);
        }
    }

    /// Multiplies one sub-block.
    ///
    /// # Safety
    /// The super-block is there, and in the panel.
    #[inline(always)]
    unsafe fn multiply<const QUARTER: usize, const ROWS: usize>(
        &self,
        token: S,
        ints: &mut [S::I32; ROWS],
        panel: Panel<ROWS>,
        (place, scales): (usize, S::I32),
        ahead: impl Ahead<S>,
    ) {
        let (vector, (lines, before)) = (Self::VECTOR, place_words(THIRD));
        let sub = sub_block(place, QUARTER);
        let word = header(THIRD) + 4 * sub;
        // SAFETY: by contract.
        unsafe {
            let from = self.place(place);
            let scale = Self::scale::<QUARTER>(token, scales);
            let mut thirds = Self::thirds::<QUARTER>(token, from);
            let mut dots: [S::I32; ROWS] =
                if THIRD && !Self::scales_quants(ROWS) { panel.starts(token, 2 + sub) } else { [token.splat(0); ROWS] };
            for q in 0..4 {
                // The lines of the place, in their order.
                if QUARTER * 4 + q < lines {
                    ahead.load(token, from, (QUARTER * 4 + q) * vector);
                }
                let quants =
                    Self::quants::<QUARTER>(token, token.load_from(from.add((before + q) * vector).cast()), thirds);
                thirds = thirds.shr::<1>();
                if !Self::scales_quants(ROWS) {
                    panel.multiply_accumulate::<S, false>(token, &mut dots, quants, word, q);
                } else if THIRD {
                    // Each byte is (quant − 4) · scale + 127, from 3 to 255: nothing is carried on to the next one.
                    let products = quants.add(token.splat(-0x0404_0404)).mul(scale).add(token.splat(0x7f7f_7f7f));
                    panel.multiply_accumulate::<S, true>(token, ints, products, word, q);
                } else {
                    panel.multiply_accumulate::<S, false>(token, ints, quants.mul(scale), word, q);
                }
            }
            if !Self::scales_quants(ROWS) {
                add_scaled(ints, settled::<S, ROWS>(dots), scale);
            }
        }
    }

    /// Adds the super-block's sums, times its scales, and takes away its minima.
    ///
    /// # Safety
    /// The super-block is there, and in the panel.
    #[inline(always)]
    unsafe fn finish<const ROWS: usize>(
        &self,
        token: S,
        floats: &mut [S::F32; ROWS],
        ints: [S::I32; ROWS],
        panel: Panel<ROWS>,
    ) {
        let splat = |value: i32| -> S::I32 { token.splat(value) };
        // SAFETY: by contract.
        unsafe {
            let d = token.load_f16_from(self.d.cast());
            panel.add_block(token, floats, ints, d);
            if THIRD {
                return;
            }
            let mut least = [splat(0); ROWS];
            for place in 0..4 {
                let minima = token.load_from::<S::I32>(self.place(place).cast()).shr::<4>().and(splat(0x0f0f_0f0f));
                for (odd, minima) in [minima, minima.shr::<8>()].into_iter().enumerate() {
                    let two = minima.and(splat(0x00ff_00ff));
                    for (row, least) in least.iter_mut().enumerate() {
                        *least = token.dot_i16(*least, two, splat(panel.i32(1 + 2 * place + odd, row)));
                    }
                }
            }
            let d_min = token.load_f16_from(self.d.add(Self::VECTOR / 2).cast());
            panel.add_block(token, floats, least, d_min.mul(token.splat(-1.0)));
        }
    }

    /// The values of one quarter of a place.
    ///
    /// # Safety
    /// The super-block is there.
    #[inline(always)]
    unsafe fn values<const QUARTER: usize>(
        &self,
        token: S,
        (place, scales, minima): (usize, S::I32, S::I32),
        each: &mut impl FnMut(usize, [S::F32; 4]),
    ) {
        let before = place_words(THIRD).1;
        // SAFETY: by contract.
        unsafe {
            let d: S::F32 = token.load_f16_from(self.d.cast());
            let scale = Self::scale::<QUARTER>(token, scales).to_float().mul(d);
            let least = if THIRD {
                scale.mul(token.splat(-4.0))
            } else {
                let d_min = token.load_f16_from(self.d.add(Self::VECTOR / 2).cast()).mul(token.splat(-1.0));
                Self::scale::<QUARTER>(token, minima).to_float().mul(d_min)
            };
            let from = self.place(place);
            let mut thirds = Self::thirds::<QUARTER>(token, from);
            for q in 0..4 {
                let raw = token.load_from(from.add((before + q) * Self::VECTOR).cast());
                let word = Self::quants::<QUARTER>(token, raw, thirds);
                thirds = thirds.shr::<1>();
                each(16 * sub_block(place, QUARTER) + 4 * q, values(token, word, scale, least));
            }
        }
    }
}

impl<S: Integers, const THIRD: bool> Dequantise<S> for SmallSubBlocks<THIRD> {
    #[inline(always)]
    unsafe fn dequantise(token: S, strip: *const u8, block: usize, mut each: impl FnMut(usize, [S::F32; 4])) {
        // SAFETY: by contract.
        unsafe {
            let block = Block::<S, THIRD>::of(strip, block);
            for place in 0..4 {
                let word: S::I32 = token.load_from(block.place(place).cast());
                let of_place = (place, block.scales(token, place), word.shr::<4>().and(token.splat(0x0f0f_0f0f)));
                block.values::<0>(token, of_place, &mut each);
                block.values::<1>(token, of_place, &mut each);
                block.values::<2>(token, of_place, &mut each);
                block.values::<3>(token, of_place, &mut each);
            }
        }
    }
}
