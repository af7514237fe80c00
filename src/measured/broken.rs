//! Roofs that measured runs break, each with all of its points.

use super::{Against, MeasuredPoint};
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::skip_serializing_none;

/// A ceiling that points of one phase exceed: it is none, or the count or the clock is wrong.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Broken {
    /// The profile.
    pub profile: String,
    /// The ceiling's id.
    pub ceiling: String,
    /// Its status.
    pub status: &'static str,
    /// The ceiling, where it is of compute.
    pub gflop_per_s: Option<f64>,
    /// The ceiling, where it is of memory.
    pub gb_per_s: Option<f64>,
    /// What was timed.
    pub phase: &'static str,
    /// Whether it is the roof of these points; else one of another arithmetic than their weights'.
    pub is_their_roof: bool,
    /// What was reached over the ceiling, the least and the most of the points above it.
    pub shares: [f64; 2],
    /// How many points are above it.
    pub points: usize,
    /// Of how many of that profile and phase.
    pub of: usize,
}

/// The roofs that `points` break, in the order in which they are first broken.
pub fn broken(points: &[MeasuredPoint]) -> Vec<Broken> {
    let mut all: Vec<Broken> = Vec::new();
    for point in points {
        let roofs = [&point.memory, &point.compute].map(|roof| (roof, true));
        let others = point.exceeds.iter().map(|other| (other, false));
        for (against, is_their_roof) in roofs.into_iter().chain(others).filter(|(against, _)| against.broken) {
            add(&mut all, point, against, is_their_roof);
        }
    }
    for one in &mut all {
        one.of = points.iter().filter(|point| point.profile == one.profile && point.phase == one.phase).count();
    }
    all
}

fn add(all: &mut Vec<Broken>, point: &MeasuredPoint, against: &Against, is_their_roof: bool) {
    let same = |one: &&mut Broken| {
        one.profile == point.profile
            && one.phase == point.phase
            && one.ceiling == against.ceiling
            && one.is_their_roof == is_their_roof
    };
    if let Some(one) = all.iter_mut().find(same) {
        let [least, most] = one.shares;
        one.shares = [least.min(against.share), most.max(against.share)];
        one.points += 1;
        return;
    }
    all.push(Broken {
        profile: point.profile.clone(),
        ceiling: against.ceiling.clone(),
        status: against.status,
        gflop_per_s: against.gflop_per_s,
        gb_per_s: against.gb_per_s,
        phase: point.phase,
        is_their_roof,
        shares: [against.share; 2],
        points: 1,
        of: 0,
    });
}
