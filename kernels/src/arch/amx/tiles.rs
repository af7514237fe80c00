//! Chains of tile products.

use super::configuration::Configuration;
use super::{ROW_BYTES, TILE_BYTES};
use crate::ops::chain::{ChainArguments, STEPS};
use std::arch::asm;
use std::hint::black_box;

/// Tiles after one round.
#[repr(C, align(64))]
struct Tiles<const ACCUMULATORS: usize>([[u32; TILE_BYTES / 4]; ACCUMULATORS]);

/// A round: accumulators are loaded, multiplied into, and stored.
macro_rules! tile_products {
    ($start:ident, $operands:ident, $last:ident, [$($load:literal),*], [$($product:expr),*], [$($store:literal),*]) => {{
        let configuration = Configuration::WHOLE;
        asm!(
            // All tiles are zero then, and those that are not needed stay so.
            "ldtilecfg [{configuration}]",
            $($load,)*
            "tileloadd tmm5, [{operands} + {stride}]",
            "tileloadd tmm6, [{operands} + {stride} + 1024]",
            "tileloadd tmm7, [{operands} + {stride} + 2048]",
            "2:",
            $($product,)*
            "sub {pairs}, 1",
            "jnz 2b",
            $($store,)*
            "tilerelease",
            configuration = in(reg) &raw const configuration,
            start = in(reg) black_box($start.as_ptr()),
            operands = in(reg) black_box($operands.as_ptr()),
            last = in(reg) &raw mut $last,
            stride = in(reg) ROW_BYTES,
            pairs = inout(reg) STEPS / 2 => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    }};
}

/// A round into one accumulator or into five.
macro_rules! round {
    ($accumulators:ident, $product:literal, $start:ident, $operands:ident, $last:ident) => {
        if $accumulators == 1 {
            tile_products!(
                $start,
                $operands,
                $last,
                ["tileloadd tmm0, [{start} + {stride}]"],
                [concat!($product, " tmm0, tmm5, tmm6"), concat!($product, " tmm0, tmm5, tmm7")],
                ["tilestored [{last} + {stride}], tmm0"]
            );
        } else {
            tile_products!(
                $start,
                $operands,
                $last,
                [
                    "tileloadd tmm0, [{start} + {stride}]",
                    "tileloadd tmm1, [{start} + {stride} + 1024]",
                    "tileloadd tmm2, [{start} + {stride} + 2048]",
                    "tileloadd tmm3, [{start} + {stride} + 3072]",
                    "tileloadd tmm4, [{start} + {stride} + 4096]"
                ],
                [
                    concat!($product, " tmm0, tmm5, tmm6"),
                    concat!($product, " tmm1, tmm5, tmm6"),
                    concat!($product, " tmm2, tmm5, tmm6"),
                    concat!($product, " tmm3, tmm5, tmm6"),
                    concat!($product, " tmm4, tmm5, tmm6"),
                    concat!($product, " tmm0, tmm5, tmm7"),
                    concat!($product, " tmm1, tmm5, tmm7"),
                    concat!($product, " tmm2, tmm5, tmm7"),
                    concat!($product, " tmm3, tmm5, tmm7"),
                    concat!($product, " tmm4, tmm5, tmm7")
                ],
                [
                    "tilestored [{last} + {stride}], tmm0",
                    "tilestored [{last} + {stride} + 1024], tmm1",
                    "tilestored [{last} + {stride} + 2048], tmm2",
                    "tilestored [{last} + {stride} + 3072], tmm3",
                    "tilestored [{last} + {stride} + 4096], tmm4"
                ]
            );
        }
    };
}

/// Runs the chain: products of bytes, or of bfloat16, into one tile or five.
#[inline(always)]
pub(super) fn chain<const BYTES: bool, const ACCUMULATORS: usize>(
    ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>,
) {
    const { assert!(ACCUMULATORS == 1 || ACCUMULATORS == 5) };
    debug_assert!(start.len() == ACCUMULATORS * TILE_BYTES && operands.len() == 3 * TILE_BYTES);
    let mut last = Tiles([[0; TILE_BYTES / 4]; ACCUMULATORS]);
    for _ in 0..rounds {
        // SAFETY: the token proves AMX with this product. Loads stay within the accumulators and three tiles, stores within
        // `last`. Tiles are configured here and released before anything else runs; every tile is declared as overwritten.
        unsafe {
            if BYTES {
                round!(ACCUMULATORS, "tdpbusd", start, operands, last);
            } else {
                round!(ACCUMULATORS, "tdpbf16ps", start, operands, last);
            }
        }
        for (sum, lane) in sums.as_chunks_mut::<4>().0.iter_mut().zip(last.0.as_flattened()) {
            *sum = u32::from_ne_bytes(*sum).wrapping_add(*lane).to_ne_bytes();
        }
    }
}
