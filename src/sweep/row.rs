//! One row of a sweep. Its columns are named as in an evaluation's record: a contract with other tools.

use crate::error::Result;
use crate::evaluate::{Evaluator, Extent, Figures, RoofKind, exact};
use crate::model::{Knob, Phase, Workload};
use crate::potential::Potential;
use crate::roofline::Resource;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// One phase of one model, used in one way, on one profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'r> {
    /// Which model, profile and storage.
    pub names: Names<'r>,
    /// How the model is used, its context written out.
    pub workload: Workload,
    /// Which phase.
    pub phase: Phase,
    /// The roof that speeds and potential go by.
    pub roof: RoofKind,
    /// Tokens per sequence that the phase takes in or gives.
    pub tokens: u64,
    /// The figures.
    ///
    /// # Errors
    /// Why there are none: such a model, or such a use of it, cannot be, or the profile has no roof for it.
    pub outcome: std::result::Result<Answer, &'r str>,
}

/// What the rows of one case have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'r> {
    /// The model's name.
    pub model: &'r str,
    /// The profile's name.
    pub profile: &'r str,
    /// How weights are stored: the word of `--weights`, or of the file.
    pub weights: &'r str,
    /// How the cache is stored.
    pub kv: &'r str,
    /// Layers.
    pub layers: u64,
}

/// The figures of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Matmul FLOPs.
    pub flops: u64,
    /// Weight bytes read; of routed experts, as expected.
    pub weight_bytes: u64,
    /// Cache bytes read and written.
    pub kv_bytes: u64,
    /// Matmul FLOPs per byte of weights, cache and state.
    pub oi: f64,
    /// The resource that binds for the larger share of the time.
    pub bound: Resource,
    /// The least time.
    pub seconds: f64,
    /// Tokens per second, all sequences together.
    pub tokens_per_s: f64,
    /// The same with all ceilings at the lower, and at the upper, ends of their intervals; none where they have none.
    pub tokens_per_s_interval: Option<[f64; 2]>,
    /// Rate of matmul FLOPs, 10⁹ per second.
    pub gflop_per_s: f64,
    /// Where it stands under the roofline of the weights' arithmetic.
    pub potential: Potential,
    /// Bytes of weights, of the cache at its longest, and of activations.
    pub memory_needed_bytes: u64,
    /// Whether the device has enough, where that is known.
    pub fits: Option<bool>,
    /// Tokens per second under the peak roof.
    pub tokens_per_s_peak: f64,
    /// Tokens per second under the achieved roof, where the profile has it.
    pub tokens_per_s_achieved: Option<f64>,
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value<'r> {
    /// A word.
    Text(&'r str),
    /// A whole number.
    Count(u64),
    /// A measure.
    Number(f64),
    /// Yes or no.
    Truth(bool),
    /// Nothing is known, or does not apply.
    Empty,
}

/// A column: its name, and its value in a row.
pub type Column = (&'static str, for<'r> fn(&Row<'r>) -> Value<'r>);

impl<'r> Row<'r> {
    /// The columns, in the order of every format.
    pub const COLUMNS: &'static [Column] = &[
        ("model", |row| Value::Text(row.names.model)),
        ("profile", |row| Value::Text(row.names.profile)),
        ("weights", |row| Value::Text(row.names.weights)),
        ("kv", |row| Value::Text(row.names.kv)),
        ("layers", |row| Value::Count(row.names.layers)),
        (Knob::BATCH.key, |row| row.knob(Knob::BATCH)),
        (Knob::MICRO_BATCH.key, |row| row.knob(Knob::MICRO_BATCH)),
        (Knob::CACHED.key, |row| row.knob(Knob::CACHED)),
        (Knob::PROMPT.key, |row| row.knob(Knob::PROMPT)),
        (Knob::CONTEXT.key, |row| row.knob(Knob::CONTEXT)),
        (Knob::GENERATE.key, |row| row.knob(Knob::GENERATE)),
        ("phase", |row| Value::Text(row.phase.name())),
        ("roof", |row| Value::Text(row.roof.name())),
        ("tokens", |row| Value::Count(row.tokens)),
        ("flops", |row| row.count(|a| a.flops)),
        ("weight_bytes", |row| row.count(|a| a.weight_bytes)),
        ("kv_bytes", |row| row.count(|a| a.kv_bytes)),
        ("oi", |row| row.number(|a| a.oi)),
        ("bound", |row| row.text(|a| a.bound.name())),
        ("seconds", |row| row.number(|a| a.seconds)),
        ("tokens_per_s", |row| row.number(|a| a.tokens_per_s)),
        ("tokens_per_s_low", |row| row.maybe(|a| a.tokens_per_s_interval.map(|[low, _]| low))),
        ("tokens_per_s_high", |row| row.maybe(|a| a.tokens_per_s_interval.map(|[_, high]| high))),
        ("gflop_per_s", |row| row.number(|a| a.gflop_per_s)),
        ("regime", |row| row.text(|a| a.potential.regime.regime())),
        ("headroom_log2", |row| row.number(|a| a.potential.headroom_log2)),
        ("reach_log2", |row| row.number(|a| a.potential.reach_log2)),
        ("phi", |row| row.number(|a| a.potential.phi)),
        ("phi_log2", |row| row.number(|a| a.potential.phi_log2)),
        ("phi_paper", |row| row.number(|a| a.potential.phi_paper)),
        ("region_area", |row| row.number(|a| a.potential.region_area)),
        ("memory_needed_bytes", |row| row.count(|a| a.memory_needed_bytes)),
        ("fits", |row| row.outcome.as_ref().ok().and_then(|a| a.fits).map_or(Value::Empty, Value::Truth)),
        ("tokens_per_s_peak", |row| row.number(|a| a.tokens_per_s_peak)),
        ("tokens_per_s_achieved", |row| row.maybe(|a| a.tokens_per_s_achieved)),
        ("status", |row| Value::Text(if row.outcome.is_ok() { "evaluated" } else { "unsupported" })),
        ("reason", |row| row.outcome.err().map_or(Value::Empty, Value::Text)),
    ];

    /// What was asked; there is no answer as yet.
    pub(super) fn asked(names: Names<'r>, workload: &Workload, phase: Phase, roof: RoofKind) -> Row<'r> {
        let tokens = Extent::of(workload, phase).tokens;
        Row { names, workload: workload.settled(), phase, roof, tokens, outcome: Err("") }
    }

    fn knob(&self, knob: Knob) -> Value<'static> {
        (knob.get)(&self.workload).map_or(Value::Empty, Value::Count)
    }

    fn count(&self, of: impl Fn(&Answer) -> u64) -> Value<'static> {
        self.outcome.as_ref().map_or(Value::Empty, |answer| Value::Count(of(answer)))
    }

    fn number(&self, of: impl Fn(&Answer) -> f64) -> Value<'static> {
        self.outcome.as_ref().map_or(Value::Empty, |answer| Value::Number(of(answer)))
    }

    fn maybe(&self, of: impl Fn(&Answer) -> Option<f64>) -> Value<'static> {
        self.outcome.as_ref().ok().and_then(of).map_or(Value::Empty, Value::Number)
    }

    fn text(&self, of: impl Fn(&Answer) -> &'static str) -> Value<'static> {
        self.outcome.as_ref().map_or(Value::Empty, |answer| Value::Text(of(answer)))
    }
}

impl Serialize for Row<'_> {
    /// Every column; what is not known is null.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Row", Row::COLUMNS.len())?;
        for &(name, value) in Row::COLUMNS {
            fields.serialize_field(name, &value(self))?;
        }
        fields.end()
    }
}

/// The figures of a phase of `workload` under `roof`; `memory` is what must be held, and whether it fits.
///
/// # Errors
/// Misuse when a count exceeds 64 bits.
pub(super) fn answer(
    evaluator: &Evaluator,
    figures: &Figures,
    tokens: u64,
    (memory_needed_bytes, fits): (u64, Option<bool>),
) -> Result<Answer> {
    let (roof, totals, tokens) = (evaluator.roof(), &figures.totals, tokens as f64);
    let under = |kind: RoofKind| tokens / figures.seconds(kind).0;
    let point = figures.point(roof);
    Ok(Answer {
        flops: exact(totals.flops.total())?,
        weight_bytes: exact(totals.weight_bytes.total())?,
        kv_bytes: exact(totals.kv_read_bytes + totals.kv_write_bytes)?,
        oi: point.intensity.0,
        bound: figures.bound(roof),
        seconds: figures.seconds(roof).0,
        tokens_per_s: under(roof),
        tokens_per_s_interval: figures.interval(roof, tokens),
        gflop_per_s: point.rate.giga(),
        potential: Potential::of(point, evaluator.ridge()),
        memory_needed_bytes,
        fits,
        tokens_per_s_peak: under(RoofKind::Peak),
        tokens_per_s_achieved: evaluator.roof_kinds().contains(&RoofKind::Achieved).then(|| under(RoofKind::Achieved)),
    })
}
