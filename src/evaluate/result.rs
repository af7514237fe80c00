//! One evaluation, written down.

use super::phase::{PhaseOutcome, phase_outcome};
use super::{Evaluation, Evaluator, PhaseResult, ProfileFacts, Query, StoredFiles, formats, memory::Memory, notes};
use crate::engine::{EngineTable, Part};
use crate::error::Result;
use crate::model::{Model, Pass, Phase};
use crate::profile::Profile;
use crate::roofline::Task;

/// Answers `query` about `model` on `profile`, which is called `name` in the result and in messages.
///
/// # Errors
/// Misuse: a workload beyond its limits, a row that is no whole number of blocks, a profile without a usable ceiling or
/// without the roof asked for, or a count beyond 64 bits. The message names the option, the key or the ceiling.
pub fn evaluate(model: &Model, query: &Query, profile: &Profile, name: &str) -> Result<Evaluation> {
    evaluate_engine(model, query, profile, name, None)
}

/// As [`evaluate`], for an engine: what it reaches of the measured kernels is in `engine`.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_engine(
    model: &Model,
    query: &Query,
    profile: &Profile,
    name: &str,
    engine: Option<&EngineTable>,
) -> Result<Evaluation> {
    let workload = &query.workload;
    workload.validate()?;
    let evaluator = Evaluator::of_engine(model, query, profile, name, engine)?;
    let outcomes: Vec<PhaseOutcome> =
        workload.phases().into_iter().map(|phase| phase_outcome(phase, &evaluator)).collect::<Result<_>>()?;
    let parts: Vec<Part> = outcomes.iter().flat_map(|outcome| outcome.parts.iter().copied()).collect();
    let tasks: Vec<Task> = outcomes.iter().flat_map(|outcome| outcome.tasks.iter().copied()).collect();
    let phases: Vec<PhaseResult> = outcomes.into_iter().map(|outcome| outcome.result).collect();
    let memory = Memory::of(&evaluator, workload)?;
    let memory_bytes = profile.usable_memory_bytes();
    let needed = memory.total()?;
    let notes = notes::all(&evaluator, &phases, (&tasks, &parts), &memory)?;
    let seconds = |phase| phases.iter().find(|result| result.phase == phase).map_or(0.0, |found| found.speed.seconds);
    let types = evaluator.demand().types();
    Ok(Evaluation {
        model: model.name().to_owned(),
        on: ProfileFacts::of(name, profile),
        params_total: model
            .storage
            .gguf
            .as_ref()
            .map_or_else(|| model.parameters(), |stored| Ok(stored.params_total))?,
        params_active: model.parameters_active()?,
        params_multi_token: model.parameters_of_predictors()?,
        params_non_embedding: model.parameters_non_embedding()?,
        kv_elements_per_token: model.kv_elements_per_token(workload.runtime.latents(model, Pass::Decode))?,
        state_elements_per_sequence: model.state_elements()?,
        runtime: workload.runtime,
        weights: types.format.clone(),
        workload: workload.settled(),
        roof: evaluator.roof(),
        quoted: evaluator.is_quoted(),
        no_achieved_roof: evaluator.achieved.as_ref().err().cloned(),
        engine: engine.map(Into::into),
        ttft_seconds: seconds(Phase::Prefill),
        tpot_seconds: seconds(Phase::Decode),
        weight_bytes_total: memory.weights,
        tensor_bytes: types.tensor_bytes,
        stored: StoredFiles::of(model, workload)?,
        memory_needed_bytes: needed,
        memory_bytes,
        fits: memory_bytes.map(|has| needed <= has),
        ridge_flop_per_byte: evaluator.ridge().intensity().0,
        notes,
        advice: query.advise.then(|| formats::advice(&evaluator)).transpose()?,
        phases,
    })
}
