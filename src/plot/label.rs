//! Where labels go: of many places for each, the first that is free of other labels and marks, and crosses no line if
//! that can be had.

use super::geometry::{Quad, Spot};
use super::shape::TextAnchor;

/// A place for a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Where its baseline begins, or ends.
    pub(super) at: Spot,
    /// Which of both.
    pub(super) anchor: TextAnchor,
    /// The baseline's direction, radians, downwards positive.
    pub(super) angle: f64,
    /// What the text covers.
    pub(super) quad: Quad,
    /// From the text to what it is about, where that is not next to it.
    pub(super) leader: Option<[Spot; 2]>,
    /// How much worse than the best one it is by itself; crossing one line costs 1.
    pub(super) cost: f64,
}

/// What a panel holds already.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    frame: Quad,
    taken: Vec<Quad>,
    segments: Vec<[Spot; 2]>,
    leaders: Vec<[Spot; 2]>,
}

impl Canvas {
    /// An empty panel; labels stay within `frame`.
    pub(super) fn new(frame: Quad) -> Canvas {
        Canvas { frame, taken: Vec::new(), segments: Vec::new(), leaders: Vec::new() }
    }

    /// What nothing may cover.
    pub(super) fn take(&mut self, quad: Quad) {
        self.taken.push(quad);
    }

    /// What labels should not lie on.
    pub(super) fn avoid(&mut self, segment: [Spot; 2]) {
        self.segments.push(segment);
    }

    /// Takes the best of `places`; none where all are taken.
    pub(super) fn place(&mut self, places: impl IntoIterator<Item = Place>) -> Option<Place> {
        let mut best: Option<Place> = None;
        for place in places {
            let hit =
                |quad: &Quad| quad.overlaps(&place.quad) || place.leader.is_some_and(|leader| quad.crossed_by(leader));
            let tied = self.leaders.iter().any(|&leader| place.quad.crossed_by(leader));
            if tied || !place.quad.inside(&self.frame) || self.taken.iter().any(hit) {
                continue;
            }
            let crossings = self.segments.iter().filter(|&&segment| place.quad.crossed_by(segment)).count();
            let cost = place.cost + crossings as f64;
            if best.is_none_or(|best| cost < best.cost) {
                best = Some(Place { cost, ..place });
            }
        }
        let best = best?;
        self.take(best.quad);
        self.leaders.extend(best.leader);
        Some(best)
    }
}

/// A text of that width at `at`.
pub(super) fn place(at: Spot, anchor: TextAnchor, angle: f64, width: f64, size: f64, cost: f64) -> Place {
    let quad = Quad::text(at.moved(angle, -width * anchor.share(), 0.0), angle, width, size);
    Place { at, anchor, angle, quad, leader: None, cost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upright(x: f64, y: f64, cost: f64) -> Place {
        place(Spot { x, y }, TextAnchor::Start, 0.0, 40.0, 12.0, cost)
    }

    #[test]
    fn the_cheapest_free_place_wins() {
        let mut canvas = Canvas::new(Quad::upright(0.0, 0.0, 200.0, 100.0));
        canvas.avoid([Spot { x: 0.0, y: 20.0 }, Spot { x: 200.0, y: 20.0 }]);
        // On the line costs more than a bit farther away.
        let places = || [upright(10.0, 22.0, 0.0), upright(10.0, 50.0, 0.5), upright(100.0, 50.0, 0.6)];
        let first = canvas.place(places()).unwrap();
        assert_eq!(first.at.y, 50.0);
        let second = canvas.place(places()).unwrap();
        assert_eq!(second.at.x, 100.0);
        assert_eq!(canvas.place(places()).unwrap().at.y, 22.0);
        assert_eq!(canvas.place(places()), None);
        // What would stick out is no place.
        assert_eq!(canvas.place([upright(180.0, 90.0, 0.0)]), None);
    }

    #[test]
    fn anchors_cover_the_same_text() {
        let start = place(Spot { x: 10.0, y: 50.0 }, TextAnchor::Start, -0.5, 40.0, 12.0, 0.0);
        let end = place(Spot { x: 10.0, y: 50.0 }.moved(-0.5, 40.0, 0.0), TextAnchor::End, -0.5, 40.0, 12.0, 0.0);
        for (a, b) in start.quad.0.iter().zip(end.quad.0) {
            assert!((a.x - b.x).abs() < 1e-9 && (a.y - b.y).abs() < 1e-9);
        }
    }
}
