//! Matmul by outer products: a whole tile of C at a time.
//!
//! ```text
//! for 64 KiB of two tiles' tokens:          transposed once: for each word of k, that word of each token
//!     for each strip of weights:            two tiles' columns; two by two tiles of sums, from C and back
//!         for each word of k:               two vectors of tokens times two of weights
//! ```
//!
//! Tokens that fit one tile take the even words of k in one pair of tiles and the odd words in another, for a product waits for the one
//! before it in its tile. All of a strip's products, and all strips of some tokens, are one stretch of assembly: nothing else may run
//! in streaming mode. ZA holds nothing before and after, as the procedure call standard wants it of a function that does not share it.

use super::length::granules;
use crate::ops::matmul::WholeArguments;
use std::arch::asm;
use std::mem::MaybeUninit;

/// f32.
pub(super) const OF_F32: usize = 0;
/// Pairs of bfloat16.
pub(super) const OF_BF16: usize = 1;
/// Fours of bytes, those of tokens without a sign.
pub(super) const OF_U8I8: usize = 2;

/// Room for transposed tokens.
const SCRATCH_BYTES: usize = 64 << 10;

#[repr(C, align(64))]
struct Scratch([MaybeUninit<u8>; SCRATCH_BYTES]);

/// Multiplies a tile of C.
///
/// # Safety
/// The CPU has SME; the arguments describe memory that is there.
pub(super) unsafe fn whole<const KIND: usize>(arguments: &WholeArguments<'_>) {
    let mut scratch = Scratch([MaybeUninit::uninit(); SCRATCH_BYTES]);
    // Rows of a tile; a strip has twice as many columns.
    let side = 4 * granules();
    let word_bytes = 2 * side * 4;
    let words = arguments.strip_bytes / word_bytes;
    let most = SCRATCH_BYTES / word_bytes;
    for word in (0..words).step_by(most) {
        for row in (0..arguments.rows).step_by(2 * side) {
            let rows = (arguments.rows - row).min(2 * side);
            // SAFETY: by contract; row and word lie in the tokens, the tile and the strips, and the words' tokens in the scratch.
            unsafe {
                let part = Part {
                    tokens: arguments.tokens.as_ptr().add(row * arguments.row_stride + word * 4),
                    rows,
                    words: (words - word).min(most),
                    weights: arguments.strips.as_ptr().add(word * word_bytes),
                    out: arguments.out.add(row * arguments.out_stride),
                    add: word > 0,
                };
                if rows > side {
                    multiply::<KIND, true>(&part, arguments, side, &mut scratch);
                } else {
                    multiply::<KIND, false>(&part, arguments, side, &mut scratch);
                }
            }
        }
    }
}

/// Some tokens, and some words of k.
struct Part {
    tokens: *const u8,
    rows: usize,
    words: usize,
    /// The first strip, from its first word.
    weights: *const u8,
    out: *mut u8,
    add: bool,
}

/// Multiplies all strips with some tokens: more than one tile of them if `TALL`.
///
/// # Safety
/// As [`whole`], and the scratch has room for the tokens.
unsafe fn multiply<const KIND: usize, const TALL: bool>(
    part: &Part,
    arguments: &WholeArguments<'_>,
    side: usize,
    scratch: &mut Scratch,
) {
    let strips = arguments.columns / (2 * side);
    // SAFETY: by contract. Streaming mode and ZA are entered and left in here; every register that this clears is declared as
    // overwritten.
    unsafe {
        asm!(
            include_str!("matmul.s"),
            kind = const KIND, f32 = const OF_F32, bf16 = const OF_BF16, u8i8 = const OF_U8I8, tall = const TALL as usize,
            in("x0") part.tokens, in("x1") arguments.row_stride, in("x2") part.rows, in("x3") part.words,
            in("x4") scratch.0.as_mut_ptr(), inout("x5") part.weights => _, in("x6") arguments.strip_bytes,
            inout("x7") strips => _, inout("x9") part.out => _, in("x10") arguments.out_stride,
            in("x11") usize::from(part.add), in("x13") side, in("x14") part.rows.min(side),
            in("x15") part.rows.saturating_sub(side),
            out("x12") _, out("x20") _, out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            out("p0") _, out("p1") _, out("p2") _, out("p3") _, out("p4") _, out("p5") _, out("p6") _, out("p7") _,
            out("p8") _, out("p9") _, out("p10") _, out("p11") _, out("p12") _, out("p13") _, out("p14") _, out("p15") _,
            options(nostack),
        );
    }
}
