//! A model of the unit in plain Rust. It holds the loops around it against the oracle on every machine, and stands for the unit
//! where there is none to compile for.

use super::{OfBf16, OfI8U8, OfU8I8, ROWS};
use crate::simd::{PANEL_COLUMNS, PANEL_STRIDE, TileOperands, TileShape, TileUnit};
use std::marker::PhantomData;

/// What a pair of words adds to a sum.
pub(super) trait Words {
    fn add(sum: u32, a: u32, b: u32) -> u32;
}

impl Words for OfBf16 {
    fn add(sum: u32, a: u32, b: u32) -> u32 {
        let product = |bits: u32| f32::from_bits(a << bits & 0xffff_0000) * f32::from_bits(b << bits & 0xffff_0000);
        (f32::from_bits(sum) + product(16) + product(0)).to_bits()
    }
}
impl Words for OfU8I8 {
    fn add(sum: u32, a: u32, b: u32) -> u32 {
        let products = a.to_ne_bytes().into_iter().zip(b.to_ne_bytes()).map(|(a, b)| i32::from(a) * i32::from(b as i8));
        sum.wrapping_add(products.sum::<i32>() as u32)
    }
}
impl Words for OfI8U8 {
    fn add(sum: u32, a: u32, b: u32) -> u32 {
        OfU8I8::add(sum, b, a)
    }
}

/// The model.
pub(super) struct Model<P> {
    shape: Option<TileShape>,
    product: PhantomData<P>,
}

impl<P: Words> Model<P> {
    /// As [`TileUnit::multiply`], for some columns.
    ///
    /// # Safety
    /// As there.
    unsafe fn columns(&self, operands: &TileOperands, columns: usize) {
        let &TileOperands { a, a_stride, b: (first, second), b_stride, steps, c, c_stride, add } = operands;
        let Some(TileShape { rows, words }) = self.shape else { panic!("not configured") };
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            // SAFETY: by contract.
            unsafe {
                let b = if column < PANEL_COLUMNS { first } else { second.unwrap_or(std::ptr::null()) };
                let c: *mut u32 = c.add(row * c_stride + column * 4).cast();
                let word = |at: *const u8| at.cast::<u32>().read_unaligned();
                let pair = |(step, within): (usize, usize)| {
                    let at = step * ROWS + within;
                    (word(a.add(row * a_stride + at * 4)), word(b.add(at * b_stride + column % PANEL_COLUMNS * 4)))
                };
                let all = (0..steps).flat_map(|step| (0..words).map(move |within| (step, within)));
                let start = if add { c.read_unaligned() } else { 0 };
                c.write_unaligned(all.map(pair).fold(start, |sum, (a, b)| P::add(sum, a, b)));
            }
        }
    }
}

impl<P: Words> TileUnit for Model<P> {
    unsafe fn acquire() -> Self {
        Model { shape: None, product: PhantomData }
    }

    fn configure(&mut self, shape: TileShape) {
        assert!((1..=2 * ROWS).contains(&shape.rows) && (1..=ROWS).contains(&shape.words), "{shape:?}");
        self.shape = Some(shape);
    }

    unsafe fn multiply(&self, operands: &TileOperands) {
        assert!(
            operands.b_stride == PANEL_STRIDE && (operands.b.1.is_none() || self.shape.is_some_and(|s| s.rows <= ROWS))
        );
        let panels = 1 + usize::from(operands.b.1.is_some());
        // SAFETY: by contract.
        unsafe { self.columns(operands, panels * PANEL_COLUMNS) }
    }

    unsafe fn multiply_narrow(&self, operands: &TileOperands) {
        assert!(self.shape.is_some_and(|shape| shape.rows <= ROWS));
        // SAFETY: by contract.
        unsafe { self.columns(operands, ROWS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::avx512::Avx512Bf16;
    use crate::arch::portable::Portable;
    use crate::isa::Isa;
    use crate::ops::matmul::{
        BF16, Grid, I8_FORMAT, MatmulEntry, MatmulKernel, Output, Tokens, UnitFormats, Ways, plain_whole,
    };
    use crate::reference::matmul as oracle;
    use crate::simd::Token;

    type Vectors = Portable<8, 16>;
    static PLAIN: [MatmulEntry; 2] =
        [plain_whole::<Model<OfBf16>>(Isa::Portable, &BF16), plain_whole::<Model<OfU8I8>>(Isa::Portable, &I8_FORMAT)];
    static ROUNDED: [MatmulEntry; 11] = UnitFormats::<Model<OfBf16>, Vectors>::rounded(Isa::Portable);
    static ROUNDED_BY_AVX512: [MatmulEntry; 11] = UnitFormats::<Model<OfBf16>, Avx512Bf16>::rounded(Isa::Avx512Bf16);
    static SCALED: [MatmulEntry; 5] = UnitFormats::<Model<OfI8U8>, Vectors>::scaled(Isa::Portable);

    /// A tile of `m` rows and `strips` strips, every element of which is held against the oracle.
    fn agrees(kernel: MatmulKernel, m: usize, strips: usize, k: usize) {
        let (weights, arithmetic) = (kernel.weights(), kernel.arithmetic());
        let n = strips * kernel.strip_rows();
        let stored = oracle::weights(weights, n, k, (m + n + k) as u64);
        let mut packed = vec![0xff; strips * kernel.strip_bytes(k)];
        kernel.pack(&stored, k, &mut packed);
        let tokens = oracle::tokens(m, k, 7);
        let mut bytes = vec![0xff; kernel.token_bytes(m, k)];
        if kernel.quantises() {
            kernel.quantise(&tokens, k, &mut bytes);
        } else {
            kernel.place(&oracle::stored_tokens(arithmetic, &tokens, k), k, &mut bytes);
        }
        let output = Output::new(Grid { rows: m, columns: n, tile_rows: m, tile_columns: n }).unwrap();
        let mut tile = output.tile(0, 0).unwrap();
        tile.spoil();
        kernel.multiply(k, &packed, Tokens { bytes: &bytes, rows: m }, &mut tile, Ways::plain(1 << 20));
        for (i, token) in tokens.chunks(k).enumerate() {
            let token = oracle::rounded_token(weights, arithmetic, token);
            for (j, row) in stored.chunks(stored.len() / n).enumerate() {
                let want = oracle::element(&oracle::rounded_weights(weights, arithmetic, row), &token);
                let bits = tile.bits(i, j);
                let right = oracle::element_agrees(weights, arithmetic, bits, want, k);
                assert!(right, "{weights} {m}×{n}×{k} ({i}, {j}): {} not {want:?}", f32::from_bits(bits));
            }
        }
    }

    #[test]
    fn loops_around_a_unit_agree_with_the_oracle() {
        let of_avx512 = if Avx512Bf16::new().is_some() { ROUNDED_BY_AVX512.as_slice() } else { &[] };
        for entry in PLAIN.iter().chain(&ROUNDED).chain(&SCALED).chain(of_avx512) {
            // SAFETY: every CPU has portable vectors and the model, and this one those of AVX-512 where they are used.
            let kernel = unsafe { MatmulKernel::new(entry) };
            let block = kernel.weights().block().elements as usize;
            let ks = if block == 1 { [1, 67, 1200] } else { [block, 3 * block, 1024 + block] };
            for k in ks {
                for (m, strips) in [(1, 1), (16, 2), (17, 3), (33, 2), (48, 1)] {
                    agrees(kernel, m, strips, k);
                }
            }
        }
    }
}
