//! How each operation of a replay on a GPU is done: as the winner of the nearest measurement was, or as a measurement would try it
//! first.

use crate::probe;
use crate::profile::{
    AccessLayout, Attention, AttentionPhase, Ceiling, DeviceKind, Effort, GpuAttention, GpuMatmul, IdKind, Machine,
    Profile, Reduction, Tile, Variant,
};
use roofprobe_kernels::Dtype;

/// The ways that a GPU is known to have.
pub(super) struct GpuWays {
    /// Winners of a profile first, then those that a measurement would try.
    matmuls: Vec<KnownMatmul>,
    attentions: Vec<KnownAttention>,
}

struct KnownMatmul {
    measured: bool,
    dtype: Dtype,
    tokens: u64,
    way: GpuMatmul,
}

struct KnownAttention {
    measured: bool,
    phase: AttentionPhase,
    way: GpuAttention,
}

impl GpuWays {
    /// Those of `machine`; none where it is no GPU.
    pub(super) fn new(profile: Option<&Profile>, machine: &Machine) -> Option<GpuWays> {
        if machine.device.kind != DeviceKind::Gpu {
            return None;
        }
        let mut ways = GpuWays { matmuls: Vec::new(), attentions: Vec::new() };
        for Ceiling { id, variant, .. } in profile.into_iter().flat_map(|profile| &profile.ceiling) {
            let of = |family: &str| Variant::of_family(family, variant.as_ref()?);
            let winner = of("GpuMatmul").or_else(|| of("GpuAttention"));
            winner.into_iter().for_each(|variant| ways.add(true, id.kind(), variant));
        }
        for question in probe::plan(machine, &[], Effort::Standard) {
            let first = question.candidates.into_iter().next();
            first.into_iter().for_each(|job| ways.add(false, question.id.kind(), job.variant));
        }
        Some(ways)
    }

    fn add(&mut self, measured: bool, kind: &IdKind, variant: Variant) {
        match (kind, variant) {
            (IdKind::Matmul { weights, tokens }, Variant::GpuMatmul(way)) => {
                let known = weights.known().map(|dtype| KnownMatmul { measured, dtype, tokens: *tokens, way });
                self.matmuls.extend(known);
            }
            (IdKind::Attention { cache, phase, .. }, Variant::GpuAttention(way))
                if cache.known() == Some(Dtype::F16) =>
            {
                self.attentions.push(KnownAttention { measured, phase: phase.clone(), way });
            }
            _ => {}
        }
    }

    /// A product of these extents with weights of that type: as the winner with the nearest number of tokens.
    pub(super) fn matmul(&self, dtype: Dtype, [m, n, k]: [u64; 3]) -> Option<GpuMatmul> {
        if !k.is_multiple_of(dtype.block().elements) {
            return None;
        }
        let away = |tokens: u64| ((tokens.max(1) as f64).ln() - (m.max(1) as f64).ln()).abs();
        let of = |measured: bool| {
            let known = self.matmuls.iter().filter(move |known| (known.dtype, known.measured) == (dtype, measured));
            known.min_by(|a, b| away(a.tokens).total_cmp(&away(b.tokens)))
        };
        let way = &of(true).or_else(|| of(false))?.way;
        // Whole rows of weights are multiplied with as many tokens at once as there are.
        let rows = u32::try_from(m).unwrap_or(u32::MAX).min(way.tile.rows);
        let tile = if way.staged.is_none() && way.matrix.is_none() { Tile { rows, ..way.tile } } else { way.tile };
        Some(GpuMatmul { m, n, k, copies: 1, tile, ..way.clone() })
    }

    /// Attention as `asked`: as the winner with the nearest heads, of those with heads of that length where there are any.
    pub(super) fn attention(&self, asked: &Attention) -> GpuAttention {
        let phase = if asked.m == 1 { AttentionPhase::Decode } else { AttentionPhase::Prefill };
        let group = |heads: u64, kv_heads: u64| (heads.max(1) as f64 / kv_heads.max(1) as f64).ln();
        let away = |known: &KnownAttention| {
            let way = &known.way;
            let groups = (group(way.heads, way.kv_heads) - group(asked.heads, asked.kv_heads)).abs();
            let dims = ((way.head_dim.max(1) as f64).ln() - (asked.head_dim.max(1) as f64).ln()).abs();
            (way.head_dim != asked.head_dim, !known.measured, groups + dims)
        };
        let known = self.attentions.iter().filter(|known| known.phase == phase);
        let nearest = known.min_by(|a, b| {
            let (a, b) = (away(a), away(b));
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
        });
        let Attention { m, heads, kv_heads, head_dim, context, copies, .. } = *asked;
        match nearest {
            Some(known) => GpuAttention { m, heads, kv_heads, head_dim, context, copies, ..known.way.clone() },
            // No shader was measured or is known: the device says so, and moves the bytes.
            None => GpuAttention {
                m,
                heads,
                kv_heads,
                head_dim,
                context,
                copies,
                layout: AccessLayout::Contiguous,
                reduction: Reduction::Workgroup,
                vector: 8,
                workgroup_size: 64,
                workgroups: 64,
                tile: None,
            },
        }
    }
}
