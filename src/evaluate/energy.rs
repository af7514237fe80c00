//! Electric energy: the power that was read while the ceilings were sampled, over the time that they predict.

use schemars::JsonSchema;
use serde::Serialize;

/// The energy of a phase, where the profile has power beside the ceilings that most of its time goes by.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Energy {
    /// Mean power, W: that of each ceiling for as long as an operation goes by it.
    pub watts: f64,
    /// Energy for each token, J: taken in (prefill), given (decode), given from end to end (generation).
    pub joules_per_token: f64,
    /// Tokens for each joule.
    pub tokens_per_joule: f64,
    /// Share of the time in operations whose ceiling has its power; the rest is taken to need as much.
    pub known_share: f64,
    /// Where the power was read.
    pub source: String,
}

/// Less of the time than this, and the energy is not known.
const KNOWN_SHARE_MIN: f64 = 0.5;

impl Energy {
    /// Of operations that take so many seconds at so many watts each, where that is known, at `tokens_per_s`. W = Σ s·w / Σ s over those
    /// known; J/token = W / (tokens/s).
    pub(super) fn of(
        parts: impl Iterator<Item = (f64, Option<f64>)>,
        tokens_per_s: f64,
        source: Option<&String>,
    ) -> Option<Energy> {
        let (mut all, mut known, mut joules) = (0.0, 0.0, 0.0);
        for (seconds, watts) in parts {
            all += seconds;
            if let Some(watts) = watts {
                known += seconds;
                joules += seconds * watts;
            }
        }
        let known_share = known / all;
        let (watts, source) = (joules / known, source?.clone());
        let joules_per_token = watts / tokens_per_s;
        (known_share >= KNOWN_SHARE_MIN && joules_per_token > 0.0 && joules_per_token.is_finite()).then(|| Energy {
            watts,
            joules_per_token,
            tokens_per_joule: 1.0 / joules_per_token,
            known_share,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[(f64, Option<f64>)]) -> Option<Energy> {
        Energy::of(parts.iter().copied(), 4.0, Some(&"a rail".to_owned()))
    }

    #[test]
    fn energy_is_power_over_time_and_what_is_unknown_needs_as_much() {
        let energy = of(&[(3.0, Some(10.0)), (1.0, Some(6.0)), (1.0, None)]).unwrap();
        assert_eq!((energy.watts, energy.joules_per_token, energy.known_share), (9.0, 2.25, 0.8));
        assert!((energy.tokens_per_joule - 1.0 / 2.25).abs() < 1e-12);
    }

    #[test]
    fn where_too_little_is_known_there_is_none() {
        assert_eq!(of(&[(1.0, Some(10.0)), (1.5, None)]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(0.0, Some(10.0))]), None);
        assert_eq!(Energy::of([(1.0, Some(10.0))].into_iter(), 4.0, None), None);
    }
}
