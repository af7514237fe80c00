//! One ceiling: what became of it, its value with its interval, how it was got, and every sample.

use super::{CeilingId, Flag, Unit, VariantKeys};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

named_enum! {
    /// What became of a ceiling.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Status: "status" {
        /// Timed, verified, and through every gate.
        Measured = "measured",
        /// The device cannot do this.
        Unsupported = "unsupported",
        /// Timed, and wrong: the result differed from the oracle. No value is kept.
        Rejected = "rejected",
        /// Not asked, for want of something (memory, time, permission).
        Skipped = "skipped",
        /// Timed and verified, but a gate did not believe the number. Value and reason are kept.
        Suspect = "suspect",
        /// Not measured: copied from the source named.
        Quoted = "quoted",
    }
}

impl Status {
    /// Whether a ceiling of this status has a value.
    pub const fn has_value(self) -> bool {
        matches!(self, Status::Measured | Status::Suspect | Status::Quoted)
    }
}

/// One answer: a rate or a time, its interval, its evidence.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Path-like name, such as `memory.dram.read` or `compute.f32.avx2`.
    pub id: CeilingId,
    /// What became of it.
    pub status: Status,
    /// Why it is not simply `measured`.
    pub reason: Option<String>,
    /// Bandwidth, 10⁹ bytes per second; of a matmul, bytes of weights as they are stored.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gb_per_s: Option<f64>,
    /// Compute rate, 10⁹ operations per second (2 per multiply-accumulate, integer ones too).
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gflop_per_s: Option<f64>,
    /// Latency, ns.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub ns: Option<f64>,
    /// Overhead, µs.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub us: Option<f64>,
    /// Median of all samples, in the unit of the value.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub median: Option<f64>,
    /// Bootstrap interval of the value, 95 %, in its unit.
    pub ci95: Option<[f64; 2]>,
    /// How many samples there are.
    pub samples: Option<u32>,
    /// The modes found, slowest first, where there is more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<Mode>,
    /// Operations or bytes per core and clock cycle, where the clock was measured.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub per_cycle: Option<f64>,
    /// The clock measured in the threads around the samples, GHz.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clock_ghz: Option<f64>,
    /// Electric power while it was sampled, W: the median of what was read during single samples, by `environment.power_source`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub watts: Option<f64>,
    /// Share of the arrays that the system really put on huge pages, where it tells.
    pub huge_share: Option<f64>,
    /// How far the results are from exact ones, where that depends on the way it is done: the root of the mean square of the
    /// differences from a sum of exact products in f64, over that of the exact results.
    pub relative_error: Option<f64>,
    /// The configuration that the value belongs to.
    pub variant: Option<VariantKeys>,
    /// The configurations that were tried to choose the variant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
    /// Every sample in the order taken, in the unit of the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample_values: Vec<f64>,
    /// Where a quoted value comes from.
    pub source: Option<String>,
    /// Remarks that do not change the status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub flags: Vec<Flag>,
}

/// A cluster of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// Its centre (median), in the unit of the ceiling's value.
    pub value: f64,
    /// Its share of the samples, 0 to 1.
    pub share: f64,
}

/// One configuration that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The configuration.
    pub variant: VariantKeys,
    /// Its best sample, in the unit of the ceiling's value.
    pub value: f64,
}

impl Ceiling {
    /// A ceiling without a value.
    pub fn without_value(id: CeilingId, status: Status, reason: impl Into<String>) -> Ceiling {
        Ceiling { reason: Some(reason.into()), ..Ceiling::empty(id, status) }
    }

    /// A ceiling with a value in its own unit and nothing else yet.
    pub fn with_value(id: CeilingId, status: Status, value: f64) -> Ceiling {
        let unit = id.unit();
        let mut ceiling = Ceiling::empty(id, status);
        ceiling.set(unit, value);
        ceiling
    }

    /// Puts a figure in its unit.
    pub fn set(&mut self, unit: Unit, value: f64) {
        let slot = match unit {
            Unit::GbPerS => &mut self.gb_per_s,
            Unit::GflopPerS => &mut self.gflop_per_s,
            Unit::Ns => &mut self.ns,
            Unit::Us => &mut self.us,
        };
        *slot = Some(value);
    }

    /// The figure in `unit`, where there is one.
    pub fn figure(&self, unit: Unit) -> Option<f64> {
        match unit {
            Unit::GbPerS => self.gb_per_s,
            Unit::GflopPerS => self.gflop_per_s,
            Unit::Ns => self.ns,
            Unit::Us => self.us,
        }
    }

    fn empty(id: CeilingId, status: Status) -> Ceiling {
        Ceiling {
            id,
            status,
            reason: None,
            gb_per_s: None,
            gflop_per_s: None,
            ns: None,
            us: None,
            median: None,
            ci95: None,
            samples: None,
            modes: Vec::new(),
            per_cycle: None,
            clock_ghz: None,
            watts: None,
            huge_share: None,
            relative_error: None,
            variant: None,
            trials: Vec::new(),
            sample_values: Vec::new(),
            source: None,
            flags: Vec::new(),
        }
    }

    /// The value in the unit that the id calls for.
    pub fn value(&self) -> Option<(f64, Unit)> {
        let unit = self.id.unit();
        Some((self.figure(unit)?, unit))
    }

    /// The figure beside the value, where this kind of ceiling has one.
    pub fn second(&self) -> Option<(f64, Unit)> {
        let unit = self.id.second_unit()?;
        Some((self.figure(unit)?, unit))
    }
}
