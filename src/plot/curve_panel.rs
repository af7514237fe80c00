//! A chart of curves as shapes on a page: panels in rows, each curve with its interval, its points and its name.

use super::curves::{Across, CurveChart, CurvePanel, CurvePoint, Series};
use super::draw::Page;
use super::geometry::{Quad, Spot};
use super::scale::Scale;
use super::shape::{Drawing, Shape, TEXT, TextAnchor};
use super::text;
use super::theme::MODELS_MAX;
use crate::model::Phase;

/// Above a panel: its title and facts.
const HEADER: f64 = 40.0;
/// Below a panel: labels of ticks and the axis' title.
const BELOW: f64 = 44.0;
/// Right of a panel: the names of its curves.
const NAMES: f64 = 92.0;
/// From one panel to the next.
const GAP: f64 = 26.0;
/// A name to the next one.
const ROW: f64 = 14.0;
const DOT: f64 = 2.2;

/// The grid of panels.
struct Grid {
    page: Page,
    columns: usize,
    width: f64,
    height: f64,
}

impl Grid {
    fn of(chart: &CurveChart, page: Page) -> Grid {
        let columns = match (page, chart.devices, chart.panels.len()) {
            (Page::Narrow, ..) | (_, _, 0 | 1) => 1,
            (_, 1, _) => 2,
            (_, devices, _) => devices.min(4),
        };
        let (width, height) = match (page, columns) {
            (Page::Narrow, _) => (228.0, 210.0),
            (_, 1) => (640.0, 380.0),
            (_, 2) => (380.0, 260.0),
            _ => (300.0, 220.0),
        };
        Grid { page, columns, width, height }
    }

    fn cell(&self) -> [f64; 2] {
        [self.page.left() + self.width + NAMES + GAP, HEADER + self.height + BELOW]
    }

    fn area<'c>(&self, index: usize, panel: &'c CurvePanel) -> Area<'c> {
        let [width, height] = self.cell();
        let (column, row) = (index % self.columns, index / self.columns);
        let left = self.page.left() + column as f64 * width;
        let top = self.page.margin() + HEADER + row as f64 * height;
        let title = left - self.page.left() + self.page.title();
        Area { title, frame: [left, top, self.width, self.height], across: &panel.across, upwards: panel.upwards }
    }
}

/// Where a panel's axes run.
struct Area<'c> {
    /// Where the title of the upright axis stands.
    title: f64,
    frame: [f64; 4],
    across: &'c Across,
    upwards: Scale,
}

impl Area<'_> {
    fn x(&self, place: u64) -> f64 {
        self.frame[0] + self.frame[2] * self.across.share(place)
    }

    fn spot(&self, place: u64, value: f64) -> Spot {
        Spot { x: self.x(place), y: self.frame[1] + self.frame[3] * (1.0 - self.upwards.share(value)) }
    }
}

impl Drawing {
    /// The picture of curves.
    pub fn of_curves(chart: &CurveChart, page: Page) -> Drawing {
        let grid = Grid::of(chart, page);
        let [cell_width, cell_height] = grid.cell();
        let rows = chart.panels.len().div_ceil(grid.columns);
        let width = grid.columns as f64 * cell_width - GAP + page.margin();
        let height = 2.0 * page.margin() + rows as f64 * cell_height;
        let mut shapes = vec![Shape::area(Quad::upright(0.0, 0.0, width, height).0, "page")];
        for (index, panel) in chart.panels.iter().enumerate() {
            shapes.extend(self::panel(panel, &grid.area(index, panel)));
        }
        let titles: Vec<&str> = chart.panels.iter().map(|panel| panel.title.as_str()).collect();
        let devices = chart.panels.iter().take(chart.devices).map(|panel| panel.facts.as_str());
        Drawing {
            width,
            height,
            title: match titles.as_slice() {
                [one] => (*one).to_owned(),
                _ => format!("Curves of {}", devices.collect::<Vec<_>>().join("; ")),
            },
            description: format!("Logarithmic axes, with 95 % intervals: {}", description(&chart.panels)),
            models: MODELS_MAX,
            shapes,
        }
    }
}

/// What each curve comes to, from its first place to its last.
fn description(panels: &[CurvePanel]) -> String {
    let ends = |panel: &CurvePanel, series: &Series| {
        let words = |point: &CurvePoint| {
            format!("{} {} at {}", text::digits(point.value), panel.unit, panel.across.words(point.place))
        };
        let ends: Vec<String> =
            [series.points.first(), series.points.last()].into_iter().flatten().map(words).collect();
        format!("{} {}", series.name, ends.join(" … "))
    };
    let all = panels.iter().flat_map(|panel| panel.series.iter().map(move |series| ends(panel, series)));
    all.collect::<Vec<_>>().join("; ")
}

fn panel(panel: &CurvePanel, area: &Area) -> Vec<Shape> {
    let [left, top, width, height] = area.frame;
    let room = width + NAMES;
    let line = |y: f64, size: f64, class: &str, words: &str| {
        let shown = Shape::text(Spot { x: left, y }, TextAnchor::Start, class, text::fit(words, size, room));
        Shape::Group { title: words.to_owned(), switch: None, shapes: vec![shown] }
    };
    let mut shapes = vec![line(top - 24.0, 16.2, "title", &panel.title)];
    shapes.extend((!panel.facts.is_empty()).then(|| line(top - 8.0, TEXT, "muted", &panel.facts)));
    shapes.extend(axes(panel, area));
    if panel.series.is_empty() {
        let middle = Spot { x: left + width / 2.0, y: top + height / 2.0 };
        shapes.push(Shape::text(middle, TextAnchor::Middle, "muted", "not measured"));
    }
    for (number, series) in panel.series.iter().enumerate() {
        shapes.extend(curve(panel, series, number % MODELS_MAX, area));
    }
    shapes.extend(names(panel, area));
    shapes
}

fn axes(panel: &CurvePanel, area: &Area) -> Vec<Shape> {
    let [left, top, width, height] = area.frame;
    let bottom = top + height;
    let (mut shapes, mut labels) = (Vec::new(), Vec::new());
    for tick in area.across.ticks(width) {
        let x = area.x(tick.value as u64);
        let end = if tick.label.is_some() { top } else { bottom - 4.0 };
        shapes.push(Shape::path([Spot { x, y: bottom }, Spot { x, y: end }], "grid"));
        let at = Spot { x, y: bottom + 16.0 };
        labels.extend(tick.label.map(|label| Shape::text(at, TextAnchor::Middle, "muted", label)));
    }
    for tick in area.upwards.round_ticks(height) {
        let y = area.frame[1] + height * (1.0 - area.upwards.share(tick.value));
        shapes.push(Shape::path([Spot { x: left, y }, Spot { x: left + width, y }], "grid"));
        let at = Spot { x: left - 7.0, y: y + 4.0 };
        labels.extend(tick.label.map(|label| Shape::text(at, TextAnchor::End, "muted", label)));
    }
    shapes.push(Shape::area(Quad::upright(left, top, width, height).0, "frame"));
    shapes.extend(labels);
    let below = Spot { x: left + width / 2.0, y: bottom + 32.0 };
    shapes.push(Shape::text(below, TextAnchor::Middle, "ink", panel.across_title));
    shapes.push(Shape::Text {
        at: Spot { x: area.title, y: top + height / 2.0 },
        anchor: TextAnchor::Middle,
        angle: -std::f64::consts::FRAC_PI_2,
        class: "ink".to_owned(),
        words: panel.upwards_title.clone(),
    });
    shapes
}

/// The interval, the line, and a dot for each point.
fn curve(panel: &CurvePanel, series: &Series, colour: usize, area: &Area) -> Vec<Shape> {
    let points = &series.points;
    let known: Vec<(u64, [f64; 2])> = points.iter().filter_map(|point| Some((point.place, point.interval?))).collect();
    let low = known.iter().rev().map(|(place, [low, _])| area.spot(*place, *low));
    let band: Vec<Spot> = known.iter().map(|(place, [_, high])| area.spot(*place, *high)).chain(low).collect();
    let band = (known.len() > 1).then(|| Shape::area(band, format!("spread model{colour}")));
    let spots: Vec<Spot> = points.iter().map(|point| area.spot(point.place, point.value)).collect();
    let quiet = if points.iter().all(|point| point.suspect) { " suspect" } else { "" };
    let line = Shape::path(spots.as_slice(), format!("series model{colour}{quiet}"));
    let mut shapes: Vec<Shape> = band.into_iter().chain([line]).map(|shape| Shape::part(&series.id, shape)).collect();
    shapes.extend(points.iter().zip(spots).map(|(point, at)| {
        let fill = if point.suspect { "hollow" } else { "marker" };
        let class = format!("{fill} model{colour}");
        let radius = if point.suspect { DOT * 1.5 } else { DOT };
        let dot = Shape::Marker { at, phase: Phase::Decode, radius, class };
        Shape::item(words(panel, series, point), &series.id, vec![dot])
    }));
    shapes
}

/// A point in words.
fn words(panel: &CurvePanel, series: &Series, point: &CurvePoint) -> String {
    let interval = point.interval.map(|ends| ends.map(text::digits));
    let interval = interval.map_or_else(String::new, |[low, high]| format!(" ({low} … {high})"));
    let suspect = if point.suspect { "; suspect" } else { "" };
    format!(
        "{}, {} {}: {} {}{interval}{suspect}",
        series.name,
        panel.across_title.to_lowercase(),
        panel.across.words(point.place),
        text::digits(point.value),
        panel.unit
    )
}

/// The names of the curves right of their ends, one below another.
fn names(panel: &CurvePanel, area: &Area) -> Vec<Shape> {
    let [left, top, width, height] = area.frame;
    let end = left + width;
    let last = |series: &Series| series.points.last().map(|point| area.spot(point.place, point.value));
    let mut ends: Vec<(usize, &Series, Spot)> =
        panel.series.iter().enumerate().filter_map(|(number, series)| Some((number, series, last(series)?))).collect();
    ends.sort_by(|a, b| a.2.y.total_cmp(&b.2.y));
    let mut places: Vec<f64> = Vec::new();
    for (_, _, at) in &ends {
        places.push(places.last().map_or(at.y, |above| at.y.max(above + ROW)));
    }
    // What was pushed down too far goes up again.
    let mut lowest = top + height;
    for place in places.iter_mut().rev() {
        *place = place.min(lowest);
        lowest = *place - ROW;
    }
    let mut shapes = Vec::new();
    for ((number, series, at), y) in ends.into_iter().zip(places) {
        let colour = format!("model{}", number % MODELS_MAX);
        let leader = [Spot { x: at.x + 4.0, y: at.y }, Spot { x: end + 5.0, y }];
        shapes.push(Shape::part(&series.id, Shape::path(leader, "leader")));
        let words = text::fit(&series.name, TEXT, NAMES - 10.0);
        let begin = Spot { x: end + 8.0, y: y + 4.0 };
        shapes.push(Shape::part(&series.id, Shape::text(begin, TextAnchor::Start, &format!("label {colour}"), words)));
    }
    shapes
}
