//! What a model can hope for on a device: architecture × workload × profile, joined.
//!
//! Every operation of the workload is put under the profile's ceilings ([`roofline`](crate::roofline)); their times add
//! up, one operation after another. Measured peaks are the roof, so the answer is an upper bound of the speed: engines
//! stay below it. Traffic is what memory must deliver once: weights once per pass, visible keys and values once per pass
//! and sequence; activations are taken to stay in caches, and are reported apart.
//!
//! Pure: the same input gives the same record. The record's field names are a contract with other tools.

use crate::error::{Error, Result};
use crate::model::{
    Architecture, ByClass, Class, Counted, Pass, Phase, Run, Runtime, Step, TensorTypes, Totals, Workload,
};
use crate::potential::{Point, Potential};
use crate::profile::{GpuClass, Profile};
use crate::roofline::{Arithmetic, Bound, Load, Resource, Ridge, Roofs, Span};
use crate::units::{Bytes, Flops, Seconds};
use roofprobe_kernels::{Dtype, Op};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Tokens that engines process at once in a long prefill: the default micro-batch of llama.cpp. It limits the memory
/// that activations need, and nothing else here.
const MICRO_BATCH: u64 = 512;

/// One model on one profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The model's name.
    pub model: String,
    /// The profile's name.
    pub profile: String,
    /// The device's name in the profile.
    pub device: String,
    /// Parameters, a tied head counted once; of a GGUF file every element of its tensor table.
    pub params_total: u64,
    /// Parameters that take part in one token: all but the experts that it does not visit.
    pub params_active: u64,
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
    /// How the cache is stored.
    pub kv: String,
    /// Tokens of the prompt of each sequence.
    pub prompt: u64,
    /// Tokens in the cache before the prompt.
    pub cached: u64,
    /// Keys that the decode step sees.
    pub context: u64,
    /// Tokens generated for each sequence.
    pub generate: Option<u64>,
    /// Sequences processed together.
    pub batch: u64,
    /// Bytes of all weights.
    pub weight_bytes_total: u64,
    /// Bytes of all tensors of the GGUF file, or of the one that would be made of this shape; beside weights it may keep
    /// factors of the rotary embedding. None for a checkpoint's layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor_bytes: Option<u64>,
    /// Bytes of weights, of the cache at its longest, and of activations (f32, 512 tokens at a time).
    pub memory_needed_bytes: u64,
    /// Bytes that the device has; none where the profile does not tell.
    pub memory_bytes: Option<u64>,
    /// Whether it has enough, where that can be told.
    pub fits: Option<bool>,
    /// π/β for the arithmetic of the weights.
    pub ridge_flop_per_byte: f64,
    /// What has to be said about this result.
    pub notes: Vec<String>,
    /// The phases.
    pub phases: Vec<PhaseResult>,
}

/// One phase of a workload: exact counts, and the bound of its time.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The resource that binds for the larger share of the time.
    pub bound: Resource,
    /// The ceiling that binds longest.
    pub bound_by: Option<String>,
    /// The share of the time in operations that memory binds.
    pub memory_bound_share: f64,
    /// The least time, one operation after another.
    pub seconds: f64,
    /// The least time if all operations overlapped.
    pub seconds_optimistic: f64,
    /// Predicted rate of matmul FLOPs, 10⁹ per second.
    pub gflop_per_s: f64,
    /// Tokens per second, all sequences together: taken in (prefill), given (decode), given from end to end (generation).
    pub tokens_per_s: f64,
    /// Generation only: tokens per second after the first, prefill not counted; none for a single token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_s: Option<f64>,
    /// `tokens_per_s` with all ceilings at the lower, and at the upper, end of their 95 % intervals.
    pub tokens_per_s_interval: [f64; 2],
    /// Where it stands under the roofline of the weights' arithmetic.
    #[serde(flatten)]
    pub potential: Potential,
    /// Its operations.
    pub ops: Vec<OpResult>,
}

/// One operation of a phase, all its repeats together.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The least time.
    pub seconds: f64,
    /// Its share of the phase's time.
    pub share: f64,
    /// The resource that binds; none when it takes no time under these roofs.
    pub bound: Option<Resource>,
    /// The ceiling that binds.
    pub ceiling: Option<String>,
}

/// Exact counts by class, written as a map.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCounts(Vec<(&'static str, Count)>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    Whole(u64),
    /// What is expected of random choices; whole only by chance.
    Expected(f64),
}

impl ClassCounts {
    /// The count of that name (a class, or `total`); an expectation is rounded.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, count)| match *count {
            Count::Whole(count) => count,
            Count::Expected(count) => count.round() as u64,
        })
    }

    fn of(counts: &ByClass, included: fn(Class) -> bool) -> Result<ClassCounts> {
        let classes = Class::ALL.into_iter().filter(|&class| included(class));
        let count = |class: Class| Ok((class.name(), Count::Whole(exact(counts.get(class))?)));
        classes.map(count).collect::<Result<_>>().map(ClassCounts)
    }

    fn with_total(mut self, total: u128) -> Result<ClassCounts> {
        self.0.push(("total", Count::Whole(exact(total)?)));
        Ok(self)
    }

    fn with_expectation(mut self, class: Class, expected: f64) -> ClassCounts {
        for (name, count) in &mut self.0 {
            if *name == class.name() && expected.fract() != 0.0 {
                *count = Count::Expected(expected);
            }
        }
        self
    }
}

impl Serialize for ClassCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, count) in &self.0 {
            match count {
                Count::Whole(count) => map.serialize_entry(name, count)?,
                Count::Expected(count) => map.serialize_entry(name, count)?,
            }
        }
        map.end()
    }
}

/// Evaluates `model` used as `workload` on `profile`, which is called `profile_name` in the result and in messages.
///
/// # Errors
/// Misuse: a workload beyond its limits, a row that is no whole number of blocks, a profile without a usable ceiling, or
/// a count beyond 64 bits. The message names the option, the key or the ceiling.
pub fn evaluate(
    model: &Architecture,
    workload: &Workload,
    profile: &Profile,
    profile_name: &str,
) -> Result<Evaluation> {
    workload.validate()?;
    let roofs = Roofs::of(profile, profile_name)?;
    // π of the roofline as a whole is that of the matmuls, which do most of the arithmetic.
    let types = TensorTypes::of(model, workload.weights)?;
    let compute = roofs.compute(Arithmetic::of(Op::Matmul, types.main.nearest()))?;
    let ridge = Ridge { compute: compute.rate, bandwidth: roofs.read.rate };
    let phases: Vec<PhaseResult> = workload
        .phases()
        .into_iter()
        .map(|phase| phase_result(phase, &workload.runs(model, phase)?, &roofs, ridge, workload))
        .collect::<Result<_>>()?;
    let memory = Memory::of(model, workload, &types)?;
    let memory_bytes = profile.device.memory_bytes;
    let needed = memory.total()?;
    let mut notes: Vec<String> = software_note(profile).into_iter().collect();
    notes.extend(roof_notes(&roofs, workload, &types)?);
    notes.extend(model.remarks.iter().cloned());
    notes.extend(phases.iter().filter_map(expert_note));
    notes.extend(context_note(model, workload));
    notes.extend(cache_note(profile, memory.weights));
    notes.extend(phases.iter().filter(|phase| phase.potential.above_roof).map(above_roof_note));
    notes.extend(memory_note(needed, memory_bytes));
    Ok(Evaluation {
        model: model.name.clone(),
        profile: profile_name.to_owned(),
        device: profile.device.name.clone(),
        params_total: model.stored.as_ref().map_or_else(|| model.parameters(), |stored| Ok(stored.params_total))?,
        params_active: model.parameters_active()?,
        params_non_embedding: model.parameters_non_embedding()?,
        kv_elements_per_token: model.kv_elements_per_token(workload.runtime.latents(model, Pass::Decode))?,
        state_elements_per_sequence: model.state_elements()?,
        runtime: workload.runtime,
        weights: types.format,
        kv: workload.kv.to_string(),
        prompt: workload.prompt,
        cached: workload.cached,
        context: workload.decode_context(),
        generate: workload.generate,
        batch: workload.batch,
        weight_bytes_total: memory.weights,
        tensor_bytes: types.tensor_bytes,
        memory_needed_bytes: needed,
        memory_bytes,
        fits: memory_bytes.map(|has| needed <= has),
        ridge_flop_per_byte: ridge.intensity().0,
        notes,
        phases,
    })
}

/// A step under the roofs.
struct Timed<'a> {
    pass: Pass,
    step: &'a Step,
    bytes: u128,
    bound: Bound,
}

fn timed<'a>(pass: Pass, step: &'a Step, roofs: &Roofs) -> Result<Timed<'a>> {
    let counted = Counted::of(step)?;
    let (read, written) = (counted.read_bytes(), counted.written_bytes());
    let load =
        Load { flops: Flops(counted.cost.flops as f64), read: Bytes(read as f64), written: Bytes(written as f64) };
    let bound = roofs.bound(&load, Arithmetic::of(step.op, step.operand.nearest()))?;
    Ok(Timed { pass, step, bytes: read + written, bound })
}

fn phase_result(phase: Phase, runs: &[Run], roofs: &Roofs, ridge: Ridge, workload: &Workload) -> Result<PhaseResult> {
    let steps = runs.iter().flat_map(|run| run.steps.iter().map(|step| (run.pass, step)));
    let timed: Vec<Timed> = steps.map(|(pass, step)| timed(pass, step, roofs)).collect::<Result<_>>()?;
    let span = Span::of(timed.iter().map(|t| &t.bound));
    let decoding = Span::of(timed.iter().filter(|t| t.pass == Pass::Decode).map(|t| &t.bound));
    let totals = Totals::of(timed.iter().map(|t| t.step))?;
    let (flops, bytes) = (Flops(totals.flops.total() as f64), Bytes(totals.memory_bytes() as f64));
    let act_bytes = totals.act_elements * u128::from(Dtype::F32.block().bytes);
    let point = Point { intensity: flops / bytes, rate: flops / span.seconds };
    let (tokens, context) = match phase {
        Phase::Prefill => (workload.prompt, workload.filled()),
        Phase::Decode => (1, workload.decode_context()),
        Phase::Generation => {
            let generate = workload.generate.unwrap_or(1);
            (generate, workload.filled() + generate - 1)
        }
    };
    let rate = |seconds: Seconds| (workload.batch * tokens) as f64 / seconds.0;
    Ok(PhaseResult {
        phase,
        tokens,
        context,
        forward_passes: runs.iter().map(|run| run.forward.passes).sum(),
        flops: ClassCounts::of(&totals.flops, Class::computes)?.with_total(totals.flops.total())?,
        vector_flops: exact(totals.vector_flops)?,
        weight_elements: ClassCounts::of(&totals.weight_elements, Class::weighs)?
            .with_expectation(Class::Expert, totals.expert_elements),
        weight_bytes: exact(totals.weight_bytes.total())?,
        weight_bytes_bounds: [exact(totals.weight_bytes_least)?, exact(totals.weight_bytes_most)?],
        weight_bytes_by_class: ClassCounts::of(&totals.weight_bytes, Class::weighs)?,
        kv_read_elements: exact(totals.kv_read_elements)?,
        kv_write_elements: exact(totals.kv_write_elements)?,
        kv_read_bytes: exact(totals.kv_read_bytes)?,
        kv_write_bytes: exact(totals.kv_write_bytes)?,
        state_read_bytes: exact(totals.state_read_bytes)?,
        state_write_bytes: exact(totals.state_write_bytes)?,
        act_bytes: exact(act_bytes)?,
        oi: point.intensity.0,
        oi_with_activations: (flops / (bytes + Bytes(act_bytes as f64))).0,
        bound: span.resource(),
        bound_by: span.ceiling().map(str::to_owned),
        memory_bound_share: span.memory_bound_share(),
        seconds: span.seconds.0,
        seconds_optimistic: span.optimistic.0,
        gflop_per_s: point.rate.giga(),
        tokens_per_s: rate(span.seconds),
        decode_tokens_per_s: (phase == Phase::Generation && tokens > 1)
            .then(|| (workload.batch * (tokens - 1)) as f64 / decoding.seconds.0),
        tokens_per_s_interval: [rate(span.slowest), rate(span.fastest)],
        potential: Potential::of(point, ridge),
        ops: timed.iter().map(|t| op_result(t, span.seconds)).collect::<Result<_>>()?,
    })
}

fn op_result(timed: &Timed, whole: Seconds) -> Result<OpResult> {
    let Timed { pass, step, bytes, bound } = timed;
    let cost = step.total();
    let seconds = bound.seconds();
    Ok(OpResult {
        pass: *pass,
        op: step.name,
        class: step.class.name(),
        routine: step.op.name(),
        stored_as: step.operand.to_string(),
        m: step.shape.m,
        n: step.shape.n,
        k: step.shape.k,
        repeat: step.repeat,
        experts: step.experts(),
        flops: exact(cost.flops)?,
        vector_flops: exact(cost.vector_flops)?,
        bytes: exact(*bytes)?,
        oi: (*bytes > 0).then(|| cost.flops as f64 / *bytes as f64),
        seconds: seconds.0,
        share: seconds / whole,
        bound: bound.ceiling.as_ref().map(|_| bound.resource),
        ceiling: bound.ceiling.clone(),
    })
}

/// What must be held at once, bytes.
struct Memory {
    weights: u64,
    /// Keys and values, and what recurrent layers keep.
    cache: u64,
    activations: u64,
}

impl Memory {
    fn of(model: &Architecture, workload: &Workload, types: &TensorTypes) -> Result<Memory> {
        let latents = workload.runtime.latents(model, Pass::Decode);
        let sequences = u128::from(workload.batch);
        let cached = u128::from(model.cached_elements(workload.longest(), latents)?) * sequences;
        let state = u128::from(model.state_elements()?) * u128::from(Dtype::F32.block().bytes) * sequences;
        // Rows were found to be whole blocks when the steps were made.
        let cache =
            workload.kv.bytes(cached, 1, 1).ok_or_else(|| Error::misuse("--kv: rows are no whole number of blocks"))?;
        let micro = Workload { prompt: workload.prompt.min(MICRO_BATCH), ..*workload };
        let mut widest = 0;
        for run in micro.runs(model, Phase::Prefill)? {
            // Logits are kept for one token of each sequence; attention reads its queries, not the cache, from here.
            let elements = |step: &Step| {
                let cost = step.op.cost(step.shape);
                cost.input_read + cost.output_written
            };
            widest = run.steps.iter().map(elements).fold(widest, u128::max);
        }
        let activations = exact(widest * u128::from(Dtype::F32.block().bytes))?;
        Ok(Memory { weights: types.bytes, cache: exact(cache + state)?, activations })
    }

    fn total(&self) -> Result<u64> {
        exact(u128::from(self.weights) + u128::from(self.cache) + u128::from(self.activations))
    }
}

/// The remarks of every roof that the workload touches, each once.
fn roof_notes(roofs: &Roofs, workload: &Workload, types: &TensorTypes) -> Result<Vec<String>> {
    let matmul = roofs.compute(Arithmetic::of(Op::Matmul, types.main.nearest()))?;
    let attention = roofs.compute(Arithmetic::of(Op::Attention, workload.kv.nearest()))?;
    let mut notes: Vec<String> = Vec::new();
    let remarks = [&roofs.read.remarks, &roofs.write.remarks, &matmul.remarks, &attention.remarks];
    for remark in remarks.into_iter().flatten() {
        if !notes.contains(remark) {
            notes.push(remark.clone());
        }
    }
    Ok(notes)
}

/// A GPU that is none must not be taken for one.
fn software_note(profile: &Profile) -> Option<String> {
    let device = &profile.device;
    let software = device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software);
    software.then(|| format!("{} is a software adapter: these are no ceilings of a GPU", device.name))
}

fn memory_note(needed: u64, has: Option<u64>) -> Option<String> {
    match has {
        None => Some(format!("needs {}; it is unknown how much memory the device has", mib(needed))),
        Some(has) => {
            (needed > has).then(|| format!("needs {} and the device has {}: it does not fit", mib(needed), mib(has)))
        }
    }
}

fn context_note(model: &Architecture, workload: &Workload) -> Option<String> {
    let (made_for, asked) = (model.max_positions?, workload.longest());
    (asked > made_for).then(|| format!("{asked} tokens are asked for; the model was made for {made_for}"))
}

/// Where a cache holds all weights, main memory need not be the roof.
fn cache_note(profile: &Profile, weights: u64) -> Option<String> {
    let largest = profile.device.caches.iter().map(|c| c.bytes.saturating_mul(u64::from(c.instances))).max()?;
    (weights <= largest).then(|| {
        let (weights, largest) = (mib(weights), mib(largest));
        format!("the weights ({weights}) fit in a cache ({largest}); a run may exceed the roof of main memory")
    })
}

/// How many different experts a pass reads: an expectation, and its bounds.
fn expert_note(phase: &PhaseResult) -> Option<String> {
    if phase.phase == Phase::Generation {
        return None;
    }
    let (least, expected, most) = phase.ops.iter().find_map(|op| op.experts)?;
    Some(format!(
        "{}: {expected:.1} different experts are expected per layer, were all alike to the router; {least} to {most} can be",
        phase.phase.name()
    ))
}

fn above_roof_note(phase: &PhaseResult) -> String {
    format!(
        "{}: the point lies {:.2} octaves above the roof of the weights' arithmetic; other operations run under higher ones",
        phase.phase.name(),
        -phase.potential.headroom_log2
    )
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

fn exact(count: u128) -> Result<u64> {
    u64::try_from(count)
        .map_err(|_| Error::misuse("a count exceeds 64 bits; lower --prompt, --context, --generate or --batch"))
}
