//! A model and a profile joined once, and asked many times: what sweeps and evaluations have in common.

use super::memory::Memory;
use super::{RoofKind, Speed};
use crate::error::{Error, Result};
use crate::model::{Counted, Demand, Forward, Model, Pass, Phase, TensorType, Totals, Weights, Workload};
use crate::potential::Point;
use crate::profile::{Profile, Status};
use crate::roofline::{
    Achieved, AchievedBound, AchievedSpan, Arithmetic, Bound, Load, Resource, Ridge, Roof, Roofs, Span, Task,
};
use crate::units::{Bytes, BytesPerSecond, Flops, FlopsPerSecond, Seconds};
use roofprobe_kernels::Op;

/// A model, stored in certain types, under the roofs of one profile. Asking allocates nothing.
#[derive(Clone, Debug)]
pub struct Evaluator<'a> {
    pub(super) demand: Demand<'a>,
    pub(super) roofs: Roofs<'a>,
    pub(super) achieved: std::result::Result<Achieved<'a>, String>,
    ridge: Ridge,
}

/// One operation under the roofs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) pass: Pass,
    pub(super) counted: Counted,
    pub(super) task: Task,
    pub(super) peak: Bound<'a>,
    pub(super) achieved: Option<AchievedBound<'a>>,
}

/// A phase, added up.
#[derive(Clone, Debug, Default)]
pub struct Figures<'a> {
    /// Forward passes.
    pub passes: u64,
    /// Exact counts.
    pub totals: Totals,
    peak: Span<'a>,
    achieved: AchievedSpan,
    /// The part of the achieved time in undecided operations.
    undecided: Seconds,
    /// Times of decode steps alone: peak and achieved.
    decoding: [Seconds; 2],
}

/// Tokens of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Taken in, or given, per sequence.
    pub tokens: u64,
    /// Keys that the last one sees, itself included.
    pub context: u64,
}

impl Extent {
    /// That of `phase` of `workload`.
    pub fn of(workload: &Workload, phase: Phase) -> Extent {
        match phase {
            Phase::Prefill => Extent { tokens: workload.prompt, context: workload.filled() },
            Phase::Decode => Extent { tokens: 1, context: workload.decode_context() },
            Phase::Generation => {
                let tokens = workload.generate.unwrap_or(1);
                Extent { tokens, context: workload.filled().saturating_add(tokens).saturating_sub(1) }
            }
        }
    }
}

impl<'a> Evaluator<'a> {
    /// Joins `model` with `profile`, which is called `name` in messages.
    ///
    /// # Errors
    /// Misuse: as [`Demand::new`], and for a profile without a bandwidth of its memory or any peak of arithmetic.
    pub fn new(
        model: &'a Model,
        weights: Option<Weights>,
        kv: TensorType,
        profile: &'a Profile,
        name: &str,
    ) -> Result<Evaluator<'a>> {
        let demand = Demand::new(model, weights, kv)?;
        let roofs = Roofs::of(profile, name)?;
        // π of the roofline as a whole is that of the matmuls, which do most of the arithmetic.
        let compute = roofs.compute(Arithmetic::of(Op::Matmul, demand.types().main.nearest()))?;
        let ridge = Ridge { compute: compute.rate, bandwidth: roofs.read.rate };
        Ok(Evaluator { demand, roofs, achieved: Achieved::of(profile, name), ridge })
    }

    /// π and β of the roofline as a whole.
    pub fn ridge(&self) -> Ridge {
        self.ridge
    }

    /// The ceilings that π and β are, with their intervals and what has to be said of them.
    ///
    /// # Errors
    /// As [`Evaluator::new`].
    pub fn ridge_roofs(&self) -> Result<(&Roof<'a, FlopsPerSecond>, &Roof<'a, BytesPerSecond>)> {
        let arithmetic = Arithmetic::of(Op::Matmul, self.demand.types().main.nearest());
        Ok((self.roofs.compute(arithmetic)?, &self.roofs.read))
    }

    /// Whether the ridge stands on a quoted ceiling of `profile`, the one that this was made for.
    pub(super) fn is_quoted(&self, profile: &Profile) -> bool {
        let quoted = |id: &str| profile.ceiling(id).is_some_and(|ceiling| ceiling.status == Status::Quoted);
        self.ridge_roofs().is_ok_and(|(compute, read)| quoted(compute.id) || quoted(read.id))
    }

    /// What the model asks for.
    pub fn demand(&self) -> &Demand<'a> {
        &self.demand
    }

    /// The roof to go by: the one asked for, else the achieved one where the profile has it.
    ///
    /// # Errors
    /// Misuse when the achieved roof is asked for and the profile has none, with the reason.
    pub fn roof(&self, asked: Option<RoofKind>) -> Result<RoofKind> {
        match (asked, &self.achieved) {
            (Some(RoofKind::Achieved), Err(why)) => Err(Error::misuse(format!("--roof achieved: {why}"))),
            (Some(roof), _) => Ok(roof),
            (None, Ok(_)) => Ok(RoofKind::Achieved),
            (None, Err(_)) => Ok(RoofKind::Peak),
        }
    }

    /// The roofs that the profile has.
    pub fn roof_kinds(&self) -> &'static [RoofKind] {
        if self.achieved.is_ok() { &[RoofKind::Peak, RoofKind::Achieved] } else { &[RoofKind::Peak] }
    }

    /// One phase of `workload`, added up.
    ///
    /// # Errors
    /// Misuse for a workload beyond its limits, or whose types are others than this evaluator's.
    pub fn figures(&self, workload: &Workload, phase: Phase) -> Result<Figures<'a>> {
        self.demand.check(workload)?;
        self.figures_of(workload.forwards(self.demand.model(), phase)?)
    }

    /// Any passes, added up.
    ///
    /// # Errors
    /// As [`Demand::each_counted`].
    pub fn figures_of(&self, passes: impl IntoIterator<Item = (Pass, Forward)>) -> Result<Figures<'a>> {
        let mut figures = Figures::default();
        for (pass, forward) in passes {
            self.add(pass, &forward, &mut figures, |_| {})?;
        }
        Ok(figures)
    }

    /// Bytes of weights, of the cache at its longest, and of activations.
    ///
    /// # Errors
    /// Misuse for a workload beyond its limits, and when the number exceeds 64 bits.
    pub fn memory_needed(&self, workload: &Workload) -> Result<u64> {
        workload.validate()?;
        Memory::of(self, workload)?.total()
    }

    /// The time of one forward of decode steps, or of a draft's verification.
    pub(super) fn seconds(&self, forward: &Forward, roof: RoofKind) -> Result<Seconds> {
        // A few tokens of each sequence over its cache: attention reads as a decode step's does.
        Ok(self.figures_of([(Pass::Decode, *forward)])?.seconds(roof))
    }

    /// Adds the steps of `forward` to `figures`, and shows each to `see`.
    pub(super) fn add(
        &self,
        pass: Pass,
        forward: &Forward,
        figures: &mut Figures<'a>,
        mut see: impl FnMut(Placed<'a>),
    ) -> Result<()> {
        let mut wrong = None;
        figures.passes += forward.passes;
        self.demand.each_counted(forward, |counted| {
            let load = Load {
                flops: Flops::exactly(counted.cost.flops),
                read: Bytes::exactly(counted.read_bytes()),
                written: Bytes::exactly(counted.written_bytes()),
            };
            let task = Task::of(&counted.step, pass, self.demand.model(), load);
            let peak = match self.roofs.bound(&load, task.arithmetic()) {
                Ok(peak) => peak,
                Err(error) => return wrong = Some(error),
            };
            let achieved = self.achieved.as_ref().ok().map(|achieved| achieved.bound(&task, &peak));
            figures.add(pass, counted, &peak, achieved.as_ref());
            // Where nobody looks, nothing is copied.
            see(Placed { pass, counted: *counted, task, peak, achieved });
        })?;
        wrong.map_or(Ok(()), Err)
    }
}

impl<'a> Figures<'a> {
    fn add(&mut self, pass: Pass, counted: &Counted, peak: &Bound<'a>, achieved: Option<&AchievedBound>) {
        self.totals.add(counted);
        self.peak.add(peak);
        let mut times = [peak.seconds(), Seconds(0.0)];
        if let Some(achieved) = achieved {
            self.achieved.add(achieved);
            times[1] = achieved.seconds;
            if peak.undecided() {
                self.undecided = self.undecided + achieved.seconds;
            }
        }
        if pass == Pass::Decode {
            self.decoding = [self.decoding[0] + times[0], self.decoding[1] + times[1]];
        }
    }

    /// Its time under `roof`, one operation after another.
    pub fn seconds(&self, roof: RoofKind) -> Seconds {
        match roof {
            RoofKind::Peak => self.peak.seconds,
            RoofKind::Achieved => self.achieved.seconds,
        }
    }

    /// The resource that binds for the larger share of the time.
    pub fn bound(&self, roof: RoofKind) -> Resource {
        if self.memory_bound_share(roof) > 0.5 { Resource::Memory } else { Resource::Compute }
    }

    fn memory_bound_share(&self, roof: RoofKind) -> f64 {
        match roof {
            RoofKind::Peak => self.peak.memory_bound_share(),
            RoofKind::Achieved => self.achieved.memory_bound / self.achieved.seconds,
        }
    }

    /// The times with all ceilings at the upper, and at the lower, ends of their intervals.
    pub fn extremes(&self, roof: RoofKind) -> [Seconds; 2] {
        match roof {
            RoofKind::Peak => [self.peak.fastest, self.peak.slowest],
            RoofKind::Achieved => [self.achieved.fastest, self.achieved.slowest],
        }
    }

    /// Matmul FLOPs.
    pub fn flops(&self) -> Flops {
        Flops::exactly(self.totals.flops.total())
    }

    /// Bytes of weights, cache and state.
    pub fn bytes(&self) -> Bytes {
        Bytes::exactly(self.totals.memory_bytes())
    }

    /// Where it stands, its rate predicted under `roof`.
    pub fn point(&self, roof: RoofKind) -> Point {
        Point { intensity: self.flops() / self.bytes(), rate: self.flops() / self.seconds(roof) }
    }

    /// Its speed under `roof`; `longest` is the achieved measurement that takes longest, which only operations tell.
    pub(super) fn speed(&self, roof: RoofKind, phase: Phase, workload: &Workload, longest: Option<String>) -> Speed {
        let tokens = Extent::of(workload, phase).tokens;
        let rate = |seconds: Seconds| (workload.batch * tokens) as f64 / seconds.0;
        let seconds = self.seconds(roof);
        let decoding = self.decoding[roof as usize].0;
        let peak = roof == RoofKind::Peak;
        Speed {
            roof,
            bound: self.bound(roof),
            bound_by: if peak { self.peak.ceiling().map(str::to_owned) } else { longest },
            memory_bound_share: self.memory_bound_share(roof),
            undecided_share: if peak { self.peak.undecided_share() } else { self.undecided / seconds },
            seconds: seconds.0,
            overhead_seconds: (!peak).then_some(self.achieved.overhead.0),
            seconds_optimistic: peak.then_some(self.peak.optimistic.0),
            gflop_per_s: self.point(roof).rate.giga(),
            tokens_per_s: rate(seconds),
            decode_tokens_per_s: (phase == Phase::Generation && tokens > 1)
                .then(|| (workload.batch * (tokens - 1)) as f64 / decoding),
            tokens_per_s_interval: {
                let [fastest, slowest] = self.extremes(roof);
                [rate(slowest), rate(fastest)]
            },
        }
    }
}
