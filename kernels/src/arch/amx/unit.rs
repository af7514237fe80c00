//! The unit as matmul uses it: products of tiles of tokens with tiles of weights.
//!
//! A tile is zeroed after the last use of what it holds: a core that is shared with a busy neighbour multiplies up to twice as
//! fast with fewer tiles in use. Tokens are loaded with the hint that they come from the second-level cache.

use super::configuration::Configuration;
use super::{OfBf16, OfI8U8, OfU8I8, ROW_BYTES, ROWS};
use crate::simd::{PANEL_STRIDE, TileOperands, TileShape, TileUnit};
use std::arch::asm;
use std::marker::PhantomData;

/// The loops with one kind of product.
///
/// # Safety
/// Of all of them: the unit is configured for the operands, which describe memory that is there.
pub(crate) trait Product {
    /// More than 16 rows, 32 columns.
    unsafe fn two_by_two(operands: &TileOperands, b: *const u8);
    /// Up to 16 rows, 32 columns.
    unsafe fn one_by_two(operands: &TileOperands, b: *const u8);
    /// Up to 16 rows, twice 32 columns.
    unsafe fn one_by_four(operands: &TileOperands, b: *const u8, other: *const u8);
    /// Up to 16 rows, 16 columns.
    unsafe fn one_by_one(operands: &TileOperands);
}

/// Makes the loops of a product. In each `{add}` says whether C is loaded or zeroed, and `{stride}` is from one word of B to the
/// next. Not inlined, so that who disassembles them finds them.
macro_rules! product {
    ($name:ident, $product:literal) => {
        impl Product for $name {
            #[inline(never)]
            unsafe fn two_by_two(operands: &TileOperands, b: *const u8) {
                let &TileOperands { a, a_stride, steps, c, c_stride, add, .. } = operands;
                // SAFETY: by contract; every tile is declared as overwritten.
                unsafe {
                    asm!(
                        "test {add}, {add}",
                        "jz 3f",
                        "tileloadd tmm0, [{c} + {c_stride}]",
                        "tileloadd tmm1, [{c} + {c_stride} + 64]",
                        "tileloadd tmm2, [{c_below} + {c_stride}]",
                        "tileloadd tmm3, [{c_below} + {c_stride} + 64]",
                        "jmp 2f",
                        "3:",
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "tilezero tmm2",
                        "tilezero tmm3",
                        "2:",
                        "tileloadd tmm6, [{b} + {stride}]",
                        "tileloaddt1 tmm4, [{a} + {a_stride}]",
                        concat!($product, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{b} + {stride} + 64]",
                        concat!($product, " tmm1, tmm4, tmm7"),
                        "tilezero tmm4",
                        "tileloaddt1 tmm5, [{a_below} + {a_stride}]",
                        concat!($product, " tmm3, tmm5, tmm7"),
                        "tilezero tmm7",
                        concat!($product, " tmm2, tmm5, tmm6"),
                        "tilezero tmm5",
                        "tilezero tmm6",
                        "add {a}, 64",
                        "add {a_below}, 64",
                        "add {b}, {step}",
                        "sub {steps}, 1",
                        "jnz 2b",
                        "tilestored [{c} + {c_stride}], tmm0",
                        "tilestored [{c} + {c_stride} + 64], tmm1",
                        "tilestored [{c_below} + {c_stride}], tmm2",
                        "tilestored [{c_below} + {c_stride} + 64], tmm3",
                        a = inout(reg) a => _, a_below = inout(reg) a.add(ROWS * a_stride) => _,
                        a_stride = in(reg) a_stride, b = inout(reg) b => _, steps = inout(reg) steps => _,
                        c = in(reg) c, c_below = in(reg) c.add(ROWS * c_stride), c_stride = in(reg) c_stride,
                        add = in(reg) usize::from(add), stride = in(reg) PANEL_STRIDE, step = const ROWS * PANEL_STRIDE,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    )
                }
            }

            #[inline(never)]
            unsafe fn one_by_two(operands: &TileOperands, b: *const u8) {
                let &TileOperands { a, a_stride, steps, c, c_stride, add, .. } = operands;
                // SAFETY: as above.
                unsafe {
                    asm!(
                        "test {add}, {add}",
                        "jz 3f",
                        "tileloadd tmm0, [{c} + {c_stride}]",
                        "tileloadd tmm1, [{c} + {c_stride} + 64]",
                        "jmp 2f",
                        "3:",
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "2:",
                        "tileloadd tmm5, [{b} + {stride}]",
                        "tileloaddt1 tmm4, [{a} + {a_stride}]",
                        concat!($product, " tmm0, tmm4, tmm5"),
                        "tilezero tmm5",
                        "tileloadd tmm6, [{b} + {stride} + 64]",
                        concat!($product, " tmm1, tmm4, tmm6"),
                        "tilezero tmm4",
                        "tilezero tmm6",
                        "add {a}, 64",
                        "add {b}, {step}",
                        "sub {steps}, 1",
                        "jnz 2b",
                        "tilestored [{c} + {c_stride}], tmm0",
                        "tilestored [{c} + {c_stride} + 64], tmm1",
                        a = inout(reg) a => _, a_stride = in(reg) a_stride, b = inout(reg) b => _,
                        steps = inout(reg) steps => _, c = in(reg) c, c_stride = in(reg) c_stride,
                        add = in(reg) usize::from(add), stride = in(reg) PANEL_STRIDE, step = const ROWS * PANEL_STRIDE,
                        out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
                        options(nostack),
                    )
                }
            }

            #[inline(never)]
            unsafe fn one_by_four(operands: &TileOperands, b: *const u8, other: *const u8) {
                let &TileOperands { a, a_stride, steps, c, c_stride, add, .. } = operands;
                // SAFETY: as above.
                unsafe {
                    asm!(
                        "test {add}, {add}",
                        "jz 3f",
                        "tileloadd tmm0, [{c} + {c_stride}]",
                        "tileloadd tmm1, [{c} + {c_stride} + 64]",
                        "tileloadd tmm2, [{c} + {c_stride} + 128]",
                        "tileloadd tmm3, [{c} + {c_stride} + 192]",
                        "jmp 2f",
                        "3:",
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "tilezero tmm2",
                        "tilezero tmm3",
                        "2:",
                        "tileloadd tmm5, [{b} + {stride}]",
                        "tileloaddt1 tmm4, [{a} + {a_stride}]",
                        concat!($product, " tmm0, tmm4, tmm5"),
                        "tileloadd tmm6, [{b} + {stride} + 64]",
                        concat!($product, " tmm1, tmm4, tmm6"),
                        "tilezero tmm6",
                        "tileloadd tmm7, [{other} + {stride}]",
                        concat!($product, " tmm2, tmm4, tmm7"),
                        "tilezero tmm7",
                        "tileloadd tmm5, [{other} + {stride} + 64]",
                        concat!($product, " tmm3, tmm4, tmm5"),
                        "tilezero tmm4",
                        "tilezero tmm5",
                        "add {a}, 64",
                        "add {b}, {step}",
                        "add {other}, {step}",
                        "sub {steps}, 1",
                        "jnz 2b",
                        "tilestored [{c} + {c_stride}], tmm0",
                        "tilestored [{c} + {c_stride} + 64], tmm1",
                        "tilestored [{c} + {c_stride} + 128], tmm2",
                        "tilestored [{c} + {c_stride} + 192], tmm3",
                        a = inout(reg) a => _, a_stride = in(reg) a_stride, b = inout(reg) b => _,
                        other = inout(reg) other => _, steps = inout(reg) steps => _, c = in(reg) c,
                        c_stride = in(reg) c_stride, add = in(reg) usize::from(add), stride = in(reg) PANEL_STRIDE,
                        step = const ROWS * PANEL_STRIDE,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    )
                }
            }

            #[inline(always)]
            unsafe fn one_by_one(operands: &TileOperands) {
                let &TileOperands { a, a_stride, b: (b, _), b_stride, steps, c, c_stride, add } = operands;
                // SAFETY: as above.
                unsafe {
                    asm!(
                        "tilezero tmm0",
                        "test {add}, {add}",
                        "jz 2f",
                        "tileloadd tmm0, [{c} + {c_stride}]",
                        "2:",
                        "tileloadd tmm5, [{b} + {stride}]",
                        "tileloadd tmm4, [{a} + {a_stride}]",
                        concat!($product, " tmm0, tmm4, tmm5"),
                        "tilezero tmm4",
                        "tilezero tmm5",
                        "add {a}, 64",
                        "add {b}, {step}",
                        "sub {steps}, 1",
                        "jnz 2b",
                        "tilestored [{c} + {c_stride}], tmm0",
                        "tilezero tmm0",
                        a = inout(reg) a => _, a_stride = in(reg) a_stride, b = inout(reg) b => _,
                        stride = in(reg) b_stride, step = in(reg) ROWS * b_stride, steps = inout(reg) steps => _,
                        c = in(reg) c, c_stride = in(reg) c_stride, add = in(reg) usize::from(add),
                        out("tmm0") _, out("tmm4") _, out("tmm5") _,
                        options(nostack),
                    )
                }
            }
        }
    };
}

product!(OfBf16, "tdpbf16ps");
product!(OfU8I8, "tdpbusd");
product!(OfI8U8, "tdpbsud");

/// The tiles of this thread, released when it is dropped.
pub(crate) struct Unit<P> {
    shape: Option<TileShape>,
    product: PhantomData<P>,
}

impl<P> Drop for Unit<P> {
    fn drop(&mut self) {
        // SAFETY: there are tiles, and nobody uses them now.
        unsafe { asm!("tilerelease", options(nostack)) }
    }
}

/// Tiles 0 to 3 are of C. Up to 16 rows take tile 4 for A and the others for B, more take 4 and 5 for A and two for B.
const fn configuration(TileShape { rows, words }: TileShape) -> Configuration {
    let b = (words, ROW_BYTES);
    if rows > ROWS {
        let below = rows - ROWS;
        let (c, c_below) = ((ROWS, ROW_BYTES), (below, ROW_BYTES));
        Configuration::new([c, c, c_below, c_below, (ROWS, 4 * words), (below, 4 * words), b, b])
    } else {
        let c = (rows, ROW_BYTES);
        Configuration::new([c, c, c, c, (rows, 4 * words), b, b, b])
    }
}

impl<P: Product> TileUnit for Unit<P> {
    unsafe fn acquire() -> Self {
        Unit { shape: None, product: PhantomData }
    }

    fn configure(&mut self, shape: TileShape) {
        assert!((1..=2 * ROWS).contains(&shape.rows) && (1..=ROWS).contains(&shape.words), "{shape:?}");
        if self.shape != Some(shape) {
            let configuration = configuration(shape);
            // SAFETY: who took the unit vouched for it, and the configuration is a valid one.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) }
            self.shape = Some(shape);
        }
    }

    unsafe fn multiply(&self, operands: &TileOperands) {
        let more = self.shape.is_some_and(|shape| shape.rows > ROWS);
        // SAFETY: by contract; the shape is what the tiles are configured for.
        unsafe {
            match operands.b {
                (b, None) if more => P::two_by_two(operands, b),
                (b, None) => P::one_by_two(operands, b),
                (b, Some(other)) => {
                    assert!(!more, "two panels are for few rows");
                    P::one_by_four(operands, b, other);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply_narrow(&self, operands: &TileOperands) {
        debug_assert!(self.shape.is_some_and(|shape| shape.rows <= ROWS));
        // SAFETY: by contract.
        unsafe { P::one_by_one(operands) }
    }
}
