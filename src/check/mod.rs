//! A gate: whether a device is slower than it was, beyond a tolerance and beyond what both measurements leave open.
//!
//! [`decide`] has the statistics. Ceilings are held against ceilings, and ratios between ceilings against the same ratios. What the
//! gate cannot tell is an answer of its own, and never passes.
//!
//! Pure: the same profiles give the same record, whose field names are a contract with other tools.

mod chance;
mod decide;
mod ratios;

use crate::compare::Extents;
use crate::error::{Error, Result};
use crate::evaluate::{NamedProfile, ProfileFacts};
use crate::profile::{Ceiling, DeviceKind, Family, Grade, IdKind, Profile, Status};
use ratios::{CeilingRatio, MANY_TOKENS, is_bound_by_cache};
use schemars::JsonSchema;
use serde::Serialize;

pub use decide::{Answer, Decision, Doubt, Side, decide, tolerance_needed};

/// What is held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Ceilings.
    Ceilings,
    /// Ratios between ceilings.
    Ratios,
    /// Both.
    All,
}

/// How strict the gate is.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The share of a speed that may be lost, such as 0.05.
    pub tolerance: f64,
    /// The worst grade of circumstances that counts.
    pub worst_grade: Grade,
    /// What is held against each other.
    pub gate: Gate,
    /// Whether the profiles may be of devices with different names.
    pub other_device: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { tolerance: 0.05, worst_grade: Grade::D, gate: Gate::Ceilings, other_device: false }
    }
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Checked {
    /// Regressed where any quantity is; else cannot tell where the gate cannot for any of them; else passed.
    pub answer: Answer,
    /// The share of a speed that may be lost.
    pub tolerance: f64,
    /// What it should be like.
    pub baseline: ProfileFacts,
    /// What it is like.
    pub new: ProfileFacts,
    /// How many of them passed.
    pub passed: usize,
    /// How many regressed.
    pub regressed: usize,
    /// Of how many the gate cannot tell.
    pub cannot_tell: usize,
    /// Every quantity that the baseline has a value for.
    pub quantities: Vec<CheckedQuantity>,
}

/// What the gate says of one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CheckedQuantity {
    /// A ceiling's id, or two with ` / ` between them.
    pub quantity: String,
    /// The unit of the values; none of a ratio.
    pub unit: Option<&'static str>,
    /// The answer.
    pub answer: Answer,
    /// Why the gate cannot tell.
    pub doubt: Option<Doubt>,
    /// Whether it is only nearly all of its family together that show a regression.
    pub by_family: bool,
    /// The value in the baseline.
    pub baseline: f64,
    /// Its 95 % interval.
    pub baseline_interval: Option<[f64; 2]>,
    /// The value in the new profile.
    pub new: Option<f64>,
    /// Its 95 % interval.
    pub new_interval: Option<[f64; 2]>,
    /// How many times as fast as the baseline; above 1 is faster, for times too.
    pub ratio: Option<f64>,
    /// The least and the most that both intervals allow.
    pub ratio_interval: Option<[f64; 2]>,
    /// The least tolerance at which these two would pass if they were of a device that did not change.
    pub tolerance_needed: Option<f64>,
}

/// Holds the profile `new` against `baseline`.
///
/// Only quantities that are `asked` for are judged.
///
/// # Errors
/// Misuse for an incomplete baseline, for devices of different names unless the rules allow them, and where the baseline has nothing
/// to hold against.
pub fn check(
    baseline: NamedProfile,
    new: NamedProfile,
    rules: &Rules,
    asked: impl Fn(&str) -> bool,
) -> Result<Checked> {
    let ((baseline_name, old), (new_name, newer)) = (baseline, new);
    if !old.provenance.complete {
        return Err(Error::misuse(format!("{baseline_name}: is incomplete: a baseline has every value")));
    }
    let absolute = rules.gate != Gate::Ratios;
    if absolute && !rules.other_device && old.device.name != newer.device.name {
        return Err(Error::misuse(format!(
            "{baseline_name} is of {}, and {new_name} of {}; ratios between ceilings can be held against each other \
             (--gate ratios), or allow it with --other-device",
            crate::error::shown(&old.device.name),
            crate::error::shown(&newer.device.name)
        )));
    }
    let mut quantities = Vec::new();
    if absolute {
        quantities.extend(ceilings(old, newer, rules));
    }
    if rules.gate != Gate::Ceilings {
        quantities.extend(quotients(old, newer, rules));
    }
    quantities.retain(|one| asked(&one.checked.quantity));
    if quantities.is_empty() {
        return Err(Error::misuse(format!("{baseline_name}: has no value to hold {new_name} against")));
    }
    let facts = (ProfileFacts::of(baseline_name, old), ProfileFacts::of(new_name, newer));
    Ok(Checked::of(facts, rules.tolerance, standing(quantities, rules.tolerance)))
}

impl Checked {
    fn of((baseline, new): (ProfileFacts, ProfileFacts), tolerance: f64, quantities: Vec<CheckedQuantity>) -> Checked {
        let mut checked = Checked {
            answer: Answer::Passed,
            tolerance,
            baseline,
            new,
            passed: 0,
            regressed: 0,
            cannot_tell: 0,
            quantities,
        };
        checked.count();
        checked
    }

    fn count(&mut self) {
        let of = |answer| self.quantities.iter().filter(|one| one.answer == answer).count();
        (self.passed, self.regressed, self.cannot_tell) =
            (of(Answer::Passed), of(Answer::Regressed), of(Answer::CannotTell));
        self.answer = match (self.regressed, self.cannot_tell) {
            (1.., _) => Answer::Regressed,
            (0, 1..) => Answer::CannotTell,
            // A gate that holds nothing against anything has not passed.
            (0, 0) if self.quantities.is_empty() => Answer::CannotTell,
            (0, 0) => Answer::Passed,
        };
    }
}

/// The names of all quantities that a baseline has for a gate.
pub fn quantities(baseline: &Profile, gate: Gate) -> Vec<String> {
    let ceilings = baseline.ceiling.iter().filter(|one| one.value().is_some()).map(|one| one.id.to_string());
    let ceilings = ceilings.filter(|_| gate != Gate::Ratios);
    ceilings.chain(ratios::of(baseline).into_iter().filter(|_| gate != Gate::Ceilings).map(|one| one.name)).collect()
}

/// A quantity that was judged by itself.
struct Judged {
    checked: CheckedQuantity,
    /// How probable it is that the samples of one device look so, where it is slower.
    chance: f64,
    /// The family whose other members say whether it is slower, too, where they can.
    family: Option<Family>,
}

impl Judged {
    fn is_slower(&self, tolerance: f64) -> bool {
        self.checked.ratio.is_some_and(|ratio| ratio < 1.0 - tolerance)
    }
}

/// The quantities, of which those are regressions that are not to be expected of so many by chance: they stand by themselves, or nearly
/// all of their family is slower. The family settles what may be chance in one of them, and nothing else.
fn standing(all: Vec<Judged>, tolerance: f64) -> Vec<CheckedQuantity> {
    let is_found = |one: &Judged| one.checked.answer == Answer::Regressed;
    let chances: Vec<f64> = all.iter().filter(|one| is_found(one)).map(|one| one.chance).collect();
    let mut stand = chance::stand(&chances, all.len()).into_iter();
    let slower: Vec<Family> = Family::ALL.into_iter().filter(|family| is_slower(*family, &all, tolerance)).collect();
    let settled = |mut one: Judged| {
        if is_found(&one) && stand.next() == Some(false) {
            (one.checked.answer, one.checked.doubt) = (Answer::CannotTell, Some(Doubt::Chance));
        }
        let is_chance = matches!(one.checked.doubt, Some(Doubt::Overlap | Doubt::Samples | Doubt::Chance));
        if is_chance && one.is_slower(tolerance) && one.family.is_some_and(|family| slower.contains(&family)) {
            (one.checked.answer, one.checked.doubt) = (Answer::Regressed, None);
            one.checked.by_family = true;
        }
        one.checked
    };
    all.into_iter().map(settled).collect()
}

/// Whether a family is slower as a whole.
fn is_slower(family: Family, all: &[Judged], tolerance: f64) -> bool {
    let members = || all.iter().filter(|one| one.family == Some(family));
    chance::family_is_slower(members().filter(|one| one.is_slower(tolerance)).count(), members().count())
}

/// A quantity of one profile before it is judged.
struct Evidence {
    value: f64,
    interval: Option<[f64; 2]>,
    modes: Vec<f64>,
    /// None of a ratio: the samples of two ceilings were not taken together.
    samples: Vec<f64>,
    count: usize,
    shared: bool,
    family: Option<Family>,
    measured: bool,
    extents: Vec<Option<Extents>>,
}

impl Evidence {
    fn of_ceiling(ceiling: &Ceiling, profile: &Profile) -> Option<Evidence> {
        Some(Evidence {
            value: ceiling.value()?.0,
            interval: ceiling.ci95,
            modes: ceiling.modes.iter().map(|mode| mode.value).collect(),
            samples: ceiling.sample_values.clone(),
            count: ceiling.samples.unwrap_or(0) as usize,
            shared: is_shared(ceiling, profile),
            family: Some(ceiling.id.family()),
            measured: ceiling.status == Status::Measured,
            extents: vec![ceiling.variant.as_ref().and_then(Extents::of)],
        })
    }

    fn of_ratio(ratio: &CeilingRatio, profile: &Profile) -> Option<Evidence> {
        let (value, interval) = ratio.figure()?;
        let both = [ratio.over, ratio.under];
        let slowest = both.into_iter().filter_map(slowest_mode).reduce(f64::min);
        Some(Evidence {
            value,
            interval,
            modes: slowest.map_or_else(Vec::new, |share| vec![share * value, value]),
            samples: Vec::new(),
            count: both.iter().map(|one| one.samples.unwrap_or(0) as usize).min().unwrap_or(0),
            // Products move with the read of memory that they are held against; other streams have modes of their own.
            shared: ratio.over.id.family() == Family::Memory && is_shared(ratio.over, profile),
            family: None,
            measured: ratio.is_measured(),
            extents: both.iter().map(|one| one.variant.as_ref().and_then(Extents::of)).collect(),
        })
    }

    /// As a speed, where there is an interval.
    fn side(&self, is_rate: bool, trusted: bool) -> Option<Side> {
        let [low, high] = self.interval?;
        let speed = |value: f64| if is_rate { value } else { 1.0 / value };
        let speeds = |values: &[f64]| values.iter().map(|value| speed(*value)).collect();
        Some(Side {
            value: speed(self.value),
            interval: if is_rate { [low, high] } else { [speed(high), speed(low)] },
            modes: speeds(&self.modes),
            samples: speeds(&self.samples),
            count: self.count,
            shared: self.shared,
            trusted,
        })
    }
}

/// The slowest mode of a ceiling's speed, as a share of it, where its samples showed several.
fn slowest_mode(ceiling: &Ceiling) -> Option<f64> {
    let (slowest, (value, unit)) = (ceiling.modes.first()?.value, ceiling.value()?);
    Some(if unit.is_rate() { slowest / value } else { value / slowest }.min(1.0))
}

/// Whether a ceiling is bound by memory that others use, too: the main memory of a virtual machine's CPU, whichever part of the machine asks
/// for it. docs/methodology.md has the runs that this is from.
fn is_shared(ceiling: &Ceiling, profile: &Profile) -> bool {
    let is_virtual = profile.environment.as_ref().is_some_and(|environment| environment.virtualised == Some(true));
    let by_memory = || match ceiling.id.whole() {
        IdKind::Matmul { tokens, .. } => *tokens < MANY_TOKENS,
        IdKind::Memory { level, .. } | IdKind::Latency { level } => {
            level.known() == Some(profile.device.kind.main_memory())
        }
        kind => is_bound_by_cache(kind),
    };
    is_virtual && profile.device.kind == DeviceKind::Cpu && by_memory()
}

/// What both profiles are, for every quantity.
struct Pair<'r> {
    rules: &'r Rules,
    trusted: [bool; 2],
}

impl Pair<'_> {
    fn of<'r>(old: &Profile, newer: &Profile, rules: &'r Rules) -> Pair<'r> {
        // What was quoted has no interval, which is said of each value.
        let grade = |profile: &Profile| profile.environment.as_ref().and_then(|environment| environment.grade);
        let trusted = |profile: &Profile| grade(profile).is_some_and(|grade| grade <= rules.worst_grade);
        Pair { rules, trusted: [trusted(old), trusted(newer)] }
    }

    fn judged(
        &self,
        quantity: String,
        unit: Option<crate::profile::Unit>,
        old: &Evidence,
        new: Option<&Evidence>,
    ) -> Judged {
        let is_rate = unit.is_none_or(crate::profile::Unit::is_rate);
        let sides = old.side(is_rate, self.trusted[0]).zip(new.and_then(|new| new.side(is_rate, self.trusted[1])));
        let tolerance = self.rules.tolerance;
        let decision = sides.as_ref().map(|(old, new)| decide(old, new, tolerance));
        let first = match new {
            None => Some(Doubt::NotMeasured),
            Some(new) if !old.measured || !new.measured => Some(Doubt::Suspect),
            Some(new) if old.extents != new.extents => Some(Doubt::Extents),
            Some(_) if sides.is_none() => Some(Doubt::NoInterval),
            Some(_) => None,
        };
        // A value without an interval was quoted or is of few samples: that says more than "suspect".
        let first = if new.is_some() && sides.is_none() { Some(Doubt::NoInterval) } else { first };
        let doubt = first.or(decision.and_then(|decision| decision.doubt));
        // What was met in other modes says nothing of its family, and poor circumstances excuse it.
        let comparable = |(old, new): &(Side, Side)| !(old.shared || new.shared) || decide::same_modes(old, new);
        let family =
            old.family.filter(|_| first.is_none() && self.trusted[1] && sides.as_ref().is_some_and(comparable));
        let checked = CheckedQuantity {
            quantity,
            unit: unit.map(crate::profile::Unit::symbol),
            answer: match (doubt, decision) {
                (None, Some(decision)) => decision.answer,
                _ => Answer::CannotTell,
            },
            doubt,
            by_family: false,
            baseline: old.value,
            baseline_interval: old.interval,
            new: new.map(|new| new.value),
            new_interval: new.and_then(|new| new.interval),
            ratio: new.map(|new| if is_rate { new.value / old.value } else { old.value / new.value }),
            ratio_interval: decision.map(|decision| decision.interval),
            tolerance_needed: sides.filter(|_| first.is_none()).map(|(old, new)| tolerance_needed(&old, &new)),
        };
        Judged { checked, chance: decision.map_or(1.0, |decision| decision.chance), family }
    }
}

fn ceilings(old: &Profile, newer: &Profile, rules: &Rules) -> Vec<Judged> {
    let pair = Pair::of(old, newer, rules);
    let by_id: std::collections::HashMap<&str, &Ceiling> =
        newer.ceiling.iter().map(|ceiling| (ceiling.id.as_str(), ceiling)).collect();
    let judged = |ceiling: &Ceiling| {
        let before = Evidence::of_ceiling(ceiling, old)?;
        let after = by_id.get(ceiling.id.as_str()).and_then(|ceiling| Evidence::of_ceiling(ceiling, newer));
        Some(pair.judged(ceiling.id.to_string(), Some(ceiling.id.unit()), &before, after.as_ref()))
    };
    old.ceiling.iter().filter_map(judged).collect()
}

fn quotients(old: &Profile, newer: &Profile, rules: &Rules) -> Vec<Judged> {
    let pair = Pair::of(old, newer, rules);
    let after: std::collections::HashMap<String, Evidence> = ratios::of(newer)
        .into_iter()
        .filter_map(|ratio| Evidence::of_ratio(&ratio, newer).map(|evidence| (ratio.name, evidence)))
        .collect();
    let judged = |ratio: CeilingRatio| {
        let before = Evidence::of_ratio(&ratio, old)?;
        let after = after.get(&ratio.name);
        Some(pair.judged(ratio.name, None, &before, after))
    };
    ratios::of(old).into_iter().filter_map(judged).collect()
}
