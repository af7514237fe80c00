//! What a replay came to: the record, whose field names are a contract with other tools.

use super::memory::MemoryRead;
use super::plan::{Plan, PlannedStep};
use crate::evaluate::{Evaluation, PhaseResult};
use crate::model::{Phase, Workload};
use crate::stats;
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::skip_serializing_none;

/// A model replayed on this machine.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Replayed {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Asked,
    /// The phases that were timed.
    pub phases: Vec<ReplayedPhase>,
    /// Whether somebody ended it before its time.
    pub interrupted: bool,
    /// What was done otherwise than an engine would, and why something has no prediction.
    pub notes: Vec<String>,
}

/// The model, the machine and the workload.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Asked {
    /// The model's name.
    pub model: String,
    /// How its weights are stored.
    pub weights: String,
    /// The machine.
    pub device: String,
    /// Threads; none on a GPU.
    pub threads: Option<u32>,
    /// The profile whose winners and rates it goes by; none where there is none.
    pub profile: Option<String>,
    /// How the model is used.
    #[serde(flatten)]
    pub workload: Workload,
    /// Bytes of all weights, as the census counts them.
    pub weight_bytes_total: u64,
    /// Memory that the replay takes at most, bytes.
    pub memory_needed_bytes: u64,
    /// Memory that was available before, bytes.
    pub memory_available_bytes: u64,
}

/// The times of one phase, as a device gave them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timed {
    /// Seconds of whole passes in which no operation was timed by itself.
    pub passes: Vec<f64>,
    /// Seconds of whole passes in which each was.
    pub stepped: Vec<f64>,
    /// For each of these the seconds of each step.
    pub steps: Vec<Vec<f64>>,
    /// Passes during which the machine was taken away.
    pub disturbed: u64,
    /// Whether every result was held against the oracle, and agreed.
    pub verified: bool,
    /// What main memory read between them, where that is asked.
    pub memory: Option<MemoryRead>,
}

/// One phase: measured, and predicted by the achieved roof.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ReplayedPhase {
    /// Which one.
    pub phase: Phase,
    /// Tokens per sequence that it takes in, or gives.
    pub tokens: u64,
    /// Keys that its last token sees, itself included.
    pub context: u64,
    /// Passes timed as a whole.
    pub passes: u64,
    /// Passes during which the machine was taken away for a moment.
    pub disturbed_passes: u64,
    /// Seconds: the median.
    pub seconds: f64,
    /// Its 95 % interval.
    pub seconds_interval: [f64; 2],
    /// Tokens per second, all sequences together.
    pub tokens_per_s: f64,
    /// The same at the ends of the interval.
    pub tokens_per_s_interval: [f64; 2],
    /// The median of passes in which every operation was timed by itself, seconds.
    pub seconds_with_timers: Option<f64>,
    /// Seconds that the achieved roof predicts.
    pub seconds_predicted: Option<f64>,
    /// Tokens per second that it predicts.
    pub tokens_per_s_predicted: Option<f64>,
    /// Measured over predicted tokens per second.
    pub ratio: Option<f64>,
    /// Whether results were held against the oracle, and agreed.
    pub verified: bool,
    /// What main memory read between the passes; none where the weights may stay in caches, without a profile, and on a GPU.
    pub memory_read: Option<MemoryRead>,
    /// Steps of one class that do the same, together.
    pub groups: Vec<GroupTime>,
    /// Every step.
    pub steps: Vec<StepTime>,
}

/// Steps of one class that do the same, together.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GroupTime {
    /// The class.
    pub class: &'static str,
    /// The routine.
    pub routine: &'static str,
    /// How weights, cache rows or state are stored; the first where several are.
    pub stored_as: String,
    /// Times.
    #[serde(flatten)]
    pub time: Time,
}

/// One step of the census.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StepTime {
    /// What was planned.
    #[serde(flatten)]
    pub planned: PlannedStep,
    /// Times.
    #[serde(flatten)]
    pub time: Time,
}

/// What operations took.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Time {
    /// Launches in one pass.
    #[serde(rename = "launches_timed")]
    pub launches: u64,
    /// Seconds in one pass: the median.
    pub seconds: f64,
    /// The share of the whole pass, 0 to 1.
    pub share: f64,
    /// Seconds that the achieved roof predicts.
    pub seconds_predicted: Option<f64>,
    /// Measured over predicted speed.
    pub ratio: Option<f64>,
    /// Bytes moved, as the replay moves them.
    #[serde(rename = "bytes_moved")]
    pub bytes: u64,
    /// The rate of that, 10⁹ per second.
    pub gb_per_s: Option<f64>,
    /// Matmul FLOPs over the time, 10⁹ per second.
    pub gflop_per_s: Option<f64>,
}

impl ReplayedPhase {
    /// What `timed` says of `plan`, beside what `predicted` says; none where not even one pass ended.
    pub fn of(
        plan: &Plan,
        workload: &Workload,
        timed: &Timed,
        predicted: Option<&Evaluation>,
    ) -> Option<ReplayedPhase> {
        let whole = if timed.passes.is_empty() { &timed.stepped } else { &timed.passes };
        let (seconds, seconds_interval) = stats::middle(whole)?;
        let (tokens, context) = match plan.phase {
            Phase::Prefill => (workload.prompt, workload.filled()),
            _ => (1, workload.decode_context()),
        };
        let rate = |seconds: f64| (workload.batch * tokens) as f64 / seconds;
        let predicted = predicted.and_then(|evaluation| evaluation.phase(plan.phase));
        let seconds_predicted = predicted.and_then(achieved);
        let steps = steps(plan, timed, predicted);
        Some(ReplayedPhase {
            phase: plan.phase,
            tokens,
            context,
            passes: whole.len() as u64,
            disturbed_passes: timed.disturbed,
            seconds,
            seconds_interval,
            tokens_per_s: rate(seconds),
            tokens_per_s_interval: [rate(seconds_interval[1]), rate(seconds_interval[0])],
            seconds_with_timers: stats::middle(&timed.stepped).map(|(seconds, _)| seconds),
            seconds_predicted,
            tokens_per_s_predicted: seconds_predicted.map(rate),
            ratio: seconds_predicted.map(|predicted| predicted / seconds),
            verified: timed.verified,
            memory_read: timed.memory.clone(),
            groups: groups(&steps),
            steps,
        })
    }
}

/// The time of a phase under the achieved roof.
fn achieved(phase: &PhaseResult) -> Option<f64> {
    phase.ops.iter().map(|op| op.seconds_achieved).sum()
}

fn steps(plan: &Plan, timed: &Timed, predicted: Option<&PhaseResult>) -> Vec<StepTime> {
    let of_step = |step: usize| {
        let seconds: Vec<f64> = timed.steps.iter().filter_map(|steps| steps.get(step).copied()).collect();
        stats::middle(&seconds).map_or(0.0, |(seconds, _)| seconds)
    };
    let all: f64 = (0..plan.steps.len()).map(of_step).sum();
    let times = plan.steps.iter().enumerate().map(|(place, planned)| {
        let op = predicted.and_then(|phase| phase.ops.get(place)).filter(|op| op.op == planned.op);
        let time = Time {
            launches: planned.launches,
            seconds: of_step(place),
            share: 0.0,
            seconds_predicted: op.and_then(|op| op.seconds_achieved),
            bytes: planned.moved_bytes,
            ..Time::default()
        };
        StepTime { planned: planned.clone(), time: time.rated(planned.flops, all) }
    });
    times.collect()
}

impl Time {
    /// With its rates, of so many FLOPs, and its share of `all` seconds.
    fn rated(self, flops: f64, all: f64) -> Time {
        let Time { seconds, bytes, seconds_predicted, .. } = self;
        let rate = |amount: f64| (amount > 0.0 && seconds > 0.0).then(|| amount / seconds / 1e9);
        // What is not reckoned with at all has no ratio.
        let known = seconds_predicted.filter(|&predicted| predicted > 0.0 && seconds > 0.0);
        let ratio = known.map(|predicted| predicted / seconds);
        let share = if all > 0.0 { seconds / all } else { 0.0 };
        Time { share, ratio, gb_per_s: rate(bytes as f64), gflop_per_s: rate(flops), ..self }
    }
}

/// Steps of one class that do the same, those that take longest first.
fn groups(steps: &[StepTime]) -> Vec<GroupTime> {
    let mut groups: Vec<(GroupTime, f64)> = Vec::new();
    for StepTime { planned, time } in steps {
        let same = |group: &GroupTime| (group.class, group.routine) == (planned.class, planned.routine);
        let Some((group, flops)) = groups.iter_mut().find(|(group, _)| same(group)) else {
            let PlannedStep { class, routine, ref stored_as, flops, .. } = *planned;
            groups.push((GroupTime { class, routine, stored_as: stored_as.clone(), time: time.clone() }, flops));
            continue;
        };
        *flops += planned.flops;
        let sum = &mut group.time;
        sum.launches += time.launches;
        sum.seconds += time.seconds;
        sum.bytes = sum.bytes.saturating_add(time.bytes);
        sum.seconds_predicted = sum.seconds_predicted.zip(time.seconds_predicted).map(|(a, b)| a + b);
    }
    let all: f64 = groups.iter().map(|(group, _)| group.time.seconds).sum();
    let rated = |(group, flops): (GroupTime, f64)| GroupTime { time: group.time.rated(flops, all), ..group };
    let mut groups: Vec<GroupTime> = groups.into_iter().map(rated).collect();
    groups.sort_by(|a, b| b.time.seconds.total_cmp(&a.time.seconds));
    groups
}
