//! The operations of a phase under the roofs, added up.

use super::{RoofKind, Speed};
use crate::model::{Counted, Pass, Phase, Totals, Workload};
use crate::potential::Point;
use crate::roofline::{AchievedBound, AchievedSpan, Bound, Resource, Span, Task};
use crate::units::{Bytes, Flops, Seconds};

/// One operation under the roofs.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimedStep<'a> {
    pub(super) pass: Pass,
    pub(super) counted: Counted,
    pub(super) task: Task,
    pub(super) peak: Bound<'a>,
    pub(super) achieved: Option<AchievedBound<'a>>,
    pub(super) engine: Option<AchievedBound<'a>>,
}

impl<'a> TimedStep<'a> {
    /// Its time by a roof that is not the peak's, where it has that.
    pub(super) fn under(&self, roof: RoofKind) -> Option<&AchievedBound<'a>> {
        match roof {
            RoofKind::Peak => None,
            RoofKind::Achieved => self.achieved.as_ref(),
            RoofKind::Engine => self.engine.as_ref(),
        }
    }
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
    engine: AchievedSpan,
    /// The part of the achieved time in undecided operations.
    undecided: Seconds,
    /// Times of decode steps alone, by the roof.
    decoding: [Seconds; RoofKind::ALL.len()],
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

impl<'a> Figures<'a> {
    pub(super) fn add(&mut self, step: &TimedStep<'a>) {
        let TimedStep { pass, counted, peak, achieved, engine, .. } = step;
        self.totals.add(counted);
        self.peak.add(peak);
        let mut times = [Seconds(0.0); RoofKind::ALL.len()];
        times[RoofKind::Peak as usize] = peak.seconds();
        if let Some(achieved) = achieved {
            self.achieved.add(achieved);
            times[RoofKind::Achieved as usize] = achieved.seconds;
            if peak.undecided() {
                self.undecided = self.undecided + achieved.seconds;
            }
        }
        if let Some(engine) = engine {
            self.engine.add(engine);
            times[RoofKind::Engine as usize] = engine.seconds;
        }
        if *pass == Pass::Decode {
            self.decode_takes(times);
        }
    }

    /// What an engine's passes cost beside their operations: the least, the value, the most.
    pub(super) fn add_passes(&mut self, pass: Pass, seconds: [Seconds; 3]) {
        self.engine.start(seconds);
        if pass == Pass::Decode {
            let mut times = [Seconds(0.0); RoofKind::ALL.len()];
            times[RoofKind::Engine as usize] = seconds[1];
            self.decode_takes(times);
        }
    }

    fn decode_takes(&mut self, times: [Seconds; RoofKind::ALL.len()]) {
        for (sum, time) in self.decoding.iter_mut().zip(times) {
            *sum = *sum + time;
        }
    }

    /// Its time under `roof`, one operation after another.
    pub fn seconds(&self, roof: RoofKind) -> Seconds {
        match roof {
            RoofKind::Peak => self.peak.seconds,
            RoofKind::Achieved => self.achieved.seconds,
            RoofKind::Engine => self.engine.seconds,
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
            RoofKind::Engine => self.engine.memory_bound / self.engine.seconds,
        }
    }

    /// The times with all ceilings at the upper, and at the lower, ends of their intervals.
    pub fn extremes(&self, roof: RoofKind) -> [Seconds; 2] {
        match roof {
            RoofKind::Peak => [self.peak.fastest, self.peak.slowest],
            RoofKind::Achieved => [self.achieved.fastest, self.achieved.slowest],
            RoofKind::Engine => [self.engine.fastest, self.engine.slowest],
        }
    }

    /// The rate of `amount` with all ceilings at the lower, and at the upper, ends of their intervals; none where the ceilings
    /// that it goes by have none.
    pub fn interval(&self, roof: RoofKind, amount: f64) -> Option<[f64; 2]> {
        let [fastest, slowest] = self.extremes(roof);
        (fastest < slowest).then(|| [amount / slowest.0, amount / fastest.0])
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

    /// Its speed under `roof`; `longest` is the achieved measurement that takes longest, which follows from the operations.
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
            undecided_share: match roof {
                RoofKind::Peak => self.peak.undecided_share(),
                RoofKind::Achieved => self.undecided / seconds,
                // Which resource binds a kernel is not which binds an engine.
                RoofKind::Engine => 0.0,
            },
            seconds: seconds.0,
            overhead_seconds: match roof {
                RoofKind::Peak => None,
                RoofKind::Achieved => Some(self.achieved.overhead.0),
                RoofKind::Engine => Some(self.engine.overhead.0),
            },
            seconds_optimistic: peak.then_some(self.peak.optimistic.0),
            gflop_per_s: self.point(roof).rate.giga(),
            tokens_per_s: rate(seconds),
            decode_tokens_per_s: (phase == Phase::Generation && tokens > 1)
                .then(|| (workload.batch * (tokens - 1)) as f64 / decoding),
            tokens_per_s_interval: self.interval(roof, (workload.batch * tokens) as f64),
        }
    }
}
