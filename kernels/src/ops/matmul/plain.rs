//! Matmul with plain weights: f32, f16, bf16, i8.
//!
//! ```text
//! strip: V vectors of weight rows, interleaved: for each k group, V·LANES lanes of 32 bits (f16: 16 bits)
//! tile:  sums[r][v] = Σ over k groups: weights[group][v] · activations[r][group]        r < R rows, v < V vectors
//! ```
//!
//! A k group is what one 32-bit lane of the activations holds: 1 f32, 2 bf16, 4 u8. A lane of a vector is a weight row, so
//! that a token's group is broadcast, no sum is ever taken across lanes, and the weights are read as one sequential
//! stream whatever the number of tokens.

use super::TileArguments;
use super::lanes::Lanes;
use std::marker::PhantomData;

/// One multiply-accumulate of plain weights.
pub(crate) trait Plain {
    /// The instruction set.
    type L: Lanes;
    /// A vector of weights, ready to be multiplied.
    type Weight: Copy;
    /// One k group of a token, in every lane.
    type Input: Copy;
    /// Accumulators.
    type Sum: Copy;
    /// Bytes of one weight row's k group in a strip.
    const LANE_BYTES: usize;

    /// # Safety
    /// The ISA is available; a vector's weights behind the pointer.
    unsafe fn weight(from: *const u8) -> Self::Weight;
    /// # Safety
    /// The ISA is available; four bytes behind the pointer.
    unsafe fn input(from: *const u8) -> Self::Input;
    /// # Safety
    /// The ISA is available.
    unsafe fn zero() -> Self::Sum;
    /// # Safety
    /// The ISA is available.
    unsafe fn multiply_accumulate(sum: Self::Sum, weight: Self::Weight, input: Self::Input) -> Self::Sum;
    /// Stores the sums, added to what is there if `add`.
    ///
    /// # Safety
    /// The ISA is available; a vector of 32-bit lanes behind the pointer.
    unsafe fn store(sum: Self::Sum, to: *mut u8, add: bool);
}

macro_rules! plain {
    ($(#[$doc:meta])* $name:ident, lane_bytes: $bytes:literal, weight: $weight:ident $load:ident, input: $input:ident,
     sum: $sum:ident $mac:ident) => {
        $(#[$doc])*
        pub(crate) struct $name<L>(PhantomData<L>);

        // SAFETY of every method: passed on from the trait's contract.
        impl<L: Lanes> Plain for $name<L> {
            type L = L;
            type Weight = L::$weight;
            type Input = L::$input;
            type Sum = L::$sum;
            const LANE_BYTES: usize = $bytes;

            #[inline(always)]
            unsafe fn weight(from: *const u8) -> Self::Weight {
                // SAFETY: see above.
                unsafe { L::$load(from) }
            }
            #[inline(always)]
            unsafe fn input(from: *const u8) -> Self::Input {
                // SAFETY: see above.
                unsafe { plain!(@input L, from, $input) }
            }
            #[inline(always)]
            unsafe fn zero() -> Self::Sum {
                // SAFETY: see above.
                unsafe { plain!(@zero L, $sum) }
            }
            #[inline(always)]
            unsafe fn multiply_accumulate(sum: Self::Sum, weight: Self::Weight, input: Self::Input) -> Self::Sum {
                // SAFETY: see above.
                unsafe { plain!(@mac L, sum, weight, input, $mac) }
            }
            #[inline(always)]
            unsafe fn store(sum: Self::Sum, to: *mut u8, add: bool) {
                // SAFETY: see above.
                unsafe { plain!(@store L, sum, to, add, $sum) }
            }
        }
    };
    (@input $l:ident, $from:ident, F) => { $l::splat_f32($from.cast::<f32>().read_unaligned()) };
    (@input $l:ident, $from:ident, I) => { $l::splat($from.cast::<i32>().read_unaligned()) };
    (@zero $l:ident, F) => { $l::splat_f32(0.0) };
    (@zero $l:ident, I) => { $l::splat(0) };
    (@mac $l:ident, $sum:ident, $weight:ident, $input:ident, mul_add) => { $l::mul_add($weight, $input, $sum) };
    (@mac $l:ident, $sum:ident, $weight:ident, $input:ident, widened_dot_bf16) => {
        $crate::ops::matmul::lanes::widened_dot_bf16::<$l>($sum, $weight, $input)
    };
    (@mac $l:ident, $sum:ident, $weight:ident, $input:ident, dot_bf16) => { $l::dot_bf16($sum, $weight, $input) };
    (@mac $l:ident, $sum:ident, $weight:ident, $input:ident, dot_u8_s8) => { $l::dot_u8_s8($sum, $input, $weight) };
    (@store $l:ident, $sum:ident, $to:ident, $add:ident, F) => {
        $l::store_f32(if $add { $l::add_f32($sum, $l::load_f32($to)) } else { $sum }, $to)
    };
    (@store $l:ident, $sum:ident, $to:ident, $add:ident, I) => {
        $l::store(if $add { $l::add($sum, $l::load($to)) } else { $sum }, $to)
    };
}

plain!(/** f32 weights and tokens. */ F32, lane_bytes: 4, weight: F load_f32, input: F, sum: F mul_add);
plain!(/** f16 weights, widened as they are loaded; f32 tokens. */
    F16, lane_bytes: 2, weight: F load_f16, input: F, sum: F mul_add);
plain!(/** bf16 weights and tokens, f32 sums. */ Bf16, lane_bytes: 4, weight: I load, input: I, sum: F dot_bf16);
#[cfg(target_arch = "x86_64")]
plain!(/** The same without an instruction for their dot product. */
    Bf16Widened, lane_bytes: 4, weight: I load, input: I, sum: F widened_dot_bf16);
plain!(/** i8 weights, u8 tokens, i32 sums. */ I8, lane_bytes: 4, weight: I load, input: I, sum: I dot_u8_s8);

/// Multiplies `ROWS` tokens, read where they stand, with one strip of `VECTORS` vectors.
///
/// # Safety
/// The ISA is available; the arguments describe memory that is there, see [`TileArguments`].
#[inline(always)]
pub(crate) unsafe fn tile<P: Plain, const ROWS: usize, const VECTORS: usize>(arguments: &TileArguments) {
    let vector_bytes = P::L::LANES * P::LANE_BYTES;
    // SAFETY: `groups` groups of weights and of every row are there; so is the output.
    unsafe {
        let (mut weights, mut inputs) = (arguments.weights, arguments.activations);
        let mut sums = [[P::zero(); VECTORS]; ROWS];
        for _ in 0..arguments.groups {
            let w: [P::Weight; VECTORS] = std::array::from_fn(|v| P::weight(weights.add(v * vector_bytes)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let input = P::input(inputs.add(row * arguments.row_stride));
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = P::multiply_accumulate(*sum, w, input);
                }
            }
            weights = weights.add(VECTORS * vector_bytes);
            inputs = inputs.add(4);
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                P::store(sum, arguments.out.add(row * arguments.out_stride + v * P::L::LANES * 4), arguments.add);
            }
        }
    }
}

/// Instantiates the tiles of plain weights as functions with their target features: `tiles[r - 1]` multiplies `r` tokens.
macro_rules! plain_tiles {
    ($format:ty, vectors: $vectors:literal, rows: [$($rows:literal)*] $(, #[$features:meta])?) => {
        $crate::ops::matmul::plain::plain_tiles!(@each $format, $vectors, [$($rows)*], [$(#[$features])?])
    };
    (@each $format:ty, $vectors:literal, [$($rows:literal)*], $features:tt) => {
        &[$($crate::ops::matmul::plain::plain_tiles!(@one $format, $vectors, $rows, $features)),*]
    };
    (@one $format:ty, $vectors:literal, $rows:literal, [$(#[$features:meta])?]) => {{
        /// # Safety
        /// The instruction set is available; arguments as `plain::tile` asks.
        $(#[$features])?
        unsafe fn tile(arguments: &$crate::ops::matmul::TileArguments) {
            // SAFETY: passed on from the caller.
            unsafe { $crate::ops::matmul::plain::tile::<$format, $rows, $vectors>(arguments) }
        }
        tile as $crate::ops::matmul::TileFn
    }};
}
pub(crate) use plain_tiles;
