//! Which arithmetic an operation runs on.

use roofprobe_kernels::{Dtype, Op};

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
    /// All of them, in the order of their declaration.
    pub const ALL: [Arithmetic; 4] = [Arithmetic::F32, Arithmetic::F16, Arithmetic::Bf16, Arithmetic::I8];

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
