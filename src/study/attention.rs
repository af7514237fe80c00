//! Models that attend in different ways.

use super::finding::{Finding, Holds, Tally, above, range, short};
use super::{AttentionKind, Engine, NamedProfile, ScenarioResult, Setting, Study, groups};
use crate::error::Result;
use crate::evaluate::RoofKind;
use crate::model::{Mixer, Model, Runtime, Workload};
use std::borrow::Cow;

/// The models that the paper compares, cut to about one and a half billion parameters: names and layers.
pub const PAPER_MODELS: [(&str, u64); 3] = [("smollm2-1.7b", 21), ("qwen2.5-1.5b", 28), ("plm-1.8b", 26)];

/// Every model, those with latent attention in the way of each runtime: the order of OI and of speed.
///
/// # Errors
/// As [`evaluate`](crate::evaluate::evaluate).
pub fn attention(models: &[Model], profiles: &[NamedProfile], setting: &Setting) -> Result<Study> {
    let study = Study::of("attention", models, profiles, setting, |model| {
        let done = |runtime| (Cow::Borrowed(model), Workload { runtime, ..setting.query.workload });
        Ok(runtimes(model, setting).into_iter().map(done).collect())
    })?;
    let findings = findings(&study.cases, setting);
    Ok(study.with(findings))
}

/// The runtime asked for, and behind it the others where they differ.
fn runtimes(model: &Model, setting: &Setting) -> Vec<Runtime> {
    let asked = setting.query.workload.runtime;
    let mut runtimes = vec![asked];
    let latent = model.shape.layers.iter().any(|layer| matches!(layer.mixer, Mixer::Latent(_)));
    if latent && setting.engine == Engine::Definition {
        runtimes.extend(Runtime::ALL.into_iter().filter(|runtime| *runtime != asked));
    }
    runtimes
}

/// The order that the paper states.
const ORDER: [AttentionKind; 3] = [AttentionKind::Latent, AttentionKind::MultiHead, AttentionKind::GroupedQuery];

/// A quantity of a case, with its interval.
type Quantity<'a> = &'a dyn Fn(&ScenarioResult) -> [f64; 2];

fn findings(cases: &[ScenarioResult], setting: &Setting) -> Vec<Finding> {
    let roof = setting.roof();
    let asked = cases.iter().filter(|case| case.runtime == setting.query.workload.runtime);
    let of = "pairs of profile and scenario";
    let oi = |case: &ScenarioResult| [case.whole().oi; 2];
    let flops = |case: &ScenarioResult| case.whole().under(roof).gflop_per_s_interval;
    let tokens = |case: &ScenarioResult| case.whole().under(roof).tokens_per_s_interval;
    let quantities: [(&str, Quantity); 3] = [("OI", &oi), ("FLOP/s", &flops), ("tokens/s", &tokens)];
    let groups = groups(asked, |case| (&case.profile, &case.scenario));
    let mut findings = Vec::new();
    for (what, quantity) in quantities {
        let tally = Tally::of(groups.iter().filter_map(|group| in_order(group, quantity)));
        findings.extend(tally.every(format!("MLA > MHA > GQA in {what}"), of, by_kind(&groups, what, roof)));
    }
    findings.extend(carries_over(&groups, &flops, roof));
    findings.extend(runtime_matters(cases));
    findings
}

/// Whether each kind lies above the next; none where one of them is not there.
fn in_order(group: &[&ScenarioResult], quantity: Quantity) -> Option<Holds> {
    let of = |kind: AttentionKind| -> Vec<&ScenarioResult> {
        group.iter().filter(|case| case.attention == kind).copied().collect()
    };
    let kinds = ORDER.map(of);
    if kinds.iter().any(Vec::is_empty) {
        return None;
    }
    let each = kinds
        .windows(2)
        .flat_map(|pair| pair[0].iter().flat_map(|a| pair[1].iter().map(|b| above(quantity(a), quantity(b)))));
    Some(Tally::of(each).of_all())
}

fn by_kind(groups: &[Vec<&ScenarioResult>], what: &str, roof: RoofKind) -> String {
    let value = |case: &ScenarioResult| match what {
        "OI" => case.whole().oi,
        "FLOP/s" => case.whole().under(roof).gflop_per_s,
        _ => case.whole().under(roof).tokens_per_s,
    };
    let each = |group: &Vec<&ScenarioResult>| {
        let of = |kind: AttentionKind| {
            let all = group.iter().filter(|case| case.attention == kind);
            format!("{} {}", kind.name(), range(all.map(|case| value(case))))
        };
        let place = group.first().map_or(String::new(), |case| format!("{} on {}", case.scenario, case.profile));
        format!("{place}: {}", ORDER.map(of).join(", "))
    };
    // OI is the same on every profile.
    let profile = groups.first().and_then(|group| group.first()).map(|case| case.profile.clone());
    let here =
        groups.iter().filter(|group| what != "OI" || group.first().map(|case| &case.profile) == profile.as_ref());
    let unit = match what {
        "OI" => "FLOP/B".to_owned(),
        "FLOP/s" => format!("GFLOP/s, {} roof", roof.name()),
        _ => format!("tokens/s end to end, {} roof", roof.name()),
    };
    format!("{unit}: {}", here.map(each).collect::<Vec<_>>().join("; "))
}

/// Whether MLA has the highest rate of FLOPs on every profile.
fn carries_over(groups: &[Vec<&ScenarioResult>], flops: Quantity, roof: RoofKind) -> Option<Finding> {
    let verdicts: Vec<(&str, Holds)> = groups
        .iter()
        .filter_map(|group| Some((group.first()?.profile.as_str(), leads(group, AttentionKind::Latent, flops)?)))
        .collect();
    let mut profiles: Vec<&str> = verdicts.iter().map(|(profile, _)| *profile).collect();
    profiles.dedup();
    if profiles.len() < 2 {
        return None;
    }
    let each = profiles.iter().map(|profile| {
        let tally = Tally::of(verdicts.iter().filter(|(name, _)| name == profile).map(|(_, holds)| *holds));
        format!("{} of {} scenarios on {profile}", tally.yes, tally.yes + tally.no + tally.open)
    });
    let evidence = format!("first in {}, {} roof", each.collect::<Vec<_>>().join(", "), roof.name());
    let all = Tally::of(verdicts.iter().map(|(_, holds)| *holds));
    all.every("MLA has the highest FLOP/s on every profile", "pairs of profile and scenario", evidence)
}

/// Whether a kind lies above all others; none where it, or all others, are not there.
fn leads(group: &[&ScenarioResult], kind: AttentionKind, quantity: Quantity) -> Option<Holds> {
    let (of_it, others): (Vec<&ScenarioResult>, Vec<&ScenarioResult>) =
        group.iter().partition(|case| case.attention == kind);
    let each = of_it.iter().flat_map(|a| others.iter().map(|b| above(quantity(a), quantity(b))));
    let tally = Tally::of(each);
    (tally != Tally::default()).then(|| tally.of_all())
}

/// What a runtime's way of latent attention changes; on one profile, as neither OI nor the cache knows it.
fn runtime_matters(cases: &[ScenarioResult]) -> Option<Finding> {
    let profile = &cases.first()?.profile;
    let latent = cases.iter().filter(|case| case.profile == *profile && case.attention == AttentionKind::Latent);
    let (mut verdicts, mut words) = (Vec::new(), Vec::new());
    for group in groups(latent, |case| (&case.model, &case.scenario)).iter().filter(|group| group.len() > 1) {
        let differ = group.iter().any(|case| case.whole().oi != group[0].whole().oi);
        verdicts.push(Holds::of(differ, !differ));
        let each = |of: &dyn Fn(&ScenarioResult) -> String| {
            group.iter().map(|case| format!("{} {}", case.runtime, of(case))).collect::<Vec<_>>().join(", ")
        };
        // A model's cache is the same in all scenarios.
        if !words.iter().any(|(model, _): &(&str, String)| *model == group[0].model) {
            let kept = each(&|case| case.kv_elements_per_token.to_string());
            words.push((&group[0].model, format!("{} caches elements per token: {kept}", group[0].model)));
        }
        let oi = each(&|case| short(case.whole().oi));
        words.push((&group[0].model, format!("{} FLOP/B: {oi}", group[0].scenario)));
    }
    let evidence = words.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join("; ");
    Tally::of(verdicts).every("the runtime changes the OI of MLA", "pairs of model and scenario", evidence)
}
