//! One phase, with its operations.

use super::figures::{Extent, Figures, TimedStep};
use super::{ClassCounts, Energy, Evaluator, OpResult, PhaseResult, RoofKind, exact, explain};
use crate::engine::Part;
use crate::error::Result;
use crate::model::{Class, Phase};
use crate::potential::Potential;
use crate::roofline::{Resource, Task};
use crate::units::{Bytes, Seconds};
use roofprobe_kernels::Dtype;

/// A phase, and its tasks, which the notes are made from.
pub(super) struct PhaseOutcome {
    pub(super) result: PhaseResult,
    pub(super) tasks: Vec<Task>,
    /// Its parts, in an engine.
    pub(super) parts: Vec<Part>,
}

pub(super) fn phase_outcome(phase: Phase, evaluator: &Evaluator) -> Result<PhaseOutcome> {
    let (workload, roof, explained) = (&evaluator.query.workload, evaluator.roof(), evaluator.query.explain);
    let (mut figures, mut steps) = (Figures::default(), Vec::new());
    for (pass, forward) in workload.forwards(evaluator.demand.model(), phase)? {
        evaluator.add(pass, &forward, &mut figures, |step| steps.push(step))?;
    }
    let totals = &figures.totals;
    let act_bytes = totals.act_elements * u128::from(Dtype::F32.block().bytes);
    let Extent { tokens, context } = Extent::of(workload, phase);
    let speeds = evaluator.roof_kinds().iter().map(|&kind| figures.speed(kind, phase, workload, longest(&steps, kind)));
    let roofs: Vec<_> = speeds.collect();
    let speed = figures.speed(roof, phase, workload, longest(&steps, roof));
    let energy = energy(&steps, evaluator, speed.tokens_per_s);
    let point = figures.point(roof);
    let whole = figures.seconds(roof);
    let result = PhaseResult {
        phase,
        tokens,
        context,
        forward_passes: figures.passes,
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
        oi_with_activations: (figures.flops() / (figures.bytes() + Bytes(act_bytes as f64))).0,
        speed,
        roofs,
        energy,
        potential: Potential::of(point, evaluator.ridge()),
        ops: steps
            .iter()
            .map(|step| op_result(step, roof, whole, explained.then_some(evaluator)))
            .collect::<Result<_>>()?,
    };
    let parts = steps.iter().map(|step| Part::of(&step.counted.step, step.pass, &step.task)).collect();
    Ok(PhaseOutcome { result, parts, tasks: steps.into_iter().map(|step| step.task).collect() })
}

/// The energy of all steps, each at the power of the ceiling that its time comes from.
fn energy(steps: &[TimedStep], evaluator: &Evaluator, tokens_per_s: f64) -> Option<Energy> {
    let profile = evaluator.profile;
    let source = profile.environment.as_ref().and_then(|environment| environment.power_source.as_ref());
    let watts = |id: &str| profile.ceiling(id).and_then(|ceiling| ceiling.watts);
    let part = |step: &TimedStep| match step.under(evaluator.roof()) {
        Some(timed) => (timed.seconds.0, timed.by.and_then(|by| watts(by.from))),
        None => (step.peak.seconds().0, step.peak.ceiling.and_then(watts)),
    };
    Energy::of(steps.iter().map(part), tokens_per_s, source)
}

/// What one operation takes under `roof`, why, and the measurement or ceiling that it comes from.
fn time(timed: &TimedStep, roof: RoofKind) -> (Seconds, Resource, Option<String>) {
    match timed.under(roof) {
        Some(found) => (found.seconds, found.resource, found.by.map(|by| by.to_string())),
        None => (timed.peak.seconds(), timed.peak.resource, timed.peak.ceiling.map(str::to_owned)),
    }
}

/// The measurement that takes longest among those of the resource that binds for the larger share of the time.
fn longest(steps: &[TimedStep], roof: RoofKind) -> Option<String> {
    let mut charged: Vec<(String, Resource, f64)> = Vec::new();
    let mut shares = [0.0, 0.0];
    for step in steps {
        let (seconds, resource, by) = time(step, roof);
        shares[resource as usize] += seconds.0;
        let Some(by) = by else { continue };
        match charged.iter_mut().find(|(other, kind, _)| (other, *kind) == (&by, resource)) {
            Some((.., sum)) => *sum += seconds.0,
            None => charged.push((by, resource, seconds.0)),
        }
    }
    let binding = if shares[Resource::Memory as usize] > shares[Resource::Compute as usize] {
        Resource::Memory
    } else {
        Resource::Compute
    };
    let of_it = charged.into_iter().filter(|(_, resource, _)| *resource == binding);
    of_it.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(by, ..)| by)
}

fn op_result(timed: &TimedStep, roof: RoofKind, whole: Seconds, explained: Option<&Evaluator>) -> Result<OpResult> {
    let TimedStep { pass, counted, .. } = timed;
    let step = &counted.step;
    let bytes = counted.read_bytes() + counted.written_bytes();
    let (seconds, resource, by) = time(timed, roof);
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
        flops: exact(counted.cost.flops)?,
        vector_flops: exact(counted.cost.vector_flops)?,
        bytes: exact(bytes)?,
        oi: (bytes > 0).then(|| counted.cost.flops as f64 / bytes as f64),
        seconds: seconds.0,
        share: seconds / whole,
        seconds_peak: timed.peak.seconds().0,
        seconds_achieved: timed.achieved.map(|achieved| achieved.seconds.0),
        bound: by.as_ref().map(|_| resource),
        undecided: timed.peak.undecided(),
        ceiling: by,
        explanation: explained.map(|evaluator| explain::lines(timed, evaluator)).unwrap_or_default(),
    })
}
