//! The bound of one operation: the larger of two times, and the resource whose time that is.

use super::Roof;
use crate::units::{Bytes, BytesPerSecond, Flops, FlopsPerByte, FlopsPerSecond, Seconds};
use roofprobe_kernels::named_enum;
use schemars::JsonSchema;
use serde_with::SerializeDisplay;
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
    /// Bytes of activations that it takes in and gives: no traffic under the peak roofs, under which they stay in caches.
    pub activations: Bytes,
}

impl Mul<f64> for Load {
    type Output = Load;
    fn mul(self, times: f64) -> Load {
        Load {
            flops: self.flops * times,
            read: self.read * times,
            written: self.written * times,
            activations: self.activations * times,
        }
    }
}

named_enum! {
    /// What a device can run out of.
    #[derive(SerializeDisplay, JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    pub enum Resource: "resource" {
        /// Bandwidth.
        Memory = "memory",
        /// Arithmetic.
        Compute = "compute",
    }
}

impl Resource {
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
    /// What is not in it: seconds in which activations move through memory, the shortest of the bandwidth's interval first.
    pub activations: [f64; 3],
    undecided: bool,
}

impl<'r> Bound<'r> {
    /// The bound of `load` under the given roofs; without a compute roof its FLOPs take no time.
    #[inline]
    pub fn of(
        load: &Load,
        compute: Option<&Roof<'r, FlopsPerSecond>>,
        read: &Roof<'r, BytesPerSecond>,
        write: &Roof<'r, BytesPerSecond>,
    ) -> Bound<'r> {
        let computes = compute.map_or([0.0; 3], |roof| over(load.flops.0, [roof.high.0, roof.rate.0, roof.low.0]));
        let reads = over(load.read.0, [read.high.0, read.rate.0, read.low.0]);
        let writes = over(load.written.0, [write.high.0, write.rate.0, write.low.0]);
        let moves = [0, 1, 2].map(|i| reads[i] + writes[i]);
        let (time, memory) = (computes[1], moves[1]);
        let resource = if time > 0.0 && time >= memory { Resource::Compute } else { Resource::Memory };
        let ceiling = match resource {
            _ if time.max(memory) == 0.0 => None,
            Resource::Compute => compute.map(|roof| roof.id),
            Resource::Memory if writes[1] > reads[1] => Some(write.id),
            Resource::Memory => Some(read.id),
        };
        let both = time > 0.0 && memory > 0.0;
        Bound {
            compute: Seconds(time),
            memory: Seconds(memory),
            fastest: Seconds(computes[0].max(moves[0])),
            slowest: Seconds(computes[2].max(moves[2])),
            resource,
            ceiling,
            activations: over(load.activations.0, [read.high.0, read.rate.0, read.low.0]),
            undecided: both && computes[0] <= moves[2] && moves[0] <= computes[2],
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

/// The time of an amount at three rates, the shortest first. Much of what is asked for is nothing, and not divided.
fn over(amount: f64, rates: [f64; 3]) -> [f64; 3] {
    if amount > 0.0 { rates.map(|rate| amount / rate) } else { [0.0; 3] }
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
