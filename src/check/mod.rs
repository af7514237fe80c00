//! A gate: whether a device is slower than it was, beyond a tolerance and beyond what both measurements leave open.
//!
//! [`decide`] has the statistics. Ceilings are held against ceilings, and ratios between ceilings against the same ratios. What the
//! gate cannot tell is an answer of its own, and never passes.
//!
//! Pure: the same profiles give the same record, whose field names are a contract with other tools.

mod decide;
mod ratios;

use crate::compare::Extents;
use crate::error::{Error, Result};
use crate::evaluate::{NamedProfile, ProfileFacts};
use crate::profile::{Ceiling, Grade, Profile, Status};
use ratios::CeilingRatio;
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
    Ok(Checked::of(facts, rules.tolerance, standing(quantities)))
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
}

/// The quantities, of which those are regressions that are not to be expected of so many by chance.
fn standing(all: Vec<Judged>) -> Vec<CheckedQuantity> {
    let is_found = |one: &Judged| one.checked.answer == Answer::Regressed;
    let chances: Vec<f64> = all.iter().filter(|one| is_found(one)).map(|one| one.chance).collect();
    let mut stand = decide::stand(&chances, all.len()).into_iter();
    let settled = |mut one: Judged| {
        if is_found(&one) && stand.next() == Some(false) {
            (one.checked.answer, one.checked.doubt) = (Answer::CannotTell, Some(Doubt::Chance));
        }
        one.checked
    };
    all.into_iter().map(settled).collect()
}

/// A quantity of one profile before it is judged.
struct Evidence {
    value: f64,
    interval: Option<[f64; 2]>,
    shape: Shape,
    measured: bool,
    samples: usize,
    extents: Vec<Option<Extents>>,
}

impl Evidence {
    fn of_ceiling(ceiling: &Ceiling) -> Option<Evidence> {
        Some(Evidence {
            value: ceiling.value()?.0,
            interval: ceiling.ci95,
            shape: Shape::of(ceiling),
            measured: ceiling.status == Status::Measured,
            samples: ceiling.samples.unwrap_or(0) as usize,
            extents: vec![ceiling.variant.as_ref().and_then(Extents::of)],
        })
    }

    fn of_ratio(ratio: &CeilingRatio) -> Option<Evidence> {
        let (value, interval) = ratio.figure()?;
        let both = [ratio.over, ratio.under];
        Some(Evidence {
            value,
            interval,
            shape: Shape::of(ratio.over).over(&Shape::of(ratio.under)),
            measured: ratio.is_measured(),
            samples: both.iter().map(|one| one.samples.unwrap_or(0) as usize).min().unwrap_or(0),
            extents: both.iter().map(|one| one.variant.as_ref().and_then(Extents::of)).collect(),
        })
    }

    /// As a speed, where there is an interval.
    fn side(&self, is_rate: bool, trusted: bool) -> Option<Side> {
        let (value, [low, high]) = (self.value, self.interval?);
        let (value, interval) = if is_rate { (value, [low, high]) } else { (1.0 / value, [1.0 / high, 1.0 / low]) };
        let Shape { slowest_mode, slow_end, fast_end } = self.shape;
        Some(Side { value, interval, slowest_mode, slow_end, fast_end, trusted })
    }
}

/// One sample of so many, on either side, may be an accident.
const STRAY: usize = 20;

/// What the samples of a ceiling look like beside its value, as shares of its speed.
#[derive(Clone, Copy)]
struct Shape {
    slowest_mode: f64,
    slow_end: f64,
    fast_end: f64,
}

impl Shape {
    fn of(ceiling: &Ceiling) -> Shape {
        let share = |figure: f64| {
            let (value, unit) = ceiling.value()?;
            Some(if unit.is_rate() { figure / value } else { value / figure })
        };
        let mut samples: Vec<f64> = ceiling.sample_values.iter().filter_map(|&sample| share(sample)).collect();
        samples.sort_by(f64::total_cmp);
        let stray = samples.len() / STRAY;
        Shape {
            slowest_mode: ceiling.modes.first().and_then(|mode| share(mode.value)).map_or(1.0, |share| share.min(1.0)),
            slow_end: samples.get(stray).map_or(0.0, |share| share.min(1.0)),
            fast_end: samples.len().checked_sub(stray + 1).map_or(1.0, |place| samples[place].max(1.0)),
        }
    }

    /// That of a quotient: samples of two ceilings were not taken together, so only modes are known.
    fn over(&self, under: &Shape) -> Shape {
        Shape { slowest_mode: self.slowest_mode.min(under.slowest_mode), slow_end: 0.0, fast_end: 1.0 }
    }
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
        let decision = sides.map(|(old, new)| decide(&old, &new, tolerance));
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
        let chance = decide::chance_apart(old.samples, new.map_or(0, |new| new.samples));
        let checked = CheckedQuantity {
            quantity,
            unit: unit.map(crate::profile::Unit::symbol),
            answer: match (doubt, decision) {
                (None, Some(decision)) => decision.answer,
                _ => Answer::CannotTell,
            },
            doubt,
            baseline: old.value,
            baseline_interval: old.interval,
            new: new.map(|new| new.value),
            new_interval: new.and_then(|new| new.interval),
            ratio: new.map(|new| if is_rate { new.value / old.value } else { old.value / new.value }),
            ratio_interval: decision.map(|decision| decision.interval),
            tolerance_needed: sides.filter(|_| first.is_none()).map(|(old, new)| tolerance_needed(&old, &new)),
        };
        Judged { checked, chance }
    }
}

fn ceilings(old: &Profile, newer: &Profile, rules: &Rules) -> Vec<Judged> {
    let pair = Pair::of(old, newer, rules);
    let by_id: std::collections::HashMap<&str, &Ceiling> =
        newer.ceiling.iter().map(|ceiling| (ceiling.id.as_str(), ceiling)).collect();
    let judged = |ceiling: &Ceiling| {
        let before = Evidence::of_ceiling(ceiling)?;
        let after = by_id.get(ceiling.id.as_str()).and_then(|ceiling| Evidence::of_ceiling(ceiling));
        Some(pair.judged(ceiling.id.to_string(), Some(ceiling.id.unit()), &before, after.as_ref()))
    };
    old.ceiling.iter().filter_map(judged).collect()
}

fn quotients(old: &Profile, newer: &Profile, rules: &Rules) -> Vec<Judged> {
    let pair = Pair::of(old, newer, rules);
    let after: std::collections::HashMap<String, Evidence> = ratios::of(newer)
        .into_iter()
        .filter_map(|ratio| Evidence::of_ratio(&ratio).map(|evidence| (ratio.name, evidence)))
        .collect();
    let judged = |ratio: CeilingRatio| {
        let before = Evidence::of_ratio(&ratio)?;
        let after = after.get(&ratio.name);
        Some(pair.judged(ratio.name, None, &before, after))
    };
    ratios::of(old).into_iter().filter_map(judged).collect()
}
