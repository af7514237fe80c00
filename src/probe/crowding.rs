//! Whether a run saw only a crowded machine, with the numbers that show it: others used the same cores, or the same memory,
//! meanwhile.

use crate::profile::{AttentionPhase, Ceiling, CeilingId, Environment, Family, IdKind, Means, MemoryLevel};
use crate::units::four_digits;
use roofprobe_kernels::{Dtype, Isa, Op};

/// A core that is shared with one other thread does this share of what it does alone: a time slice or a hardware thread each.
const HALF_RATE: std::ops::Range<f64> = 0.40..0.62;
/// So many samples of a ceiling, and this share of them, are a spell.
const SPELL_SAMPLES_MIN: usize = 2;
const SPELL_SHARE_MIN: f64 = 0.1;
/// So many ceilings of the cores, and this share of them, had spells: one alone may have modes of its own.
const ROWS_MIN: usize = 2;
const ROWS_SHARE_MIN: f64 = 0.05;
/// Two cores give twice as much as one: farther from it than this, one of the two figures saw a busy core.
const SCALING: std::ops::RangeInclusive<f64> = 0.85..=1.15;
/// Memory that gave less than this share of what it gave before is shared with somebody who was not there then.
const MEMORY_CROWDED_MAX: f64 = 0.85;
/// With the most accumulators, products of tiles run at this share of their rate with the fewest, or less, where a neighbour has
/// the core's other hardware thread; on a quiet core they run at more than 0.85 (Emerald Rapids).
const TILES_CROWDED_MAX: f64 = 0.65;

/// What shows that others used the cores or the memory, in numbers; none where nothing does.
pub(super) fn crowding(environment: &Environment, ceilings: &[Ceiling]) -> Option<String> {
    let found = [half_rates(ceilings), scaling(environment, ceilings), tiles(ceilings), memory(environment, ceilings)];
    let found: Vec<String> = found.into_iter().flatten().collect();
    (!found.is_empty()).then(|| format!("the machine was crowded ({})", found.join(", ")))
}

/// The read of DRAM against what it was in an earlier measurement: a run that meets only a slow mode cannot know of another one.
fn memory(environment: &Environment, ceilings: &[Ceiling]) -> Option<String> {
    let earlier = environment.earlier_read.as_ref()?;
    let read = ceilings.iter().find(|c| c.id == CeilingId::memory(MemoryLevel::Dram, Op::Read))?;
    let (value, _) = read.value()?;
    let most = read.sample_values.iter().copied().fold(value, f64::max);
    // A date has colons, and a summary cuts there.
    let day = earlier.date.split('T').next().unwrap_or_default();
    (most < MEMORY_CROWDED_MAX * earlier.gb_per_s).then(|| {
        format!(
            "{} reached {value} GB/s, and {} GB/s when this machine was measured on {day} - what waits for memory is low",
            read.id, earlier.gb_per_s
        )
    })
}

/// Whether it was reached on a unit that several cores share, which is none of a core's pipes.
pub(super) fn on_shared_unit(ceiling: &Ceiling) -> bool {
    let isa = ceiling.variant.as_ref().and_then(|variant| variant.isa.as_ref()?.known());
    isa.is_some_and(Isa::shares_units)
}

/// Ceilings that only the core decides, which had spells at half their rate.
fn half_rates(ceilings: &[Ceiling]) -> Option<String> {
    let of_cores: Vec<&Ceiling> =
        ceilings.iter().filter(|c| is_of_cores(&c.id) && !c.sample_values.is_empty()).collect();
    let had_spell = |c: &&&Ceiling| {
        let fastest = c.sample_values.iter().copied().fold(0.0, f64::max);
        let slow = c.sample_values.iter().filter(|&&value| HALF_RATE.contains(&(value / fastest))).count();
        slow >= SPELL_SAMPLES_MIN && slow as f64 >= SPELL_SHARE_MIN * c.sample_values.len() as f64
    };
    let (slow, all) = (of_cores.iter().filter(had_spell).count(), of_cores.len());
    (slow >= ROWS_MIN && slow as f64 >= ROWS_SHARE_MIN * all as f64)
        .then(|| format!("{slow} of {all} ceilings of arithmetic and near caches had spells at half their rate"))
}

/// Whether neither memory nor a shared cache decides the rate.
fn is_of_cores(id: &CeilingId) -> bool {
    match id.kind() {
        IdKind::Compute { .. } => true,
        IdKind::Memory { sustained: false, .. } => {
            matches!(id.level(), Some(MemoryLevel::Cache(1 | 2)))
        }
        IdKind::Matmul { .. } => !super::matmul::is_of_memory(id),
        IdKind::Attention { phase: AttentionPhase::Prefill, .. } => true,
        _ => false,
    }
}

/// The peak of a type on all cores against that on one, where it is farthest from their number.
fn scaling(environment: &Environment, ceilings: &[Ceiling]) -> Option<String> {
    let threads = f64::from(environment.threads);
    // What a unit does that cores share says nothing of them.
    let of_cores = |id: &CeilingId| ceilings.iter().find(|c| c.id == *id && !on_shared_unit(c));
    let value = |id: CeilingId| of_cores(&id).and_then(Ceiling::value).map(|(value, _)| value);
    let ratio = |dtype: Dtype| {
        let [all, one] = [Means::Best, Means::Single].map(|means| value(CeilingId::compute(dtype, means)));
        Some((dtype, all? / one?))
    };
    let farthest = |ratio: f64| (ratio / threads).ln().abs();
    let ratios = Dtype::ALL.into_iter().filter_map(ratio);
    let (dtype, ratio) = ratios.max_by(|a, b| farthest(a.1).total_cmp(&farthest(b.1)))?;
    let id = CeilingId::compute(dtype, Means::Best);
    let said = || format!("{id} on {threads} threads reached {} × that on one", four_digits(ratio));
    // Large teams share a power budget, and lose clock honestly.
    let outside = ratio / threads > *SCALING.end() || threads <= 2.0 && ratio / threads < *SCALING.start();
    (threads > 1.0 && outside).then(said)
}

/// Chains of tile products with many accumulators against one with few, from the trials of the peaks.
fn tiles(ceilings: &[Ceiling]) -> Option<String> {
    let of_ceiling = |c: &Ceiling| {
        let dtype = c.id.dtype().filter(|_| c.id.family() == Family::Compute)?;
        let count = |trial: &crate::profile::Trial| {
            let isa = trial.variant.isa.as_ref()?.known().filter(|isa| matches!(isa, Isa::AmxBf16 | Isa::AmxInt8))?;
            let usual = || isa.chain_counts(Op::Chain, dtype).next().map(|count| count as u32);
            Some((trial.variant.chains.or_else(usual)?, trial.value))
        };
        let counts: Vec<(u32, f64)> = c.trials.iter().filter_map(count).collect();
        let few = counts.iter().min_by_key(|(count, _)| *count)?;
        let many = counts.iter().max_by_key(|(count, _)| *count)?;
        (few.0 < many.0).then_some((c.id.clone(), few.0, many.0, many.1 / few.1))
    };
    let all = ceilings.iter().filter_map(of_ceiling);
    let (id, few, many, ratio) = all.min_by(|a, b| a.3.total_cmp(&b.3)).filter(|found| found.3 < TILES_CROWDED_MAX)?;
    let ratio = four_digits(ratio);
    Some(format!("{id} with {many} accumulators reached {ratio} × that with {few}, and more than 0.85 is usual"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;
    use crate::profile::{EarlierRead, Status, Trial, VariantKeys, Word};

    fn ceiling(id: &str, value: f64, samples: &[f64]) -> Ceiling {
        let mut ceiling = Ceiling::with_value(id.parse().unwrap(), Status::Measured, value);
        ceiling.sample_values = samples.to_vec();
        ceiling
    }

    #[test]
    fn a_quiet_machine_shows_nothing() {
        let steady = [99.0, 100.0, 98.0, 99.5, 97.0];
        let mut all: Vec<Ceiling> =
            ["compute.f32", "compute.bf16", "memory.l1.read"].iter().map(|id| ceiling(id, 100.0, &steady)).collect();
        all.push(ceiling("compute.f32.single", 50.5, &steady));
        // Memory's own modes say nothing of the cores.
        all.extend(
            ["memory.dram.read", "memory.dram.copy"].map(|id| ceiling(id, 60.0, &[60.0, 31.0, 31.0, 31.0, 59.0])),
        );
        assert_eq!(crowding(&machine().environment, &all), None);
        // One ceiling alone may have modes of its own.
        all[0].sample_values = vec![100.0, 50.0, 50.0, 50.0, 99.0];
        assert_eq!(crowding(&machine().environment, &all), None);
        assert_eq!(crowding(&machine().environment, &[]), None);
    }

    #[test]
    fn spells_at_half_rate_and_lost_scaling_are_said_with_their_numbers() {
        let shared = [100.0, 50.0, 49.0, 51.0, 99.0];
        let mut all: Vec<Ceiling> = ["compute.f32", "memory.l2.read", "matmul.q8_0.m512"]
            .iter()
            .map(|id| ceiling(id, 100.0, &shared))
            .collect();
        all.push(ceiling("compute.f32.single", 99.0, &[99.0; 5]));
        let said = crowding(&machine().environment, &all).unwrap();
        assert!(said.contains("3 of 4 ceilings") && said.contains("compute.f32 on 2 threads reached 1.01 ×"), "{said}");
        assert!(!said.contains([':', ';']), "a summary cuts there: {said}");
        let mut large = machine().environment;
        large.threads = 64;
        assert_eq!(
            scaling(&large, &[ceiling("compute.f32", 50.0, &[]), ceiling("compute.f32.single", 1.0, &[])]),
            None
        );
    }

    #[test]
    fn what_is_no_spell_of_the_cores_shows_nothing() {
        let two = |ids: [&str; 2], samples: &[f64]| {
            crowding(&machine().environment, &ids.map(|id| ceiling(id, 100.0, samples)))
        };
        let cores = ["compute.f32", "compute.bf16"];
        let shared = [100.0, 50.0, 49.0, 51.0, 99.0];
        assert!(two(cores, &shared).is_some() && two(["attention.f16.prefill", "memory.l1.copy"], &shared).is_some());
        // Two of three: one sample is none, nor are two of thirty, nor what is far below a half.
        assert_eq!(two(cores, &[100.0, 50.0, 99.0, 98.0, 97.0]), None);
        let rare: Vec<f64> = (0..30).map(|at| if at < 2 { 50.0 } else { 100.0 }).collect();
        assert_eq!(two(cores, &rare), None);
        assert_eq!(two(cores, &[100.0, 30.0, 31.0, 29.0, 99.0]), None);
        // What waits for memory or a shared cache has its neighbours' modes.
        assert_eq!(two(["memory.l3.read", "matmul.q8_0.m1"], &shared), None);
        // Two rows of many.
        let mut many: Vec<Ceiling> = (0..40).map(|_| ceiling("compute.f64", 100.0, &[100.0; 5])).collect();
        many.extend(cores.map(|id| ceiling(id, 100.0, &shared)));
        assert_eq!(crowding(&machine().environment, &many), None);
    }

    #[test]
    fn one_thread_and_shared_units_do_not_scale() {
        let mut rows = [ceiling("compute.f32", 100.0, &[]), ceiling("compute.f32.single", 100.0, &[])];
        assert!(scaling(&machine().environment, &rows).is_some());
        let mut alone = machine().environment;
        alone.threads = 1;
        rows[0].set(crate::profile::Unit::GflopPerS, 130.0);
        assert_eq!(scaling(&alone, &rows), None);
        let on_unit = VariantKeys { isa: Some(Word::Known(Isa::Sme)), ..VariantKeys::default() };
        rows[0].variant = Some(on_unit);
        assert_eq!(scaling(&machine().environment, &rows), None);
    }

    #[test]
    fn memory_that_gave_more_before_is_said_with_both_numbers() {
        let said = |earlier: Option<f64>, samples: &[f64]| {
            let mut environment = machine().environment;
            let date = "2026-11-29T12:00:00Z".to_owned();
            environment.earlier_read = earlier.map(|gb_per_s| EarlierRead { gb_per_s, date });
            crowding(&environment, &[ceiling("memory.dram.read", 48.8, samples)])
        };
        assert_eq!(said(None, &[48.8; 9]), None);
        assert_eq!(said(Some(50.0), &[48.8; 9]), None);
        // It was as fast for a moment: the modes of the row itself say so.
        assert_eq!(said(Some(87.8), &[48.8, 48.8, 86.0]), None);
        let text = said(Some(87.8), &[48.8; 9]).unwrap();
        assert!(text.contains("48.8 GB/s, and 87.8 GB/s") && text.contains("2026-11-29"), "{text}");
        assert!(!text.contains([':', ';']), "a summary cuts there: {text}");
    }

    #[test]
    fn many_accumulators_of_tiles_tell_the_neighbour() {
        let of = |many: f64| {
            let mut peak = ceiling("compute.bf16", 2960.0, &[]);
            let trial = |chains: u32, value: f64| {
                let isa = Some(Word::Known(Isa::AmxBf16));
                Trial { variant: VariantKeys { isa, chains: Some(chains), ..VariantKeys::default() }, value }
            };
            peak.trials = vec![trial(1, 2960.0), trial(6, many)];
            crowding(&machine().environment, &[peak])
        };
        assert_eq!(of(2700.0), None);
        let said = of(1200.0).unwrap();
        assert!(said.contains("6 accumulators reached 0.4054 × that with 1"), "{said}");
    }
}
