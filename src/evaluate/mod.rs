//! What a model can hope for on a device: architecture × workload × profile, joined.
//!
//! Every operation of the workload is put under the profile's ceilings ([`roofline`](crate::roofline)); their times add
//! up, one operation after another. Two roofs answer side by side: the peak, which no kernel exceeds, and the achieved
//! one, what kernels were measured to do. Traffic is what memory must deliver once: weights once per pass, visible keys and
//! values once per pass and sequence; activations are taken to stay in caches, and are reported apart.
//!
//! Pure: the same input gives the same record. The record's field names are a contract with other tools.

mod advice;
mod counts;
mod evaluator;
mod explain;
mod formats;
mod memory;
mod notes;
mod phase;
mod record;

use crate::error::{Error, Result};
use crate::model::{Model, Pass, Phase, Workload};
use crate::profile::Profile;
use crate::roofline::{Achieved, Task};
pub use advice::{Advice, FormatSpeed, Free, TOLERANCE};
pub use counts::ClassCounts;
pub use evaluator::{Evaluator, Extent, Figures};
use memory::Memory;
use phase::{Told, phase_result};
pub use record::{Evaluation, OpResult, PhaseResult, RoofKind, Speed};

/// What an evaluation should tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The roof to go by; none for the achieved one where the profile has it.
    pub roof: Option<RoofKind>,
    /// Whether operations come with their formulas.
    pub explain: bool,
    /// Whether to look for what comes almost free, and for the fastest weights.
    pub advise: bool,
}

/// The roof under which all of `profiles`, each with its name, can be compared: the achieved one where every one has it.
pub fn common_roof(profiles: &[(&str, &Profile)]) -> RoofKind {
    let all = profiles.iter().all(|(name, profile)| Achieved::of(profile, name).is_ok());
    if all { RoofKind::Achieved } else { RoofKind::Peak }
}

/// Evaluates `model` used as `workload` on `profile`, which is called `profile_name` in the result and in messages.
///
/// # Errors
/// Misuse: a workload beyond its limits, a row that is no whole number of blocks, a profile without a usable ceiling or
/// without the roof asked for, or a count beyond 64 bits. The message names the option, the key or the ceiling.
pub fn evaluate(
    model: &Model,
    workload: &Workload,
    profile: &Profile,
    profile_name: &str,
    question: Question,
) -> Result<Evaluation> {
    workload.validate()?;
    let evaluator = Evaluator::new(model, workload.weights, workload.kv, profile, profile_name)?;
    let roof = evaluator.roof(question.roof)?;
    let told = |phase| phase_result(phase, &evaluator, workload, roof, question.explain);
    let told: Vec<Told> = workload.phases().into_iter().map(told).collect::<Result<_>>()?;
    let tasks: Vec<Task> = told.iter().flat_map(|told| told.tasks.iter().copied()).collect();
    let phases: Vec<PhaseResult> = told.into_iter().map(|told| told.result).collect();
    let memory = Memory::of(&evaluator, workload)?;
    let memory_bytes = profile.device.memory_bytes;
    let needed = memory.total()?;
    let notes = notes::all(&evaluator, roof, workload, profile, &phases, &tasks, &memory)?;
    let seconds = |wanted| phases.iter().find(|phase| phase.phase == wanted).map_or(0.0, |phase| phase.speed.seconds);
    let types = evaluator.demand().types();
    Ok(Evaluation {
        model: model.name().to_owned(),
        profile: profile_name.to_owned(),
        device: profile.device.name.clone(),
        params_total: model
            .storage
            .gguf
            .as_ref()
            .map_or_else(|| model.parameters(), |stored| Ok(stored.params_total))?,
        params_active: model.parameters_active()?,
        params_non_embedding: model.parameters_non_embedding()?,
        kv_elements_per_token: model.kv_elements_per_token(workload.runtime.latents(model, Pass::Decode))?,
        state_elements_per_sequence: model.state_elements()?,
        runtime: workload.runtime,
        weights: types.format.clone(),
        kv: workload.kv.to_string(),
        prompt: workload.prompt,
        cached: workload.cached,
        context: workload.decode_context(),
        generate: workload.generate,
        batch: workload.batch,
        micro_batch: workload.micro_batch,
        prune_last_layer: workload.prune_last_layer,
        roof,
        quoted: evaluator.is_quoted(profile),
        no_achieved_roof: evaluator.achieved.as_ref().err().cloned(),
        ttft_seconds: seconds(Phase::Prefill),
        tpot_seconds: seconds(Phase::Decode),
        weight_bytes_total: memory.weights,
        tensor_bytes: types.tensor_bytes,
        memory_needed_bytes: needed,
        memory_bytes,
        fits: memory_bytes.map(|has| needed <= has),
        ridge_flop_per_byte: evaluator.ridge().intensity().0,
        notes,
        advice: question
            .advise
            .then(|| formats::advice(&evaluator, workload, profile, profile_name, roof))
            .transpose()?,
        phases,
    })
}

/// A count in 64 bits.
///
/// # Errors
/// Misuse when it exceeds them.
pub(crate) fn exact(count: u128) -> Result<u64> {
    u64::try_from(count)
        .map_err(|_| Error::misuse("a count exceeds 64 bits; lower --prompt, --context, --generate or --batch"))
}
