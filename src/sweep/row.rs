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

/// A column: its name, and its values, all of one type.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name in the record.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The value of a column in a row, by its type; none where nothing is known or it does not apply.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// Words.
    Text(for<'r> fn(&Row<'r>) -> Option<&'r str>),
    /// Whole numbers.
    Count(fn(&Row) -> Option<u64>),
    /// Measures.
    Number(fn(&Row) -> Option<f64>),
    /// Yes or no.
    Truth(fn(&Row) -> Option<bool>),
}

impl Column {
    const fn text(name: &'static str, of: for<'r> fn(&Row<'r>) -> Option<&'r str>) -> Column {
        Column { name, values: Values::Text(of) }
    }

    const fn count(name: &'static str, of: fn(&Row) -> Option<u64>) -> Column {
        Column { name, values: Values::Count(of) }
    }

    const fn number(name: &'static str, of: fn(&Row) -> Option<f64>) -> Column {
        Column { name, values: Values::Number(of) }
    }

    const fn truth(name: &'static str, of: fn(&Row) -> Option<bool>) -> Column {
        Column { name, values: Values::Truth(of) }
    }

    /// Its value in `row`.
    pub fn of<'r>(&self, row: &Row<'r>) -> Value<'r> {
        match self.values {
            Values::Text(of) => of(row).map_or(Value::Empty, Value::Text),
            Values::Count(of) => of(row).map_or(Value::Empty, Value::Count),
            Values::Number(of) => of(row).map_or(Value::Empty, Value::Number),
            Values::Truth(of) => of(row).map_or(Value::Empty, Value::Truth),
        }
    }
}

impl<'r> Row<'r> {
    /// The columns, in the order of every format.
    pub const COLUMNS: &'static [Column] = &[
        Column::text("model", |row| Some(row.names.model)),
        Column::text("profile", |row| Some(row.names.profile)),
        Column::text("weights", |row| Some(row.names.weights)),
        Column::text("kv", |row| Some(row.names.kv)),
        Column::count("layers", |row| Some(row.names.layers)),
        Column::count(Knob::BATCH.key, |row| (Knob::BATCH.get)(&row.workload)),
        Column::count(Knob::MICRO_BATCH.key, |row| (Knob::MICRO_BATCH.get)(&row.workload)),
        Column::count(Knob::CACHED.key, |row| (Knob::CACHED.get)(&row.workload)),
        Column::count(Knob::PROMPT.key, |row| (Knob::PROMPT.get)(&row.workload)),
        Column::count(Knob::CONTEXT.key, |row| (Knob::CONTEXT.get)(&row.workload)),
        Column::count(Knob::GENERATE.key, |row| (Knob::GENERATE.get)(&row.workload)),
        Column::text("phase", |row| Some(row.phase.name())),
        Column::text("roof", |row| Some(row.roof.name())),
        Column::count("tokens", |row| Some(row.tokens)),
        Column::count("flops", |row| row.answer().map(|a| a.flops)),
        Column::count("weight_bytes", |row| row.answer().map(|a| a.weight_bytes)),
        Column::count("kv_bytes", |row| row.answer().map(|a| a.kv_bytes)),
        Column::number("oi", |row| row.answer().map(|a| a.oi)),
        Column::text("bound", |row| row.answer().map(|a| a.bound.name())),
        Column::number("seconds", |row| row.answer().map(|a| a.seconds)),
        Column::number("tokens_per_s", |row| row.answer().map(|a| a.tokens_per_s)),
        Column::number("tokens_per_s_low", |row| {
            row.answer().and_then(|a| a.tokens_per_s_interval).map(|[low, _]| low)
        }),
        Column::number("tokens_per_s_high", |row| {
            row.answer().and_then(|a| a.tokens_per_s_interval).map(|[_, high]| high)
        }),
        Column::number("gflop_per_s", |row| row.answer().map(|a| a.gflop_per_s)),
        Column::text("regime", |row| row.answer().map(|a| a.potential.regime.regime())),
        Column::number("headroom_log2", |row| row.answer().map(|a| a.potential.headroom_log2)),
        Column::number("reach_log2", |row| row.answer().map(|a| a.potential.reach_log2)),
        Column::number("phi", |row| row.answer().map(|a| a.potential.phi)),
        Column::number("phi_log2", |row| row.answer().map(|a| a.potential.phi_log2)),
        Column::number("phi_paper", |row| row.answer().map(|a| a.potential.phi_paper)),
        Column::number("region_area", |row| row.answer().map(|a| a.potential.region_area)),
        Column::count("memory_needed_bytes", |row| row.answer().map(|a| a.memory_needed_bytes)),
        Column::truth("fits", |row| row.answer().and_then(|a| a.fits)),
        Column::number("tokens_per_s_peak", |row| row.answer().map(|a| a.tokens_per_s_peak)),
        Column::number("tokens_per_s_achieved", |row| row.answer().and_then(|a| a.tokens_per_s_achieved)),
        Column::text("status", |row| Some(if row.outcome.is_ok() { "evaluated" } else { "unsupported" })),
        Column::text("reason", |row| row.outcome.err()),
    ];

    /// What was asked; there is no answer as yet.
    pub(super) fn asked(names: Names<'r>, workload: &Workload, phase: Phase, roof: RoofKind) -> Row<'r> {
        let tokens = Extent::of(workload, phase).tokens;
        Row { names, workload: workload.settled(), phase, roof, tokens, outcome: Err("") }
    }

    fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref().ok()
    }
}

impl Serialize for Row<'_> {
    /// Every column; what is not known is null.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Row", Row::COLUMNS.len())?;
        for column in Row::COLUMNS {
            fields.serialize_field(column.name, &column.of(self))?;
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
