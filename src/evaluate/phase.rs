//! One phase under the roofs.

use super::{ClassCounts, OpResult, PhaseResult, exact};
use crate::error::Result;
use crate::model::{Class, Pass, Phase, Run, Step, Totals, Workload};
use crate::potential::{Point, Potential};
use crate::roofline::{Arithmetic, Bound, Load, Ridge, Roofs, Span};
use crate::units::{Bytes, Flops, Seconds};
use roofprobe_kernels::Dtype;

/// A step under the roofs.
struct Timed<'a> {
    pass: Pass,
    step: &'a Step,
    bytes: u128,
    bound: Bound,
}

fn timed<'a>(pass: Pass, step: &'a Step, roofs: &Roofs) -> Result<Timed<'a>> {
    let (read, written) = (step.read_bytes()?, step.written_bytes()?);
    let load =
        Load { flops: Flops(step.total().flops as f64), read: Bytes(read as f64), written: Bytes(written as f64) };
    let bound = roofs.bound(&load, Arithmetic::of(step.op, step.operand.nearest()))?;
    Ok(Timed { pass, step, bytes: read + written, bound })
}

pub(super) fn phase_result(
    phase: Phase,
    runs: &[Run],
    roofs: &Roofs,
    ridge: Ridge,
    workload: &Workload,
) -> Result<PhaseResult> {
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
