//! Ratios between ceilings of one profile: what survives noisy neighbours, a lower clock and another machine of the same kind.

use crate::profile::{
    AttentionExtents, AttentionPhase, Ceiling, CeilingId, Family, IdKind, Means, Profile, Status, Unit,
};
use roofprobe_kernels::Op;

/// Tokens from which on products are a matter of arithmetic.
pub(super) const MANY_TOKENS: u64 = 128;

/// One ceiling over another one of the same profile.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CeilingRatio<'p> {
    /// `matmul.q4_k.m1 / memory.dram.read`.
    pub(super) name: String,
    pub(super) over: &'p Ceiling,
    pub(super) under: &'p Ceiling,
    /// The unit in which both are taken.
    pub(super) unit: Unit,
}

impl CeilingRatio<'_> {
    /// The ratio, and its interval where both have one: independent errors add as squares, here of logarithms.
    pub(super) fn figure(&self) -> Option<(f64, Option<[f64; 2]>)> {
        let (over, under) = (self.over.figure(self.unit)?, self.under.figure(self.unit)?);
        let value = over / under;
        // The ends as shares of their values, which are the same in either unit.
        let shares =
            |ceiling: &Ceiling| Some(ceiling.ci95?.map(|end| end / ceiling.value().map_or(f64::NAN, |(v, _)| v)));
        let interval = shares(self.over).zip(shares(self.under)).map(|([low, high], [least, most])| {
            let down = low.ln().hypot(most.ln());
            let up = high.ln().hypot(least.ln());
            [value / down.exp(), value * up.exp()]
        });
        Some((value, interval))
    }

    /// Whether no gate doubted either of them.
    pub(super) fn is_measured(&self) -> bool {
        [self.over, self.under].iter().all(|ceiling| ceiling.status == Status::Measured)
    }
}

/// Whether a ceiling of these words is bound by the read of cached keys and values: a prompt and latents, whose rows many queries share,
/// are bound by arithmetic.
pub(super) fn is_bound_by_cache(kind: &IdKind) -> bool {
    match kind {
        IdKind::Attention { phase: AttentionPhase::Decode, extents, .. } => {
            !matches!(extents, AttentionExtents::Latents { .. })
        }
        _ => false,
    }
}

/// The ratios of a profile: products of one token, attention of one token and copies over the read of memory; products of many
/// tokens over the peak of their arithmetic; what is held for long over what is reached; all threads over one; a part of the machine over
/// all of it.
pub(super) fn of(profile: &Profile) -> Vec<CeilingRatio<'_>> {
    let read = CeilingId::memory(profile.device.kind.main_memory(), Op::Read);
    let pair = |ceiling| {
        let (under, unit) = denominator(ceiling, &read)?;
        let under = profile.ceiling(&under).filter(|under| under.figure(unit).is_some())?;
        ceiling.figure(unit)?;
        Some(CeilingRatio { name: format!("{} / {}", ceiling.id, under.id), over: ceiling, under, unit })
    };
    profile.ceiling.iter().filter_map(pair).collect()
}

/// What a ceiling is set against, and in which unit.
fn denominator(ceiling: &Ceiling, read: &CeilingId) -> Option<(CeilingId, Unit)> {
    let id = &ceiling.id;
    if let Some(burst) = id.burst() {
        return Some((burst, id.unit()));
    }
    match id.kind() {
        IdKind::Matmul { tokens: 1, .. } => Some((read.clone(), Unit::GbPerS)),
        IdKind::Matmul { tokens: MANY_TOKENS.., .. } => {
            Some((CeilingId::compute(id.dtype()?.multiplied_as(), Means::Best), Unit::GflopPerS))
        }
        kind @ IdKind::Attention { .. } if is_bound_by_cache(kind) => Some((read.clone(), Unit::GbPerS)),
        IdKind::Memory { .. } if id.level() == read.level() && id != read => Some((read.clone(), Unit::GbPerS)),
        IdKind::Compute { dtype, means: Means::Best } if id.family() == Family::Compute => {
            Some((CeilingId::compute(dtype.known()?, Means::Single), Unit::GflopPerS))
        }
        IdKind::Part { whole, .. } if id.unit().is_rate() => Some(((**whole).clone().into(), id.unit())),
        _ => None,
    }
}
