//! Gates: a number that is not settled or not plausible is kept, and called suspect with both numbers in the reason.

use super::crowding::on_shared_unit;
use super::{heat, pipes};
use crate::profile::{
    AttentionPhase, Ceiling, CeilingId, DeviceKind, Family, Flag, IdKind, Machine, Means, MemoryLevel, Status, Unit,
    Word,
};
use crate::units::four_digits;
use roofprobe_kernels::{Dtype, Isa, Op};

/// The 95 % interval of a settled ceiling is no wider than this share of its value. A part of 0.05 is in every interval: what
/// a run cannot see.
const INTERVAL_COMPUTE_MAX: f64 = 0.15;
/// Memory is shared with neighbours, and wobbles more.
const INTERVAL_MEMORY_MAX: f64 = 0.20;
/// A barrier is a matter of a few cache-line transfers, whose distance is chance.
const INTERVAL_TIME_MAX: f64 = 0.35;
/// The slowest core ends a dispatch of a software adapter, and whatever else runs takes a core away.
const INTERVAL_SOFTWARE_MAX: f64 = 0.30;
/// A peak above pipes × width × clock by more than the clock's own error is a wrong count.
const ABOVE_PIPES_MAX: f64 = 1.05;
/// The best instruction set has all of its interval below this share of all of that of one of them in its own row.
const BELOW_OWN_ROW_MAX: f64 = 0.95;
/// The levels, nearest first: of a processor, and of a GPU. A software adapter has none: its shaders are slower than any level
/// behind them.
const LEVELS: [MemoryLevel; 4] =
    [MemoryLevel::Cache(1), MemoryLevel::Cache(2), MemoryLevel::Cache(3), MemoryLevel::Dram];
const LEVELS_GPU: [MemoryLevel; 3] = [MemoryLevel::Workgroup, MemoryLevel::GpuCache, MemoryLevel::Vram];
/// A packed dot product that is this much faster than f32 is one instruction; below, it is made of others.
const ACCELERATED_MIN: f64 = 1.5;
/// Fewer samples than this bear no interval.
const SAMPLES_MIN: u32 = 5;

/// A ceiling that has a value, as others are compared with it. Two numbers contradict each other only where their intervals
/// do.
struct Row {
    id: CeilingId,
    value: f64,
    /// Its 95 % interval, or its value twice.
    interval: [f64; 2],
    /// Its fastest sample or the upper end of its interval, whichever is more. Two modes of a shared machine must not be
    /// compared with each other: bounds are by the fastest that was ever seen.
    most: f64,
}

impl Row {
    fn of(ceiling: &Ceiling) -> Option<Row> {
        let (value, _) = ceiling.value()?;
        let interval = ceiling.ci95.unwrap_or([value; 2]);
        let most = ceiling.sample_values.iter().copied().fold(interval[1], f64::max);
        Some(Row { id: ceiling.id.clone(), value, interval, most })
    }
}

/// Applies every gate to the measured ceilings.
pub fn judge(ceilings: &mut [Ceiling], machine: &Machine) {
    let rows: Vec<Row> = ceilings.iter().filter_map(Row::of).collect();
    for ceiling in ceilings.iter_mut().filter(|c| c.status == Status::Measured) {
        let Some(own) = Row::of(ceiling) else { continue };
        ceiling.flags.extend(against_burst(ceiling, &rows).map(Flag::Other));
        // Bandwidth goes up and down with the neighbours of a shared memory; arithmetic is the core's own.
        let heat = Some(&ceiling.sample_values).filter(|_| ceiling.id.family() == Family::Compute);
        let hot = heat.and_then(|samples| heat::remark(samples));
        ceiling.flags.extend(hot.map(Flag::Other));
        ceiling.flags.extend(accelerated(ceiling, &rows, machine).map(Flag::Other));
        let gates = [
            settled(ceiling, machine),
            below_pipes(ceiling, machine),
            above_own_rows(&own, &rows),
            behind_nearer_level(&own, &rows, levels(machine)),
            below_peak(ceiling, &own, &rows, machine.device.kind),
            below_read(ceiling, &own, &rows, machine.device.kind),
        ];
        if let Some(reason) = gates.into_iter().flatten().next() {
            ceiling.status = Status::Suspect;
            ceiling.reason = Some(reason);
        }
    }
}

/// How wide the 95 % interval of a settled ceiling is at most, as a share of its value.
pub fn interval_width_max(id: &CeilingId, machine: &Machine) -> f64 {
    match id.unit() {
        Unit::GflopPerS | Unit::GbPerS if super::gpu::is_software(machine) => INTERVAL_SOFTWARE_MAX,
        Unit::GflopPerS if super::matmul::is_of_memory(id) => INTERVAL_MEMORY_MAX,
        Unit::GflopPerS => INTERVAL_COMPUTE_MAX,
        Unit::GbPerS => INTERVAL_MEMORY_MAX,
        Unit::Ns | Unit::Us => INTERVAL_TIME_MAX,
    }
}

fn settled(ceiling: &Ceiling, machine: &Machine) -> Option<String> {
    let (value, _) = ceiling.value()?;
    let samples = ceiling.samples?;
    if samples < SAMPLES_MIN {
        return Some(format!("only {samples} samples; at least {SAMPLES_MIN} are needed for an interval"));
    }
    let [low, high] = ceiling.ci95?;
    let (width, limit) = ((high - low) / value, interval_width_max(&ceiling.id, machine));
    (width > limit).then(|| {
        format!(
            "not settled: the interval {low} … {high} is {:.0} % of the value {value}, and {:.0} % is the limit; \
             measure again on a quieter machine, or with more effort",
            width * 100.0,
            limit * 100.0
        )
    })
}

fn below_pipes(ceiling: &Ceiling, machine: &Machine) -> Option<String> {
    if on_shared_unit(ceiling) {
        return None;
    }
    let most = pipes::per_cycle_max(machine.device.microarchitecture.as_deref()?, &ceiling.id)?;
    let seen = ceiling.per_cycle?;
    let what = if ceiling.id.family() == Family::Memory { "bytes" } else { "operations" };
    (seen > most * ABOVE_PIPES_MAX)
        .then(|| format!("implausible: {seen} {what} per cycle and core, where this design has pipes for {most}"))
}

/// The ceiling of that id.
fn row<'a>(rows: &'a [Row], id: &CeilingId) -> Option<&'a Row> {
    rows.iter().find(|row| row.id == *id)
}

/// Farther from the core nothing is faster: no access than the same one, or than reading, of the nearest level inside it
/// that has a value; and no latency is shorter.
fn behind_nearer_level(own: &Row, rows: &[Row], levels: &[MemoryLevel]) -> Option<String> {
    let (kind, read) = (own.id.kind(), Word::Known(Op::Read));
    // The same at another level; of memory also reading there.
    let there = |level: MemoryLevel, reading: bool| match kind {
        IdKind::Memory { access, sustained, .. } if !reading => {
            Some(IdKind::Memory { level: level.into(), access: access.clone(), sustained: *sustained })
        }
        IdKind::Memory { .. } => Some(IdKind::Memory { level: level.into(), access: read.clone(), sustained: false }),
        IdKind::Latency { .. } if !reading => Some(IdKind::Latency { level: level.into() }),
        _ => None,
    };
    let own_level = own.id.level()?;
    let place = levels.iter().position(|level| *level == own_level)?;
    let inside = &levels[..place];
    [false, true].into_iter().find_map(|reading| {
        let nearer = |level: &MemoryLevel| row(rows, &CeilingId::from(there(*level, reading)?));
        let bound = inside.iter().rev().find_map(nearer)?;
        let (beyond, better) = match own.id.unit().is_rate() {
            true => (own.interval[0] > bound.interval[1], "more"),
            false => (own.interval[1] < bound.interval[0], "less"),
        };
        let [value, other] = [own.value, bound.value];
        beyond
            .then(|| format!("inconsistent: {value} is {better} than the {other} of {}, nearer to the core", bound.id))
    })
}

/// The levels of the machine, nearest first.
fn levels(machine: &Machine) -> &'static [MemoryLevel] {
    match machine.device.kind {
        DeviceKind::Cpu => &LEVELS,
        DeviceKind::Gpu if super::gpu::is_software(machine) => &[],
        DeviceKind::Gpu => &LEVELS_GPU,
    }
}

/// Whether a GPU's packed dot product is an instruction, which no driver tells: its rate against f32 does.
fn accelerated(ceiling: &Ceiling, rows: &[Row], machine: &Machine) -> Option<String> {
    let [bytes, single] = [Dtype::I8, Dtype::F32].map(|dtype| CeilingId::compute(dtype, Means::Best));
    if machine.device.kind != DeviceKind::Gpu || ceiling.id != bytes {
        return None;
    }
    let gain = four_digits(ceiling.value()?.0 / row(rows, &single)?.value);
    Some(match gain >= ACCELERATED_MIN {
        true => format!("dot4I8Packed is accelerated: {gain} × compute.f32"),
        false => format!(
            "dot4I8Packed is not accelerated: {gain} × compute.f32, and {ACCELERATED_MIN} would be a sign of it"
        ),
    })
}

/// No matmul is faster than the multiply-accumulates of its arithmetic alone.
fn below_peak(ceiling: &Ceiling, own: &Row, rows: &[Row], kind: DeviceKind) -> Option<String> {
    let arithmetic = multiplied(ceiling, kind)?;
    let matrices = ceiling.variant.as_ref().is_some_and(|variant| variant.matrix.is_some());
    // What a shader multiplies in halves or bytes may be made of f32, by a driver that has nothing better.
    let made = |dtype| dtype == Some(arithmetic) || kind == DeviceKind::Gpu && dtype == Some(Dtype::F32);
    let in_type = |id: &CeilingId| id.family() == Family::Compute && made(id.dtype()) && !id.is_fma_add();
    let is_peak = |id: &CeilingId| if id.is_cooperative() { matrices } else { in_type(id) };
    let peak = rows.iter().filter(|row| is_peak(&row.id)).max_by(|a, b| a.most.total_cmp(&b.most))?;
    let (value, most, id) = (own.value, four_digits(peak.most), &peak.id);
    (own.interval[0] > peak.most)
        .then(|| format!("implausible: {value} GFLOP/s, where {id}, the peak of its arithmetic, never exceeded {most}"))
}

/// The type that a matmul multiplies; none of what is no matmul, and where no chain is a bound.
fn multiplied(ceiling: &Ceiling, kind: DeviceKind) -> Option<Dtype> {
    let IdKind::Matmul { weights, .. } = ceiling.id.kind() else { return None };
    let variant = ceiling.variant.as_ref();
    let isa = variant.and_then(|variant| variant.isa.as_ref()?.known());
    let widened = variant.and_then(|variant| variant.arithmetic.as_ref()?.known());
    // Chains of portable bytes, and of converted halves, do more for each product than a matmul, which converts once for
    // several tokens.
    Some(match (weights.known(), isa) {
        // Said by the variant: panels of block formats that were made bf16, halves multiplied as such.
        _ if widened.is_some() => widened?,
        // Shaders widen all other weights.
        _ if kind == DeviceKind::Gpu => Dtype::F32,
        (Some(Dtype::F64), _) => Dtype::F64,
        (Some(Dtype::F32 | Dtype::F16), _) => Dtype::F32,
        (Some(Dtype::Bf16), isa) if isa.is_some_and(multiplies_bf16) => Dtype::Bf16,
        (Some(Dtype::Bf16), _) => Dtype::F32,
        (_, Some(Isa::Portable)) => return None,
        _ => Dtype::I8,
    })
}

/// Whether an instruction set has products of bfloat16 and of nothing else: it does not widen them.
fn multiplies_bf16(isa: Isa) -> bool {
    isa.has_matmul(Dtype::Bf16) && !isa.has_matmul(Dtype::F32)
}

/// One token's matmul takes its weights from memory, and attention its keys and values, no faster than they can be read.
fn below_read(ceiling: &Ceiling, own: &Row, rows: &[Row], kind: DeviceKind) -> Option<String> {
    let (rate, what) = match ceiling.id.kind() {
        IdKind::Matmul { tokens: 1, .. } => (ceiling.second()?.0, "weights"),
        IdKind::Attention { phase: AttentionPhase::Decode, .. } => (own.value, "keys and values"),
        _ => return None,
    };
    let main = CeilingId::memory(kind.main_memory(), Op::Read);
    let read = row(rows, &main)?;
    // The second figure has the interval of the first.
    let low = rate * own.interval[0] / own.value;
    let most = four_digits(read.most);
    (low > read.most).then(|| format!("implausible: {rate} GB/s of {what}, where {main} never exceeded {most}"))
}

fn above_own_rows(own: &Row, rows: &[Row]) -> Option<String> {
    let IdKind::Compute { dtype, means: Means::Best } = own.id.kind() else { return None };
    // Additions beside the multiply-accumulates are no multiply-accumulates.
    let alike = |id: &CeilingId| {
        let same =
            matches!(id.kind(), IdKind::Compute { dtype: other, means } if other == dtype && *means != Means::Best);
        same && !id.is_fma_add() && !id.is_cooperative()
    };
    let best = rows.iter().filter(|row| alike(&row.id)).max_by(|a, b| a.value.total_cmp(&b.value))?;
    (own.interval[1] < best.interval[0] * BELOW_OWN_ROW_MAX)
        .then(|| format!("inconsistent: {} is less than the {} that {} alone reached", own.value, best.value, best.id))
}

/// How much of the burst a ceiling that is held for long has lost: heat, power or a quota took it.
fn against_burst(ceiling: &Ceiling, rows: &[Row]) -> Option<String> {
    let (held, unit) = ceiling.value()?;
    let burst_id = ceiling.id.burst()?;
    let burst = row(rows, &burst_id)?.value;
    let percent = four_digits((1.0 - held / burst) * 100.0);
    let verb = if percent > 0.0 { format!("{percent} % below") } else { "no less than".to_owned() };
    Some(format!("held for long: {verb} the burst value {burst} {} of {burst_id}", unit.symbol()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;
    use crate::profile::{GpuClass, Tile, VariantKeys};

    fn ceiling(id: &str, value: f64) -> Ceiling {
        let mut c = Ceiling::with_value(id.parse().unwrap(), Status::Measured, value);
        c.samples = Some(20);
        c.ci95 = Some([value / 1.025, value * 1.025]);
        c
    }

    fn judged(c: Ceiling) -> Ceiling {
        let mut all = [c];
        judge(&mut all, &machine());
        let [c] = all;
        c
    }

    #[test]
    fn a_settled_plausible_number_passes() {
        assert_eq!(judged(ceiling("memory.dram.read", 40.0)).status, Status::Measured);
    }

    #[test]
    fn a_wide_interval_is_suspect_and_keeps_its_value() {
        let mut c = ceiling("compute.f32", 200.0);
        c.ci95 = Some([170.0, 205.0]);
        let c = judged(c);
        assert_eq!((c.status, c.gflop_per_s), (Status::Suspect, Some(200.0)));
        assert!(c.reason.unwrap().contains("170"));
    }

    #[test]
    fn more_than_the_pipes_is_suspect() {
        let mut c = ceiling("compute.f32", 400.0);
        c.per_cycle = Some(40.0);
        assert!(judged(c.clone()).reason.unwrap().contains("implausible"));
        c.per_cycle = Some(32.9);
        assert_eq!(judged(c).status, Status::Measured);
    }

    #[test]
    fn the_best_is_no_worse_than_one_of_them() {
        let mut all = [ceiling("compute.f32", 100.0), ceiling("compute.f32.avx2", 200.0)];
        judge(&mut all, &machine());
        assert_eq!(all.map(|c| c.status), [Status::Suspect, Status::Measured]);
    }

    #[test]
    fn additions_beside_are_held_against_their_own_pipes() {
        let mut all = [ceiling("compute.f32", 100.0), ceiling("compute.f32.avx512.fma_add", 150.0)];
        all[1].per_cycle = Some(48.0);
        judge(&mut all, &machine());
        assert_eq!(all.each_ref().map(|c| c.status), [Status::Measured; 2], "{all:?}");
        all[1].per_cycle = Some(51.0);
        judge(&mut all, &machine());
        assert!(all[1].reason.as_ref().unwrap().contains("pipes for 48"), "{all:?}");
    }

    #[test]
    fn few_samples_are_suspect() {
        let mut c = ceiling("memory.dram.read", 40.0);
        c.samples = Some(2);
        assert_eq!(judged(c).status, Status::Suspect);
    }

    #[test]
    fn what_is_held_is_set_against_the_burst() {
        let mut all = [ceiling("compute.f32", 200.0), ceiling("compute.f32.sustained", 190.0)];
        judge(&mut all, &machine());
        assert!(
            all[1].flags[0].to_string().contains("5 % below the burst value 200 GFLOP/s of compute.f32"),
            "{:?}",
            all[1].flags
        );
        let mut all = [ceiling("memory.dram.read", 30.0), ceiling("memory.dram.read_sustained", 31.0)];
        judge(&mut all, &machine());
        assert!(all[1].flags[0].to_string().contains("no less than"), "{:?}", all[1].flags);
        assert!(all[0].flags.is_empty());
    }

    fn reasons(rows: &[(&str, f64)]) -> Vec<Option<String>> {
        let mut all: Vec<Ceiling> = rows.iter().map(|&(id, value)| ceiling(id, value)).collect();
        judge(&mut all, &machine());
        all.into_iter().map(|c| c.reason).collect()
    }

    #[test]
    fn farther_from_the_core_nothing_is_faster() {
        let [nearer, farther] = ["memory.l1.copy", "memory.l2.copy"].map(|id| id.to_owned());
        let verdict = reasons(&[(&nearer, 200.0), (&farther, 209.0)]);
        assert_eq!(verdict, [None, None], "5 % are tolerated");
        let verdict = reasons(&[(&nearer, 200.0), (&farther, 211.0)]);
        let reason = verdict[1].as_ref().unwrap();
        assert!(verdict[0].is_none() && reason.contains("211") && reason.contains("200"), "{reason}");
        // Where a level has no value the next one stands in; and no access is faster than reading nearer to the core.
        assert!(reasons(&[("memory.l1.read", 100.0), ("memory.dram.read", 110.0)])[1].is_some());
        assert!(reasons(&[("memory.l3.read", 100.0), ("memory.dram.copy", 110.0)])[1].is_some());
        assert!(reasons(&[("memory.l3.read", 100.0), ("memory.l3.copy", 110.0)])[1].is_none());
        assert!(reasons(&[("latency.l1", 1.0), ("latency.l2", 0.9)])[1].is_some());
        assert!(reasons(&[("latency.l1", 1.0), ("latency.l2", 0.96)])[1].is_none());
    }

    #[test]
    fn a_matmul_stays_below_its_arithmetic() {
        let rows = [("compute.f32", 200.0), ("compute.f32.avx512", 210.0), ("compute.i8", 800.0)];
        let verdict = |id: &str, value: f64| reasons(&[&rows[..], &[(id, value)]].concat())[3].clone();
        assert_eq!(verdict("matmul.f16.m512", 220.0), None, "the intervals of both overlap");
        let reason = verdict("matmul.f16.m512", 221.0).unwrap();
        assert!(reason.contains("221") && reason.contains("compute.f32.avx512") && reason.contains("215"), "{reason}");
        assert_eq!(verdict("matmul.q4_0.m512", 840.0), None);
        assert!(verdict("matmul.q4_0.m512", 841.0).is_some());
        let of_isa = |isa: Isa, id: &str, value: f64| {
            let mut all: Vec<Ceiling> = rows.iter().map(|&(id, value)| ceiling(id, value)).collect();
            let mut matmul = ceiling(id, value);
            matmul.variant = Some(VariantKeys { isa: Some(Word::Known(isa)), ..Default::default() });
            all.push(matmul);
            judge(&mut all, &machine());
            all[3].reason.clone()
        };
        assert_eq!(of_isa(Isa::Avx512Bf16, "matmul.bf16.m512", 9999.0), None, "nothing to compare with");
        assert!(of_isa(Isa::Avx2, "matmul.bf16.m512", 221.0).unwrap().contains("compute.f32"));
        assert_eq!(of_isa(Isa::Portable, "matmul.i8.m512", 9999.0), None, "its chain is no bound");
    }

    #[test]
    fn a_matmul_is_held_against_what_it_multiplies_and_not_what_it_stores() {
        let of = |arithmetic: Option<Dtype>, value: f64| {
            let peaks = [("compute.f32", 200.0), ("compute.bf16", 1000.0), ("compute.i8", 500.0)];
            let mut all: Vec<Ceiling> = peaks.iter().map(|&(id, value)| ceiling(id, value)).collect();
            let mut matmul = ceiling("matmul.q4_0.m512", value);
            let isa = Some(Word::Known(Isa::Avx512Bf16));
            let arithmetic = arithmetic.map(Word::Known);
            matmul.variant = Some(VariantKeys { isa, arithmetic, ..Default::default() });
            all.push(matmul);
            judge(&mut all, &machine());
            all[3].reason.clone()
        };
        assert_eq!(of(Some(Dtype::Bf16), 900.0), None, "panels of bf16 under the peak of bf16");
        assert!(of(Some(Dtype::Bf16), 1060.0).unwrap().contains("compute.bf16"));
        assert!(of(None, 900.0).unwrap().contains("compute.i8"));
    }

    #[test]
    fn wide_intervals_that_overlap_contradict_nothing() {
        let mut all = [ceiling("memory.dram.read", 40.0), ceiling("attention.f16.decode", 45.0)];
        all[1].ci95 = Some([40.5, 46.0]);
        judge(&mut all, &machine());
        assert_eq!(all[1].reason, None);
        // The fastest sample bounds where it is above the interval.
        let mut all = [ceiling("memory.dram.read", 40.0), ceiling("attention.f16.decode", 45.0)];
        all[0].sample_values = vec![39.0, 44.5];
        judge(&mut all, &machine());
        assert_eq!(all[1].reason, None);
    }

    #[test]
    fn one_token_reads_its_weights_no_faster_than_memory() {
        for (id, rate, believed) in
            [("matmul.q8_0.m1", 42.0, true), ("matmul.q8_0.m1", 42.1, false), ("matmul.q8_0.m16", 99.0, true)]
        {
            let mut matmul = ceiling(id, 80.0);
            matmul.gb_per_s = Some(rate);
            let mut all = [ceiling("memory.dram.read", 40.0), matmul];
            judge(&mut all, &machine());
            assert_eq!(all[1].reason.is_none(), believed, "{:?}", all[1].reason);
        }
        assert!(reasons(&[("memory.dram.read", 40.0), ("attention.f16.decode.g1d64", 42.1)])[1].is_some());
        assert!(reasons(&[("memory.dram.read", 40.0), ("attention.f16.prefill", 150.0)])[1].is_none());
    }

    fn gpu(class: GpuClass) -> Machine {
        let mut machine = machine();
        machine.device.kind = DeviceKind::Gpu;
        machine.device.gpu = crate::probe::gpu::tests::info(class);
        machine
    }

    fn judged_on(machine: &Machine, rows: &[(&str, f64)]) -> Vec<Ceiling> {
        let mut all: Vec<Ceiling> = rows.iter().map(|&(id, value)| ceiling(id, value)).collect();
        judge(&mut all, machine);
        all
    }

    #[test]
    fn a_gpus_memory_lies_behind_its_cache_and_software_has_no_levels() {
        let rows = [("memory.workgroup.read", 50.0), ("memory.cache.read", 100.0), ("memory.vram.read", 200.0)];
        let doubtful = |class| -> Vec<bool> {
            judged_on(&gpu(class), &rows).iter().map(|c| c.status == Status::Suspect).collect()
        };
        assert_eq!(doubtful(GpuClass::Discrete), [false, true, true]);
        assert_eq!(doubtful(GpuClass::Software), [false; 3]);
    }

    #[test]
    fn a_software_adapter_may_wobble_more() {
        let with_interval = |class, low: f64| {
            let mut all = [ceiling("compute.f32", 100.0)];
            all[0].ci95 = Some([low, 100.0]);
            judge(&mut all, &gpu(class));
            all[0].status
        };
        assert_eq!(with_interval(GpuClass::Discrete, 80.0), Status::Suspect);
        assert_eq!(with_interval(GpuClass::Software, 71.0), Status::Measured);
        assert_eq!(with_interval(GpuClass::Software, 69.0), Status::Suspect);
    }

    #[test]
    fn a_gpus_matmul_is_held_against_what_its_shaders_multiply_in() {
        let of = |value: f64, way: VariantKeys| {
            let peaks = [("compute.f32", 100.0), ("compute.f16", 150.0), ("compute.f16.coopmat", 800.0)];
            let mut all: Vec<Ceiling> = peaks.map(|(id, value)| ceiling(id, value)).into();
            all.push(Ceiling { variant: Some(way), ..ceiling("matmul.q8_0.m512", value) });
            judge(&mut all, &gpu(GpuClass::Discrete));
            all[3].status == Status::Measured
        };
        let within = |dtype: Dtype| VariantKeys { arithmetic: Some(dtype.into()), ..VariantKeys::default() };
        assert!(of(104.0, VariantKeys::default()) && !of(106.0, VariantKeys::default()));
        assert!(of(104.0, within(Dtype::I8)) && !of(106.0, within(Dtype::I8)), "bytes may be made of f32");
        assert!(of(140.0, within(Dtype::F16)) && !of(160.0, within(Dtype::F16)));
        let matrices = || VariantKeys { matrix: Some(Tile::cube(16).into()), ..within(Dtype::F16) };
        assert!(of(700.0, matrices()) && !of(900.0, matrices()));
        let mut all =
            judged_on(&gpu(GpuClass::Discrete), &[("memory.vram.read", 40.0), ("attention.f16.decode", 42.1)]);
        assert_eq!(all.pop().map(|c| c.status), Some(Status::Suspect));
    }

    #[test]
    fn a_packed_dot_product_is_accelerated_only_if_it_gains() {
        let flag = |i8: f64| {
            let all = judged_on(&gpu(GpuClass::Discrete), &[("compute.f32", 100.0), ("compute.i8", i8)]);
            all[1].flags[0].to_string()
        };
        assert!(flag(150.0).contains("is accelerated: 1.5"));
        assert!(flag(149.0).contains("not accelerated: 1.49"));
        let cpu = judged_on(&machine(), &[("compute.f32", 100.0), ("compute.i8", 400.0)]);
        assert!(cpu[1].flags.is_empty());
    }
}
