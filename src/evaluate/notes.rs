//! What has to be said about a result.

use super::memory::Memory;
use super::{Evaluator, PhaseResult, RoofKind};
use crate::error::Result;
use crate::model::{Model, Phase, Workload};
use crate::profile::{GpuClass, Profile};
use crate::roofline::{Arithmetic, Task};
use roofprobe_kernels::Op;

/// Modes of memory further apart than this factor make comparisons doubtful.
const MODES_APART: f64 = 1.2;

/// All of it, the most important first.
pub(super) fn all(
    evaluator: &Evaluator,
    phases: &[PhaseResult],
    tasks: &[Task],
    memory: &Memory,
) -> Result<Vec<String>> {
    let (model, profile, workload) = (evaluator.demand.model(), evaluator.profile, &evaluator.query.workload);
    let mut notes: Vec<String> = software_note(profile).into_iter().collect();
    notes.extend(roof_notes(evaluator, workload)?);
    notes.extend(modes_note(evaluator, profile));
    if evaluator.roof() == RoofKind::Achieved {
        notes.extend(evaluator.achieved.iter().flat_map(|achieved| achieved.remarks(tasks)));
    }
    notes.extend(model.source.remarks.iter().cloned());
    notes.extend(phases.iter().filter_map(expert_note));
    notes.extend(context_note(model, workload));
    notes.extend(cache_note(profile, memory.weights));
    notes.extend(phases.iter().filter(|phase| phase.potential.above_roof).map(above_roof_note));
    notes.extend(memory_note(memory.total()?, profile.device.memory_bytes));
    Ok(notes)
}

/// The remarks of every roof that the workload touches, each once.
fn roof_notes(evaluator: &Evaluator, workload: &Workload) -> Result<Vec<String>> {
    let roofs = &evaluator.roofs;
    let matmul = roofs.compute(Arithmetic::of(Op::Matmul, evaluator.demand.types().main.nearest()))?;
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

/// Memory with moods: what was measured minutes apart may have met different ones.
fn modes_note(evaluator: &Evaluator, profile: &Profile) -> Option<String> {
    let id = evaluator.roofs.read.id;
    let modes = &profile.ceiling(id)?.modes;
    let (slow, fast) = (modes.first()?, modes.last()?);
    (fast.value > MODES_APART * slow.value).then(|| {
        format!(
            "{id} had modes of {:.1} ({:.0} % of the samples) and {:.1} GB/s ({:.0} %): the peak roof is the fast one, and each \
             kernel met the one or the other, so that formats are compared with care",
            slow.value,
            slow.share * 100.0,
            fast.value,
            fast.share * 100.0
        )
    })
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

fn context_note(model: &Model, workload: &Workload) -> Option<String> {
    let (made_for, asked) = (model.source.max_positions?, workload.longest());
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
    let why = match phase.speed.roof {
        RoofKind::Peak => "other operations run under higher ones",
        RoofKind::Achieved => {
            "kernels met a faster mode of memory than its ceiling has, or other operations run under higher ones"
        }
    };
    let above = -phase.potential.headroom_log2;
    format!(
        "{}: the point lies {above:.2} octaves above the roof of the weights' arithmetic; {why}",
        phase.phase.name()
    )
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
