//! The roofline: the least time that a load can take under a profile's ceilings, and the resource that binds.
//!
//! `t = max(F/π, Q/β)` for one operation (Williams, Waterman, Patterson 2009), `Σ t` for operations one after another.
//! [`Span`] gives beside it the optimistic `max(ΣF/π, ΣQ/β)`, as if all operations overlapped; with two resources the
//! sum is at most twice that. Deliberately absent: launch overheads, cache reuse, efficiency below the ceilings.

use crate::error::{Error, Result};
use crate::profile::{Ceiling, DeviceKind, Profile, Status};
use crate::units::{Bytes, BytesPerSecond, Flops, FlopsPerByte, FlopsPerSecond, Seconds};
use roofprobe_kernels::{Dtype, Op};
use serde::Serialize;
use std::ops::Mul;

/// The arithmetic that a multiply-accumulate is done in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// binary32.
    F32,
    /// binary16.
    F16,
    /// bfloat16 products, accumulated in binary32.
    Bf16,
    /// Signed 8-bit products, accumulated in 32-bit integers.
    I8,
}

impl Arithmetic {
    /// Which arithmetic an operation uses when its stored operand is of `dtype`.
    ///
    /// Matmuls with block-quantised weights requantise their activations to 8 bits and use integer dot products, as
    /// ggml does. Attention over a quantised cache is taken to expand it to f32.
    pub fn of(op: Op, dtype: Dtype) -> Arithmetic {
        match (op, dtype) {
            (_, Dtype::F16) => Arithmetic::F16,
            (_, Dtype::Bf16) => Arithmetic::Bf16,
            (Op::Attention, Dtype::I8 | Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4K | Dtype::Q6K) => Arithmetic::F32,
            (_, Dtype::I8 | Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4K | Dtype::Q6K) => Arithmetic::I8,
            (_, Dtype::F32 | Dtype::F64) => Arithmetic::F32,
        }
    }

    /// The id of its ceiling.
    pub const fn ceiling_id(self) -> &'static str {
        match self {
            Arithmetic::F32 => "compute.f32",
            Arithmetic::F16 => "compute.f16",
            Arithmetic::Bf16 => "compute.bf16",
            Arithmetic::I8 => "compute.i8",
        }
    }
}

/// A ceiling in use: its rate with its interval, and what has to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Roof<Rate> {
    /// The id of the ceiling, which may stand in for the one wanted.
    pub id: String,
    /// The rate.
    pub rate: Rate,
    /// The lower end of its 95 % interval; the rate itself where the profile gives none.
    pub low: Rate,
    /// The upper end.
    pub high: Rate,
    /// Remarks: what it stands in for and why, a doubt, a missing interval.
    pub remarks: Vec<String>,
}

/// The ceilings of one profile that a model runs under.
#[derive(Clone, Debug)]
pub struct Roofs<'a> {
    profile: &'a Profile,
    name: &'a str,
    /// Reading weights and cache.
    pub read: Roof<BytesPerSecond>,
    /// Writing the cache.
    pub write: Roof<BytesPerSecond>,
}

/// A unit of rate that a ceiling's value, in 10⁹ per second, can be expressed in.
trait FromGiga: Copy {
    fn from_giga(value: f64) -> Self;
    fn of(ceiling: &Ceiling) -> Option<f64>;
}

impl FromGiga for BytesPerSecond {
    fn from_giga(value: f64) -> Self {
        BytesPerSecond::from_giga(value)
    }
    fn of(ceiling: &Ceiling) -> Option<f64> {
        ceiling.gb_per_s
    }
}

impl FromGiga for FlopsPerSecond {
    fn from_giga(value: f64) -> Self {
        FlopsPerSecond::from_giga(value)
    }
    fn of(ceiling: &Ceiling) -> Option<f64> {
        ceiling.gflop_per_s
    }
}

impl<'a> Roofs<'a> {
    /// The ceilings of `profile`, called `name` in messages.
    ///
    /// # Errors
    /// Misuse, naming the profile and the ceiling, when it has no bandwidth of main (on a GPU: video) memory.
    pub fn of(profile: &'a Profile, name: &'a str) -> Result<Roofs<'a>> {
        // A quoted GPU profile may call its memory by either name.
        let memories = [profile.device.kind, DeviceKind::Cpu].map(DeviceKind::main_memory);
        let ids = |accesses: &[&str]| -> Vec<String> {
            accesses.iter().flat_map(|access| memories.map(|level| format!("memory.{level}.{access}"))).collect()
        };
        let (reads, writes) = (ids(&["read"]), ids(&["write", "read"]));
        let [reads, writes] = [&reads, &writes].map(|ids| ids.iter().map(String::as_str).collect::<Vec<_>>());
        let remedy = reads[0];
        let (read, write) = (first(profile, name, &reads, remedy)?, first(profile, name, &writes, remedy)?);
        Ok(Roofs { profile, name, read, write })
    }

    /// The compute ceiling of an arithmetic; where it has no value, `compute.f32` stands in, and the remarks say so.
    ///
    /// # Errors
    /// Misuse, naming the profile and the ceilings, when `compute.f32` has no value either.
    pub fn compute(&self, arithmetic: Arithmetic) -> Result<Roof<FlopsPerSecond>> {
        let stand_in = Arithmetic::F32.ceiling_id();
        first(self.profile, self.name, &[arithmetic.ceiling_id(), stand_in], stand_in)
    }

    /// The least time of `load`, and what binds it. Without FLOPs no compute ceiling is needed.
    ///
    /// # Errors
    /// As [`Roofs::compute`].
    pub fn bound(&self, load: &Load, arithmetic: Arithmetic) -> Result<Bound> {
        let compute = if load.flops.0 > 0.0 { Some(self.compute(arithmetic)?) } else { None };
        Ok(Bound::of(load, compute.as_ref(), &self.read, &self.write))
    }
}

/// The first ceiling of `ids` that has a value; without any, `remedy` is the one to measure.
fn first<Rate: FromGiga>(profile: &Profile, name: &str, ids: &[&str], remedy: &str) -> Result<Roof<Rate>> {
    let mut missed: Vec<String> = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        // An arithmetic, or a memory, may be its own stand-in.
        if ids[..place].contains(id) {
            continue;
        }
        match profile.ceiling(id).map(|ceiling| (ceiling, Rate::of(ceiling))) {
            Some((ceiling, Some(value))) => return Ok(roof(ceiling, value, &missed)),
            Some((ceiling, None)) => {
                missed.push(format!("{id} is {} ({})", ceiling.status, reason(ceiling)));
            }
            None => missed.push(format!("{id} is not in the profile")),
        }
    }
    let device = match profile.device.kind {
        DeviceKind::Cpu => "",
        DeviceKind::Gpu => " --device gpu",
    };
    Err(Error::misuse(format!(
        "{name}: {remedy} has no value to reckon with: {}; `roofprobe measure{device}` measures all",
        missed.join(", ")
    )))
}

fn roof<Rate: FromGiga>(ceiling: &Ceiling, value: f64, missed: &[String]) -> Roof<Rate> {
    let id = ceiling.id.clone();
    let mut remarks = Vec::new();
    if !missed.is_empty() {
        remarks.push(format!("{}, so {id} stands in for it", missed.join(", ")));
    }
    if ceiling.status == Status::Suspect {
        remarks.push(format!("{id} is suspect ({}), and used all the same", reason(ceiling)));
    }
    if ceiling.ci95.is_none() {
        remarks.push(format!("{id} has no interval in the profile; it enters the interval of tokens/s as a point"));
    }
    // A best-of value may lie outside the interval of its resamples: the interval given contains both.
    let [low, high] = ceiling.ci95.unwrap_or([value, value]);
    let [rate, low, high] = [value, low.min(value), high.max(value)].map(Rate::from_giga);
    Roof { id, rate, low, high, remarks }
}

/// The reason of a status, on one line.
fn reason(ceiling: &Ceiling) -> String {
    ceiling.reason.as_deref().unwrap_or("no reason given").replace('\n', " ")
}

/// What has to be done: arithmetic, and traffic by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Matmul FLOPs.
    pub flops: Flops,
    /// Bytes read from memory.
    pub read: Bytes,
    /// Bytes written to memory.
    pub written: Bytes,
}

impl Mul<f64> for Load {
    type Output = Load;
    fn mul(self, times: f64) -> Load {
        Load { flops: self.flops * times, read: self.read * times, written: self.written * times }
    }
}

/// What a device can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Bandwidth.
    Memory,
    /// Arithmetic.
    Compute,
}

impl Resource {
    /// The name in reports and records.
    pub const fn name(self) -> &'static str {
        match self {
            Resource::Memory => "memory",
            Resource::Compute => "compute",
        }
    }

    /// The name of the side of the ridge where it binds.
    pub const fn regime(self) -> &'static str {
        match self {
            Resource::Memory => "memory-bound",
            Resource::Compute => "compute-bound",
        }
    }
}

/// The least time of one load, and why it is not less.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Time of the arithmetic alone, `F/π`.
    pub compute: Seconds,
    /// Time of the traffic alone, `Q/β`.
    pub memory: Seconds,
    /// The bound were every ceiling at the upper end of its interval.
    pub fastest: Seconds,
    /// The bound were every ceiling at the lower end.
    pub slowest: Seconds,
    /// The resource that binds; at the ridge both do, and arithmetic is named, as OI ≥ ridge is compute-bound.
    pub resource: Resource,
    /// The id of the ceiling that binds; none when there is nothing to do.
    pub ceiling: Option<String>,
}

impl Bound {
    /// The bound of `load` under the given roofs; without a compute roof its FLOPs take no time.
    pub fn of(
        load: &Load,
        compute: Option<&Roof<FlopsPerSecond>>,
        read: &Roof<BytesPerSecond>,
        write: &Roof<BytesPerSecond>,
    ) -> Bound {
        let arithmetic = |rate: fn(&Roof<FlopsPerSecond>) -> FlopsPerSecond| {
            compute.map_or(Seconds(0.0), |roof| load.flops / rate(roof))
        };
        let traffic =
            |rate: fn(&Roof<BytesPerSecond>) -> BytesPerSecond| [load.read / rate(read), load.written / rate(write)];
        let sum = |[a, b]: [Seconds; 2]| a + b;
        let [reading, writing] = traffic(|roof| roof.rate);
        let (time, memory) = (arithmetic(|roof| roof.rate), reading + writing);
        let resource = if time.0 > 0.0 && time >= memory { Resource::Compute } else { Resource::Memory };
        let ceiling = match resource {
            _ if later(time, memory).0 == 0.0 => None,
            Resource::Compute => compute.map(|roof| roof.id.clone()),
            Resource::Memory if writing > reading => Some(write.id.clone()),
            Resource::Memory => Some(read.id.clone()),
        };
        Bound {
            compute: time,
            memory,
            fastest: later(arithmetic(|roof| roof.high), sum(traffic(|roof| roof.high))),
            slowest: later(arithmetic(|roof| roof.low), sum(traffic(|roof| roof.low))),
            resource,
            ceiling,
        }
    }

    /// The least time: the larger of the two.
    pub fn seconds(&self) -> Seconds {
        later(self.compute, self.memory)
    }
}

fn later(a: Seconds, b: Seconds) -> Seconds {
    if a >= b { a } else { b }
}

/// The time of a list of operations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// One after another: the sum of their bounds.
    pub seconds: Seconds,
    /// All overlapping: the larger of all arithmetic and all traffic.
    pub optimistic: Seconds,
    /// As `seconds`, were every ceiling at the upper end of its interval.
    pub fastest: Seconds,
    /// As `seconds`, were every ceiling at the lower end.
    pub slowest: Seconds,
    /// The part of `seconds` in operations that memory binds.
    pub memory_bound: Seconds,
    /// How long each ceiling binds, in order of first appearance.
    pub by_ceiling: Vec<(String, Resource, Seconds)>,
}

impl Span {
    /// Adds up.
    pub fn of<'b>(bounds: impl IntoIterator<Item = &'b Bound>) -> Span {
        let mut span = Span::default();
        let (mut compute, mut memory) = (Seconds(0.0), Seconds(0.0));
        for bound in bounds {
            let seconds = bound.seconds();
            span.seconds = span.seconds + seconds;
            span.fastest = span.fastest + bound.fastest;
            span.slowest = span.slowest + bound.slowest;
            compute = compute + bound.compute;
            memory = memory + bound.memory;
            if bound.resource == Resource::Memory {
                span.memory_bound = span.memory_bound + seconds;
            }
            span.charge(bound, seconds);
        }
        span.optimistic = later(compute, memory);
        span
    }

    fn charge(&mut self, bound: &Bound, seconds: Seconds) {
        let Some(id) = &bound.ceiling else { return };
        match self.by_ceiling.iter_mut().find(|(known, ..)| known == id) {
            Some((_, _, sum)) => *sum = *sum + seconds,
            None => self.by_ceiling.push((id.clone(), bound.resource, seconds)),
        }
    }

    /// The share of the time in operations that memory binds, 0 to 1.
    pub fn memory_bound_share(&self) -> f64 {
        if self.seconds.0 > 0.0 { self.memory_bound / self.seconds } else { 0.0 }
    }

    /// The resource that binds for the larger share of the time.
    pub fn resource(&self) -> Resource {
        if self.memory_bound_share() > 0.5 { Resource::Memory } else { Resource::Compute }
    }

    /// The ceiling that binds longest among those of [`Span::resource`].
    pub fn ceiling(&self) -> Option<&str> {
        let resource = self.resource();
        let longest = |a: &&(String, Resource, Seconds), b: &&(String, Resource, Seconds)| a.2.0.total_cmp(&b.2.0);
        self.by_ceiling.iter().filter(|(_, kind, _)| *kind == resource).max_by(longest).map(|(id, ..)| id.as_str())
    }
}

/// The point where a compute and a memory roof meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    /// The compute roof π.
    pub compute: FlopsPerSecond,
    /// The memory roof β.
    pub bandwidth: BytesPerSecond,
}

impl Ridge {
    /// The intensity at the ridge, `π/β`.
    pub fn intensity(&self) -> FlopsPerByte {
        self.compute / self.bandwidth
    }

    /// The attainable rate at an intensity, `min(π, OI·β)`.
    pub fn attainable(&self, intensity: FlopsPerByte) -> FlopsPerSecond {
        let slope = intensity * self.bandwidth;
        if slope < self.compute { slope } else { self.compute }
    }
}
