//! How much is asked.

use crate::profile::{Effort, Provenance, Tune};

/// How much is asked: how much time there is, and how many candidates a question has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// How much time there is.
    pub effort: Effort,
    /// How many candidates a question has.
    pub tune: Tune,
}

impl Scope {
    /// What a measurement of that provenance asks.
    pub fn of(provenance: &Provenance) -> Scope {
        let effort = provenance.effort.unwrap_or(Effort::Standard);
        Scope { effort, tune: provenance.tune.unwrap_or_default() }
    }
}

impl From<Effort> for Scope {
    fn from(effort: Effort) -> Scope {
        Scope { effort, tune: Tune::Usual }
    }
}
