//! Work: FLOPs and bytes, the one small type that supply and demand share.

use crate::units::{Bytes, Flops, FlopsPerByte};
use roofprobe_kernels::{Cost, Dtype};
use std::iter::Sum;
use std::ops::{Add, Mul};

/// What has to be done: arithmetic and memory traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Matmul FLOPs (2 per multiply-accumulate).
    pub flops: Flops,
    /// Bytes moved from and to memory.
    pub bytes: Bytes,
}

impl Work {
    /// The work of a kernel all of whose operands are of one data type, as probes time it.
    pub fn of_kernel(cost: Cost, dtype: Dtype) -> Work {
        let elements = cost.weights_read + cost.cache_read + cost.cache_written + cost.input_read + cost.output_written;
        Work { flops: Flops(cost.flops as f64), bytes: Bytes(elements as f64 * dtype.bits_per_element() / 8.0) }
    }

    /// Operational intensity OI = W/Q (Williams, Waterman, Patterson 2009).
    pub fn intensity(self) -> FlopsPerByte {
        self.flops / self.bytes
    }
}

impl Add for Work {
    type Output = Work;
    fn add(self, other: Work) -> Work {
        Work { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl Mul<f64> for Work {
    type Output = Work;
    fn mul(self, times: f64) -> Work {
        Work { flops: self.flops * times, bytes: self.bytes * times }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Work>>(items: I) -> Work {
        items.fold(Work::default(), Add::add)
    }
}
