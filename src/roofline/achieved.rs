//! The achieved roof: what the profile's own kernels were measured to do, operation by operation.

use super::attention::{AttentionRates, Attentions, Heads};
use super::ladder::{Interval, Ladders, Reading, measured};
use super::task::{Kernel, Task};
use super::{Bound, Note, NoteKind, Resource};
use crate::model::Pass;
use crate::profile::{DeviceKind, Profile, Unit};
use crate::units::Seconds;
use std::fmt;

/// The kernels of one profile, found once.
#[derive(Clone, Debug)]
pub struct Achieved<'a> {
    pub(super) matmul: Ladders<'a>,
    pub(super) attention: Attentions<'a>,
    pub(super) launch: Launch,
}

/// What starting an operation costs.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// Seconds, from the shortest.
    seconds: Interval,
    pub(super) notes: Vec<Note>,
}

/// The measurements that a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By<'a> {
    /// The ceiling, or the lower of two that the rate lies between.
    pub from: &'a str,
    /// The tokens of the upper one, where there are two.
    pub up_to: Option<u64>,
    /// Whether its FLOPs were divided by a compute rate or its bytes by a bandwidth.
    pub counted: Resource,
}

impl<'a> By<'a> {
    const fn one(id: &'a str, counted: Resource) -> By<'a> {
        By { from: id, up_to: None, counted }
    }
}

impl fmt::Display for By<'_> {
    /// `matmul.q4_0.m4`, and `matmul.q4_0.m4..m8` for what lies between two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.from)?;
        self.up_to.map_or(Ok(()), |tokens| write!(f, "..m{tokens}"))
    }
}

/// The time that measured kernels take for one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AchievedBound<'a> {
    /// All executions, and starting them.
    pub seconds: Seconds,
    /// The same were every measurement at the fast end of its interval.
    pub fastest: Seconds,
    /// The same at the slow end.
    pub slowest: Seconds,
    /// The part of `seconds` that starting takes.
    pub overhead: Seconds,
    /// The part of `seconds` in which activations move through memory.
    pub activations: Seconds,
    /// How many times as long it takes as with the matrices that were measured, in proportion.
    pub slower: f64,
    /// Of a decode step's attention, what its FLOPs take at the best rate of attention measured: a query head by itself, and starting;
    /// none of anything else.
    pub by_flops: Option<Seconds>,
    /// The resource whose peak roof stands nearer.
    pub resource: Resource,
    /// Where the time comes from; none when only starting and activations take any.
    pub by: Option<By<'a>>,
}

/// A time, from the shortest of its interval, and where it comes from.
#[derive(Clone, Copy)]
struct Timed<'a> {
    seconds: Interval,
    by: Option<By<'a>>,
}

impl<'a> Timed<'a> {
    fn new(amount: f64, rate: Interval, by: By<'a>) -> Timed<'a> {
        let by = (amount > 0.0).then_some(by);
        Timed { seconds: [amount / rate[2], amount / rate[1], amount / rate[0]], by }
    }

    fn peak(bound: &Bound<'a>) -> Timed<'a> {
        let by = bound.ceiling.map(|id| By::one(id, bound.resource));
        Timed { seconds: [bound.fastest.0, bound.seconds().0, bound.slowest.0], by }
    }

    fn times(self, factor: f64) -> Timed<'a> {
        Timed { seconds: self.seconds.map(|seconds| seconds * factor), ..self }
    }

    /// Both have to be done, side by side.
    fn slower(self, other: Timed<'a>) -> Timed<'a> {
        let by = if other.seconds[1] > self.seconds[1] { other.by } else { self.by };
        let later = |i: usize| self.seconds[i].max(other.seconds[i]);
        Timed { seconds: [later(0), later(1), later(2)], by }
    }
}

impl<'a> Achieved<'a> {
    /// The kernels of `profile`, called `name` in messages.
    ///
    /// # Errors
    /// The reason why none can be reckoned with: no matmul was measured.
    pub fn of(profile: &'a Profile, name: &str) -> Result<Achieved<'a>, String> {
        let matmul = Ladders::of(profile).map_err(|why| format!("{name}: {why}"))?;
        Ok(Achieved { matmul, attention: Attentions::of(profile), launch: Launch::of(profile) })
    }

    /// The time of `task`, whose bound under the peak roofs is `peak`: that is also the time of what no kernel was
    /// measured for.
    pub fn bound(&self, task: &Task, peak: &Bound<'a>) -> AchievedBound<'a> {
        let slower = self.slower(task);
        let kernel = match task.kernel {
            Kernel::Matmul { tokens, .. } => self.matmul(task, (tokens, slower), peak),
            Kernel::Attention { pass, .. } => match (self.latents(task), pass) {
                (Some(latents), _) => latents,
                (None, Pass::Decode) => self.decode(task, peak),
                (None, Pass::Prefill) => self.prefill(task, peak),
            },
            Kernel::Other(_) => Timed::peak(peak),
        };
        let Timed { seconds, by } = kernel;
        let moved = peak.activations;
        let started = self.launch.seconds.map(|each| each * task.launches);
        let [fastest, value, slowest] = [0, 1, 2].map(|i| Seconds(seconds[i] + moved[i] + started[i]));
        AchievedBound {
            seconds: value,
            fastest,
            slowest,
            overhead: Seconds(started[1]),
            activations: Seconds(moved[1]),
            slower,
            by_flops: self.by_flops(task).map(|own| Seconds(own + moved[1] + started[1])),
            resource: peak.resource,
            by,
        }
    }

    /// Seconds of the FLOPs of a decode step's attention.
    fn by_flops(&self, task: &Task) -> Option<f64> {
        let Kernel::Attention { pass: Pass::Decode, .. } = task.kernel else { return None };
        self.attention.decode(task.stored).map(|measured| self.computing(measured, task).seconds[1])
    }

    /// How much longer a product takes than one of the matrices that were measured, in proportion; 1 for what is none.
    fn slower(&self, task: &Task) -> f64 {
        let Kernel::Matmul { tokens, n } = task.kernel else { return 1.0 };
        let measured = self.matmul.of_type(task.stored);
        measured.map_or(1.0, |matmul| matmul.extents.slower(tokens, n, task.bytes_of_a_start()))
    }

    fn matmul(&self, task: &Task, (tokens, slower): (f64, f64), peak: &Bound<'a>) -> Timed<'a> {
        // A profile without any ladder has no achieved roof at all.
        let Some(matmul) = self.matmul.of_type(task.stored) else { return Timed::peak(peak) };
        let Reading { rate, from, to } = matmul.ladder.at(tokens);
        let up_to = (from.at < to.at).then_some(to.at as u64);
        let by = By { from: from.id, up_to, counted: Resource::Compute };
        let computed = Timed::new(task.load.flops.0, rate, by).times(slower);
        // Where type and tokens are those measured, the bytes are in the rate.
        if task.stored == matmul.stored && tokens >= matmul.ladder.first().at {
            return computed;
        }
        // A smaller type than the stand-in takes less time in proportion, but the stand-in's arithmetic is not exceeded.
        let elements = task.load.flops.0 / (2.0 * tokens);
        let share = task.load.read.0 / (elements * matmul.dtype.bits_per_element() / 8.0);
        let scaled = computed.times(share.min(1.0));
        let by = By::one(matmul.computing.id, Resource::Compute);
        let computing = Timed::new(task.load.flops.0, matmul.computing.rate, by);
        let by = By::one(matmul.reading.id, Resource::Memory);
        scaled.slower(computing).slower(Timed::new(task.load.read.0, matmul.reading.rate, by))
    }

    /// Attention to latents, where it was measured: by its FLOPs, and the rows read no faster than keys and values were.
    fn latents(&self, task: &Task) -> Option<Timed<'a>> {
        let Kernel::Attention { pass, context, .. } = task.kernel else { return None };
        let asked = task.latents()?;
        let (id, rate) = self.attention.latents(pass).rate(asked)?;
        let computed = Timed::new(task.load.flops.0, rate, By::one(id, Resource::Compute));
        let Some(measured) = self.attention.decode(task.stored) else { return Some(computed) };
        let (heads, rate) = measured.rate(1.0, asked.row, context);
        Some(computed.slower(Timed::new(task.load.read.0, rate, By::one(heads.id, Resource::Memory))))
    }

    fn decode(&self, task: &Task, peak: &Bound<'a>) -> Timed<'a> {
        let Some(measured) = self.attention.decode(task.stored) else { return Timed::peak(peak) };
        let read = reading(measured, task);
        // Up to the sharing that was measured, the bytes have the arithmetic in their rate.
        read.slower(self.computing(measured, task))
    }

    /// The FLOPs of attention at the best FLOP/s that was measured: a decode step's, counted from its bytes, or a prompt's.
    fn computing(&self, measured: &AttentionRates<'a>, task: &Task) -> Timed<'a> {
        let Kernel::Attention { group, head_dim, context, .. } = task.kernel else {
            return Timed { seconds: [0.0; 3], by: None };
        };
        let timed = |(heads, rate): (&Heads<'a>, Interval), flops_per_byte: f64| {
            let by = By::one(heads.id, Resource::Compute);
            Timed::new(task.load.flops.0, rate.map(|rate| rate * flops_per_byte), by)
        };
        let bytes = measured.dtype.bits_per_element() / 8.0;
        let own = measured.computing(context);
        let own = timed(own, 2.0 * own.0.group / bytes);
        let prompt =
            self.attention.prefill(task.stored).map(|prompt| timed(prompt.rate(group, head_dim, context), 1.0));
        let faster = |prompt: &Timed| prompt.seconds[1] < own.seconds[1];
        prompt.filter(faster).unwrap_or(own)
    }

    fn prefill(&self, task: &Task, peak: &Bound<'a>) -> Timed<'a> {
        let computed = match (self.attention.prefill(task.stored), task.kernel) {
            (Some(measured), Kernel::Attention { group, head_dim, context, .. }) => {
                let (heads, rate) = measured.rate(group, head_dim, context);
                let by = By::one(heads.id, Resource::Compute);
                Timed::new(task.load.flops.0, rate, by)
            }
            _ => Timed::peak(peak),
        };
        match self.attention.decode(task.stored) {
            Some(measured) => computed.slower(reading(measured, task)),
            None => computed.slower(Timed::peak(peak)),
        }
    }
}

/// The cache read at the rate of a decode step.
fn reading<'a>(measured: &AttentionRates<'a>, task: &Task) -> Timed<'a> {
    let Kernel::Attention { group, head_dim, context, .. } = task.kernel else {
        return Timed { seconds: [0.0; 3], by: None };
    };
    let (heads, rate) = measured.rate(group, head_dim, context);
    Timed::new(task.load.read.0, rate, By::one(heads.id, Resource::Memory))
}

impl Launch {
    fn of(profile: &Profile) -> Launch {
        let id = match profile.device.kind {
            DeviceKind::Cpu => "overhead.barrier",
            DeviceKind::Gpu => "overhead.dispatch",
        };
        let none = |why: String| Launch { seconds: [0.0; 3], notes: vec![Note::new(NoteKind::NotMeasured, why)] };
        match profile.ceiling(id).map(|ceiling| measured(ceiling, Unit::Us)) {
            None => none(format!("no {id}: launches take no time here")),
            Some(Err(why)) => none(format!("{why}: launches take no time here")),
            Some(Ok((micros, notes))) => Launch { seconds: micros.map(|us| us / 1e6), notes },
        }
    }
}

/// The achieved time of a list of operations, one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AchievedSpan {
    /// The sum of their times.
    pub seconds: Seconds,
    /// As `seconds`, were every measurement at the fast end of its interval.
    pub fastest: Seconds,
    /// As `seconds`, at the slow end.
    pub slowest: Seconds,
    /// The part of `seconds` that starting operations takes.
    pub overhead: Seconds,
    /// The part of `seconds` in operations that stand nearer to the roof of memory.
    pub memory_bound: Seconds,
}

impl AchievedSpan {
    /// One more operation, behind the others.
    pub fn add(&mut self, bound: &AchievedBound) {
        self.seconds = self.seconds + bound.seconds;
        self.fastest = self.fastest + bound.fastest;
        self.slowest = self.slowest + bound.slowest;
        self.overhead = self.overhead + bound.overhead;
        if bound.resource == Resource::Memory {
            self.memory_bound = self.memory_bound + bound.seconds;
        }
    }

    /// What starting costs beside the operations: the least, the value, the most.
    pub fn start(&mut self, [least, value, most]: [Seconds; 3]) {
        self.fastest = self.fastest + least;
        self.seconds = self.seconds + value;
        self.slowest = self.slowest + most;
        self.overhead = self.overhead + value;
    }
}

impl<'b, 'a: 'b> FromIterator<&'b AchievedBound<'a>> for AchievedSpan {
    fn from_iter<I: IntoIterator<Item = &'b AchievedBound<'a>>>(bounds: I) -> AchievedSpan {
        let mut span = AchievedSpan::default();
        bounds.into_iter().for_each(|bound| span.add(bound));
        span
    }
}
