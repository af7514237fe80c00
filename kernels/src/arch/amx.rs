//! AMX: eight tiles of 16 rows of 64 bytes, and products of whole tiles. By assembly: Rust has no intrinsics yet.
//!
//! Written from the manual (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and the
//! instructions' own pages), and not yet run on a CPU that has it.

use crate::dtype::Dtype;
use crate::isa::Isa;
use crate::ops::chain::{ChainEntry, ChainShape, Recurrence, STEPS};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::hint::black_box;

/// Bits of CPUID leaf 7 in EDX.
const CPUID_BF16: u32 = 1 << 22;
const CPUID_TILE: u32 = 1 << 24;
const CPUID_INT8: u32 = 1 << 25;

pub(super) const CHAINS: &[ChainEntry] = &[
    ChainEntry { isa: Isa::AmxBf16, shape: shape(Dtype::Bf16), run: run_bf16 },
    ChainEntry { isa: Isa::AmxInt8, shape: shape(Dtype::I8), run: run_int8 },
];

/// Whether this CPU multiplies tiles of bfloat16, and the system lets this process.
pub(crate) fn bf16_available() -> bool {
    available(CPUID_BF16)
}

/// The same of bytes.
pub(crate) fn int8_available() -> bool {
    available(CPUID_INT8)
}

fn available(product: u32) -> bool {
    let features = if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 };
    features & CPUID_TILE != 0 && features & product != 0 && tiles_are_kept() && permitted()
}

/// Whether the operating system keeps the tiles' state when it switches threads.
fn tiles_are_kept() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    /// Components 17 and 18: the tiles' configuration and their data.
    const TILES: u64 = 3 << 17;
    #[target_feature(enable = "xsave")]
    fn enabled_components() -> u64 {
        // SAFETY: XCR0 always exists where XGETBV does.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: OSXSAVE says that the CPU has XGETBV and the system has enabled it.
    __cpuid(1).ecx & OSXSAVE != 0 && unsafe { enabled_components() } & TILES == TILES
}

/// Asks Linux for the tiles' data, once for all threads of the process. Without it the first tile instruction kills.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    use std::sync::OnceLock;
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILE_DATA: libc::c_ulong = 18;
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        // SAFETY: a request that takes two integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) == 0 }
    })
}

/// No other system that roofprobe knows lets a process ask.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

const ROW_BYTES: usize = 64;
const ROWS: usize = 16;
const TILE_BYTES: usize = ROWS * ROW_BYTES;
/// A product takes 16 cycles in the pipe and 52 until it is there: four hide the latency. Five and three operands are all
/// the tiles there are.
const ACCUMULATORS: usize = 5;

const fn shape(dtype: Dtype) -> ChainShape {
    ChainShape { dtype, recurrence: Recurrence::Tile, vector_bytes: TILE_BYTES, accumulators: ACCUMULATORS }
}

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

macro_rules! tile_chain {
    ($run:ident, $product:literal) => {
        /// # Safety
        /// AMX with this product is available and permitted; five tiles at `start` and `sums`, three at `operands`.
        unsafe fn $run(start: *const u8, operands: *const u8, rounds: u64, sums: *mut u8) {
            let configuration = CONFIGURATION;
            let mut last = Tiles([0; ACCUMULATORS * TILE_BYTES / 4]);
            for _ in 0..rounds {
                // SAFETY: loads stay within the tiles of the contract, stores within `last`. Tiles are configured here and
                // released before anything else runs; every tile is declared as overwritten.
                unsafe {
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
                        configuration = in(reg) &raw const configuration,
                        start = in(reg) black_box(start),
                        operands = in(reg) black_box(operands),
                        last = in(reg) &raw mut last,
                        stride = in(reg) ROW_BYTES,
                        pairs = inout(reg) STEPS / 2 => _,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
                for (i, lane) in last.0.iter().enumerate() {
                    // SAFETY: the sums have as many lanes of 32 bits as the five tiles.
                    unsafe {
                        let sum = sums.cast::<u32>().add(i);
                        sum.write_unaligned(sum.read_unaligned().wrapping_add(*lane));
                    }
                }
            }
        }
    };
}

tile_chain!(run_bf16, "tdpbf16ps");
tile_chain!(run_int8, "tdpbusd");

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
