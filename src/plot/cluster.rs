//! Labels of points: what a phase's models reach, near to their marks. Marks that crowd share one label with a row for
//! each, in the models' colours; a label that had to go farther away has a line to its marks.

use super::chart::PhasePoint;
use super::geometry::{Quad, Spot};
use super::label::{Canvas, Place};
use super::shape::{Shape, TEXT, TextAnchor};
use super::text;

/// Marks of one phase nearer than this belong together.
const NEAR: f64 = 56.0;
const ROW: f64 = 14.0;
/// Around a label, to the next one.
const PADDING: f64 = 3.0;
/// How far from its marks a label may be, pixels.
const DISTANCES: [f64; 6] = [4.0, 16.0, 30.0, 46.0, 64.0, 84.0];

/// Points of one phase that lie together.
pub(super) struct Cluster<'a> {
    points: Vec<&'a PhasePoint>,
    /// Where the first one lies.
    first: Spot,
    /// Left, top, right, bottom of all marks.
    bounds: [f64; 4],
}

impl<'a> Cluster<'a> {
    /// The clusters of some points with the places and radii of their marks, in order of first appearance.
    pub(super) fn of(marks: impl IntoIterator<Item = (&'a PhasePoint, Spot, f64)>) -> Vec<Cluster<'a>> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for (point, at, radius) in marks {
            let reach = radius * 1.3;
            let [left, top, right, bottom] = [at.x - reach, at.y - reach, at.x + reach, at.y + reach];
            let together = |cluster: &&mut Cluster| {
                let same_phase = cluster.points.iter().all(|other| other.phase == point.phase);
                same_phase && (cluster.first.x - at.x).hypot(cluster.first.y - at.y) < NEAR
            };
            match clusters.iter_mut().find(together) {
                Some(cluster) => {
                    let [l, t, r, b] = cluster.bounds;
                    cluster.bounds = [l.min(left), t.min(top), r.max(right), b.max(bottom)];
                    cluster.points.push(point);
                }
                None => clusters.push(Cluster { points: vec![point], first: at, bounds: [left, top, right, bottom] }),
            }
        }
        clusters
    }

    /// The rows of the label, with their classes: a model's row has its colour.
    fn rows(&self) -> Vec<(String, String)> {
        let speed = |point: &PhasePoint| text::digits(point.tokens_per_s);
        let colour = |point: &PhasePoint| format!("model{}", point.model);
        match self.points.as_slice() {
            [one] => vec![(colour(one), format!("{} {} tok/s", one.phase.name(), speed(one)))],
            many => {
                let head = many.first().map(|first| ("muted".to_owned(), format!("{}, tok/s", first.phase.name())));
                head.into_iter().chain(many.iter().map(|point| (colour(point), speed(point)))).collect()
            }
        }
    }

    /// The label, where there is room for it; elsewhere the marks' own titles have to do.
    pub(super) fn label(&self, canvas: &mut Canvas) -> Vec<Shape> {
        let rows = self.rows();
        let width = rows.iter().map(|(_, words)| text::width(words, TEXT)).fold(0.0, f64::max);
        let height = ROW * rows.len() as f64;
        let places = DISTANCES.into_iter().flat_map(|distance| self.around(distance, width, height));
        let Some(Place { at, anchor, leader, .. }) = canvas.place(places) else { return Vec::new() };
        let mut shapes: Vec<Shape> = leader.map(|ends| Shape::path(ends, "leader")).into_iter().collect();
        shapes.extend(rows.into_iter().enumerate().map(|(row, (class, words))| {
            let baseline = Spot { x: at.x, y: at.y + ROW * row as f64 + 11.0 };
            let row = Shape::text(baseline, anchor, &format!("label halo {class}"), words);
            // The head of several goes with the first of them.
            let switch = if class == "muted" { format!("model{}", self.points[0].model) } else { class };
            Shape::part(&switch, row)
        }));
        shapes
    }

    /// Places at that distance all around, the ones that people expect first.
    fn around(&self, distance: f64, width: f64, height: f64) -> [Place; 8] {
        let [left, top, right, bottom] = self.bounds;
        let (slant, middle) = (distance * 0.7, Spot { x: (left + right) / 2.0, y: (top + bottom) / 2.0 });
        let (x, y) = (middle.x - width / 2.0, middle.y - height / 2.0);
        [
            (right + distance, y, TextAnchor::Start, 0.0),
            (right + slant, bottom + slant, TextAnchor::Start, 0.02),
            (x, bottom + distance, TextAnchor::Middle, 0.04),
            (x, top - distance - height, TextAnchor::Middle, 0.12),
            (left - slant - width, bottom + slant, TextAnchor::End, 0.16),
            (left - distance - width, y, TextAnchor::End, 0.2),
            (left - slant - width, top - slant - height, TextAnchor::End, 0.24),
            (right + slant, top - slant - height, TextAnchor::Start, 0.24),
        ]
        .map(|(x, y, anchor, dislike)| Place {
            at: Spot { x: x + width * anchor.share(), y },
            anchor,
            angle: 0.0,
            quad: Quad::upright(x - PADDING, y, width + 2.0 * PADDING, height + PADDING),
            leader: (distance > DISTANCES[0]).then(|| {
                let near = |low: f64, high: f64, value: f64| value.clamp(low, high);
                let end = Spot { x: near(x, x + width, middle.x), y: near(y, y + height, middle.y) };
                [end, Spot { x: near(left, right, end.x), y: near(top, bottom, end.y) }]
            }),
            cost: dislike + distance / 70.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Phase;

    fn point(model: usize, phase: Phase) -> PhasePoint {
        let (intensity, performance, tokens_per_s) = (1.0, 1.0, 63.0);
        PhasePoint {
            model,
            phase,
            intensity,
            performance,
            tokens_per_s,
            tokens_per_s_interval: Some([60.0, 65.0]),
            too_large: false,
        }
    }

    #[test]
    fn only_marks_of_one_phase_that_crowd_share_a_label() {
        let points =
            [point(0, Phase::Decode), point(1, Phase::Decode), point(2, Phase::Decode), point(0, Phase::Prefill)];
        let places = [10.0, 20.0, 200.0, 12.0].map(|x| Spot { x, y: 50.0 });
        let clusters = Cluster::of(points.iter().zip(places).map(|(point, at)| (point, at, 5.0)));
        let sizes: Vec<usize> = clusters.iter().map(|cluster| cluster.points.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert_eq!(clusters[0].rows().len(), 3);
        assert_eq!(clusters[2].rows(), [("model0".to_owned(), "prefill 63.0 tok/s".to_owned())]);
    }

    #[test]
    fn a_label_that_goes_far_is_tied_to_its_mark() {
        let one = point(0, Phase::Decode);
        let [cluster] = Cluster::of([(&one, Spot { x: 150.0, y: 150.0 }, 5.0)]).try_into().ok().unwrap();
        let mut canvas = Canvas::new(Quad::upright(0.0, 0.0, 300.0, 300.0));
        assert_eq!(cluster.label(&mut canvas).len(), 1);
        // All around is taken, but for the mark itself.
        let mut canvas = Canvas::new(Quad::upright(0.0, 0.0, 400.0, 400.0));
        canvas.take(Quad::upright(0.0, 162.0, 400.0, 10.0));
        canvas.take(Quad::upright(160.0, 120.0, 10.0, 60.0));
        canvas.take(Quad::upright(130.0, 120.0, 10.0, 60.0));
        canvas.take(Quad::upright(120.0, 105.0, 18.0, 30.0));
        canvas.take(Quad::upright(162.0, 105.0, 18.0, 30.0));
        let shapes = cluster.label(&mut canvas);
        assert!(matches!(&shapes[0], Shape::Path { class, .. } if class == "leader"), "{shapes:?}");
    }
}
