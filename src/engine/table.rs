//! The table of one engine, and its file.

use super::{Part, PartKind, Tokens};
use crate::error::{Error, Result};
use crate::model::TensorType;
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay, skip_serializing_none};
use std::collections::BTreeSet;

/// The version of the file's format that this build reads and writes.
pub const ENGINE_SCHEMA: u32 = 1;

/// No part loses more than this to our kernels, or is faster by more: beyond it a table is wrong.
const EFFICIENCIES: [f64; 2] = [1e-3, 1e2];
/// No operation takes longer to start.
const MICROS_MAX: f64 = 1e6;

named_enum! {
    /// What a figure rests on.
    #[derive(SerializeDisplay, JsonSchema, DeserializeFromStr)]
    #[schemars(rename_all = "lowercase")]
    pub enum Basis: "basis" {
        /// Runs on this device that spend time there.
        Fitted = "fitted",
        /// The engine's default, moved by what like parts showed on this device.
        Shifted = "shifted",
        /// The engine's default, as it is.
        Default = "default",
    }
}

/// What the attention of a decode step takes its time for in an engine that does each query head by itself.
///
/// Its kernel time is that of the FLOPs at the best rate of attention measured, times `(1 + elements / head_dim) · max(1, heads / group)`:
/// a head costs something for each key, however small it is, and a cached row costs as much as some heads, however few share it. Of latents
/// the size of a head is half of key and value together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionCost {
    /// A cached row costs at least what so many query heads do.
    pub heads: f64,
    /// For each key a head costs what so many more elements would.
    pub elements: f64,
}

impl AttentionCost {
    /// How many times as long it takes as its FLOPs alone, with so many query heads to a cached row, of so many elements.
    pub fn factor(&self, group: f64, head_dim: f64) -> f64 {
        (1.0 + self.elements / head_dim) * (self.heads / group).max(1.0)
    }
}

/// How much of a measured kernel's rate an engine reaches in one part of its passes.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Efficiency {
    /// What the part does: `matmul`, `expert`, `attention`, `elementwise`.
    pub part: PartKind,
    /// `few` or `many` tokens at once; of attention a decode step or a prompt.
    pub tokens: Tokens,
    /// How weights or cache are stored.
    pub stored: Option<String>,
    /// The engine's rate over the rate of this device's measured kernels; above 1 where the engine is faster.
    pub value: f64,
    /// 95 % interval.
    pub ci95: [f64; 2],
    /// What it rests on.
    pub basis: Basis,
}

/// What comes on top, whatever the size.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// Microseconds.
    pub us: f64,
    /// 95 % interval.
    pub ci95: [f64; 2],
    /// What it rests on.
    pub basis: Basis,
}

/// What an engine reaches on a device.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineTable {
    /// Version of this format; 1.
    pub schema: u32,
    /// The engine's name.
    pub engine: String,
    /// Where the figures come from, in words: which runs, on which machine.
    pub source: String,
    /// The device whose kernels the efficiencies are of, as its profile names it.
    pub device: String,
    /// When that profile was measured (RFC 3339): a table belongs to one profile.
    pub profile_measured: Option<String>,
    /// When the table was fitted (RFC 3339).
    pub fitted: Option<String>,
    /// Runs that it was fitted to.
    pub runs: u64,
    /// How far they are from it: the standard deviation of ln(measured time / predicted time).
    pub residual: f64,
    /// What a decode step's attention takes its time for; where it is not said, query heads share what is read, as in this tool's
    /// kernels.
    pub attention: Option<AttentionCost>,
    /// What starting an operation costs.
    pub op: Fixed,
    /// What each pass costs beside its operations.
    pub pass: Fixed,
    /// The parts, each once.
    #[serde(default)]
    pub efficiency: Vec<Efficiency>,
}

impl Efficiency {
    /// Which part it is of; none for a type that is not known.
    pub fn of_part(&self) -> Option<Part> {
        let stored = match &self.stored {
            Some(name) => Some(TensorType::of_name(name)?),
            None => None,
        };
        Some(Part { kind: self.part, tokens: self.tokens, stored })
    }
}

impl EngineTable {
    /// The efficiency of a part: its own; else that of the like part whose weights have the closest bits; else none.
    pub fn efficiency(&self, part: &Part) -> Option<&Efficiency> {
        let bits = |part: &Part| {
            part.stored.and_then(TensorType::block).map_or(16.0, |b| 8.0 * b.bytes as f64 / b.elements as f64)
        };
        let like = self.efficiency.iter().filter_map(|one| Some((one, one.of_part()?)));
        let like = like.filter(|(_, other)| other.is_like(part));
        let distance = |other: &Part| (other != part, (bits(other) - bits(part)).abs());
        let closer = |a: &Part, b: &Part| distance(a).partial_cmp(&distance(b)).unwrap_or(std::cmp::Ordering::Equal);
        like.min_by(|(_, a), (_, b)| closer(a, b)).map(|(one, _)| one)
    }

    /// Those of `parts` whose efficiency is the engine's default as it is, in words, each once.
    pub fn unfitted(&self, parts: &[Part]) -> Vec<String> {
        let default = |part: &&Part| self.efficiency(part).is_none_or(|found| found.basis == Basis::Default);
        parts.iter().filter(default).collect::<BTreeSet<_>>().into_iter().map(Part::to_string).collect()
    }

    /// That every figure is a possible one.
    ///
    /// # Errors
    /// Misuse, naming the key.
    pub fn validate(&self) -> Result<()> {
        let wrong = |key: &str, what: String| Err(Error::misuse(format!("{key}: {what}")));
        if self.schema != ENGINE_SCHEMA {
            return wrong("schema", format!("is {}, and this version reads {ENGINE_SCHEMA}", self.schema));
        }
        for (key, fixed) in [("op", &self.op), ("pass", &self.pass)] {
            let [low, high] = fixed.ci95;
            if !(0.0 <= low && low <= fixed.us && fixed.us <= high && high <= MICROS_MAX) {
                return wrong(key, format!("us must lie in its interval, and that in 0 … {MICROS_MAX}"));
            }
        }
        if !(0.0..=10.0).contains(&self.residual) {
            return wrong("residual", format!("must lie in 0 … 10, is {}", self.residual));
        }
        if let Some(AttentionCost { heads, elements }) = self.attention
            && !((0.0..=1e3).contains(&heads) && (0.0..=1e4).contains(&elements))
        {
            return wrong("attention", "heads must lie in 0 … 1000, and elements in 0 … 10000".to_owned());
        }
        let [least, most] = EFFICIENCIES;
        for (place, one) in self.efficiency.iter().enumerate() {
            let key = format!("efficiency[{place}]");
            let [low, high] = one.ci95;
            if !(0.0 < low && low <= one.value && one.value <= high && high.is_finite()) {
                return wrong(&key, "value must lie in its interval, and that above 0".to_owned());
            }
            if !(least <= one.value && one.value <= most) {
                return wrong(&key, format!("value must lie in {least} … {most}, is {}", one.value));
            }
            let Some(part) = one.of_part() else {
                return wrong(&format!("{key}.stored"), format!("unknown type {:?}", one.stored));
            };
            if self.efficiency[..place].iter().any(|other| other.of_part() == Some(part)) {
                return wrong(&key, format!("{part} stands there twice"));
            }
        }
        Ok(())
    }
}

/// Reads a table.
///
/// # Errors
/// Misuse, naming the key, for what is no table or has an impossible value.
pub fn parse(text: &str) -> Result<EngineTable> {
    let table: EngineTable = toml::from_str(text).map_err(|e| Error::misuse(format!("is no engine table: {e}")))?;
    table.validate()?;
    Ok(table)
}

/// The table as TOML.
///
/// # Errors
/// Failure when it cannot be expressed.
pub fn to_toml(table: &EngineTable) -> Result<String> {
    toml::to_string(table).map_err(|e| Error::failure(format!("an engine table cannot be written: {e}")))
}

/// The engines with a shipped table.
pub const SHIPPED_ENGINES: &[&str] = &["llama.cpp"];

/// The table of an engine that is part of the program: its defaults, measured on the machine that it names, and fitted to no run
/// anywhere else; none for an engine without.
///
/// # Errors
/// Failure when the shipped text is no table; a test holds that it is.
pub fn shipped(engine: &str) -> Result<Option<EngineTable>> {
    let known = SHIPPED_ENGINES.iter().any(|name| name.eq_ignore_ascii_case(engine));
    let table = known.then(|| parse(include_str!("../../profiles/engines/llama.cpp-avx512.toml"))).transpose()?;
    Ok(table.map(|mut table| {
        table.efficiency.iter_mut().for_each(|one| one.basis = Basis::Default);
        (table.op.basis, table.pass.basis) = (Basis::Default, Basis::Default);
        table
    }))
}
