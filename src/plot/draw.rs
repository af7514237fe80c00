//! A chart as shapes on a page: panels side by side, on shared axes, over one legend.

use super::chart::{Chart, Panel};
use super::frame::Frame;
use super::geometry::{Quad, Spot};
use super::shape::{Drawing, Shape, TEXT, TextAnchor};
use super::{legend, panel, text};

/// Size of titles, pixels.
const TITLE: f64 = 15.0;
/// Between panels side by side.
const GAP: f64 = 30.0;
/// Below the panels of a column: labels of ticks.
const TICK_LABELS: f64 = 22.0;
/// Below all panels: the axis' title.
const AXIS_TITLE: f64 = 20.0;
/// Of the lines above a panel.
const LINE: f64 = 18.0;

/// How wide the page is that a picture is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// A screen or a sheet of paper.
    #[default]
    Wide,
    /// A phone.
    Narrow,
}

impl Page {
    /// Between the page's edge and what is on it.
    pub(super) const fn margin(self) -> f64 {
        match self {
            Page::Wide => 18.0,
            Page::Narrow => 8.0,
        }
    }

    /// Left of the panels: the axis' title and the labels of its ticks.
    pub(super) const fn left(self) -> f64 {
        match self {
            Page::Wide => 64.0,
            Page::Narrow => 54.0,
        }
    }

    /// Where the title of the upright axis stands.
    pub(super) const fn title(self) -> f64 {
        self.left() - if matches!(self, Page::Narrow) { 41.0 } else { 47.0 }
    }
}

/// The grid of panels.
struct Grid {
    page: Page,
    columns: usize,
    rows: usize,
    width: f64,
    height: f64,
    header: f64,
}

impl Grid {
    fn of(chart: &Chart, page: Page) -> Grid {
        let panels = chart.panels.len();
        let (columns, width, height) = match (page, panels) {
            (Page::Narrow, _) => (1, 304.0, 330.0),
            (Page::Wide, 0 | 1) => (1, 800.0, 480.0),
            (Page::Wide, 2..=4) => (2, 470.0, 350.0),
            (Page::Wide, _) => (3, 420.0, 320.0),
        };
        let warned = chart.panels.iter().any(|panel| panel.warning.is_some());
        let header = LINE * if warned { 3.0 } else { 2.0 } + 6.0;
        Grid { page, columns, rows: panels.div_ceil(columns), width, height, header }
    }

    fn frame(&self, index: usize, chart: &Chart) -> Frame {
        let (column, row) = (index % self.columns, index / self.columns);
        Frame {
            left: self.page.left() + column as f64 * (self.width + GAP),
            top: self.page.margin() + self.header + row as f64 * (self.height + self.header + TICK_LABELS),
            width: self.width,
            height: self.height,
            intensity: chart.intensity,
            performance: chart.performance,
        }
    }
}

impl Drawing {
    /// The picture of a chart.
    pub fn of(chart: &Chart, page: Page) -> Drawing {
        let grid = Grid::of(chart, page);
        let (left, margin) = (page.left(), page.margin());
        let inner = grid.columns as f64 * (grid.width + GAP) - GAP;
        let width = left + inner + margin;
        let bottom = margin + grid.rows as f64 * (grid.height + grid.header + TICK_LABELS);
        let (legend, legend_height) = legend::legend(chart, Spot { x: left, y: bottom + AXIS_TITLE + 14.0 }, inner);
        let height = bottom + AXIS_TITLE + legend_height + margin + 10.0;

        let mut shapes = vec![Shape::area(Quad::upright(0.0, 0.0, width, height).0, "page")];
        for (index, panel) in chart.panels.iter().enumerate() {
            let frame = grid.frame(index, chart);
            shapes.extend(header(panel, &frame, grid.header));
            let leftmost = index % grid.columns == 0;
            let lowest = index + grid.columns >= chart.panels.len();
            shapes.extend(axes(&frame, leftmost, lowest));
            shapes.extend(panel::panel(panel, chart, &frame));
        }
        shapes.extend(axis_titles(&grid, inner, bottom));
        shapes.extend(legend);
        let devices: Vec<&str> = chart.panels.iter().map(|panel| panel.title.as_str()).collect();
        Drawing {
            width,
            height,
            title: format!("Roofline of {}", devices.join("; ")),
            description: description(chart),
            models: chart.models.len(),
            shapes,
        }
    }
}

fn description(chart: &Chart) -> String {
    let models = match chart.models.as_slice() {
        [] => String::new(),
        models => format!("; as points what is predicted of {}", models.join(", ")),
    };
    format!(
        "Performance in GFLOP/s over operational intensity in FLOP/byte: memory bandwidths and compute peaks{models}"
    )
}

fn header(panel: &Panel, frame: &Frame, height: f64) -> Vec<Shape> {
    let line = |number: f64, size: f64, class: &str, words: &str| {
        let at = Spot { x: frame.left, y: frame.top - height + LINE * number - 2.0 };
        let shown = Shape::text(at, TextAnchor::Start, class, text::fit(words, size, frame.width));
        Shape::Group { title: words.to_owned(), switch: None, shapes: vec![shown] }
    };
    // Bold type is wider.
    let mut lines = vec![line(1.0, TITLE * 1.08, "title", &panel.title), line(2.0, TEXT, "muted", &panel.facts)];
    lines.extend(panel.warning.as_ref().map(|warning| line(3.0, TEXT, "alarm", warning)));
    lines
}

/// Grid, frame, ticks; labels of ticks only where no other panel on the same axis has them.
fn axes(frame: &Frame, leftmost: bool, lowest: bool) -> Vec<Shape> {
    const MINOR: f64 = 4.0;
    let (right, bottom) = (frame.left + frame.width, frame.top + frame.height);
    let mut shapes = Vec::new();
    let mut labels = Vec::new();
    for tick in frame.intensity.ticks(frame.width) {
        let x = frame.left + frame.width * frame.intensity.share(tick.value);
        let (top, class) = if tick.label.is_some() { (frame.top, "grid") } else { (bottom - MINOR, "tick") };
        shapes.push(Shape::path([Spot { x, y: bottom }, Spot { x, y: top }], class));
        let (at, label) = (Spot { x, y: bottom + 16.0 }, tick.label.filter(|_| lowest));
        labels.extend(label.map(|label| Shape::text(at, TextAnchor::Middle, "muted", label)));
    }
    for tick in frame.performance.ticks(frame.height) {
        let y = bottom - frame.height * frame.performance.share(tick.value);
        let (end, class) = if tick.label.is_some() { (right, "grid") } else { (frame.left + MINOR, "tick") };
        shapes.push(Shape::path([Spot { x: frame.left, y }, Spot { x: end, y }], class));
        let (at, label) = (Spot { x: frame.left - 7.0, y: y + 4.0 }, tick.label.filter(|_| leftmost));
        labels.extend(label.map(|label| Shape::text(at, TextAnchor::End, "muted", label)));
    }
    shapes.push(Shape::area(frame.quad().0, "frame"));
    shapes.extend(labels);
    shapes
}

fn axis_titles(grid: &Grid, inner: f64, bottom: f64) -> [Shape; 2] {
    let below = Spot { x: grid.page.left() + inner / 2.0, y: bottom + 13.0 };
    let margin = grid.page.margin();
    let middle = margin + grid.header + (bottom - margin - grid.header - TICK_LABELS) / 2.0;
    let upwards = Shape::Text {
        at: Spot { x: grid.page.title(), y: middle },
        anchor: TextAnchor::Middle,
        angle: -std::f64::consts::FRAC_PI_2,
        class: "ink".to_owned(),
        words: "Performance, GFLOP/s".to_owned(),
    };
    [Shape::text(below, TextAnchor::Middle, "ink", "Operational intensity, FLOP/byte"), upwards]
}
