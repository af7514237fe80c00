//! How the lengths of prompt and answer move a model under the roofline.

use super::finding::{Finding, Holds, Tally, above, range, ranges, short, tallied};
use super::{NamedProfile, Regime, ScenarioResult, Setting, Study, groups, named, plain};
use crate::error::Result;
use crate::model::Model;

/// The scenarios of every model on every profile: which stands nearest the ridge, which deepest below it.
///
/// # Errors
/// As [`evaluate`](crate::evaluate::evaluate).
pub fn sequence(models: &[Model], profiles: &[NamedProfile], setting: &Setting) -> Result<Study> {
    let study = plain("sequence", models, profiles, setting)?;
    let pairs = groups(&study.cases, |case| (&case.profile, &case.model));
    let findings = [nearest(&pairs), deepest(&pairs), fastest(&pairs, setting), matters(&study.cases, &pairs)];
    let findings = findings.into_iter().flatten().collect();
    Ok(study.with(findings))
}

const PAIRS: &str = "pairs of model and profile";

/// Octaves from the ridge, below 0 where memory binds.
fn octaves(case: &ScenarioResult) -> f64 {
    libm::log2(case.whole().oi / case.ridge_flop_per_byte)
}

/// Whether the case is the nearest to the ridge of its group, in octaves. It is for ridges between those halfway to the next
/// lower and the next higher OI; so the ridge's interval lies within, without, or leaves that open.
fn is_nearest(case: &ScenarioResult, group: &[&ScenarioResult]) -> Holds {
    let oi = case.whole().oi;
    let halfway = |other: &f64| (other * oi).sqrt();
    let others: Vec<f64> = group.iter().map(|other| other.whole().oi).filter(|other| *other != oi).collect();
    let low = others.iter().filter(|other| **other < oi).map(halfway).fold(0.0, f64::max);
    let high = others.iter().filter(|other| **other > oi).map(halfway).fold(f64::INFINITY, f64::min);
    let [least, most] = case.ridge_interval;
    Holds::of(low < least && most < high, most < low || high < least)
}

fn nearest(pairs: &[Vec<&ScenarioResult>]) -> Option<Finding> {
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.len() > 1 && named(pair, "LISO").is_some()).collect();
    let is = |pair: &&Vec<&ScenarioResult>| named(pair, "LISO").map_or(Holds::Undecided, |case| is_nearest(case, pair));
    let distance = |case: &ScenarioResult| octaves(case).abs();
    let found = pairs.iter().filter_map(|pair| pair.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))));
    let of = |name: &str| pairs.iter().filter_map(|pair| named(pair, name)).map(octaves).collect();
    let evidence = format!(
        "nearest: {}; octaves from the ridge (below 0: memory-bound): {}",
        tallied(found.map(|case| case.scenario.as_str())),
        ranges(&["LISO", "LILO"], of),
    );
    Tally::of(pairs.iter().map(is)).every("LISO stands nearest the ridge", PAIRS, evidence)
}

fn deepest(pairs: &[Vec<&ScenarioResult>]) -> Option<Finding> {
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.len() > 1 && named(pair, "SILO").is_some()).collect();
    let least = |pair: &&Vec<&ScenarioResult>| pair.iter().map(|case| case.whole().oi).fold(f64::INFINITY, f64::min);
    let is = |pair: &&Vec<&ScenarioResult>| {
        let Some(silo) = named(pair, "SILO") else { return Holds::Undecided };
        let whole = silo.whole();
        let lowest = whole.oi <= least(pair);
        Holds::of(
            lowest && whole.regime_decided == Some(Regime::Memory),
            !lowest || whole.regime_decided == Some(Regime::Compute),
        )
    };
    let silo = pairs.iter().filter_map(|pair| named(pair, "SILO"));
    let evidence = format!(
        "OI {} FLOP/B, {}",
        range(silo.clone().map(|case| case.whole().oi)),
        from_ridge(&silo.map(octaves).collect::<Vec<f64>>()),
    );
    Tally::of(pairs.iter().map(is)).every("SILO stands deepest in the memory-bound region", PAIRS, evidence)
}

/// Those distances in words: below the ridge, above it, or on both sides.
fn from_ridge(octaves: &[f64]) -> String {
    if octaves.iter().all(|octave| *octave <= 0.0) {
        format!("{} octaves below the ridge", range(octaves.iter().map(|octave| -octave)))
    } else if octaves.iter().all(|octave| *octave >= 0.0) {
        format!("{} octaves above the ridge", range(octaves.iter().copied()))
    } else {
        format!("{} octaves from the ridge (below 0: memory-bound)", range(octaves.iter().copied()))
    }
}

fn fastest(pairs: &[Vec<&ScenarioResult>], setting: &Setting) -> Option<Finding> {
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.len() > 1 && named(pair, "LISO").is_some()).collect();
    let rate = |case: &ScenarioResult| case.whole().under(setting.roof()).gflop_per_s_interval;
    let is = |pair: &&Vec<&ScenarioResult>| {
        let Some(liso) = named(pair, "LISO") else { return Holds::Undecided };
        let others = pair.iter().filter(|case| case.scenario != "LISO");
        Tally::of(others.map(|other| above(rate(liso), rate(other)))).of_all()
    };
    let of = |name: &str| {
        let of = pairs.iter().filter_map(|pair| named(pair, name));
        of.map(|case| case.whole().under(setting.roof()).gflop_per_s).collect()
    };
    let evidence = format!("GFLOP/s, {} roof: {}", setting.roof().name(), ranges(&["LISO", "SILO"], of));
    Tally::of(pairs.iter().map(is)).every("LISO has the highest FLOP/s", PAIRS, evidence)
}

/// The factor between scenarios of one model against that between models in one scenario; OI knows no profile.
fn matters(cases: &[ScenarioResult], pairs: &[Vec<&ScenarioResult>]) -> Option<Finding> {
    let profile = &cases.first()?.profile;
    let factor = |group: &Vec<&ScenarioResult>| {
        let oi = group.iter().map(|case| case.whole().oi);
        oi.clone().fold(0.0, f64::max) / oi.fold(f64::INFINITY, f64::min)
    };
    let of_scenarios: Vec<f64> = pairs.iter().filter(|pair| pair[0].profile == *profile).map(factor).collect();
    let here = cases.iter().filter(|case| case.profile == *profile);
    let of_models: Vec<f64> = groups(here, |case| &case.scenario).iter().map(factor).collect();
    if of_scenarios.len() < 2 || of_models.len() < 2 {
        return None;
    }
    let most = of_models.iter().copied().fold(0.0, f64::max);
    let verdicts = of_scenarios.iter().map(|factor| Holds::of(*factor > most, *factor <= most));
    let evidence = format!(
        "from scenario to scenario OI changes by a factor of {}, from model to model by at most {}",
        range(of_scenarios.iter().copied()),
        short(most)
    );
    Tally::of(verdicts).every("OI depends on the lengths more than on the model", "models", evidence)
}
