//! The pictures of `plot` in the page: a wide and a narrow one of the roofline, one for each quantity of curves, and switches.

use super::said::said;
use super::{Content, Device};
use crate::error::Result;
use crate::plot::{self, Chart, CurveChart, Drawing, Page, Subject};
use crate::report::unique;
use crate::roofline::Resource;
use maud::{Markup, PreEscaped, html};

/// The rooflines of all devices, on the same axes.
pub(super) fn roofline(content: &Content) -> Result<Markup> {
    let subjects: Vec<Subject> = content.devices.iter().map(subject).collect();
    let chart = Chart::of(&subjects)?;
    let lines = |of: Resource| {
        let lines = chart.panels.iter().flat_map(|panel| &panel.lines).filter(move |line| line.resource == of);
        unique(lines.map(|line| (line.id.clone(), line.name.clone())))
    };
    let models = chart.models.iter().enumerate().map(|(at, name)| (format!("model{at}"), name.clone())).collect();
    Ok(html! {
        p class="lead" {
            "Slopes are bandwidths of memory, horizontals peaks of arithmetic. A model's point left of the ridge is bound by memory, "
            "right of it by arithmetic. Point at a line or a mark, or walk with the arrow keys, to see its numbers."
        }
        figure {
            div class="switches" hidden {
                (switches("Memory", &lines(Resource::Memory)))
                (switches("Arithmetic", &lines(Resource::Compute)))
                (switches("Models", &models))
            }
            div class="wide" { (picture(&Drawing::of(&chart, Page::Wide))) }
            div class="narrow" { (picture(&Drawing::of(&chart, Page::Narrow))) }
        }
    })
}

fn subject<'r>(device: &Device<'r>) -> Subject<'r> {
    let Device { name, profile, evaluations, runs, .. } = *device;
    Subject { name, profile, evaluations, runs }
}

/// How rates and latencies change; none where no profile has curves.
pub(super) fn curves(content: &Content) -> Result<Option<Markup>> {
    let profiles: Vec<_> = content.devices.iter().map(|device| (device.name, device.profile)).collect();
    // Without any curve there is no section.
    let Ok(all) = CurveChart::of(&profiles) else { return Ok(None) };
    Ok(Some(html! {
        p class="lead" { "Shaded is the 95\u{a0}% interval. Both axes are logarithmic but for small counts, which stand side by side. A hollow \
            point failed a check." }
        div class="curves" {
            @for chart in all.apart() {
                figure {
                    @for panel in &chart.panels {
                        @if panel.series.len() > 1 {
                            div class="switches" hidden { (switches(&panel.title, &unique(
                                panel.series.iter().map(|series| (series.id.clone(), series.name.clone()))
                            ))) }
                        }
                    }
                    (picture(&Drawing::of_curves(&chart, Page::Narrow)))
                }
            }
        }
    }))
}

fn picture(drawing: &Drawing) -> Markup {
    // Its texts are escaped there, and a test parses it.
    PreEscaped(plot::embedded(drawing))
}

/// A box to tick for each of what a picture shows. They need the script, which shows them.
fn switches(title: &str, named: &Vec<(String, String)>) -> Markup {
    html! {
        @if !named.is_empty() {
            div class="group" role="group" aria-label=(said(title)) {
                span class="name" aria-hidden="true" { (said(title)) }
                @for (key, name) in named { label { input type="checkbox" checked value=(said(key)); " " (said(name)) } }
            }
        }
    }
}
