//! How each operation of a replay is done: as the winner of the nearest measurement was.

use super::gpu_ways::GpuWays;
use crate::probe;
use crate::profile::{
    Attention, AttentionExtents, AttentionPhase, Ceiling, CeilingId, Effort, IdKind, Machine, Matmul, Profile, Tile,
    Variant,
};
use roofprobe_kernels::buffer::Pages;
use roofprobe_kernels::{Dtype, Isa};

/// The instruction set of a matmul, and its arithmetic where that is not the usual one: what weights are laid out for.
pub(super) type Layout = (Isa, Option<Dtype>);

/// The winners of a profile, for the machine that replays.
pub(super) struct Ways<'a> {
    profile: Option<&'a Profile>,
    machine: &'a Machine,
    threads: u32,
    /// Where the machine is a GPU.
    gpu: Option<GpuWays>,
}

/// A winner with the tokens that it won with.
type Winner = (u64, Matmul);

impl<'a> Ways<'a> {
    pub(super) fn new(profile: Option<&'a Profile>, machine: &'a Machine) -> Ways<'a> {
        let gpu = GpuWays::new(profile, machine);
        Ways { profile, machine, threads: machine.environment.threads, gpu }
    }

    fn has(&self, isa: Isa) -> bool {
        self.machine.device.isas.iter().any(|known| known == isa.name())
    }

    /// Where operands lie.
    pub(super) fn pages(&self) -> Pages {
        probe::largest_pages(self.machine)
    }

    fn winners(&self, dtype: Dtype) -> impl Iterator<Item = Winner> {
        let of = move |ceiling: &Ceiling| {
            let tokens = ceiling.id.tokens().filter(|_| ceiling.id.dtype() == Some(dtype))?;
            match Variant::of_family("Matmul", ceiling.variant.as_ref()?)? {
                Variant::Matmul(matmul) => Some((tokens, matmul)),
                _ => None,
            }
        };
        let known = self.profile.into_iter().flat_map(|profile| &profile.ceiling);
        known.filter_map(of).filter(|(_, matmul)| self.has(matmul.isa))
    }

    /// A product of these extents with weights stored so: as the winner with the nearest number of tokens, of those with that
    /// layout where one is given. Without any, as a measurement would try it first. None where this machine has no such kernel.
    pub(super) fn matmul(&self, dtype: Dtype, extents: [u64; 3], layout: Option<Layout>) -> Option<Variant> {
        match &self.gpu {
            Some(gpu) => gpu.matmul(dtype, extents).map(Variant::from),
            None => self.cpu_matmul(dtype, extents, layout).map(Variant::from),
        }
    }

    fn cpu_matmul(&self, dtype: Dtype, [m, n, k]: [u64; 3], layout: Option<Layout>) -> Option<Matmul> {
        let of_layout = |matmul: &Matmul| layout.is_none_or(|layout| (matmul.isa, matmul.arithmetic) == layout);
        let away = |tokens: u64| ((tokens as f64).ln() - (m as f64).ln()).abs();
        let winners = self.winners(dtype).filter(|(_, matmul)| of_layout(matmul));
        let nearest = winners.min_by(|a, b| away(a.0).total_cmp(&away(b.0)));
        let found = nearest.map(|(_, matmul)| self.fitted(matmul, [m, n, k]));
        found.or_else(|| {
            let scope = Effort::Quick.into();
            probe::matmul_variants(self.machine, dtype, [m, n, k], 1, scope).into_iter().find(of_layout)
        })
    }

    /// The winner's way for other extents: parts of columns are as many as there.
    fn fitted(&self, won: Matmul, [m, n, k]: [u64; 3]) -> Matmul {
        let scaled = |columns: u32| {
            let parts = won.n.div_ceil(u64::from(columns).max(1)).max(1);
            u32::try_from(n.div_ceil(parts)).unwrap_or(columns)
        };
        let threads = if won.cpus.is_some() { won.threads } else { won.threads.min(self.threads) };
        let tile: Option<Tile> = won.tile;
        let column_block = won.column_block.map(scaled);
        Matmul { m, n, k, copies: 1, threads, tile, column_block, ..won }
    }

    /// Attention of `m` tokens by `heads` query heads to `kv_heads` key/value heads: as the winner with the nearest heads. None
    /// where this machine has no such kernel.
    pub(super) fn attention(&self, asked: Attention) -> Option<Variant> {
        match &self.gpu {
            Some(gpu) => Some(gpu.attention(&asked).into()),
            None => self.cpu_attention(asked).map(Variant::from),
        }
    }

    fn cpu_attention(&self, asked: Attention) -> Option<Attention> {
        let decode = asked.m == 1;
        let phase = if decode { AttentionPhase::Decode } else { AttentionPhase::Prefill };
        let (group, head_dim) = (asked.heads / asked.kv_heads.max(1), asked.head_dim);
        let is_asked = |id: &CeilingId| match id.kind() {
            IdKind::Attention { phase: own, extents, .. } => {
                *own == phase && !matches!(extents, AttentionExtents::Context | AttentionExtents::Other(_))
            }
            _ => false,
        };
        let winner = |ceiling: &Ceiling| match Variant::of_family("Attention", ceiling.variant.as_ref()?)? {
            Variant::Attention(attention) => Some(attention),
            _ => None,
        };
        let away = |won: &Attention| {
            let ratio = |a: u64, b: u64| ((a.max(1) as f64) / (b.max(1) as f64)).ln().abs();
            ratio(won.heads / won.kv_heads.max(1), group) + ratio(won.head_dim, head_dim)
        };
        let ceilings = self.profile.into_iter().flat_map(|profile| &profile.ceiling);
        let winners = ceilings.filter(|ceiling| is_asked(&ceiling.id)).filter_map(winner);
        let nearest = winners
            .filter(|won| won.value_dim.is_some() == asked.value_dim.is_some())
            .filter(|won| self.has(won.isa) && (won.streams.unwrap_or(1) == 1 || group == 1 && decode))
            .min_by(|a, b| away(a).total_cmp(&away(b)));
        let Some(won) = nearest else {
            let serves = |isa: Isa| match asked.value_dim {
                Some(_) => isa.latent_arithmetic() == Some(Dtype::F32),
                None => isa.has_attention(),
            };
            let isa = Isa::ALL.into_iter().rev().find(|&isa| self.has(isa) && serves(isa))?;
            return Some(Attention { isa, threads: self.threads, ..asked });
        };
        // A distance of a whole span is one of a span of these heads.
        let span = |head_dim: u64| won.span.and_then(|span| u32::try_from(span * head_dim * 2).ok());
        let ahead = if won.prefetch_bytes == span(won.head_dim) { span(head_dim) } else { won.prefetch_bytes };
        Some(Attention {
            isa: won.isa,
            threads: won.threads.min(self.threads),
            streams: won.streams,
            span: won.span,
            prefetch_bytes: ahead,
            arithmetic: won.arithmetic,
            ..asked
        })
    }
}
