//! A curve: one rate or time over one quantity, point by point, with its intervals and every sample.

use super::{CeilingId, Flag, Status, Unit, Variant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an answer changes along one quantity. Exactly one of the quantities is there, and the values in one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Path-like name, such as `memory.read.resident`.
    pub id: CeilingId,
    /// What became of it.
    pub status: Status,
    /// Why it is not simply `measured`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// Every sample of every point, in the order taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_values: Vec<Vec<f64>>,
    /// Remarks: what was left out, and what the device said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

/// The quantity along a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Bytes walked over again and again.
    FootprintBytes,
    /// Bytes read at one place before the next.
    WindowBytes,
    /// Threads.
    Threads,
    /// Streams side by side in one thread.
    Streams,
    /// Bytes that a prefetch runs ahead.
    PrefetchBytes,
    /// Tokens of a matmul.
    Tokens,
    /// Cached tokens of an attention.
    Context,
}

impl Axis {
    /// Every axis.
    pub const ALL: [Axis; 7] = [
        Axis::FootprintBytes,
        Axis::WindowBytes,
        Axis::Threads,
        Axis::Streams,
        Axis::PrefetchBytes,
        Axis::Tokens,
        Axis::Context,
    ];

    /// The key in the profile.
    pub const fn name(self) -> &'static str {
        match self {
            Axis::FootprintBytes => "footprint_bytes",
            Axis::WindowBytes => "window_bytes",
            Axis::Threads => "threads",
            Axis::Streams => "streams",
            Axis::PrefetchBytes => "prefetch_bytes",
            Axis::Tokens => "tokens",
            Axis::Context => "context",
        }
    }

    /// Where `variant` stands on this axis, if it says.
    pub fn of(self, variant: &Variant) -> Option<u64> {
        match self {
            Axis::FootprintBytes => variant.footprint_bytes,
            Axis::WindowBytes => variant.window_bytes,
            Axis::Threads => variant.threads.map(u64::from),
            Axis::Streams => variant.streams.map(u64::from),
            Axis::PrefetchBytes => variant.prefetch_bytes.map(u64::from),
            Axis::Tokens => variant.m,
            Axis::Context => variant.context,
        }
    }

    /// `variant` without its place on this axis: what all points of a curve share.
    #[must_use]
    pub fn shared(self, mut variant: Variant) -> Variant {
        match self {
            // A chase's window is at most its working set.
            Axis::FootprintBytes => (variant.footprint_bytes, variant.window_bytes) = (None, None),
            Axis::WindowBytes => variant.window_bytes = None,
            Axis::Threads => variant.threads = None,
            Axis::Streams => variant.streams = None,
            Axis::PrefetchBytes => variant.prefetch_bytes = None,
            Axis::Tokens => variant.m = None,
            // As many copies as it takes to live in memory.
            Axis::Context => (variant.context, variant.copies) = (None, None),
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
    pub fn along(&self, axis: Axis) -> &[u64] {
        match axis {
            Axis::FootprintBytes => &self.footprint_bytes,
            Axis::WindowBytes => &self.window_bytes,
            Axis::Threads => &self.threads,
            Axis::Streams => &self.streams,
            Axis::PrefetchBytes => &self.prefetch_bytes,
            Axis::Tokens => &self.tokens,
            Axis::Context => &self.context,
        }
    }

    /// Puts `places` along `axis`.
    pub fn set_along(&mut self, axis: Axis, places: Vec<u64>) {
        match axis {
            Axis::FootprintBytes => self.footprint_bytes = places,
            Axis::WindowBytes => self.window_bytes = places,
            Axis::Threads => self.threads = places,
            Axis::Streams => self.streams = places,
            Axis::PrefetchBytes => self.prefetch_bytes = places,
            Axis::Tokens => self.tokens = places,
            Axis::Context => self.context = places,
        }
    }

    /// The axis that has places, and those places.
    pub fn axis(&self) -> Option<(Axis, &[u64])> {
        Axis::ALL.into_iter().map(|axis| (axis, self.along(axis))).find(|(_, places)| !places.is_empty())
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
