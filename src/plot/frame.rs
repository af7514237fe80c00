//! Where a panel lies on the page, and what its axes show.

use super::geometry::{Quad, Spot};
use super::scale::Scale;

/// Where a panel's axes run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) intensity: Scale,
    pub(super) performance: Scale,
}

impl Frame {
    pub(super) fn spot(&self, intensity: f64, performance: f64) -> Spot {
        Spot {
            x: self.left + self.width * self.intensity.share(intensity),
            y: self.top + self.height * (1.0 - self.performance.share(performance)),
        }
    }

    pub(super) fn quad(&self) -> Quad {
        Quad::upright(self.left, self.top, self.width, self.height)
    }

    /// The direction of a bandwidth's slope, radians, downwards positive.
    pub(super) fn slope(&self) -> f64 {
        let (run, rise) = (self.width / self.intensity.decades(), self.height / self.performance.decades());
        -(rise / run).atan()
    }
}
