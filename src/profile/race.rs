//! What a race among variants came to, to be remembered for the next measurement of the same machine.

use super::{Ceiling, CeilingId, VariantKeys};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// The result of a race: which variant of a ceiling was the fastest, and which one came next.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Race {
    /// The ceiling that it was held for.
    pub id: CeilingId,
    /// The variant that won.
    pub winner: VariantKeys,
    /// The fastest of the others.
    pub runner_up: Option<VariantKeys>,
}

impl Race {
    /// The race that stands behind a ceiling: none where nothing was raced, or nothing won.
    pub fn of(ceiling: &Ceiling) -> Option<Race> {
        let winner = ceiling.variant.clone().filter(|_| ceiling.trials.len() > 1)?;
        let more_is_better = ceiling.id.unit().is_rate();
        let others = ceiling.trials.iter().filter(|trial| trial.variant != winner);
        let next = others.max_by(|a, b| {
            let order = a.value.total_cmp(&b.value);
            if more_is_better { order } else { order.reverse() }
        });
        Some(Race { id: ceiling.id.clone(), winner, runner_up: next.map(|trial| trial.variant.clone()) })
    }
}

impl VariantKeys {
    /// Whether two variants do a thing in the same way. How much memory they go over does not matter, within a factor of two: it
    /// follows from the caches that were found, and they are not found alike each time.
    pub fn is_same_way(&self, other: &VariantKeys) -> bool {
        let way = |keys: &VariantKeys| VariantKeys { footprint_bytes: None, copies: None, ..keys.clone() };
        let near = match (self.footprint_bytes, other.footprint_bytes) {
            (Some(a), Some(b)) => a.max(b) <= a.min(b).saturating_mul(2),
            _ => true,
        };
        near && way(self) == way(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Status, Trial};

    fn keys(streams: u32, footprint_bytes: u64) -> VariantKeys {
        VariantKeys { streams: Some(streams), footprint_bytes: Some(footprint_bytes), ..VariantKeys::default() }
    }

    #[test]
    fn a_race_has_its_winner_and_the_next_best() {
        for (id, values, next) in [("memory.dram.read", [40.0, 42.0, 41.0], 4), ("latency.dram", [99.0, 90.0, 95.0], 4)]
        {
            let mut ceiling = Ceiling::with_value(id.parse().unwrap(), Status::Measured, 42.0);
            ceiling.variant = Some(keys(2, 64));
            assert_eq!(Race::of(&ceiling), None, "nothing was raced");
            let trial = |(streams, value)| Trial { variant: keys(streams, 64), value };
            ceiling.trials = [1, 2, 4].into_iter().zip(values).map(trial).collect();
            let race = Race::of(&ceiling).unwrap();
            assert_eq!((race.winner, race.runner_up), (keys(2, 64), Some(keys(next, 64))));
        }
    }

    #[test]
    fn the_same_way_over_more_memory_is_the_same() {
        assert!(keys(2, 64).is_same_way(&keys(2, 128)));
        assert!(!keys(2, 64).is_same_way(&keys(4, 64)));
        assert!(!keys(2, 64).is_same_way(&keys(2, 192)), "another working set of the same cache");
    }
}
