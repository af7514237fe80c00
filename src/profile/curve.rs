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
    /// Along it: cached tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<u64>,
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
        /// Cached tokens of an attention.
        Context = "context",
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
            CurveAxis::Context => variant.context,
        }
    }

    /// Puts what all points share at a place on this axis; what is not known of a place is as small as can be.
    pub(crate) fn set(self, variant: &mut VariantKeys, place: u64) {
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
            CurveAxis::Context => (variant.context, variant.copies) = (Some(place), Some(1)),
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
            CurveAxis::Context => (variant.context, variant.copies) = (None, None),
        }
        variant
    }
}

impl Curve {
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
            context: Vec::new(),
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
            CurveAxis::Context => &self.context,
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
            CurveAxis::Context => self.context = places,
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
