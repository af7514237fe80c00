//! What can be asked of a model on a device.

use crate::model::Workload;
use crate::profile::Profile;
use crate::roofline::Achieved;
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde_with::SerializeDisplay;

/// What is asked of one model: how it is used, by which roof, and how much of the answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Lengths, sequences, runtime, and how weights and cache are stored.
    pub workload: Workload,
    /// The roof that speeds go by; none for the achieved one where the profile has it.
    pub roof: Option<RoofKind>,
    /// Whether operations come with their formulas.
    pub explain: bool,
    /// Whether to look for what comes almost free, and for the fastest weights.
    pub advise: bool,
}

impl Query {
    /// The same question of another workload.
    pub fn with(self, workload: Workload) -> Query {
        Query { workload, ..self }
    }

    /// The same question by a certain roof.
    pub fn by(self, roof: RoofKind) -> Query {
        Query { roof: Some(roof), ..self }
    }
}

impl From<Workload> for Query {
    /// Speeds alone, by the roof that the profile has.
    fn from(workload: Workload) -> Query {
        Query::default().with(workload)
    }
}

named_enum! {
    /// Which ceilings a prediction goes by.
    #[derive(SerializeDisplay, JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub enum RoofKind: "roof" {
        /// Peak arithmetic and main memory: `max(F/π, Q/β)` for each operation. No kernel is faster.
        Peak = "peak",
        /// What the device's kernels were measured to do, per operation, tensor type and number of tokens, and what starting
        /// them costs.
        Achieved = "achieved",
        /// What an engine reaches of those kernels, by a table fitted from its runs.
        Engine = "engine",
    }
}

/// A profile with the name that it was asked for by.
pub type NamedProfile<'a> = (&'a str, &'a Profile);

/// The roof under which all of `profiles` can be compared: the achieved one where every one has it.
pub fn common_roof(profiles: &[NamedProfile]) -> RoofKind {
    let all = profiles.iter().all(|(name, profile)| Achieved::of(profile, name).is_ok());
    if all { RoofKind::Achieved } else { RoofKind::Peak }
}
