//! What the cores of known designs do per cycle at most.

use crate::profile::{CeilingId, IdKind, Means, MemoryLevel, Word};
use roofprobe_kernels::{Dtype, Isa, Op};

/// Three operations for two: where the pipes of the additions lie beside the others.
const FMA_ADD_GAIN: f64 = 1.5;

/// What one core of this design does per cycle at most: operations, two per multiply-accumulate, for `compute.*`; bytes
/// loaded for `memory.l1.read`. `None` where the design is not known.
pub(super) fn per_cycle_max(microarchitecture: &str, id: &CeilingId) -> Option<f64> {
    let most = pipes(microarchitecture)?;
    let known = match id.kind() {
        IdKind::Memory { .. } if *id == CeilingId::memory(MemoryLevel::Cache(1), Op::Read) => Some(most.load_bytes),
        IdKind::Compute { dtype, means } => {
            // Tiles lie beyond the vectors: the best may be either.
            let tiles = match (dtype.known()?, means) {
                (Dtype::Bf16, Means::Best | Means::Single | Means::Isa { isa: Word::Known(Isa::AmxBf16), .. }) => {
                    most.tile_bf16
                }
                (Dtype::I8, Means::Best | Means::Single | Means::Isa { isa: Word::Known(Isa::AmxInt8), .. }) => {
                    most.tile_i8
                }
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
        _ => return None,
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
    }
}
