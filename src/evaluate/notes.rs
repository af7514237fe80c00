//! The notes of a result: what changes its meaning first, details behind.

use super::memory::Memory;
use super::{Evaluator, PhaseResult, RoofKind};
use crate::engine::{EngineTable, Part};
use crate::error::Result;
use crate::model::{Phase, TensorType};
use crate::profile::GpuClass;
use crate::roofline::{Arithmetic, Note, NoteKind, Task};
use roofprobe_kernels::Op;
use std::collections::BTreeSet;

/// Modes of memory further apart than this factor make comparisons doubtful.
const MODES_APART: f64 = 1.2;

/// All of them in the order of their kinds; those of one cause are one.
pub(super) fn all(
    evaluator: &Evaluator,
    phases: &[PhaseResult],
    (tasks, parts): (&[Task], &[Part]),
    memory: &Memory,
) -> Result<Vec<Note>> {
    let mut notes: Vec<Note> = device_notes(evaluator, memory)?;
    notes.extend(workload_notes(evaluator));
    notes.extend(roof_notes(evaluator)?);
    notes.extend(evaluator.engine.and_then(|engine| engine_note(evaluator, engine, parts)));
    if evaluator.roof() == RoofKind::Achieved {
        notes.extend(evaluator.achieved.iter().flat_map(|achieved| achieved.notes(tasks)));
    }
    let remarks = &evaluator.demand.model().source.remarks;
    notes.extend(remarks.iter().map(|remark| Note::new(NoteKind::Model, remark)));
    notes.extend(phases.iter().filter_map(expert_note));
    notes.extend(phases.iter().filter(|phase| phase.potential.above_roof).map(above_roof_note));
    let mut notes = Note::folded(&notes);
    notes.sort_by_key(|note| note.kind);
    Ok(notes)
}

/// What the device is, how its memory behaved, and whether the model fits.
fn device_notes(evaluator: &Evaluator, memory: &Memory) -> Result<Vec<Note>> {
    let (device, needed) = (&evaluator.profile.device, memory.total()?);
    let mut notes = Vec::new();
    // A GPU that is none must not be taken for one.
    if device.gpu.as_ref().is_some_and(|gpu| gpu.class == GpuClass::Software) {
        let text = format!("{} is a software adapter: these are no ceilings of a GPU", device.name);
        notes.push(Note::new(NoteKind::SoftwareAdapter, text));
    }
    match evaluator.profile.usable_memory_bytes() {
        None => {
            let text = format!("needs {}; it is unknown how much memory the device has", mib(needed));
            notes.push(Note::new(NoteKind::MemoryUnknown, text));
        }
        Some(has) if needed > has => {
            let text = format!("needs {} and there are {}: it does not fit", mib(needed), mib(has));
            notes.push(Note::new(NoteKind::DoesNotFit, text));
        }
        Some(_) => {}
    }
    // Where a cache holds all weights, main memory need not be the roof.
    let largest = device.caches.iter().map(|c| c.bytes.saturating_mul(u64::from(c.instances))).max();
    if let Some(largest) = largest.filter(|largest| memory.weights <= *largest) {
        let (weights, largest) = (mib(memory.weights), mib(largest));
        let text =
            format!("the weights ({weights}) fit in a cache ({largest}); a run may exceed the roof of main memory");
        notes.push(Note::new(NoteKind::FitsCache, text));
    }
    notes.extend(modes_note(evaluator));
    Ok(notes)
}

/// What was measured minutes apart may have met different modes of memory.
fn modes_note(evaluator: &Evaluator) -> Option<Note> {
    let id = evaluator.roofs.read.id;
    let modes = &evaluator.profile.ceiling(id)?.modes;
    let (slow, fast) = (modes.first()?, modes.last()?);
    (fast.value > MODES_APART * slow.value).then(|| {
        let text = format!(
            "{id} changed between {:.1} ({:.0} % of the samples) and {:.1} GB/s ({:.0} %); kernels met either, so compare formats \
             with care",
            slow.value,
            slow.share * 100.0,
            fast.value,
            fast.share * 100.0
        );
        Note::new(NoteKind::Modes, text)
    })
}

/// What the query leaves open, or asks beyond the model.
fn workload_notes(evaluator: &Evaluator) -> Vec<Note> {
    let (model, workload) = (evaluator.demand.model(), &evaluator.query.workload);
    let mut notes = Vec::new();
    let unstated =
        model.storage.gguf.is_none() && model.storage.safetensors.is_none() && model.storage.checkpoint.is_none();
    if workload.weights.is_none() && unstated {
        let weights = &evaluator.demand.types().format;
        let text = format!("weights are {weights}, the default; most people run q4_k_m: --weights q4_k_m");
        notes.push(Note::new(NoteKind::DefaultWeights, text));
    }
    if let Some(context) = workload.context.filter(|context| *context != workload.filled() + 1) {
        let text = format!(
            "--context {context} is of the decode step alone, and the prefill takes in {} tokens; --prompt {} makes both one use",
            workload.prompt,
            context.saturating_sub(workload.cached + 1).max(1),
        );
        notes.push(Note::new(NoteKind::ContextAlone, text));
    }
    let (made_for, asked) = (model.source.max_positions, workload.longest());
    if let Some(made_for) = made_for.filter(|made_for| asked > *made_for) {
        let text = format!("{asked} tokens are asked for; the model was made for {made_for}");
        notes.push(Note::new(NoteKind::BeyondContext, text));
    }
    notes
}

/// The notes of every roof that the workload touches.
fn roof_notes(evaluator: &Evaluator) -> Result<Vec<Note>> {
    let roofs = &evaluator.roofs;
    let compute = |op, stored: TensorType| roofs.compute(Arithmetic::of(op, stored.nearest()));
    let matmul = compute(Op::Matmul, evaluator.demand.types().main)?;
    let attention = compute(Op::Attention, evaluator.query.workload.kv)?;
    let notes = [&roofs.read.notes, &roofs.write.notes, &matmul.notes, &attention.notes];
    Ok(notes.into_iter().flatten().cloned().collect())
}

/// What an engine's speed rests on besides runs on this device.
fn engine_note(evaluator: &Evaluator, engine: &EngineTable, parts: &[Part]) -> Option<Note> {
    let profile = evaluator.profile;
    let mut doubts = Vec::new();
    if engine.device != profile.device.name {
        doubts.push(format!("was fitted on {}", engine.device));
    } else if engine.profile_measured.as_deref().is_some_and(|date| date != profile.provenance.date) {
        doubts.push("was fitted under another profile of this device".to_owned());
    }
    let unfitted = engine.unfitted(parts);
    if unfitted.len() == parts.iter().collect::<BTreeSet<_>>().len() {
        doubts.push("is the engine's default: no run on this device is in it".to_owned());
    } else if !unfitted.is_empty() {
        doubts.push(format!("rests on defaults for {}", unfitted.join("; ")));
    }
    let text = format!("the table of {} {}", engine.engine, doubts.join(", and "));
    (!doubts.is_empty()).then(|| Note::new(NoteKind::Engine, text))
}

/// How many different experts a pass reads: an expectation, and its bounds.
fn expert_note(phase: &PhaseResult) -> Option<Note> {
    if phase.phase == Phase::Generation {
        return None;
    }
    let (least, expected, most) = phase.ops.iter().find_map(|op| op.experts)?;
    let text = format!(
        "{}: {expected:.1} different experts are expected per layer, were all alike to the router; {least} to {most} can be",
        phase.phase.name()
    );
    Some(Note::new(NoteKind::Experts, text))
}

fn above_roof_note(phase: &PhaseResult) -> Note {
    let why = match phase.speed.roof {
        RoofKind::Peak => "other operations run under higher ones",
        RoofKind::Achieved => {
            "kernels met a faster mode of memory than its ceiling has, or other operations run under higher ones"
        }
        RoofKind::Engine => "the engine is faster than that ceiling, or other operations run under higher ones",
    };
    let (name, above) = (phase.phase.name(), -phase.potential.headroom_log2);
    let text = format!("{name}: the point lies {above:.2} octaves above the roof of the weights' arithmetic; {why}");
    Note::new(NoteKind::AboveRoof, text)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
