//! The table of an instruction set: every kernel that there is for it.

use super::attention::{AttentionEntry, LatentEntry};
use super::chain::ChainEntry;
use super::matmul::MatmulEntry;
use super::stream::StreamEntry;
use crate::isa::Isa;
use crate::simd::{Scale, Token};

/// What there is for one instruction set. It can be read on every machine; its kernels can be run where it is available.
pub(crate) struct Kernels {
    pub(crate) isa: Isa,
    pub(crate) architecture: Option<&'static str>,
    pub(crate) available: fn() -> bool,
    /// Whether a CPU may claim to have it and then kill who uses it.
    pub(crate) risky: bool,
    /// Whether several cores share the unit that its kernels run on.
    pub(crate) shared: bool,
    /// Where the CPU says how long its vectors are.
    pub(crate) scale: Scale,
    pub(crate) streams: [&'static [StreamEntry]; 13],
    pub(crate) chains: &'static [ChainEntry],
    /// Of plain weights.
    pub(crate) matmuls: &'static [MatmulEntry],
    /// Of weights in blocks.
    pub(crate) block_matmuls: &'static [MatmulEntry],
    pub(crate) attention: Option<&'static AttentionEntry>,
    /// Attention to latents.
    pub(crate) latents: Option<&'static LatentEntry>,
}

impl Kernels {
    /// The table of an instruction set without any kernels, to be filled.
    pub(crate) const fn none<S: Token>() -> Kernels {
        Kernels {
            isa: S::ISA,
            architecture: S::ARCHITECTURE,
            available: || S::new().is_some(),
            risky: false,
            shared: false,
            scale: None,
            streams: [&[]; 13],
            chains: &[],
            matmuls: &[],
            block_matmuls: &[],
            attention: None,
            latents: None,
        }
    }
}
