//! The bound of one operation: the larger of two times, and the resource whose time that is.

use super::Roof;
use crate::units::{Bytes, BytesPerSecond, Flops, FlopsPerByte, FlopsPerSecond, Seconds};
use serde::Serialize;
use std::ops::Mul;

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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound<'r> {
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
    pub ceiling: Option<&'r str>,
    undecided: bool,
}

impl<'r> Bound<'r> {
    /// The bound of `load` under the given roofs; without a compute roof its FLOPs take no time.
    pub fn of(
        load: &Load,
        compute: Option<&Roof<'r, FlopsPerSecond>>,
        read: &Roof<'r, BytesPerSecond>,
        write: &Roof<'r, BytesPerSecond>,
    ) -> Bound<'r> {
        let arithmetic = |rate: fn(&Roof<'r, FlopsPerSecond>) -> FlopsPerSecond| {
            compute.map_or(Seconds(0.0), |roof| load.flops / rate(roof))
        };
        let traffic = |rate: fn(&Roof<'r, BytesPerSecond>) -> BytesPerSecond| {
            [load.read / rate(read), load.written / rate(write)]
        };
        let sum = |[a, b]: [Seconds; 2]| a + b;
        let [reading, writing] = traffic(|roof| roof.rate);
        let (time, memory) = (arithmetic(|roof| roof.rate), reading + writing);
        let resource = if time.0 > 0.0 && time >= memory { Resource::Compute } else { Resource::Memory };
        let ceiling = match resource {
            _ if later(time, memory).0 == 0.0 => None,
            Resource::Compute => compute.map(|roof| roof.id),
            Resource::Memory if writing > reading => Some(write.id),
            Resource::Memory => Some(read.id),
        };
        let (computes_fast, computes_slow) = (arithmetic(|roof| roof.high), arithmetic(|roof| roof.low));
        let (moves_fast, moves_slow) = (sum(traffic(|roof| roof.high)), sum(traffic(|roof| roof.low)));
        let both = time.0 > 0.0 && memory.0 > 0.0;
        Bound {
            compute: time,
            memory,
            fastest: later(computes_fast, moves_fast),
            slowest: later(computes_slow, moves_slow),
            resource,
            ceiling,
            undecided: both && computes_fast <= moves_slow && moves_fast <= computes_slow,
        }
    }

    /// The least time: the larger of the two.
    pub fn seconds(&self) -> Seconds {
        later(self.compute, self.memory)
    }

    /// Whether the intervals of the ceilings leave open which resource binds: the times of arithmetic and of traffic
    /// overlap.
    pub fn undecided(&self) -> bool {
        self.undecided
    }
}

pub(super) fn later(a: Seconds, b: Seconds) -> Seconds {
    if a >= b { a } else { b }
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
