//! One scenario of one model on one profile: its work, its predicted performance, where that stands.

use super::{AttentionKind, Engine, Scenario};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluator, Figures, RoofKind, exact};
use crate::model::{Pass, Runtime, Workload};
use crate::potential::Potential;
use crate::roofline::Resource;
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde::Serialize;
use serde_with::{SerializeDisplay, skip_serializing_none};

/// One scenario of one model on one profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ScenarioResult {
    /// The model's name.
    pub model: String,
    /// Its layers, which may be fewer or more than it was published with.
    pub layers: u64,
    /// Its parameters, a tied head counted once.
    pub params_total: u64,
    /// Its kind of attention.
    pub attention: AttentionKind,
    /// The profile's name.
    pub profile: String,
    /// The device's name in the profile.
    pub device: String,
    /// How weights are stored.
    pub weights: String,
    /// How the cache is stored.
    pub kv: String,
    /// Whose way of doing latent attention is counted.
    pub runtime: Runtime,
    /// Sequences processed together.
    pub batch: u64,
    /// The scenario.
    pub scenario: String,
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens of the answer.
    pub generate: u64,
    /// Cache elements that a token leaves, all layers together.
    pub kv_elements_per_token: u64,
    /// Bytes of all weights.
    pub weight_bytes_total: u64,
    /// π/β for the arithmetic of the weights.
    pub ridge_flop_per_byte: f64,
    /// What the intervals of π and β allow it to be.
    pub ridge_interval: [f64; 2],
    /// FLOPs per byte of the scenario were the first token of the answer decoded, too: G decode steps instead of G − 1.
    pub oi_g_steps: f64,
    /// The prompt, the answer, and both together.
    pub parts: Vec<PartResult>,
}

/// Passes that are looked at together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PartResult {
    /// Which.
    pub part: PartKind,
    /// Forward passes.
    pub forward_passes: u64,
    /// W: matmul FLOPs.
    pub flops: u64,
    /// Weight bytes read; of routed experts, as expected.
    pub weight_bytes: u64,
    /// Cache bytes read and written.
    pub kv_bytes: u64,
    /// Bytes read and written of what recurrent layers keep.
    pub state_bytes: u64,
    /// Q: all of these bytes.
    pub bytes: u64,
    /// W/Q.
    pub oi: f64,
    /// The side of the ridge; none where the ridge's interval leaves it open.
    pub regime_decided: Option<Regime>,
    /// The predicted performance, under each roof that the profile has.
    pub roofs: Vec<Standing>,
}

named_enum! {
    /// Which passes.
    #[derive(SerializeDisplay, JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub enum PartKind: "part" {
        /// The prompt.
        Prefill = "prefill",
        /// The answer: decode steps.
        Decode = "decode",
        /// Both.
        Scenario = "scenario",
    }
}

/// A side of the ridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Regime {
    /// Below it.
    #[serde(rename = "memory-bound")]
    Memory,
    /// Beyond it.
    #[serde(rename = "compute-bound")]
    Compute,
}

/// The predicted performance of passes under one roof, and where that stands.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Standing {
    /// Which roof.
    pub roof: RoofKind,
    /// The least time.
    pub seconds: f64,
    /// W/T.
    pub gflop_per_s: f64,
    /// The same with all ceilings at the lower, and at the upper, end of their 95 % intervals.
    pub gflop_per_s_interval: [f64; 2],
    /// Tokens per second, all sequences together: taken in (prefill), decoded (decode), answered from end to end (scenario).
    pub tokens_per_s: f64,
    /// The same with all ceilings at the ends of their intervals.
    pub tokens_per_s_interval: [f64; 2],
    /// The resource that binds for the larger share of the time.
    pub bound: Resource,
    /// Where it stands under the roofline of the weights' arithmetic.
    #[serde(flatten)]
    pub potential: Potential,
    /// How many times as many tokens per second as with the first weights of the study.
    pub speedup: Option<f64>,
    /// What the intervals of both speeds allow that to be.
    pub speedup_interval: Option<[f64; 2]>,
}

impl ScenarioResult {
    /// One part of it; none where nothing is decoded.
    pub fn part(&self, kind: PartKind) -> Option<&PartResult> {
        self.parts.iter().find(|part| part.part == kind)
    }

    /// All of it, which is always there.
    pub fn whole(&self) -> &PartResult {
        &self.parts[self.parts.len() - 1]
    }
}

impl PartResult {
    /// The predicted performance under that roof; the peak roof is always there.
    pub fn under(&self, roof: RoofKind) -> &Standing {
        self.roofs.iter().find(|standing| standing.roof == roof).unwrap_or(&self.roofs[0])
    }
}

impl ScenarioResult {
    /// A scenario as `engine` runs it.
    ///
    /// # Errors
    /// Misuse for what `engine` does not do, and for a count beyond 64 bits.
    pub(super) fn of(evaluator: &Evaluator, engine: Engine, scenario: &Scenario) -> Result<ScenarioResult> {
        let model = evaluator.demand().model();
        let place = |e: Error| e.within(format!("--scenario {scenario}"));
        let workload =
            Workload { prompt: scenario.prompt, generate: Some(scenario.generate), ..evaluator.query().workload };
        engine.check(&workload).map_err(place)?;
        let [prefill, decode] = engine.passes(model, &workload)?;
        let decoded: u64 = decode.iter().map(|(_, forward)| forward.passes).sum();
        let all = [prefill.as_slice(), &decode].concat();
        let tokens = [scenario.prompt, decoded, scenario.generate];
        let ridge_interval = evaluator.ridge_interval()?;
        let mut parts = Vec::new();
        for ((kind, passes), tokens) in PartKind::ALL.into_iter().zip([&prefill, &decode, &all]).zip(tokens) {
            if passes.is_empty() {
                continue;
            }
            let figures = evaluator.figures_of(passes.iter().copied())?;
            parts.push(part(kind, &figures, evaluator, ridge_interval, workload.batch * tokens)?);
        }
        let every = evaluator.figures_of(engine.with_all_decoded(model, &workload)?)?;
        let ((name, profile), types) = (evaluator.profile(), evaluator.demand().types());
        Ok(ScenarioResult {
            model: model.name().to_owned(),
            layers: model.layer_count(),
            params_total: model.parameters()?,
            attention: AttentionKind::of(model),
            profile: name.to_owned(),
            device: profile.device.name.clone(),
            weights: types.format.clone(),
            kv: workload.kv.to_string(),
            runtime: workload.runtime,
            batch: workload.batch,
            scenario: scenario.name.clone(),
            prompt: scenario.prompt,
            generate: scenario.generate,
            kv_elements_per_token: model.kv_elements_per_token(workload.runtime.latents(model, Pass::Decode))?,
            weight_bytes_total: types.bytes,
            ridge_flop_per_byte: evaluator.ridge().intensity().0,
            ridge_interval,
            oi_g_steps: (every.flops() / every.bytes()).0,
            parts,
        })
    }
}

fn part(
    part: PartKind,
    figures: &Figures,
    evaluator: &Evaluator,
    ridge_interval: [f64; 2],
    tokens: u64,
) -> Result<PartResult> {
    let totals = &figures.totals;
    let oi = (figures.flops() / figures.bytes()).0;
    let standing = |&roof: &RoofKind| {
        let [fastest, slowest] = figures.extremes(roof);
        let (seconds, point) = (figures.seconds(roof), figures.point(roof));
        let rate = |seconds: crate::units::Seconds| tokens as f64 / seconds.0;
        Standing {
            roof,
            seconds: seconds.0,
            gflop_per_s: point.rate.giga(),
            gflop_per_s_interval: [slowest, fastest].map(|seconds| (figures.flops() / seconds).giga()),
            tokens_per_s: rate(seconds),
            tokens_per_s_interval: [rate(slowest), rate(fastest)],
            bound: figures.bound(roof),
            potential: Potential::of(point, evaluator.ridge()),
            speedup: None,
            speedup_interval: None,
        }
    };
    Ok(PartResult {
        part,
        forward_passes: figures.passes,
        flops: exact(totals.flops.total())?,
        weight_bytes: exact(totals.weight_bytes.total())?,
        kv_bytes: exact(totals.kv_read_bytes + totals.kv_write_bytes)?,
        state_bytes: exact(totals.state_read_bytes + totals.state_write_bytes)?,
        bytes: exact(totals.memory_bytes())?,
        oi,
        regime_decided: decided(oi, ridge_interval),
        roofs: evaluator.roof_kinds().iter().map(standing).collect(),
    })
}

/// The side of the ridge, where the ridge's interval leaves no doubt.
fn decided(oi: f64, [low, high]: [f64; 2]) -> Option<Regime> {
    if oi < low {
        Some(Regime::Memory)
    } else if oi >= high {
        Some(Regime::Compute)
    } else {
        None
    }
}
