//! From the steps of a phase to a sequence of launches.

use super::lay::{Layers, Line};
use super::operands::Operands;
use super::ways::Ways;
use crate::error::{Error, Result};
use crate::job::{Launch, Sequence};
use crate::model::{Counted, Demand, Forward, Model, Pass, Phase, Workload};
use crate::profile::{Machine, Profile};
use roofprobe_kernels::Op;
use schemars::JsonSchema;
use serde::Serialize;

/// More launches than this take minutes to make ready, and no pass of them ends within one.
const LAUNCHES_MAX: u64 = 1 << 20;

/// One phase of a model laid out: what a device is asked to do, and what the census says of each step.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which phase.
    pub phase: Phase,
    /// What is done.
    pub sequence: Sequence,
    /// The steps of the census, in its order: [`Launch::step`] is a place here.
    pub steps: Vec<PlannedStep>,
    /// What is done otherwise than an engine would.
    pub notes: Vec<String>,
}

/// A step of the census, all its launches together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlannedStep {
    /// The kind of pass it belongs to.
    pub pass: Pass,
    /// Its name.
    pub op: &'static str,
    /// Its class.
    pub class: &'static str,
    /// The routine.
    pub routine: &'static str,
    /// How its weights, its cache rows or its state are stored.
    pub stored_as: String,
    /// Rows of one launch.
    pub m: u64,
    /// Output features, cached rows, or elements of a row.
    pub n: u64,
    /// Inner extent.
    pub k: u64,
    /// Launches.
    pub launches: u64,
    /// Matmul FLOPs.
    pub flops: f64,
    /// Bytes of weights, cache and state, as the census counts them.
    pub bytes: u64,
    /// The same as the replay moves them: of other types where there is no kernel for the stored one.
    pub moved_bytes: u64,
    /// How it is done, where there are several ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
}

/// Lays one phase out for `machine`, each operation as the winners of `profile` do it.
///
/// # Errors
/// Misuse: as [`Demand::each_counted`]; when an operation has no kernel here, or there are too many of them.
pub fn plan(
    demand: &Demand,
    workload: &Workload,
    phase: Phase,
    machine: &Machine,
    profile: Option<&Profile>,
) -> Result<Plan> {
    let mut planner = Planner {
        model: demand.model(),
        batch: workload.batch,
        operands: Operands::new(Ways::new(profile, machine)),
        launches: Vec::new(),
        steps: Vec::new(),
    };
    let forwards: Vec<(Pass, Forward)> = workload.forwards(demand.model(), phase)?.collect();
    planner.operands.longest = forwards.iter().map(|(_, forward)| longest(forward)).max().unwrap_or(0);
    for (pass, forward) in forwards {
        planner.forwards(demand, pass, &forward)?;
    }
    let Planner { operands, launches, steps, .. } = planner;
    let (sequence, notes) = operands.into_sequence(launches, steps.len());
    Ok(Plan { phase, sequence, steps, notes })
}

/// Keys that the last token of the last pass sees.
fn longest(forward: &Forward) -> u64 {
    forward.past.saturating_add(forward.tokens.saturating_mul(forward.passes))
}

struct Planner<'a> {
    model: &'a Model,
    batch: u64,
    operands: Operands<'a>,
    launches: Vec<Launch>,
    steps: Vec<PlannedStep>,
}

impl Planner<'_> {
    /// Like passes in a row, one by one: each finds a longer cache than the one before.
    fn forwards(&mut self, demand: &Demand, pass: Pass, all: &Forward) -> Result<()> {
        let first = self.steps.len();
        for index in 0..all.passes {
            let forward = Forward { past: all.past + index * all.tokens, passes: 1, ..*all };
            let mut counted = Vec::new();
            demand.each_counted(&forward, |step| counted.push(*step))?;
            self.add_steps(first, pass, &counted)?;
            self.launch(first, &forward, &counted)?;
        }
        Ok(())
    }

    /// What the census counts, the passes of one forward together.
    fn add_steps(&mut self, first: usize, pass: Pass, counted: &[Counted]) -> Result<()> {
        for (place, counted) in counted.iter().enumerate() {
            let step = &counted.step;
            let bytes = u64::try_from(counted.read_bytes() + counted.written_bytes());
            let bytes = bytes.map_err(|_| Error::misuse("the bytes of one operation exceed 64 bits"))?;
            if let Some(known) = self.steps.get_mut(first + place) {
                known.flops += counted.cost.flops as f64;
                known.bytes = known.bytes.saturating_add(bytes);
                (known.m, known.n) = (known.m.max(step.shape.m), known.n.max(step.shape.n));
                continue;
            }
            self.steps.push(PlannedStep {
                pass,
                op: step.name,
                class: step.class.name(),
                routine: step.op.name(),
                stored_as: step.operand.to_string(),
                m: step.shape.m,
                n: step.shape.n,
                k: step.shape.k,
                launches: 0,
                flops: counted.cost.flops as f64,
                bytes,
                moved_bytes: 0,
                way: None,
            });
        }
        Ok(())
    }

    /// The launches of one pass, in its order: what stands before the layers, layer after layer, what stands behind them.
    fn launch(&mut self, first: usize, forward: &Forward, counted: &[Counted]) -> Result<()> {
        let layers = Layers::new(self.model);
        let lines = layers.lines(counted);
        if (self.launches.len() + lines.len()) as u64 > LAUNCHES_MAX {
            return Err(Error::misuse(format!(
                "--prompt, --micro-batch: this takes more than {LAUNCHES_MAX} operations; lower the prompt or raise the \
                 micro-batch"
            )));
        }
        let mut routines = vec![None; counted.len()];
        for Line { place, copy } in lines {
            let routine = match routines[place] {
                Some(known) => known,
                None => {
                    let routine =
                        self.operands.routine(self.model, (place, &counted[place].step), forward, self.batch)?;
                    *routines[place].insert(routine)
                }
            };
            let step = &mut self.steps[first + place];
            step.launches += 1;
            step.moved_bytes = step.moved_bytes.saturating_add(self.operands.moved_bytes(routine));
            if step.way.is_none() && matches!(counted[place].step.op, Op::Matmul | Op::Attention) {
                step.way = self.operands.way(routine);
            }
            self.launches.push(Launch { routine, copy, step: first + place });
        }
        Ok(())
    }
}
