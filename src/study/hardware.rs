//! The same models on several devices.

use super::finding::{Finding, Holds, Tally, range, short};
use super::{NamedProfile, PartKind, Regime, RidgePoint, ScenarioResult, Setting, Study, groups, plain};
use crate::error::{Error, Result};
use crate::model::Model;

/// Every model on every profile: on which side of each ridge its parts fall.
///
/// # Errors
/// As [`evaluate`](crate::evaluate::evaluate); misuse for fewer than two profiles.
pub fn hardware(models: &[Model], profiles: &[NamedProfile], setting: &Setting) -> Result<Study> {
    if profiles.len() < 2 {
        return Err(Error::misuse("-p: needs two profiles or more; `roofprobe profiles` lists some"));
    }
    let study = plain("hardware", models, profiles, setting)?;
    let mut findings: Vec<Finding> = trap(&study.cases, &study.ridges).into_iter().collect();
    findings.extend(same_side(&study.cases, PartKind::Decode, Regime::Memory, "decoding is memory-bound everywhere"));
    findings.extend(same_side(&study.cases, PartKind::Prefill, Regime::Compute, "prefill is compute-bound everywhere"));
    Ok(study.with(findings))
}

/// The regimes of one part of the cases of one model and scenario, in the order of the profiles.
fn regimes(group: &[&ScenarioResult], part: PartKind) -> Vec<Option<Regime>> {
    group.iter().filter_map(|case| case.part(part)).map(|part| part.regime_decided).collect()
}

/// One model falls in different regimes on different devices.
fn trap(cases: &[ScenarioResult], ridges: &[RidgePoint]) -> Option<Finding> {
    let groups = groups(cases, |case| (&case.model, &case.scenario));
    let (mut verdicts, mut falls) = (Vec::new(), Vec::new());
    for part in PartKind::ALL {
        let each: Vec<Holds> = groups
            .iter()
            .map(|group| regimes(group, part))
            .filter(|regimes| !regimes.is_empty())
            .map(|regimes| {
                let decided: Vec<Regime> = regimes.iter().copied().flatten().collect();
                let differ = decided.iter().any(|one| *one != decided[0]);
                Holds::of(differ, !differ && decided.len() == regimes.len())
            })
            .collect();
        falls.push(format!("{} {} of {}", part.name(), Tally::of(each.iter().copied()).yes, each.len()));
        verdicts.extend(each);
    }
    let ridge = || ridges.iter().map(|ridge| ridge.ridge_flop_per_byte);
    let factor = ridge().fold(0.0, f64::max) / ridge().fold(f64::INFINITY, f64::min);
    let evidence = format!(
        "in different regimes: {}; ridges at {} FLOP/B, a factor of {}",
        falls.join(", "),
        range(ridge()),
        short(factor)
    );
    let claim = "a model falls in different regimes on different devices (the efficiency trap)";
    Tally::of(verdicts).some(claim, "parts of models and scenarios", evidence)
}

/// One part is on the same side of the ridge on all devices.
fn same_side(cases: &[ScenarioResult], part: PartKind, side: Regime, claim: &str) -> Option<Finding> {
    let parts: Vec<&ScenarioResult> = cases.iter().filter(|case| case.part(part).is_some()).collect();
    let is = |case: &&ScenarioResult| match case.part(part).and_then(|part| part.regime_decided) {
        Some(regime) => Holds::of(regime == side, regime != side),
        None => Holds::Undecided,
    };
    let oi = parts.iter().filter_map(|case| case.part(part)).map(|part| part.oi);
    let evidence = format!("OI {} FLOP/B", range(oi));
    let of = "triples of model, scenario and profile";
    Tally::of(parts.iter().map(is)).every(claim, of, evidence)
}
