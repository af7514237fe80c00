//! Plain Rust, vectorised by the compiler for the target's baseline (SSE2 on x86-64, NEON on AArch64).

#[cfg(test)]
mod halves;

use crate::isa::Isa;
use crate::ops::Kernels;
use crate::ops::attention::{AttentionEntry, LatentEntry, attention, latents};
use crate::ops::chain::recurrence::{DotI8, dot, square};
use crate::ops::matmul::{Bf16, BlockFormats, F16, F32, I8, plain};
use crate::ops::stream::Streams;
use crate::simd::{Floats, Integers, Kernel, Token, Vector};

/// Plain Rust needs no proof. `D` and `S` are the lanes of its vectors of f64 and f32.
#[derive(Clone, Copy)]
pub(crate) struct Portable<const D: usize, const S: usize>(());

/// Vectors of one register of 128 bits.
type Narrow = Portable<2, 4>;
/// Vectors of two.
type Wide = Portable<4, 8>;

/// The tables of this folder.
pub(crate) const TABLES: &[&Kernels] = &[&KERNELS];

static KERNELS: Kernels = Kernels {
    streams: Streams::<Wide>::TABLE,
    // Multiply and add take 6 to 8 cycles one after the other, on two pipes each: 12 accumulators leave no slack. Fourteen and
    // the constant fit sixteen registers of 128 bits. The byte products take registers of their own.
    chains: &[square::<Narrow, [f64; 2], 14>(), square::<Narrow, [f32; 4], 14>(), dot::<Narrow, DotI8, 4>()],
    // Eight lanes are two registers of 128 bits: four rows take eight of sixteen.
    matmuls: &[
        plain::<Wide, F32, 1, 4>(),
        plain::<Wide, F16, 1, 4>(),
        plain::<Wide, Bf16, 1, 4>(),
        plain::<Wide, I8, 1, 4>(),
    ],
    block_matmuls: <BlockFormats<Wide, 4>>::TABLE,
    attention: Some(&ATTENTION),
    latents: Some(&LATENTS),
    ..Kernels::none::<Wide>()
};

// Sixteen registers of 128 bits in the baseline of x86-64; multiply and add are two instructions with a result each.
static ATTENTION: AttentionEntry = attention::<Narrow, 8>();

static LATENTS: LatentEntry = latents::<Narrow, 8>();

impl<const D: usize, const S: usize> Token for Portable<D, S> {
    const ISA: Isa = Isa::Portable;
    const ARCHITECTURE: Option<&'static str> = None;
    const PREFETCHES: bool = false;
    type Registers = <[f32; S] as Vector>::Registers;

    fn new() -> Option<Self> {
        Some(Portable(()))
    }

    unsafe fn run<K: Kernel<Self>>(input: K::Input<'_>) -> K::Output {
        K::run(Portable(()), input)
    }
}

impl<const D: usize, const S: usize> Floats for Portable<D, S> {
    type F64 = [f64; D];
    type F32 = [f32; S];
}

impl<const D: usize, const S: usize> Integers for Portable<D, S> {
    type I32 = [i32; S];

    #[inline(always)]
    fn dot_u8_i8_pairs(self, sum: [i32; S], u: [i32; S], s: [i32; S]) -> [i32; S] {
        if S > 4 {
            return self.dot_u8_i8(sum, u, s);
        }
        std::array::from_fn(|lane| {
            let (u, s) = (u[lane].to_ne_bytes(), s[lane].to_ne_bytes());
            let product = |i: usize| i32::from(u[i]) * i32::from(s[i] as i8);
            sum[lane].wrapping_add(product(0) + product(1) + product(2) + product(3))
        })
    }
}
