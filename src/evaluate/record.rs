//! The record of an evaluation: field names are a contract with other tools.

use super::{Advice, ClassCounts, Energy, RoofKind, StoredFiles};
use crate::engine::EngineTable;
use crate::model::{Pass, Phase, Runtime, Workload};
use crate::potential::Potential;
use crate::profile::{DeviceKind, Effort, GpuClass, Grade, Profile};
use crate::roofline::{Note, Resource};
use schemars::JsonSchema;
use serde::Serialize;

/// One model on one profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Evaluation {
    /// The model's name.
    pub model: String,
    /// The profile that it was evaluated on.
    #[serde(flatten)]
    pub on: ProfileFacts,
    /// Parameters, a tied head counted once; of a GGUF file every element of its tensor table.
    pub params_total: u64,
    /// Parameters that take part in one token: all but the experts that it does not visit.
    pub params_active: u64,
    /// Parameters of layers for multi-token prediction, which are not among the others; none where there are no such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params_multi_token: Option<u64>,
    /// Parameters outside embedding and head.
    pub params_non_embedding: u64,
    /// Cache elements per token, all layers together.
    pub kv_elements_per_token: u64,
    /// Elements that recurrent layers keep of a sequence, however long.
    pub state_elements_per_sequence: u64,
    /// Whose way of doing latent attention is counted.
    pub runtime: Runtime,
    /// How weights are stored: the word of `--weights`, or of the file.
    pub weights: String,
    /// How the model is used.
    #[serde(flatten)]
    pub workload: Workload,
    /// The roof that the record goes by.
    pub roof: RoofKind,
    /// Whether a ceiling of the peak roof is quoted, so that the roof is as good as its source.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub quoted: bool,
    /// Why the profile has no achieved roof, where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_achieved_roof: Option<String>,
    /// The engine whose speed is predicted, and where its table comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineFacts>,
    /// Time to first token: that of the prefill.
    pub ttft_seconds: f64,
    /// Time per output token: that of a decode step at this context.
    pub tpot_seconds: f64,
    /// Bytes of all weights.
    pub weight_bytes_total: u64,
    /// Bytes of all tensors of the model's files, or of the GGUF file that would be made of this shape; beside weights it may
    /// keep factors of the rotary embedding. None for a checkpoint's layout without files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_bytes: Option<u64>,
    /// Bytes of the safetensors files beside the configuration, where their headers were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<StoredFiles>,
    /// Bytes of weights, of the cache at its longest, and of activations (f32, 512 tokens at a time).
    pub memory_needed_bytes: u64,
    /// Bytes that the device has; none where the profile does not have that.
    pub memory_bytes: Option<u64>,
    /// Whether it has enough, where that is known.
    pub fits: Option<bool>,
    /// π/β for the arithmetic of the weights.
    pub ridge_flop_per_byte: f64,
    /// What has to be said about this result, what changes its meaning first.
    pub notes: Vec<Note>,
    /// The phases.
    pub phases: Vec<PhaseResult>,
    /// What comes almost free here, and which weights are fastest, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
}

/// The engine of a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct EngineFacts {
    /// Its name.
    pub name: String,
    /// Where its table comes from.
    pub source: String,
    /// When it was fitted, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitted: Option<String>,
    /// Runs that it was fitted to.
    pub runs: u64,
}

impl From<&EngineTable> for EngineFacts {
    fn from(table: &EngineTable) -> EngineFacts {
        EngineFacts {
            name: table.engine.clone(),
            source: table.source.clone(),
            fitted: table.fitted.clone(),
            runs: table.runs,
        }
    }
}

impl Evaluation {
    /// That phase, where it is part of the workload.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseResult> {
        self.phases.iter().find(|result| result.phase == phase)
    }
}

/// A profile by its name, and how far to trust it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ProfileFacts {
    /// The name that it was asked for by.
    pub profile: String,
    /// The device's name in the profile.
    pub device: String,
    /// CPU or GPU.
    pub kind: DeviceKind,
    /// How a GPU is built in, software included; none for a CPU, and for a quoted GPU whose class is not known.
    pub class: Option<GpuClass>,
    /// The grade of the circumstances; none for a quoted profile.
    pub grade: Option<Grade>,
    /// How much time the measurement was given.
    pub effort: Option<Effort>,
    /// When it began.
    pub date: String,
    /// Whether every ceiling asked for has its answer.
    pub complete: bool,
    /// The profile that was simulated, when nothing was measured.
    pub simulated: Option<String>,
}

impl ProfileFacts {
    /// Those of `profile`, called `name`.
    pub fn of(name: &str, profile: &Profile) -> ProfileFacts {
        let provenance = &profile.provenance;
        ProfileFacts {
            profile: name.to_owned(),
            device: profile.device.name.clone(),
            kind: profile.device.kind,
            class: profile.device.gpu.as_ref().map(|gpu| gpu.class),
            grade: profile.environment.as_ref().and_then(|environment| environment.grade),
            effort: provenance.effort,
            date: provenance.date.clone(),
            complete: provenance.complete,
            simulated: provenance.simulated.clone(),
        }
    }
}

/// One phase of a workload: exact counts, and the bound of its time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PhaseResult {
    /// Which one.
    pub phase: Phase,
    /// Tokens per sequence that it takes in (prefill) or gives (decode, generation).
    pub tokens: u64,
    /// Keys that its last token sees, itself included.
    pub context: u64,
    /// Forward passes.
    pub forward_passes: u64,
    /// Matmul FLOPs by class, and their total.
    pub flops: ClassCounts,
    /// Elementwise FLOPs.
    pub vector_flops: u64,
    /// Weight elements read, by class; those of routed experts are an expectation, with its fraction.
    pub weight_elements: ClassCounts,
    /// Weight bytes read; of routed experts, as expected.
    pub weight_bytes: u64,
    /// Weight bytes read if all tokens chose the same experts, and if they chose as many different ones as can be.
    pub weight_bytes_bounds: [u64; 2],
    /// Weight bytes read, by class.
    pub weight_bytes_by_class: ClassCounts,
    /// Cache elements read.
    pub kv_read_elements: u64,
    /// Cache elements written.
    pub kv_write_elements: u64,
    /// Cache bytes read.
    pub kv_read_bytes: u64,
    /// Cache bytes written.
    pub kv_write_bytes: u64,
    /// Bytes read of what recurrent layers keep.
    pub state_read_bytes: u64,
    /// Bytes written of it.
    pub state_write_bytes: u64,
    /// Activation bytes between routines, f32; not memory traffic here.
    pub act_bytes: u64,
    /// Matmul FLOPs per byte of weights, cache and state.
    pub oi: f64,
    /// The same were activations memory traffic.
    pub oi_with_activations: f64,
    /// What the record goes by: the roof asked for.
    #[serde(flatten)]
    pub speed: Speed,
    /// The same under each roof that the profile has.
    pub roofs: Vec<Speed>,
    /// The electric energy that it takes, where the profile has power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// Where it stands under the roofline of the weights' arithmetic.
    #[serde(flatten)]
    pub potential: Potential,
    /// Its operations.
    pub ops: Vec<OpResult>,
}

/// The least time of a phase under one roof, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Speed {
    /// Which roof.
    pub roof: RoofKind,
    /// The resource that binds for the larger share of the time.
    pub bound: Resource,
    /// The ceiling that binds longest.
    pub bound_by: Option<String>,
    /// The share of the time in operations that memory binds.
    pub memory_bound_share: f64,
    /// The share of the time in operations whose binding resource is undecided: the intervals of their ceilings overlap.
    pub undecided_share: f64,
    /// The least time, one operation after another.
    pub seconds: f64,
    /// The part of it in which operations are started; none under the peak roof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overhead_seconds: Option<f64>,
    /// The least time if all operations overlapped; of the peak roof only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_optimistic: Option<f64>,
    /// Predicted rate of matmul FLOPs, 10⁹ per second.
    pub gflop_per_s: f64,
    /// Tokens per second, all sequences together: taken in (prefill), given (decode), given from end to end (generation).
    pub tokens_per_s: f64,
    /// Generation only: tokens per second after the first, prefill not counted; none for a single token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_s: Option<f64>,
    /// `tokens_per_s` with all ceilings at the lower, and at the upper, end of their 95 % intervals; none where the ceilings
    /// that it goes by have no intervals, as quoted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_s_interval: Option<[f64; 2]>,
}

/// One operation of a phase, all its repeats together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OpResult {
    /// The kind of pass it belongs to.
    pub pass: Pass,
    /// Its name.
    pub op: &'static str,
    /// Its class.
    pub class: &'static str,
    /// The routine.
    pub routine: &'static str,
    /// How its weights, or its cache rows, are stored.
    pub stored_as: String,
    /// Rows of one execution.
    pub m: u64,
    /// Output features, or cached rows.
    pub n: u64,
    /// Inner extent.
    pub k: u64,
    /// Executions.
    pub repeat: u64,
    /// Of routed experts, how many different ones one execution reads: at least, as expected, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<(u64, f64, u64)>,
    /// Matmul FLOPs.
    pub flops: u64,
    /// Elementwise FLOPs.
    pub vector_flops: u64,
    /// Bytes of weights, cache and state.
    pub bytes: u64,
    /// FLOPs per byte; none without bytes.
    pub oi: Option<f64>,
    /// The least time, under the roof that the record goes by.
    pub seconds: f64,
    /// Its share of the phase's time.
    pub share: f64,
    /// The time under the peak roof.
    pub seconds_peak: f64,
    /// The time under the achieved roof, starting included; none where the profile has no such roof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_achieved: Option<f64>,
    /// The resource that binds; none when it takes no time under these roofs.
    pub bound: Option<Resource>,
    /// Whether the intervals of the ceilings leave open which resource binds.
    pub undecided: bool,
    /// The ceiling that binds, or the measurement that the time comes from.
    pub ceiling: Option<String>,
    /// The formulas with their values, line by line, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub explanation: Vec<String>,
}
