//! A curve: one rate or time over one quantity, point by point, with its intervals and every sample.

use super::{CeilingId, Flag, Status, Unit, VariantKeys};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// How an answer changes along one quantity. Exactly one of the quantities is there, and the values in one unit.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Path-like name, such as `memory.read.resident`.
    pub id: CeilingId,
    /// What became of it.
    pub status: Status,
    /// Why it is not simply `measured`.
    pub reason: Option<String>,
    /// Along it: bytes that are walked over again and again, all threads together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub footprint_bytes: Vec<u64>,
    /// Along it: bytes read at one place before the next one, all threads together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub window_bytes: Vec<u64>,
    /// Along it: threads, one per core.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<u64>,
    /// Along it: sequential streams that one thread reads side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<u64>,
    /// Along it: bytes that a prefetch runs ahead; 0 is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefetch_bytes: Vec<u64>,
    /// Along it: tokens, the rows of a matmul's activations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<u64>,
    /// Along it: output features of a matmul, the rows of its weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub n: Vec<u64>,
    /// Along it: cached tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<u64>,
    /// Along it: bytes from one invocation's word to its neighbour's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stride_bytes: Vec<u64>,
    /// Bandwidths, 10⁹ bytes per second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gb_per_s: Vec<f64>,
    /// Compute rates, 10⁹ operations per second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gflop_per_s: Vec<f64>,
    /// Latencies, ns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ns: Vec<f64>,
    /// Lower bounds of the 95 % intervals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub low: Vec<f64>,
    /// Upper bounds of the 95 % intervals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub high: Vec<f64>,
    /// What all points share; the quantity along the curve is left out.
    pub variant: Option<VariantKeys>,
    /// Every sample of every point, in the order taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_values: Vec<Vec<f64>>,
    /// Remarks: what was left out, and what the device said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub flags: Vec<Flag>,
}

named_enum! {
    /// The quantity along a curve.
    pub enum CurveAxis: "quantity" {
        /// Bytes walked over again and again.
        FootprintBytes = "footprint_bytes",
        /// Bytes read at one place before the next.
        WindowBytes = "window_bytes",
        /// Threads.
        Threads = "threads",
        /// Streams side by side in one thread.
        Streams = "streams",
        /// Bytes that a prefetch runs ahead.
        PrefetchBytes = "prefetch_bytes",
        /// Tokens of a matmul.
        Tokens = "tokens",
        /// Output features of a matmul.
        N = "n",
        /// Cached tokens of an attention.
        Context = "context",
        /// Bytes from a word to that of the next invocation.
        StrideBytes = "stride_bytes",
    }
}

impl CurveAxis {
    /// Where `variant` stands on this axis, if it says.
    pub fn of(self, variant: &VariantKeys) -> Option<u64> {
        match self {
            CurveAxis::FootprintBytes => variant.footprint_bytes,
            CurveAxis::WindowBytes => variant.window_bytes,
            CurveAxis::Threads => variant.threads.map(u64::from),
            CurveAxis::Streams => variant.streams.map(u64::from),
            CurveAxis::PrefetchBytes => variant.prefetch_bytes.map(u64::from),
            CurveAxis::Tokens => variant.m,
            CurveAxis::N => variant.n,
            CurveAxis::Context => variant.context,
            CurveAxis::StrideBytes => variant.stride_bytes.map(u64::from),
        }
    }

    /// Puts what all points share at a place on this axis; what is not known of a place is as small as can be.
    pub fn set(self, variant: &mut VariantKeys, place: u64) {
        let small = place.try_into().ok();
        match self {
            CurveAxis::FootprintBytes => {
                variant.footprint_bytes = Some(place);
                variant.window_bytes = variant.stride_bytes.map(u64::from);
            }
            CurveAxis::WindowBytes => variant.window_bytes = Some(place),
            CurveAxis::Threads => variant.threads = small,
            CurveAxis::Streams => variant.streams = small,
            CurveAxis::PrefetchBytes => variant.prefetch_bytes = small,
            CurveAxis::Tokens => variant.m = Some(place),
            CurveAxis::N => (variant.n, variant.copies) = (Some(place), Some(1)),
            CurveAxis::Context => (variant.context, variant.copies) = (Some(place), Some(1)),
            CurveAxis::StrideBytes => variant.stride_bytes = small,
        }
    }

    /// `variant` without its place on this axis: what all points of a curve share.
    #[must_use]
    pub fn shared(self, mut variant: VariantKeys) -> VariantKeys {
        match self {
            // A chase's window is at most its working set.
            CurveAxis::FootprintBytes => (variant.footprint_bytes, variant.window_bytes) = (None, None),
            CurveAxis::WindowBytes => variant.window_bytes = None,
            CurveAxis::Threads => variant.threads = None,
            CurveAxis::Streams => variant.streams = None,
            CurveAxis::PrefetchBytes => variant.prefetch_bytes = None,
            CurveAxis::Tokens => variant.m = None,
            // As many copies as it takes to live in memory.
            CurveAxis::N => (variant.n, variant.copies) = (None, None),
            CurveAxis::Context => (variant.context, variant.copies) = (None, None),
            CurveAxis::StrideBytes => variant.stride_bytes = None,
        }
        variant
    }
}

/// Another unit adds this share, at least, of what the first one does: an M4's efficiency cores have one of 0.18 (corsix/amx and
/// m4-sme-exploration: 360 of 2000 GFLOP/s of f32).
const UNIT_SHARE_MIN: f64 = 0.1;

impl Curve {
    /// Along threads: with how many of them another unit came in that cores share, which adds to the best rate so far. The first one
    /// comes in with one thread. Threads of a core whose unit is busy already add nothing, or take something away. None along
    /// anything else.
    pub fn units(&self) -> Vec<u64> {
        let along = self.values().zip(self.axis());
        let Some(((values, _), (CurveAxis::Threads, threads))) = along else { return Vec::new() };
        let mut best = 0.0;
        let rises = threads.iter().zip(values).filter(|&(_, &value)| {
            let rises = value - best > UNIT_SHARE_MIN * values[0];
            best = value.max(best);
            rises
        });
        rises.map(|(&threads, _)| threads).collect()
    }

    /// A curve without points yet.
    pub fn empty(id: CeilingId, status: Status, reason: Option<String>) -> Curve {
        Curve {
            id,
            status,
            reason,
            footprint_bytes: Vec::new(),
            window_bytes: Vec::new(),
            threads: Vec::new(),
            streams: Vec::new(),
            prefetch_bytes: Vec::new(),
            tokens: Vec::new(),
            n: Vec::new(),
            context: Vec::new(),
            stride_bytes: Vec::new(),
            gb_per_s: Vec::new(),
            gflop_per_s: Vec::new(),
            ns: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            variant: None,
            sample_values: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// The array that stands along `axis`.
    pub fn along(&self, axis: CurveAxis) -> &[u64] {
        match axis {
            CurveAxis::FootprintBytes => &self.footprint_bytes,
            CurveAxis::WindowBytes => &self.window_bytes,
            CurveAxis::Threads => &self.threads,
            CurveAxis::Streams => &self.streams,
            CurveAxis::PrefetchBytes => &self.prefetch_bytes,
            CurveAxis::Tokens => &self.tokens,
            CurveAxis::N => &self.n,
            CurveAxis::Context => &self.context,
            CurveAxis::StrideBytes => &self.stride_bytes,
        }
    }

    /// Puts `places` along `axis`.
    pub fn set_along(&mut self, axis: CurveAxis, places: Vec<u64>) {
        match axis {
            CurveAxis::FootprintBytes => self.footprint_bytes = places,
            CurveAxis::WindowBytes => self.window_bytes = places,
            CurveAxis::Threads => self.threads = places,
            CurveAxis::Streams => self.streams = places,
            CurveAxis::PrefetchBytes => self.prefetch_bytes = places,
            CurveAxis::Tokens => self.tokens = places,
            CurveAxis::N => self.n = places,
            CurveAxis::Context => self.context = places,
            CurveAxis::StrideBytes => self.stride_bytes = places,
        }
    }

    /// The axis that has places, and those places.
    pub fn axis(&self) -> Option<(CurveAxis, &[u64])> {
        CurveAxis::ALL.into_iter().map(|axis| (axis, self.along(axis))).find(|(_, places)| !places.is_empty())
    }

    /// The values in the unit that the id calls for; `None` where a curve cannot have that unit, or has no values.
    pub fn values(&self) -> Option<(&[f64], Unit)> {
        let unit = self.id.unit();
        let values = match unit {
            Unit::GbPerS => &self.gb_per_s,
            Unit::GflopPerS => &self.gflop_per_s,
            Unit::Ns => &self.ns,
            Unit::Us => return None,
        };
        (!values.is_empty()).then_some((values.as_slice(), unit))
    }

    /// Puts the values in the unit that the id calls for.
    pub fn set_values(&mut self, values: Vec<f64>) {
        match self.id.unit() {
            Unit::GbPerS => self.gb_per_s = values,
            Unit::GflopPerS => self.gflop_per_s = values,
            Unit::Ns => self.ns = values,
            Unit::Us => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(axis: CurveAxis, gflop_per_s: &[f64]) -> Vec<u64> {
        let mut curve = Curve::empty("compute.f32.sme.threads".parse().unwrap(), Status::Measured, None);
        curve.set_along(axis, (1..=gflop_per_s.len() as u64).collect());
        curve.set_values(gflop_per_s.to_vec());
        curve.units()
    }

    #[test]
    fn units_come_in_where_the_rate_rises() {
        let along = |rates: &[f64]| units(CurveAxis::Threads, rates);
        // One for all; two clusters of four; a large one and a small one.
        assert_eq!(along(&[2000.0, 1990.0, 2020.0, 1500.0]), [1]);
        assert_eq!(along(&[2000.0, 2010.0, 1960.0, 1900.0, 3900.0, 4000.0, 3800.0]), [1, 5]);
        assert_eq!(along(&[2000.0, 2010.0, 2360.0, 2370.0]), [1, 3]);
        assert_eq!(along(&[500.0, 1000.0, 1500.0]), [1, 2, 3]);
        // What was lost meanwhile is no unit when it comes back.
        assert_eq!(along(&[2000.0, 1200.0, 2000.0]), [1]);
        assert_eq!(units(CurveAxis::Tokens, &[1.0, 2.0]), [0; 0]);
    }
}
