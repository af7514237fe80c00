//! How good a run is: against what this device's kernels reach for the very passes that were timed.

use super::{Measured, Timed};
use crate::engine::EngineTable;
use crate::error::Result;
use crate::evaluate::{PartTime, RoofKind};
use crate::model::Model;
use crate::profile::{CeilingId, Family, Profile, Status};
use crate::units::Seconds;
use roofprobe_kernels::{Dtype, named_enum};
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::{SerializeDisplay, skip_serializing_none};

/// Parts that lose less than this share of the time are not named.
const WORTH_NAMING: f64 = 0.03;

named_enum! {
    /// A word for the share of what the kernels reach.
    #[derive(SerializeDisplay, JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub enum Standing: "standing" {
        /// Above what the kernels reach, and above its interval.
        #[schemars(rename = "above the roof")]
        Above = "above the roof",
        /// 85 % or more.
        Good = "good",
        /// 65 % or more.
        Fair = "fair",
        /// 40 % or more.
        Poor = "poor",
        /// Less: most of what this device can do is lost.
        Bad = "bad",
    }
}

impl Standing {
    fn of(share: f64, above: bool) -> Standing {
        match share {
            _ if above => Standing::Above,
            share if share >= 0.85 => Standing::Good,
            share if share >= 0.65 => Standing::Fair,
            share if share >= 0.40 => Standing::Poor,
            _ => Standing::Bad,
        }
    }
}

/// A part of the passes in which time is lost.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Loss {
    /// The part, in words.
    pub part: String,
    /// Seconds beyond those of the kernels.
    pub seconds: f64,
    /// Those over the whole measured time.
    pub share: f64,
}

/// A run against the achieved roof.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// Tokens per second that this device's kernels reach for the same passes.
    pub tokens_per_s_achieved: f64,
    /// The same with all measurements at the ends of their 95 % intervals.
    pub tokens_per_s_achieved_interval: Option<[f64; 2]>,
    /// Measured over that.
    pub share: f64,
    /// Tokens per second that the engine's table says of the same passes.
    pub tokens_per_s_engine: Option<f64>,
    /// A word for it.
    pub standing: Standing,
    /// Where the rest is lost, the most first: by the engine's table, made to add up to the measured time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub lost: Vec<Loss>,
    /// Of a run above the roof: what it may come from, the likely first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub causes: Vec<String>,
    /// The command that finds out.
    pub find_out: Option<String>,
}

impl Verdict {
    /// The verdict on a run; none where the profile has no achieved roof. `engine` says where time is lost.
    ///
    /// # Errors
    /// Misuse: as [`join`](super::join).
    pub(super) fn of(
        measured: &Measured,
        model: &Model,
        (name, profile): (&str, &Profile),
        engine: Option<&EngineTable>,
        doubts: &[String],
    ) -> Result<Option<Verdict>> {
        let timed = measured.timed(model, profile, name, engine)?;
        if !timed.achieved {
            return Ok(None);
        }
        let tokens = measured.passes.tokens() as f64;
        let interval = timed.figures.interval(RoofKind::Achieved, tokens);
        let reached = tokens / timed.figures.seconds(RoofKind::Achieved).0;
        let highest = interval.map_or(reached, |[_, high]| high);
        let share = measured.tokens_per_s / reached;
        let standing = Standing::of(share, measured.tokens_per_s > highest);
        let above = standing == Standing::Above;
        Ok(Some(Verdict {
            tokens_per_s_achieved: reached,
            tokens_per_s_achieved_interval: interval,
            share,
            tokens_per_s_engine: engine.map(|_| tokens / timed.figures.seconds(RoofKind::Engine).0),
            standing,
            lost: if above { Vec::new() } else { losses(&timed) },
            causes: if above { causes(&timed, profile, doubts) } else { Vec::new() },
            find_out: above.then(|| find_out(&timed, profile)),
        }))
    }
}

/// The seconds that each part takes beyond those of the kernels.
fn losses(timed: &Timed) -> Vec<Loss> {
    let predicted = timed.figures.seconds(RoofKind::Engine);
    if predicted.0 <= 0.0 {
        return Vec::new();
    }
    let scale = timed.seconds / predicted;
    let lost = |part: &PartTime| {
        let seconds = part.engine? * scale;
        let beyond = seconds.0 - part.kernels.0;
        Some(Loss { part: part.part.to_string(), seconds: beyond, share: Seconds(beyond) / timed.seconds })
    };
    let mut losses: Vec<Loss> = timed.parts.iter().filter_map(lost).filter(|loss| loss.share >= WORTH_NAMING).collect();
    losses.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    losses
}

/// The part that the kernels spend most time in.
fn longest<'t>(timed: &'t Timed) -> Option<&'t PartTime> {
    timed.parts.iter().max_by(|a, b| a.kernels.0.total_cmp(&b.kernels.0))
}

/// The weights whose matmul that part stands on: of their own type, where the profile has it.
fn matmul(timed: &Timed, profile: &Profile) -> Option<Dtype> {
    let stored = longest(timed)?.part.stored?;
    let own = profile.ceiling.iter().any(|ceiling| {
        ceiling.id.family() == Family::Matmul
            && ceiling.id.dtype() == Some(stored.nearest())
            && ceiling.status.has_value()
    });
    Some(if own { stored.nearest() } else { stored.stand_in() })
}

fn causes(timed: &Timed, profile: &Profile, doubts: &[String]) -> Vec<String> {
    let mut causes: Vec<String> = doubts.to_vec();
    let stored = matmul(timed, profile);
    let own = |id: &CeilingId| id.family() == Family::Matmul && id.dtype() == stored;
    let suspects = profile.ceiling.iter().filter(|c| c.status == Status::Suspect && own(&c.id));
    let suspects: Vec<&str> = suspects.map(|ceiling| ceiling.id.as_str()).collect();
    if !suspects.is_empty() {
        causes.push(format!("the profile's {} is suspect: it may be too low", suspects.join(", ")));
    }
    let grade = profile.environment.as_ref().and_then(|environment| environment.grade);
    if let Some(grade) = grade.filter(|grade| *grade as u8 >= 2) {
        causes.push(format!("the profile is of grade {grade}: other programs or neighbours slowed its kernels down"));
    }
    causes.push("memory or clock were faster while the engine ran than while the profile was measured".to_owned());
    causes.push("the engine has a faster kernel, or another instruction set".to_owned());
    causes.push("the engine ran on other cores, or with more threads, than the profile".to_owned());
    causes.push("the engine's timer was stopped early, or its tokens were counted otherwise".to_owned());
    causes
}

/// The command that measures again what the verdict stands on.
fn find_out(timed: &Timed, profile: &Profile) -> String {
    let dtype = matmul(timed, profile);
    let matmuls = dtype.map_or_else(String::new, |dtype| format!(" --only 'matmul.{dtype}.*'"));
    format!("roofprobe measure --effort standard --only memory.dram.read{matmuls}")
}
