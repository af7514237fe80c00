//! The same model in several formats of weights.

use super::finding::{Finding, Holds, Tally, above, range, ranges, tallied};
use super::{NamedProfile, ScenarioResult, Setting, Standing, Study, groups, named};
use crate::error::{Error, Result};
use crate::evaluate::RoofKind;
use crate::model::{Model, Weights, Workload};
use std::borrow::Cow;

/// Every model in each of `weights`: how much faster than in the first of them, in which scenario most.
///
/// # Errors
/// As [`evaluate`](crate::evaluate::evaluate); misuse for fewer than two formats.
pub fn precision(models: &[Model], profiles: &[NamedProfile], setting: &Setting, weights: &[Weights]) -> Result<Study> {
    if weights.len() < 2 {
        return Err(Error::misuse("--weights: needs two formats or more, and the first is the reference: f16,q8_0"));
    }
    for (at, format) in weights.iter().enumerate() {
        if weights[..at].contains(format) {
            return Err(Error::misuse(format!("--weights {format}: is asked for twice; leave one out")));
        }
    }
    let mut study = Study::of("precision", models, profiles, setting, |model| {
        let stored = |&weights: &Weights| Workload { weights: Some(weights), ..setting.query.workload };
        Ok(weights.iter().map(|weights| (Cow::Borrowed(model), stored(weights))).collect())
    })?;
    for of_model in study.cases.chunks_mut((weights.len() * setting.scenarios.len()).max(1)) {
        let reference = of_model[..setting.scenarios.len()].to_vec();
        of_model.iter_mut().zip(reference.iter().cycle()).for_each(|(case, reference)| compare(case, reference));
    }
    let first = weights[0].to_string();
    // A format that needs as many bytes as the reference, or more, is no quantisation of it.
    let reference = |case: &ScenarioResult| {
        let same = |other: &&ScenarioResult| (&other.model, &other.weights) == (&case.model, &first);
        study.cases.iter().find(same).map(|other| other.weight_bytes_total)
    };
    let others = study.cases.iter().filter(|case| reference(case).is_some_and(|bytes| case.weight_bytes_total < bytes));
    let findings = findings(others, setting.roof());
    Ok(study.with(findings))
}

fn compare(case: &mut ScenarioResult, reference: &ScenarioResult) {
    for (part, reference) in case.parts.iter_mut().zip(&reference.parts) {
        for (standing, reference) in part.roofs.iter_mut().zip(&reference.roofs) {
            let ([low, high], [slow, fast]) = (standing.tokens_per_s_interval, reference.tokens_per_s_interval);
            standing.speedup = Some(standing.tokens_per_s / reference.tokens_per_s);
            standing.speedup_interval = Some([low / fast, high / slow]);
        }
    }
}

fn findings<'a>(cases: impl Iterator<Item = &'a ScenarioResult>, roof: RoofKind) -> Vec<Finding> {
    let triples = groups(cases, |case| (&case.profile, &case.model, &case.weights));
    let triples: Vec<Vec<&ScenarioResult>> = triples.into_iter().filter(|group| group.len() > 1).collect();
    let claims: [(&str, &str, f64); 2] =
        [("SILO", "quantisation speeds SILO up most", 1.0), ("LISO", "quantisation speeds LISO up least", -1.0)];
    let mut findings: Vec<Finding> =
        claims.iter().filter_map(|&(name, claim, sign)| extreme(&triples, roof, name, claim, sign)).collect();
    findings.extend(more_in_silo(&triples, roof));
    findings
}

const OF: &str = "triples of model, profile and format";

fn standing(case: &ScenarioResult, roof: RoofKind) -> &Standing {
    case.whole().under(roof)
}

fn interval(case: &ScenarioResult, roof: RoofKind) -> [f64; 2] {
    standing(case, roof).speedup_interval.unwrap_or([1.0, 1.0])
}

/// A scenario of which it is claimed that its speed-up is the greatest (`sign` 1) or the least (−1).
fn extreme(triples: &[Vec<&ScenarioResult>], roof: RoofKind, name: &str, claim: &str, sign: f64) -> Option<Finding> {
    let with: Vec<&Vec<&ScenarioResult>> = triples.iter().filter(|group| named(group, name).is_some()).collect();
    let is = |group: &&Vec<&ScenarioResult>| {
        let Some(it) = named(group, name) else { return Holds::Undecided };
        let others = group.iter().filter(|case| case.scenario != name);
        let verdicts = others.map(|other| {
            let (a, b) = (interval(it, roof), interval(other, roof));
            if sign > 0.0 { above(a, b) } else { above(b, a) }
        });
        Tally::of(verdicts).of_all()
    };
    let speedup = |case: &ScenarioResult| sign * standing(case, roof).speedup.unwrap_or(1.0);
    let winners = with.iter().filter_map(|group| group.iter().max_by(|a, b| speedup(a).total_cmp(&speedup(b))));
    let of = |name: &str| {
        let of = triples.iter().filter_map(|group| named(group, name));
        of.filter_map(|case| standing(case, roof).speedup).collect()
    };
    let most = if sign > 0.0 { "most" } else { "least" };
    let evidence = format!(
        "{most}: {}; times as fast end to end, {} roof: {}",
        tallied(winners.map(|case| case.scenario.as_str())),
        roof.name(),
        ranges(&["SISO", "LISO", "SILO", "LILO"], of),
    );
    Tally::of(with.iter().map(is)).every(claim, OF, evidence)
}

fn more_in_silo(triples: &[Vec<&ScenarioResult>], roof: RoofKind) -> Option<Finding> {
    let both = |group: &Vec<&ScenarioResult>| {
        Some((interval(named(group, "SILO")?, roof), interval(named(group, "LISO")?, roof)))
    };
    let pairs: Vec<([f64; 2], [f64; 2])> = triples.iter().filter_map(both).collect();
    let ratio = |group: &Vec<&ScenarioResult>| {
        let of = |name| standing(named(group, name)?, roof).speedup;
        Some(of("SILO")? / of("LISO")?)
    };
    let evidence = format!("SILO's speed-up over LISO's: {}", range(triples.iter().filter_map(ratio)));
    let verdicts = pairs.iter().map(|(silo, liso)| above(*silo, *liso));
    Tally::of(verdicts).every("quantisation speeds SILO up more than LISO", OF, evidence)
}
