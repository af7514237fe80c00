//! The same model with fewer and with more layers.

use super::finding::{Finding, Holds, Tally, range, tallied};
use super::{NamedProfile, PartKind, ScenarioResult, Setting, Study, groups};
use crate::error::{Error, Result};
use crate::model::Model;
use std::borrow::Cow;

/// OI that changes by less than this, over all depths, is called flat.
pub const FLAT_PERCENT: f64 = 10.0;

/// Every model at each number of layers: where OI is greatest, and by how much it changes at all.
///
/// # Errors
/// As [`evaluate`](crate::evaluate::evaluate), and [`Model::with_layers`].
pub fn depth(models: &[Model], profiles: &[NamedProfile], setting: &Setting, layers: &[u64]) -> Result<Study> {
    if layers.is_empty() || !layers.is_sorted_by(|a, b| a < b) {
        return Err(Error::misuse("--layers: must rise from each to the next, as in 2,4,8"));
    }
    let study = Study::of("depth", models, profiles, setting, |model| {
        let deep = |&layers: &u64| Ok((Cow::Owned(model.with_layers(layers)?), setting.query.workload));
        layers.iter().map(deep).collect::<Result<_>>().map_err(|e| e.within("--layers"))
    })?;
    let findings = findings(&study.cases);
    Ok(study.with(findings))
}

/// OI at each depth, the shallowest first; of one model in one scenario.
struct OiByDepth<'a> {
    case: &'a ScenarioResult,
    points: Vec<(u64, f64)>,
}

impl OiByDepth<'_> {
    fn of<'a>(group: &[&'a ScenarioResult], part: PartKind) -> Option<OiByDepth<'a>> {
        let point = |case: &&ScenarioResult| Some((case.layers, case.part(part)?.oi));
        let points: Vec<(u64, f64)> = group.iter().filter_map(point).collect();
        Some(OiByDepth { case: group.first()?, points }).filter(|one| one.points.len() > 1)
    }

    /// The depth with the highest OI.
    fn summit(&self) -> u64 {
        self.points.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |point| point.0)
    }

    /// How much higher the highest is than the lowest.
    fn spread_percent(&self) -> f64 {
        let of = |fold: fn(f64, f64) -> f64| self.points.iter().map(|point| point.1).reduce(fold).unwrap_or(1.0);
        (of(f64::max) / of(f64::min) - 1.0) * 100.0
    }

    /// Whether OI rises, or falls, from each depth to the next.
    fn one_way(&self) -> Holds {
        let steps = || self.points.windows(2).map(|pair| pair[1].1.total_cmp(&pair[0].1));
        let one_way = steps().all(std::cmp::Ordering::is_ge) || steps().all(std::cmp::Ordering::is_le);
        Holds::of(one_way, !one_way)
    }

    /// Whether OI is highest at 3 to 5 layers: asked only where such depths, and others on both sides, were tried.
    fn peaks_early(&self) -> Holds {
        let tried = |is: fn(u64) -> bool| self.points.iter().any(|point| is(point.0));
        let inside = (3..=5).contains(&self.summit());
        let asked = tried(|l| l < 3) && tried(|l| (3..=5).contains(&l)) && tried(|l| l > 5);
        Holds::of(asked && inside, asked && !inside)
    }
}

fn findings(cases: &[ScenarioResult]) -> Vec<Finding> {
    // OI knows no profile.
    let Some(first) = cases.first() else { return Vec::new() };
    let here = cases.iter().filter(|case| case.profile == first.profile);
    let groups = groups(here, |case| (&case.model, &case.scenario));
    let of = "pairs of model and scenario";
    let mut findings = Vec::new();
    for (part, what) in [(PartKind::Scenario, "OI of the scenario"), (PartKind::Decode, "OI of decoding")] {
        let series: Vec<OiByDepth> = groups.iter().filter_map(|group| OiByDepth::of(group, part)).collect();
        let summits: Vec<String> = series.iter().map(|c| format!("at {} layers in", c.summit())).collect();
        let evidence = format!("highest {}", tallied(summits.iter().map(String::as_str)));
        findings.extend(Tally::of(series.iter().map(OiByDepth::peaks_early)).every(
            format!("{what} peaks at 3 to 5 layers"),
            of,
            evidence,
        ));
        let of_layers = range(series.iter().flat_map(|c| c.points.iter().map(|point| point.0 as f64)));
        // Two depths have nothing between them.
        if series.iter().all(|one| one.points.len() > 2) {
            findings.extend(Tally::of(series.iter().map(OiByDepth::one_way)).every(
                format!("{what} has no peak between the ends: it rises or falls all the way"),
                of,
                format!("from {} layers", of_layers.replace('…', "to")),
            ));
        }
        let flat = |one: &OiByDepth| {
            let spread = one.spread_percent();
            Holds::of(spread < FLAT_PERCENT, spread >= FLAT_PERCENT)
        };
        findings.extend(Tally::of(series.iter().map(flat)).every(
            format!("{what} is flat in depth (within {FLAT_PERCENT} %)"),
            of,
            spread(&series),
        ));
    }
    findings
}

fn spread(series: &[OiByDepth]) -> String {
    let widest = series.iter().max_by(|a, b| a.spread_percent().total_cmp(&b.spread_percent()));
    let all = range(series.iter().map(OiByDepth::spread_percent));
    widest.map_or(String::new(), |widest| {
        format!("it changes by {all} %, most for {} in {}", widest.case.model, widest.case.scenario)
    })
}
