//! What a profile must satisfy beyond its types: numbers that can be, statuses with their evidence, ids once.

use super::cores::validate_classes;
use super::figure::{counted, named, positive};
use super::{
    Ceiling, Curve, CurveAxis, DeviceKind, Environment, GpuInfo, GpuProvenance, Profile, Status, Summary, Unit,
};
use crate::error::{Error, Result};
use std::collections::HashSet;

/// Beyond any memory or machine in sight (1 PiB; 2²⁰ CPUs): larger is a slip of the keyboard.
const MEMORY_BYTES_MAX: u64 = 1 << 50;
const CPUS_MAX: u32 = 1 << 20;
/// Levels of cache, and entries: cores of several kinds have several of one level.
const CACHE_LEVEL_MAX: u32 = 8;
const CACHES_MAX: usize = 64;
/// Ceilings and curves: ten times as many as any machine is asked for. Some of what compares them takes their square.
const CEILINGS_MAX: usize = 4096;
/// Points of a curve: finding its levels takes their square.
const POINTS_MAX: usize = 1024;

impl Profile {
    /// Checks everything that the types cannot.
    ///
    /// # Errors
    /// Misuse, naming the key, for a value that is not finite or out of range, a status without its evidence, an id
    /// that is malformed or stands twice, or a summary that contradicts its ceilings.
    pub fn validate(&self) -> Result<()> {
        self.validate_machine()?;
        for (key, entries) in [("ceiling", self.ceiling.len()), ("curve", self.curve.len())] {
            if entries > CEILINGS_MAX {
                return Err(Error::misuse(format!("{key}: more than {CEILINGS_MAX} entries")));
            }
        }
        let mut seen = HashSet::new();
        for ceiling in &self.ceiling {
            if !seen.insert(ceiling.id.as_str()) {
                return Err(Error::misuse(format!("ceiling \"{}\": stands twice; remove one", ceiling.id)));
            }
            validate_ceiling(ceiling).map_err(|e| e.within(format!("ceiling \"{}\"", ceiling.id)))?;
        }
        let mut seen = HashSet::new();
        for curve in &self.curve {
            if !seen.insert(curve.id.as_str()) {
                return Err(Error::misuse(format!("curve \"{}\": stands twice; remove one", curve.id)));
            }
            validate_curve(curve).map_err(|e| e.within(format!("curve \"{}\"", curve.id)))?;
        }
        if self.summary != Summary::default() && self.summary != Summary::of(&self.ceiling) {
            return Err(Error::misuse("summary: contradicts the ceilings below it; remove the table, it is derived"));
        }
        Ok(())
    }

    fn validate_machine(&self) -> Result<()> {
        let (device, environment) = (&self.device, self.environment.as_ref());
        for (key, name) in
            [("device.name", &device.name), ("device.vendor", &device.vendor), ("device.model", &device.model)]
        {
            named(key, name)?;
        }
        self.validate_kind()?;
        self.validate_circumstances()?;
        counted("device.logical_cpus", device.logical_cpus, CPUS_MAX.into())?;
        counted("device.cores", device.cores, CPUS_MAX.into())?;
        counted("environment.threads", environment.map(|e| e.threads), CPUS_MAX.into())?;
        counted("device.memory_bytes", device.memory_bytes, MEMORY_BYTES_MAX)?;
        let available = environment.map(|e| e.memory_available_bytes);
        counted("environment.memory_available_bytes", available, MEMORY_BYTES_MAX)?;
        let limit = environment.and_then(|e| e.memory_limit_bytes);
        counted("environment.memory_limit_bytes", limit, MEMORY_BYTES_MAX)?;
        if device.caches.len() > CACHES_MAX {
            return Err(Error::misuse(format!("device.caches: more than {CACHES_MAX} entries")));
        }
        for cache in &device.caches {
            let counts = [cache.instances, cache.shared_by];
            let possible = (1..=CACHE_LEVEL_MAX).contains(&cache.level)
                && (1..=MEMORY_BYTES_MAX).contains(&cache.bytes)
                && counts.iter().all(|count| (1..=CPUS_MAX).contains(count));
            if !possible {
                return Err(Error::misuse(format!(
                    "device.caches: level {} has an impossible size or count",
                    cache.level
                )));
            }
        }
        validate_classes(&device.core_classes)?;
        environment.map_or(Ok(()), Environment::validate)
    }

    /// Who measures must say under which circumstances, and with what.
    fn validate_circumstances(&self) -> Result<()> {
        let provenance = &self.provenance;
        for (key, known) in [
            ("environment", self.environment.is_some()),
            ("provenance.commit", provenance.commit.is_some()),
            ("provenance.compiler", provenance.compiler.is_some()),
            ("provenance.effort", provenance.effort.is_some()),
        ] {
            if !known && !self.is_quoted() {
                return Err(Error::misuse(format!(
                    "{key}: is missing; only a profile of quoted ceilings alone can do without"
                )));
            }
        }
        Ok(())
    }

    /// What one kind of device must say, and the other cannot.
    fn validate_kind(&self) -> Result<()> {
        let (device, asked) = (&self.device, &self.provenance.gpu);
        match device.kind {
            DeviceKind::Cpu => {
                for (key, known) in
                    [("device.logical_cpus", device.logical_cpus.is_some()), ("device.cores", device.cores.is_some())]
                {
                    // Who was there can tell; a source need not.
                    if !known && self.environment.is_some() {
                        return Err(Error::misuse(format!("{key}: is missing; every CPU has it")));
                    }
                }
                for (key, known) in [("device.gpu", device.gpu.is_some()), ("provenance.gpu", asked.is_some())] {
                    if known {
                        return Err(Error::misuse(format!("{key}: this device is a CPU; remove the table")));
                    }
                }
            }
            DeviceKind::Gpu => {
                if device.gpu.is_none() && !self.is_quoted() {
                    return Err(Error::misuse(
                        "device.gpu: is missing; only a GPU profile of quoted ceilings alone can do without",
                    ));
                }
            }
        }
        device.gpu.as_ref().map_or(Ok(()), GpuInfo::validate)?;
        asked.as_ref().map_or(Ok(()), GpuProvenance::validate)
    }
}

fn validate_ceiling(ceiling: &Ceiling) -> Result<()> {
    validate_units(ceiling)?;
    validate_numbers(ceiling)?;
    validate_samples(ceiling)?;
    let status = ceiling.status;
    if status.has_value() != ceiling.value().is_some() {
        let verb = if status.has_value() { "needs" } else { "must not have" };
        return Err(Error::misuse(format!("status \"{status}\" {verb} a value in {}", ceiling.id.unit().symbol())));
    }
    reasoned(status, ceiling.reason.as_deref())?;
    if status == Status::Quoted && ceiling.source.is_none() {
        return Err(Error::misuse("status \"quoted\" needs a source"));
    }
    Ok(())
}

/// Every figure is in a unit that the id has.
fn validate_units(ceiling: &Ceiling) -> Result<()> {
    let unit = ceiling.id.unit();
    for other in [Unit::GbPerS, Unit::GflopPerS, Unit::Ns, Unit::Us] {
        if other != unit && ceiling.id.second_unit() != Some(other) && ceiling.figure(other).is_some() {
            return Err(Error::misuse(format!("{}: this ceiling is in {} alone", other.key(), unit.symbol())));
        }
    }
    if ceiling.second().is_some() && !ceiling.status.has_value() {
        return Err(Error::misuse(format!("status \"{}\" must not have a second figure", ceiling.status)));
    }
    Ok(())
}

/// Every number can be one.
fn validate_numbers(ceiling: &Ceiling) -> Result<()> {
    for (key, value) in [
        ("gb_per_s", ceiling.gb_per_s),
        ("gflop_per_s", ceiling.gflop_per_s),
        ("ns", ceiling.ns),
        ("us", ceiling.us),
        ("median", ceiling.median),
        ("ci95[0]", ceiling.ci95.map(|ci| ci[0])),
        ("ci95[1]", ceiling.ci95.map(|ci| ci[1])),
        ("per_cycle", ceiling.per_cycle),
        ("clock_ghz", ceiling.clock_ghz),
        ("watts", ceiling.watts),
    ] {
        positive(key, value)?;
    }
    ceiling.sample_values.iter().try_for_each(|&value| positive("sample_values", Some(value)))?;
    ceiling.trials.iter().try_for_each(|trial| positive("trials", Some(trial.value)))?;
    for mode in &ceiling.modes {
        positive("modes.value", Some(mode.value))?;
        if !(0.0..=1.0).contains(&mode.share) {
            return Err(Error::misuse(format!("modes.share: must lie in 0..=1, is {}", mode.share)));
        }
    }
    if ceiling.huge_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(Error::misuse("huge_share: must lie in 0..=1"));
    }
    if ceiling.relative_error.is_some_and(|error| !(error >= 0.0 && error.is_finite())) {
        return Err(Error::misuse("relative_error: must be a finite number that is not negative"));
    }
    Ok(())
}

/// The interval holds the value, and the count is that of the samples.
fn validate_samples(ceiling: &Ceiling) -> Result<()> {
    if ceiling.ci95.is_some_and(|ci| ci[0] > ci[1]) {
        return Err(Error::misuse("ci95: the lower bound is above the upper one"));
    }
    if let (Some([low, high]), Some((value, _))) = (ceiling.ci95, ceiling.value())
        && !(low..=high).contains(&value)
    {
        return Err(Error::misuse(format!("ci95: {low} … {high} does not contain the value {value}")));
    }
    let kept = ceiling.sample_values.len();
    if kept > 0 && ceiling.samples.is_none_or(|samples| samples as usize != kept) {
        return Err(Error::misuse(format!("samples: contradicts sample_values, which lists {kept}")));
    }
    Ok(())
}

fn reasoned(status: Status, reason: Option<&str>) -> Result<()> {
    if !matches!(status, Status::Measured | Status::Quoted) && reason.is_none() {
        return Err(Error::misuse(format!("status \"{status}\" needs a reason")));
    }
    Ok(())
}

fn validate_curve(curve: &Curve) -> Result<()> {
    let unit = curve.id.unit();
    if unit == Unit::Us {
        return Err(Error::misuse("id: is not a curve id such as memory.read.resident or latency.resident"));
    }
    let points = CurveAxis::ALL.into_iter().map(|axis| curve.along(axis).len()).max().unwrap_or(0);
    if points > POINTS_MAX {
        return Err(Error::misuse(format!("{points} points; at most {POINTS_MAX} are read")));
    }
    reasoned(curve.status, curve.reason.as_deref())?;
    if CurveAxis::ALL.into_iter().filter(|&axis| !curve.along(axis).is_empty()).count() > 1 {
        return Err(Error::misuse("more than one quantity stands along it; keep one"));
    }
    let sets = [(Unit::GbPerS, &curve.gb_per_s), (Unit::GflopPerS, &curve.gflop_per_s), (Unit::Ns, &curve.ns)];
    if let Some((other, _)) = sets.iter().find(|(other, values)| *other != unit && !values.is_empty()) {
        return Err(Error::misuse(format!("{}: this curve is in {}", other.key(), unit.symbol())));
    }
    let points = curve.values().map_or(0, |(values, _)| values.len());
    let verb = if curve.status.has_value() { "needs" } else { "must not have" };
    if curve.status.has_value() != (points > 0) {
        return Err(Error::misuse(format!("status \"{}\" {verb} values in {}", curve.status, unit.symbol())));
    }
    if let Some((axis, places)) = curve.axis() {
        if places.len() != points {
            return Err(Error::misuse(format!("{}: {} places for {points} values", axis.name(), places.len())));
        }
        let least = u64::from(axis != CurveAxis::PrefetchBytes);
        if places[0] < least || places.iter().any(|&x| x > MEMORY_BYTES_MAX) || !places.is_sorted_by(|a, b| a < b) {
            return Err(Error::misuse(format!("{}: must ascend from {least} or more, each once", axis.name())));
        }
    } else if points > 0 {
        return Err(Error::misuse("the values stand along nothing; name the quantity, such as footprint_bytes"));
    }
    validate_points(curve, unit, points)
}

/// Lengths agree, numbers can be, intervals hold their values.
fn validate_points(curve: &Curve, unit: Unit, points: usize) -> Result<()> {
    let values = curve.values().map_or(&[][..], |(values, _)| values);
    for (key, numbers) in [(unit.key(), values), ("low", &curve.low), ("high", &curve.high)] {
        numbers.iter().try_for_each(|&number| positive(key, Some(number)))?;
    }
    let quoted = curve.status == Status::Quoted;
    for (key, length) in
        [("low", curve.low.len()), ("high", curve.high.len()), ("sample_values", curve.sample_values.len())]
    {
        if length != points && !(quoted && length == 0) {
            return Err(Error::misuse(format!("{key}: {length} entries for {points} values")));
        }
    }
    for samples in &curve.sample_values {
        if samples.is_empty() {
            return Err(Error::misuse("sample_values: a point without samples"));
        }
        samples.iter().try_for_each(|&sample| positive("sample_values", Some(sample)))?;
    }
    for (value, (low, high)) in values.iter().zip(curve.low.iter().zip(&curve.high)) {
        if !(low..=high).contains(&value) {
            return Err(Error::misuse(format!("low, high: {low} … {high} does not contain the value {value}")));
        }
    }
    Ok(())
}
