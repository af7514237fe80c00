//! What colours, shapes and strokes stand for: items in rows, only of what the picture has.

use super::chart::{Chart, Trust};
use super::frame::Frame;
use super::geometry::{Quad, Spot};
use super::shape::{Shape, TEXT, TextAnchor};
use super::{panel, runs, text};
use crate::model::Phase;

const ROW: f64 = 21.0;
/// From one item to the next.
const APART: f64 = 22.0;
/// Of a sample of what is explained.
const SAMPLE: f64 = 26.0;
/// A model's name longer than this is cut.
const NAME_MAX: f64 = 280.0;

/// An item: a sample drawn around a spot, and words.
struct Item {
    sample: Option<Box<dyn Fn(Spot) -> Shape>>,
    words: String,
}

impl Item {
    fn new(sample: impl Fn(Spot) -> Shape + 'static, words: impl Into<String>) -> Item {
        Item { sample: Some(Box::new(sample)), words: words.into() }
    }

    fn width(&self) -> f64 {
        self.sample.as_ref().map_or(0.0, |_| SAMPLE) + text::width(&self.words, TEXT)
    }
}

/// The legend from `origin` on, within `width`, and its height.
pub(super) fn legend(chart: &Chart, origin: Spot, width: f64) -> (Vec<Shape>, f64) {
    let mut shapes = Vec::new();
    let mut rows = 0;
    for group in [models(chart), kinds(chart)] {
        let mut x = 0.0;
        rows += usize::from(!group.is_empty());
        for item in group {
            if x > 0.0 && x + item.width() > width {
                (x, rows) = (0.0, rows + 1);
            }
            let at = Spot { x: origin.x + x, y: origin.y + ROW * rows as f64 };
            shapes.extend(item.sample.as_ref().map(|sample| sample(Spot { x: at.x + 9.0, y: at.y - 4.0 })));
            let begin = item.sample.as_ref().map_or(0.0, |_| SAMPLE);
            x += item.width() + APART;
            for (further, line) in text::wrapped(&item.words, TEXT, width - begin).into_iter().enumerate() {
                rows += usize::from(further > 0);
                let y = origin.y + ROW * rows as f64;
                shapes.push(Shape::text(Spot { x: at.x + begin, y }, TextAnchor::Start, "muted", line));
            }
        }
    }
    (shapes, ROW * rows as f64 + 8.0)
}

/// The models, their phases, and how they are used.
fn models(chart: &Chart) -> Vec<Item> {
    let mark = |phase: Phase, class: String, radius: f64| {
        move |at: Spot| Shape::Marker { at, phase, radius, class: class.clone() }
    };
    let mut items: Vec<Item> = Vec::new();
    for (model, name) in chart.models.iter().enumerate() {
        let sample = mark(Phase::Decode, format!("marker model{model}"), panel::radius(model, chart.models.len()));
        items.push(Item::new(sample, text::fit(name, TEXT, NAME_MAX)));
    }
    for key in &chart.phases {
        items.push(Item::new(mark(key.phase, "marker key".to_owned(), 5.5), key.name.clone()));
    }
    items.extend(chart.workload.as_ref().map(|words| Item { sample: None, words: words.clone() }));
    items
}

/// Strokes and areas.
fn kinds(chart: &Chart) -> Vec<Item> {
    let stroke = |class: &'static str| {
        move |at: Spot| Shape::path([Spot { x: at.x - 9.0, ..at }, Spot { x: at.x + 11.0, ..at }], class)
    };
    let block =
        |class: &'static str| move |at: Spot| Shape::area(Quad::upright(at.x - 9.0, at.y - 6.0, 20.0, 12.0).0, class);
    let has = |trust: Trust| chart.panels.iter().flat_map(|panel| &panel.lines).any(|line| line.trust == trust);
    let points = || chart.panels.iter().flat_map(|panel| &panel.points);
    let mut items = vec![Item::new(
        stroke("roof"),
        match chart.panels.iter().any(|panel| panel.roof.is_some()) {
            _ if !chart.models.is_empty() => "the models' roof",
            true => "main memory, and the highest peak",
            false => "main memory",
        },
    )];
    if points().next().is_some() {
        items.push(Item::new(block("region model0"), "inference potential: from a point to its roof, up to the ridge"));
    }
    // Bands depend on the scale alone, not on where the panel is.
    let frame = Frame {
        left: 0.0,
        top: 0.0,
        width: 400.0,
        height: 350.0,
        intensity: chart.intensity,
        performance: chart.performance,
    };
    if chart.panels.iter().any(|one| panel::has_bands(one, &frame)) {
        items.push(Item::new(block("band"), "95 % interval"));
    }
    if has(Trust::Suspect) {
        items.push(Item::new(stroke("line suspect"), "suspect"));
    }
    if has(Trust::Quoted) {
        items.push(Item::new(stroke("line quoted"), "quoted"));
    }
    if chart.panels.iter().any(|panel| !panel.runs.is_empty()) {
        items.push(Item::new(runs::sample, "measured run, from its slowest repetition to its fastest"));
    }
    if points().any(|point| point.too_large) {
        let hollow = |at: Spot| Shape::Marker { at, phase: Phase::Decode, radius: 5.0, class: "hollow key".to_owned() };
        items.push(Item::new(hollow, "does not fit in memory"));
    }
    items
}
