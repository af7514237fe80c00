//! What a model can hope for on a device: architecture × workload × profile, joined.
//!
//! Every operation of the workload is put under the profile's ceilings ([`roofline`](crate::roofline)); their times add
//! up, one operation after another. Measured peaks are the roof, so the answer is an upper bound of the speed: engines
//! stay below it. Traffic is what memory must deliver once: weights once per pass, visible keys and values once per pass
//! and sequence; activations are taken to stay in caches, and are reported apart.
//!
//! Pure: the same input gives the same record. The record's field names are a contract with other tools.

mod counts;
mod memory;
mod notes;
mod phase;
mod record;

use crate::error::{Error, Result};
use crate::model::{Architecture, Pass, TensorTypes, Workload};
use crate::profile::Profile;
use crate::roofline::{Arithmetic, Ridge, Roofs};
pub use counts::ClassCounts;
use memory::Memory;
use notes::*;
use phase::phase_result;
pub use record::{Evaluation, OpResult, PhaseResult};
use roofprobe_kernels::Op;

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

fn exact(count: u128) -> Result<u64> {
    u64::try_from(count)
        .map_err(|_| Error::misuse("a count exceeds 64 bits; lower --prompt, --context, --generate or --batch"))
}
