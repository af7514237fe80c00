//! The verdict: what each device is, what it reaches, and how far that can be trusted.

use super::said::said;
use super::{Content, Device};
use crate::plot;
use crate::profile::{Ceiling, CeilingId, GpuClass, Grade, Means, Profile, Status};
use crate::report::{digits, evaluation, profile as words};
use maud::{Markup, html};
use roofprobe_kernels::{Dtype, Op};

/// A card for each device.
pub(super) fn cards(content: &Content) -> Markup {
    html! {
        div class="cards" {
            @for (at, device) in content.devices.iter().enumerate() { (card(content, at, device)) }
        }
    }
}

fn card(content: &Content, at: usize, device: &Device) -> Markup {
    let profile = device.profile;
    let doubts = words::folded(profile, false);
    html! {
        article class="card" {
            div class="who" {
                (badge(profile))
                div {
                    h3 { (said(&plot::short(&profile.device.name))) }
                    p class="quiet" { (said(&plot::short(device.name))) }
                }
            }
            p class="reliance" { (reliance(profile)) }
            @for line in words::trust(profile) { p { (said(&line)) } }
            dl class="tiles" {
                @for (what, unit, ceiling) in figures(profile) { div {
                    dt { (what) }
                    dd {
                        b { (digits(ceiling.value().map_or(0.0, |(value, _)| value), 3)) } " " (unit)
                        span class="quiet" { (range(ceiling)) }
                    }
                } }
            }
            (answers(content, at))
            @if !doubts.is_empty() {
                details { summary { "What was not simply measured" } ul class="notes" { @for line in &doubts { li { (said(line)) } } } }
            }
        }
    }
}

/// The grade as a letter, or a word for none.
fn badge(profile: &Profile) -> Markup {
    let grade = profile.environment.as_ref().and_then(|environment| environment.grade);
    let class = match grade {
        Some(Grade::A | Grade::B) => "good",
        Some(Grade::C | Grade::D) => "fair",
        Some(Grade::E | Grade::F) => "bad",
        None => "none",
    };
    html! {
        p class={ "badge " (class) } {
            @match grade {
                Some(grade) => { span class="unseen" { "Grade " } b { (grade) } }
                None if profile.is_quoted() => { b { "quoted" } }
                None => { b { "no grade" } }
            }
        }
    }
}

/// How far to rely on a profile, in a sentence.
fn reliance(profile: &Profile) -> &'static str {
    let grade = profile.environment.as_ref().and_then(|environment| environment.grade);
    let software = profile.device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software);
    match grade {
        _ if profile.is_quoted() => "Copied from a source, not measured: as good as that.",
        _ if profile.provenance.simulated.is_some() => "A simulation: nothing was measured.",
        _ if software => "A software adapter: these are no ceilings of a GPU.",
        _ if words::is_doubtful(profile) => "Do not rely on these numbers: too many failed a check.",
        Some(Grade::A | Grade::B) => "These numbers can be relied on.",
        Some(Grade::C | Grade::D) => {
            "Good for an overview: differences of some per cent may come from the circumstances."
        }
        Some(Grade::E | Grade::F) => "Do not rely on these numbers: the circumstances were bad.",
        None => "How far to rely on these numbers is not known.",
    }
}

/// The figures that most readers ask for.
fn figures(profile: &Profile) -> Vec<(&'static str, &'static str, &Ceiling)> {
    let kind = profile.device.kind;
    let asked = [
        ("Memory, read", "GB/s", CeilingId::memory(kind.main_memory(), Op::Read)),
        ("Memory, write", "GB/s", CeilingId::memory(kind.main_memory(), Op::Write)),
        ("f32 peak", "GFLOP/s", CeilingId::compute(Dtype::F32, Means::Best)),
        ("bf16 peak", "GFLOP/s", CeilingId::compute(Dtype::Bf16, Means::Best)),
        ("f16 matrices", "GFLOP/s", CeilingId::compute(Dtype::F16, Means::CooperativeMatrix)),
        ("i8 peak", "GFLOP/s", CeilingId::compute(Dtype::I8, Means::Best)),
    ];
    let found = asked.into_iter().filter_map(|(what, unit, id)| Some((what, unit, profile.ceiling(&id)?)));
    found.filter(|(.., ceiling)| ceiling.value().is_some()).collect()
}

/// The interval of a figure, or why there is none.
fn range(ceiling: &Ceiling) -> String {
    let doubt = if ceiling.status == Status::Measured { String::new() } else { format!(" {}", ceiling.status.name()) };
    let ends = ceiling.ci95.map(|ends| ends.map(|end| digits(end, 3)));
    ends.map_or(doubt.clone(), |[low, high]| format!(" {low} – {high}{doubt}"))
}

/// A sentence for each model.
fn answers(content: &Content, at: usize) -> Markup {
    let mut seen: Vec<&str> = Vec::new();
    let of_device = content.predictions.iter().filter(|one| one.device == at && one.outcome.is_ok());
    let first: Vec<_> = of_device
        .filter(|one| {
            let new = !seen.contains(&one.model.as_str());
            seen.push(&one.model);
            new
        })
        .collect();
    html! {
        @if !first.is_empty() { ul class="answers" { @for one in first { @if let Ok(answer) = &one.outcome { li {
            b { (said(&one.model)) } " in " (said(&one.weights)) ": " (said(&evaluation::speed(answer)))
            @if answer.fits == Some(false) { "; does not fit in memory" }
        } } } } }
    }
}
