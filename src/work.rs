//! Work: FLOPs and bytes, the one small type that supply and demand share.

use crate::units::{Bytes, Flops};
use roofprobe_kernels::{Cost, Dtype};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Mul;

/// What has to be done: arithmetic and memory traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema, Deserialize)]
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
        Work::of(cost, elements, dtype)
    }

    /// The arithmetic of a matmul, and the bytes of its weights as they are stored.
    pub fn of_matmul(cost: Cost, weights: Dtype) -> Work {
        Work::of(cost, cost.weights_read, weights)
    }

    /// The arithmetic of attention, and the bytes of its cache as it is stored.
    pub fn of_attention(cost: Cost, cache: Dtype) -> Work {
        Work::of(cost, cost.cache_read, cache)
    }

    /// The arithmetic of `cost`, and the bytes of `elements`.
    fn of(cost: Cost, elements: u128, dtype: Dtype) -> Work {
        Work { flops: Flops(cost.flops as f64), bytes: Bytes(elements as f64 * dtype.bits_per_element() / 8.0) }
    }
}

impl Mul<f64> for Work {
    type Output = Work;
    fn mul(self, times: f64) -> Work {
        Work { flops: self.flops * times, bytes: self.bytes * times }
    }
}
