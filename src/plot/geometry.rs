//! Points and quadrilaterals on the page, in pixels, y downwards.

/// A place on the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

impl Spot {
    /// The spot at `along` pixels in the direction of `angle` (radians, downwards positive), and `across` to its right.
    pub fn moved(self, angle: f64, along: f64, across: f64) -> Spot {
        let (sin, cos) = angle.sin_cos();
        Spot { x: self.x + along * cos - across * sin, y: self.y + along * sin + across * cos }
    }
}

/// A convex quadrilateral, corner by corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quad(pub [Spot; 4]);

impl Quad {
    /// An upright rectangle.
    pub fn upright(left: f64, top: f64, width: f64, height: f64) -> Quad {
        let corner = |x: f64, y: f64| Spot { x: left + x * width, y: top + y * height };
        Quad([corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)])
    }

    /// What a text covers that begins at `start` on its baseline and runs along `angle`.
    pub fn text(start: Spot, angle: f64, width: f64, size: f64) -> Quad {
        const ASCENT: f64 = 0.78;
        const DESCENT: f64 = 0.24;
        let corner = |along: f64, across: f64| start.moved(angle, along, across * size);
        Quad([corner(0.0, -ASCENT), corner(width, -ASCENT), corner(width, DESCENT), corner(0.0, DESCENT)])
    }

    /// Whether the two share an area.
    pub fn overlaps(&self, other: &Quad) -> bool {
        meet(&self.0, &other.0)
    }

    /// Whether the segment passes through it.
    pub fn crossed_by(&self, segment: [Spot; 2]) -> bool {
        meet(&self.0, &segment)
    }

    /// Whether it lies within the upright rectangle `frame`.
    pub fn inside(&self, frame: &Quad) -> bool {
        let [low, _, high, _] = frame.0;
        self.0.iter().all(|spot| spot.x >= low.x && spot.x <= high.x && spot.y >= low.y && spot.y <= high.y)
    }
}

/// Whether two convex shapes meet: none of their edges is a line that has them on different sides.
fn meet(a: &[Spot], b: &[Spot]) -> bool {
    let edges = |shape: &[Spot]| -> Vec<Spot> {
        let next = |i: usize| shape[(i + 1) % shape.len()];
        (0..shape.len()).map(|i| Spot { x: shape[i].y - next(i).y, y: next(i).x - shape[i].x }).collect()
    };
    let extent = |shape: &[Spot], normal: Spot| {
        let heights = shape.iter().map(|spot| spot.x * normal.x + spot.y * normal.y);
        heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), h| (low.min(h), high.max(h)))
    };
    let apart = |normal: Spot| {
        let ((a_low, a_high), (b_low, b_high)) = (extent(a, normal), extent(b, normal));
        a_high <= b_low || b_high <= a_low
    };
    !edges(a).into_iter().chain(edges(b)).any(apart)
}

/// The part of a convex polygon that lies within the upright rectangle `frame` (Sutherland and Hodgman).
pub(super) fn clipped(polygon: &[Spot], frame: &Quad) -> Vec<Spot> {
    let [low, _, high, _] = frame.0;
    // How far a spot lies inside of each side.
    let sides: [&dyn Fn(Spot) -> f64; 4] = [&|s| s.x - low.x, &|s| high.x - s.x, &|s| s.y - low.y, &|s| high.y - s.y];
    sides.into_iter().fold(polygon.to_vec(), |shape, depth| {
        let mut kept = Vec::new();
        for (i, &here) in shape.iter().enumerate() {
            let next = shape[(i + 1) % shape.len()];
            let (a, b) = (depth(here), depth(next));
            if a >= 0.0 {
                kept.push(here);
            }
            if (a > 0.0 && b < 0.0) || (a < 0.0 && b > 0.0) {
                let t = a / (a - b);
                kept.push(Spot { x: here.x + t * (next.x - here.x), y: here.y + t * (next.y - here.y) });
            }
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(x: f64, y: f64) -> Spot {
        Spot { x, y }
    }

    #[test]
    fn turned_quads_meet_where_their_boxes_do_not_tell() {
        let flat = Quad::upright(0.0, 0.0, 100.0, 10.0);
        assert!(flat.overlaps(&Quad::upright(99.0, 9.0, 10.0, 10.0)));
        assert!(!flat.overlaps(&Quad::upright(100.0, 0.0, 10.0, 10.0)));
        // Two parallel slanted strips whose upright boxes overlap.
        let angle = -0.7;
        let first = Quad::text(spot(0.0, 100.0), angle, 80.0, 12.0);
        let beside = Quad::text(spot(0.0, 100.0).moved(angle, 0.0, 14.0), angle, 80.0, 12.0);
        assert!(!first.overlaps(&beside));
        assert!(first.overlaps(&Quad::text(spot(0.0, 100.0).moved(angle, 40.0, 4.0), angle, 80.0, 12.0)));
        assert!(
            first.crossed_by([spot(0.0, 100.0).moved(angle, 40.0, 40.0), spot(0.0, 100.0).moved(angle, 40.0, -40.0)])
        );
        assert!(!first.crossed_by([spot(0.0, 100.0).moved(angle, 0.0, 5.0), spot(0.0, 100.0).moved(angle, 90.0, 5.0)]));
    }

    #[test]
    fn clipping_keeps_what_is_inside() {
        let frame = Quad::upright(0.0, 0.0, 10.0, 10.0);
        let whole = [spot(1.0, 1.0), spot(5.0, 1.0), spot(5.0, 5.0)];
        assert_eq!(clipped(&whole, &frame), whole);
        let half = clipped(&[spot(-10.0, 2.0), spot(20.0, 2.0), spot(20.0, 4.0), spot(-10.0, 4.0)], &frame);
        let area = |p: &[Spot]| -> f64 {
            (0..p.len()).map(|i| p[i].x * p[(i + 1) % p.len()].y - p[(i + 1) % p.len()].x * p[i].y).sum::<f64>().abs()
                / 2.0
        };
        assert!((area(&half) - 20.0).abs() < 1e-9, "{half:?}");
        assert!(clipped(&[spot(20.0, 20.0), spot(30.0, 20.0), spot(30.0, 30.0)], &frame).is_empty());
    }
}
