//! One device: its ceilings, the models' points, the room between, and a label for each.

use super::chart::{Chart, Line, Panel, PhasePoint, Trust};
use super::cluster::Cluster;
use super::frame::Frame;
use super::geometry::{Quad, Spot, clipped};
use super::label::{Canvas, Place, place};
use super::shape::{Shape, TEXT, TextAnchor};
use super::{runs, text};
use crate::roofline::Resource;

/// A band thinner than this, in pixels, is hidden by its line.
const BAND_MIN: f64 = 3.0;

/// The shapes of a panel within its frame.
pub(super) fn panel(panel: &Panel, chart: &Chart, frame: &Frame) -> Vec<Shape> {
    let roof = Roofline { panel, frame };
    let mut canvas = Canvas::new(frame.quad());
    let mut shapes: Vec<Shape> = panel.lines.iter().filter_map(|line| roof.band(line)).collect();
    shapes.extend(panel.points.iter().flat_map(|point| roof.region(point)));
    for line in &panel.lines {
        shapes.push(roof.line(line));
        roof.ends(line)
            .into_iter()
            .for_each(|[from, to]| canvas.avoid([frame.spot(from.0, from.1), frame.spot(to.0, to.1)]));
    }
    // What coincides is nested: the first model's mark is the largest and lies lowest.
    let mut marks = Vec::new();
    for point in &panel.points {
        let (at, radius) = (frame.spot(point.intensity, point.performance), radius(point.model, chart.models.len()));
        canvas.take(Quad::upright(at.x - radius, at.y - radius, 2.0 * radius, 2.0 * radius));
        marks.push((point, at, radius));
        shapes.push(marker(point, chart, at));
    }
    for run in &panel.runs {
        let (shape, taken) = runs::mark(run, chart, frame);
        canvas.take(taken);
        shapes.push(shape);
    }
    let clusters = Cluster::of(marks);
    // A point's label must be near it; a line's may be anywhere along it, and comes later.
    shapes.extend(clusters.iter().flat_map(|cluster| cluster.label(&mut canvas)));
    shapes.extend(runs::labels(&panel.runs, frame, &mut canvas));
    shapes.extend(panel.lines.iter().filter_map(|line| Some(Shape::part(&line.id, roof.label(line, &mut canvas)?))));
    shapes
}

/// The ceilings of a panel, each from where to where it runs.
pub(super) fn segments<'p>(panel: &'p Panel, frame: &Frame) -> Vec<(&'p Line, Ends)> {
    let roof = Roofline { panel, frame };
    panel.lines.iter().filter_map(|line| Some((line, roof.ends(line)?))).collect()
}

/// The radius of a model's marks, one of so many.
pub(super) fn radius(model: usize, models: usize) -> f64 {
    let largest: f64 = if models > 1 { 8.0 } else { 6.0 };
    (largest * 0.8_f64.powf(model as f64)).max(3.6)
}

/// Whether any ceiling's interval is wide enough to be seen.
pub(super) fn has_bands(panel: &Panel, frame: &Frame) -> bool {
    panel.lines.iter().any(|line| Roofline { panel, frame }.band(line).is_some())
}

fn trust_class(trust: Trust) -> &'static str {
    match trust {
        Trust::Measured => "",
        Trust::Suspect => " suspect",
        Trust::Quoted => " quoted",
    }
}

/// Two places in FLOP/byte and GFLOP/s.
pub(super) type Ends = [(f64, f64); 2];

struct Roofline<'a> {
    panel: &'a Panel,
    frame: &'a Frame,
}

impl Roofline<'_> {
    fn highest(&self, resource: Resource) -> Option<f64> {
        self.panel.lines.iter().filter(|line| line.resource == resource).map(|line| line.value).reduce(f64::max)
    }

    /// Where a ceiling of that value runs: slopes up to the highest compute peak, peaks from the fastest slope on.
    fn ends_at(&self, line: &Line, value: f64) -> Option<Ends> {
        let (x, y) = (self.frame.intensity, self.frame.performance);
        let (from, to) = match line.resource {
            Resource::Memory => {
                let top = self.highest(Resource::Compute).map_or(y.high, |peak| peak.min(y.high));
                (x.low.max(y.low / value), x.high.min(top / value))
            }
            Resource::Compute => {
                let begin = self.highest(Resource::Memory).map_or(x.low, |fastest| value / fastest);
                (x.low.max(begin), x.high)
            }
        };
        (from < to).then(|| [from, to].map(|intensity| (intensity, line.at(value, intensity))))
    }

    fn ends(&self, line: &Line) -> Option<Ends> {
        self.ends_at(line, line.value)
    }

    /// The part of a line that is the roof, and the part that is not: below the ridge main memory, beyond it the peak.
    fn parts(&self, line: &Line) -> Option<(Option<Ends>, Option<Ends>)> {
        let [from, to] = self.ends(line)?;
        let whole = (None, Some([from, to]));
        let bandwidth = self.panel.bandwidth;
        let value = match line.resource {
            Resource::Memory => Some(bandwidth),
            Resource::Compute => self.panel.roof,
        };
        if value.is_none_or(|value| (line.value / value - 1.0).abs() > 1e-9) {
            return Some(whole);
        }
        let Some(roof) = self.panel.roof else { return Some((Some([from, to]), None)) };
        let ridge = (roof / bandwidth).clamp(from.0, to.0);
        let knee = (ridge, line.at(line.value, ridge));
        let some = |ends: Ends| (ends[0].0 < ends[1].0).then_some(ends);
        Some(match line.resource {
            Resource::Memory => (some([from, knee]), some([knee, to])),
            Resource::Compute => (some([knee, to]), some([from, knee])),
        })
    }

    fn line(&self, line: &Line) -> Shape {
        let (roof, rest) = self.parts(line).unwrap_or_default();
        let path = |class: &str, [from, to]: Ends| {
            let spots = [self.frame.spot(from.0, from.1), self.frame.spot(to.0, to.1)];
            Shape::path(spots, format!("{class}{}", trust_class(line.trust)))
        };
        let shapes = rest.map(|ends| path("line", ends)).into_iter().chain(roof.map(|ends| path("roof", ends)));
        Shape::item(words(line), &line.id, shapes.collect())
    }

    /// The 95 % interval, where it is wide enough to be seen.
    fn band(&self, line: &Line) -> Option<Shape> {
        let [low, high] = line.interval?;
        let ([low_from, low_to], [high_from, high_to]) = (self.ends_at(line, low)?, self.ends_at(line, high)?);
        let height = self.frame.spot(1.0, low).y - self.frame.spot(1.0, high).y;
        if height < BAND_MIN {
            return None;
        }
        // A slope that enters from below does so at another intensity: begun farther out, clipping cuts both alike.
        let spots = match line.resource {
            Resource::Memory => {
                let begin = low_from.0.min(high_from.0);
                [(begin, high * begin), high_to, low_to, (begin, low * begin)]
            }
            Resource::Compute => [high_from, high_to, low_to, low_from],
        };
        let spots = spots.map(|(intensity, performance)| self.frame.spot(intensity, performance));
        Some(Shape::part(&line.id, Shape::area(clipped(&spots, &self.frame.quad()), "band")))
    }

    /// The inference-potential region: right of the point and above it, under the roof, up to the ridge. Where compute
    /// binds it is a segment; above the roof there is only what the roof rises over the point.
    fn region(&self, point: &PhasePoint) -> Option<Shape> {
        let (roof, bandwidth) = (self.panel.roof?, self.panel.bandwidth);
        let (ridge, x, y) = (roof / bandwidth, point.intensity, point.performance);
        if y >= roof {
            return None;
        }
        let spot = |intensity: f64, performance: f64| self.frame.spot(intensity, performance);
        let switch = format!("model{}", point.model);
        if x >= ridge {
            let reach = Shape::path([spot(x, y), spot(x, roof)], format!("reach {switch}"));
            return Some(Shape::part(&switch, reach));
        }
        let first = x.max(y / bandwidth);
        let corners = [spot(first, y), spot(first, first * bandwidth), spot(ridge, roof), spot(ridge, y)];
        let area = Shape::area(clipped(&corners, &self.frame.quad()), format!("region {switch}"));
        Some(Shape::part(&switch, area))
    }

    /// A ceiling's label, on its line: slopes are labelled where they begin, peaks where they end.
    fn label(&self, line: &Line, canvas: &mut Canvas) -> Option<Shape> {
        const STEP: f64 = 8.0;
        const INSET: f64 = 6.0;
        let words = line.label();
        let width = text::width(&words, TEXT);
        let [from, to] = self.ends(line)?;
        let (from, to) = (self.frame.spot(from.0, from.1), self.frame.spot(to.0, to.1));
        let length = (to.x - from.x).hypot(to.y - from.y);
        let (angle, anchor, origin, direction) = match line.resource {
            Resource::Memory => (self.frame.slope(), TextAnchor::Start, from, 1.0),
            Resource::Compute => (0.0, TextAnchor::End, to, -1.0),
        };
        // At least a quarter of it is on the line; all of it, where the line is long enough.
        let steps = ((length - width / 4.0 - INSET) / STEP).max(0.0) as usize;
        let places = (0..=steps).flat_map(|step| {
            let along = INSET + step as f64 * STEP;
            let beyond = if along + width > length { 0.7 } else { 0.0 };
            // Above the line, or below it, near enough that no other line fits between.
            [(-3.8, 0.0), (11.2, 0.45)].map(|(across, cost)| {
                let at = origin.moved(angle, along * direction, across);
                place(at, anchor, angle, width, TEXT, cost + beyond + along / 260.0)
            })
        });
        let Place { at, anchor, angle, .. } = canvas.place(places)?;
        Some(Shape::Text { at, anchor, angle, class: "label halo ink".to_owned(), words })
    }
}

/// A ceiling in words.
fn words(line: &Line) -> String {
    let unit = match line.resource {
        Resource::Memory => "GB/s",
        Resource::Compute => "GFLOP/s",
    };
    let mut words = format!("{}: {} {unit}", line.id, text::digits(line.value));
    if let Some([low, high]) = line.interval {
        words.push_str(&format!(", 95 % interval {} … {}", text::digits(low), text::digits(high)));
    }
    match line.trust {
        Trust::Measured => {}
        Trust::Suspect => words.push_str("; suspect"),
        Trust::Quoted => words.push_str("; quoted"),
    }
    if let Some(reason) = &line.reason {
        words.push_str(&format!(": {reason}"));
    }
    words
}

fn marker(point: &PhasePoint, chart: &Chart, at: Spot) -> Shape {
    let model = chart.models.get(point.model).map_or("", String::as_str);
    let phase = chart.phases.iter().find(|key| key.phase == point.phase).map_or("", |key| key.name.as_str());
    let interval = point.tokens_per_s_interval.map(|ends| ends.map(text::digits));
    let interval = interval.map_or(String::new(), |[low, high]| format!(" ({low} … {high})"));
    let title = format!(
        "{model}, {phase}: {} tokens/s{interval}, {} FLOP/byte, {} GFLOP/s{}",
        text::digits(point.tokens_per_s),
        text::digits(point.intensity),
        text::digits(point.performance),
        if point.too_large { "; does not fit in memory" } else { "" }
    );
    let fill = if point.too_large { "hollow" } else { "marker" };
    let class = format!("{fill} model{}", point.model);
    let shape = Shape::Marker { at, phase: point.phase, radius: radius(point.model, chart.models.len()), class };
    Shape::item(title, &format!("model{}", point.model), vec![shape])
}
