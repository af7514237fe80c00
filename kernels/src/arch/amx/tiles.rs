//! Chains of tile products.

use super::{ACCUMULATORS, ROW_BYTES, ROWS, TILE_BYTES};
use crate::ops::chain::{ChainArguments, STEPS};
use std::arch::asm;
use std::hint::black_box;

/// The operand of LDTILECFG: palette 1, and of each tile the bytes of a row and the rows.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

const CONFIGURATION: Configuration = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < 8 {
        row_bytes[tile] = ROW_BYTES as u16;
        rows[tile] = ROWS as u8;
        tile += 1;
    }
    Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// Five tiles after one round.
#[repr(C, align(64))]
struct Tiles([u32; ACCUMULATORS * TILE_BYTES / 4]);

/// The chain's assembly with a product of tiles.
macro_rules! tile_products {
    ($product:literal, $configuration:ident, $start:ident, $operands:ident, $last:ident) => {
            asm!(
                "ldtilecfg [{configuration}]",
                "tileloadd tmm0, [{start} + {stride}]",
                "tileloadd tmm1, [{start} + {stride} + 1024]",
                "tileloadd tmm2, [{start} + {stride} + 2048]",
                "tileloadd tmm3, [{start} + {stride} + 3072]",
                "tileloadd tmm4, [{start} + {stride} + 4096]",
                "tileloadd tmm5, [{operands} + {stride}]",
                "tileloadd tmm6, [{operands} + {stride} + 1024]",
                "tileloadd tmm7, [{operands} + {stride} + 2048]",
                "2:",
                concat!($product, " tmm0, tmm5, tmm6"),
                concat!($product, " tmm1, tmm5, tmm6"),
                concat!($product, " tmm2, tmm5, tmm6"),
                concat!($product, " tmm3, tmm5, tmm6"),
                concat!($product, " tmm4, tmm5, tmm6"),
                concat!($product, " tmm0, tmm5, tmm7"),
                concat!($product, " tmm1, tmm5, tmm7"),
                concat!($product, " tmm2, tmm5, tmm7"),
                concat!($product, " tmm3, tmm5, tmm7"),
                concat!($product, " tmm4, tmm5, tmm7"),
                "sub {pairs}, 1",
                "jnz 2b",
                "tilestored [{last} + {stride}], tmm0",
                "tilestored [{last} + {stride} + 1024], tmm1",
                "tilestored [{last} + {stride} + 2048], tmm2",
                "tilestored [{last} + {stride} + 3072], tmm3",
                "tilestored [{last} + {stride} + 4096], tmm4",
                "tilerelease",
                configuration = in(reg) &raw const $configuration,
                start = in(reg) black_box($start.as_ptr()),
                operands = in(reg) black_box($operands.as_ptr()),
                last = in(reg) &raw mut $last,
                stride = in(reg) ROW_BYTES,
                pairs = inout(reg) STEPS / 2 => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
    };
}

/// Runs the chain: products of bytes, or of bfloat16.
#[inline(always)]
pub(super) fn chain<const BYTES: bool>(ChainArguments { start, operands, rounds, sums }: ChainArguments<'_>) {
    debug_assert!(start.len() == ACCUMULATORS * TILE_BYTES && operands.len() == 3 * TILE_BYTES);
    let configuration = CONFIGURATION;
    let mut last = Tiles([0; ACCUMULATORS * TILE_BYTES / 4]);
    for _ in 0..rounds {
        // SAFETY: the token proves AMX with this product. Loads stay within five and three tiles, stores within `last`. Tiles
        // are configured here and released before anything else runs; every tile is declared as overwritten.
        unsafe {
            if BYTES {
                tile_products!("tdpbusd", configuration, start, operands, last);
            } else {
                tile_products!("tdpbf16ps", configuration, start, operands, last);
            }
        }
        for (sum, lane) in sums.as_chunks_mut::<4>().0.iter_mut().zip(last.0) {
            *sum = u32::from_ne_bytes(*sum).wrapping_add(lane).to_ne_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_lies_as_the_manual_draws_it() {
        assert_eq!((size_of::<Configuration>(), align_of::<Configuration>()), (64, 64));
        let offsets = (
            std::mem::offset_of!(Configuration, palette),
            std::mem::offset_of!(Configuration, start_row),
            std::mem::offset_of!(Configuration, row_bytes),
            std::mem::offset_of!(Configuration, rows),
        );
        assert_eq!(offsets, (0, 1, 16, 48));
        assert_eq!(CONFIGURATION.row_bytes[..9], [64, 64, 64, 64, 64, 64, 64, 64, 0]);
        assert_eq!(CONFIGURATION.rows[..9], [16, 16, 16, 16, 16, 16, 16, 16, 0]);
    }
}
