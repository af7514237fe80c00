//! What the cores of known designs do per cycle at most.

use crate::profile::{CeilingId, IdKind, Means, MemoryLevel, Word};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Three operations for two: where the pipes of the additions lie beside the others.
const FMA_ADD_GAIN: f64 = 1.5;

/// What one core of this design does per cycle at most: operations, two per multiply-accumulate, for `compute.*`; bytes
/// loaded for `memory.l1.read`. `None` where the design is not known.
pub(super) fn per_cycle_max(microarchitecture: &str, id: &CeilingId) -> Option<f64> {
    // Of several designs the one that does the most.
    microarchitecture.split(" + ").map(|design| of_design(design, id)).reduce(|a, b| Some(a?.max(b?)))?
}

fn of_design(design: &str, id: &CeilingId) -> Option<f64> {
    let most = pipes(design)?;
    let known = match id.kind() {
        IdKind::Memory { .. } if *id == CeilingId::memory(MemoryLevel::Cache(1), Op::Read) => Some(most.load_bytes),
        IdKind::Compute { dtype, means } => {
            // Tiles, and blocks of 2×2, lie beyond the vectors: the best may be either.
            let tiles = match (dtype.known()?, means) {
                (
                    Dtype::Bf16,
                    Means::Best | Means::Single | Means::Isa { isa: Word::Known(Isa::AmxBf16 | Isa::NeonBf16), .. },
                ) => most.tile_bf16,
                (
                    Dtype::I8,
                    Means::Best | Means::Single | Means::Isa { isa: Word::Known(Isa::AmxInt8 | Isa::NeonI8mm), .. },
                ) => most.tile_i8,
                _ => None,
            };
            let vectors = match dtype.known()? {
                Dtype::F64 => Some(most.f32 / 2.0),
                Dtype::F32 => Some(most.f32),
                // Where there is no arithmetic in halves, they are converted, and f32's pipes do the work.
                Dtype::F16 => Some(most.f16.unwrap_or(most.f32)),
                Dtype::Bf16 => Some(most.bf16.unwrap_or(most.f32)),
                Dtype::I8 => most.i8,
                _ => None,
            };
            tiles.or(vectors)
        }
        _ => None,
    }?;
    Some(if id.is_fma_add() { known * FMA_ADD_GAIN } else { known })
}

/// The pipes of one core, per cycle.
#[derive(Clone, Copy)]
struct Pipes {
    f32: f64,
    f16: Option<f64>,
    bf16: Option<f64>,
    i8: Option<f64>,
    tile_bf16: Option<f64>,
    tile_i8: Option<f64>,
    load_bytes: f64,
}

/// Pipes × vector width, from the vendors' optimisation guides (AMD 17h/19h/1Ah, Intel 64 and IA-32). Upper bounds: some
/// parts of a family have half.
fn pipes(microarchitecture: &str) -> Option<Pipes> {
    let narrow = Pipes { f32: 32.0, f16: None, bf16: None, i8: None, tile_bf16: None, tile_i8: None, load_bytes: 64.0 };
    let wide = Pipes { f32: 64.0, load_bytes: 128.0, ..narrow };
    Some(match microarchitecture {
        "Zen 2" | "Zen 3" | "Haswell" | "Broadwell" | "Skylake" => narrow,
        "Zen 4" => Pipes { bf16: Some(64.0), i8: Some(128.0), ..narrow },
        "Zen 5" => Pipes { bf16: Some(128.0), i8: Some(256.0), ..wide },
        "Skylake-SP" | "Ice Lake-SP" => Pipes { i8: Some(256.0), ..wide },
        "Sapphire Rapids" | "Emerald Rapids" => Pipes {
            f16: Some(128.0),
            bf16: Some(128.0),
            i8: Some(256.0),
            // A product of two tiles, 16 × 16 × 32 of bf16 or × 64 of i8, begins every 16 cycles.
            tile_bf16: Some(1024.0),
            tile_i8: Some(2048.0),
            ..wide
        },
        _ => return pipes_of_arm(microarchitecture),
    })
}

/// So many pipes of 128 bits with multiply-accumulates, and so many loads of 128 bits a cycle, as these designs are commonly described.
/// Where to check them: Arm's software optimization guides, Apple's CPU Optimization Guide, Qualcomm's talk at Hot Chips 2024; nobody
/// has yet compared entry by entry, and no core of these was measured. Upper bounds: where it was open, the larger figure stands.
fn pipes_of_arm(design: &str) -> Option<Pipes> {
    /// 8.0: without anything but f32 and f64.
    const PLAIN: u32 = 0;
    /// 8.2: arithmetic in f16, dot products of bytes.
    const DOTS: u32 = 1;
    /// 8.6: products of blocks, of bytes and of bf16.
    const BLOCKS: u32 = 2;
    let (pipes, loads, level) = match design {
        "Cortex-A35" | "Cortex-A53" | "Cortex-A57" | "Cortex-A72" => (1.0, 1.0, PLAIN),
        "Cortex-A73" => (1.0, 2.0, PLAIN),
        "Cortex-A55" => (1.0, 1.0, DOTS),
        "Cortex-A75" | "Cortex-A76" | "Cortex-A76AE" | "Cortex-A77" | "Neoverse N1" => (2.0, 2.0, DOTS),
        "Cortex-A78" | "Cortex-A78AE" | "Cortex-A78C" => (2.0, 3.0, DOTS),
        "Cortex-X1" | "Cortex-X1C" => (4.0, 3.0, DOTS),
        "Cortex-A510" | "Cortex-A520" => (2.0, 2.0, BLOCKS),
        "Cortex-A710" | "Cortex-A715" | "Cortex-A720" | "Cortex-A725" | "Neoverse N2" | "Neoverse N3" => {
            (2.0, 3.0, BLOCKS)
        }
        "Cortex-X2" | "Cortex-X3" | "Cortex-X4" | "Neoverse V2" | "Neoverse V3" | "Neoverse V3AE" => (4.0, 3.0, BLOCKS),
        // Two loads of 256 bits with SVE.
        "Neoverse V1" => (4.0, 4.0, BLOCKS),
        "Cortex-X925" => (6.0, 4.0, BLOCKS),
        // Two pipes and two loads of 512 bits.
        "A64FX" => (8.0, 8.0, DOTS),
        "Oryon" => (4.0, 4.0, BLOCKS),
        "Ampere-1" => (2.0, 2.0, BLOCKS),
        "Apple M1 Icestorm" => (2.0, 2.0, DOTS),
        "Apple M1" | "Apple M1 Firestorm" => (4.0, 3.0, DOTS),
        "Apple M2 Blizzard" => (2.0, 2.0, BLOCKS),
        "Apple M2" | "Apple M2 Avalanche" => (4.0, 3.0, BLOCKS),
        _ => return None,
    };
    let from = |least: u32, per_pipe: f64| (level >= least).then_some(per_pipe * pipes);
    Some(Pipes {
        f32: 8.0 * pipes,
        f16: from(DOTS, 16.0),
        bf16: from(BLOCKS, 16.0),
        i8: from(DOTS, 32.0),
        tile_bf16: from(BLOCKS, 32.0),
        tile_i8: from(BLOCKS, 64.0),
        load_bytes: 16.0 * loads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_known_of_known_designs_only() {
        let known = |design: &str, id: &str| per_cycle_max(design, &id.parse().unwrap());
        assert_eq!(known("Zen 4", "memory.l1.read"), Some(64.0));
        assert_eq!(known("Zen 5", "memory.l1.read"), Some(128.0));
        assert_eq!(known("Skylake-SP", "memory.l1.read"), Some(128.0));
        assert_eq!(known("Haswell", "memory.l1.read"), Some(64.0));
        assert_eq!(known("Zen 4", "memory.l2.read"), None);
        assert_eq!(known("Sapphire Rapids", "compute.bf16"), Some(1024.0));
        assert_eq!(known("Sapphire Rapids", "compute.i8.amxint8"), Some(2048.0));
        assert_eq!(known("Sapphire Rapids", "compute.i8.avx512vnni"), Some(256.0));
        assert_eq!(known("Sapphire Rapids", "compute.f16.avx512fp16"), Some(128.0));
        assert_eq!(known("Zen 3", "compute.bf16.avx2"), Some(32.0));
        assert_eq!(known("Zen 3", "compute.i8.avx2"), None);
        assert_eq!(known("Zen 4", "compute.f64.single"), Some(16.0));
        assert_eq!(known("some core", "compute.f32"), None);
        assert_eq!(known("Cortex-A72", "compute.f32"), Some(8.0));
        assert_eq!(known("Cortex-A72", "compute.i8"), None);
        assert_eq!(known("Cortex-A76", "compute.f16.neonfp16"), Some(32.0));
        assert_eq!(known("Cortex-A55 + Cortex-A76", "compute.i8.neondotprod"), Some(64.0));
        assert_eq!(known("Cortex-A55 + unknown design 0xfff of implementer 0x41", "compute.f32"), None);
        assert_eq!(known("Neoverse V2", "compute.i8.neoni8mm"), Some(256.0));
        assert_eq!(known("Neoverse V2", "compute.i8.neondotprod"), Some(128.0));
        assert_eq!(known("Neoverse N2", "compute.bf16"), Some(64.0));
        assert_eq!(known("Apple M1 Icestorm + Apple M1 Firestorm", "compute.f64"), Some(16.0));
    }
}
