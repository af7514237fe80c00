//! One row of a sweep. Its field names are those of an evaluation's record and table: a contract with other tools.

use crate::error::Result;
use crate::evaluate::{Evaluator, Extent, Figures, RoofKind, exact};
use crate::model::{Phase, Workload};
use crate::potential::Potential;
use crate::roofline::Resource;
use serde::Serialize;

/// One phase of one model, used in one way, on one profile. Figures are missing where the status is not `evaluated`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row<'r> {
    /// The model's name.
    pub model: &'r str,
    /// The profile's name.
    pub profile: &'r str,
    /// How weights are stored: the word of `--weights`, or of the file.
    pub weights: &'r str,
    /// How the cache is stored.
    pub kv: &'r str,
    /// Layers.
    pub layers: u64,
    /// Sequences processed together.
    pub batch: u64,
    /// Tokens that a prefill takes in at once, all sequences together; none for the whole prompt.
    pub micro_batch: Option<u64>,
    /// Tokens in the cache before the prompt.
    pub cached: u64,
    /// Tokens of the prompt of each sequence.
    pub prompt: u64,
    /// Keys that the decode step sees, whichever phase the row is of.
    pub context: u64,
    /// Tokens generated for each sequence.
    pub generate: Option<u64>,
    /// Which phase.
    pub phase: Phase,
    /// The roof that speeds and potential go by.
    pub roof: RoofKind,
    /// Tokens per sequence that the phase takes in or gives.
    pub tokens: u64,
    /// Matmul FLOPs.
    pub flops: Option<u64>,
    /// Weight bytes read; of routed experts, as expected.
    pub weight_bytes: Option<u64>,
    /// Cache bytes read and written.
    pub kv_bytes: Option<u64>,
    /// Matmul FLOPs per byte of weights, cache and state.
    pub oi: Option<f64>,
    /// The resource that binds for the larger share of the time.
    pub bound: Option<Resource>,
    /// The least time.
    pub seconds: Option<f64>,
    /// Tokens per second, all sequences together.
    pub tokens_per_s: Option<f64>,
    /// The same with all ceilings at the lower ends of their intervals.
    pub tokens_per_s_low: Option<f64>,
    /// The same at the upper ends.
    pub tokens_per_s_high: Option<f64>,
    /// Rate of matmul FLOPs, 10⁹ per second.
    pub gflop_per_s: Option<f64>,
    /// The side of the ridge.
    pub regime: Option<&'static str>,
    /// As [`Potential::headroom_log2`].
    pub headroom_log2: Option<f64>,
    /// As [`Potential::reach_log2`].
    pub reach_log2: Option<f64>,
    /// As [`Potential::phi`].
    pub phi: Option<f64>,
    /// As [`Potential::phi_log2`].
    pub phi_log2: Option<f64>,
    /// As [`Potential::phi_paper`].
    pub phi_paper: Option<f64>,
    /// As [`Potential::region_area`].
    pub region_area: Option<f64>,
    /// Bytes of weights, of the cache at its longest, and of activations.
    pub memory_needed_bytes: Option<u64>,
    /// Whether the device has enough, where that can be told.
    pub fits: Option<bool>,
    /// Tokens per second under the peak roof.
    pub tokens_per_s_peak: Option<f64>,
    /// Tokens per second under the achieved roof, where the profile has it.
    pub tokens_per_s_achieved: Option<f64>,
    /// Whether there is an answer.
    pub status: Status,
    /// Why there is none.
    pub reason: Option<&'r str>,
}

/// Whether a row has figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has.
    Evaluated,
    /// Such a model, or such a use of it, cannot be, or the profile has no roof for it.
    Unsupported,
}

/// What the rows of one case have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'r> {
    pub(super) model: &'r str,
    pub(super) profile: &'r str,
    pub(super) weights: &'r str,
    pub(super) kv: &'r str,
    pub(super) layers: u64,
}

impl<'r> Row<'r> {
    /// Nothing asked, nothing answered.
    pub const EMPTY: Row<'static> = Row {
        model: "",
        profile: "",
        weights: "",
        kv: "",
        layers: 0,
        batch: 0,
        micro_batch: None,
        cached: 0,
        prompt: 0,
        context: 0,
        generate: None,
        phase: Phase::Prefill,
        roof: RoofKind::Peak,
        tokens: 0,
        flops: None,
        weight_bytes: None,
        kv_bytes: None,
        oi: None,
        bound: None,
        seconds: None,
        tokens_per_s: None,
        tokens_per_s_low: None,
        tokens_per_s_high: None,
        gflop_per_s: None,
        regime: None,
        headroom_log2: None,
        reach_log2: None,
        phi: None,
        phi_log2: None,
        phi_paper: None,
        region_area: None,
        memory_needed_bytes: None,
        fits: None,
        tokens_per_s_peak: None,
        tokens_per_s_achieved: None,
        status: Status::Unsupported,
        reason: None,
    };

    /// What was asked, without an answer as yet.
    pub(super) fn asked(names: &Names<'r>, workload: &Workload, phase: Phase, roof: RoofKind) -> Row<'r> {
        let &Names { model, profile, weights, kv, layers } = names;
        Row {
            model,
            profile,
            weights,
            kv,
            layers,
            batch: workload.batch,
            micro_batch: workload.micro_batch,
            cached: workload.cached,
            prompt: workload.prompt,
            context: workload.decode_context(),
            generate: workload.generate,
            phase,
            roof,
            tokens: Extent::of(workload, phase).tokens,
            ..Row::EMPTY
        }
    }

    /// With the figures of a phase.
    ///
    /// # Errors
    /// Misuse when a count exceeds 64 bits.
    pub(super) fn evaluated(
        self,
        evaluator: &Evaluator,
        figures: &Figures,
        memory: (u64, Option<bool>),
    ) -> Result<Row<'r>> {
        let (roof, totals) = (self.roof, &figures.totals);
        let tokens = (self.batch * self.tokens) as f64;
        let [fastest, slowest] = figures.extremes(roof);
        let point = figures.point(roof);
        let potential = Potential::of(point, evaluator.ridge());
        let under = |kind: RoofKind| evaluator.roof_kinds().contains(&kind).then(|| tokens / figures.seconds(kind).0);
        let seconds = figures.seconds(roof).0;
        Ok(Row {
            flops: Some(exact(totals.flops.total())?),
            weight_bytes: Some(exact(totals.weight_bytes.total())?),
            kv_bytes: Some(exact(totals.kv_read_bytes + totals.kv_write_bytes)?),
            oi: Some(point.intensity.0),
            bound: Some(figures.bound(roof)),
            seconds: Some(seconds),
            tokens_per_s: Some(tokens / seconds),
            tokens_per_s_low: Some(tokens / slowest.0),
            tokens_per_s_high: Some(tokens / fastest.0),
            gflop_per_s: Some(point.rate.giga()),
            regime: Some(potential.regime.regime()),
            headroom_log2: Some(potential.headroom_log2),
            reach_log2: Some(potential.reach_log2),
            phi: Some(potential.phi),
            phi_log2: Some(potential.phi_log2),
            phi_paper: Some(potential.phi_paper),
            region_area: Some(potential.region_area),
            memory_needed_bytes: Some(memory.0),
            fits: memory.1,
            tokens_per_s_peak: under(RoofKind::Peak),
            tokens_per_s_achieved: under(RoofKind::Achieved),
            status: Status::Evaluated,
            ..self
        })
    }
}
