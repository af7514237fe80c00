//! What a sweep goes along.

use super::values::Numbers;
use crate::model::{Knob, TensorType, Weights, Workload};
use std::str::FromStr;

/// A quantity that a sweep goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Layers of the model.
    Depth,
    /// How weights are stored.
    Weights,
    /// How the cache is stored.
    Kv,
    /// A number of the workload.
    Knob(Knob),
}

impl Axis {
    /// All of them: those that change the model, then every knob of a workload.
    pub fn all() -> impl Iterator<Item = Axis> {
        [Axis::Depth, Axis::Weights, Axis::Kv].into_iter().chain(Knob::ALL.map(Axis::Knob))
    }

    /// The name on the command line: that of the option, where there is one.
    pub const fn name(self) -> &'static str {
        match self {
            Axis::Depth => "depth",
            Axis::Weights => "weights",
            Axis::Kv => "kv",
            Axis::Knob(knob) => knob.name,
        }
    }

    /// Whether the options that made `workload` set it too.
    pub fn is_set_in(self, workload: &Workload) -> bool {
        let usual = Workload { generate: None, ..Workload::default() };
        match self {
            Axis::Depth => false,
            Axis::Weights => workload.weights != usual.weights,
            Axis::Kv => workload.kv != usual.kv,
            Axis::Knob(knob) => (knob.get)(workload) != (knob.get)(&usual),
        }
    }

    /// Whether it changes what the model is, and not only how it is used.
    pub(super) const fn shapes(self) -> bool {
        matches!(self, Axis::Depth | Axis::Weights | Axis::Kv)
    }
}

/// The values along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// Which one.
    pub axis: Axis,
    values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    Numbers(Numbers),
    Weights(Vec<Weights>),
    Caches(Vec<TensorType>),
}

impl Over {
    /// How many.
    pub fn count(&self) -> u64 {
        match &self.values {
            Values::Numbers(numbers) => numbers.count(),
            Values::Weights(words) => words.len() as u64,
            Values::Caches(words) => words.len() as u64,
        }
    }

    /// The values, where they are words.
    pub fn words(&self) -> impl Iterator<Item = String> {
        let words: Vec<String> = match &self.values {
            Values::Numbers(_) => Vec::new(),
            Values::Weights(words) => words.iter().map(Weights::to_string).collect(),
            Values::Caches(words) => words.iter().map(TensorType::to_string).collect(),
        };
        words.into_iter()
    }

    /// Sets what the axis is of to the value at `place`.
    pub(super) fn set(&self, place: u64, workload: &mut Workload, depth: &mut Option<u64>) {
        let number = match &self.values {
            Values::Weights(words) => return workload.weights = Some(words[place as usize]),
            Values::Caches(words) => return workload.kv = words[place as usize],
            Values::Numbers(numbers) => numbers.get(place),
        };
        match self.axis {
            Axis::Depth => *depth = Some(number),
            Axis::Knob(knob) => (knob.set)(workload, number),
            // Words, above.
            Axis::Weights | Axis::Kv => {}
        }
    }
}

impl FromStr for Over {
    type Err = String;

    /// `AXIS=VALUES`.
    fn from_str(text: &str) -> Result<Over, String> {
        let choices = || Axis::all().map(Axis::name).collect::<Vec<_>>().join(", ");
        let Some((name, values)) = text.split_once('=') else {
            return Err(format!("{text:?} is no AXIS=VALUES, such as context=512,1024; axes: {}", choices()));
        };
        let axis = Axis::all().find(|axis| axis.name() == name);
        let axis = axis.ok_or_else(|| format!("{name:?} is no axis; choose one of {}", choices()))?;
        let words = || values.split(',').map(str::trim);
        let twice = words().enumerate().find(|(place, word)| words().take(*place).any(|other| other == *word));
        if let (Axis::Weights | Axis::Kv, Some((_, word))) = (axis, twice) {
            return Err(format!("{name}: {word} is there twice; name it once"));
        }
        let values = match axis {
            Axis::Weights => words()
                .map(|word| word.parse::<Weights>().map_err(|e| e.to_string()))
                .collect::<Result<_, _>>()
                .map(Values::Weights),
            Axis::Kv => words().map(cache).collect::<Result<_, _>>().map(Values::Caches),
            _ => values.parse().map(Values::Numbers),
        };
        Ok(Over { axis, values: values.map_err(|why| format!("{name}: {why}"))? })
    }
}

fn cache(word: &str) -> Result<TensorType, String> {
    let found = Workload::CACHES.into_iter().find(|kind| TensorType::of_name(word) == Some(*kind));
    let choices = || Workload::CACHES.map(|kind| kind.to_string()).join(", ");
    found.ok_or_else(|| format!("no cache is stored as {word:?}; choose one of {}", choices()))
}
