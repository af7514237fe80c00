//! Devices side by side: what several profiles say of the same quantity, and by how much they differ.
//!
//! The first profile is the reference. A ratio is always one of speeds, so that above 1 means faster for rates and times
//! alike. Its interval is as wide as both intervals allow; where that leaves 1 outside, the difference is decided. That
//! speaks of these measurements alone: that a machine's mode changes between them is in no interval. Figures of one name that were asked
//! at different extents have their ratio, and no verdict: the device or the size of the work may be the cause.
//!
//! Pure: the same input gives the same record. The record's field names are a contract with other tools.

use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, NamedProfile, PhaseResult, ProfileFacts, Query, RoofKind, common_roof, evaluate};
use crate::model::{Model, Phase};
use crate::profile::{Ceiling, CeilingId, Family, IdKind, MemoryLevel, Profile, Status, Unit, VariantKeys};
use crate::roofline::{Note, Resource};
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::skip_serializing_none;

/// Several profiles side by side. Lists of entries are in the order of `profiles`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// What is compared; the first one is the reference.
    pub profiles: Vec<ProfileFacts>,
    /// Every quantity that some profile has a ceiling for.
    pub quantities: Vec<Quantity>,
    /// The predicted performance of models.
    pub models: Vec<ModelComparison>,
}

/// One quantity, and the ceiling that each profile has for it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Quantity {
    /// The ceiling's id; main memory, whose level has another name on a GPU, is `memory.main.<access>`.
    pub quantity: CeilingId,
    /// The unit of the values.
    pub unit: Option<&'static str>,
    /// Whether all values belong to work of the same extents; where no profile names any, they do.
    pub same_extents: bool,
    /// One entry per profile; none where a profile does not have this ceiling at all.
    pub entries: Vec<Option<Entry>>,
}

impl Quantity {
    /// Its name and the ids that it goes by.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let ids = self.entries.iter().flatten().map(|entry| entry.id.as_str());
        std::iter::once(self.quantity.as_str()).chain(ids)
    }
}

/// A ceiling of one profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// Its id in the profile.
    pub id: CeilingId,
    /// What became of it.
    pub status: Status,
    /// Why it is not simply measured.
    pub reason: Option<String>,
    /// Where a quoted value comes from.
    pub source: Option<String>,
    /// The extents of the work that it was asked at; none where the profile names none.
    pub extents: Option<Extents>,
    /// The value.
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// The figure beside the value (bytes of a matmul, operations of attention).
    pub second_value: Option<f64>,
    /// The unit of that.
    pub second_unit: Option<&'static str>,
    /// Against the first profile; none for that one itself, or where either has no value.
    pub ratio: Option<Ratio>,
}

/// The size of a matmul's or an attention's work. What does not apply, or is not named, is absent.
#[skip_serializing_none]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Extents {
    /// Matmul: tokens.
    pub m: Option<u64>,
    /// Matmul: output features.
    pub n: Option<u64>,
    /// Matmul: input features.
    pub k: Option<u64>,
    /// Attention: query heads.
    pub heads: Option<u64>,
    /// Attention: key/value heads.
    pub kv_heads: Option<u64>,
    /// Attention: elements of one head.
    pub head_dim: Option<u64>,
    /// Attention: cached tokens.
    pub context: Option<u64>,
}

impl Extents {
    /// The names, in the order of [`Extents::values`].
    pub const NAMES: [&'static str; 7] = ["m", "n", "k", "heads", "kv_heads", "head_dim", "context"];

    /// Those of a variant, where it has any.
    pub fn of(variant: &VariantKeys) -> Option<Extents> {
        let &VariantKeys { m, n, k, heads, kv_heads, head_dim, context, .. } = variant;
        let extents = Extents { m, n, k, heads, kv_heads, head_dim, context };
        (extents != Extents::default()).then_some(extents)
    }

    /// Each extent under its name.
    pub const fn values(&self) -> [Option<u64>; 7] {
        [self.m, self.n, self.k, self.heads, self.kv_heads, self.head_dim, self.context]
    }
}

/// How many times as fast as the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ratio {
    /// Above 1 is faster.
    pub value: f64,
    /// The least and the most that both intervals allow; none where either is missing.
    pub interval: Option<[f64; 2]>,
    /// Whether the difference is beyond both intervals; none without them, and between different extents.
    pub verdict: Option<Verdict>,
}

/// What the intervals say of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The intervals lie apart.
    Decided,
    /// They overlap.
    Undecided,
}

/// One model on all profiles.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ModelComparison {
    /// The model's name.
    pub model: String,
    /// How matrices are stored.
    pub weights: String,
    /// How the cache is stored.
    pub kv: String,
    /// Sequences processed together.
    pub batch: u64,
    /// The roof that speeds go by, the same for every profile.
    pub roof: RoofKind,
    /// The phases.
    pub phases: Vec<PhaseComparison>,
    /// What has to be said about each profile's results.
    pub notes: Vec<Vec<Note>>,
}

/// One phase on all profiles.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PhaseComparison {
    /// Which one.
    pub phase: Phase,
    /// Tokens per sequence that it takes in (prefill) or gives (decode, generation).
    pub tokens: u64,
    /// Keys that its last token sees, itself included.
    pub context: u64,
    /// One entry per profile.
    pub entries: Vec<ComparedSpeed>,
}

/// The upper bound of a phase's speed on one profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ComparedSpeed {
    /// Tokens per second, all sequences together.
    pub tokens_per_s: f64,
    /// The same at the ends of the ceilings' intervals; none where the ceilings that bind have none.
    pub tokens_per_s_interval: Option<[f64; 2]>,
    /// The resource that binds for the larger share of the time.
    pub bound: Resource,
    /// The ceiling that binds longest.
    pub bound_by: Option<String>,
    /// Against the first profile; none for that one itself.
    pub ratio: Option<Ratio>,
}

/// Sets `profiles` side by side, and what `query` predicts of each of `models` on them: all under the same roof, by default the
/// achieved one where every profile has it.
///
/// # Errors
/// Misuse with fewer than two profiles, and as [`evaluate`].
pub fn compare(profiles: &[NamedProfile], models: &[Model], query: &Query) -> Result<Comparison> {
    if profiles.len() < 2 {
        return Err(Error::misuse(
            "compare needs at least two profiles, and the first one is the reference; `roofprobe profiles` lists some",
        ));
    }
    let roof = query.roof.unwrap_or_else(|| common_roof(profiles));
    let models = models.iter().map(|model| model_comparison(profiles, model, query, roof)).collect::<Result<_>>()?;
    Ok(Comparison {
        profiles: profiles.iter().map(|(name, profile)| ProfileFacts::of(name, profile)).collect(),
        quantities: quantities(profiles),
        models,
    })
}

/// The name under which ceilings of several devices meet: the id, or `memory.main.<access>`.
fn quantity(profile: &Profile, id: &CeilingId) -> CeilingId {
    let own = profile.device.kind.main_memory();
    // A quoted GPU profile may call its memory by either name; where it has both, only one can be its own.
    let either = || profile.ceiling.iter().all(|ceiling| !is_bandwidth_of(&ceiling.id, own));
    let main = is_bandwidth_of(id, own) || is_bandwidth_of(id, MemoryLevel::Dram) && either();
    match id.kind() {
        IdKind::Memory { access, sustained, .. } if main => {
            IdKind::Memory { level: MemoryLevel::Main.into(), access: access.clone(), sustained: *sustained }.into()
        }
        _ => id.clone(),
    }
}

fn is_bandwidth_of(id: &CeilingId, level: MemoryLevel) -> bool {
    id.family() == Family::Memory && id.level() == Some(level)
}

fn quantities(profiles: &[NamedProfile]) -> Vec<Quantity> {
    let named: Vec<Vec<(CeilingId, &Ceiling)>> = profiles
        .iter()
        .map(|(_, profile)| profile.ceiling.iter().map(|ceiling| (quantity(profile, &ceiling.id), ceiling)).collect())
        .collect();
    let row = |quantity: CeilingId| {
        let of =
            |list: &Vec<(CeilingId, &Ceiling)>| list.iter().find(|(name, _)| *name == quantity).map(|(_, c)| entry(c));
        let entries = with_ratios(named.iter().map(of).collect(), quantity.unit());
        let unit = Some(quantity.unit().symbol());
        Quantity { quantity, unit, same_extents: same_extents(&entries), entries }
    };
    merged(&named).into_iter().map(row).collect()
}

/// Every name once, in the first list's order; what only a later list has stands behind its neighbour there.
fn merged(lists: &[Vec<(CeilingId, &Ceiling)>]) -> Vec<CeilingId> {
    let mut all: Vec<CeilingId> = Vec::new();
    for list in lists {
        let mut next = 0;
        for (name, _) in list {
            let place = all.iter().position(|other| other == name).unwrap_or_else(|| {
                all.insert(next, name.clone());
                next
            });
            next = place + 1;
        }
    }
    all
}

fn entry(ceiling: &Ceiling) -> Entry {
    Entry {
        id: ceiling.id.clone(),
        status: ceiling.status,
        reason: ceiling.reason.clone(),
        source: ceiling.source.clone(),
        extents: ceiling.variant.as_ref().and_then(Extents::of),
        value: ceiling.value().map(|(value, _)| value),
        ci95: ceiling.ci95,
        second_value: ceiling.second().map(|(value, _)| value),
        second_unit: ceiling.second().map(|(_, unit)| unit.symbol()),
        ratio: None,
    }
}

/// Whether all entries with a value name the same extents, or none.
fn same_extents(entries: &[Option<Entry>]) -> bool {
    let mut valued = entries.iter().flatten().filter(|entry| entry.value.is_some()).map(|entry| entry.extents);
    let first = valued.next();
    valued.all(|extents| Some(extents) == first)
}

fn with_ratios(mut entries: Vec<Option<Entry>>, unit: Unit) -> Vec<Option<Entry>> {
    let Some((Some(first), others)) = entries.split_first_mut() else { return entries };
    let Some(reference) = Figure::of(first) else { return entries };
    for other in others.iter_mut().flatten() {
        let same = other.extents == first.extents;
        other.ratio = Figure::of(other).map(|figure| {
            // A smaller time is a higher speed.
            let ratio = if unit.is_rate() { Ratio::of(figure, reference) } else { Ratio::of(reference, figure) };
            Ratio { verdict: ratio.verdict.filter(|_| same), ..ratio }
        });
    }
    entries
}

/// A value and its interval.
#[derive(Clone, Copy)]
struct Figure {
    value: f64,
    interval: Option<[f64; 2]>,
}

impl Figure {
    fn of(entry: &Entry) -> Option<Figure> {
        Some(Figure { value: entry.value?, interval: entry.ci95 })
    }
}

impl Ratio {
    fn of(one: Figure, other: Figure) -> Ratio {
        let interval = one.interval.zip(other.interval).map(|([low, high], [least, most])| [low / most, high / least]);
        let verdict =
            |[low, high]: [f64; 2]| if low > 1.0 || high < 1.0 { Verdict::Decided } else { Verdict::Undecided };
        Ratio { value: one.value / other.value, interval, verdict: interval.map(verdict) }
    }
}

fn model_comparison(
    profiles: &[NamedProfile],
    model: &Model,
    query: &Query,
    roof: RoofKind,
) -> Result<ModelComparison> {
    let (query, workload) = (query.by(roof), &query.workload);
    let evaluated = |(name, profile): &NamedProfile| evaluate(model, &query, profile, name);
    let results: Vec<Evaluation> = profiles.iter().map(evaluated).collect::<Result<_>>()?;
    let phases = workload.phases().into_iter().filter_map(|phase| phase_comparison(phase, &results)).collect();
    Ok(ModelComparison {
        model: model.name().to_owned(),
        weights: results.first().map_or_else(String::new, |result| result.weights.clone()),
        kv: workload.kv.to_string(),
        batch: workload.batch,
        roof,
        phases,
        notes: results.into_iter().map(|result| result.notes).collect(),
    })
}

fn phase_comparison(phase: Phase, results: &[Evaluation]) -> Option<PhaseComparison> {
    let found: Vec<&PhaseResult> = results.iter().flat_map(|r| r.phases.iter().filter(|p| p.phase == phase)).collect();
    let first = *found.first()?;
    let figure = |result: &PhaseResult| Figure {
        value: result.speed.tokens_per_s,
        interval: result.speed.tokens_per_s_interval,
    };
    let speed = |(place, result): (usize, &&PhaseResult)| ComparedSpeed {
        tokens_per_s: result.speed.tokens_per_s,
        tokens_per_s_interval: figure(result).interval,
        bound: result.speed.bound,
        bound_by: result.speed.bound_by.clone(),
        ratio: (place > 0).then(|| Ratio::of(figure(result), figure(first))),
    };
    Some(PhaseComparison {
        phase,
        tokens: first.tokens,
        context: first.context,
        entries: found.iter().enumerate().map(speed).collect(),
    })
}
