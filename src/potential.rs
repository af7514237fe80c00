//! Relative Inference Potential: how far a workload stands from the best point of its roofline.
//!
//! The idea is section 3.3 of arXiv 2602.11506 ("RooflineBench"): the goal is the ridge point (OI_r, π) and Φ is the
//! distance to it, measured along both axes while memory binds and along the rate alone once compute binds. The paper
//! states no unit, and the printed formula's value depends on it; so Φ is given three ways: as printed, with its unit in
//! the name ([`Potential::phi_paper`]), free of units ([`Potential::phi`]), and in octaves ([`Potential::phi_log2`]).
//! The paper's shaded region has no formula there; ours is [`Potential::region_area`].
//!
//! A point above the roof is kept and flagged, never clamped: it says that the roof, or the count, is wrong. Points of
//! different regimes, or of different devices, are not comparable.

use crate::roofline::{Resource, Ridge};
use crate::units::{FlopsPerByte, FlopsPerSecond};
use libm::{hypot, log2};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// A point this near to its roof, as a share of the rate, is at the roof: the same sums, taken in another order, differ by
/// as much. A rate is a sum of at most some 10⁵ terms, each rounded to 2⁻⁵³, so that the sums differ by less than 10⁻¹⁰.
const ROUNDING: f64 = 1e-9;

/// A workload as a point under a roofline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// OI = W/Q.
    pub intensity: FlopsPerByte,
    /// Perf = W/T.
    pub rate: FlopsPerSecond,
}

/// Where a point stands. All logarithms are to base 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Potential {
    /// `√((1−o)² + (1−p)²)` while memory binds, else `1−p`, with `o = OI/OI_r`, `p = Perf/π`; 0 at the goal.
    pub phi: f64,
    /// The same distance in octaves: `√(log²o + log²p)`, else `−log p`.
    pub phi_log2: f64,
    /// As printed: `√((OI_r−OI)² + (π−Perf)²)`, else `π−Perf`, in FLOP/byte and GFLOP/s.
    pub phi_paper: f64,
    /// Octaves from the point up to the roof, `log(roof(OI)/Perf)`: how much faster at this intensity. Negative above it.
    pub headroom_log2: f64,
    /// Octaves from the point to the ridge, `log(OI_r/OI)`: how much more reuse before compute binds; 0 beyond it.
    pub reach_log2: f64,
    /// The region right of and above the point, under the roof, up to the ridge: `h·d + d²/2` square octaves for
    /// headroom h and reach d; where compute binds it shrinks to a segment of `h` octaves. Empty regions measure 0.
    pub region_area: f64,
    /// The side of the ridge: memory where OI < OI_r.
    #[serde(serialize_with = "regime")]
    #[schemars(with = "String")]
    pub regime: Resource,
    /// Whether the point lies above the roof of the arithmetic whose ridge it is.
    pub above_roof: bool,
}

impl Potential {
    /// Where `point` stands under the roofline of `ridge`. Rates and intensities are positive.
    pub fn of(point: Point, ridge: Ridge) -> Potential {
        let goal = ridge.intensity();
        let roof = ridge.attainable(point.intensity);
        let above = point.rate / roof - 1.0;
        let rate = if above.abs() <= ROUNDING { roof } else { point.rate };
        let (o, p) = (point.intensity / goal, rate / ridge.compute);
        let headroom_log2 = log2(roof / rate);
        let shortfall = ridge.compute.giga() - rate.giga();
        let beyond = Potential {
            regime: Resource::Compute,
            phi: 1.0 - p,
            phi_log2: -log2(p),
            phi_paper: shortfall,
            headroom_log2,
            reach_log2: 0.0,
            region_area: headroom_log2.max(0.0),
            above_roof: above > ROUNDING,
        };
        if o >= 1.0 {
            return beyond;
        }
        Potential {
            regime: Resource::Memory,
            phi: hypot(1.0 - o, 1.0 - p),
            phi_log2: hypot(log2(o), log2(p)),
            phi_paper: hypot(goal.0 - point.intensity.0, shortfall),
            reach_log2: -log2(o),
            region_area: region(headroom_log2, -log2(o)),
            ..beyond
        }
    }
}

fn regime<S: Serializer>(resource: &Resource, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(resource.regime())
}

/// `∫ (h + x) dx` from 0 to `reach`, where the roof rises one octave per octave; above the roof only the part counts
/// where it has risen over the point.
fn region(headroom: f64, reach: f64) -> f64 {
    if headroom >= 0.0 {
        headroom * reach + reach * reach / 2.0
    } else {
        let risen = (reach + headroom).max(0.0);
        risen * risen / 2.0
    }
}
