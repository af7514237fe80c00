//! Gates: a number that is not settled or not plausible is kept, and called suspect with both numbers in the reason.

use crate::profile::{Ceiling, Machine, Status, Unit};
use crate::units::four_digits;

/// The 95 % interval of a settled ceiling is no wider than this share of its value.
const INTERVAL_COMPUTE_MAX: f64 = 0.10;
/// Memory is shared with neighbours, and wobbles more.
const INTERVAL_MEMORY_MAX: f64 = 0.15;
/// A barrier is a matter of a few cache-line transfers, whose distance is chance.
const INTERVAL_TIME_MAX: f64 = 0.30;
/// A peak above pipes × width × clock by more than the clock's own error is a wrong count.
const ABOVE_PIPES_MAX: f64 = 1.05;
/// The best instruction set may fall this much below what one of them reached in its own row.
const BELOW_OWN_ROW_MAX: f64 = 0.9;
/// A level may look this much faster than the one nearer to the core.
const ABOVE_NEARER_MAX: f64 = 1.05;
/// A matmul may exceed the peak of its arithmetic by the error of two clocks.
const ABOVE_PEAK_MAX: f64 = 1.02;
/// One token's matmul reads each weight once: it may exceed the read bandwidth by the error of both.
const ABOVE_READ_MAX: f64 = 1.05;
/// The levels, nearest first.
const LEVELS: [&str; 4] = ["l1", "l2", "l3", "dram"];
/// Fewer samples than this bear no interval.
const SAMPLES_MIN: u32 = 5;

/// Every ceiling that has a value: its id and the value.
type Rows = [(String, f64)];

/// Applies every gate to the measured ceilings.
pub fn judge(ceilings: &mut [Ceiling], machine: &Machine) {
    let rows: Vec<(String, f64)> = ceilings.iter().filter_map(|c| Some((c.id.clone(), c.value()?.0))).collect();
    for ceiling in ceilings.iter_mut().filter(|c| c.status == Status::Measured) {
        ceiling.flags.extend(against_burst(ceiling, &rows));
        let gates = [
            settled(ceiling),
            below_pipes(ceiling, machine),
            above_own_rows(ceiling, &rows),
            behind_nearer_level(ceiling, &rows),
            below_peak(ceiling, &rows),
            below_read(ceiling, &rows),
        ];
        if let Some(reason) = gates.into_iter().flatten().next() {
            ceiling.status = Status::Suspect;
            ceiling.reason = Some(reason);
        }
    }
}

fn settled(ceiling: &Ceiling) -> Option<String> {
    let (value, unit) = ceiling.value()?;
    let samples = ceiling.samples?;
    if samples < SAMPLES_MIN {
        return Some(format!("only {samples} samples; at least {SAMPLES_MIN} are needed for an interval"));
    }
    let [low, high] = ceiling.ci95?;
    let limit = match unit {
        Unit::GflopPerS => INTERVAL_COMPUTE_MAX,
        Unit::GbPerS => INTERVAL_MEMORY_MAX,
        Unit::Ns | Unit::Us => INTERVAL_TIME_MAX,
    };
    let width = (high - low) / value;
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
    let mut words = ceiling.id.split('.');
    if words.next() != Some("compute") {
        return None;
    }
    let most = known_per_cycle(machine.device.microarchitecture.as_deref()?, words.next()?)?;
    let seen = ceiling.per_cycle?;
    (seen > most * ABOVE_PIPES_MAX)
        .then(|| format!("implausible: {seen} operations per cycle and core, where this design has pipes for {most}"))
}

/// The value of the ceiling of that id.
fn row(rows: &Rows, id: &str) -> Option<f64> {
    rows.iter().find(|(known, _)| known == id).map(|&(_, value)| value)
}

/// Farther from the core nothing is faster: no access than the same one, or than reading, of the nearest level inside it
/// that has a value; and no latency is shorter.
fn behind_nearer_level(ceiling: &Ceiling, rows: &Rows) -> Option<String> {
    let words: Vec<&str> = ceiling.id.split('.').collect();
    let (family, level, accesses) = match words.as_slice() {
        ["memory", level, access] => ("memory", level, vec![format!(".{access}"), ".read".to_owned()]),
        ["latency", level] => ("latency", level, vec![String::new()]),
        _ => return None,
    };
    let (value, unit) = ceiling.value()?;
    let inside = LEVELS.iter().take_while(|known| known != &level).collect::<Vec<_>>();
    accesses.iter().find_map(|access| {
        let nearer = |level: &&&str| {
            let id = format!("{family}.{level}{access}");
            row(rows, &id).map(|value| (id, value))
        };
        let (id, bound) = inside.iter().rev().find_map(nearer)?;
        let ratio = if unit.is_rate() { value / bound } else { bound / value };
        let better = if unit.is_rate() { "more" } else { "less" };
        (ratio > ABOVE_NEARER_MAX)
            .then(|| format!("inconsistent: {value} is {better} than the {bound} of {id}, nearer to the core"))
    })
}

/// No matmul is faster than the multiply-accumulates of its arithmetic alone.
fn below_peak(ceiling: &Ceiling, rows: &Rows) -> Option<String> {
    let mut words = ceiling.id.split('.');
    if words.next() != Some("matmul") {
        return None;
    }
    let (value, _) = ceiling.value()?;
    let arithmetic = match words.next()? {
        "f32" | "f16" => "f32",
        "bf16" => "bf16",
        "f64" => "f64",
        _ => "i8",
    };
    let best = format!("compute.{arithmetic}");
    let of_isas = format!("{best}.");
    let peaks = rows.iter().filter(|(id, _)| *id == best || id.starts_with(&of_isas));
    let (id, peak) = peaks.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (value > peak * ABOVE_PEAK_MAX)
        .then(|| format!("implausible: {value} GFLOP/s, where {id}, the peak of its arithmetic, is {peak}"))
}

/// One token's matmul takes its weights from memory, and no faster than they can be read.
fn below_read(ceiling: &Ceiling, rows: &Rows) -> Option<String> {
    let words: Vec<&str> = ceiling.id.split('.').collect();
    if words.first() != Some(&"matmul") || words.last() != Some(&"m1") {
        return None;
    }
    let (rate, _) = ceiling.second()?;
    let read = row(rows, "memory.dram.read")?;
    (rate > read * ABOVE_READ_MAX)
        .then(|| format!("implausible: {rate} GB/s of weights, where memory.dram.read is {read}"))
}

fn above_own_rows(ceiling: &Ceiling, rows: &Rows) -> Option<String> {
    let (value, _) = ceiling.value()?;
    let below = format!("{}.", ceiling.id);
    let best = rows.iter().filter(|(id, _)| id.starts_with(&below)).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (value < best.1 * BELOW_OWN_ROW_MAX)
        .then(|| format!("inconsistent: {value} is less than the {} that {} alone reached", best.1, best.0))
}

/// How much of the burst a ceiling that is held for long has lost: heat, power or a quota took it.
fn against_burst(ceiling: &Ceiling, rows: &[(String, f64)]) -> Option<String> {
    let (held, unit) = ceiling.value()?;
    let burst_id = super::sustained::burst_of(&ceiling.id)?;
    let burst = rows.iter().find(|(id, _)| id == burst_id)?.1;
    let percent = four_digits((1.0 - held / burst) * 100.0);
    let verb = if percent > 0.0 { format!("{percent} % below") } else { "no less than".to_owned() };
    Some(format!("held for long: {verb} the burst value {burst} {} of {burst_id}", unit.symbol()))
}

/// Operations per cycle and core, two per multiply-accumulate: pipes × vector width, from the vendors' optimisation
/// guides (AMD 17h/19h/1Ah, Intel 64 and IA-32). Upper bounds: some parts of a family have half.
fn known_per_cycle(microarchitecture: &str, dtype: &str) -> Option<f64> {
    let [f64_, f32_, bf16, i8_] = match microarchitecture {
        "Zen 2" | "Zen 3" | "Haswell" | "Broadwell" | "Skylake" => [16.0, 32.0, f64::NAN, f64::NAN],
        "Zen 4" => [16.0, 32.0, 64.0, 128.0],
        "Zen 5" => [32.0, 64.0, 128.0, 256.0],
        "Skylake-SP" | "Ice Lake-SP" => [32.0, 64.0, f64::NAN, 256.0],
        "Sapphire Rapids" | "Emerald Rapids" => [32.0, 64.0, 128.0, 256.0],
        _ => return None,
    };
    let most = match dtype {
        "f64" => f64_,
        "f32" => f32_,
        "bf16" => bf16,
        "i8" => i8_,
        _ => return None,
    };
    most.is_finite().then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    fn ceiling(id: &str, value: f64) -> Ceiling {
        let mut c = Ceiling::with_value(id, Status::Measured, Unit::of(id).unwrap(), value);
        c.samples = Some(20);
        c.ci95 = Some([value * 0.99, value]);
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
        c.ci95 = Some([180.0, 205.0]);
        let c = judged(c);
        assert_eq!((c.status, c.gflop_per_s), (Status::Suspect, Some(200.0)));
        assert!(c.reason.unwrap().contains("180"));
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
    fn few_samples_are_suspect() {
        let mut c = ceiling("memory.dram.read", 40.0);
        c.samples = Some(2);
        assert_eq!(judged(c).status, Status::Suspect);
    }

    #[test]
    fn what_is_held_is_set_against_the_burst() {
        let mut all = [ceiling("compute.f32", 200.0), ceiling("compute.f32.sustained", 190.0)];
        judge(&mut all, &machine());
        assert!(all[1].flags[0].contains("5 % below the burst value 200 GFLOP/s of compute.f32"), "{:?}", all[1].flags);
        let mut all = [ceiling("memory.dram.read", 30.0), ceiling("memory.dram.read_sustained", 31.0)];
        judge(&mut all, &machine());
        assert!(all[1].flags[0].contains("no less than"), "{:?}", all[1].flags);
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
        assert_eq!(verdict("matmul.f16.m512", 214.0), None, "2 % above the best row");
        let reason = verdict("matmul.f16.m512", 215.0).unwrap();
        assert!(reason.contains("215") && reason.contains("compute.f32.avx512") && reason.contains("210"), "{reason}");
        assert_eq!(verdict("matmul.q4_0.m512", 815.0), None);
        assert!(verdict("matmul.q4_0.m512", 817.0).is_some());
        assert_eq!(verdict("matmul.bf16.m512", 9999.0), None, "nothing to compare with");
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
    }
}
