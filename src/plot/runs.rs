//! Measured runs under the roofs: a cross each, in the model's colour, with a bar from the slowest repetition to the fastest.

use super::chart::{Chart, RunPoint};
use super::frame::Frame;
use super::geometry::{Quad, Spot};
use super::label::{Canvas, place};
use super::shape::{Shape, TEXT, TextAnchor};
use super::text;

/// Half of a cross, pixels.
const ARM: f64 = 5.0;
/// More runs than this have no labels: their titles have to do.
const LABELLED: usize = 6;

/// The mark of a run, and what it covers.
pub(super) fn mark(run: &RunPoint, chart: &Chart, frame: &Frame) -> (Shape, Quad) {
    let at = frame.spot(run.intensity, run.performance);
    let switch = format!("model{}", run.model);
    let class = format!("run {switch}");
    let mut shapes = cross(at, &class);
    if let Some(ends) = run.range {
        let [low, high] = ends.map(|end| frame.spot(run.intensity, end));
        shapes.push(Shape::path([low, high], class.as_str()));
        shapes.extend([low, high].map(|end| cap(end, &class)));
    }
    (Shape::item(words(run, chart), &switch, shapes), Quad::upright(at.x - ARM, at.y - ARM, 2.0 * ARM, 2.0 * ARM))
}

/// The mark as the legend has it.
pub(super) fn sample(at: Spot) -> Shape {
    let mut shapes = cross(at, "run key");
    let ends = [-9.0, 9.0].map(|up| Spot { y: at.y + up, ..at });
    shapes.push(Shape::path(ends, "run key"));
    Shape::Group { title: String::new(), switch: None, shapes }
}

fn cross(at: Spot, class: &str) -> Vec<Shape> {
    let arm = |slant: f64| {
        let end = |far: f64| Spot { x: at.x + far, y: at.y + far * slant };
        Shape::path([end(-ARM), end(ARM)], class)
    };
    vec![arm(1.0), arm(-1.0)]
}

fn cap(at: Spot, class: &str) -> Shape {
    Shape::path([Spot { x: at.x - 3.0, ..at }, Spot { x: at.x + 3.0, ..at }], class)
}

/// The labels of a few runs, where there is room for them.
pub(super) fn labels(runs: &[RunPoint], frame: &Frame, canvas: &mut Canvas) -> Vec<Shape> {
    let few = runs.iter().filter(|_| runs.len() <= LABELLED);
    few.filter_map(|run| label(run, frame.spot(run.intensity, run.performance), canvas)).collect()
}

fn label(run: &RunPoint, at: Spot, canvas: &mut Canvas) -> Option<Shape> {
    const GAP: f64 = ARM + 4.0;
    let standing = run.standing.map_or_else(String::new, |standing| format!(", {standing}"));
    let words = format!("measured {} {}{standing}", run.weights, text::digits(run.tokens_per_s));
    let width = text::width(&words, TEXT);
    let places = [
        (GAP, 4.0, TextAnchor::Start, 0.0),
        (-GAP, 4.0, TextAnchor::End, 0.1),
        (GAP, 18.0, TextAnchor::Start, 0.2),
        (-GAP, 18.0, TextAnchor::End, 0.3),
        (GAP, -10.0, TextAnchor::Start, 0.4),
        (-GAP, -10.0, TextAnchor::End, 0.5),
    ];
    let places =
        places.map(|(x, y, anchor, cost)| place(Spot { x: at.x + x, y: at.y + y }, anchor, 0.0, width, TEXT, cost));
    let found = canvas.place(places)?;
    let switch = format!("model{}", run.model);
    let shown = Shape::text(found.at, found.anchor, &format!("label halo {switch}"), words);
    Some(Shape::part(&switch, shown))
}

/// A run in words.
fn words(run: &RunPoint, chart: &Chart) -> String {
    let model = chart.models.get(run.model).map_or("", String::as_str);
    let per_token = run.tokens_per_s / run.performance;
    let range = run.range.map(|ends| ends.map(|end| text::digits(end * per_token)));
    let range = range.map_or_else(String::new, |[low, high]| format!(" ({low} … {high})"));
    let standing = run.standing.map_or_else(String::new, |standing| format!("; {standing}"));
    format!(
        "measured: {model} {}, {}: {} tokens/s{range}, {} FLOP/byte, {} GFLOP/s{standing}",
        run.weights,
        run.phase,
        text::digits(run.tokens_per_s),
        text::digits(run.intensity),
        text::digits(run.performance),
    )
}
